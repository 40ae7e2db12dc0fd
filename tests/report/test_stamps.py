"""Notebooks that pytest runs, side by side or not: a stamp says that all cells passed, and old results do not stay."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = "from movierec.record import Recorder\nrecord = Recorder({!r})"
NOTEBOOKS = {  # one cell a text
    "05_hybrid_model": ["1 / 0"],
    "06_training": [RECORD, "record.number('new_number', 1)", "open('model', 'w').close()"],
    "07_recommendations": [RECORD, "open('model').close()  # load_or_train()", "record.number('new_share', 0.5)"],
}


@pytest.fixture
def course(tmp_path):
    """A course of three notebooks, each with a stamp and a number of an earlier run."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    for name, sources in NOTEBOOKS.items():
        about = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        cells = [{**about, "id": f"cell-{n}", "source": source.format(name)} for n, source in enumerate(sources)]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        for path, text in {
            f"notebooks/{name}.ipynb": json.dumps(notebook),
            f"report/generated/notebooks/{name}.json": "{}",
            f"report/generated/results/{name}/old_{name[3:6]}.number.json": "{}",
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize("workers", [[], ["-n", "2", "--dist", "loadfile"]])
def test_each_notebook_forgets_what_it_wrote_and_leaves_a_stamp_when_all_cells_passed(course, workers):
    """07 finds what 06 leaves behind, in any order of workers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"MOVIEREC_REPORT": str(course / "report"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
    said = subprocess.run(
        [*command, *workers, "notebooks"], cwd=course, env=environment, capture_output=True, text=True
    )
    assert said.returncode == 1 and "6 passed" in said.stdout and "1 failed" in said.stdout, said.stdout + said.stderr
    stamps = {path.stem: json.loads(path.read_text()) for path in course.glob("report/generated/notebooks/*.json")}
    assert stamps.keys() == {"06_training", "07_recommendations"}
    assert all(stamp["seconds"] > 0 for stamp in stamps.values())
    results = sorted(path.name for path in course.glob("report/generated/results/*/*"))
    assert results == ["new_number.number.json", "new_share.number.json"]


def test_a_notebook_that_ran_in_part_has_no_stamp(course):
    environment = os.environ | {"MOVIEREC_REPORT": str(course / "report"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
    cell = "notebooks/06_training.ipynb::Cell 0"
    said = subprocess.run([*command, cell], cwd=course, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
    assert not (course / "report/generated/notebooks/06_training.json").exists()
    assert (course / "report/generated/notebooks/07_recommendations.json").exists()  # it has not run
