"""Notebooks under nbval: a notebook whose cells all passed leaves a stamp with its seconds, for make and the report."""

import json
import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from movierec.report import Recorder, forget

RECORDER = Recorder("conftest.py")
STAMPS = RECORDER.folder / "generated" / "notebooks"
NOTEBOOKS = Path(__file__).parent / "notebooks"

_cells_left: Counter = Counter()
_seconds: dict = defaultdict(float)
_failed: set = set()


@pytest.fixture(scope="session")
def notebooks_passed() -> set:
    """The notebooks that this session has re-executed, every cell as stored."""
    return {notebook for notebook, left in _cells_left.items() if not left and notebook not in _failed}


def _notebook_of(nodeid: str) -> str | None:
    path = Path(nodeid.split("::")[0])
    return path.stem if path.suffix == ".ipynb" else None


def pytest_collection_modifyitems(config, items):
    """The test that builds the report comes last: it reads what the notebooks wrote.

    A notebook that is about to run has no stamp and no fresh results: what it does not write again is gone.
    """
    items.sort(key=lambda item: item.nodeid.startswith("tests/report/test_report_build.py"))
    if config.option.collectonly:
        return
    for item in items:
        if notebook := _notebook_of(item.nodeid):
            _cells_left[notebook] += 1
    for notebook in _cells_left:
        (STAMPS / f"{notebook}.json").unlink(missing_ok=True)
        forget(notebook, RECORDER.folder)


def pytest_runtest_logreport(report):
    notebook = _notebook_of(report.nodeid)
    if notebook is None:
        return
    _seconds[notebook] += report.duration
    if report.failed:
        _failed.add(notebook)
    if report.when == "teardown":
        _cells_left[notebook] -= 1
        if not _cells_left[notebook] and notebook not in _failed:
            STAMPS.mkdir(parents=True, exist_ok=True)
            (STAMPS / f"{notebook}.json").write_text(json.dumps({"seconds": round(_seconds[notebook], 1)}))
            _write_minutes()


def _write_minutes():
    """The table of the report, once every notebook has a stamp."""
    import pandas as pd  # here: unit tests alone do not write the table

    notebooks = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    stamps = [STAMPS / f"{notebook}.json" for notebook in notebooks]
    if all(stamp.exists() for stamp in stamps):
        minutes = [json.loads(stamp.read_text())["seconds"] / 60 for stamp in stamps]
        table = pd.DataFrame({"notebook": notebooks, "minutes": minutes, "cores": os.cpu_count()})
        RECORDER.table("notebook_minutes", table, tolerance={"minutes": math.inf, "cores": math.inf})
