"""JupyterLab in a real browser: a notebook is opened and run, a slider moved, Train pressed, and the curve changes."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import expect

from movierec.data import data_folder
from tests.web import READY_SECONDS, screenshot, web_server

CELLS = [
    """import movierec
from movierec.play import ResponseSurface, RunTable, TrainPanel

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
panel = TrainPanel(split, data.movies, data.users)
panel.set({"dim": 16, "epochs": 3})
panel""",
    "RunTable(panel)",
    "ResponseSurface(panel)",
    """import itertools

times = globals().get("times", itertools.count(1))
print("run for the", next(times), "time")""",
]


@pytest.fixture
def address(tmp_path):
    """Start JupyterLab on a free port, in a folder with one notebook; yield its address."""
    cells = [new_markdown_cell("# Panels"), *map(new_code_cell, CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "panels.ipynb")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to((data_folder() / "raw").resolve())
    command = ["jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--allow-root", "--IdentityProvider.token="]
    with web_server(command, "api", tmp_path, {"MOVIEREC_DATA": str(tmp_path / "data")}) as address:
        yield address


def test_a_student_runs_all_moves_a_slider_trains_and_sees_the_curve_change(address, browser):
    page = browser.new_page(viewport={"width": 1300, "height": 1400})
    page.set_default_timeout(1000 * READY_SECONDS)
    page.goto(f"{address}lab/tree/panels.ipynb?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # cells that are run before the kernel is there are lost
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    train = page.get_by_role("button", name="Train", exact=True)
    train.wait_for()
    page.get_by_text("run for the 1 time").wait_for()

    def move(key, times, reads):
        dimension.get_by_role("slider").focus()
        for _ in range(times):
            page.keyboard.press(key)
        dimension.locator(".widget-readout", has_text=re.compile(f"^{reads}$")).wait_for()

    dimension = page.locator(".widget-hslider", has=page.get_by_text("Dimension", exact=True))
    assert dimension.locator(".widget-readout").inner_text() == "16"
    move("ArrowLeft", 1, reads=8)
    train.click()
    curves = page.locator("img[alt^='Loss on train']").first
    curves.wait_for()
    page.get_by_text("Over after 3 epochs").wait_for()
    first = curves.get_attribute("alt")
    assert "in epoch" in first
    move("ArrowRight", 4, reads=128)
    train.click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_enabled()
    page.locator(".jp-Notebook .jp-CodeCell .jp-Editor").last.click()  # the kernel is free while it trains
    page.keyboard.press("Shift+Enter")
    page.get_by_text("run for the 2 time").wait_for()
    expect(stop).to_be_enabled()  # it still trains
    page.wait_for_function(
        "before => [...document.querySelectorAll('img')].some(i => i.alt.startsWith('Loss on') && i.alt != before)",
        arg=first,
    )
    page.get_by_text("Over after 3 epochs").wait_for()
    assert curves.get_attribute("alt") != first
    rows = page.get_by_label("Runs", exact=True).locator("option")
    assert rows.filter(has_text="Dimension 128, Epochs 3").count() == 1  # the table knows the run
    train.click()
    expect(stop).to_be_enabled()
    stop.click()
    page.get_by_text(re.compile("nothing is kept|Stopped after|Over after")).wait_for()
    expect(train).to_be_enabled()
    assert screenshot(page, "lab").stat().st_size > 10_000
