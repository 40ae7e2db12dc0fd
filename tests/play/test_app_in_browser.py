"""The page of `make app`: a film is rated in a real browser and the list changes; other sites get no page.

Protected: a view of another site starts no kernel; a few kernels at most run, and end when nobody looks at them;
nothing is loaded from another host.
"""

import asyncio
import time

import httpx
import pytest
from tornado.web import HTTPError

from movierec.play import page
from tests.web import READY_SECONDS, screenshot, web_server


@pytest.fixture
def address(fitted, tmp_path):
    """Voilà on a free port, with the small model."""
    fitted.save(tmp_path / "model")
    command = ["movierec.play.page", "--no-browser"]
    # The static files answer before a notebook is run; the page itself would run it.
    with web_server(command, "voila/static/voila.js", tmp_path, {"MOVIEREC_MODEL": str(tmp_path / "model")}) as address:
        yield address


def test_a_visitor_rates_a_film_and_the_list_reacts(address, browser, fitted):
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    errors, hosts = [], set()
    view.on("pageerror", lambda error: errors.append(error))
    view.on("request", lambda request: hosts.add(request.url.split("/")[2]) if request.url.startswith("http") else None)
    view.goto(address, timeout=1000 * READY_SECONDS)
    view.wait_for_selector("table.movierec td", timeout=1000 * READY_SECONDS)
    assert view.title() and view.locator("h1").inner_text().startswith("What would I recommend to you?")
    assert view.get_by_text("Nothing is known of you yet").is_visible()

    def listed():
        return view.locator("table.movierec").first.locator("tbody tr td:nth-child(2)").all_inner_texts()

    before = listed()
    assert before == fitted.recommend_new(k=10)["title"].tolist()
    view.get_by_placeholder("a part of its title").fill(before[0])
    view.locator("select option", has_text=before[0]).first.wait_for(state="attached")
    view.get_by_role("button", name="5 ★").click()
    view.get_by_text("From the films that you rated").wait_for()
    after = listed()
    assert before[0] not in after and len(after) == 10
    assert view.get_by_text("because you liked").first.is_visible()
    assert screenshot(view, "app").stat().st_size > 10_000
    assert errors == []
    assert hosts == {address.split("/")[2]}


def test_an_image_on_another_site_starts_no_kernel_and_kernels_end_when_nobody_looks(address, tmp_path):
    def kernels():
        log = (tmp_path / "server.log").read_text()
        return log.count("Kernel started"), log.count("Kernel shutdown")

    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "iframe"},
        {"Accept": "image/avif,*/*"},
        {"Referer": "http://other.example/"},
        {"Host": "other.example"},
    ):
        assert httpx.get(address, headers=headers, timeout=READY_SECONDS).status_code == 403, headers
    assert kernels() == (0, 0)
    answer = httpx.get(address, timeout=READY_SECONDS)
    assert answer.status_code == 200 and '<link rel="stylesheet" href="http' not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    end = time.monotonic() + READY_SECONDS
    while kernels() != (1, 1) and time.monotonic() < end:
        time.sleep(1)
    assert kernels() == (1, 1)


def test_no_more_kernels_than_memory_has_room_for(monkeypatch):
    async def start(self, **options):
        await asyncio.sleep(0)
        return "a kernel"

    monkeypatch.setattr(page.AsyncMappingKernelManager, "start_kernel", start)

    async def views(kernels):
        return await asyncio.gather(*(kernels.start_kernel() for _ in range(9)), return_exceptions=True)

    found = asyncio.run(views(page.Kernels()))
    refused = [one.status_code for one in found if isinstance(one, HTTPError)]
    assert found.count("a kernel") == page.MOST_KERNELS == 4 and refused == [503] * 5
