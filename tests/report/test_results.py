"""`movierec.results`: where a result is from, and the files in which it is kept."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from movierec import results

ROOT = Path(__file__).resolve().parents[2]


def git(folder, *words):
    """What git says, whatever the settings of whoever runs the tests."""
    mine = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *mine, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(checkout):
    """The checkout with one commit of a module, a notebook, a script, a page and a recorded number."""
    for name in ("movierec/report.py", "tests/benchmarks/run.py", "README.md", "report/results/numbers.csv"):
        results.write_file(checkout / name, "as committed\n")
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "first")
    return checkout


# ---- the cell


def test_the_running_cell_is_found_by_its_source_and_not_by_a_count(checkout, running):
    running('record.table("main_results", results)')  # IPython counts it as its 17th
    assert results.running_cell("06_training") == "2"  # the heading is no code cell
    running("import movierec")
    assert results.running_cell("06_training") == "1"


def test_a_cell_of_several_lines_is_found(checkout, running):
    lines = '{"cells": [{"cell_type": "code", "source": ["a = 1\\n", "a"]}]}'
    (checkout / "notebooks/01_exploration.ipynb").write_text(lines)
    running("a = 1\na")
    assert results.running_cell("01_exploration") == "1"


@pytest.mark.parametrize("notebook", ["07_recommendations", "tests/benchmarks/run.py"])
def test_a_cell_of_no_notebook_is_unknown(checkout, running, notebook):
    running("import movierec")
    assert results.running_cell(notebook) == ""


def test_a_cell_that_was_changed_and_not_saved_is_unknown(checkout, running):
    running("import movierec as m")
    assert results.running_cell("06_training") == ""
    running("# Training")  # a heading is no cell that runs
    assert results.running_cell("06_training") == ""


@pytest.mark.parametrize(
    "ipython",
    [
        None,  # never imported
        SimpleNamespace(get_ipython=lambda: None),  # imported by a script
        SimpleNamespace(get_ipython=lambda: SimpleNamespace()),  # IPython in a terminal has no parent
        SimpleNamespace(get_ipython=lambda: SimpleNamespace(get_parent=lambda: {})),  # no cell has run yet
    ],
)
def test_outside_a_notebook_no_cell_is_running(checkout, monkeypatch, ipython):
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert results.running_cell("06_training") == ""


# ---- the commit


def test_the_commit_of_a_clean_checkout_has_seven_digits(repository):
    assert results.commit() == git(repository, "rev-parse", "HEAD")[:7]
    assert re.fullmatch("[0-9a-f]{7}", results.commit())


@pytest.mark.parametrize(
    ("changed", "mark"),
    [
        *[("movierec/report.py", "+"), ("notebooks/06_training.ipynb", "+"), ("tests/benchmarks/run.py", "+")],
        *[("README.md", ""), ("report/results/numbers.csv", "")],  # no result is made by them
    ],
)
def test_code_that_differs_from_the_commit_is_marked(repository, changed, mark):
    clean = results.commit()
    (repository / changed).write_text("{}")
    assert results.commit() == clean  # asked once a process
    results.commit.cache_clear()
    assert results.commit() == clean + mark


def test_without_git_the_commit_is_unknown(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert results.commit() == "unknown"


def test_outside_a_repository_the_commit_is_unknown(checkout):
    assert results.commit() == "unknown"


# ---- origin and command


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            {"notebook": "06_training", "cell": "30", "commit": "2c473a5", "data": "f40682aea0f2"},
            "06_training, cell 30, commit 2c473a5, data f40682aea0f2",
        ),
        (
            {"notebook": "tests/benchmarks/run.py", "cell": "", "commit": "2c473a5+", "data": ""},
            "tests/benchmarks/run.py, commit 2c473a5+",
        ),
        ({"notebook": "06_training", "value": "0.9"}, "06_training"),  # recorded before there were origins
    ],
)
def test_an_origin_is_a_line_of_what_is_known(row, line):
    assert results.origin_of(row) == line


@pytest.mark.parametrize(
    ("owner", "typed"),
    [
        *[("06_training", "make 06"), ("11_people_and_films", "make 11"), ("conftest.py", "make notebooks")],
        *[("movierec/baselines/tuning.py", "make tune"), ("tests/benchmarks/ablation.py", "make ablation")],
        *[("tests/benchmarks/run.py", "make benchmark"), ("tests/benchmarks/scale.py", "make benchmark SCALE=1")],
        ("tests/benchmarks/people_and_films.py", "python tests/benchmarks/people_and_films.py"),
    ],
)
def test_each_maker_has_a_command(owner, typed):
    assert results.command(owner) == typed


def test_what_a_command_names_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [owner for owner in results.COMMANDS if not (ROOT / owner).exists()] == []
    typed = [*results.COMMANDS.values(), results.command("tests/benchmarks/run.py")]
    for target in {line.split()[1] for line in typed if line.startswith("make ")}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for script in (line.split()[1] for line in typed if line.startswith("python ")):
        assert (ROOT / script).exists()


def test_make_benchmark_runs_each_script_that_has_no_command_of_its_own():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    scripts = [
        f"tests/benchmarks/{path.name}"
        for path in (ROOT / "tests/benchmarks").glob("*.py")
        if f'Recorder("tests/benchmarks/{path.name}"' in path.read_text(encoding="utf-8")
    ]
    assert len(scripts) >= 6
    left = [script for script in scripts if results.command(script) == "make benchmark"]
    assert [script for script in left if f"$(PYTHON) {script}" not in makefile] == []


# ---- files


def test_the_folder_is_the_argument_then_the_environment_then_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path / "environment"))
    assert results.report_folder(tmp_path / "argument") == tmp_path / "argument"
    assert results.report_folder() == tmp_path / "environment"
    monkeypatch.delenv("MOVIEREC_REPORT")
    assert results.report_folder() == ROOT / "report"


def test_rows_are_written_sorted_by_name_with_nothing_for_what_they_lack(tmp_path):
    rows = {"b_two": {"name": "b_two", "notebook": "06, really"}, "a_one": {"name": "a_one", "commit": "2c473a5"}}
    results.write_rows(tmp_path / "rows.csv", ["name", "notebook", "commit"], rows)
    assert (tmp_path / "rows.csv").read_text() == 'name,notebook,commit\na_one,,2c473a5\nb_two,"06, really",\n'
    assert list(results.read_rows(tmp_path / "rows.csv")) == ["a_one", "b_two"]
    assert results.read_rows(tmp_path / "rows.csv")["b_two"]["notebook"] == "06, really"


def test_rows_of_no_file_are_none(tmp_path):
    assert results.read_rows(tmp_path / "numbers.csv") == {}


def test_every_table_and_number_of_a_folder_is_read_and_other_files_are_not(tmp_path):
    (tmp_path / "splits.csv").write_text('# {"notebook": "02_preprocessing", "tolerance": {}}\na,b\n1,N/A\n')
    (tmp_path / "numbers.csv").write_text("name,value,tolerance,notebook\nnum_users,943,0.5,01_exploration\n")
    (tmp_path / "figures.csv").write_text("name,alt,notebook\nlong_tail,words,01_exploration\n")
    (tmp_path / "runs.jsonl").write_text("{}\n")
    found = results.read_all(tmp_path)
    assert set(found) == {"splits.csv", "num_users"}
    table, says = found["splits.csv"]
    assert table.to_dict("list") == {"a": ["1"], "b": ["N/A"]} and says["notebook"] == "02_preprocessing"
    table, says = found["num_users"]
    assert table.to_dict("list") == {"value": ["943"]}
    assert says["tolerance"] == {"value": 0.5} and says["notebook"] == "01_exploration"


def test_a_file_with_this_content_is_left_alone_and_another_is_replaced(tmp_path):
    path = tmp_path / "new/file.csv"
    results.write_file(path, "Amélie\n")
    before = path.stat()
    results.write_file(path, "Amélie\n".encode())
    assert path.stat() == before
    results.write_file(path, "Heat\n")
    assert path.read_bytes() == b"Heat\n"
    assert [each.name for each in path.parent.iterdir()] == ["file.csv"]  # no temporary file


@pytest.mark.parametrize(
    ("text", "holds"),
    [("0.5", True), ("-1e-3", True), ("943", True), ("--", False), ("", False), ("nan", False), ("inf", False)],
)
def test_a_number_is_finite(text, holds):
    assert results.is_number(text) is holds


def test_what_does_not_hold_is_an_error_with_its_message():
    results.require(pd.Series([1]).size, "not raised")
    with pytest.raises(ValueError, match="^four is not five$"):
        results.require(4 == 5, "four is not five")
