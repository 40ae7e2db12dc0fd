"""`movierec.report`: what the notebooks record, each with its notebook, cell, commit and data."""

import math
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pypdf
import pytest

from movierec import plots, report
from movierec.data import fingerprint

matplotlib.use("agg")
import matplotlib.pyplot as plt

RESULTS = pd.DataFrame(
    {"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89], "ndcg@10": [0.1, 0.05, 0.2]}
)
CELL = 'record.table("main_results", results)'  # the second of the notebook
WORDS = "A few films have most of the ratings."


@pytest.fixture
def folder(checkout):
    return checkout / "report"


@pytest.fixture
def record(folder):
    return report.Recorder("06_training")


def line():
    """An open figure."""
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    return fig


def record_all(record):
    record.number("hybrid_rmse", 0.8934, interval=(0.88, 0.9067), tolerance=0.003, unit="stars")
    record.number("num_ratings", 100_000)
    record.table("main_results", RESULTS, tolerance={"ndcg@10": 0.01}, best={"ndcg@10": ["hybrid"]})
    record.figure("long_tail", line(), WORDS)


def fresh(folder, name):
    return (folder / f"generated/results/{name}.csv").read_text()


def test_a_recorder_shows_its_notebook_and_nothing_that_changes(record, tiny):
    assert repr(record) == repr(report.Recorder("06_training", tiny)) == "Recorder('06_training')"


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


def test_the_folder_is_the_one_that_is_given(folder, tmp_path):
    assert report.Recorder("x", folder=tmp_path / "other").folder == tmp_path / "other"
    assert report.Recorder("x").folder == folder


# ---- origin


def test_each_result_says_its_notebook_cell_commit_and_data(folder, running, tiny):
    record = report.Recorder("06_training", tiny)
    running(CELL)
    record_all(record)
    data = fingerprint(tiny)
    origin = {"notebook": "06_training", "cell": "2", "commit": "unknown", "data": data}  # no git in this checkout
    for name, file in [("hybrid_rmse", "numbers"), ("hybrid_rmse_low", "numbers"), ("long_tail", "figures")]:
        row = report.read_rows(folder / f"generated/results/{file}.csv")[name]
        assert {key: row[key] for key in origin} == origin
    says = report.read_table(folder / "generated/results/main_results.csv")[1]
    assert {key: says[key] for key in origin} == origin
    metadata = pypdf.PdfReader(folder / "figures/long_tail.pdf").metadata
    assert metadata["/Keywords"] == f"06_training, cell 2, commit unknown, data {data}"


def test_another_cell_is_another_origin(record, folder, running):
    running(CELL)
    record.number("num_users", 943)
    running("import movierec")
    record.number("num_movies", 1682)
    rows = report.read_rows(folder / "generated/results/numbers.csv")
    assert [rows[name]["cell"] for name in ("num_users", "num_movies")] == ["2", "1"]


def test_a_script_has_no_cell_and_made_data_no_checksum(folder, running):
    running(CELL)
    record = report.Recorder("tests/benchmarks/scale.py")
    record.number("scale_users", 10)
    record.table("scale", RESULTS)
    assert fresh(folder, "numbers").endswith("scale_users,10,0,0,,tests/benchmarks/scale.py,,unknown,\n")
    says = report.read_table(folder / "generated/results/scale.csv")[1]
    assert says == {"notebook": "tests/benchmarks/scale.py", "commit": "unknown", "tolerance": {}}


# ---- numbers


def test_numbers_are_rows_sorted_by_name_and_replaced_by_a_later_run(record, folder, running):
    running(CELL)
    assert record.number("num_users", 943) is None
    record.number("hybrid_rmse", 0.9, tolerance=0.003, unit="stars", digits=2)
    record.number("hybrid_rmse", np.float64(0.875), tolerance=0.003, unit="stars", digits=2)
    assert fresh(folder, "numbers") == (
        "name,value,tolerance,digits,unit,notebook,cell,commit,data\n"
        "hybrid_rmse,0.875,0.003,2,stars,06_training,2,unknown,\n"
        "num_users,943,0,0,,06_training,2,unknown,\n"
    )


def test_the_ends_of_an_interval_are_numbers_of_their_own(record, folder):
    record.number("hybrid_rmse", 0.8934, interval=(0.88, np.float64(0.9067)), tolerance=0.003, unit="stars")
    assert fresh(folder, "numbers") == (
        "name,value,tolerance,digits,unit,notebook,cell,commit,data\n"
        "hybrid_rmse,0.8934,0.003,3,stars,06_training,,unknown,\n"
        "hybrid_rmse_high,0.9067,0.003,3,stars,06_training,,unknown,\n"
        "hybrid_rmse_low,0.88,0.003,3,stars,06_training,,unknown,\n"
    )


def test_an_interval_that_ends_at_its_value_holds_it(record, folder):
    record.number("hidden_share", 0.0, interval=(0.0, 0.0))
    assert set(report.read_rows(folder / "generated/results/numbers.csv")) == {
        *["hidden_share", "hidden_share_low", "hidden_share_high"]
    }


@pytest.mark.parametrize("interval", [(0.1, 0.1), (0.9, 0.95), (0.95, 0.9), (0.8, math.nan)])
def test_an_interval_must_hold_its_number(record, folder, interval):
    with pytest.raises(ValueError, match="interval of 'hybrid_rmse' must hold it; .*not their distances"):
        record.number("hybrid_rmse", 0.8934, interval=interval)
    assert not (folder / "generated").exists()


def test_the_ends_of_an_interval_are_finite(record, folder):
    with pytest.raises(ValueError, match="number 'hybrid_rmse_high' must be finite"):
        record.number("hybrid_rmse", 0.8934, interval=(0.88, math.inf))
    assert not (folder / "generated").exists()


def test_a_number_that_lost_its_interval_keeps_none(record, folder):
    record.number("hybrid_rmse", 0.8934, interval=(0.88, 0.9067))
    record.number("hybrid_rmse", 0.95)  # the cell was changed and run again
    assert set(report.read_rows(folder / "generated/results/numbers.csv")) == {"hybrid_rmse"}


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
        other.figure("long_tail", line(), WORDS)


# ---- tables


def test_a_table_says_its_origin_tolerances_and_leaders_and_drops_the_index(record, folder, running):
    running(CELL)
    record.table(
        "main_results",
        RESULTS.iloc[[2, 0]],
        tolerance={"ndcg@10": 0.01},
        best={"rmse": ["hybrid"], "ndcg@10": ["hybrid", "popularity"]},
    )
    assert fresh(folder, "main_results") == (
        '# {"notebook": "06_training", "cell": "2", "commit": "unknown", "tolerance": {"ndcg@10": 0.01}, '
        '"best": {"rmse": ["hybrid"], "ndcg@10": ["hybrid", "popularity"]}}\n'
        "model,rmse,ndcg@10\nhybrid,0.89,0.2\npopularity,--,0.1\n"
    )


def test_leaders_that_are_numbers_are_written_as_the_first_cells_are(record, folder):
    table = pd.DataFrame({"weight": [0.5, 1 / 3, 2.0], "ndcg": [0.2, 0.2, 0.1]})
    record.table("stars_weight", table, best={"ndcg": [0.5, np.float64(1 / 3)]})
    cells, says = report.read_table(folder / "generated/results/stars_weight.csv")
    assert says["best"] == {"ndcg": ["0.5", "0.3333333333"]} == {"ndcg": cells["weight"][:2].tolist()}


def test_a_table_without_a_test_says_nothing_of_leaders(record, folder):
    record.table("main_results", RESULTS)
    assert "best" not in report.read_table(folder / "generated/results/main_results.csv")[1]


def test_cells_with_commas_quotes_and_lone_numbers_come_back_as_they_were(record, folder):
    titles = ["Matrix, The (1999)", 'A "quoted" one', "# 1", "1984", "N/A", "Amélie"]
    record.table("titles", pd.DataFrame({"title": titles}))
    table, header = report.read_table(folder / "generated/results/titles.csv")
    assert list(table["title"]) == titles
    assert header["notebook"] == "06_training"


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (pd.DataFrame({"a": [1.0, math.nan]}), {}, "row 1, column 'a' must be finite.*write '--'"),
        (pd.DataFrame({"a": [math.inf]}), {}, "must be finite"),
        (pd.DataFrame({"a": ["x", None]}), {}, "must be finite"),
        (pd.DataFrame({"a": [1.0]}), {"tolerance": {"b": 0.1}}, r"must name its columns \['a'\]; found \['b'\]"),
        (pd.DataFrame({"a": [1.0]}), {"best": {"b": []}}, r"must name its columns \['a'\]; found \['b'\]"),
        (
            pd.DataFrame({"a": ["x", "y"], "b": ["z", "z"]}),
            {"best": {"b": ["x", "z"]}},  # z is no first cell
            r"leaders of 'bad' must be among its first cells; found \['z'\]",
        ),
        (pd.DataFrame({"a": [1.0]}, index=pd.Index(["x"], name="model")), {}, "'model'. Record `table.reset"),
    ],
)
def test_a_table_with_holes_names_in_the_index_or_unknown_leaders_is_refused(record, folder, table, settings, message):
    with pytest.raises(ValueError, match=message):
        record.table("bad", table, **settings)
    assert not (folder / "generated").exists()


@pytest.mark.parametrize("name", ["numbers", "figures", "provenance"])
def test_names_of_the_reports_own_files_are_refused(record, name):
    with pytest.raises(ValueError, match=f"'{name}' is the name of a file"):
        record.table(name, RESULTS)


# ---- figures


def test_a_figure_is_written_with_its_words_and_returned_as_a_picture(record, folder, running):
    running(CELL)
    fig = line()
    picture = record.figure("long_tail", fig, "A few films have\n   most of the ratings.")
    assert isinstance(picture, plots.Picture) and picture.text == WORDS and picture.png.startswith(b"\x89PNG")
    assert not plt.fignum_exists(fig.number)
    assert fresh(folder, "figures") == (
        f"name,alt,notebook,cell,commit,data\nlong_tail,{WORDS},06_training,2,unknown,\n"
    )
    metadata = pypdf.PdfReader(folder / "figures/long_tail.pdf").metadata
    assert (metadata.title, metadata.subject) == ("long_tail", WORDS)


def test_a_figure_without_words_is_refused(record, folder):
    with pytest.raises(ValueError, match="alt text must say what the figure shows"):
        record.figure("long_tail", line(), " ")
    assert not (folder / "figures").exists()
    plt.close("all")


@pytest.mark.parametrize("epoch", [None, "1700000000"])
def test_a_figure_is_byte_equal_with_truetype_fonts(record, folder, monkeypatch, epoch):
    if epoch:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    else:
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    pdfs = []
    for _ in range(2):
        fig = line()
        fig.suptitle("a line")
        record.figure("a_line", fig, "Two points.")
        pdfs.append((folder / "figures/a_line.pdf").read_bytes())
        (folder / "figures/a_line.pdf").unlink()
    assert pdfs[0] == pdfs[1]
    assert b"/Type3" not in pdfs[0] and b"/FontFile2" in pdfs[0]
    assert (b"CreationDate" in pdfs[0]) == bool(epoch)


# ---- runs and commands


def test_a_second_run_writes_the_same_bytes_and_touches_nothing(record, folder):
    def snapshot():
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    record_all(record)
    report.record()
    before = snapshot()
    assert len(before) == 3 + 3 + 1  # fresh, recorded: numbers, figures, a table; the PDF; no temporary file
    record_all(record)
    report.record()
    assert snapshot() == before


def test_what_is_written_to_the_report_can_be_read_back_by_the_names_that_notebooks_use(record, folder):
    record_all(record)
    assert report.record() == ["hybrid_rmse", "hybrid_rmse_high", "hybrid_rmse_low", "main_results.csv", "num_ratings"]
    assert report.read_rows(report.report_folder() / "results/numbers.csv")["num_ratings"]["value"] == "100000"
    assert report.read_table(report.report_folder() / "results/main_results.csv")[0].shape == (3, 3)


def test_the_command_records_and_then_nothing_has_moved(record, capsys):
    record_all(record)
    assert report.main(["record"]) == 0
    assert report.main(["check", "--all"]) == 0
    assert capsys.readouterr().out == "record: 5 results\nevery result is as recorded\n"


def test_the_module_runs_as_a_command_without_tensorflow(folder):
    code = "import sys, movierec.report, movierec.plots; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "movierec.report", "check"], capture_output=True, text=True, env=os.environ
    )
    assert (done.returncode, done.stdout) == (0, "every result is as recorded\n")
