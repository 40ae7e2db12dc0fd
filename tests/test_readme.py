"""The front page says what was measured, and what it tells a reader to type is there."""

import re
from pathlib import Path

import pandas as pd
import pytest

from movierec import readme, report

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def recorded(tmp_path):
    """A report folder with one model and one notebook."""
    recorder = report.Recorder("06_training", folder=tmp_path)
    row = {"model": "hybrid", "rmse": 0.95678, "ndcg@10": 0.12345, "recall@20": "--", "coverage": 0.5}
    recorder.table("main_results", pd.DataFrame([row]))
    recorder.table("notebook_minutes", pd.DataFrame({"notebook": ["01_exploration"], "minutes": [0.26]}))
    recorder.number("hybrid_rmse", 1234.5678, digits=2)
    report.record(tmp_path)
    return tmp_path


PAGE = """<!-- results: somewhere -->
old
<!-- /results -->
| [01](notebooks/01_exploration.ipynb) | What? | 9.9 |
RMSE <!-- =hybrid_rmse -->?<!-- / --> stars
"""


def test_numbers_come_from_the_recorded_results(recorded):
    page = readme.updated(PAGE, recorded)
    assert "| hybrid | 0.957 | 0.123 | – | 0.500 |" in page
    assert "| [01](notebooks/01_exploration.ipynb) | What? | 0.3 |" in page
    assert "<!-- =hybrid_rmse -->1,234.57<!-- / -->" in page
    assert "old" not in page and readme.updated(page, recorded) == page


def test_a_number_that_is_not_recorded_is_an_error(recorded):
    with pytest.raises(ValueError, match="hybrid_mae is not a recorded number"):
        readme.updated(PAGE.replace("hybrid_rmse", "hybrid_mae"), recorded)


def test_missing_marks_and_unmeasured_notebooks_are_errors(recorded):
    with pytest.raises(ValueError, match="/results"):
        readme.updated("no marks", recorded)
    with pytest.raises(ValueError, match="02_preprocessing has no recorded minutes"):
        readme.updated(PAGE.replace("01_exploration", "02_preprocessing"), recorded)


def test_the_front_page_is_as_recorded():
    assert readme.updated(TEXT) == TEXT, "README.md is not what is recorded: run `python -m movierec.readme`"


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, re.MULTILINE))
    assert {"test", "lab", "help", "report"} <= named <= targets


def test_every_link_into_the_repository_leads_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    assert len(links) >= 9
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_public_surface_on_the_front_page_runs_as_far_as_python_can_say():
    code = next(block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "fit_hybrid" in block)
    compile(code, "README.md", "exec")
    import movierec

    for name in re.findall(r"movierec\.(\w+)\(", code):
        assert callable(getattr(movierec, name))
