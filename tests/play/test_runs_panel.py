"""Curves, RunTable and ResponseSurface show recorded runs, and turn a TrainPanel's sliders."""

import dataclasses

import matplotlib.pyplot as plt
import pytest

from movierec.play import runs
from movierec.play.runs_panel import ResponseSurface, RunTable, curves_as_html, draw_curves
from tests.contrast import contrast

STARS = runs.COURSE_LOSS["stars"]


def test_curves_have_a_line_for_each_run_of_one_head_named_by_what_differs(made):
    open_before = plt.get_fignums()
    fig = draw_curves([made(0.2, dim=8), made(0.3, length=5, dim=16)])
    loss, value = fig.axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2, 3], [1, 2, 3, 4, 5]]
    assert list(value.lines[0].get_ydata()) == pytest.approx([0.18, 0.19, 0.2])
    assert [text.get_text() for text in fig.legends[0].texts] == ["Dimension 8", "Dimension 16"]
    twice = draw_curves([made(), made(length=2)]).legends[0].texts
    assert [text.get_text() for text in twice] == ["the course's settings (1)", "the course's settings (2)"]
    assert loss.get_xlim() == (0.5, 5.5) and draw_curves([made()], epochs=30).axes[0].get_xlim() == (0.5, 30.5)
    assert plt.get_fignums() == open_before  # a figure of a thread must not turn up under somebody's cell
    page = curves_as_html([made(0.2)])
    assert page.startswith("<img alt=") and "softmax over all films: best 0.2000 in epoch 3" in page
    for wrong, found in (([made(), made(loss=STARS)], r"\['ranking', 'stars'\]"), ([], "none")):
        with pytest.raises(ValueError, match=f"need runs of one head; got {found}"):
            draw_curves(wrong)


def test_recorded_runs_are_sorted_chosen_and_compared(ship, made, panel):
    ship(made(0.2, dim=8), made(0.3, dim=16), made(0.25, seed=1, seconds=0.1))
    ship(dataclasses.replace(made(0.97, loss=STARS), stopped=True), made(0.95, loss=STARS, seed=1))
    table = RunTable(panel)
    assert repr(table) == "RunTable: recorded runs, sorted; two to four compared; restore"
    orders = {"smallest dimension first": 8, "fastest first": 64, "newest first": 64, "best first": 16}
    for order, dim in orders.items():
        table.order.label = order
        assert table.runs[table.chosen.options[0][1]].settings["dim"] == dim
    assert [line for line, _ in table.chosen.options] == [
        "0.3000: Dimension 16",
        "0.2500: Seed 1",
        "0.2000: Dimension 8",
    ]
    table.chosen.index = (0, 2)
    assert list(table.table)[:2] == ["dim", "metric"] and table.table["best"].tolist() == [0.3, 0.2]
    assert '<th scope="col">Dimension</th>' in table.list.value and "Seed" not in table.list.value
    assert "<td>–</td>" in table.list.value and "<td>0.3000</td>" in table.list.value  # no prediction; four decimals
    assert "<img alt=" in table.curves.value
    table.head.value = "stars"
    shown = [line for line, _ in table.chosen.options]  # the lowest first
    assert shown == ["0.9500: Seed 1", "0.9700: the course's settings, stopped"]
    assert table.table is None and table.curves.value == ""


def test_a_new_run_turns_up_what_is_chosen_stays_chosen_and_four_are_enough(ship, made, panel):
    ship(made(0.2, dim=8), made(0.3, dim=16))
    table, surface = RunTable(panel), ResponseSurface(panel)
    table.chosen.index = (0, 1)
    ship(made(0.25, dim=32))
    for listener in panel.listeners:  # as after a training
        listener()
    assert len(table.chosen.options) == 3 and (0.004, 32) in surface.buttons
    assert [table.runs[number].best for number in table.chosen.value] == [0.3, 0.2] and len(table.table) == 2
    ship(*(made(0.1, seed=seed) for seed in (1, 2)))
    table.refresh()
    table.chosen.index = tuple(range(5))
    assert "5 runs are too many" in table.says.value and table.table is None
    table.chosen.index = tuple(range(4))
    assert len(table.table) == 4 and table.says.value == ""


def test_a_click_restores_a_run_or_loads_a_point_of_the_surface_or_says_why_it_cannot(ship, made, panel):
    ship(*(made(d / 1000 + r, dim=d, learning_rate=r) for d in (8, 48) for r in (0.001, 0.004)))
    ship(made(0.3, dim=16, hidden=(64, 32)))
    table = RunTable(panel)
    assert table.restore_button.disabled
    for best, dim, said in ((0, 16, "as in that run"), (1, 16, "`dim` of")):  # no slider has 48
        table.chosen.index = (best,)
        table.restore_button.click()
        assert said in table.says.value and panel.settings()["dim"] == dim
    assert panel.settings() == runs.default_settings() | {"dim": 16, "hidden": (64, 32)}
    surface = ResponseSurface(panel)
    assert repr(surface).startswith("ResponseSurface: the best value on validation")
    worst, best = surface.buttons[0.001, 8], surface.buttons[0.004, 48]
    assert worst.description == "0.0090" and "learning rate 0.001, dimension 8" in worst.tooltip
    assert best.style.button_color == "#1f5fa0" and worst.style.button_color == "#f2f6fb"
    worst.click()
    assert panel.settings() == runs.default_settings() | {"dim": 8, "learning_rate": 0.001}
    best.click()
    assert "`dim` of" in surface.says.value and panel.settings()["dim"] == 8
    for button in surface.buttons.values():
        assert contrast(button.style.text_color, button.style.button_color) >= 4.5  # WCAG 2.1, AA


def test_on_the_surface_of_the_stars_low_is_dark_and_a_hole_is_a_dash(ship, made, panel):
    ship(made(0.95, loss=STARS, dim=8, learning_rate=0.001), made(0.97, loss=STARS, dim=16))
    surface = ResponseSurface(panel)
    assert "none of the 2 runs" in surface.says.value and surface.buttons == {}  # of lists
    ship(made(0.96, loss=STARS, dim=16, learning_rate=0.002))
    surface.head.value = "stars"
    assert surface.buttons[0.001, 8].style.button_color == "#1f5fa0"
    assert surface.buttons[0.002, 8].disabled and surface.buttons[0.002, 8].description == "–"
