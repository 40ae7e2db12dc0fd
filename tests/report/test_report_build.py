"""The report that `make` builds from what the notebooks wrote. `make test` calls this file last, and by itself.

It needs the stamps of a complete run of the notebooks, and is skipped where they are missing or older than the code.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest

ROOT = Path(__file__).resolve().parents[2]
STAMPS = ROOT / "report" / "generated" / "notebooks"


def make(*arguments):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500)


def fonts_of(resources):
    """The fonts of a page, and of the figures that are drawn on it."""
    if "/Font" in resources:
        yield from (font.get_object() for font in resources["/Font"].values())
    for drawn in resources.get("/XObject", {}).values():
        yield from fonts_of(drawn.get_object().get("/Resources", {}))


def outdated():
    """The notebooks that `make` would run: they have no stamp, or one that is older than what they import."""
    return re.findall(r"pytest .* notebooks/(\w+)\.ipynb", make("--dry-run", "notebooks").stdout)


@pytest.fixture(scope="module")
def built():
    """What `make` said, and the times at which each notebook was run."""
    if not os.environ.get("CI") and not shutil.which("latexmk") and not shutil.which("tectonic"):
        pytest.skip("LaTeX is not installed, so there is no report to look at; `make` says how to get it")
    if missing := outdated():
        pytest.skip(f"the report is made from what the notebooks write; {len(missing)} must run first: `make test`")
    before = {path.name: path.stat().st_mtime_ns for path in STAMPS.glob("*.json")}
    return make(), before


def test_make_builds_the_report_runs_no_notebook_again_and_a_second_make_does_nothing(built):
    said, before = built
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-3000:]
    pdf = ROOT / "report" / "main.pdf"
    made = pdf.stat().st_mtime_ns
    said = make()
    assert said.returncode == 0 and "latexmk" not in said.stdout and pdf.stat().st_mtime_ns == made
    assert {path.name: path.stat().st_mtime_ns for path in STAMPS.glob("*.json")} == before


def test_the_log_has_no_undefined_reference_and_no_wide_box(built):
    log = (ROOT / "report" / "main.log").read_text(encoding="utf-8", errors="replace")
    assert not re.findall(r"(?:Citation|Reference) .* undefined", log)
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert [points for points in too_wide if points > 5] == []


@pytest.fixture(scope="module")
def paper(built):
    return pypdf.PdfReader(ROOT / "report" / "main.pdf")


def test_the_paper_has_eight_to_ten_pages_and_all_fonts_embedded_and_none_of_type_three(paper):
    assert 8 <= len(paper.pages) <= 10
    fonts = [font for page in paper.pages for font in fonts_of(page.get("/Resources", {}))]
    assert len(fonts) > 20
    assert {font["/Subtype"] for font in fonts} <= {"/Type1", "/TrueType", "/Type0"}
    descriptors = [font.get("/DescendantFonts", [font])[0].get_object()["/FontDescriptor"] for font in fonts]
    embedded = [{"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor.get_object()) for descriptor in descriptors]
    assert all(embedded)


def test_each_figure_has_words_for_those_who_cannot_see_it(paper):
    notes = [note.get_object() for page in paper.pages for note in page.get("/Annots", [])]
    words = [str(note["/TU"]) for note in notes if "/TU" in note]
    tex = (ROOT / "report" / "main.tex").read_text(encoding="utf-8")
    assert len(words) == len(re.findall(r"\\begin\{figure", tex)) and min(map(len, words)) > 40


def test_a_result_that_is_gone_is_named_with_what_makes_it(built):
    path = ROOT / "report" / "results" / "verdict.csv"
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        said = make("report")
    finally:
        hidden.rename(path)
    assert said.returncode != 0
    assert re.search(r"table verdict: made by 08_evaluation, cell \d+, .*; make 08", said.stdout + said.stderr)


def test_the_paper_of_a_readers_own_run_is_built_beside_it(built):
    said = make("report", "RESULTS=mine")
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-3000:]
    first = pypdf.PdfReader(ROOT / "report" / "mine.pdf").pages[0].extract_text()
    assert "From your own run" in first and "print differently" in said.stdout
    other = make("report", "RESULTS=other")
    assert other.returncode != 0 and 'RESULTS must be "mine" or left out; found "other"' in other.stderr


def test_what_was_recorded_is_what_the_notebooks_wrote(built):
    check = [sys.executable, "-m", "report.build", "check"]
    said = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
