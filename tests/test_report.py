"""`movierec.report`: what the notebooks record, and what counts as moved."""

import math
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest

from movierec import report

matplotlib.use("agg")
import matplotlib.pyplot as plt

RESULTS = pd.DataFrame(
    {"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89], "ndcg@10": [0.1, 0.05, 0.2]}
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a report in which nothing is recorded yet, beside one notebook."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/06_training.ipynb").write_text("{}")
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path / "report"))
    return tmp_path / "report"


@pytest.fixture
def record(folder):
    return report.Recorder("06_training")


def record_all(record):
    record.number("hybrid_rmse", 0.8934, tolerance=0.003, unit="stars")
    record.number("num_ratings", 100_000)
    record.table("main_results", RESULTS, tolerance={"ndcg@10": 0.01})
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    record.figure("long_tail", fig)
    plt.close(fig)


def fresh(folder, name):
    return (folder / f"generated/results/{name}.csv").read_text()


# ---- recording


def test_a_recorder_shows_its_notebook_and_nothing_that_changes(record):
    assert repr(record) == "Recorder('06_training')"


def test_a_finding_is_a_line_that_says_whether_it_holds(record, capsys):
    record.finding("more users, better lists", True)
    record.finding("stars overfit", pd.Series([1.0, 2.0]).is_monotonic_decreasing)
    record.finding("none is left", np.False_)
    assert capsys.readouterr().out == "more users, better lists: yes\nstars overfit: no\nnone is left: no\n"
    for other in (pd.Series([True, True]), np.array([]), np.array([True]), [False], float("nan"), "no", None, 1):
        with pytest.raises(ValueError, match="finding 'all' needs one truth value; found"):
            record.finding("all", other)


def test_another_data_set_is_recorded_beside_and_not_in_the_report(folder, monkeypatch):
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    report.Recorder("06_training").number("hybrid_rmse", 0.85)
    assert (folder / "generated/ml-1m/generated/results/numbers.csv").exists()
    assert not (folder / "generated/results/numbers.csv").exists() and report.check().empty
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-100k")
    assert report.Recorder("06_training").folder == folder


def test_the_folder_is_the_argument_then_the_environment_then_the_checkout(folder, tmp_path, monkeypatch):
    assert report.Recorder("x", folder=tmp_path).folder == tmp_path
    assert report.Recorder("x").folder == folder
    monkeypatch.delenv("MOVIEREC_REPORT")
    assert report.Recorder("x").folder.name == "report"
    assert (report.Recorder("x").folder.parent / "movierec").is_dir()


def test_numbers_are_rows_sorted_by_name_and_replaced_by_a_later_run(record, folder):
    assert record.number("num_users", 943) is None
    record.number("hybrid_rmse", 0.9, tolerance=0.003, unit="stars", digits=2)
    record.number("hybrid_rmse", np.float64(0.875), tolerance=0.003, unit="stars", digits=2)
    assert fresh(folder, "numbers") == (
        "name,value,tolerance,digits,unit,notebook\n"
        "hybrid_rmse,0.875,0.003,2,stars,06_training\n"
        "num_users,943,0,0,,06_training\n"
    )


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("rmse_random5", "write them as words"),
        ("Hybrid_rmse", "lowercase"),
        ("hybrid-rmse", "lowercase"),
        ("hybrid__rmse", "lowercase"),
        ("gamma", "two words"),
    ],
)
def test_a_name_that_makes_no_macro_is_refused_with_a_name_that_does(record, name, advice):
    with pytest.raises(ValueError, match=advice):
        record.number(name, 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), None, pd.NA, "many"])
def test_a_number_must_be_finite(record, folder, value):
    with pytest.raises(ValueError, match="hybrid_rmse.*must be"):
        record.number("hybrid_rmse", value)
    assert not (folder / "generated").exists()


def test_a_tolerance_may_be_infinite_but_not_negative(record):
    record.number("fit_seconds", 12.5, tolerance=math.inf)
    with pytest.raises(ValueError, match="0 or more; found -1"):
        record.number("fit_seconds", 12.5, tolerance=-1)


def test_two_notebooks_cannot_record_the_same_name(record):
    record_all(record)
    other = report.Recorder("07_recommendations")
    with pytest.raises(ValueError, match="'hybrid_rmse' is recorded by 06_training already"):
        other.number("hybrid_rmse", 0.9)
    with pytest.raises(ValueError, match="'main_results' is recorded by 06_training already"):
        other.table("main_results", RESULTS)
    with pytest.raises(ValueError, match="'long_tail' is recorded by 06_training already"):
        other.figure("long_tail", plt.figure())


def test_a_table_says_its_notebook_and_tolerances_and_drops_the_index(record, folder):
    record.table("main_results", RESULTS.iloc[[2, 0]], tolerance={"ndcg@10": 0.01})
    assert fresh(folder, "main_results") == (
        '# {"notebook": "06_training", "tolerance": {"ndcg@10": 0.01}}\n'
        "model,rmse,ndcg@10\nhybrid,0.89,0.2\npopularity,--,0.1\n"
    )


def test_cells_with_commas_quotes_and_lone_numbers_come_back_as_they_were(record, folder):
    titles = ["Matrix, The (1999)", 'A "quoted" one', "# 1", "1984", "N/A", "Amélie"]
    record.table("titles", pd.DataFrame({"title": titles}))
    table, header = report.read_table(folder / "generated/results/titles.csv")
    assert list(table["title"]) == titles
    assert header["notebook"] == "06_training"


@pytest.mark.parametrize(
    ("table", "tolerance", "message"),
    [
        (pd.DataFrame({"a": [1.0, math.nan]}), {}, "row 1, column 'a' must be finite.*write '--'"),
        (pd.DataFrame({"a": [math.inf]}), {}, "must be finite"),
        (pd.DataFrame({"a": ["x", None]}), {}, "must be finite"),
        (pd.DataFrame({"a": [1.0]}), {"b": 0.1}, r"must name its columns \['a'\]; found \['b'\]"),
        (pd.DataFrame({"a": [1.0]}, index=pd.Index(["x"], name="model")), {}, "'model'. Record `table.reset"),
    ],
)
def test_a_table_with_holes_or_with_names_in_the_index_is_refused(record, table, tolerance, message):
    with pytest.raises(ValueError, match=message):
        record.table("bad", table, tolerance=tolerance)


def test_names_of_the_reports_own_files_are_refused(record):
    with pytest.raises(ValueError, match="'numbers' is the name of a file"):
        record.table("numbers", RESULTS)


def test_a_second_run_writes_the_same_bytes_and_touches_nothing(record, folder):
    def snapshot():
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    record_all(record)
    report.record()
    before = snapshot()
    assert len(before) == 2 + 3 + 1  # fresh, recorded, figure; no temporary file
    record_all(record)
    report.record()
    assert snapshot() == before


@pytest.mark.parametrize("epoch", [None, "1700000000"])
def test_a_figure_is_byte_equal_with_truetype_fonts_and_stays_open(record, folder, monkeypatch, epoch):
    if epoch:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    else:
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    pdfs = []
    for _ in range(2):
        fig, ax = plt.subplots(label="two points")
        ax.set_title("a line")
        record.figure("a_line", fig)
        assert plt.fignum_exists(fig.number)
        plt.close(fig)
        pdfs.append((folder / "figures/a_line.pdf").read_bytes())
        (folder / "figures/a_line.pdf").unlink()
    assert pdfs[0] == pdfs[1]
    assert b"/Type3" not in pdfs[0]
    assert b"two points" in pdfs[0]
    assert (b"CreationDate" in pdfs[0]) == bool(epoch)
    assert (folder / "results/figures.csv").read_text() == "name,notebook\na_line,06_training\n"


# ---- drift


def test_nothing_moved_when_fresh_is_as_recorded(record, capsys):
    record_all(record)
    assert report.record() == ["hybrid_rmse", "main_results.csv", "num_ratings"]
    assert report.main(["check", "--all"]) == 0
    assert capsys.readouterr().out == "every result is as recorded\n"


def test_a_move_within_the_tolerance_is_none_and_beyond_it_is_shown_with_both_values(record, capsys):
    record_all(record)
    report.record()
    record.number("hybrid_rmse", 0.8964, tolerance=9)  # 0.003 away; the recorded tolerance counts
    assert report.main(["check"]) == 0
    record.number("hybrid_rmse", 0.8965, tolerance=9)
    assert report.main(["check"]) == 1
    out = capsys.readouterr().out
    assert all(text in out for text in ("hybrid_rmse", "0.8934", "0.8965", "0.003", "06_training"))
    report.record()
    assert report.main(["check"]) == 0


def test_cells_of_tables_move_by_the_tolerance_of_their_column_and_text_not_at_all(record):
    record_all(record)
    report.record()
    moved = RESULTS.assign(**{"ndcg@10": [0.105, 0.05, 0.3], "model": ["popularity", "biases", "hybrid"]})
    record.table("main_results", moved)
    rows = report.check()
    assert list(rows["name"]) == ["main_results.csv: bias, model", "main_results.csv: hybrid, ndcg@10"]
    assert list(rows["recorded"]) == ["bias", "0.2"]
    assert list(rows["fresh"]) == ["biases", "0.3"]


def test_another_set_of_rows_or_columns_is_a_move(record):
    record_all(record)
    report.record()
    record.table("main_results", RESULTS.iloc[:2])
    assert report.check()["fresh"].tolist() == ["2 rows of model, rmse, ndcg@10"]
    record.table("main_results", RESULTS[["model", "rmse"]])
    assert report.check()["fresh"].tolist() == ["3 rows of model, rmse"]


def test_infinite_tolerance_is_never_compared(record):
    record.table(
        "times",
        pd.DataFrame({"seconds": [1.0], "machine": ["a"]}),
        tolerance={"seconds": math.inf, "machine": math.inf},
    )
    report.record()
    record.table("times", pd.DataFrame({"seconds": [99.0], "machine": ["b"]}))
    assert report.check().empty


def test_what_was_not_compared_is_named_with_its_notebook_and_fails_only_when_asked(record, folder, capsys):
    record_all(record)
    record.number("old_number", 1.0)
    report.Recorder("01_exploration").number("num_users", 943)
    (folder.parent / "notebooks/05_hybrid_model.ipynb").write_text("{}")
    report.Recorder("05_hybrid_model").number("num_parameters", 7)
    report.record()
    (folder / "generated/results/numbers.csv").unlink()
    record.number("hybrid_rmse", 0.8934)
    record.number("num_ratings", 100_000)
    record.number("new_number", 2.0)
    assert report.main(["check"]) == 0
    out = capsys.readouterr().out
    assert "not run yet (05_hybrid_model): num_parameters" in out
    assert "no maker (01_exploration): num_users" in out  # there is no such notebook
    assert "no maker (06_training): old_number" in out  # it ran, and did not write it
    assert "new (06_training): new_number" in out
    assert report.main(["check", "--all"]) == 1


def test_the_module_runs_as_a_command_without_tensorflow(folder):
    code = "import sys, movierec.report, movierec.plots; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "movierec.report", "check"], capture_output=True, text=True, env=os.environ
    )
    assert (done.returncode, done.stdout) == (0, "every result is as recorded\n")


def test_a_notebook_that_runs_again_forgets_what_it_wrote_and_nothing_else(record, folder):
    record_all(record)
    record.number("old_number", 1.0)
    other = report.Recorder("01_exploration")
    other.number("num_users", 943)
    assert report.forget("06_training") == sorted(["hybrid_rmse", "main_results.csv", "num_ratings", "old_number"])
    assert list(report.read_rows(folder / "generated/results/numbers.csv")) == ["num_users"]
    assert report.forget("06_training") == []


def test_what_a_notebook_leaves_out_is_no_longer_recorded(record, folder):
    record_all(record)
    record.number("old_number", 1.0)
    record.table("old_table", pd.DataFrame({"a": [1]}))
    report.record()
    report.forget("06_training")
    report.record()
    assert (folder / "results/old_table.csv").exists()  # it has not run yet
    record_all(record)
    report.record()
    assert not (folder / "results/old_table.csv").exists()
    assert set(report.read_rows(folder / "results/numbers.csv")) == {"hybrid_rmse", "num_ratings"}
    assert report.check().empty
