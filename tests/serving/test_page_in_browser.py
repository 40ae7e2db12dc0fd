"""The page of the service as a visitor has it: with a mouse, by keyboard alone, on a phone, in the dark, again.

Protected: the list reacts and says why; what was entered survives a reload and can be forgotten; titles are text;
everything has a name for a screen reader; nothing moves by itself; nothing comes from another host.
"""

import importlib.resources
import importlib.util
import os
import time

import pytest

from movierec.recommend import Visitor, recommended
from tests.serving.conftest import ATTACK
from tests.web import screenshot

SHIFTS = """
window.shifts = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
MOST_SHIFT = 0.1  # of the window; what Web Vitals call good
BY_HAND = """() => {  // what the page must have even where axe-core is not installed
  const name = one => one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")
    || one.labels?.[0]?.textContent || one.textContent.trim();
  const controls = [...document.querySelectorAll("button, input, select, a[href], [role]")];
  const ids = [...document.querySelectorAll("[id]")].map(one => one.id);
  const small = [...document.querySelectorAll("button")].filter(one => one.offsetParent)
    .filter(one => one.offsetWidth < 24 || one.offsetHeight < 24);
  return {
    unnamed: controls.filter(one => !["status", "alert"].includes(one.role) && !name(one)).map(one => one.outerHTML),
    repeated: ids.filter((id, place) => ids.indexOf(id) < place), small: small.map(one => one.outerHTML),
    dangling: [...document.querySelectorAll("[aria-labelledby]")]
      .filter(one => !document.getElementById(one.getAttribute("aria-labelledby"))).map(one => one.outerHTML),
  };
}"""


@pytest.fixture
def visit(address, browser):
    """`visit(width, scheme)`: a new visitor who has opened the page; there must be no error and no other host."""
    errors, hosts = [], set()

    def start(width=1280, scheme="light", **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        view = context.new_page()
        view.on("pageerror", lambda error: errors.append(str(error)))
        view.on("console", lambda message: errors.append(message.text) if is_fault(message) else None)
        view.on("dialog", lambda dialog: errors.append(dialog.message) or dialog.dismiss())
        view.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        view.add_init_script(SHIFTS)
        view.goto(address)
        view.wait_for_selector("#list .title")
        view.wait_for_selector("#found .title")
        return view

    yield start
    for context in browser.contexts:
        context.close()
    assert errors == [] and hosts == {address.split("/")[2]}


def is_fault(message):
    """Whether the console complains; a refusal with 422, which the page shows in words, is none."""
    return message.type == "error" and "status of 422" not in message.text


def listed(view, name="list"):
    return view.locator(f"#{name} .title").all_inner_texts()


def changes(view, action):
    """Do something, and wait until another list is there."""
    lists = "performance.getEntriesByName('list').length"
    before, until = view.evaluate(lists), time.monotonic() + 30
    action()
    while view.evaluate(lists) == before:  # `wait_for_function` is forbidden to it by the page's policy
        assert time.monotonic() < until
        view.wait_for_timeout(20)


def test_a_visitor_searches_rates_reloads_and_is_forgotten(visit, hostile, store):
    view = visit()
    assert view.get_by_text("Nothing is known of you yet").is_visible() and view.locator("#rated-empty").is_visible()
    assert listed(view) == recommended(hostile, Visitor(), 10)["title"].tolist()
    view.get_by_label("Find a film").fill("xyzzy")
    view.get_by_text("No film has a title like that").wait_for()
    view.get_by_label("Find a film").fill("onerror")
    view.get_by_text("1 film found").wait_for()
    assert listed(view, "found") == [ATTACK] and view.locator("img").count() == 0
    stars = view.locator("#found").get_by_role("group", name=f"Your stars for {ATTACK}")
    changes(view, stars.get_by_role("button", name="5 stars").click)
    film = hostile.movies["movie_id"][hostile.movies["title"] == ATTACK].item()
    after = recommended(hostile, Visitor({film: 5.0}), 10)
    assert listed(view) == after["title"].tolist() and listed(view, "rated") == [ATTACK]
    assert view.locator("#list").get_by_text(f"because you liked {ATTACK}").first.is_visible()
    changes(view, view.get_by_role("button", name="Comedy").click)
    second = listed(view)[1]
    again = view.locator("#list").get_by_role("group", name=f"Your stars for {second}")
    changes(view, again.get_by_role("button", name="1 star", exact=True).click)  # a film of the list itself
    assert second not in listed(view) and listed(view, "rated") == [second, ATTACK]
    assert screenshot(view, "app").stat().st_size > 10_000
    before, number = listed(view), {one.user_id for one in store.impressions()}
    assert len(number) == 1 and number.pop() < 0
    assert {one.place for one in store.impressions()} == set(range(1, 11))
    view.reload()
    view.get_by_text("From the films that you rated and the genres that you like").wait_for()
    assert listed(view) == before and listed(view, "rated") == [second, ATTACK]
    assert "#" not in view.url and "?" not in view.url
    changes(view, view.get_by_role("button", name=f"Remove {second}").click)
    view.get_by_role("tab", name="Your evening").click()
    view.get_by_text("3 films, 330 minutes").wait_for()
    view.get_by_label("But no").select_option("Drama")
    view.get_by_text("none of the 29 films that you have not rated is of this kind").wait_for()
    view.get_by_role("tab", name="Your list").click()
    old = store.impressions()[0].user_id
    changes(view, view.get_by_role("button", name="Forget everything").click)
    view.get_by_text("Forgotten: your stars and genres").wait_for()
    view.get_by_text("Nothing is known of you yet").wait_for()
    assert listed(view, "rated") == [] and old not in {one.user_id for one in store.impressions()}


def test_the_keyboard_is_enough(visit):
    view = visit()
    press = view.keyboard.press
    press("Tab")
    assert view.evaluate("document.activeElement.className") == "skip"
    press("Tab")
    assert view.evaluate("document.activeElement.id") == "search"
    view.keyboard.type("onerror")
    view.get_by_text("1 film found").wait_for()
    press("Tab")
    assert view.evaluate("document.activeElement.getAttribute('aria-label')") == "5 stars"
    press("ArrowLeft")
    changes(view, lambda: press("Enter"))
    assert view.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"  # the focus stays
    assert view.locator("#rated [aria-pressed=true]").get_attribute("aria-label") == "4 stars"
    changes(view, lambda: press("2"))
    assert view.locator("#rated [aria-pressed=true]").get_attribute("aria-label") == "2 stars"
    press("Tab")  # the stars of the rated film are one stop, its removal is another
    press("Tab")
    assert view.evaluate("document.activeElement.className") == "remove"
    changes(view, lambda: press("Enter"))
    assert view.locator("#rated li").count() == 0 and view.evaluate("document.activeElement.id") == "search"
    view.get_by_role("button", name="Comedy").focus()
    changes(view, lambda: press("Space"))
    assert view.get_by_role("button", name="Comedy").get_attribute("aria-pressed") == "true"
    view.get_by_role("tab", name="Your list").focus()
    press("ArrowRight")
    view.get_by_text("3 films, 330 minutes").wait_for()
    assert view.get_by_role("tab", name="Your evening").get_attribute("aria-selected") == "true"
    press("ArrowLeft")
    row = view.locator("#list .stars").nth(2)
    row.locator("button[tabindex='0']").focus()
    changes(view, lambda: press("5"))
    place = "[...document.querySelectorAll('#list li')].indexOf(document.activeElement.closest('li'))"
    assert view.evaluate(place) == 2  # that film has left the list; the focus is on the one in its place


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_the_page_fits_stands_still_and_axe_finds_no_fault(visit, width, scheme):
    view = visit(width, scheme, bypass_csp=True)  # for axe-core alone, which is put into the page
    view.wait_for_timeout(300)
    assert view.evaluate("window.shifts") < MOST_SHIFT
    changes(view, view.locator("#found .stars").first.get_by_role("button", name="4 stars").click)
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert screenshot(view, f"page-{width}-{scheme}").stat().st_size > 10_000
    assert_accessible(view)
    view.get_by_role("tab", name="Your evening").click()
    view.wait_for_selector("#evening .title")
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert_accessible(view)


def assert_accessible(view):
    found = view.evaluate(BY_HAND)
    assert found == {"unnamed": [], "repeated": [], "small": [], "dangling": []}
    if importlib.util.find_spec("axe_playwright_python") is None:
        assert os.environ.get("CI") != "true", "CI must have axe-core: pip install axe-playwright-python"
        return
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    faults = view.evaluate(axe + "\n;axe.run().then(run => run.violations.map(one => [one.id, one.impact]))")
    assert faults == []
