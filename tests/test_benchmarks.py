"""The benchmark without its peers. Protected: test answers that a model must not see, failures that become notes, and
recorded rows that a shorter run must not lose. No speed is asserted.
"""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Split, make_indices, split_random5, split_stratified
from movierec.models import Settings
from movierec.record import read_table, recorded

FOLDER = Path(__file__).parent / "benchmarks"
MODULES = {path.stem for path in FOLDER.glob("*.py")} | {"runners", "runners.course"}


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """name -> a module of tests/benchmarks, whose modules import each other by plain names; records to tmp_path."""
    monkeypatch.syspath_prepend(FOLDER)
    importlib.import_module("peers")  # it reads the recorded settings
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def peer(benchmark):
    """Make a peer of the course's own library, popularity by default."""

    def make(name="popularity", protocol="stratified", runner="course", model="Popularity", **others):
        return benchmark("peers").Peer(name, protocol, "movierec", runner, model, **others)

    return make


def _fit_that(result):
    took = {"fit_seconds": 1.0, "cpu_seconds": 2.0, "peak_megabytes": 3.0, "version": "4"}
    return lambda peer, folder, python: (result, took)


def test_a_real_fit_is_measured_in_a_process_of_its_own(benchmark, peer, checkerboard):
    row = benchmark("run").measure(peer(), checkerboard)
    assert row["note"] == "" and row["folds"] == 1
    assert 10 < row["peak_megabytes"] < 2000  # megabytes, not bytes or kilobytes, of a process with numpy
    assert row["fit_seconds"] > 0 and row["cpu_seconds"] >= 0
    assert 0 < row["ndcg@10"] <= 1 and row["rmse"] == "--"


NAN = np.full((40, 30), np.nan, np.float32)  # scores of the checkerboard


def test_a_failing_peer_becomes_a_note_without_a_path_of_the_machine(benchmark, peer, checkerboard):
    for wrong, measured, note in (
        ({"runner": "no_such_runner"}, {}, "failed: ModuleNotFoundError: No module named 'runners.no_such_runner'"),
        ({}, {"fit": _fit_that(NAN)}, "failed: scores must be numbers"),
        ({"protocol": "random5"}, {"fit": _fit_that(NAN[0, :3])}, "failed: `predict` returns one number per rating"),
        ({}, {"python": Path("/no/such/place/python")}, "failed"),
    ):
        row = benchmark("run").measure(peer(**wrong), checkerboard, **measured)
        assert row["note"].startswith(note) and "/no/such/place/" not in row["note"]
        assert {row[column] for column in ("ndcg@10", "rmse", "fit_seconds", "peak_megabytes")} == {"--"}


def test_stars_are_means_over_folds_and_seeds(benchmark, peer, checkerboard):
    run, seeds = benchmark("run"), []

    def fit(peer, folder, python):
        test = pd.read_csv(folder / "test.csv")
        assert "rating" not in test  # the answer stays with the one who asks
        seeds.append(peer.settings.get("seed", 0))
        return _fit_that(np.full(len(test), 3.0 + seeds[-1]))(peer, folder, python)

    def rmse(stars, split):
        return np.sqrt(np.mean((stars - split.test["rating"]) ** 2))

    row = run.measure(peer(protocol="random5"), checkerboard, fit=fit)
    assert row["rmse"] == pytest.approx(np.mean([rmse(3, fold) for fold in split_random5(checkerboard.ratings)]))
    assert row["folds"] == 5 and seeds == [0] * 5
    row = run.measure(peer(protocol="by_user_time stars", seeds=3), checkerboard, fit=fit)
    (split,) = run.folds_of("by_user_time stars", checkerboard.ratings)
    assert row["rmse"] == pytest.approx(np.mean([rmse(stars, split) for stars in (3, 4, 5)]))
    assert row["folds"] == 1 and seeds[5:] == [0, 1, 2]


def test_a_model_is_told_rows_of_the_tables_and_nothing_that_is_held_out(benchmark, tiny, checkerboard, tmp_path):
    run, lists, stars = benchmark("run"), tmp_path / "lists", tmp_path / "stars"
    lists.mkdir()
    stars.mkdir()
    (split,) = run.folds_of("stratified", checkerboard.ratings)
    run.write_fold(lists, split, checkerboard, make_indices(split.train, checkerboard.movies), "scores")
    assert sorted(path.name for path in lists.iterdir()) == ["movies.csv", "train.csv", "users.csv"]
    assert len(pd.read_csv(lists / "train.csv")) == len(split.train)
    split = Split(tiny.ratings[:10], None, tiny.ratings[10:])
    indices = make_indices(split.train, tiny.movies)
    run.write_fold(stars, split, tiny, indices, "stars")
    data = benchmark("one_fit").read(stars)
    assert indices.user_ids[data.train["user_index"]].tolist() == split.train["user_id"].tolist()
    assert indices.movie_ids[data.test["movie_index"]].tolist() == split.test["movie_id"].tolist()
    assert data.movies["movie_index"].tolist() == [0, 1, 2, 3, 4]
    assert data.num_users == 6 and data.users["user_index"].tolist() == [0, 1, 2, 3, 4]  # nobody describes user 9


def test_splits_are_the_courses_in_another_order_and_ask_about_known_users(benchmark, checkerboard):
    run, ours = benchmark("run"), split_stratified(checkerboard.ratings)
    (ordered,) = run.folds_of("stratified", checkerboard.ratings)
    pd.testing.assert_frame_equal(ordered.train.sort_index(), ours.train.sort_index())
    pd.testing.assert_frame_equal(ordered.test, ours.test)
    later = checkerboard.ratings.assign(timestamp=lambda t: t["timestamp"] + (t["user_id"] == 139) * 10**8)
    (split,) = run.folds_of("by_time", later)
    known = set(split.train["user_id"])
    assert 139 not in known and set(split.validation["user_id"]) | set(split.test["user_id"]) <= known


def test_rows_of_peers_that_did_not_run_stay_as_recorded(benchmark, peer, checkerboard, tmp_path):
    run, peers = benchmark("run"), benchmark("peers")
    slow, never = peer("slow"), peer("never", "random5")
    old = pd.DataFrame([dict.fromkeys(run.COLUMNS, "9") | {"model": "slow", "protocol": "stratified", "version": "1"}])
    fresh = [dict.fromkeys(run.COLUMNS, 0.5) | {"model": "popularity", "protocol": "stratified"}]
    table = run.merge(fresh, old, [peer(), slow, never]).set_index("model")
    assert table["ndcg@10"].to_dict() == {"popularity": 0.5, "slow": "9", "never": "--"}
    assert table["note"]["never"] == run.NOT_RUN
    run.write([run.measure(peers.PEERS[0], checkerboard)])
    tables = {name: read_table(tmp_path / f"results/{name}.csv")[0] for name in run.TABLES}
    rows = pd.concat(tables.values())
    assert set(zip(rows["model"], rows["protocol"], strict=True)) == {one.key for one in peers.PEERS}
    run.write([])
    for name, table in tables.items():
        assert read_table(tmp_path / f"results/{name}.csv")[0].equals(table)  # nothing ran, nothing moved


def test_a_recorded_table_gets_its_fresh_rows_in_their_places(benchmark):
    tables = benchmark("tables")
    old = pd.DataFrame({"a": ["x", "y"], "b": [1, 1], "value": [0.5, np.nan]})
    tables.write("any.py", "some_table", old)
    fresh = pd.DataFrame({"a": ["z", "x"], "b": [1, 1], "value": [3.0, 2.0]})
    merged = tables.merged("some_table", fresh, ["a", "b"])
    assert merged["a"].tolist() == ["x", "y", "z"] and merged["value"].fillna(-1).tolist() == [2.0, -1, 3.0]


def test_differences_are_user_by_user_and_of_rows_that_did_not_run_as_recorded(benchmark):
    """Positive where ours is better."""
    run, peers = benchmark("run"), benchmark("peers")
    old = {"protocol": "random5", "metric": "rmse", "model": "hybrid"} | dict.fromkeys(["difference", "low", "high"], 9)
    run._record("peer_differences", pd.DataFrame([old | {"against": name} for name in ("myFM", "Cornac MF")]), {})
    ours, rival = (next(one for one in peers.PEERS if one.key == (name, "random5")) for name in ("hybrid", "myFM"))
    users = pd.Index(range(50), name="user_id")
    for one, error in ((ours, 1.0), (rival, 4.0)):  # mean squared errors: RMSE 1 and 2 stars
        run.keep_values(one, [pd.DataFrame({"value": error, "weight": 2}, users)])
    found = run.differences([ours, rival])
    assert found[["model", "against", "metric"]].values.tolist() == [["hybrid", "myFM", "rmse"]]
    assert found.loc[0, ["difference", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert run.differences([ours]).empty
    run.write([])
    found = recorded("peer_differences").set_index("against")["difference"]
    assert found.to_dict() == {"myFM": pytest.approx(1), "Cornac MF": 9}


def test_each_row_of_stars_says_what_a_prediction_reads(benchmark, peer):
    run, peers = benchmark("run"), benchmark("peers")
    week, lists = peer("week", "random5", reads=peers.WEEK), peer("lists")
    old = dict.fromkeys(run.COLUMNS, "9") | {"model": "week", "protocol": "random5", "reads": "as it was"}
    table = run.merge([], pd.DataFrame([old]), [week, lists]).set_index("model")
    assert table["reads"].to_dict() == {"week": peers.WEEK, "lists": "--"} and table["rmse"]["week"] == "9"
    said = {one.key: one.reads for one in peers.PEERS}
    assert said["hybrid", "random5"] == said["hybrid", "stratified stars"] == peers.BOTH_SIDES
    assert said["hybrid", "by_time stars"] == peers.BEFORE and said["hybrid, no times", "random5"] == peers.NOTHING
    assert set(said.values()) <= set(benchmark("reads").READS.values()) | {peers.DAY}


def test_ours_may_be_asked_without_times_and_the_chain_reads_the_validation_film(benchmark, tiny, tmp_path):
    run, split = benchmark("run"), Split(tiny.ratings[:8], tiny.ratings[8:10], tiny.ratings[10:])
    indices = make_indices(split.train, tiny.movies)
    run.write_fold(tmp_path, split, tiny, indices, "stars")
    data, course = benchmark("one_fit").read(tmp_path), benchmark("runners.course")
    chain = course.fit(data, "MarkovChain")
    newest = pd.concat([split.train, split.validation]).groupby("user_id")["movie_id"].last()
    assert indices.movie_ids[chain.newest].tolist() == newest.reindex(indices.user_ids).tolist()
    asked = []
    course.stars(course.Timeless(SimpleNamespace(predict=asked.append)), data)
    assert "timestamp" not in asked[0] and len(asked[0]) == len(split.test)


def test_sequence_rivals_are_compared_user_by_user_with_what_was_recorded(benchmark, peer, checkerboard):
    rivals, scores = benchmark("sequence_rivals"), np.tile(np.arange(30, dtype=np.float32), (40, 1))

    def fit(peer, folder, python):
        assert peer.settings == {"seed": 0} and not (folder / "test.csv").exists()
        return _fit_that(scores)(peer, folder, python)

    by_user, row = rivals.fitted_users(peer("rival", "leave_last", seeds=3), checkerboard, fit)
    assert by_user.mean() == pytest.approx(row["ndcg@10"]) and (by_user > 0).mean() == pytest.approx(row["hr@10"])
    found = rivals.compared(by_user + 0.5, by_user)
    assert list(found.values()) == pytest.approx([0.5, 0.5, 0.5])
    fits = pd.DataFrame({"user_id": [1, 2], "attention 0": [0.5, 0.0], "attention 1": [1.0, 0.0], "hybrid 0": 9})
    benchmark("tables").write("any.py", "sequence_users", fits)
    trials = pd.DataFrame({"loss": ["softmax", "softmax"], "ndcg@10": [0.1, 0.2], "cpu_seconds": [7.0, 8.0]})
    benchmark("tables").write("any.py", "sequence_tuning", trials)
    by_user, row = rivals.recorded_users()
    assert by_user.to_dict() == {1: 0.75, 2: 0.0}
    assert row == {"ndcg@10": 0.375, "hr@10": 0.5, "cpu_seconds": 8.0, "seeds": 2}


def test_every_peer_has_a_runner_a_pin_and_a_row_of_its_own(benchmark):
    text = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[\w.-]+==\S+( ; .+)?$", line) for line in pins) and "://" not in text
    peers = benchmark("peers")
    assert len({one.key for one in peers.PEERS}) == len(peers.PEERS)
    for one in peers.PEERS:
        assert (FOLDER / "runners" / f"{one.runner}.py").exists(), one
        assert one.library in {line.split("==")[0] for line in pins} | set(peers.OWN), one
        assert one.origin in ("default", "published", "tuned", "tutorial", "course"), one
        json.dumps(one.settings)


def test_a_name_or_a_python_that_is_not_there_is_said(benchmark, monkeypatch, capsys):
    assert benchmark("run").main(["--only", "no such"]) == 1
    assert "Cornac BPR" in capsys.readouterr().err
    monkeypatch.setenv("MOVIEREC_PEERS_PYTHON", "no/such/python")
    with pytest.raises(RuntimeError, match="MOVIEREC_PEERS_PYTHON must name a Python"):
        benchmark("environment").python_of_peers()


def test_training_costs_are_compared_with_the_tutorial_of_their_kind(benchmark):
    speed = benchmark("training_speed")
    names = {"TFRS basic_retrieval": 8.0, "TFRS basic_ranking": 3.0, "hybrid, lists": 2.0, "hybrid, stars": 6.0}
    table = speed.compare([speed.row("9 x 9", name, speed.Cost(cost, 1.0), "") for name, cost in names.items()])
    assert table["times_less_cpu"].tolist() == [1, 1, 4, 0.5]
    again = table.assign(times_less_cpu=[1.0, 1.0, 6.0, 0.25], cpu_us_per_example=[8.0, 3.0, 4 / 3, 12.0])
    whole = speed.repeated([table, again, table]).set_index("model")
    assert whole.loc["hybrid, lists", ["times_less_cpu", "times low", "times high", "repeats"]].tolist() == [4, 4, 6, 3]
    assert whole.loc["hybrid, stars", ["cpu_us_per_example", "times low", "times high"]].tolist() == [6, 0.25, 0.5]
    history = speed.synthetic_history(50, 2000, np.random.default_rng(0))
    assert (np.diff(history.user_index) >= 0).all() and history.starts[-1] == len(history.movie_index)
    assert not pd.DataFrame({"user": history.user_index, "movie": history.movie_index}).duplicated().any()


def test_the_ablation_says_how_much_better_than_the_default_each_variant_is(benchmark):
    ablation = benchmark("ablation")
    rest = {"protocol": "by_user_time", "settings": "{}", "deviation": np.nan, "epochs": 1.0, "cpu_seconds": 1.0}
    rows = [("stars", "default", "rmse", 0.9), ("stars", "ordinal", "rmse", 0.8), ("ranking", "default", "ndcg", 0.1)]
    for head, variant, metric, value in rows:
        ablation.write({"head": head, "variant": variant, "metric": metric, "value": value} | rest)
    table = recorded("ablation")
    assert table["better"].round(6).tolist() == [0, 0.1, 0]  # a lower RMSE is better
    assert table["value"].tolist() == [0.9, 0.8, 0.1] and table["deviation"].isna().all()
    own = {"ensemble", "learning_rate", "ranking_learning_rate", "hybrid", "described", "shuffled"}
    of_sequences = set(inspect.signature(movierec.fit_sequence).parameters)
    for head, (_, variants) in ablation.HEADS.items():
        assert ablation.MAIN[head] and variants["default"] == {}
        for settings in variants.values():  # every variant names settings that are there
            named = {name: value for name, value in settings.items() if name not in own}
            if head == "sequence" and "hybrid" not in settings:
                assert set(named) <= of_sequences
            else:
                Settings(**named)


def test_cuts_in_time_are_inside_train_and_their_differences_are_paired_over_users(benchmark):
    in_time = benchmark("in_time")
    ratings = pd.DataFrame({"user_id": np.arange(90_000) % 300, "timestamp": np.arange(90_000, 0, -1), "rating": 3.0})
    ratings = ratings.assign(movie_id=np.arange(90_000) // 300)
    split = in_time.cut(ratings, max(in_time.CUTS))
    parts = (split.train, split.validation, split.test)
    assert [len(part) for part in parts] == [70_000, 10_000, 10_000] and split.in_time == "everyone"
    assert [part["timestamp"].max() for part in parts] == [70_000, 80_000, 90_000]
    assert all(Settings(**settings) for variants in in_time.VARIANTS.values() for settings in variants.values())
    of_stars, of_lists = in_time.VARIANTS["stars"], in_time.VARIANTS["ranking"]
    chosen = of_stars["user damping 20, averaged .5"] | of_lists["recency within users only"]  # the default since
    assert Settings(**in_time.DEFAULT | chosen) == Settings()

    def users(*squares, ratings=(1, 3)):
        return pd.DataFrame({"value": squares, "weight": ratings}, index=[7, 8])

    assert in_time.pooled([users(1, 4), users(4, 1, ratings=(2, 1))], "stars").to_dict("list") == {
        "value": [3, 3.25],
        "weight": [3, 4],
    }
    better = in_time.compared("stars", [users(1, 1), users(0, 0)], [users(4, 4), users(4, 4)])
    assert better["value"] == 0.5 and better["deviation"] == pytest.approx(0.5**0.5)
    assert [better[name] for name in ("better than default by", "low", "high")] == pytest.approx([2 - 0.5**0.5] * 3)


def test_films_of_a_second_or_all_of_them_get_another_order(benchmark):
    """User 1 has four films of one second and one of a later; user 2 one. Times stay with their users."""
    rows = [(1, 10, 5), (1, 20, 5), (1, 30, 5), (1, 40, 5), (1, 50, 9), (2, 10, 1)]
    train = pd.DataFrame(rows, columns=["user_id", "movie_id", "timestamp"])

    def order(how, seed):
        table = benchmark("ablation").shuffled(train, how, seed)
        table = table.sort_values(["user_id", "timestamp"], kind="stable")
        assert table["timestamp"].tolist() == [5, 5, 5, 5, 9, 1]
        assert sorted(table["movie_id"][:5]) == [10, 20, 30, 40, 50]
        return table["movie_id"].tolist()

    assert order("", 0) == [10, 20, 30, 40, 50, 10]
    within = [order("within a second", seed) for seed in range(20)]
    assert {found[4] for found in within} == {50} and len({tuple(found) for found in within}) > 5
    assert len({order("all", seed)[4] for seed in range(20)}) > 2


def test_films_of_a_window_change_places_in_their_group_only(benchmark):
    """Two empty places, then four films; the third is of the same second as the second."""
    film, gap = np.array([[9, 9, 5, 6, 7, 8]]), np.array([[6, 6, 6, 2, 0, 1]])
    moves = {"in the window": [2, 3, 4, 5], "all but the newest": [2, 3, 4], "within a second": [3, 4]}
    for how, may_move in moves.items():
        found = np.concatenate([benchmark("sequences").mixed(film, gap, how, seed, 9) for seed in range(40)])
        assert (np.sort(found, axis=1) == np.sort(film)).all() and (found[:, :2] == 9).all()
        assert np.flatnonzero((found != film).any(axis=0)).tolist() == may_move


def test_repeats_are_one_row_a_user_and_fit_or_one_column_a_fit(benchmark):
    repeats = benchmark("repeats")
    users = pd.Index([7, 9], name="user_id")
    tables = {
        ("a", 0): pd.DataFrame({"ndcg@10": [0.5, 1.0]}, users),
        ("a", 1): pd.DataFrame({"ndcg@10": [0.0]}, users[1:]),
    }
    assert repeats.long(tables).values.tolist() == [["a", 0, 7, 0.5], ["a", 0, 9, 1.0], ["a", 1, 9, 0.0]]
    wide = repeats.wide({key: table["ndcg@10"] for key, table in tables.items()})
    assert list(wide) == ["user_id", "a 0", "a 1"] and wide["a 1"].isna().tolist() == [True, False]
