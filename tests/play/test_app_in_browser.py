"""The page of `make app` in a real browser: a title is searched, stars are given, the list changes."""

import pytest

from tests.web import READY_SECONDS, ROOT, screenshot, web_server


@pytest.fixture
def address(fitted, tmp_path):
    """Voilà on a free port, with the small model."""
    fitted.save(tmp_path / "model")
    command = ["voila", str(ROOT / "movierec/play/app.ipynb"), "--no-browser", "--Voila.ip=127.0.0.1"]
    # The static files answer before a notebook is run; the page itself would run it.
    with web_server(command, "voila/static/voila.js", tmp_path, {"MOVIEREC_MODEL": str(tmp_path / "model")}) as address:
        yield address


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
    assert screenshot(page, "app").stat().st_size > 10_000
    assert errors == []
