"""`train` is `fit_hybrid` with one head; TrainPanel calls it in a thread, and says whatever goes wrong there."""

import dataclasses
import io
import math
import subprocess
import sys
import threading
from unittest.mock import Mock

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import movierec
from movierec.play import runs, train_panel
from movierec.play.run_views import curves_as_html, draw_curves
from movierec.play.train_panel import TrainPanel, expected_seconds, train
from movierec.training import Stopped
from tests.contrast import contrast

LISTS, STARS = runs.COURSE_LOSS["ranking"], runs.COURSE_LOSS["stars"]
FEW = {"dim": 8, "hidden": (), "batch": 32, "epochs": 2, "learning_rate": 0.008}
FEW_LISTS = {"loss": LISTS} | FEW
NO_TENSORFLOW = """
import sys
import movierec, movierec.play
assert "ipywidgets" not in sys.modules
from movierec.data import make_movielens
from movierec.play import TrainPanel
data = make_movielens(num_users=20, num_movies=200, num_ratings=500)
TrainPanel(movierec.split_by_user_time(data.ratings)).set({"dim": 16})
assert "tensorflow" not in sys.modules
"""


@pytest.fixture
def trains(monkeypatch):
    """`trains(function)`: from now on the panel calls this instead of `train`."""
    return lambda function: monkeypatch.setattr(train_panel, "train", Mock(side_effect=function))


def test_a_run_is_what_fit_hybrid_does_with_one_head(checkerboard, split):
    rows = []
    run = train(split, checkerboard.movies, checkerboard.users, predicted=0.3, on_epoch=rows.append, **FEW)
    model = movierec.fit_hybrid(
        split, checkerboard.movies, checkerboard.users, heads=("ranking",), ranking_dim=8, ranking_hidden=(),
        users_per_batch=32, epochs=2, ranking_learning_rate=0.008,
    )  # fmt: skip
    assert [row["value"] for row in run.history] == model.history["validation_ndcg@10"].tolist()
    assert [row["loss"] for row in run.history] == model.history["train_ranking_loss"].tolist()
    assert rows == run.history and run.predicted == 0.3 and not run.stopped and run.seconds > 0
    assert run.num_train == len(split.train)
    stars = train(split, loss="stars: squared error", dim=4, hidden=(), batch=256, epochs=1)
    assert stars.metric == "rmse" and 0 < stars.best < 3


def test_what_cannot_be_trained_is_refused_before_anything_is(split):
    with pytest.raises(ValueError, match=r"a run has the settings \['dim'.*got \['depth'\]"):
        train(split, depth=3)
    with pytest.raises(ValueError, match="judged on validation, and this split has none. Try movierec.split_by_user"):
        train(movierec.Split(split.train, None, split.test))


def test_the_time_is_that_of_the_most_similar_run_for_all_epochs(made):
    slow, fast = made(seconds=4.0, dim=128), made(seconds=1.0, dim=8)
    settings = runs.default_settings(LISTS) | {"epochs": 10}
    assert expected_seconds(settings | {"dim": 8}, [slow, fast]) == 1 + 10 * 1  # a second of preparation
    assert expected_seconds(settings | {"dim": 64}, [fast, slow]) == 4 + 10 * 4
    own = made(seconds=2.0, dim=8)  # as similar, and newer
    assert expected_seconds(settings | {"dim": 8}, [fast, own]) == 2 + 10 * 2
    assert math.isnan(expected_seconds(runs.default_settings(STARS), [slow]))  # none of its head


def test_a_panel_that_only_stands_there_loads_no_tensorflow():
    """A tf.Variable at import would reserve a graphics card; and `movierec.play` alone needs no widgets."""
    subprocess.run([sys.executable, "-c", NO_TENSORFLOW], check=True, timeout=120)


def test_a_panel_shows_each_setting_with_its_unit_and_meaning_and_each_loss_has_its_own(panel):
    assert repr(panel) == (
        "TrainPanel: loss, dimension, MLP, dropout, learning rate, batch, epochs, seed; predict, train, stop"
    )
    assert panel.settings() == runs.default_settings()
    for name, setting in runs.SETTINGS.items():
        assert panel.sliders[name].description.startswith(f"{setting.label} (")
        assert panel.sliders[name].tooltip == setting.meaning
    assert panel.sliders["batch"].description == "Batch (users)"
    panel.loss.value = "stars: squared error"
    assert panel.settings() == runs.default_settings("stars: squared error")
    panel.predicted.value = "0.9"
    assert panel.predicted.description == "Predict first: RMSE (stars)"
    assert panel.sliders["batch"].description == "Batch (ratings)"
    panel.sliders["dim"].value = 8
    panel.loss.value = LISTS
    assert panel.settings() == runs.default_settings(LISTS) and panel.predicted.value == ""  # it was one of stars
    for wrong in ({"dim": 7}, {"depth": 3}, {"loss": STARS, "batch": 32}):
        with pytest.raises(ValueError, match=r"`(dim|depth|batch)` of .* (can be \[|is unknown)"):
            panel.set(wrong)
    assert panel.settings() == runs.default_settings(LISTS)


def test_a_student_predicts_trains_and_sees_the_curves(panel, split):
    panel.set(FEW_LISTS)
    panel.predicted.value = " 0.25 "
    assert panel.estimate.value == "" and panel.stop_button.disabled  # nothing is recorded yet
    panel.train_button.click()
    np.random.random(3)  # a cell that draws random numbers meanwhile changes nothing
    run = panel.wait()
    assert run is panel.run and run.settings == FEW_LISTS | {"dropout": 0.6, "seed": 0} and run.predicted == 0.25
    assert run.repeats(train(split, **FEW)) and panel.overlaid["ranking"] == [run]
    assert panel.progress.value == panel.progress.max == 2
    assert f"best {run.best:.4f} in epoch {run.best_epoch}" in panel.curves["ranking"].value
    assert panel.summary().startswith("Over after 2 epochs") and "You predicted 0.25" in panel.says.value
    assert runs.read_runs(runs.own_path()) == [run] and panel.predicted.value == ""
    assert not panel.train_button.disabled and panel.stop_button.disabled
    assert "about " in panel.estimate.value  # judged by the run that there is now
    panel.train()
    panel.wait()
    assert "a seed repeats itself" in panel.says.value and len(panel.runs) == 1


def test_only_one_training_at_a_time_and_any_panel_can_stop_it(panel, split):
    other, first_epoch = TrainPanel(split), threading.Event()
    panel.progress.observe(lambda change: change["new"] == 1 and first_epoch.set(), "value")
    panel.set(FEW_LISTS | {"epochs": 40})
    panel.train()
    assert panel.stop_button.disabled is False and panel.train_button.disabled
    other.train()
    assert "Another training is running. Stop it here" in other.says.value and other.wait() is None
    assert first_epoch.wait(60)
    other.stop_button.click()  # as if the first panel had gone with its cell
    run = panel.wait()
    assert run.stopped and 1 <= len(run.history) < 40
    assert f"Stopped after {len(run.history)} epochs" in panel.says.value
    assert train_panel.RUNNING == []


def test_a_prediction_is_a_number_with_a_point_or_a_comma_or_missing(panel, made, trains):
    trains(lambda *data, **more: made())
    for text, predicted in (("0.15", 0.15), (" ,15 ", 0.15), ("", None), ("  ", None)):
        panel.predicted.value = text
        panel.train()
        assert panel.wait() is not None and train_panel.train.call_args.kwargs["predicted"] == predicted
    for text in ("good", "nan", "inf"):
        panel.predicted.value = text
        panel.train()
        assert "must be a number such as 0.15" in panel.says.value and f"&#x27;{text}&#x27;" in panel.says.value
        assert panel.wait() is None
    assert train_panel.train.call_count == 4


def test_what_goes_wrong_is_said_and_the_next_training_can_start(panel, made, trains, monkeypatch):
    errors = {Stopped("stopped: nothing is kept"): "Stopped: nothing", ValueError("NaN"): "ValueError: NaN"}
    for error, said in errors.items():
        trains(error)
        panel.train()
        assert panel.wait() is None and said in panel.says.value and not runs.own_path().exists()
        assert panel.summary().startswith("There is no run") and panel.curves["ranking"].value == ""
    go = threading.Event()
    trains(lambda *data, **settings: go.wait(30) and made())
    monkeypatch.setattr(runs, "append_run", Mock(side_effect=OSError("disk full")))
    panel.train()
    with pytest.raises(TimeoutError, match=r"still training after 0.01 s; wait again, or stop\(\)"):
        panel.wait(0.01)
    go.set()
    run = panel.wait()
    assert run.best == 0.1 and "could not be written" in panel.says.value and "disk full" in panel.says.value


def test_curves_have_a_line_for_each_run_and_for_each_model_to_beat(made):
    open_before = plt.get_fignums()
    fig = draw_curves(Figure(), [made(0.2, dim=8), made(0.3, length=5, dim=16)], {"EASE": 0.126})
    value, loss = fig.axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2, 3], [1, 2, 3, 4, 5]]
    assert list(value.lines[0].get_ydata()) == pytest.approx([0.18, 0.19, 0.2])
    assert value.texts[0].get_text() == "EASE 0.126" and value.lines[-1].get_ydata()[0] == 0.126
    assert [text.get_text() for text in fig.legends[0].texts] == ["0.2000  Dimension 8", "0.3000  Dimension 16"]
    assert loss.get_xlim() == (0.5, 5.5) and draw_curves(Figure(), [made()], {}, 30).axes[0].get_xlim() == (0.5, 30.5)
    assert plt.get_fignums() == open_before  # a figure of a thread must not turn up under somebody's cell
    page = curves_as_html([made(0.2)], {"EASE": 0.126})
    assert page.startswith("<img alt=") and "the course&#x27;s settings: best 0.2000 in epoch 3; EASE 0.126" in page
    for wrong, found in (([made(), made(loss=STARS)], r"\['ranking', 'stars'\]"), ([], "none")):
        with pytest.raises(ValueError, match=f"need runs of one head; got {found}"):
            draw_curves(Figure(), wrong, {})


def test_recorded_runs_are_shown_at_once_and_a_click_restores_one_or_says_why_it_cannot(ship, made, split):
    ship(made(0.2, dim=8), made(0.25), made(0.3, dim=16, learning_rate=0.001), made(0.4, dim=48))
    ship(dataclasses.replace(made(0.97, loss=STARS), stopped=True), made(0.95, loss=STARS, seed=1))
    panel = TrainPanel(split)
    lines = [line for line, _ in panel.all_runs.options]  # the best first
    assert lines[1:] == [
        "0.3000: Dimension 16, Learning rate 0.001",
        "0.2500: the course's settings",
        "0.2000: Dimension 8",
    ]
    assert panel.all_runs.index == 2 and panel.overlaid["ranking"] == [made(0.25)] and panel.differs.value == ""
    panel.all_runs.index = 1
    assert panel.settings() == runs.default_settings() | {"dim": 16, "learning_rate": 0.001}
    assert "stand as in the run with 0.3000" in panel.says.value
    expected = "Dimension 16 instead of 64, Learning rate 0.001 instead of 0.004: NDCG@10 0.3000, 0.0500 better."
    assert expected in panel.differs.value
    panel.all_runs.index = 0  # no slider has 48
    assert "`dim` of" in panel.says.value and panel.settings()["dim"] == 16
    panel.all_runs.index = 3
    assert [run.best for run in panel.overlaid["ranking"]] == [0.25, 0.3, 0.2]
    panel.loss.value = STARS
    shown = [line for line, _ in panel.all_runs.options]  # the lowest first
    assert shown == ["0.9500: Seed 1", "0.9700: the course's settings, stopped"]


def test_the_last_three_runs_are_overlaid(ship, made, split, trains):
    ship(made(0.25))
    panel = TrainPanel(split)
    trains(lambda *data, seed=0, **settings: made(0.25 + seed / 100, seed=seed))
    for seed in (1, 2, 3):
        panel.set({"seed": seed})
        panel.train()
        panel.wait()
    assert [run.settings["seed"] for run in panel.overlaid["ranking"]] == [1, 2, 3]
    assert "Seed 3 instead of 2: NDCG@10 0.2800, 0.0100 better. Another seed alone" in panel.differs.value


def test_the_surface_loads_a_run_marks_the_last_one_and_can_be_read(ship, made, split):
    ship(*(made(d / 1000 + r, dim=d, learning_rate=r) for d in (8, 64) for r in (0.001, 0.004)))
    ship(made(0.95, loss=STARS, dim=8), made(0.97, loss=STARS, dim=16, learning_rate=0.002))
    panel = TrainPanel(split)
    worst, best = panel.surface.buttons[0.001, 8], panel.surface.buttons[0.004, 64]
    assert worst.description == "0.0090" and "learning rate 0.001, dimension 8" in worst.tooltip
    assert best.description == "● 0.0680"  # the course's settings
    assert best.style.button_color == "#1f5fa0" and worst.style.button_color == "#f2f6fb"
    worst.click()
    assert panel.settings() == runs.default_settings() | {"dim": 8, "learning_rate": 0.001}
    assert (
        worst.description == "● 0.0090" and panel.surface.buttons[0.001, 8] is worst
    )  # the cell in focus stays the same
    for button in panel.surface.buttons.values():
        assert contrast(button.style.text_color, button.style.button_color) >= 4.5  # WCAG 2.1, AA
    panel.loss.value = STARS
    assert panel.surface.buttons[0.001, 8].style.button_color == "#1f5fa0"  # low is dark
    assert panel.surface.buttons[0.002, 8].disabled and panel.surface.buttons[0.002, 8].description == "–"


def test_a_picture_stands_beside_the_widget_for_readers_without_a_kernel(ship, made, split):
    assert "image/png" not in TrainPanel(split)._repr_mimebundle_()[0]  # nothing is recorded yet
    ship(made(0.2))
    bundle, about = TrainPanel(split)._repr_mimebundle_()
    assert Image.open(io.BytesIO(bundle["image/png"])).width > 1300
    assert about["image/png"]["alt"] == bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
