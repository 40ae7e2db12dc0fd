"""The benchmark's plumbing, without the peers: what is measured, what a failure becomes, which rows are kept.

No speed is asserted. `make benchmark` is the real thing.
"""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Split, make_indices, split_random5, split_stratified
from movierec.models import Settings
from movierec.record import read_table

FOLDER = Path(__file__).parent / "benchmarks"
PINS = [
    line
    for line in (FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture
def benchmark(monkeypatch):
    """name -> a module of tests/benchmarks, whose modules import each other by their plain names."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for name in (
        "run",
        "peers",
        "environment",
        "one_fit",
        "evaluation_speed",
        "training_speed",
        "ablation",
        "runners.course",
        "runners",
    ):
        sys.modules.pop(name, None)


@pytest.fixture
def popularity(benchmark):
    return benchmark("peers").Peer("popularity", "stratified", "movierec", "course", "baselines.Popularity")


def _fit_that(result):
    def fit(peer, folder, python):
        if isinstance(result, Exception):
            raise result
        return result, {"fit_seconds": 1.0, "cpu_seconds": 2.0, "peak_megabytes": 3.0, "version": "4"}

    return fit


def test_a_real_fit_is_measured_in_a_process_of_its_own(benchmark, popularity, checkerboard):
    row = benchmark("run").measure(popularity, checkerboard)
    assert row["note"] == "" and row["folds"] == 1
    assert row["peak_megabytes"] > 10  # megabytes, not bytes or kilobytes, of a process with numpy
    assert row["peak_megabytes"] < 2000
    assert row["fit_seconds"] > 0 and row["cpu_seconds"] >= 0
    assert 0 < row["ndcg@10"] <= 1 and row["rmse"] == "--"


def test_a_failing_peer_becomes_a_note_with_the_last_line_of_its_error(benchmark, checkerboard):
    peer = benchmark("peers").Peer("broken", "stratified", "movierec", "no_such_runner", "Model")
    row = benchmark("run").measure(peer, checkerboard)
    assert row["note"] == "failed: ModuleNotFoundError: No module named 'runners.no_such_runner'"
    assert {row[column] for column in ("ndcg@10", "rmse", "fit_seconds", "peak_megabytes")} == {"--"}


def test_scores_that_cannot_be_ranked_become_a_note(benchmark, popularity, checkerboard):
    nan = np.full((len(checkerboard.users), len(checkerboard.movies)), np.nan, np.float32)
    row = benchmark("run").measure(popularity, checkerboard, fit=_fit_that(nan))
    assert row["note"].startswith("failed: scores must be numbers")


def test_an_error_in_the_table_names_no_path_of_the_machine(benchmark, popularity, checkerboard):
    row = benchmark("run").measure(popularity, checkerboard, python=Path("/no/such/place/python"))
    assert row["note"].startswith("failed") and "/no/such/place/" not in row["note"]


def test_stars_that_are_not_numbers_become_a_note(benchmark, checkerboard):
    peer = benchmark("peers").Peer("nan", "random5", "movierec", "course", "Bias")
    row = benchmark("run").measure(peer, checkerboard, fit=_fit_that(np.full(3, np.nan)))
    assert row["note"].startswith("failed: `predict` returns one number per rating")


def test_stars_are_means_over_five_folds(benchmark, checkerboard):
    peer = benchmark("peers").Peer("three", "random5", "movierec", "course", "baselines.Bias")
    seen = []

    def fit(peer, folder, python):
        test = pd.read_csv(folder / "test.csv")
        assert "rating" not in test  # the answer stays with the one who asks
        seen.append(len(test))
        return _fit_that(np.full(len(test), 3.0))(peer, folder, python)

    row = benchmark("run").measure(peer, checkerboard, fit=fit)
    by_fold = [np.sqrt(np.mean((3.0 - fold.test["rating"]) ** 2)) for fold in split_random5(checkerboard.ratings)]
    assert row["rmse"] == pytest.approx(np.mean(by_fold))
    assert row["folds"] == 5 and sum(seen) == len(checkerboard.ratings)


def test_for_lists_a_model_is_not_told_what_is_held_out(benchmark, popularity, checkerboard, tmp_path):
    run = benchmark("run")
    split = run.folds_of("stratified", checkerboard.ratings)[0]
    run.write_fold(tmp_path, split, checkerboard, make_indices(split.train, checkerboard.movies), "scores")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["movies.csv", "train.csv", "users.csv"]
    assert len(pd.read_csv(tmp_path / "train.csv")) == len(split.train)


def test_the_order_of_the_rows_does_not_change_the_split(benchmark, checkerboard):
    ours, ordered = (
        split_stratified(checkerboard.ratings),
        benchmark("run").folds_of("stratified", checkerboard.ratings)[0],
    )
    pd.testing.assert_frame_equal(ordered.train.sort_index(), ours.train.sort_index())
    pd.testing.assert_frame_equal(ordered.test, ours.test)


def test_indices_written_are_rows_of_the_tables(benchmark, tiny, tmp_path):
    split = Split(tiny.ratings[:10], None, tiny.ratings[10:])
    indices = make_indices(split.train, tiny.movies)
    benchmark("run").write_fold(tmp_path, split, tiny, indices, "stars")
    data = benchmark("one_fit").read(tmp_path)
    assert indices.user_ids[data.train["user_index"]].tolist() == split.train["user_id"].tolist()
    assert indices.movie_ids[data.test["movie_index"]].tolist() == split.test["movie_id"].tolist()
    assert data.movies["movie_index"].tolist() == [0, 1, 2, 3, 4]
    assert data.num_users == 6 and data.users["user_index"].tolist() == [0, 1, 2, 3, 4]  # nobody describes user 9


def test_rows_of_peers_that_did_not_run_stay_as_recorded(benchmark, popularity):
    run, peers = benchmark("run"), benchmark("peers")
    slow = peers.Peer("slow", "stratified", "library", "runner", "Model", slow=True)
    never = peers.Peer("never", "random5", "library", "runner", "Model", slow=True)
    old = pd.DataFrame([dict.fromkeys(run.COLUMNS, "9") | {"model": "slow", "protocol": "stratified", "version": "1"}])
    fresh = [dict.fromkeys(run.COLUMNS, 0.5) | {"model": "popularity", "protocol": "stratified"}]
    table = run.merge(fresh, old, [popularity, slow, never]).set_index("model")
    assert table["ndcg@10"].to_dict() == {"popularity": 0.5, "slow": "9", "never": "--"}
    assert table["version"]["slow"] == "1"
    assert table["note"]["never"] == run.NOT_RUN


def test_the_table_is_recorded_as_the_report_reads_it(benchmark, popularity, checkerboard, monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    run = benchmark("run")
    run.write([run.measure(benchmark("peers").PEERS[0], checkerboard)])
    tables = {name: read_table(tmp_path / f"results/{name}.csv") for name in run.TABLES}
    assert all(header["notebook"].startswith("tests/benchmarks/") for _, header in tables.values())
    assert all(list(table) == run.COLUMNS for table, _ in tables.values())
    rows = pd.concat([table for table, _ in tables.values()])
    assert set(zip(rows["model"], rows["protocol"], strict=True)) == {peer.key for peer in benchmark("peers").PEERS}
    run.write([])
    for name, (table, _) in tables.items():
        assert read_table(tmp_path / f"results/{name}.csv")[0].equals(table)  # nothing ran, nothing moved


def test_seeds_are_fits_and_the_row_is_their_mean(benchmark, checkerboard, monkeypatch, tmp_path):
    run, seeds = benchmark("run"), []
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))

    def fit(peer, folder, python):
        seeds.append(peer.settings["seed"])
        stars = np.full(len(pd.read_csv(folder / "test.csv")), 3.0 + len(seeds) % 3)
        return _fit_that(stars)(peer, folder, python)

    peer = benchmark("peers").Peer("seeded", "by_user_time stars", "movierec", "course", "Hybrid", seeds=3)
    row = run.measure(peer, checkerboard, fit=fit)
    actual = run.folds_of("by_user_time stars", checkerboard.ratings)[0].test["rating"]
    assert seeds == [0, 1, 2] and row["folds"] == 1
    assert row["rmse"] == pytest.approx(np.mean([np.sqrt(np.mean((s - actual) ** 2)) for s in (3, 4, 5)]))


def test_differences_are_user_by_user_and_positive_where_ours_is_better(benchmark, monkeypatch, tmp_path):
    run, peers = benchmark("run"), benchmark("peers")
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    ours, rival = (peers.Peer(name, "random5", "movierec", "course", "Model") for name in ("hybrid", "rival"))
    users = pd.Index(range(50), name="user_id")
    for peer, error in ((ours, 1.0), (rival, 4.0)):  # mean squared errors: RMSE 1 and 2 stars
        run.keep_values(peer, [pd.DataFrame({"value": error, "weight": 2}, users)])
    found = run.differences([ours, rival])
    assert found[["model", "against", "metric"]].values.tolist() == [["hybrid", "rival", "rmse"]]
    assert found.loc[0, ["difference", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert run.differences([ours]).empty


def test_a_split_in_time_asks_about_known_users_only(benchmark, checkerboard):
    later = checkerboard.ratings.assign(timestamp=lambda t: t["timestamp"] + (t["user_id"] == 139) * 10**9)
    split = benchmark("run").folds_of("by_time", later)[0]
    known = set(split.train["user_id"])
    assert 139 not in known
    assert set(split.validation["user_id"]) | set(split.test["user_id"]) <= known


def test_every_peer_has_a_runner_a_pin_and_a_row_of_its_own(benchmark):
    peers = benchmark("peers")
    pinned = {re.split("==", line)[0] for line in PINS}
    assert len({peer.key for peer in peers.PEERS}) == len(peers.PEERS)
    for peer in peers.PEERS:
        assert (FOLDER / "runners" / f"{peer.runner}.py").exists(), peer
        assert peer.library in pinned or peer.library in peers.OWN, peer
        assert peer.origin in ("default", "published", "tuned", "tutorial", "course"), peer
        json.dumps(peer.settings)


def test_the_pins_are_pins_and_name_no_host():
    assert all(re.match(r"[\w.-]+==\S+( ; .+)?$", line) for line in PINS)
    assert "://" not in (FOLDER / "requirements.txt").read_text(encoding="utf-8")


def test_a_name_that_nobody_has_is_answered_with_those_there_are(benchmark, capsys):
    assert benchmark("run").main(["--only", "no such"]) == 1
    assert "Cornac BPR" in capsys.readouterr().err


def test_a_peers_python_that_is_not_there_is_said(benchmark, monkeypatch):
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
    old = table.assign(tables="1,000 x 9", model="old")
    merged = speed.merge(table, old)
    assert merged["tables"].tolist() == ["9 x 9"] * 4 + ["1,000 x 9"] * 4
    assert speed.merge(table, merged)["model"].tolist() == merged["model"].tolist()  # this part again, the other stays


def test_a_synthetic_history_is_one_and_has_no_pair_twice(benchmark):
    history = benchmark("training_speed").synthetic_history(50, 2000, np.random.default_rng(0))
    assert (np.diff(history.user_index) >= 0).all() and history.starts[-1] == len(history.movie_index)
    assert not pd.DataFrame({"user": history.user_index, "movie": history.movie_index}).duplicated().any()


def test_the_ablation_says_how_much_better_than_the_default_each_variant_is(benchmark, monkeypatch, tmp_path):
    ablation = benchmark("ablation")
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    rows = pd.DataFrame(
        [("stars", "default", "rmse", 0.9), ("stars", "ordinal", "rmse", 0.8), ("ranking", "default", "ndcg@10", 0.1)],
        columns=["head", "variant", "metric", "value"],
    ).assign(protocol="by_user_time", settings="{}", deviation=np.nan, epochs=1.0, cpu_seconds=1.0)
    ablation.write(rows)
    table, _ = read_table(tmp_path / "results/ablation.csv")
    assert table["better"].astype(float).round(6).tolist() == [0, 0.1, 0]  # a lower RMSE is better
    assert table["deviation"].tolist() == ["--"] * 3
    assert ablation.recorded()["value"].tolist() == [0.9, 0.8, 0.1]
    own = {"ensemble", "learning_rate", "ranking_learning_rate", "hybrid", "described", "shuffled"}
    of_sequences = set(inspect.signature(movierec.fit_sequence).parameters)
    for head, (_, variants) in ablation.HEADS.items():
        assert "default" in variants and not variants["default"]
        for settings in variants.values():  # every variant names settings that are there
            named = {name: value for name, value in settings.items() if name not in own}
            if head == "sequence" and "hybrid" not in settings:
                assert set(named) <= of_sequences
            else:
                Settings(**named)
        assert head in ("stars", "ranking", "sequence") and ablation.MAIN[head]


def test_films_of_a_second_or_all_of_them_get_another_order(benchmark):
    """User 1 has four films of one second and one of a later; user 2 one. Times stay with their users."""
    shuffled = benchmark("ablation").shuffled
    rows = [(1, 10, 5), (1, 20, 5), (1, 30, 5), (1, 40, 5), (1, 50, 9), (2, 10, 1)]
    train = pd.DataFrame(rows, columns=["user_id", "movie_id", "timestamp"])

    def order(how, seed):
        table = shuffled(train, how, seed).sort_values(["user_id", "timestamp"], kind="stable")
        assert table["timestamp"].tolist() == [5, 5, 5, 5, 9, 1] and sorted(table["movie_id"][:5]) == [
            10,
            20,
            30,
            40,
            50,
        ]
        return table["movie_id"].tolist()

    assert order("", 0) == [10, 20, 30, 40, 50, 10]
    within = [order("within a second", seed) for seed in range(20)]
    assert {found[4] for found in within} == {50} and len({tuple(found) for found in within}) > 5
    assert len({order("all", seed)[4] for seed in range(20)}) > 2
