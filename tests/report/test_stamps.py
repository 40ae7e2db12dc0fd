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
    "06_training": [RECORD, "record.number('new_number', 1)"],
    "07_recommendations": [RECORD, "record.number('new_share', 0.5)"],
    "10_self_attention": ["1 + 1", "2 + 2"],
    "11_learning_from_feedback": ["3 + 3"],
}


@pytest.fixture
def course(tmp_path):
    """A course of five notebooks, each with a stamp and a number of an earlier run."""
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


def test_each_notebook_forgets_what_it_wrote_and_leaves_a_stamp_when_all_its_cells_passed(course):
    """Two workers: 05 fails, 10 runs in part, and 11 does not run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"MOVIEREC_REPORT": str(course / "report"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
    command += ["-n", "2", "--dist", "loadfile", *(f"notebooks/{name}.ipynb" for name in list(NOTEBOOKS)[:3])]
    command += ["notebooks/10_self_attention.ipynb::Cell 1"]
    said = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True).stdout
    assert "1 failed, 5 passed" in said, said
    stamps = course.glob("report/generated/notebooks/*.json")
    seconds = {path.stem[:2]: json.loads(path.read_text()).get("seconds") for path in stamps}
    assert seconds.keys() == {"06", "07", "11"} and min(seconds["06"], seconds["07"]) > 0 and seconds["11"] is None
    results = sorted(path.name for path in course.glob("report/generated/results/*/*"))
    assert results == ["new_number.number.json", "new_share.number.json", "old_lea.number.json"]  # 11's
