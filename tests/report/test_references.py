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


def lines_of_another_layout(bib):
    outside = re.sub(ENTRY, "", bib, flags=re.M)
    inside = "".join(re.sub(FIELD, "", body, flags=re.M) for _, body in re.findall(ENTRY, bib, re.M))
    return [line for line in (outside + inside).splitlines() if line and not line.startswith("%")]


def keys_repeated_or_out_of_order(bib):
    return [after for (before, _), (after, _) in pairwise(parsed(bib)) if after <= before]


def without_author_title_or_year(bib):
    return [key for key, fields in parsed(bib) if not {"author", "title", "year"} <= fields.keys()]


def without_doi_or_url(bib):
    return [key for key, fields in parsed(bib) if not {"doi", "url"} & fields.keys()]


def dois_of_another_form(bib):
    dois = [fields["doi"] for _, fields in parsed(bib) if "doi" in fields]
    return [doi for doi in dois if not re.fullmatch(r"10\.\d{4,9}/\S+", doi)]


def dois_repeated(bib):
    dois = Counter(fields["doi"].casefold() for _, fields in parsed(bib) if "doi" in fields)
    return [doi for doi, times in dois.items() if times > 1]


def pages_without_a_dash_of_two_hyphens(bib):
    pages = [fields["pages"] for _, fields in parsed(bib) if "pages" in fields]
    return [page for page in pages if not re.fullmatch(r"[\d:]+(--[\d:]+)?", page)]


def undefined(tex, bib):
    return sorted(cited(tex) - dict(parsed(bib)).keys())


def uncited(tex, bib):
    return sorted(dict(parsed(bib)).keys() - cited(tex))


RULES = [
    lines_of_another_layout,
    keys_repeated_or_out_of_order,
    without_author_title_or_year,
    without_doi_or_url,
    dois_of_another_form,
    dois_repeated,
    pages_without_a_dash_of_two_hyphens,
]
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
    (lines_of_another_layout, "  title = {On", "  title   = {On"),
    (lines_of_another_layout, "},\n}\n\n", "}\n}\n\n"),
    (lines_of_another_layout, "% A note", "@misc{tfrs, year = {2020}}"),
    (keys_repeated_or_out_of_order, "holm1979", "zhao2021"),
    (keys_repeated_or_out_of_order, "holm1979", "rendle2019"),
    (without_author_title_or_year, "  author = {Rendle, Steffen},\n", ""),
    (without_author_title_or_year, "title = {On", "booktitle = {On"),
    (without_author_title_or_year, "  year = {2019},\n", ""),
    (without_doi_or_url, "url = ", "note = "),
    (dois_of_another_form, "10.48550/", "https://doi.org/10.48550/"),
    (dois_of_another_form, "10.48550/arXiv.", "10.48550/ arXiv."),
    (dois_repeated, "url = {https://www.jstor.org/stable/4615733}", "doi = {10.48550/arxiv.1905.01395}"),
    (pages_without_a_dash_of_two_hyphens, "65--70", "65-70"),
    (pages_without_a_dash_of_two_hyphens, "57:1--57:22", "57:1–57:22"),
]


def test_the_file_is_read_whole():
    assert len(parsed(BIB)) == BIB.count("@") >= 52


@pytest.mark.parametrize("rule", RULES)
def test_the_references_keep_the_rule(rule):
    assert rule(BIB) == [] and rule(GOOD) == []


@pytest.mark.parametrize(("rule", "text", "instead"), BAD)
def test_the_rule_can_be_broken(rule, text, instead):
    assert text in GOOD and rule(GOOD.replace(text, instead, 1)) != []


def test_every_rule_is_broken_once():
    assert {rule for rule, _, _ in BAD} == set(RULES)


def test_every_cited_key_is_defined():
    assert len(cited(TEX)) >= 50 and undefined(TEX, BIB) == []


def test_no_entry_is_uncited():
    assert uncited(TEX, BIB) == []


def test_a_key_that_is_undefined_and_an_entry_that_is_uncited_are_found():
    tex = (
        "One~\\cite{holm1979, burke2002}.  % \\cite{rendle2019} is a comment, 5\\,\\% is not\nTwo \\cite[p.~3]{he2017}."
    )
    assert cited(tex) == {"holm1979", "burke2002", "he2017"}
    assert undefined(tex, GOOD) == ["burke2002", "he2017"]
    assert uncited(tex, GOOD) == ["rendle2019"]
