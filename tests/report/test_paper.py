r"""The paper's text: no digit that was typed by hand, no estimate without its interval, no winner without a test.

Its references: every entry in one layout and order, complete, to be found by a DOI or a url, and cited.

A number of the paper is a macro, `\HybridRmse`, or with its interval `\HybridRmseInterval`; see `report.build.latex`.
"""

import re
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from movierec.record import RESERVED
from report.build import latex
from report.build.results import read_recorded

ROOT = Path(__file__).resolve().parents[2]
TEX = (ROOT / "report/main.tex").read_text(encoding="utf-8")
RECORDED = read_recorded(ROOT / "report")
DECLARED = tomllib.loads((ROOT / "report/tables.toml").read_text(encoding="utf-8"))
NAMES = [  # digits that belong to a name, or define what is measured
    (r"MovieLens-100K", "the data set"),
    (r"(?:NDCG|HR)@10|Recall@20", "a metric"),
    (r"95\\,\\%", "the width of every interval"),
    (r"99 of 100", "a quantile"),
]
NOT_PROSE = [
    r"(?<!\\)%.*",  # comments
    r"\A.*?\\begin\{document\}",
    r"\\begin\{(equation|align|tikzpicture|tabular)\}.*?\\end\{\1\}",  # formulas, and the table of symbols
    r"\\(?:cite|ref|label|input|plotted|texttt|bibliographystyle|bibliography|begin|end|parbox|bstctlcite)\{[^}]*\}",
    r"\\fbox\{\\parbox\{[^}]*\}",
    r"\$(?=[^$]*[a-zA-Z])[^$.]*\$",  # a formula without decimals; a number alone between dollars is prose
]
COUNTED = [  # numbers without an interval: counted, timed or set, not estimated
    # counts of the data, and of what was done
    *["num_ratings", "num_users", "num_movies", "women_percent", "top_tenth_share", "rare_movies_percent"],
    *["one_day_users_percent", "same_second_percent", "cleaning_problems", "cleaning_removed"],
    *["random_split_leak_percent", "alone_by_three_percent", "hidden_share_due", "baseline_count"],
    *["hybrid_coverage_percent", "popularity_coverage_percent"],  # shares of the whole catalogue
    *["serving_requests_wrong", "serving_requests_lost"],
    # settings, and those of made data
    *["ranking_stars_weight", "serving_requests_per_second", "exact_up_to"],
    *["scale_users", "scale_movies", "scale_ratings"],
    # timed or measured once, on shared cores; or ratios of times whose range the table has
    *["hybrid_fit_seconds", "serving_usual_ms", "serving_slow_ms", "ranks_cpu_seconds", "ranks_tfrs_times"],
    *["whole_run_minutes", "training_gb", "speed_small_fair_times", "speed_large_fair_times"],
    # a deviation itself; beside the difference and its interval; a simulator's truth; wrong on purpose
    *["seed_deviation_rmse", "seed_deviation_ndcg", "attention_seed_deviation"],
    *["ease_effect_size", "off_policy_truth", "flattering_leaks_ndcg"],
]
WITHOUT_WINNER = {
    "movielens_sizes": "describes",
    "splits": "describes",
    "verdict": "each row is a test: a difference with its interval",
    "speed": "times, with the range of repeated runs",
}


def prose(tex):
    """What is left of LaTeX for a reader to read, with macros as they are."""
    for pattern in NOT_PROSE:
        tex = re.sub(pattern, " ", tex, flags=re.DOTALL if "begin" in pattern else 0)
    return tex


def typed_digits(tex):
    """Digits in the prose, each with the words around it."""
    text = prose(tex)
    for pattern, _ in NAMES:
        text = re.sub(pattern, "", text)
    return [" ".join(text[max(0, m.start() - 40) : m.end() + 20].split()) for m in re.finditer(r"\d[\d.,\\]*", text)]


def without_interval(tex, counted):
    """Names of the numbers in the text that are estimates and stand there alone."""
    used = latex.macros(prose(tex))
    return [name for name in used if not name.endswith(latex.INTERVAL) and name not in counted]


def test_no_digit_in_the_text_was_typed_by_hand():
    assert typed_digits(TEX) == []


def test_a_typed_digit_is_found_and_digits_of_names_and_formulas_are_not():
    typed = ["An error of 0.946 stars.", r"By $0.021$.", r"It is $12$.", r"2\,000 rounds", r"$\sigma + 0.75\,r$"]
    named = [r"NDCG@10 is \HybridNdcgInterval{} on MovieLens-100K.", r"95\,\% intervals", r"place $p$ has chance $1/p$"]
    named += [r"\texttt{random5}~\cite{koren2009}", "% 0.946 in a comment", r"\begin{equation} 2 \end{equation}"]
    assert [text for text in typed if not typed_digits(r"\begin{document}" + text)] == []
    assert [text for text in named if typed_digits(r"\begin{document}" + text)] == []


def test_every_estimate_in_the_text_has_its_interval():
    assert without_interval(TEX, COUNTED) == []
    text = r"\begin{document} \HybridRmse{} stars, \EaseDifferenceInterval{} above, \NumUsers{} users"
    assert without_interval(text, COUNTED) == ["hybrid_rmse"]


def test_no_number_is_excused_that_the_paper_does_not_use_or_that_has_an_interval():
    assert sorted(set(COUNTED) - set(latex.macros(prose(TEX)))) == []
    assert [name for name in COUNTED if f"{name}_low" in RECORDED.numbers] == []


def test_every_table_says_by_a_test_who_wins_beside_an_interval():
    used = [name for name in latex.TABLE.findall(TEX) if name not in RESERVED]
    assert len(used) >= 12
    silent = [name for name in used if not any(spec.get("best") for spec in DECLARED[name])]
    assert sorted(silent) == sorted(WITHOUT_WINNER)
    for name, columns in DECLARED.items():
        if any(spec.get("best") for spec in columns):
            assert any("interval" in spec or spec["header"] == "±" for spec in columns), name


def test_every_figure_and_table_is_spoken_of_and_described():
    labels = re.findall(r"\\label\{((?:fig|tab):\w+)\}", TEX)
    assert len(labels) == len(set(labels)) >= 20
    assert [label for label in labels if rf"\ref{{{label}}}" not in TEX] == []
    figures = re.findall(r"\\begin\{figure\*?\}.*?\\end\{figure\*?\}", TEX, re.DOTALL)
    assert [figure for figure in figures if r"\plotted" not in figure and r"\described" not in figure] == []
    for figure in latex.FIGURE.findall(TEX):
        assert rf"\label{{fig:{figure}}}" in TEX
    for table in set(latex.TABLE.findall(TEX)):
        assert rf"\label{{tab:{table}}}" in TEX


# ---- sentences that count or compare, and the recorded results that they rest on


def recorded(name):
    table, _ = RECORDED.tables[name]
    return table.set_index(table.columns[0])


def ahead(metric):
    verdict = recorded("verdict")
    verdict = verdict[~verdict.index.str.endswith(", order")]  # rivals that read order, not one for each split
    return (verdict.loc[verdict["metric"] == metric, "low"].astype(float) > 0).sum()


def leads(table, column):
    return RECORDED.tables[table][1]["best"][column]


def value(name):
    return float(RECORDED.numbers[name]["value"])


def end(name, which):
    return value(f"{name}_{which}")


CLAIMS = {
    "ahead\nin lists on three splits, and in stars on two random ones": lambda: (
        (ahead("ndcg@10"), ahead("rmse")) == (3, 2)
    ),
    "By global time its lists cannot be told from implicit factorisation's": lambda: (
        float(recorded("verdict").loc["by_time", "low"]) < 0 < float(recorded("verdict").loc["by_time", "high"])
    ),
    "is not beyond chance on\nthis test part": lambda: end("fading_difference", "low") < 0,
    "no baseline is surely better than EASE": lambda: (
        not (
            (recorded("baseline_differences")["p_holm"].astype(float) < 0.05)
            & (recorded("baseline_differences")["difference"].astype(float) < 0)
        ).any()
    ),
    "This passes the correction": lambda: 0.01 < float(recorded("sequence_differences").loc["hybrid", "p_holm"]) < 0.05,
    "for what comes next, attention is above it in the mean": lambda: (
        float(recorded("sequence_differences").loc["hybrid", "low"]) > 0
    ),
    "the network loses to the simple rival": lambda: end("hidden_ridge_over_taught", "low") > 0,
    "This does not carry over to films hidden in \\emph{time}": lambda: value("new_ridge") < value("new_content"),
    "neither is sure after correction": lambda: (recorded("people_ablation")["p_holm"].astype(float) > 0.05).all(),
    "In the mean, order is the larger part of the lead": lambda: (
        2 * value("fading_difference") < value("ease_difference")
    ),
}


@pytest.mark.parametrize("sentence", CLAIMS)
def test_what_the_text_says_in_words_holds_in_the_results(sentence):
    assert " ".join(sentence.split()) in " ".join(TEX.split())
    assert CLAIMS[sentence]()


# ---- references

BIB = re.sub(
    r"@IEEEtranBSTCTL\{.*?\n\}\n", "", (ROOT / "report/references.bib").read_text(encoding="utf-8"), flags=re.DOTALL
)
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
