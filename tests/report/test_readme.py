"""The front page and the page of results say what was measured, and what they tell a reader to type is there."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from movierec.record import Recorder
from report.build import drift, readme
from report.build.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
TABLES = """main_results = [
  {column = "model", header = "Model"},
  {column = "rmse", header = "RMSE", unit = "stars", format = ".3f", best = true, interval = ["rmse low", "rmse high"]},
  {column = "change", header = "Change", format = ".2f"},
]
splits = [{column = "split", header = "Split | protocol"}]
not_recorded = [{column = "model", header = "Model"}]
"""
RESULTS = pd.DataFrame({"model": ["popularity", "hybrid|ours"], "rmse": ["--", 0.95678], "rmse low": ["--", 0.94]})
RESULTS = RESULTS.assign(**{"rmse high": ["--", 0.97321], "change": ["--", -0.5]})
MAIN_RESULTS = """| Model | RMSE (stars) | Change |
| --- | --: | --: |
| popularity | – | – |
| hybrid\\|ours | **0.957** [0.940, 0.973] | −0.50 |
"""


@pytest.fixture
def recorded(checkout, running):
    """A report with two tables of two makers, one of them from a cell that is known; minutes, and two numbers."""
    (checkout / "report/tables.toml").write_text(TABLES)
    recorder = Recorder("06_training")
    recorder.number("hybrid_rmse", 1234.5678, digits=2)
    recorder.number("ease_difference", -0.0206)
    running('record.table("main_results", results)')
    recorder.table("main_results", RESULTS, best={"rmse": ["hybrid|ours"]})
    Recorder("tests/benchmarks/scale.py").table("splits", pd.DataFrame({"split": ["by_time"]}))
    minutes = pd.DataFrame({"notebook": ["01_exploration"], "minutes": [0.26]})
    Recorder("conftest.py").table("notebook_minutes", minutes)
    drift.record()
    return checkout / "report"


PAGE = """<!-- table: main_results -->
old
<!-- /table -->
between
<!-- table: splits -->
<!-- /table -->
| [01](notebooks/01_exploration.ipynb) | What? | 9.9 |
RMSE <!-- =hybrid_rmse -->?<!-- / --> stars, by <!-- =ease_difference --><!-- / -->
"""


def test_the_command_writes_both_pages_from_the_recorded_results(recorded):
    (recorded.parent / "README.md").write_text(PAGE, encoding="utf-8")
    Recorder("06_training").number("hybrid_rmse", 1.0, digits=2)  # fresh, and not recorded
    assert main(["readme"]) == 0
    page = (recorded.parent / "README.md").read_text(encoding="utf-8")
    assert page == (
        f"<!-- table: main_results -->\n{MAIN_RESULTS}<!-- /table -->\n"
        "between\n"
        "<!-- table: splits -->\n| Split \\| protocol |\n| --- |\n| by_time |\n<!-- /table -->\n"
        "| [01](notebooks/01_exploration.ipynb) | What? | 0.3 |\n"
        "RMSE <!-- =hybrid_rmse -->1,234.57<!-- / --> stars, by <!-- =ease_difference -->−0.021<!-- / -->\n"
    )
    assert readme.updated(page) == page
    assert (recorded / "results/README.md").read_text(encoding="utf-8") == readme.ABOUT + (
        f"\n## main results\n\n{MAIN_RESULTS}\n"
        "[main_results.csv](main_results.csv), `make 06`: 06_training, cell 2, commit unknown\n"
        "\n## splits\n\n| Split \\| protocol |\n| --- |\n| by_time |\n\n"
        "[splits.csv](splits.csv), `make benchmark SCALE=1`: tests/benchmarks/scale.py, commit unknown\n"
    )  # not_recorded is declared, and left out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("main_results", "notebook_minutes", "notebook_minutes must be declared in report/tables.toml"),
        ("main_results", "not_recorded", "not_recorded must be declared .* and recorded in .*/not_recorded.csv"),
        ("hybrid_rmse", "hybrid_mae", "hybrid_mae is not a recorded number; report/results/numbers.csv has 2"),
        ("01_exploration", "02_preprocessing", "02_preprocessing has no recorded minutes"),
    ],
)
def test_what_is_not_recorded_or_not_marked_is_an_error(recorded, old, new, message):
    with pytest.raises(ValueError, match=message):
        readme.updated(PAGE.replace(old, new))


def test_pages_without_a_whole_table_are_an_error(recorded, capsys):
    (recorded.parent / "README.md").write_text(PAGE.replace("<!-- /table -->", ""), encoding="utf-8")
    assert main(["readme"]) == 1
    assert "must have a line '<!-- table: main_results -->'" in capsys.readouterr().err


def test_each_page_is_as_recorded():
    pages = {page: readme.updated(page.read_text(encoding="utf-8")) for page in PAGES}
    pages[ROOT / "report/results/README.md"] = readme.results_page()
    old = [path.name for path, page in pages.items() if path.read_text(encoding="utf-8") != page]
    assert old == [], "they are not what is recorded: run `python -m report.build readme`"


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", texts, re.MULTILINE))
    assert {"test", "lab", "help", "report"} <= named <= targets


def test_every_link_of_the_results_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", readme.ABOUT)
    assert links and [link for link in links if not (ROOT / "report/results" / link).exists()] == []


def test_the_front_page_begins_with_a_picture_and_a_command_and_is_short():
    before_code = TEXT.split("```")[0]
    assert len(TEXT.split()) <= 700 and len(before_code.split()) <= 60 and f"]({readme.PICTURE})" in before_code


def test_the_picture_shows_what_is_recorded():
    shown = json.loads(Image.open(ROOT / readme.PICTURE).text[readme.DESCRIPTION])
    assert shown == readme.shown_numbers(), "it is not what is recorded: run `python -m report.build picture`"
    means = [shown[model][0] for model in ("popularity", "item-kNN", "EASE", "hybrid")]
    assert means == sorted(means)  # as its words say


def test_the_picture_is_drawn_from_the_results(recorded, monkeypatch):
    monkeypatch.setattr(readme, "stations", lambda: [f"{number:02} lesson" for number in range(1, 14)])
    numbers = {"popularity": [0.1, 0.05, 0.15], "hybrid": [0.2, 0.1, 0.3]}
    monkeypatch.setattr(readme, "shown_numbers", lambda: numbers)
    (recorded.parent / "docs").mkdir()
    assert main(["picture"]) == 0
    drawn = Image.open(recorded.parent / readme.PICTURE)
    assert drawn.size == (1400, 660) and json.loads(drawn.text[readme.DESCRIPTION]) == numbers
    assert (recorded.parent / readme.PICTURE).stat().st_size < 60_000
