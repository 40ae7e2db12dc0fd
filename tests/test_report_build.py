"""The last tests: `make`, after the notebooks have run, builds the report from what they wrote, nothing twice."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAMPS = ROOT / "report" / "generated" / "notebooks"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def make(*arguments):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500)


@pytest.fixture(scope="module")
def built(notebooks_passed):
    """What `make` said, and the times at which each notebook was run."""
    if not os.environ.get("CI") and not shutil.which("latexmk") and not shutil.which("tectonic"):
        pytest.skip("LaTeX is not installed, so there is no report to look at; `make` says how to get it")
    if notebooks_passed != {path.stem for path in NOTEBOOKS}:
        pytest.skip("the report is made from what the notebooks write, and not all passed here: run `make test`")
    before = {path.name: path.stat().st_mtime_ns for path in STAMPS.glob("*.json")}
    return make(), before


def test_make_builds_the_report_and_runs_no_notebook_again(built):
    said, before = built
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-3000:]
    assert (ROOT / "report" / "main.pdf").read_bytes().startswith(b"%PDF")
    assert {path.name: path.stat().st_mtime_ns for path in STAMPS.glob("*.json")} == before


def test_a_second_make_does_nothing_twice(built):
    pdf = (ROOT / "report" / "main.pdf").stat().st_mtime_ns
    said = make()
    assert said.returncode == 0 and "latexmk" not in said.stdout
    assert (ROOT / "report" / "main.pdf").stat().st_mtime_ns == pdf


def test_the_log_has_no_undefined_reference_and_no_wide_box(built):
    log = (ROOT / "report" / "main.log").read_text(encoding="utf-8", errors="replace")
    assert not re.findall(r"(?:Citation|Reference) .* undefined", log)
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert [points for points in too_wide if points > 5] == []


def test_what_was_recorded_is_what_the_notebooks_wrote(built):
    said = subprocess.run([sys.executable, "-m", "movierec.report", "check"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
