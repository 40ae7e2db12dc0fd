"""The references: every entry in one layout and order, complete, to be found by a DOI or a url, and cited."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIB = re.sub(
    r"@IEEEtranBSTCTL\{.*?\n\}\n", "", (ROOT / "report/references.bib").read_text(encoding="utf-8"), flags=re.DOTALL
)
TEX = (ROOT / "report/main.tex").read_text(encoding="utf-8")
FIELD = r"^  (\w+) = \{(.+(?:\n {4}.+)*)\},\n"
ENTRY = r"^@\w+\{([^\s{},]+),\n((?:  .+\n)+)\}\n"


def parsed(bib):
    """(key, fields) of each entry, in the order of the file."""
    return [(key, dict(re.findall(FIELD, body, re.M))) for key, body in re.findall(ENTRY, bib, re.M)]


def cited(tex):
    lists = re.findall(r"\\cite(?:\[[^\]]*\])?\{([^}]*)\}", re.sub(r"(?<!\\)%.*", "", tex))
    return {key.strip() for keys in lists for key in keys.split(",")}


def faults(bib):
    """What breaks a rule, each with the name of the rule."""
    outside = re.sub(ENTRY, "", bib, flags=re.M)
    inside = "".join(re.sub(FIELD, "", body, flags=re.M) for _, body in re.findall(ENTRY, bib, re.M))
    yield from (f"layout: {line}" for line in (outside + inside).splitlines() if line and not line.startswith("%"))
    entries = parsed(bib)
    yield from (f"order: {after}" for (before, _), (after, _) in pairwise(entries) if after <= before)
    dois = Counter(fields["doi"].casefold() for _, fields in entries if "doi" in fields)
    yield from (f"repeated: {doi}" for doi, times in dois.items() if times > 1)
    for key, fields in entries:
        if not {"author", "title", "year"} <= fields.keys():
            yield f"incomplete: {key}"
        if not {"doi", "url"} & fields.keys():
            yield f"not to be found: {key}"
        if not re.fullmatch(r"10\.\d{4,9}/\S+", fields.get("doi", "10.1234/x")):
            yield f"doi: {key}"
        if not re.fullmatch(r"[\d:]+(--[\d:]+)?", fields.get("pages", "1")):
            yield f"pages: {key}"


GOOD = r"""% A note.

@article{holm1979,
  author = {Holm, Sture},
  title = {A {Bayesian} Title, by Kekäläinen and J{\"u},
           and Its Second Line},
  pages = {65--70},
  year = {1979},
  url = {https://www.jstor.org/stable/4615733},
}

@misc{rendle2019,
  author = {Rendle, Steffen},
  title = {On Baselines},
  pages = {57:1--57:22},
  year = {2019},
  doi = {10.48550/arXiv.1905.01395},
}
"""
BAD = [
    ("layout", "  title = {On", "  title   = {On"),
    ("layout", "% A note", "@misc{tfrs, year = {2020}}"),
    ("order", "holm1979", "rendle2019"),
    ("incomplete", "  author = {Rendle, Steffen},\n", ""),
    ("not to be found", "url = ", "note = "),
    ("doi", "10.48550/", "https://doi.org/10.48550/"),
    ("repeated", "url = {https://www.jstor.org/stable/4615733}", "doi = {10.48550/arxiv.1905.01395}"),
    ("pages", "57:1--57:22", "57:1–57:22"),
]


def test_the_references_keep_every_rule():
    assert len(parsed(BIB)) == BIB.count("@") >= 52  # the file is read whole
    assert list(faults(BIB)) == list(faults(GOOD)) == []


@pytest.mark.parametrize(("rule", "text", "instead"), BAD)
def test_what_breaks_a_rule_is_found(rule, text, instead):
    assert text in GOOD
    assert any(fault.startswith(f"{rule}: ") for fault in faults(GOOD.replace(text, instead, 1)))


def test_every_cited_key_is_defined_and_every_entry_is_cited():
    assert len(cited(TEX)) >= 50 and cited(TEX) == dict(parsed(BIB)).keys()
    comment = (
        "One~\\cite{holm1979, burke2002}.  % \\cite{rendle2019} is none, 5\\,\\% is not\nTwo \\cite[p.~3]{he2017}."
    )
    assert cited(comment) == {"holm1979", "burke2002", "he2017"}
