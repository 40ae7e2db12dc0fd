"""The references: every entry in one layout and order, complete, to be found by a DOI or a url, and cited."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

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


def test_the_references_keep_every_rule():
    assert len(parsed(BIB)) == BIB.count("@") >= 52  # the file is read whole
    assert list(faults(BIB)) == []
    second = BIB[BIB.index("@", BIB.index("@") + 1) :]
    broken = second.replace("  author =", "  author  =", 1).replace("  title =", "  note =", 1) + BIB
    assert {fault.split(":")[0] for fault in faults(broken)} == {"layout", "order", "incomplete", "repeated"}


def test_every_cited_key_is_defined_and_every_entry_is_cited():
    assert len(cited(TEX)) >= 50 and cited(TEX) == dict(parsed(BIB)).keys()
    comment = (
        "One~\\cite{holm1979, burke2002}.  % \\cite{rendle2019} is none, 5\\,\\% is not\nTwo \\cite[p.~3]{he2017}."
    )
    assert cited(comment) == {"holm1979", "burke2002", "he2017"}
