"""The conventions of the course's notebooks, read from the files; nbval runs them.

A rule is a function of a notebook that returns what breaks it. Each rule is shown a notebook that breaks it, too.
"""

import ast
import copy
import html.parser
import json
import re
from pathlib import Path

import pytest

from movierec.record import read_table, report_folder

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted(path for path in ROOT.glob("notebooks/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts)
COURSE = [path for path in PATHS if path.parent.name == "notebooks"]
LONGEST_CELL = 25  # lines; a model class may be longer
LONGEST_TEXT = 120  # words between two code cells


def _cells(notebook, kind):
    return [(number, cell) for number, cell in enumerate(notebook["cells"]) if cell["cell_type"] == kind]


def _text(cell):
    return "".join(cell["source"])


def _prose(cell):
    """Markdown without fenced code, whose comments look like headings."""
    return re.sub(r"^```.*?^```", "", _text(cell), flags=re.DOTALL | re.MULTILINE)


def _headings(notebook):
    """(level, text) in order."""
    found = []
    for _, cell in _cells(notebook, "markdown"):
        found += [
            (len(marks), title.strip()) for marks, title in re.findall(r"^(#+) (.*)$", _prose(cell), re.MULTILINE)
        ]
    return found


def _outputs(notebook):
    return [(number, cell, output) for number, cell in _cells(notebook, "code") for output in cell["outputs"]]


def _tags(cell):
    return cell["metadata"].get("tags", [])


# ---- the rules


def one_title(notebook):
    levels = [level for level, _ in _headings(notebook)]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"the first heading must be the only one of level 1; levels are {levels}"


def headings_do_not_jump(notebook):
    headings = _headings(notebook)
    for (before, _), (level, title) in zip(headings, headings[1:], strict=False):
        if level > before + 1:
            yield f"'{title}' is of level {level}, after level {before}"


def header_card(notebook):
    """A question, three to five objectives as a list, a row of what it needs and how long it takes."""
    first = _text(notebook["cells"][0])
    lines = first.splitlines()
    if notebook["cells"][0]["cell_type"] != "markdown" or not lines[0].startswith("# "):
        yield "the first cell must begin with the title"
    if not re.search(r"^\*\*[^*\n]+\?\*\*$", first, re.MULTILINE):
        yield "the card must ask a question in bold, on a line of its own"
    objectives = re.findall(r"^\* .*[,.;]$", first, re.MULTILINE)
    if not 3 <= len(objectives) <= 5 or "After this notebook you can" not in first:
        yield f"the card must list 3 to 5 objectives after 'After this notebook you can'; found {len(objectives)}"
    if not re.search(
        r"^\| Needs \| Read \| Run \|\n\|[-|]+\|\n\| .+ \| .*minutes? \| .*(minute|second)s? \|$", first, re.M
    ):
        yield "the card must have the table Needs, Read (minutes), Run (minutes)"


def key_points_then_exercises_end_it(notebook):
    titles = [title for level, title in _headings(notebook) if level == 2]
    if titles[-2:] != ["Key points", "Exercises"]:
        yield f"the last sections must be Key points and Exercises; they are {titles[-2:]}"


def form_of_a_lesson(notebook):
    """Help to be found, at least three predictions before their cells, and what goes wrong elsewhere."""
    text = "\n".join(_prose(cell) for _, cell in _cells(notebook, "markdown"))
    if not all(f"]({page}.md)" in _text(notebook["cells"][0]) for page in ("glossary", "troubleshooting")):
        yield "the card must point to glossary.md and troubleshooting.md"
    asked = len(re.findall(r"\*\*Predict\b", text))
    if asked < 3:
        yield f"the reader must be asked to predict three times or more ('**Predict**'); found {asked}"
    if "> **Where this goes wrong.**" not in text:
        yield "there must be a box '> **Where this goes wrong.**'"


def findings_are_compared(notebook):
    for number, cell in _cells(notebook, "code"):
        if "record.finding(" in _text(cell) and "nbval-ignore-output" in _tags(cell):
            yield f"cell {number} prints a finding, which nbval is told to ignore"


def run_in_order(notebook):
    counts = [cell["execution_count"] for _, cell in _cells(notebook, "code")]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts must be 1 … {len(counts)}; found {counts}: restart and run all"


def errors_are_on_purpose(notebook):
    for number, cell, output in _outputs(notebook):
        if output["output_type"] == "error" and "raises-exception" not in _tags(cell):
            yield f"cell {number} ended in {output['ename']} and has no tag raises-exception"


def nothing_on_stderr(notebook):
    for number, _, output in _outputs(notebook):
        if output.get("name") == "stderr":
            yield f"cell {number} has stored stderr: {''.join(output['text'])[:60]!r}"


def no_widget_state(notebook):
    if "widgets" in notebook["metadata"]:
        yield "the metadata hold the state of widgets"


def kernel_is_python3(notebook):
    name = notebook["metadata"].get("kernelspec", {}).get("name")
    if name != "python3":
        yield f"the kernel must be python3; it is {name!r}"


FORBIDDEN = {
    r"^\s*[!%]+\s*(pip|conda|apt)": "an installation",
    r"sys\.path": "sys.path",
    r"filterwarnings|simplefilter|catch_warnings": "a warning filter",
    r"os\.environ": "os.environ",
    r"""['"](/(home|root|Users|work|content|tmp|mnt|data)\b|[A-Za-z]:\\\\|~/)""": "an absolute path",
}


def code_is_portable(notebook):
    for number, cell in _cells(notebook, "code"):
        for pattern, what in FORBIDDEN.items():
            if match := re.search(pattern, _text(cell), re.MULTILINE):
                yield f"cell {number} has {what}: {match[0]!r}"
    for number, _, output in _outputs(notebook):
        if match := re.search(
            r"(?<![\w.])/(home|root|Users|work)/[\w/.]+", json.dumps(output.get("data", output.get("text", "")))
        ):
            yield f"the output of cell {number} shows where it ran: {match[0]!r}"


def cells_are_short(notebook):
    for number, cell in _cells(notebook, "code"):
        lines = len(_text(cell).splitlines())
        if lines > LONGEST_CELL and not re.search(r"^class ", _text(cell), re.MULTILINE):
            yield f"cell {number} has {lines} lines; at most {LONGEST_CELL}"


def code_is_python_and_cells_are_not_empty(notebook):
    for number, cell in enumerate(notebook["cells"]):
        if not _text(cell).strip():
            yield f"cell {number} is empty"
        elif cell["cell_type"] == "code" and not re.search(r"^\s*[%!]", _text(cell), re.MULTILINE):
            try:
                ast.parse(_text(cell))
            except SyntaxError as error:
                if "raises-exception" not in _tags(cell):
                    yield f"cell {number}: {error}"


class _Images(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.alts = []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.alts.append((dict(attrs).get("alt") or "").strip())


def pictures_have_words(notebook):
    """Every <img> of an output or of the text has an alt; a bare PNG has no place for one."""
    for number, _, output in _outputs(notebook):
        data = output.get("data", {})
        parser = _Images()
        parser.feed("".join(data.get("text/html", "")))
        if "" in parser.alts:
            yield f"a picture of cell {number} has no alt text"
        if {"image/png", "image/jpeg", "image/svg+xml"} & set(data):
            yield f"cell {number} shows a bare picture; `plots.alt(fig, '…')` gives it words"
    for number, cell in _cells(notebook, "markdown"):
        parser = _Images()
        parser.feed(_text(cell))
        if "" in parser.alts or "![](" in _text(cell):
            yield f"a picture in the text of cell {number} has no alt text"


def text_is_short_between_code(notebook):
    words = 0
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            if words > LONGEST_TEXT:
                yield f"{words} words before cell {number}; at most {LONGEST_TEXT}"
            words = 0
        elif number:  # the header card has its own rule
            words += len(_text(cell).split())


def pictures_are_small(notebook):
    size = len(json.dumps(notebook))
    if size > 2_000_000:
        yield f"the file has {size / 1e6:.1f} MB; at most 2"


EVERYWHERE = [
    *[one_title, headings_do_not_jump, run_in_order, errors_are_on_purpose, nothing_on_stderr, no_widget_state],
    *[
        kernel_is_python3,
        code_is_portable,
        cells_are_short,
        code_is_python_and_cells_are_not_empty,
        pictures_have_words,
    ],
    *[text_is_short_between_code, pictures_are_small],
]
IN_THE_COURSE = [header_card, key_points_then_exercises_end_it, form_of_a_lesson, findings_are_compared]


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebook(path, rule):
    assert list(rule(json.loads(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("rule", IN_THE_COURSE, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_notebook_of_the_course(path, rule):
    assert list(rule(json.loads(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_the_card_says_how_long_a_run_takes_as_it_was_measured(path):
    minutes = _text(json.loads(path.read_text(encoding="utf-8"))["cells"][0]).splitlines()
    said = next(line for line in minutes if re.search(r"minutes? \|$", line)).rsplit("|", 2)[1]
    most = max(int(number) for number in re.findall(r"\d+", said))
    recorded, _ = read_table(report_folder() / "results/notebook_minutes.csv")
    measured = float(recorded.set_index("notebook")["minutes"][path.stem])
    assert measured <= most <= measured + 1.5


@pytest.mark.parametrize("number", ["01", "03", "07", "10", "11"])
def test_where_a_number_is_about_people_the_course_says_so(number):
    """Who is missing, who is badly served, what the loop does, what a log gives away: each measured there."""
    (path,) = (path for path in COURSE if path.name.startswith(number))
    text = [_text(cell) for _, cell in _cells(json.loads(path.read_text(encoding="utf-8")), "markdown")]
    assert any("> **Think of the people.**" in cell for cell in text)


def test_the_course_is_numbered_without_a_gap():
    numbers = [path.stem.split("_")[0] for path in COURSE]
    assert sorted(numbers) == [f"{number:02}" for number in range(1, len(COURSE) + 1)] and len(COURSE) >= 11


# ---- the rules at work: a notebook that breaks none, and for each rule one that breaks it


def _code(source, count, *outputs, tags=()):
    metadata = {"tags": list(tags)} if tags else {}
    return {
        **{"cell_type": "code", "source": source, "execution_count": count, "outputs": list(outputs)},
        "metadata": metadata,
    }


def _markdown(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


CARD = """# 99 · Title

**What is the question?**

After this notebook you can

* do one thing,
* do another,
* do a third.

| Needs | Read | Run |
|---|---|---|
| notebook 98 | 5 minutes | under 1 minute |

[Words](glossary.md), [errors](troubleshooting.md).
"""
PREDICT = (
    "**Predict** one, **predict** nothing. **Predict:** two. **Predict** three.\n\n> **Where this goes wrong.** There."
)
PICTURE = {"output_type": "execute_result", "data": {"text/html": '<img alt="A line that rises" src="…">'}}
GOOD = {
    "metadata": {"kernelspec": {"name": "python3"}},
    "cells": [
        *[_markdown(CARD), _code("import movierec", 1), _markdown(f"## A section\n\n{PREDICT}")],
        *[
            _code("plot()", 2, PICTURE),
            _code("1 / 0", 3, {"output_type": "error", "ename": "E"}, tags=["raises-exception"]),
        ],
        *[_markdown("## Key points\n\n* One."), _markdown("## Exercises\n\n1. Do it.")],
    ],
}


@pytest.mark.parametrize("rule", EVERYWHERE + IN_THE_COURSE, ids=lambda rule: rule.__name__)
def test_a_good_notebook_breaks_no_rule(rule):
    assert list(rule(GOOD)) == []


def _with(position, cell):
    notebook = copy.deepcopy(GOOD)
    notebook["cells"].insert(position, cell)
    return notebook


BAD = [
    (one_title, _with(2, _markdown("# Another title"))),
    (headings_do_not_jump, _with(3, _markdown("#### Too deep"))),
    (run_in_order, _with(4, _code("out_of_order", 7))),
    (run_in_order, _with(4, _code("never_run", None))),
    (errors_are_on_purpose, _with(4, _code("boom", 3, {"output_type": "error", "ename": "ValueError"}))),
    (nothing_on_stderr, _with(4, _code("x", 3, {"output_type": "stream", "name": "stderr", "text": ["W0000"]}))),
    (no_widget_state, GOOD | {"metadata": {"kernelspec": {"name": "python3"}, "widgets": {}}}),
    (kernel_is_python3, GOOD | {"metadata": {"kernelspec": {"name": "my-env"}}}),
    *[
        (code_is_portable, _with(4, _code(source, 3)))
        for source in (
            *["!pip install movierec", "%pip install x", "sys.path.append('..')", "warnings.filterwarnings('ignore')"],
            *["open('/mnt/data.csv')", 'read("C:\\\\data")', "os.environ['A'] = '1'", 'load("~/data")'],
        )
    ],
    (code_is_portable, _with(4, _code("x", 3, {"output_type": "stream", "name": "stdout", "text": ["/Users/x/y.py"]}))),
    (cells_are_short, _with(4, _code("x = 1\n" * 26, 3))),
    (code_is_python_and_cells_are_not_empty, _with(4, _code("for", 3))),
    (code_is_python_and_cells_are_not_empty, _with(4, _markdown(" \n"))),
    (
        pictures_have_words,
        _with(4, _code("x", 3, {"output_type": "display_data", "data": {"text/html": "<img src='a'>"}})),
    ),
    (pictures_have_words, _with(4, _code("x", 3, {"output_type": "display_data", "data": {"image/png": "iVBOR"}}))),
    (pictures_have_words, _with(4, _markdown("![](figure.png)"))),
    (text_is_short_between_code, _with(3, _markdown("word " * 121))),
    (pictures_are_small, _with(3, _markdown("x" * 2_000_000))),
    (header_card, GOOD | {"cells": GOOD["cells"][1:]}),
    *[
        (header_card, GOOD | {"cells": [_markdown(CARD.replace(*change)), *GOOD["cells"][1:]]})
        for change in (("?**", ".**"), ("* do a third.\n", ""), ("| Needs |", "| Wants |"), (" 5 minutes ", " long "))
    ],
    (key_points_then_exercises_end_it, GOOD | {"cells": GOOD["cells"][:-1]}),
    (form_of_a_lesson, GOOD | {"cells": [_markdown(CARD.replace("glossary", "words")), *GOOD["cells"][1:]]}),
    *[
        (form_of_a_lesson, GOOD | {"cells": [_markdown(CARD), _markdown(PREDICT.replace(*change))]})
        for change in (("**Predict** three.", ""), ("goes wrong", "is fine"))
    ],
    (findings_are_compared, _with(4, _code("record.finding('a', True)", 3, tags=["nbval-ignore-output"]))),
]


@pytest.mark.parametrize(("rule", "notebook"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_each_rule_finds_what_breaks_it(rule, notebook):
    assert list(rule(notebook))


def test_every_rule_has_a_notebook_that_breaks_it():
    assert {rule for rule, _ in BAD} == set(EVERYWHERE + IN_THE_COURSE)
