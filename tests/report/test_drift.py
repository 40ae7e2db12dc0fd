"""What counts as moved, what is said of it, and what `record` keeps, command line included."""

import json
import math
import shutil

import matplotlib
import pandas as pd
import pytest

from movierec import record
from movierec.record import Recorder, read_table
from report.build import drift
from report.build.__main__ import main
from report.build.results import read_fresh, read_recorded

matplotlib.use("agg")
import matplotlib.pyplot as plt

RESULTS = pd.DataFrame({"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89]})
RESULTS["ndcg@10"] = [0.1, 0.05, 0.2]
WORDS = "A few films have most of the ratings."


@pytest.fixture
def folder(checkout):
    return checkout / "report"


@pytest.fixture
def recorder(folder):
    return Recorder("06_training")


def record_all(recorder, rmse=0.8934, results=RESULTS, best="hybrid", tolerance=0.01, words=WORDS):
    recorder.number("hybrid_rmse", rmse, tolerance=0.003, unit="stars")
    recorder.number("num_ratings", 100_000, interval=(99_000, 101_000))
    recorder.table("main_results", results, tolerance={"ndcg@10": tolerance}, best={"ndcg@10": [best]})
    recorder.figure("long_tail", plt.figure(), words)


def recorded_earlier(folder, commit="0000000"):
    """What is recorded is from now on of an earlier commit, and of data with another checksum."""
    for path in (folder / "results").glob("*.csv"):
        text = path.read_text().replace(",unknown,", f",{commit},f00").replace('"unknown"', f'"{commit}"')
        path.write_text(text.replace('"tolerance"', '"data": "f00", "tolerance"'))


def origins(folder, what="commit"):
    """name -> the commit of each recorded number, figure and table."""
    numbers, figures, tables = read_recorded(folder)
    rows = numbers | figures | {name: says for name, (_, says) in tables.items()}
    return {name: row[what] for name, row in rows.items()}


def files(folder):
    return {path: path.read_bytes() for path in (folder / "results").iterdir()}


NAMES = ["hybrid_rmse", "num_ratings", "num_ratings_high", "num_ratings_low"]


def test_what_is_recorded_is_sorted_and_as_fresh_and_nothing_has_moved(recorder, folder, capsys):
    record_all(recorder)
    assert main(["record"]) == 0
    assert (folder / "results/numbers.csv").read_text().splitlines()[:3] == [
        "name,value,tolerance,digits,unit,notebook,cell,commit,data",
        "hybrid_rmse,0.8934,0.003,3,stars,06_training,,unknown,",
        "num_ratings,100000,0,0,,06_training,,unknown,",
    ]
    figures = f"name,alt,notebook,cell,commit,data\nlong_tail,{WORDS},06_training,,unknown,\n"
    assert (folder / "results/figures.csv").read_text() == figures
    (folder / "results/runs.jsonl").write_text("{}\n")  # is no result
    recorded, fresh = read_recorded(folder), read_fresh(folder)
    assert (recorded.numbers, recorded.figures) == (fresh.numbers, fresh.figures)
    assert recorded.as_tables().keys() == fresh.as_tables().keys() == {*NAMES, "main_results.csv"}
    assert recorded.tables["main_results"][1]["best"] == {"ndcg@10": ["hybrid"]}
    recorded_earlier(folder)  # another commit and another checksum are no move
    assert main(["check", "--all"]) == 0
    assert capsys.readouterr().out == "record: 5 results\nevery result is as recorded\n"


def test_a_number_moves_by_more_than_the_recorded_tolerance(recorder, capsys):
    record_all(recorder)
    drift.record()
    recorder.number("hybrid_rmse", 0.8964, tolerance=9)  # 0.003 away
    assert main(["check"]) == 0
    recorder.number("hybrid_rmse", 0.8965, tolerance=9)
    recorder.table("main_results", RESULTS.assign(**{"ndcg@10": [0.105, 0.05, 0.3], "rmse": ["--", 0.94, "a " * 90]}))
    capsys.readouterr()
    assert main(["check"]) == 1
    head, *rows, advice = capsys.readouterr().out.splitlines()
    assert head == "3 moved:"
    assert [" ".join(row.split()) for row in rows] == [
        "name recorded fresh tolerance notebook",
        "hybrid_rmse 0.8934 0.8965 0.003 06_training",
        "main_results.csv: hybrid, rmse 0.89 " + "a " * 90 + "0 06_training",  # told whole
        "main_results.csv: hybrid, ndcg@10 0.2 0.3 0.01 06_training",
    ]
    assert advice == "Was that meant? `make record` keeps them; `make report RESULTS=mine` shows them in the paper."
    drift.record()
    assert drift.check().empty


@pytest.mark.parametrize(
    ("table", "moved"),
    [
        (RESULTS.assign(rmse=[0.98, 0.94, 0.89]), [("main_results.csv: popularity, rmse", "--", "0.98")]),
        (RESULTS.iloc[:2], [("main_results.csv", "3 rows of model, rmse, ndcg@10", "2 rows of model, rmse, ndcg@10")]),
        (RESULTS[["model", "rmse"]], [("main_results.csv", "3 rows of model, rmse, ndcg@10", "3 rows of model, rmse")]),
        (RESULTS.assign(**{"ndcg@10": [9.0, "b", "c"]}), []),
    ],
)
def test_text_rows_and_columns_move_and_what_has_no_tolerance_does_not(recorder, table, moved):
    record_all(recorder, tolerance=math.inf)
    drift.record()
    recorder.table("main_results", table)
    assert list(drift.check()[["name", "recorded", "fresh"]].itertuples(index=False, name=None)) == moved


def test_what_was_not_compared_is_named_with_its_notebook_and_fails_only_when_asked(recorder, folder, capsys):
    record_all(recorder)
    recorder.number("old_number", 1.0)
    Recorder("01_exploration").number("num_users", 943)
    (folder.parent / "notebooks/05_hybrid_model.ipynb").write_text('{"cells": []}')
    Recorder("05_hybrid_model").number("num_parameters", 7)
    scale = Recorder("tests/benchmarks/scale.py")
    scale.number("scale_users", 10)
    drift.record()
    shutil.rmtree(folder / "generated")
    record_all(recorder)
    scale.number("scale_minutes", 5)  # `scale.py --run` leaves out what `scale.py` wrote, and does not delete it
    recorder.number("new_number", 2.0)
    recorder.number("new_share", 0.5)
    assert main(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new (06_training): new_number, new_share",
        "new (tests/benchmarks/scale.py): scale_minutes",
        "no maker (01_exploration): num_users",  # there is no such notebook
        "no maker (06_training): old_number",  # it ran, and did not write it
        "not run yet (05_hybrid_model; make 05): num_parameters",
        "not run yet (tests/benchmarks/scale.py; make benchmark SCALE=1): scale_users",
    ]
    assert main(["check", "--all"]) == 1


def test_a_result_has_the_commit_of_the_run_that_first_made_it_so_unless_that_was_never_committed(recorder, folder):
    record_all(recorder)
    recorder.table("same", RESULTS)
    recorder.figure("same_figure", plt.figure(), "A line.")
    drift.record()
    recorded_earlier(folder)
    before = files(folder)
    drift.record()
    assert files(folder) == before and set(origins(folder).values()) == {"0000000"}
    record_all(recorder, rmse=0.8935, results=RESULTS.assign(rmse=["--", 0.94, 0.88]), words="Other words.")
    drift.record()
    changed = dict.fromkeys(["hybrid_rmse", "long_tail", "main_results"], "unknown")  # there is no git here
    assert origins(folder) == changed | dict.fromkeys([*NAMES[1:], "same", "same_figure"], "0000000")
    for path in before:
        path.write_text(path.read_text().replace("0000000", "0000000+"))
    drift.record()
    assert set(origins(folder).values()) == {"unknown"}


@pytest.mark.parametrize("changed", [{"tolerance": 0.1}, {"best": "bias"}, {}])
def test_a_result_with_another_tolerance_leader_or_cell_is_another(recorder, folder, running, changed):
    record_all(recorder)
    drift.record()
    recorded_earlier(folder)
    if not changed:
        running("import movierec")  # the first cell
    record_all(recorder, **changed)
    drift.record()
    assert origins(folder)["main_results"] == "unknown"
    assert changed or set(origins(folder, "cell").values()) == {"1"}


def test_what_a_notebook_leaves_out_leaves_and_what_has_not_run_stays(recorder, folder):
    other = Recorder("01_exploration")
    (folder.parent / "notebooks/01_exploration.ipynb").write_text('{"cells": []}')
    record_all(recorder)
    recorder.number("old_number", 1.0)
    recorder.table("old_table", RESULTS)
    recorder.figure("old_figure", plt.figure(), "A line.")
    other.number("num_users", 943)
    other.figure("of_another", plt.figure(), "Another line.")
    drift.record()
    before = files(folder)
    record.forget("06_training")
    record.forget("01_exploration")
    drift.record()
    assert files(folder) == before  # neither has run yet
    record_all(recorder)
    recorder.number("num_ratings", 100_000)  # without its interval
    drift.record()
    assert set(origins(folder)) == {
        "hybrid_rmse",
        "num_ratings",
        "num_users",
        "main_results",
        "long_tail",
        "of_another",
    }
    assert set(drift.check()["status"]) == {"not run yet"}


def test_minutes_are_recorded_once_every_notebook_has_a_stamp(folder, capsys):
    stamps = folder / "generated/notebooks"
    stamps.mkdir(parents=True)
    (folder.parent / "notebooks/01_exploration.ipynb").write_text('{"cells": []}')
    (stamps / "06_training.json").write_text(json.dumps({"seconds": 90.0}))
    assert main(["check"]) == 0
    (stamps / "01_exploration.json").write_text(json.dumps({"seconds": 3.0}))
    assert main(["record"]) == 0
    assert capsys.readouterr().out == "every result is as recorded\nrecord: 1 results\n"
    table, says = read_table(folder / "results/notebook_minutes.csv")
    assert table[["notebook", "minutes"]].values.tolist() == [["01_exploration", "0.05"], ["06_training", "1.5"]]
    assert says["tolerance"] == {"minutes": math.inf, "cores": math.inf}
