"""The page of `make app` in a real browser: a title is searched, stars are given, the list changes."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from movierec.doctor import BROWSERS

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOT = ROOT / "report/generated/screenshots/app.png"
READY_SECONDS = 90


@pytest.fixture
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium here; on Debian or Ubuntu: sudo apt-get install chromium")
    assert path, f"CI must have a browser, one of {', '.join(BROWSERS)}; `make browser` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(fitted, tmp_path):
    """Voilà on a free port, with the small model."""
    fitted.save(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", "movierec/play/app.ipynb", "--no-browser", f"--port={port}"]
    environment = os.environ | {"MOVIEREC_MODEL": str(tmp_path / "model")}
    with open(tmp_path / "voila.log", "w") as log:
        process = subprocess.Popen(
            [*command, "--Voila.ip=127.0.0.1"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(port, process, tmp_path / "voila.log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port, process, log):
    for _ in range(READY_SECONDS):
        if process.poll() is not None:
            break
        try:
            # The static files answer before a notebook is run; the page itself would run it.
            urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=1).close()
            return
        except OSError as error:
            if getattr(error, "code", None):  # an answer, if only that there is no such file
                error.close()
                return
            time.sleep(1)
    raise AssertionError(f"voila did not start: {log.read_text()[-2000:]}")


def test_a_visitor_rates_a_film_and_the_list_reacts(address, browser, fitted):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(address, timeout=1000 * READY_SECONDS)
    page.wait_for_selector("table.movierec td", timeout=1000 * READY_SECONDS)
    assert page.title() and page.locator("h1").inner_text().startswith("What would I recommend to you?")
    assert page.get_by_text("Nothing is known of you yet").is_visible()

    def listed():
        return page.locator("table.movierec").first.locator("tbody tr td:nth-child(2)").all_inner_texts()

    before = listed()
    assert before == fitted.recommend_new(k=10)["title"].tolist()
    page.get_by_placeholder("a part of its title").fill(before[0])
    page.locator("select option", has_text=before[0]).first.wait_for(state="attached")
    page.get_by_role("button", name="5 ★").click()
    page.get_by_text("From the films that you rated").wait_for()
    after = listed()
    assert before[0] not in after and len(after) == 10
    assert page.get_by_text("because you liked").first.is_visible()
    SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOT, full_page=True)
    assert SCREENSHOT.stat().st_size > 10_000
    assert errors == []
