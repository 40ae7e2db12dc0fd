"""Runs are kept as lines of JSON, survive a damaged file, and are compared by what differs."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

import movierec
from movierec.models import Settings
from movierec.play import runs

LISTS, STARS = runs.COURSE_LOSS["ranking"], runs.COURSE_LOSS["stars"]


def test_the_sliders_offer_and_begin_with_what_fit_hybrid_does_by_itself():
    defaults = {name: p.default for name, p in inspect.signature(movierec.fit_hybrid).parameters.items()}
    for name, setting in runs.SETTINGS.items():
        for head in ("stars", "ranking"):
            assert setting.default[head] in setting.options[head]
            if name != "epochs":  # the panel's are fewer
                assert setting.default[head] == (defaults | vars(Settings()))[setting.keyword[head]]
    with pytest.raises(ValueError, match=r"`loss` must be one of \['stars: ordered choice', .*; got 'hinge'"):
        runs.default_settings("hinge")


def test_the_best_value_is_high_for_lists_and_low_for_stars_and_equal_numbers_are_noticed(made):
    lists, stars = made(0.2, seconds=0.5), made(0.9, loss=STARS)
    assert (lists.head, lists.metric, lists.best, lists.best_epoch, lists.seconds) == ("ranking", "ndcg@10", 0.2, 3, 2)
    assert (stars.head, stars.metric, stars.best) == ("stars", "rmse", 0.9)
    assert repr(lists) == "Run(lists: softmax over all films, 3 epochs)"
    assert lists.repeats(made(0.2, seconds=9))
    for other in (made(0.2, dim=8), made(0.3), dataclasses.replace(lists, num_train=1)):
        assert not lists.repeats(other)


def test_runs_are_read_as_they_were_written_and_a_damaged_line_takes_no_other_with_it(made, tmp_path):
    path = tmp_path / "new" / "runs.jsonl"
    assert runs.read_runs(path) == []
    first, second = dataclasses.replace(made(), predicted=0.3, stopped=True), made(loss=STARS, hidden=(64, 32))
    runs.append_run(first, path)
    text = path.read_text()
    path.write_text(text + text[:40])  # as if the machine went down
    runs.append_run(second, path)
    with pytest.warns(UserWarning, match=r"runs\.jsonl, line 3 is no run and is left out"):
        assert runs.read_runs(path) == [first, second]
    without_seconds = json.loads(text.replace('"seconds"', '"minutes"'))
    unknown_loss = json.loads(text.replace(LISTS, "hinge"))
    settings_only = {"settings": {"hidden": []}}
    for broken in (without_seconds, unknown_loss, {}, settings_only | {"history": []}, settings_only, []):
        path.write_text(json.dumps(broken) + "\n" + text)
        with pytest.warns(UserWarning, match="line 1 is no run"):
            assert runs.read_runs(path) == [first]


def test_only_runs_on_the_same_data_are_known(ship, made, monkeypatch, tmp_path):
    ship(made(0.1), dataclasses.replace(made(0.2), num_train=50))
    assert runs.own_path() == tmp_path / "cache/runs-ml-100k.jsonl"
    runs.append_run(made(0.3), runs.own_path())
    assert [run.best for run in runs.known_runs(made().num_train)] == [0.1, 0.3]
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    assert runs.own_path() == tmp_path / "cache/runs-ml-1m.jsonl" and runs.known_runs(50) == []


def test_the_shipped_runs_are_those_of_the_course_and_enough_to_play_with():
    from tests.benchmarks import recorded_runs

    shipped = runs.read_runs(runs.shipped_path())
    assert [run.settings for run in shipped] == recorded_runs.shipped_settings()
    assert all(run.dataset == "ml-100k" and not run.stopped for run in shipped)
    lists, stars = runs.surface(shipped, "ranking"), runs.surface(shipped, "stars")
    assert lists.shape == stars.shape == (4, 4) and lists.notna().all(axis=None) and stars.notna().all(axis=None)
    assert 0.18 < lists.max(axis=None) < 0.2 and 0.89 < stars.min(axis=None) < 0.9
    assert min(surface.max(axis=None) - surface.min(axis=None) for surface in (lists, stars)) > 0.01


def test_a_run_is_labelled_by_some_of_its_settings(made):
    run = made(0.3, dim=8, hidden=(64, 32))
    assert runs.label(run, ["hidden", "dim"]) == "Dimension 8, MLP 64 + 32"
    assert runs.label(made(hidden=()), ["loss", "hidden"]) == "lists: softmax over all films, MLP none"
    assert runs.label(run, []) == "the course's settings"


def test_a_difference_is_said_in_words_and_compared_with_what_another_seed_does(made):
    usual, other_seed = made(0.2), made(0.203, seed=1)
    known = [usual, other_seed]
    assert (
        runs.difference(made(0.25, hidden=()), usual, known) == "MLP none instead of 64: NDCG@10 0.2500, 0.0500 better."
    )
    close = runs.difference(made(0.199, dim=8, length=2), usual, known)
    assert close.startswith("Dimension 8 instead of 64: NDCG@10 0.1990, 0.0010 worse; best epoch 2 instead of 3.")
    assert close.endswith("Another seed alone changes it by 0.0030, so this difference may be chance.")
    assert runs.difference(usual, usual, known) == "The same settings: NDCG@10 0.2000, exactly the same."
    stars = runs.difference(made(0.9, loss=STARS), made(0.95, loss="stars: squared error"), [])
    assert stars == f"Loss “{STARS}” instead of “stars: squared error”: RMSE (stars) 0.9000, 0.0500 better."


def test_the_lines_to_beat_are_those_recorded_for_this_split():
    lists = runs.rivals("ranking", 80_808)
    assert list(lists) == ["popularity", "EASE"] and 0.05 < lists["popularity"] < 0.07 and 0.12 < lists["EASE"] < 0.13
    assert 0.93 < runs.rivals("stars", 80_808)["biased MF"] < 0.95
    assert runs.rivals("ranking", 100) == {}


def test_the_surface_has_only_finished_runs_that_differ_in_its_two_settings_the_newest_of_equals(made):
    grid = [made(0.5, dim=8, learning_rate=0.001)]
    grid += [made(d / 1000 + r, dim=d, learning_rate=r) for d in (8, 64) for r in (0.001, 0.004)]
    others = [made(0.9, seed=1), made(0.9, dim=8, epochs=5), made(0.9, loss=STARS)]
    stopped = dataclasses.replace(made(0.9, dim=8, learning_rate=0.001), stopped=True)
    surface = runs.surface([*grid, *others, stopped], "ranking")
    np.testing.assert_allclose(surface, [[0.009, 0.065], [0.012, 0.068]])
    assert list(surface.columns) == [8, 64] and list(surface.index) == [0.001, 0.004]
    with pytest.raises(ValueError, match="none of the 1 runs varies only .* of the stars head"):
        runs.surface(grid[:1], "stars")
