"""What becomes LaTeX, what is said when a result is missing, and the paper of a reader's own run."""

import re

import matplotlib
import pandas as pd
import pytest

from movierec import record
from movierec.record import Recorder
from report.build import drift, latex
from report.build.__main__ import main

matplotlib.use("agg")
import matplotlib.pyplot as plt

MAIN = r"""\input{generated/numbers} \input{generated/alt}
\newcommand{\plotted}[1]{\includegraphics{figures/#1}}
RMSE \HybridRmseInterval{} on \NumRatings{} ratings, typeset by \LaTeX. % \NotUsed \input{generated/tables/not_used}
\input{generated/tables/main_results} \label{tab:main_results}
\plotted{long_tail} \label{fig:long_tail}
\input{generated/tables/provenance}
"""
TABLES = """main_results = [
  {column = "model", header = "Model_name"},
  {column = "rmse", header = "RMSE", unit = "stars", format = ".2f", best = true},
  {column = "ndcg@10", header = "NDCG@10", format = ".3f", best = true, interval = ["low", "high"]},
]
titles = [{column = "title", header = "Movie"}]
"""
RESULTS = pd.DataFrame({"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89]})
RESULTS["ndcg@10"] = [0.1, 0.05, 0.2]
RESULTS = RESULTS.assign(low=[0.09, "--", 0.18], high=[0.11, "--", 0.22])
BEST = {"rmse": ["hybrid"], "ndcg@10": ["hybrid"]}
WORDS = "A few films have 60 % of the ratings."
TITLES = pd.DataFrame({"title": ["Heat", "Fargo"]})


@pytest.fixture
def folder(checkout):
    """A report that uses two numbers, a table and a figure, none there yet, beside notebook 06."""
    folder = checkout / "report"
    (folder / "main.tex").write_text(MAIN)
    (folder / "references.bib").write_text("@book{burke2002}\n")
    (folder / "tables.toml").write_text(TABLES)
    return folder


@pytest.fixture
def run(folder, running):
    """`run(rmse=…, results=…)` makes two numbers, a table and a figure, as notebook 06 does in two of its cells."""

    def run(rmse=0.8934, low=0.88, results=RESULTS, best=BEST):
        recorder = Recorder("06_training")
        running('record.table("main_results", results)')
        recorder.number("hybrid_rmse", rmse, interval=(low, 0.9067), tolerance=0.003, unit="stars")
        recorder.number("num_ratings", 100_000)
        recorder.table("main_results", results, best=best)
        running('record.figure("long_tail", fig, words)')
        recorder.figure("long_tail", plt.figure(), WORDS)

    return run


@pytest.fixture
def recorded(folder, run):
    """The report's folder, with the results of one run kept, and nothing fresh."""
    run()
    drift.record()
    record.forget("06_training")
    return folder


def read(folder, name):
    return (folder / f"generated/{name}.tex").read_text()


def test_a_number_is_a_macro_and_once_more_with_its_interval_and_text_is_escaped(recorded):
    Recorder("01_exploration").number("hidden_share", -1234.5)
    Recorder("01_exploration").number("hidden_share_low", 0.25)  # one end is no interval
    drift.record()
    assert latex.build() == "6 numbers, 1 tables"
    about = "% stars; 06_training, cell 2, commit unknown"
    assert read(recorded, "numbers").splitlines() == [
        "% From results/numbers.csv.",
        r"\newcommand{\HiddenShare}{\ensuremath{-}1{,}234.500}  % -; 01_exploration, commit unknown",
        r"\newcommand{\HiddenShareLow}{0.250}  % -; 01_exploration, commit unknown",
        rf"\newcommand{{\HybridRmse}}{{0.893}}  {about}",
        rf"\newcommand{{\HybridRmseInterval}}{{0.893 [0.880, 0.907]}}  {about}",
        rf"\newcommand{{\HybridRmseHigh}}{{0.907}}  {about}",
        rf"\newcommand{{\HybridRmseLow}}{{0.880}}  {about}",
        r"\newcommand{\NumRatings}{100{,}000}  % -; 06_training, cell 2, commit unknown",
    ]
    line = r"\expandafter\def\csname alt@long_tail\endcsname{A few films have 60 \% of the ratings.}"
    assert read(recorded, "alt") == f"% From results/figures.csv.\n{line}\n"
    escaped = r"100\% R\&D\_\#1 \{a\} \textasciitilde{}\textasciicircum{}\textbackslash{} \$"
    assert latex.escape(r"100% R&D_#1 {a} ~^\ $") == escaped
    assert latex.escape("± × µ ε λ –") == r"$\pm$ $\times$ $\mu$ $\varepsilon$ $\lambda$ --"


def test_a_table_has_its_origin_its_intervals_and_its_leaders_in_bold(recorded):
    Recorder("01_exploration").table("titles", TITLES)
    drift.record()
    assert latex.build() == "4 numbers, 2 tables"
    assert "Heat" in read(recorded, "tables/titles")  # declared, though the paper does not show it
    assert read(recorded, "tables/main_results") == (
        "% 06_training, cell 2, commit unknown\n"
        "\\begin{tabular}{@{}lrr@{}}\n\\toprule\n"
        "Model\\_name & RMSE (stars) & NDCG@10 \\\\\n\\midrule\n"
        "popularity & -- & 0.100\\,{\\scriptsize[0.090, 0.110]} \\\\\n"
        "bias & 0.94 & 0.050 \\\\\n"
        "hybrid & \\textbf{0.89} & \\textbf{0.200}\\,{\\scriptsize[0.180, 0.220]} \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


def test_provenance_tells_cell_command_and_seconds_or_the_script(recorded, run, running):
    latex.build()
    text = read(recorded, "tables/provenance")
    assert r"What & Notebook [cell] & Command & Seconds \\" in text and r"{@{}lllr@{}}" in text
    assert r"Fig.~\ref{fig:long_tail} & 06 [3] & \texttt{make 06} & -- \\" in text  # nobody has timed the notebook
    assert r"Table~\ref{tab:main_results} & 06 [2] & \texttt{make 06} & -- \\" in text
    minutes = pd.DataFrame({"notebook": ["06_training"], "minutes": [1.26]})
    Recorder("conftest.py").table("notebook_minutes", minutes)
    running("# not saved")
    Recorder("06_training").figure("long_tail", plt.figure(), WORDS)
    Recorder("tests/benchmarks/people_and_films.py").table("main_results", RESULTS, best=BEST)
    drift.record()
    latex.build()
    text = read(recorded, "tables/provenance")
    assert r"Fig.~\ref{fig:long_tail} & 06\_training & \texttt{make 06} & 76 \\" in text  # 1.26 · 60 = 75.6
    command = r"python tests/benchmarks/people\_and\_films.py"
    assert rf"Table~\ref{{tab:main_results}} & people\_and\_films & \texttt{{{command}}} & -- \\" in text


def test_build_names_everything_that_is_missing_and_what_makes_it(folder, capsys):
    assert main(["build"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "report.build: report/main.tex uses 4 results that are not there:",
        "  number hybrid_rmse_interval: made by no notebook that could be found",
        "  number num_ratings: made by no notebook that could be found",
        "  table main_results: made by 06_training; make 06",  # from the notebook's source
        "  figure long_tail: made by 06_training; make 06",
        "Run that, then `make record`; or take recorded results back with `git restore report/results`.",
    ]


def test_what_a_comment_or_latex_itself_uses_is_not_missed(recorded):
    own = "% \\HybridNdcg\n\\DeclareMathOperator \\newcommand{\\OurName}{x} \\OurName"
    (recorded / "main.tex").write_text(MAIN + own)
    latex.build()
    Recorder("tests/benchmarks/scale.py").number("scale_users", 10)  # fresh, and not recorded
    (recorded / "main.tex").write_text(MAIN + "\\% \\HybridNdcg \\ScaleUsers{}")  # a per cent sign is no comment
    with pytest.raises(FileNotFoundError, match="number hybrid_ndcg: made by no notebook") as error:
        latex.build()
    made = "number scale_users: made by tests/benchmarks/scale.py, commit unknown; make benchmark SCALE=1\n"
    assert made in str(error.value)


def test_a_table_must_be_declared_and_bold_needs_a_test(recorded, run):
    run(best=None)
    drift.record()
    with pytest.raises(ValueError, match=r"main_results sets the best of 'rmse' in bold, and no test says"):
        latex.build()
    assert not (recorded / "generated/numbers.tex").exists()  # before anything is written
    (recorded / "tables.toml").write_text("")
    with pytest.raises(ValueError, match=r"declare every table of main.tex; \['main_results'\] missing"):
        latex.build()


@pytest.fixture
def build_mine(recorded):
    """`build_mine()`: (how many numbers print differently, the lines of numbers.tex and of the table that matter)."""

    def build():
        said = latex.build(mine=True)
        rows = read(recorded / "generated/mine", "tables/main_results").splitlines()
        numbers = re.findall(r"newcommand{(.*)}  %", read(recorded / "generated/mine", "numbers"))
        return int(said.split()[0]), numbers, [row.removesuffix(r" \\") for row in rows if row.endswith(r" \\")][1:]

    return build


def test_a_run_that_came_out_as_recorded_has_nothing_marked(recorded, run):
    run(rmse=0.89341)  # prints 0.893, too
    Recorder("06_training").table("titles", TITLES)  # the paper does not show it
    assert latex.build(mine=True) == (
        "0 numbers print differently from the recorded ones, shaded in mine.pdf; "
        "0 results are the recorded ones, because your last run has not made them"
    )
    latex.build()
    mine = recorded / "generated/mine"
    assert read(mine, "numbers") == read(recorded, "numbers") + "\\newcommand{\\Moved}{0}\n"
    for name in ("alt", "tables/main_results", "tables/provenance"):
        assert read(mine, name) == read(recorded, name)
    assert not (mine / "generated/tables/titles.tex").exists()


def test_a_number_that_moved_is_marked_alone_and_in_its_interval_and_counted_once(recorded, run, build_mine):
    """What the last run has not made is the recorded one."""
    Recorder("06_training").number("num_ratings", 99_000)
    Recorder("06_training").number("new_share", 0.5)
    count, numbers, rows = build_mine()
    assert "4 results are the recorded ones" in latex.build(mine=True)  # RMSE with its two ends, and the table
    assert count == 2 and r"\NumRatings}{\moved{99{,}000}{100{,}000}" in numbers
    assert r"\NewShare}{\moved{0.500}{not recorded}" in numbers and r"\HybridRmse}{0.893" in numbers
    assert len(rows) == 3 and not any(r"\moved" in row for row in rows)
    record.forget("06_training")
    run(rmse=0.9)
    count, numbers, _ = build_mine()
    assert count == 1 and [line for line in numbers if r"\moved" in line] == [
        r"\HybridRmse}{\moved{0.900}{0.893}",
        r"\HybridRmseInterval}{\moved{0.900 [0.880, 0.907]}{0.893 [0.880, 0.907]}",
    ]
    run(low=0.85)
    count, numbers, _ = build_mine()
    assert count == 1 and r"\HybridRmseLow}{\moved{0.850}{0.880}" in numbers


def test_each_cell_of_a_table_that_prints_differently_is_marked(run, build_mine):
    new = pd.DataFrame({"model": ["mine"], "rmse": [0.91], "ndcg@10": [0.15], "low": ["--"], "high": ["--"]})
    results = RESULTS.assign(rmse=["--", 0.944, 0.85], high=[0.11, "--", 0.23])  # 0.944 prints 0.94
    run(results=pd.concat([new, results.iloc[::-1]]), best=BEST | {"rmse": ["bias", "popularity"]})
    count, _, rows = build_mine()
    now, was = (rf"\textbf{{0.200}}\,{{\scriptsize[0.180, {high}]}}" for high in ("0.230", "0.220"))
    assert count == 6 and rows == [  # a row is found by its first cell; a new one is marked whole
        r"\moved{mine}{not recorded} & \moved{0.91}{not recorded} & \moved{0.150}{not recorded}",
        rf"hybrid & \moved{{0.85}}{{\textbf{{0.89}}}} & \moved{{{now}}}{{{was}}}",
        r"bias & \moved{\textbf{0.94}}{0.94} & 0.050",
        r"popularity & -- & 0.100\,{\scriptsize[0.090, 0.110]}",
    ]
    twice = RESULTS.assign(model=["EASE", "EASE", "hybrid"])
    run(results=twice)
    drift.record()
    run(results=twice.assign(rmse=["--", 0.95, 0.89]))
    count, _, rows = build_mine()  # where first cells repeat, a row is found by its place
    assert count == 1 and rows[1] == r"EASE & \moved{0.95}{0.94} & 0.050" and r"\moved" not in rows[0]


def test_another_data_set_is_not_built_into_this_paper(recorded, run, monkeypatch, capsys):
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    run(rmse=0.9)
    assert main(["build", "--mine"]) == 1
    assert capsys.readouterr().err == (
        "report.build: the report is about ml-100k; MOVIEREC_DATASET is 'ml-1m', whose results are in "
        "report/generated/ml-1m/generated/results. Without it, `make report RESULTS=mine` builds the paper.\n"
    )
    assert latex.build() == "4 numbers, 1 tables"  # the recorded results are the course's
