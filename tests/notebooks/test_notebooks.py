"""The conventions of the course's notebooks, read from the files; nbval runs them.

A rule is a function of a notebook that yields what breaks it. `BAD` shows each rule a notebook that breaks it.
"""

import ast
import copy
import itertools
import json
import re
from pathlib import Path

import pytest

from movierec.record import recorded, report_folder

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted(path for path in ROOT.glob("notebooks/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts)
COURSE = [path for path in PATHS if path.parent.name == "notebooks"]
LONGEST_CELL = 25  # lines; a model class, and imports with a name a line, may be longer
REPORT = "for-the-report"  # the tag of the one collapsed cell that hands results over
LONGEST_TEXT = 120  # words between two code cells
LARGEST_FILE = 2_000_000  # characters
FORBIDDEN = {
    r"^\s*[!%]+\s*(pip|conda|apt)": "an installation",
    r"sys\.path": "sys.path",
    r"filterwarnings|simplefilter|catch_warnings": "a warning filter",
    r"os\.environ": "os.environ",
    r"""['"](/(home|root|Users|work|content|tmp|mnt|data)\b|[A-Za-z]:\\\\|~/)""": "an absolute path",
}


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _text(cell):
    return "".join(cell["source"])


def _cells(notebook, kind):
    return [(number, cell, _text(cell)) for number, cell in enumerate(notebook["cells"]) if cell["cell_type"] == kind]


def _outputs(notebook):
    return [(number, cell, output) for number, cell, _ in _cells(notebook, "code") for output in cell["outputs"]]


def _prose(notebook):
    return "\n".join(text for _, _, text in _cells(notebook, "markdown"))


def _headings(notebook):
    """Return (level, text) in order; comments in fenced code are none."""
    prose = _prose(notebook)
    prose = re.sub(r"^```.*?^```", "", prose, flags=re.DOTALL | re.MULTILINE)
    return [(len(marks), title.strip()) for marks, title in re.findall(r"^(#+) (.*)$", prose, re.MULTILINE)]


def _tags(cell):
    return cell["metadata"].get("tags", [])


# ---- the rules


def headings_are_one_title_and_do_not_jump(notebook):
    levels = [level for level, _ in _headings(notebook)]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"the first heading must be the only one of level 1; levels are {levels}"
    for (before, _), (level, title) in itertools.pairwise(_headings(notebook)):
        if level > before + 1:
            yield f"'{title}' is of level {level}, after level {before}"


def header_card(notebook):
    """A question, three to five objectives as a list, a row of what it needs and how long it takes."""
    first = _text(notebook["cells"][0])
    table = r"^\| Needs \| Read \| Run \|\n\|[-|]+\|\n\| .+ \| .*minutes? \| .*(minute|second)s? \|$"
    if notebook["cells"][0]["cell_type"] != "markdown" or not first.startswith("# "):
        yield "the first cell must begin with the title"
    if not re.search(r"^\*\*[^*\n]+\?\*\*$", first, re.MULTILINE):
        yield "the card must ask a question in bold, on a line of its own"
    if not 3 <= len(re.findall(r"^\* .*[,.;]$", first, re.M)) <= 5 or "After this notebook you can" not in first:
        yield "the card must list 3 to 5 objectives after 'After this notebook you can'"
    if not re.search(table, first, re.MULTILINE):
        yield "the card must have the table Needs, Read (minutes), Run (minutes)"
    if not all(f"]({page}.md)" in first for page in ("glossary", "troubleshooting")):
        yield "the card must point to glossary.md and troubleshooting.md"


def form_of_a_lesson(notebook):
    """At least three predictions, what goes wrong elsewhere, findings that nbval compares, and the last sections."""
    text = _prose(notebook)
    if (asked := len(re.findall(r"\*\*Predict\b", text))) < 3:
        yield f"the reader must be asked to predict three times or more ('**Predict**'); found {asked}"
    if "> **Where this goes wrong.**" not in text:
        yield "there must be a box '> **Where this goes wrong.**'"
    titles = [title for level, title in _headings(notebook) if level == 2]
    if titles[-2:] != ["Key points", "Exercises"]:
        yield f"the last sections must be Key points and Exercises; they are {titles[-2:]}"
    for number, cell, text in _cells(notebook, "code"):
        if "finding(" in text and "nbval-ignore-output" in _tags(cell):
            yield f"cell {number} prints a finding, which nbval is told to ignore"


def one_clean_run(notebook):
    """Counts from 1 without a gap; errors only on purpose; nothing on stderr; no state of widgets; the usual kernel."""
    counts = [cell["execution_count"] for _, cell, _ in _cells(notebook, "code")]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts must be 1 … {len(counts)}; found {counts}: restart and run all"
    for number, cell, output in _outputs(notebook):
        if output["output_type"] == "error" and "raises-exception" not in _tags(cell):
            yield f"cell {number} ended in {output['ename']} and has no tag raises-exception"
        if output.get("name") == "stderr":
            yield f"cell {number} has stored stderr: {''.join(output['text'])[:60]!r}"
    if "widgets" in notebook["metadata"]:
        yield "the metadata hold the state of widgets"
    if (name := notebook["metadata"].get("kernelspec", {}).get("name")) != "python3":
        yield f"the kernel must be python3; it is {name!r}"


def code_is_portable(notebook):
    for number, _, text in _cells(notebook, "code"):
        for pattern, what in FORBIDDEN.items():
            if match := re.search(pattern, text, re.MULTILINE):
                yield f"cell {number} has {what}: {match[0]!r}"
    for number, _, output in _outputs(notebook):
        shown = json.dumps(output.get("data", output.get("text", "")))
        if match := re.search(r"(?<![\w.])/(home|root|Users|work)/[\w/.]+", shown):
            yield f"the output of cell {number} shows where it ran: {match[0]!r}"


def cells_are_short_and_python_and_not_empty(notebook):
    yield from (f"cell {i} is empty" for i, cell in enumerate(notebook["cells"]) if not _text(cell).strip())
    for number, cell, text in _cells(notebook, "code"):
        long_on_purpose = REPORT in _tags(cell) or re.search(r"^class |\A(import|from) ", text, re.MULTILINE)
        if (lines := len(text.splitlines())) > LONGEST_CELL and not long_on_purpose:
            yield f"cell {number} has {lines} lines; at most {LONGEST_CELL}"
        if "raises-exception" not in _tags(cell) and not re.search(r"^\s*[%!]", text, re.MULTILINE):
            try:
                ast.parse(text)
            except SyntaxError as error:
                yield f"cell {number}: {error}"


def pictures_have_words(notebook):
    """Every <img> of an output or of the text has an alt; a PNG has one in its metadata, and as its caption below."""
    pages = [(number, "".join(output.get("data", {}).get("text/html", ""))) for number, _, output in _outputs(notebook)]
    pages += [(number, text) for number, _, text in _cells(notebook, "markdown")]
    for number, page in pages:
        images = re.findall(r"<img\b[^>]*>", page)
        if "![](" in page or not all(re.search(r"""\balt=(["'])\s*[^\s"'].*?\1""", image) for image in images):
            yield f"a picture of cell {number} has no alt text"
    shown = _outputs(notebook)
    for (number, _, output), (_, _, below) in zip(shown, [*shown[1:], (None, None, {})], strict=True):
        if {"image/png", "image/jpeg", "image/svg+xml"} & set(output.get("data", {})):
            words = output.get("metadata", {}).get("image/png", {}).get("alt")
            if not words or "".join(below.get("data", {}).get("text/markdown", "")) != f"*{words}*":
                yield f"cell {number} shows a bare picture; `plots.show(fig, '…')` gives it words"


def text_is_short_between_code_and_the_file_is_small(notebook):
    words = 0
    if (size := len(json.dumps(notebook))) > LARGEST_FILE:
        yield f"the file has {size:,} characters; at most {LARGEST_FILE:,}"
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            if words > LONGEST_TEXT:
                yield f"{words} words before cell {number}; at most {LONGEST_TEXT}"
            words = 0
        elif number:  # the header card has its own rule
            words += len(_text(cell).split())


def what_it_reads_is_recorded(notebook):
    for number, _, text in _cells(notebook, "code"):
        for name in re.findall(r"""\brecorded\(["'](\w+)["']\)""", text):
            if not (report_folder() / f"results/{name}.csv").exists():
                yield f"cell {number} reads {name}, which is not recorded"


EVERYWHERE = [
    headings_are_one_title_and_do_not_jump,
    one_clean_run,
    code_is_portable,
    cells_are_short_and_python_and_not_empty,
    pictures_have_words,
    text_is_short_between_code_and_the_file_is_small,
    what_it_reads_is_recorded,
]
IN_THE_COURSE = [header_card, form_of_a_lesson]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_breaks_no_rule(path):
    rules = EVERYWHERE + IN_THE_COURSE * (path in COURSE)
    assert [broken for rule in rules for broken in rule(_read(path))] == []


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_the_card_says_how_long_a_run_takes_as_it_was_measured(path):
    (run,) = re.findall(r"\| ([^|\n]*minutes?) \|$", _text(_read(path)["cells"][0]), re.MULTILINE)
    most = max(int(number) for number in re.findall(r"\d+", run))
    measured = recorded("notebook_minutes").set_index("notebook")["minutes"][path.stem]
    assert measured <= most <= measured + 1.5


def test_the_course_is_numbered_without_a_gap_and_says_where_a_number_is_about_people():
    by_number = {path.stem.split("_")[0]: path for path in COURSE}
    assert list(by_number) == [f"{number:02}" for number in range(1, len(COURSE) + 1)] and len(COURSE) >= 11
    for number in ("01", "03", "07", "08", "09", "12"):  # who is missing or badly served, what a log gives away, …
        assert "> **Think of the people.**" in _prose(_read(by_number[number])), number


# ---- the rules at work: what breaks them in notebook 01, which breaks none


GOOD = _read(COURSE[0])


def _with(source, kind="code", place=None, **others):
    notebook = copy.deepcopy(GOOD)
    cell = {"cell_type": kind, "source": source, "metadata": {}, "outputs": []}
    cell["execution_count"] = 1 + len(_cells(GOOD, "code"))
    notebook["cells"].insert(place or len(notebook["cells"]), cell | others)
    return notebook


def _shows(**output):
    return _with("x", outputs=[output])


def _without(text):
    return json.loads(json.dumps(GOOD).replace(text, ""))


PNG = {"output_type": "display_data", "data": {"image/png": "iVBOR"}}
NOT_PORTABLE = ["!pip install movierec", "sys.path.append('..')", "warnings.filterwarnings('ignore')"]
NOT_PORTABLE += ["open('/mnt/data.csv')", 'read("C:\\\\data")', "os.environ['A'] = '1'", 'load("~/data")']
BAD = {
    headings_are_one_title_and_do_not_jump: [_with("# Another title", "markdown"), _with("#### Deep", "markdown", 1)],
    one_clean_run: [
        _with("never_run", execution_count=None),
        _shows(output_type="error", ename="ValueError"),
        _shows(output_type="stream", name="stderr", text=["W0000"]),
        *(GOOD | {"metadata": bad} for bad in (GOOD["metadata"] | {"widgets": {}}, {"kernelspec": {"name": "my-env"}})),
    ],
    code_is_portable: [_shows(output_type="stream", name="stdout", text=["/Users/x/y.py"]), *map(_with, NOT_PORTABLE)],
    cells_are_short_and_python_and_not_empty: [_with("x = 1\n" * 26), _with("for"), _with(" \n", "markdown")],
    pictures_have_words: [
        *(_shows(output_type="display_data", data={"text/html": f"<img {alt} src='a'>"}) for alt in ("", "alt=''")),
        *(_shows(**PNG, metadata=words) for words in ({}, {"image/png": {"alt": "a"}})),
        _with("![](figure.png)", "markdown"),
    ],
    text_is_short_between_code_and_the_file_is_small: [
        _with(text, "markdown", 1) for text in ("word " * 121, "x" * LARGEST_FILE)
    ],
    what_it_reads_is_recorded: [_with('table = recorded("of_last_year")')],
    header_card: [
        GOOD | {"cells": GOOD["cells"][1:]},
        *map(_without, ("?**", "After this notebook", "| Needs |", " minute", "glossary.md")),
    ],
    form_of_a_lesson: [
        _with("record.finding('a', True)", metadata={"tags": ["nbval-ignore-output"]}),
        *map(_without, ("**Predict", "Where this goes wrong", "## Key points")),
    ],
}


@pytest.mark.parametrize("rule", EVERYWHERE + IN_THE_COURSE)
def test_each_rule_finds_what_breaks_it(rule):
    assert all(list(rule(notebook)) for notebook in BAD[rule]) and not list(rule(GOOD))
