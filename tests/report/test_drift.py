"""`movierec.drift`: what counts as moved, what is said of it, and what `record` keeps."""

import math

import matplotlib
import pandas as pd
import pytest
from movierec.results import read_rows, read_table

from movierec import drift, report

matplotlib.use("agg")
import matplotlib.pyplot as plt

RESULTS = pd.DataFrame(
    {"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89], "ndcg@10": [0.1, 0.05, 0.2]}
)
OLD_NUMBERS = "name,value,tolerance,digits,unit,notebook\nhybrid_rmse,0.8934,0.003,3,stars,06_training\n"


@pytest.fixture
def folder(checkout):
    return checkout / "report"


@pytest.fixture
def record(folder):
    return report.Recorder("06_training")


def record_all(record):
    record.number("hybrid_rmse", 0.8934, tolerance=0.003, unit="stars")
    record.number("num_ratings", 100_000)
    record.table("main_results", RESULTS, tolerance={"ndcg@10": 0.01}, best={"ndcg@10": ["hybrid"]})
    draw(record, "long_tail", "A few films have most of the ratings.")


def draw(record, name, words):
    record.figure(name, plt.figure(), words)


def recorded_earlier(folder):
    """What is recorded is from now on of an earlier commit, and of data with another checksum."""
    for path in (folder / "results").glob("*.csv"):
        text = path.read_text().replace(",unknown,", ",0000000,f00").replace('"unknown"', '"0000000"')
        path.write_text(text.replace('"tolerance"', '"data": "f00", "tolerance"'))


def commits(folder):
    """name -> the commit of each recorded number, figure and table."""
    rows = read_rows(folder / "results/numbers.csv") | read_rows(folder / "results/figures.csv")
    tables = [path for path in (folder / "results").glob("*.csv") if path.stem not in ("numbers", "figures")]
    return {name: row["commit"] for name, row in rows.items()} | {p.stem: read_table(p)[1]["commit"] for p in tables}


def clean(folder):
    """As `make clean` leaves it: nothing fresh."""
    for path in (folder / "generated/results").iterdir():
        path.unlink()


# ---- check


def test_nothing_moved_when_fresh_is_as_recorded(record):
    record_all(record)
    assert drift.record() == ["hybrid_rmse", "main_results.csv", "num_ratings"]
    assert drift.check().empty
    assert drift.told(drift.check()) == "every result is as recorded"


def test_a_move_within_the_tolerance_is_none_and_beyond_it_is_shown_with_both_values(record, capsys):
    record_all(record)
    drift.record()
    record.number("hybrid_rmse", 0.8964, tolerance=9)  # 0.003 away; the recorded tolerance counts
    assert report.main(["check"]) == 0
    record.number("hybrid_rmse", 0.8965, tolerance=9)
    assert report.main(["check"]) == 1
    assert drift.check().to_dict("records") == [
        {
            **{"status": "moved", "name": "hybrid_rmse", "recorded": "0.8934", "fresh": "0.8965"},
            **{"tolerance": "0.003", "notebook": "06_training"},
        }
    ]
    drift.record()
    assert report.main(["check"]) == 0


def test_cells_of_tables_move_by_the_tolerance_of_their_column_and_text_not_at_all(record):
    record_all(record)
    drift.record()
    moved = RESULTS.assign(**{"ndcg@10": [0.105, 0.05, 0.3], "model": ["popularity", "biases", "hybrid"]})
    record.table("main_results", moved)
    rows = drift.check()
    assert list(rows["name"]) == ["main_results.csv: bias, model", "main_results.csv: hybrid, ndcg@10"]
    assert list(rows["recorded"]) == ["bias", "0.2"]
    assert list(rows["fresh"]) == ["biases", "0.3"]


def test_a_number_where_text_was_is_a_move(record):
    record_all(record)
    drift.record()
    record.table("main_results", RESULTS.assign(rmse=[0.98, 0.94, 0.89]))
    assert drift.check()[["recorded", "fresh"]].values.tolist() == [["--", "0.98"]]


def test_another_set_of_rows_or_columns_is_a_move(record):
    record_all(record)
    drift.record()
    record.table("main_results", RESULTS.iloc[:2])
    assert drift.check()["fresh"].tolist() == ["2 rows of model, rmse, ndcg@10"]
    record.table("main_results", RESULTS[["model", "rmse"]])
    assert drift.check()["fresh"].tolist() == ["3 rows of model, rmse"]


def test_infinite_tolerance_is_never_compared(record):
    record.table(
        "times",
        pd.DataFrame({"seconds": [1.0], "machine": ["a"]}),
        tolerance={"seconds": math.inf, "machine": math.inf},
    )
    drift.record()
    record.table("times", pd.DataFrame({"seconds": [99.0], "machine": ["b"]}))
    assert drift.check().empty


def test_another_cell_commit_or_checksum_is_no_move(record, folder, running):
    record_all(record)
    drift.record()
    recorded_earlier(folder)
    running("import movierec")
    record_all(record)
    assert drift.check().empty


# ---- told


def test_what_moved_is_a_table_of_both_values_and_says_what_to_do(record):
    record_all(record)
    drift.record()
    record.number("hybrid_rmse", 0.9)
    record.table("main_results", RESULTS.assign(**{"ndcg@10": [0.1, 0.05, 0.25]}))
    head, *rows, advice = drift.told(drift.check()).splitlines()
    assert head == "2 moved:"
    assert [" ".join(row.split()) for row in rows] == [
        "name recorded fresh tolerance notebook",
        "hybrid_rmse 0.8934 0.9 0.003 06_training",
        "main_results.csv: hybrid, ndcg@10 0.2 0.25 0.01 06_training",
    ]
    assert advice == "Was that meant? `make record` keeps them; `make report RESULTS=mine` shows them in the paper."


def test_a_long_value_is_told_whole(record):
    record.table("titles", pd.DataFrame({"title": ["Heat"]}))
    drift.record()
    title = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb, and everything after it " * 3
    record.table("titles", pd.DataFrame({"title": [title.strip()]}))
    assert title.strip() in drift.told(drift.check())


def test_what_was_not_compared_is_named_with_its_notebook_and_fails_only_when_asked(record, folder, capsys):
    record_all(record)
    record.number("old_number", 1.0)
    report.Recorder("01_exploration").number("num_users", 943)
    (folder.parent / "notebooks/05_hybrid_model.ipynb").write_text('{"cells": []}')
    report.Recorder("05_hybrid_model").number("num_parameters", 7)
    report.Recorder("tests/benchmarks/scale.py").number("scale_users", 10)
    drift.record()
    (folder / "generated/results/numbers.csv").unlink()
    record.number("hybrid_rmse", 0.8934)
    record.number("num_ratings", 100_000)
    record.number("new_number", 2.0)
    record.number("new_share", 0.5)
    assert report.main(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new (06_training): new_number, new_share",
        "no maker (01_exploration): num_users",  # there is no such notebook
        "no maker (06_training): old_number",  # it ran, and did not write it
        "not run yet (05_hybrid_model; make 05): num_parameters",
        "not run yet (tests/benchmarks/scale.py; make benchmark SCALE=1): scale_users",
    ]
    assert report.main(["check", "--all"]) == 1


# ---- record


def test_a_result_that_came_out_the_same_keeps_its_commit(record, folder):
    record_all(record)
    drift.record()
    recorded_earlier(folder)
    before = {path: path.read_bytes() for path in (folder / "results").iterdir()}
    record_all(record)
    drift.record()
    assert {path: path.read_bytes() for path in (folder / "results").iterdir()} == before
    assert set(commits(folder).values()) == {"0000000"}


def test_a_commit_that_was_never_made_gives_way_to_the_one_that_came_out_the_same(record, folder):
    record_all(record)
    drift.record()
    recorded_earlier(folder)
    for path in (folder / "results").glob("*.csv"):
        path.write_text(path.read_text().replace("0000000", "0000000+"))
    assert set(commits(folder).values()) == {"0000000+"}
    record_all(record)
    drift.record()
    assert set(commits(folder).values()) == {"unknown"}  # of the run now: this checkout has no git


def test_a_result_that_moved_takes_the_commit_of_its_run_and_the_others_keep_theirs(record, folder):
    record_all(record)
    record.table("same", RESULTS)
    draw(record, "same_figure", "A line.")
    drift.record()
    recorded_earlier(folder)
    record.number("hybrid_rmse", 0.8935, tolerance=0.003, unit="stars")  # within the tolerance, and another
    moved = RESULTS.assign(rmse=["--", 0.94, 0.88])
    record.table("main_results", moved, tolerance={"ndcg@10": 0.01}, best={"ndcg@10": ["hybrid"]})
    draw(record, "long_tail", "A few films have many of the ratings.")
    drift.record()
    assert commits(folder) == {
        **{"hybrid_rmse": "unknown", "long_tail": "unknown", "main_results": "unknown"},
        **{"num_ratings": "0000000", "same": "0000000", "same_figure": "0000000"},
    }


@pytest.mark.parametrize("settings", [{"tolerance": {"rmse": 0.1}}, {"best": {"ndcg@10": ["hybrid", "bias"]}}])
def test_a_table_with_another_tolerance_or_other_leaders_is_another(record, folder, settings):
    record.table("main_results", RESULTS, tolerance={"ndcg@10": 0.01}, best={"ndcg@10": ["hybrid"]})
    drift.record()
    record.table(
        "main_results", RESULTS, **{"tolerance": {"ndcg@10": 0.01}, "best": {"ndcg@10": ["hybrid"]}} | settings
    )
    drift.record()
    says = read_table(folder / "results/main_results.csv")[1]
    assert {key: says[key] for key in settings} == settings


def test_a_result_that_another_cell_makes_says_so(record, folder, running):
    record_all(record)
    drift.record()
    running("import movierec")
    record_all(record)
    drift.record()
    rows = read_rows(folder / "results/numbers.csv") | read_rows(folder / "results/figures.csv")
    assert {row["cell"] for row in rows.values()} == {"1"}
    assert read_table(folder / "results/main_results.csv")[1]["cell"] == "1"


def test_what_has_no_fresh_result_stays_recorded(record, folder):
    record_all(record)
    drift.record()
    before = {path: path.read_bytes() for path in (folder / "results").iterdir()}
    clean(folder)
    report.Recorder("01_exploration").number("num_users", 943)
    drift.record()
    assert set(commits(folder)) == {"hybrid_rmse", "num_ratings", "num_users", "main_results", "long_tail"}
    for name in ("main_results", "figures"):
        assert (folder / f"results/{name}.csv").read_bytes() == before[folder / f"results/{name}.csv"]


def test_figures_are_recorded_from_the_fresh_ones(record, folder):
    draw(record, "long_tail", "A few films have most of the ratings.")
    assert not (folder / "results").exists()
    drift.record()
    fresh, recorded = folder / "generated/results/figures.csv", folder / "results/figures.csv"
    assert recorded.read_text() == fresh.read_text()
    assert read_rows(recorded)["long_tail"]["alt"] == "A few films have most of the ratings."


def test_a_figure_that_its_notebook_no_longer_makes_leaves(record, folder):
    draw(record, "long_tail", "A few films have most of the ratings.")
    draw(record, "old_figure", "A line.")
    draw(report.Recorder("01_exploration"), "of_another", "Another line.")
    drift.record()
    clean(folder)
    draw(record, "long_tail", "A few films have most of the ratings.")
    drift.record()
    assert set(read_rows(folder / "results/figures.csv")) == {"long_tail", "of_another"}  # 01 has not run


def test_the_last_figure_of_a_notebook_leaves_too(record, folder):
    record_all(record)
    draw(report.Recorder("01_exploration"), "of_another", "Another line.")
    drift.record()
    drift.forget("06_training")
    record.number("hybrid_rmse", 0.8934, tolerance=0.003, unit="stars")  # it ran, and made no figure
    drift.record()
    assert set(read_rows(folder / "results/figures.csv")) == {"of_another"}


def test_what_a_notebook_leaves_out_is_no_longer_recorded(record, folder):
    record_all(record)
    record.number("old_number", 1.0)
    record.table("old_table", pd.DataFrame({"a": [1]}))
    drift.record()
    drift.forget("06_training")
    drift.record()
    assert (folder / "results/old_table.csv").exists()  # it has not run yet
    record_all(record)
    drift.record()
    assert not (folder / "results/old_table.csv").exists()
    assert set(read_rows(folder / "results/numbers.csv")) == {"hybrid_rmse", "num_ratings"}
    assert drift.check().empty


def test_the_last_number_that_is_left_out_leaves_too(record, folder):
    record.number("old_number", 1.0)
    record.table("main_results", RESULTS)
    drift.record()
    drift.forget("06_training")
    record.table("main_results", RESULTS)
    drift.record()
    assert drift.check().empty
    assert read_rows(folder / "results/numbers.csv") == {}


def test_only_what_is_named_is_recorded(record, folder):
    record_all(record)
    record.table("peers", RESULTS)
    assert drift.record(only=["peers.csv"]) == ["peers.csv"]
    assert [path.name for path in (folder / "results").iterdir()] == ["peers.csv"]
    recorded_earlier(folder)
    drift.record(only=["peers.csv"])
    assert commits(folder) == {"peers": "0000000"}


def test_results_of_a_checkout_from_before_there_were_origins_are_read(record, folder, capsys):
    (folder / "results").mkdir(parents=True)
    (folder / "results/numbers.csv").write_text(OLD_NUMBERS)
    (folder / "results/figures.csv").write_text("name,notebook\nlong_tail,06_training\n")
    (folder / "results/main_results.csv").write_text(
        '# {"notebook": "06_training", "tolerance": {"ndcg@10": 0.01}}\n'
        "model,rmse,ndcg@10\npopularity,--,0.1\nbias,0.94,0.05\nhybrid,0.89,0.2\n"
    )
    assert report.main(["check"]) == 0
    assert capsys.readouterr().out == "not run yet (06_training; make 06): hybrid_rmse, main_results.csv\n"
    record_all(record)
    record.number("hybrid_rmse", 0.9)
    assert drift.check()[["status", "name"]].values.tolist() == [["moved", "hybrid_rmse"], ["new", "num_ratings"]]
    drift.record()
    assert set(commits(folder).values()) == {"unknown"}  # each has a commit now
    assert read_rows(folder / "results/figures.csv")["long_tail"]["alt"] == "A few films have most of the ratings."


# ---- forget


def test_a_notebook_that_runs_again_forgets_what_it_wrote_and_nothing_else(record, folder):
    record_all(record)
    record.number("old_number", 1.0)
    other = report.Recorder("01_exploration")
    other.number("num_users", 943)
    draw(other, "of_another", "Another line.")
    assert drift.forget("06_training") == ["hybrid_rmse", "main_results.csv", "num_ratings", "old_number"]
    assert list(read_rows(folder / "generated/results/numbers.csv")) == ["num_users"]
    assert list(read_rows(folder / "generated/results/figures.csv")) == ["of_another"]
    assert not (folder / "generated/results/main_results.csv").exists()
    assert drift.forget("06_training") == []


def test_what_is_recorded_is_not_forgotten(record, folder):
    record_all(record)
    drift.record()
    before = {path: path.read_bytes() for path in (folder / "results").iterdir()}
    drift.forget("06_training")
    assert {path: path.read_bytes() for path in (folder / "results").iterdir()} == before and len(before) == 3
