"""Training runs: trained as `fit_hybrid` does, kept as lines of JSON, compared by what differs."""

import dataclasses
import inspect
import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.models import Settings
from movierec.play import knobs, runs
from movierec.play.curves import as_picture, draw_curves
from movierec.play.runs import Run
from movierec.training import fit as training

LISTS, STARS = knobs.COURSE_LOSS["ranking"], knobs.COURSE_LOSS["stars"]
FEW = {"dim": 8, "hidden": (), "batch": 32, "epochs": 2, "learning_rate": 0.008}


def made(best=0.1, length=3, seconds=1.0, loss=LISTS, **settings):
    """A run whose epochs took `seconds` each, the first one twice that, and whose last epoch was the best."""
    lower = knobs.LOSSES[loss][0] == "stars"
    history = [
        {
            "epoch": epoch,
            "loss": 6.0 - epoch,
            "value": best + (length - epoch) * (0.01 if lower else -0.01),
            "seconds": seconds * (epoch + 1),
        }
        for epoch in range(1, length + 1)
    ]
    return Run(knobs.default_settings(loss) | settings, history)


@pytest.fixture(scope="module")
def trained(checkerboard, split):
    rows = []
    run = runs.train(split, checkerboard.movies, checkerboard.users, predicted=0.3, on_epoch=rows.append, **FEW)
    return run, rows


# ---- settings


def test_each_setting_can_be_what_the_course_uses_and_is_a_keyword_of_fit_hybrid():
    parameters = {"epochs", "seed", "batch_size", "learning_rate", "users_per_batch", "ranking_learning_rate"}
    known = parameters | set(Settings.model_fields)
    for setting in knobs.SETTINGS.values():
        for head in ("stars", "ranking"):
            assert setting.default[head] in setting.options[head] and setting.keyword[head] in known
        assert setting.meaning and setting.unit and setting.label


def test_the_defaults_are_those_of_fit_hybrid():
    defaults = {name: p.default for name, p in inspect.signature(movierec.fit_hybrid).parameters.items()}
    defaults |= {name: field.default for name, field in Settings.model_fields.items()}
    for name in ("dim", "hidden", "dropout", "learning_rate", "batch", "seed"):
        setting = knobs.SETTINGS[name]
        assert setting.default == {head: defaults[setting.keyword[head]] for head in ("stars", "ranking")}


def test_a_loss_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"`loss` must be one of \['stars: ordered choice', .*; got 'hinge'"):
        knobs.default_settings("hinge")


# ---- training


def test_a_run_is_what_fit_hybrid_does_with_one_head(trained, checkerboard, split):
    run, rows = trained
    model = movierec.fit_hybrid(
        split, checkerboard.movies, checkerboard.users, heads=("ranking",), ranking_dim=8, ranking_hidden=(),
        users_per_batch=32, epochs=2, ranking_learning_rate=0.008,
    )  # fmt: skip
    assert [row["value"] for row in run.history] == model.history["validation_ndcg@10"].tolist()
    assert [row["loss"] for row in run.history] == model.history["train_ranking_loss"].tolist()
    assert rows == run.history and run.predicted == 0.3 and not run.stopped
    assert (run.metric, run.head, len(run.history)) == ("ndcg@10", "ranking", 2)
    assert run.best == max(row["value"] for row in run.history) and run.seconds == run.history[-1]["seconds"] > 0
    assert repr(run) == "Run(lists: softmax over all films, 2 epochs)"


def test_the_best_star_run_is_the_lowest(checkerboard, split):
    run = runs.train(split, loss="stars: squared error", dim=4, hidden=(), batch=256, epochs=2)
    assert run.metric == "rmse" and run.best == min(row["value"] for row in run.history)


def test_a_stopped_run_says_so(split):
    stop = training.Stop()
    run = runs.train(split, stop=stop, on_epoch=lambda row: stop.ask(), **FEW | {"epochs": 30})
    assert run.stopped and len(run.history) == 1
    assert runs.in_a_line(run).endswith(", stopped")


def test_what_cannot_be_trained_is_refused_before_anything_is(split):
    with pytest.raises(ValueError, match=r"a run has the settings \['dim'.*got \['depth'\]"):
        runs.train(split, depth=3)
    with pytest.raises(ValueError, match="judged on validation, and this split has none. Try movierec.split_by_user"):
        runs.train(movierec.Split(split.train, None, split.test))


# ---- how long it may take


def test_the_time_is_that_of_the_nearest_run_for_all_epochs():
    slow, fast = made(seconds=4.0, dim=128), made(seconds=1.0, dim=8)
    settings = knobs.default_settings(LISTS) | {"epochs": 10}
    assert runs.expected_seconds(settings | {"dim": 8}, [slow, fast]) == 1 + 10 * 1
    assert runs.expected_seconds(settings | {"dim": 64}, [fast, slow]) == 4 + 10 * 4
    own = made(seconds=2.0, dim=8)  # as near, and newer
    assert runs.expected_seconds(settings | {"dim": 8}, [fast, own]) == 2 + 10 * 2
    assert math.isnan(runs.expected_seconds(knobs.default_settings(STARS), [slow]))  # none of its head


# ---- files


def test_runs_are_read_as_they_were_written(trained, tmp_path):
    path = tmp_path / "new" / "runs.jsonl"
    assert runs.read_runs(path) == []
    written = [trained[0], made(loss=STARS, hidden=(64, 32))]
    for run in written:
        runs.append_run(run, path)
    assert runs.read_runs(path) == written
    assert len(path.read_text().splitlines()) == 2


def test_a_line_that_was_cut_short_is_left_out_and_takes_no_other_with_it(tmp_path):
    path = tmp_path / "runs.jsonl"
    runs.append_run(made(0.1), path)
    text = path.read_text()
    path.write_text(text + text[:40])
    runs.append_run(made(0.2), path)
    with pytest.warns(UserWarning, match=r"runs\.jsonl, line 2 is no run and is left out"):
        assert [run.best for run in runs.read_runs(path)] == [0.1, 0.2]
    without_seconds = json.loads(text)
    for row in without_seconds["history"]:
        del row["seconds"]
    for broken in (without_seconds, {}, {"settings": {"hidden": []}, "history": []}, {"settings": {"hidden": []}}, []):
        path.write_text(json.dumps(broken) + "\n" + text)
        with pytest.warns(UserWarning, match="line 1 is no run"):
            assert len(runs.read_runs(path)) == 1


def test_only_runs_on_the_same_data_are_known(monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    monkeypatch.delenv("MOVIEREC_DATASET", raising=False)
    shipped, smaller = (dataclasses.replace(made(0.1), num_train=number) for number in (100, 50))
    for run in (shipped, smaller):
        runs.append_run(run, runs.shipped_path())
    runs.append_run(dataclasses.replace(made(0.3), num_train=100), runs.own_path())
    assert [run.best for run in runs.known_runs(100)] == [0.1, 0.3] and len(runs.known_runs()) == 3
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    assert runs.known_runs() == []


def test_a_readers_runs_are_kept_apart_by_data_set(monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    monkeypatch.delenv("MOVIEREC_DATASET", raising=False)
    assert runs.own_path() == tmp_path / "cache/runs-ml-100k.jsonl"
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    assert runs.own_path() == tmp_path / "cache/runs-ml-1m.jsonl"


def test_the_shipped_runs_are_those_of_the_course_and_enough_to_play_with():
    from tests.benchmarks import recorded_runs

    shipped = runs.read_runs(runs.shipped_path())
    assert [run.settings for run in shipped] == recorded_runs.shipped_settings()
    assert len(shipped) >= 20 and all(run.dataset == "ml-100k" and not run.stopped for run in shipped)
    for head, better in (("ranking", (0.18, 0.2)), ("stars", (0.89, 0.9))):
        surface = runs.surface(shipped, head)
        assert surface.shape == (4, 4) and surface.notna().all(axis=None)
        best, worst = (surface.min(axis=None), surface.max(axis=None))[:: 1 if head == "stars" else -1]
        assert better[0] < best < better[1] and abs(best - worst) > 0.01


# ---- comparing


def test_a_table_has_a_row_a_run_and_a_comparison_only_what_differs():
    compared = [made(0.1), made(0.2, dim=8, hidden=()), made(0.3, dim=8, hidden=(64, 32))]
    table = runs.runs_table(compared)
    assert table["best"].tolist() == [0.1, 0.2, 0.3] and table["best_epoch"].tolist() == [3, 3, 3]
    assert list(table.columns[:8]) == ["loss", *knobs.SETTINGS] and table["predicted"].isna().all()
    differing = runs.compare_runs(compared)
    assert list(differing) == ["dim", "hidden", "metric", "best", "best_epoch", "seconds", "predicted"]
    assert list(runs.compare_runs(compared[1:]))[0] == "hidden"
    with pytest.raises(ValueError, match="needs two runs or more; got 1"):
        runs.compare_runs(compared[:1])
    assert runs.runs_table([]).empty


def test_a_run_is_named_by_what_is_not_as_in_the_course():
    assert runs.in_a_line(made(0.12345)) == "0.1235: the course's settings"
    assert runs.in_a_line(made(0.1, dim=8, hidden=())) == "0.1000: Dimension 8, MLP none"
    other = made(0.1, loss="lists: softmax over drawn films", learning_rate=0.001)
    assert runs.in_a_line(other) == "0.1000: lists: softmax over drawn films, Learning rate 0.001"
    assert [knobs.shown(value) for value in (64, 0.004, (64, 32), ())] == ["64", "0.004", "64 + 32", "none"]


def test_the_surface_has_only_runs_that_differ_in_its_two_settings():
    grid = [made(d / 1000 + r, dim=d, learning_rate=r) for d in (8, 64) for r in (0.001, 0.004)]
    surface = runs.surface([*grid, made(0.9, seed=1), made(0.9, dim=8, epochs=5), made(0.9, loss=STARS)], "ranking")
    expected = pd.DataFrame([[0.009, 0.065], [0.012, 0.068]], index=[0.001, 0.004], columns=[8, 64])
    np.testing.assert_allclose(surface, expected)
    assert list(surface.columns) == [8, 64] and list(surface.index) == [0.001, 0.004]
    stopped = dataclasses.replace(made(0.5, dim=8, learning_rate=0.001), stopped=True)
    np.testing.assert_allclose(runs.surface([*grid, stopped], "ranking"), expected)
    newer = runs.surface([*grid, made(0.5, dim=8, learning_rate=0.001)], "ranking")
    assert newer.loc[0.001, 8] == 0.5
    with pytest.raises(ValueError, match="none of the 1 runs varies only .* of the stars head"):
        runs.surface(grid[:1], "stars")


# ---- curves


def test_curves_have_a_line_for_each_run_named_by_what_differs():
    open_before = plt.get_fignums()
    fig = draw_curves([made(0.2, dim=8), made(0.3, length=5, dim=16)])
    loss, value = fig.axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2, 3], [1, 2, 3, 4, 5]]
    assert list(value.lines[0].get_ydata()) == pytest.approx([0.18, 0.19, 0.2])
    assert [text.get_text() for text in fig.legends[0].texts] == ["Dimension 8", "Dimension 16"]
    twice = draw_curves([made(), made(length=2)]).legends[0].texts
    assert [text.get_text() for text in twice] == ["the course's settings (1)", "the course's settings (2)"]
    assert loss.get_xlim() == (0.5, 5.5) and draw_curves([made()], epochs=30).axes[0].get_xlim() == (0.5, 30.5)
    assert not draw_curves([made()]).legends
    assert plt.get_fignums() == open_before  # a figure of a worker must not turn up under somebody's cell


def test_curves_of_both_heads_together_are_refused():
    with pytest.raises(ValueError, match=r"need runs of one head; got \['ranking', 'stars'\]"):
        draw_curves([made(), made(loss=STARS)])
    with pytest.raises(ValueError, match="got none"):
        draw_curves([])


def test_a_picture_says_in_words_what_it_shows():
    page = as_picture([made(0.2)])
    assert page.startswith("<img alt=") and "softmax over all films: best 0.2000 in epoch 3" in page
