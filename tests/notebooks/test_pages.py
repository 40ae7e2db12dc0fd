"""The pages that people write: messages and names that exist, terms in order, links that lead somewhere."""

import json
import re
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("notebooks/*.md"))]
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("movierec/**/*.py")), *ROOT.glob("movierec/serving/page/*"), ROOT / "Makefile"]
)


def squeezed(text):
    """Without what stands between the parts of a message in code: quotes, line ends, backslashes; names become …"""
    joined = re.sub(r"[\"']\s*\\?\n?\s*f?[\"']", "", re.sub(r"\{[^\s{}][^{}\n]*\}", "…", text))
    return re.sub(r"[\s\"'`\\]", "", joined)


def test_each_message_of_the_troubleshooting_page_is_one_that_can_come():
    page = (ROOT / "notebooks/troubleshooting.md").read_text(encoding="utf-8")
    before = page.split("## JupyterLab")[0]
    messages = re.findall(r"^\| (?:`` (.+?) ``|`(.+?)`) \|", before, re.MULTILINE)
    assert len(messages) >= 15
    source = squeezed(SOURCES)
    for message in (one or other for one, other in messages):
        for part in filter(None, (squeezed(part) for part in message.split("…"))):
            assert part.strip(";,.") in source, f"no code says {part!r} (of {message!r})"


def test_the_glossary_is_in_order_and_each_term_is_there_once():
    page = (ROOT / "notebooks/glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\* \*\*(.+?)\*\*", page, re.MULTILINE)
    assert len(terms) >= 40 and len(set(terms)) == len(terms)
    letters = [term[0].casefold() for term in terms]
    assert letters == sorted(letters)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http") and not (page.parent / link).exists()] == []


def test_each_name_of_tfrs_and_keras_rs_in_notebook_13_is_in_its_library():
    import keras_rs

    from movierec.keras2 import tfrs

    cells = json.loads((ROOT / "notebooks/13_scale.ipynb").read_text(encoding="utf-8"))["cells"]
    (text,) = ["".join(cell["source"]) for cell in cells if "|what|TFRS" in "".join(cell["source"])]
    rows = re.findall(r"^\|([^|]*)\|([^|]*)\|([^|]*)\|$", text.split("|---|---|---|")[1], re.MULTILINE)
    assert len(rows) == 11
    for column, library in ((1, tfrs), (2, keras_rs)):
        names = [row[column].strip(" `") for row in rows if row[column].strip() != "none"]
        assert len(names) > 5 and all(attrgetter(name)(library) for name in names)
