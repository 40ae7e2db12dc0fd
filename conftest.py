"""Notebooks under nbval: one whose cells have all passed leaves a stamp with its seconds, for make and the report.

With pytest-xdist every worker collects all tests and runs some of the files. Each notebook has files of its own, and
they are written where its cells run. The files that take longest come first, so that the workers end together.
"""

import csv
import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

# Before NumPy is imported, which reads the number of threads once.
if os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # kernels side by side must not fight for the cores
    # TF_NUM_INTEROP_THREADS stays free: with one such thread a parameter server blocks its own work.
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

from movierec.record import Recorder, forget, write_file

FOLDER = Recorder("conftest.py").folder
STAMPS = FOLDER / "generated" / "notebooks"
NOTEBOOKS = Path(__file__).parent / "notebooks"
MINUTES = Path(__file__).parent / "report/results/notebook_minutes.csv"
SLOW_TESTS = {  # minutes of the files of tests that take longest; those of notebooks are recorded
    "test_lab_in_browser": 2.0, "test_fit": 2.0, "test_workers": 2.0, "test_checkpoints": 1.5, "test_storage": 1.5,
    "test_service": 1.0, "test_connections": 1.0, "test_sequence": 1.0, "test_train_panel": 1.0, "test_scale": 1.0,
    "test_public_surface": 1.0, "test_command_line": 1.0, "test_stamps": 1.0, "test_ncf": 0.7, "test_page": 0.7,
    "test_keras2": 0.7, "test_page_in_browser": 0.7, "test_ruler": 0.7, "test_recommender": 0.5, "test_ids": 0.5,
}  # fmt: skip

_cells_left: Counter = Counter()
_seconds: dict = defaultdict(float)
_failed: set = set()


def _is_notebook(path: Path) -> bool:
    return path.parent == NOTEBOOKS and path.suffix == ".ipynb"


def pytest_collection_modifyitems(items):
    """Put the files that take longest first; within a file, and among equals, the order stays."""
    recorded = MINUTES.read_text(encoding="utf-8").splitlines() if MINUTES.exists() else []
    rows = csv.DictReader(line for line in recorded if line[:1] != "#")
    minutes = SLOW_TESTS | {row["notebook"]: float(row["minutes"]) for row in rows}
    items.sort(key=lambda item: -minutes.get(item.path.stem, 0.0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Forget the stamp and the fresh results of a notebook that starts: what it does not write again is gone."""
    if _is_notebook(item.path) and item.path.stem not in _cells_left:
        cells = json.loads(item.path.read_text(encoding="utf-8"))["cells"]
        _cells_left[item.path.stem] = sum(cell["cell_type"] == "code" for cell in cells)
        (STAMPS / f"{item.path.stem}.json").unlink(missing_ok=True)
        forget(item.path.stem)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Write the stamp of a notebook after its last cell, if none has failed or was left out."""
    report = yield
    if _is_notebook(item.path):
        notebook = item.path.stem
        _seconds[notebook] += report.duration
        if report.failed:
            _failed.add(notebook)
        if report.when == "teardown":
            _cells_left[notebook] -= 1
            if not _cells_left[notebook] and notebook not in _failed:
                write_file(STAMPS / f"{notebook}.json", json.dumps({"seconds": round(_seconds[notebook], 1)}))
    return report
