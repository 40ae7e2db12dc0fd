"""Every number in the prose of the course is tied to something that is checked.

A number is tied by an output or a constant of its own notebook, by the recorded results that this notebook reads or
writes (of a page: by all), or by `prose_numbers.toml`: there, "= …" is a formula over the recorded results, anything
else says where the number is from.
"""

import ast
import csv
import html
import json
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "report" / "results"
PAGES = [*sorted(ROOT.glob("notebooks/*.ipynb")), *sorted(ROOT.glob("notebooks/*.md"))]
LISTED = tomllib.loads((ROOT / "tests" / "prose_numbers.toml").read_text(encoding="utf-8"))
ENOUGH_DIGITS = 3  # with fewer, a number is found in a large table by chance
LONGEST_NAME = 5  # columns that may be needed to name a row of a recorded table
ROW = r"^\| (\d\d) \|"  # of a table about notebooks
SMALL = 10  # whole numbers up to this are mostly words
SIZES = ("01_exploration", "02_preprocessing")  # what they record of the data, every notebook may say


class Number(NamedTuple):
    text: str  # as written, "1,682" or ".02"
    value: float  # without its sign
    decimals: int
    percent: bool


class Found(NamedTuple):
    """What a notebook's outputs and constants, or the report, have; without signs."""

    values: frozenset
    percents: frozenset  # 42.7 where "42.7%" is written


NUMBER = re.compile(
    r"(?<![\w.@,])(?P<text>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?P<power>e[+-]?\d+)?(?P<percent>\s?\\?%)?"
    r"(?![\w]|\.\d)"
)


def numbers(text):
    for match in NUMBER.finditer(text):
        digits, power = match["text"], match["power"] or ""
        decimals = len(digits.partition(".")[2]) - int(power[1:] or 0)
        value = float(digits.replace(",", "") + power)
        yield Number(digits + power, value, max(decimals, 0), bool(match["percent"]))


# ---- what is read


NOT_PROSE = [
    (r"^```.*?^```", ""),  # fenced code
    (r"``.*?``|`[^`\n]*`", ""),  # code
    (r"<code>.*?</code>", ""),
    (r"<[^<>]+>", ""),  # tags, with what stands in them
    (r"\]\([^()\s]*\)", "]"),  # targets of links
    (r"https?://\S+", ""),
    (r"^\s*\d+\.\s", ""),  # 1. of a list
    (r"\b[Ee]xercise \d\d\.\d\b", ""),  # exercise 06.5
    (r"(?<![\d.,])0\d(?![\d%]|\.\d)", ""),  # notebook 06
    (r"\[1[0-3]\]|\b[Nn]otebooks?(?:(?:,| and)? 1[0-3]\b)+|^# 1[0-3] ·", ""),  # [12](12_serving.ipynb)
    (r"\b(?:19|20)\d\d(?=[);\]])", ""),  # (Steck, 2019; …), or [2019] as a link
]


def prose(markdown):
    for pattern, instead in NOT_PROSE:
        markdown = re.sub(pattern, instead, markdown, flags=re.DOTALL | re.MULTILINE)
    return markdown


def texts(path):
    """Yield (where, prose) of a notebook's Markdown cells, or of a page."""
    if path.suffix == ".md":
        yield "the page", prose(path.read_text(encoding="utf-8"))
        return
    for number, cell in enumerate(_cells(path)):
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            if number == 0:
                text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)  # what it needs, and minutes
            yield f"cell {number}", prose(text)


def _cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


# ---- what ties it


def shown(cells):
    """Return the numbers in outputs, but for alternative texts and years of films; and constants of the code."""
    values, percents = set(), set()
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        for output in cell["outputs"]:
            data = output.get("data", {})
            text = "".join(data.get("text/html") or data.get("text/plain") or output.get("text", ""))
            text = html.unescape(re.sub(r"<style.*?</style>|<[^<>]+>", " ", text, flags=re.DOTALL))
            for number in numbers(re.sub(r"\(\d{4}\)", "", text)):
                (percents if number.percent else values).add(number.value)
        source = "".join(line for line in cell["source"] if not re.match(r"\s*[%!]", line))
        try:
            tree = ast.parse(source)
        except SyntaxError:  # on purpose
            continue
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        values |= {float(value) for value in constants if type(value) in (int, float)}
    return Found(frozenset(values), frozenset(percents))


def read_results(folder=RESULTS):
    """Return {(table, row, column): value}; a row's name is as many of its first cells, joined by "|", as it takes."""
    found, twice = {}, set()
    for path in sorted(folder.glob("*.csv")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        for row in csv.DictReader(lines):
            names = list(row.values())
            for column, cell in row.items():
                try:
                    value = float(cell)
                except ValueError:
                    continue
                for length in range(1, min(len(names), LONGEST_NAME) + 1):
                    key = (path.stem, "|".join(names[:length]), column)
                    if key in found:
                        twice.add(key)
                    found[key] = value
    return {key: value for key, value in found.items() if key not in twice}


def read_by(stem, cells, results):
    """Return the results that belong to a notebook: tables that its code names, numbers that it or `SIZES` recorded.

    Among all results there are so many numbers that one of three digits is found by chance.
    """
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    named = set(re.findall(r"""["']([\w -]+)["']""", code)) - {"numbers"}
    own = {name for name, notebook in owners().items() if notebook in (stem, *SIZES)}
    return {
        (table, name, column): value
        for (table, name, column), value in results.items()
        if table in named or (table == "numbers" and name in own)
    }


def owners(folder=RESULTS):
    """Return {name of a recorded number: the notebook that recorded it}."""
    lines = (folder / "numbers.csv").read_text(encoding="utf-8").splitlines()
    return {row["name"]: row["notebook"] for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


def recorded(results):
    """Return every value of the report, but for trials of tuning, which are too many to tie anything."""
    values = {key: abs(value) for key, value in results.items() if not key[0].startswith("tuning_")}
    percents = [value for (_, name, _), value in values.items() if "percent" in name or name == "top_tenth_share"]
    return Found(frozenset(values.values()), frozenset(percents))


def formula(text, results):
    """Return the value of "= …": arithmetic, `name` in numbers.csv, `table: row: column`, `movierec.module:NAME`."""

    def value(match):
        if match[1].startswith("movierec."):
            return repr(pkgutil.resolve_name(match[1]))
        parts = [part.strip() for part in match[1].split(":")]
        key = tuple(parts) if len(parts) == 3 else ("numbers", parts[0], "value")
        if key not in results:
            raise KeyError(f"{match[0]} is not in report/results")
        return repr(results[key])

    return eval(re.sub(r"`([^`]+)`", value, text.removeprefix("=")).strip())  # of our own list


def _equal(number, values):
    """Compare after rounding to the decimals of the prose; a whole number must be one there, too."""
    if number.decimals == 0 and not number.percent:
        return number.value in values
    return any(abs(value - number.value) <= 0.5 * 10**-number.decimals + 1e-9 for value in values)


def _is_in(number, found):
    if not number.percent:
        return _equal(number, found.values)
    return _equal(number, found.percents | {100 * value for value in found.values if value < 1})


def is_tied(number, here, report, listed, results):
    """Return whether something ties the number; the list comes first, for it can name another source."""
    if number.text in listed:
        why = listed[number.text]
        if not why.startswith("="):
            return True
        value = abs(formula(why, results))
        return _equal(number, {value}) or abs(value - number.value) < 1e-9
    if number.decimals == 0 and not number.percent and number.value <= SMALL or _is_in(number, here):
        return True
    digits = len(number.text.split("e")[0].replace(",", "").replace(".", "").lstrip("0"))
    return digits >= ENOUGH_DIGITS and _is_in(number, report)


# ---- the rules


def numbers_are_tied(path, listed, results):
    report = recorded(read_by(path.stem, _cells(path), results) if path.suffix == ".ipynb" else results)
    for where, text, cells in _with_cells(path):
        here = shown(cells)
        for number in numbers(text):
            if not is_tied(number, here, report, listed, results):
                why = listed.get(number.text, "in no output, constant, result or list")
                yield f"{where}: {number.text}{' %' if number.percent else ''} ({why})"


def _with_cells(path):
    """Yield (where, prose, cells that may tie it): a row "| 04 | …" of a page is about notebook 04 beside it."""
    if path.suffix == ".ipynb":
        cells = _cells(path)
        yield from ((where, text, cells) for where, text in texts(path))
        return
    page = path.read_text(encoding="utf-8")
    for number in sorted(set(re.findall(ROW, page, flags=re.MULTILINE))):
        named = next(path.parent.glob(f"{number}_*.ipynb"), None)  # None: it is not there yet
        rows = re.findall(rf"^\| {number} \|(.*)$", page, flags=re.MULTILINE)
        yield f"rows of {number}", prose("\n".join(rows)), _cells(named) if named else []
    yield "the page", prose(re.sub(rf"{ROW}.*$", "", page, flags=re.MULTILINE)), []


@pytest.fixture(scope="module")
def results():
    assert set(LISTED) <= {path.stem for path in PAGES}
    return read_results()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_number_in_the_prose_is_tied_and_every_listed_one_is_in_the_prose(path, results):
    listed = LISTED.get(path.stem, {})
    used = {number.text for _, text in texts(path) for number in numbers(text)}
    assert [
        *numbers_are_tied(path, listed, results),
        *(f"{text} is in no prose" for text in listed if text not in used),
    ] == []


# ---- the rules at work


RECORDED = {
    ("numbers", "ease_ndcg", "value"): 0.12467,
    ("numbers", "popularity_ndcg", "value"): 0.0784,
    ("numbers", "women_percent", "value"): 28.95,
    ("baselines", "EASE", "coverage"): 0.26932,
    ("not read here", "EASE", "coverage"): 0.812,
}


@pytest.fixture
def page(tmp_path):
    """Write a notebook of one sentence, with outputs and one constant."""

    def write(sentence):
        table = "<style>td { width: 777px }</style><table><td>0.573</td><td>1,352</td><td>Alien (1979)</td></table>"
        picture = '<img alt="A bar of 12.5" src="data:image/png;base64,AA">'
        outputs = [{"data": {"text/html": [table]}}, {"data": {"text/html": [picture]}}, {"text": ["42.7% of all\n"]}]
        source = ["# 99 of them\n", "K = 25\n", 'recorded("baselines")\n', "%xmode Minimal"]
        code = {"cell_type": "code", "source": source, "outputs": outputs}
        cells = [{"cell_type": "markdown", "source": ["# 01 · T\n"]}, {"cell_type": "markdown", "source": [sentence]}]
        path = tmp_path / "08_evaluation.ipynb"
        path.write_text(json.dumps({"cells": [*cells, code]}), encoding="utf-8")
        return path

    return write


TIED = [".57", "0.573", "57 %", "57.3 %", "1,352", "43 %", "42.7 %", "k = 25", "twice, 2 times or 10"]
TIED += ["0.125", ".0784", "28.95 %", "26.9 %", "95 %", "1.6 times", "$w = 0.573$", "−.57", "`fade=0.99`"]
TIED += ["Steck (2019), and (Koren 2008; in short), [2020]", "Notebook 03, [07](07_x.ipynb), exercise 06.5"]
TIED += ["[12](12_x.ipynb), notebooks 11 and 13"]
TIED += ["<code>DIM = 64</code>", "NDCG@20 of ML-100K", "<details><summary>Hint</summary>So.</details>"]
TIED += ["11. Do it.", "```\ncurl -p 8501\n```"]
UNTIED = [".58", "58 %", "2.5e-3", "1,353"]  # in nothing; whole numbers are not rounded
UNTIED += ["12.5", "99", "777", "1979"]  # of an alternative text, a comment, a style, and the year of a film
UNTIED += [".12", "1.7"]  # two digits are in a large table by chance; the formula gives 1.6
UNTIED += [".812"]  # of a table that the notebook does not read


def test_a_number_may_come_from_an_output_a_constant_the_report_or_the_list_and_another_is_found(page):
    ratio = "= `ease_ndcg` / `numbers: popularity_ndcg: value`"
    listed = {"95": "the width of every interval", "1.6": ratio, "1.7": ratio}
    found = list(numbers_are_tied(page("\n\n".join(TIED + UNTIED)), listed, RECORDED))
    assert [text.split(": ")[1].split(" (")[0] for text in found] == UNTIED
    notebook = page("x").rename(page("x").with_name("04_x.ipynb"))  # a row of a page is tied by what it names
    rows = notebook.with_name("rows.md")
    rows.write_text("| 04 | How many? | 1,352, and .573. |\n\nThe page: .573.\n", encoding="utf-8")
    assert [text.split(" (")[0] for text in numbers_are_tied(rows, {}, {})] == ["the page: .573"]


def test_a_formula_names_what_is_recorded_and_a_row_has_as_many_names_as_it_takes(tmp_path):
    assert formula("= 100 * (`baselines: EASE: coverage` - 0.2)", RECORDED) == pytest.approx(6.932)
    assert formula("= 1 - `movierec.models.settings:FADE_FLOOR`", {}) == pytest.approx(0.85)
    with pytest.raises(KeyError, match="ease_mae"):
        formula("= `ease_mae` - 1", RECORDED)
    (tmp_path / "t.csv").write_text('# {"notebook": "x"}\nhead,variant,value\nstars,a,1\nstars,b,2\n')
    found = read_results(tmp_path)
    assert (found["t", "stars|a", "value"], found["t", "stars|b", "value"]) == (1.0, 2.0)
    assert ("t", "stars", "value") not in found  # which?
