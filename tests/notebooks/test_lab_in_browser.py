"""JupyterLab in a real browser: a slider is moved, Train pressed, the curve changes, and a run is restored."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import expect

from movierec.data import data_folder
from movierec.play import runs
from tests.web import READY_SECONDS, screenshot, web_server

CELLS = [
    """import movierec
from movierec.play import TrainPanel

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
panel = TrainPanel(split, data.movies, data.users)
panel.set({"dim": 16, "epochs": 3})
panel""",
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


def test_a_student_sees_one_screen_moves_a_slider_trains_compares_and_restores(address, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
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

    panel = page.locator(".movierec-train")
    panel.evaluate("panel => panel.scrollIntoView({block: 'start'})")
    box, notebook = panel.bounding_box(), page.locator(".jp-WindowedPanel-outer").bounding_box()
    assert box["y"] >= notebook["y"] - 1 and box["x"] + box["width"] <= 1280
    assert box["y"] + box["height"] <= notebook["y"] + notebook["height"]  # all of it, without scrolling
    for part in panel.locator("button, select, img, input, .slider-container").all():
        inner = part.bounding_box()
        assert inner["x"] >= box["x"] - 1 and inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
    dimension = page.locator(".widget-hslider", has=page.get_by_text("Dimension (numbers)", exact=True))
    assert dimension.locator(".widget-readout").inner_text() == "16"
    move("ArrowLeft", 1, reads=8)
    curves = page.locator("img[alt^='NDCG@10 on validation']")
    recorded = curves.get_attribute("alt")
    assert "the course's settings" in recorded and "EASE" in recorded  # there before anything is trained
    train.click()
    page.get_by_text("Over after 3 epochs").wait_for()
    page.get_by_text("Dimension 8 instead of 64, Epochs 3 instead of 30").wait_for()
    first = curves.get_attribute("alt")
    assert first != recorded and "in epoch" in first
    assert screenshot(page, "lab").stat().st_size > 10_000
    move("ArrowRight", 4, reads=128)
    train.click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_enabled()
    page.locator(".jp-Notebook .jp-CodeCell .jp-Editor").last.click()  # the kernel is free while it trains
    page.keyboard.press("Shift+Enter")
    page.get_by_text("run for the 2 time").wait_for()
    page.get_by_text("Dimension 128 instead of 8").wait_for()
    assert curves.get_attribute("alt") != first
    rows = panel.locator("option")
    assert rows.filter(has_text="Dimension 128, Epochs 3").count() == 1  # the list knows the run
    panel.locator("select[size]").select_option(rows.filter(has_text="Seed 1").inner_text())
    page.get_by_text("The sliders stand as in the run with").wait_for()
    assert dimension.locator(".widget-readout").inner_text() == "64"
    value = f"{runs.surface(runs.read_runs(runs.shipped_path()), 'ranking').loc[0.001, 8]:.4f}"  # of the shipped runs
    cell = page.get_by_role("button", name=value)
    cell.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name=f"● {value}").wait_for()
    train.click()
    expect(stop).to_be_enabled()
    stop.click()
    page.get_by_text(re.compile("nothing is kept|Stopped after|Over after")).wait_for()
    expect(train).to_be_enabled()
