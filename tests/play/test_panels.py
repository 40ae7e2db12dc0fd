"""TrainPanel, RunTable, ResponseSurface, LeakageLab and EmbeddingExplorer, driven as a student drives them."""

import dataclasses
import threading

import numpy as np
import pandas as pd
import pytest
from test_runs import FEW, LISTS, STARS, made

import movierec
from movierec import record
from movierec.baselines import ladder
from movierec.play import knobs, runs, space, train_panel
from movierec.play.embedding_explorer import EmbeddingExplorer
from movierec.play.leakage import MODELS, OPTIONS, WHY, Laboratory, Protocol
from movierec.play.leakage_lab import LeakageLab
from movierec.play.runs_panel import ResponseSurface, RunTable, colours_of
from movierec.play.train_panel import TrainPanel
from movierec.training import fit as training
from tests.contrast import contrast

FEW_LISTS = {"loss": LISTS} | FEW
NUM_TRAIN = 564  # of the checkerboard's split


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """No shipped runs, and a data folder of our own."""
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path / "report"))
    return tmp_path


@pytest.fixture
def panel(folder, split):
    return TrainPanel(split)


def ship(folder, *made_runs):
    for run in made_runs:
        runs.append_run(dataclasses.replace(run, num_train=NUM_TRAIN), folder / "report/results/runs.jsonl")


# ---- TrainPanel


def test_a_panel_shows_the_courses_settings_each_with_its_unit_and_meaning(panel):
    assert repr(panel) == (
        "TrainPanel: loss, dimension, MLP, dropout, learning rate, batch, epochs, seed; predict, train, stop"
    )
    assert panel.settings() == knobs.default_settings()
    assert [slider.description for slider in panel.sliders.values()] == [s.label for s in knobs.SETTINGS.values()]
    shown = "".join(child.children[1].value for child in panel.children[1].children[0].children[1:])
    for setting in knobs.SETTINGS.values():
        assert setting.meaning in shown and setting.unit in shown
    assert panel.meanings["dim"].value.endswith("vector (numbers, 4 to 128)</small>")
    assert panel.estimate.value == ""  # nothing is recorded yet
    assert panel.stop_button.disabled and not panel.train_button.disabled


def test_a_student_predicts_trains_and_sees_the_curves(panel):
    panel.set(FEW_LISTS)
    panel.predicted.value = " 0.25 "
    panel.train_button.click()
    run = panel.wait()
    assert run is panel.run and run.settings == FEW_LISTS | {"dropout": 0.6, "seed": 0} and run.predicted == 0.25
    assert panel.progress.value == panel.progress.max == 2
    assert f"best {run.best:.4f} in epoch {run.best_epoch}" in panel.curves.value
    assert panel.summary().startswith("Over after 2 epochs") and "You predicted 0.25" in panel.says.value
    assert runs.read_runs(runs.own_path()) == [run] and panel.predicted.value == ""
    assert not panel.train_button.disabled and panel.stop_button.disabled
    assert "About " in panel.estimate.value  # judged by the run that there is now


def test_a_run_of_the_panel_is_the_function_without_it(panel, split):
    panel.set(FEW_LISTS)
    panel.train()
    run, alone = panel.wait(), runs.train(split, **FEW)
    strip = [{name: row[name] for name in ("epoch", "loss", "value")} for row in run.history]
    assert strip == [{name: row[name] for name in ("epoch", "loss", "value")} for row in alone.history]


def test_the_same_run_again_is_told_and_kept_once(panel):
    panel.set(FEW_LISTS)
    for _ in range(2):
        panel.train()
        panel.wait()
    assert "a seed repeats itself" in panel.says.value
    assert len(panel.runs) == len(runs.read_runs(runs.own_path())) == 1
    panel.predicted.value = "0,3"  # a prediction is kept, whatever was run before
    panel.train()
    assert panel.wait().predicted == 0.3 and len(panel.runs) == 2
    assert not made().repeats(made(dim=8)) and not made().repeats(made(0.2)) and made().repeats(made(seconds=9))


def test_another_loss_brings_its_own_options_and_defaults(panel):
    panel.loss.value = "stars: squared error"
    assert panel.settings() == knobs.default_settings("stars: squared error")
    panel.predicted.value = "0.9"
    assert "rmse (stars), lower is better" in panel.predicted.placeholder
    panel.sliders["dim"].value = 8
    panel.loss.value = LISTS
    assert panel.settings() == knobs.default_settings(LISTS) and panel.predicted.value == ""  # it was one of stars


def test_stop_ends_the_training_and_keeps_its_best_epoch(panel):
    panel.set(FEW_LISTS | {"epochs": 40})
    once = threading.Event()

    def stop_after_the_first(change):
        if change["new"] == 1 and not once.is_set():
            once.set()
            panel.stop_button.click()

    panel.progress.observe(stop_after_the_first, "value")
    panel.train()
    assert panel.stop_button.disabled is False and panel.train_button.disabled
    run = panel.wait()
    assert run.stopped and len(run.history) == 1 and "Stopped after 1 epochs" in panel.says.value


def test_stopped_at_once_nothing_is_kept(panel, monkeypatch):
    real = runs.train
    monkeypatch.setattr(train_panel.book, "train", lambda *data, **more: more["stop"].ask() or real(*data, **more))
    panel.set(FEW_LISTS)
    panel.train()
    assert panel.wait() is None and "nothing is kept" in panel.says.value and not runs.own_path().exists()
    assert panel.summary().startswith("There is no run") and panel.curves.value == ""


def test_only_one_training_at_a_time_and_any_panel_can_stop_it(panel, split):
    other, first_epoch = TrainPanel(split), threading.Event()
    panel.progress.observe(lambda change: change["new"] == 1 and first_epoch.set(), "value")
    panel.set(FEW_LISTS | {"epochs": 40})
    panel.train()
    other.train()
    assert "Another training is running. Stop it here" in other.says.value and other.wait() is None
    assert first_epoch.wait(60)
    other.stop_button.click()  # as if the first panel had gone with its cell
    assert panel.wait().stopped and len(panel.run.history) < 40
    other.set(FEW_LISTS)
    other.train()
    assert other.wait() is not None and len(other.runs) == len(panel.runs) == 2  # the lock is free again


def test_a_cell_that_draws_random_numbers_waits_for_the_training(panel, split, fitted):
    panel.set(FEW_LISTS | {"epochs": 6})
    panel.train()
    space.untrained(fitted)  # sets a seed
    run = panel.wait()
    assert run.repeats(runs.train(split, **FEW | {"epochs": 6}))


def test_if_it_cannot_start_the_next_one_can(panel, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no threads")))
        with pytest.raises(RuntimeError, match="no threads"):
            panel.train()
    panel.set(FEW_LISTS)
    panel.train()
    assert panel.wait() is not None


@pytest.mark.parametrize("text, number", [("0.15", 0.15), (" ,15 ", 0.15), ("", None), ("  ", None)])
def test_a_prediction_may_have_a_comma_or_be_missing(text, number):
    assert train_panel._number(text) == number


def test_a_prediction_that_is_no_number_is_asked_for_again(panel):
    for text in ("good", "nan", "inf"):
        panel.predicted.value = text
        panel.train()
        assert "must be a number such as 0.15" in panel.says.value and f"&#x27;{text}&#x27;" in panel.says.value
        assert panel.wait() is None


def test_what_goes_wrong_while_training_is_said(panel, monkeypatch):
    def fail(*data, **settings):
        raise ValueError("the loss must be finite")

    monkeypatch.setattr(train_panel.book, "train", fail)
    panel.train()
    panel.wait()
    assert "ValueError: the loss must be finite" in panel.says.value and not panel.train_button.disabled


def test_a_run_that_cannot_be_written_is_still_there(panel, monkeypatch):
    monkeypatch.setattr(train_panel.book, "append_run", lambda run, path: (_ for _ in ()).throw(OSError("disk full")))
    panel.set(FEW_LISTS)
    panel.train()
    run = panel.wait()
    assert run is panel.runs[-1] and "could not be written" in panel.says.value and "disk full" in panel.says.value


def test_waiting_ends_when_it_is_told(panel, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(train_panel.book, "train", lambda *data, **settings: go.wait(30) and made())
    panel.train()
    with pytest.raises(TimeoutError, match=r"still training after 0.01 s; wait again, or stop\(\)"):
        panel.wait(0.01)
    go.set()
    assert panel.wait().best == 0.1
    monkeypatch.setattr(train_panel.book, "train", lambda *data, **settings: 1 / 0)
    panel.train()
    assert panel.wait() is None and "ZeroDivisionError" in panel.says.value  # and not the run before


def test_settings_that_no_slider_has_are_refused_and_none_is_turned(panel):
    before = panel.settings()
    for wrong in ({"dim": 7}, {"depth": 3}, {"loss": STARS, "batch": 32}):
        with pytest.raises(ValueError, match=r"`(dim|depth|batch)` of .* (can be \[|is unknown)"):
            panel.set(wrong)
    assert panel.settings() == before


# ---- RunTable and ResponseSurface


def test_recorded_runs_are_sorted_chosen_and_compared(folder, split):
    ship(folder, made(0.2, dim=8), made(0.3, dim=16), made(0.25, seed=1, seconds=0.1), made(0.95, loss=STARS))
    panel = TrainPanel(split)
    table = RunTable(panel)
    assert repr(table) == "RunTable: recorded runs, sorted; two to four compared; restore"
    lines = [line for line, _ in table.chosen.options]
    assert lines == ["0.3000: Dimension 16", "0.2500: Seed 1", "0.2000: Dimension 8"]
    table.order.label = "smallest dimension first"
    assert [line for line, _ in table.chosen.options][0] == "0.2000: Dimension 8"
    table.order.label = "fastest first"
    assert [line for line, _ in table.chosen.options][0] == "0.2500: Seed 1"
    table.order.label = "best first"
    table.select(0, 2)
    assert list(table.table)[:2] == ["dim", "metric"] and table.table["best"].tolist() == [0.3, 0.2]
    assert '<th scope="col">Dimension</th>' in table.list.value and "Seed" not in table.list.value
    assert "<img alt=" in table.curves.value
    table.head.value = "stars"
    assert [line for line, _ in table.chosen.options] == ["0.9500: the course's settings"]
    assert table.table is None and table.curves.value == ""


def test_the_best_star_run_is_first(folder):
    ship(folder, made(0.97, loss=STARS), made(0.95, loss=STARS, seed=1))
    table = RunTable()
    table.head.value = "stars"
    assert table.chosen.options[0][0] == "0.9500: Seed 1"


def test_restore_turns_the_sliders(folder, split):
    ship(folder, made(0.3, dim=16, hidden=(64, 32)))
    panel = TrainPanel(split)
    table = RunTable(panel)
    assert table.restore_button.disabled
    table.select(0)
    table.restore_button.click()
    assert panel.settings() == knobs.default_settings(LISTS) | {"dim": 16, "hidden": (64, 32)}
    assert "as in that run" in table.says.value


def test_a_run_with_settings_that_the_sliders_lack_says_so(folder, split):
    ship(folder, made(0.3, dim=48))
    panel = TrainPanel(split)
    table = RunTable(panel)
    table.select(0)
    table.restore()
    assert "`dim` of" in table.says.value and panel.settings() == knobs.default_settings()


def test_more_than_four_are_too_many_for_the_eye(folder):
    ship(folder, *(made(0.1, seed=seed) for seed in range(5)))
    table = RunTable()
    table.select(*range(5))
    assert "5 runs are too many" in table.says.value and table.table is None
    table.select(*range(4))
    assert len(table.table) == 4 and table.says.value == ""


def test_a_new_run_turns_up_in_the_table_and_on_the_surface(folder, split):
    ship(folder, made(0.2, dim=8), made(0.3, dim=16))
    panel = TrainPanel(split)
    table, surface = RunTable(panel), ResponseSurface(panel)
    assert repr(surface).startswith("ResponseSurface: the best value on validation")
    assert list(surface.buttons) == [(0.004, 8), (0.004, 16)]
    panel.set(FEW_LISTS)
    panel.train()
    panel.wait()
    assert len(table.chosen.options) == 3
    ship(folder, made(0.9, dim=32))
    surface.refresh()
    assert (0.004, 32) in surface.buttons


def test_what_is_chosen_stays_chosen_when_a_run_is_added(folder, split):
    ship(folder, made(0.2, dim=8), made(0.3, dim=16))
    table = RunTable(TrainPanel(split))
    table.select(0, 1)
    ship(folder, made(0.25, dim=32))
    table.refresh()
    assert [table.runs[number].best for number in table.chosen.value] == [0.3, 0.2] and len(table.table) == 2


def test_a_click_on_the_surface_turns_the_sliders(folder, split):
    ship(folder, *(made(d / 1000 + r, dim=d, learning_rate=r) for d in (8, 64) for r in (0.001, 0.004)))
    panel = TrainPanel(split)
    surface = ResponseSurface(panel)
    button = surface.buttons[0.001, 8]
    assert button.description == "0.0090" and "learning rate 0.001, dimension 8" in button.tooltip
    button.click()
    assert panel.settings() == knobs.default_settings(LISTS) | {"dim": 8, "learning_rate": 0.001}
    best, worst = surface.buttons[0.004, 64], button
    assert best.style.button_color == "#1f5fa0" and worst.style.button_color == "#f2f6fb"
    assert best.style.text_color == "white" and worst.style.text_color == "black"
    surface.head.value = "stars"
    assert "none of the 4 runs" in surface.says.value and surface.buttons == {}


def test_a_click_that_cannot_turn_the_sliders_says_why(folder, split):
    ship(folder, made(0.2, dim=48))
    surface = ResponseSurface(TrainPanel(split))
    surface.buttons[0.004, 48].click()
    assert "`dim` of" in surface.says.value
    alone = ResponseSurface()
    alone.buttons[0.004, 48].click()
    assert "There is no panel to load it into" in alone.says.value


def test_on_the_surface_of_the_stars_low_is_dark_and_a_hole_is_a_dash(folder):
    ship(folder, made(0.95, loss=STARS, dim=8, learning_rate=0.001), made(0.97, loss=STARS, dim=16))
    ship(folder, made(0.96, loss=STARS, dim=16, learning_rate=0.002))
    surface = ResponseSurface()
    surface.head.value = "stars"
    assert surface.buttons[0.001, 8].style.button_color == "#1f5fa0"
    assert surface.buttons[0.002, 8].disabled and surface.buttons[0.002, 8].description == "–"


@pytest.mark.parametrize("share", np.linspace(0, 1, 21))
def test_numbers_on_the_surface_can_be_read(share):
    background, text = colours_of(share)
    assert contrast(text, background) >= 4.5  # WCAG 2.1, AA


# ---- LeakageLab


def test_the_laboratory_repeats_the_broken_rulers_of_notebook_03(ml100k):
    recorded, _ = record.read_table(record.report_folder() / "results/broken_rulers.csv")
    recorded = recorded.set_index("model").astype(float)
    laboratory = Laboratory(ml100k, ladder.chosen("by_user_time"))
    for column, switched in {
        "honest": {},
        "test in train": {"learned_from": "train and test"},
        "seen left in": {"seen": "kept"},
        "random split": {"split": "at random"},
    }.items():
        for model in MODELS:
            assert laboratory.ndcg(model, Protocol(**switched)) == pytest.approx(recorded.loc[model, column], abs=0.001)
    flattering = Protocol(*(options[1] for options in OPTIONS.values()))._replace(seen="left out")
    assert laboratory.ndcg("EASE", flattering) > 0.9  # nearly perfect, and worth nothing
    sampled = Protocol(ranked="100 sampled")
    assert laboratory.ndcg("EASE", sampled._replace(seen="kept")) < 0.1 < laboratory.ndcg("EASE", sampled)


def test_each_leak_is_explained_and_an_unknown_one_refused(checkerboard):
    assert set(WHY) == {options[1] for options in OPTIONS.values()}
    laboratory = Laboratory(checkerboard)
    with pytest.raises(ValueError, match=r"`model` must be one of \('popularity'"):
        laboratory.ndcg("hybrid")
    with pytest.raises(ValueError, match=r"`seen` must be one of \('left out', 'kept'\); got 'hidden'"):
        laboratory.ndcg("EASE", Protocol(seen="hidden"))


def test_a_student_switches_a_leak_on_predicts_and_measures(checkerboard):
    lab = LeakageLab(checkerboard)
    assert repr(lab) == "LeakageLab: five switches of a protocol; predict, measure, read why"
    lab.predictions["stays"].click()
    assert lab.table.loc[0, ["protocol", "verdict"]].tolist() == ["honest", "stays: right"]
    assert "this is the honest number" in lab.says.value
    lab.switches["learned_from"].value = "train and test"
    assert lab.says.value == "" and lab.protocol().learned_from == "train and test"
    lab.model.value = "EASE"
    lab.predictions["falls"].click()
    assert lab.table.loc[1, "model"] == "EASE" and lab.table.loc[1, "protocol"] == "train and test"
    assert lab.table.loc[1, "times"] == pytest.approx(lab.table.loc[1, "ndcg"] / lab.laboratory.ndcg("EASE"))
    assert WHY["train and test"] in lab.says.value.replace("&#x27;", "'")
    assert lab.measure() == lab.table.loc[1, "ndcg"] and lab.table.loc[2, "verdict"] == "–"
    assert lab.list.value.count("<tr>") == 4


# ---- EmbeddingExplorer


@pytest.mark.parametrize("heads", [("stars", "ranking"), ("ranking",)])
def test_before_training_the_network_is_that_which_fit_hybrid_began_with(
    heads, small, split, checkerboard, monkeypatch
):
    began, fit_head = [], training.fit_head

    def remember(model, *recipe):
        began.append(space.film_vectors(model, "matrix factorisation"))
        return fit_head(model, *recipe)

    monkeypatch.setattr(training, "fit_head", remember)
    model = movierec.fit_hybrid(split, checkerboard.movies, heads=heads, seed=5, epochs=1, **small)
    before = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(space.film_vectors(space.untrained(model), "matrix factorisation"), began[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # a student's own seed is left alone


def test_before_training_the_network_is_as_it_began(fitted, small, split, checkerboard):
    before = space.untrained(fitted)
    vectors, trained = (space.film_vectors(network, "matrix factorisation") for network in (before, fitted.model))
    assert vectors.shape == trained.shape == (30, 8) and np.abs(vectors - trained).max() > 0.01
    assert not space.film_vectors(before, "deep").any() and space.film_vectors(fitted.model, "deep").any()
    np.testing.assert_array_equal(vectors, space.film_vectors(space.untrained(fitted), "matrix factorisation"))


def test_the_halves_are_those_of_the_ranking_head(fitted):
    head = fitted.model.ranking
    np.testing.assert_array_equal(
        space.film_vectors(fitted.model, "matrix factorisation"), head.movie_vectors().numpy()
    )
    rated = head.watched_vectors().numpy()[3]
    expected = head.deep(rated[None]).numpy()[0]
    np.testing.assert_allclose(space.film_vectors(fitted.model, "deep")[3], expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"`half` must be one of \('matrix factorisation', 'deep'\); got 'left'"):
        space.film_vectors(fitted.model, "left")


def test_neighbours_point_the_same_way_and_are_rated_often():
    vectors = np.array([[1.0, 0], [2, 0.1], [0, 1], [-1, 0], [0, 0], [3, 0.2]])
    often = np.array([True, True, True, True, True, False])
    assert space.nearest_films(vectors, 0, often, k=2).tolist() == [1, 2]
    assert space.nearest_films(vectors, 0, ~often, k=2).tolist() == [5]
    assert space.nearest_films(vectors, 4, often).tolist() == []  # it points nowhere


def test_a_map_has_the_two_widest_directions_and_one_sign():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 2)) * [5, 1] @ rng.normal(size=(2, 6)) + 3
    flat = space.flattened(vectors)
    np.testing.assert_allclose(flat.std(axis=0), 1)
    np.testing.assert_allclose(flat[:, 0] @ flat[:, 1], 0, atol=1e-9)
    furthest = flat[np.abs(flat).argmax(axis=0), [0, 1]]
    assert (furthest > 0).all()
    np.testing.assert_allclose(np.abs(space.flattened(-vectors)), np.abs(flat), atol=1e-9)


def test_a_student_finds_a_film_and_its_neighbours(fitted):
    explorer = EmbeddingExplorer(fitted)
    assert repr(explorer).startswith("EmbeddingExplorer: films on a map")
    first = explorer.table
    assert list(first) == ["before training", "matrix factorisation", "deep"]
    assert explorer.map.value.startswith("<img alt=")
    explorer.choose(fitted.movies["title"].iloc[7])
    assert explorer.matches.label == fitted.movies["title"].iloc[7]
    assert not explorer.table.equals(first) and "Nearest to" in explorer.list.value
    maps = {explorer.map.value}
    explorer.trained.value = False
    maps.add(explorer.map.value)
    for colour in ("year", "popularity"):
        explorer.colour.value = colour
        maps.add(explorer.map.value)
    assert len(maps) == 4
    shown = explorer.map.value
    explorer.choose("xyzzy")
    assert "No film has a title like that" in explorer.message.value and explorer.map.value == shown


def test_the_checkerboards_films_lie_near_those_of_their_colour_after_training(fitted):
    often = np.ones(30, bool)
    odd = fitted.indices.movie_ids // 10 % 2
    shares = []
    for network in (space.untrained(fitted), fitted.model):
        vectors = space.film_vectors(network, "matrix factorisation")
        near = np.array([space.nearest_films(vectors, index, often, 5) for index in range(30)])
        shares.append((odd[near] == odd[:, None]).mean())
    assert shares[1] > shares[0] + 0.2


def test_a_model_without_a_deep_path_has_one_map(split, checkerboard, small):
    model = movierec.fit_hybrid(split, checkerboard.movies, heads=("ranking",), without=("deep",), epochs=1, **small)
    explorer = EmbeddingExplorer(model)
    assert list(explorer.table) == ["before training", "matrix factorisation"]
    with pytest.raises(ValueError, match="no deep path"):
        space.film_vectors(model.model, "deep")


def test_what_cannot_be_drawn_is_refused(fitted):
    with pytest.raises(ValueError, match="`coloured_by` must be one of"):
        space.draw_maps(space.both_halves(fitted.model), fitted.movies, "stars")
    with pytest.raises(ValueError, match="movie_id 9999 is not in the catalogue of 30"):
        space.neighbour_table(fitted, space.untrained(fitted), 9999)
    assert isinstance(space.neighbour_table(fitted, space.untrained(fitted), 10, k=3), pd.DataFrame)
