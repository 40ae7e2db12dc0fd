"""A server and a real browser, for the tests of a page as a reader sees it."""

import contextlib
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

from movierec.play import BROWSERS

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 90


@contextlib.contextmanager
def chromium():
    """Yield headless Chromium; without one the test is skipped, but never in CI."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium here; on Debian or Ubuntu: sudo apt-get install chromium")
    assert path, f"CI must have a browser, one of {', '.join(BROWSERS)}; `make browser` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def web_server(command: list[str], answers: str, folder: Path, environment: dict):
    """Yield the address of `python -m *command --port=…` once its path `answers` does; end the server afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "server.log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}"],
            cwd=folder, env=os.environ | environment, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}/{answers}", process, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str, process, log: Path) -> None:
    for _ in range(READY_SECONDS):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError as error:
            if getattr(error, "code", None):  # an answer, if only that there is no such file
                error.close()
                return
            time.sleep(1)
    raise AssertionError(f"{process.args[2]} did not start: {log.read_text()[-2000:]}")


def screenshot(page, name: str) -> Path:
    """Save a picture of the page in report/generated/screenshots; return its path."""
    path = ROOT / f"report/generated/screenshots/{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    return path
