"""`movierec.latex`: what becomes LaTeX, what is said when a result is missing, and the paper of a reader's own run."""

import os
import re
import subprocess
import sys

import matplotlib
import pandas as pd
import pytest

from movierec import latex, report

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
RESULTS = pd.DataFrame(
    {
        "model": ["popularity", "bias", "hybrid"],
        "rmse": ["--", 0.94, 0.89],
        "ndcg@10": [0.1, 0.05, 0.2],
        "low": [0.09, "--", 0.18],
        "high": [0.11, "--", 0.22],
    }
)
BEST = {"rmse": ["hybrid"], "ndcg@10": ["hybrid"]}
WORDS = "A few films have 60 % of the ratings."
TABLE_CELL = 'record.table("main_results", results)'  # the second of the notebook
FIGURE_CELL = 'record.figure("long_tail", fig, words)'  # the third


@pytest.fixture
def folder(checkout):
    """A report that uses two numbers, a table and a figure, none there yet, beside notebook 06."""
    folder = checkout / "report"
    folder.mkdir()
    (folder / "main.tex").write_text(MAIN)
    (folder / "references.bib").write_text("@book{burke2002}\n")
    (folder / "tables.toml").write_text(TABLES)
    return folder


@pytest.fixture
def run(folder, running):
    """`run(rmse=…, results=…)` makes two numbers, a table and a figure, as notebook 06 does in two of its cells."""

    def run(rmse=0.8934, low=0.88, ratings=100_000, results=RESULTS, best=BEST):
        record = report.Recorder("06_training")
        running(TABLE_CELL)
        record.number("hybrid_rmse", rmse, interval=(low, 0.9067), tolerance=0.003, unit="stars")
        record.number("num_ratings", ratings)
        record.table("main_results", results, best=best)
        running(FIGURE_CELL)
        fig, ax = plt.subplots()
        ax.plot([1, 2])
        record.figure("long_tail", fig, WORDS)

    return run


@pytest.fixture
def recorded(folder, run):
    """The report's folder, with the results of one run kept, and nothing fresh."""
    run()
    report.record()
    report.forget("06_training")
    return folder


def read(folder, name):
    return (folder / f"generated/{name}.tex").read_text()


def made(folder):
    """What `build` made: each file, its content and its date."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


# ---- what is written


def test_build_writes_a_macro_for_each_number_and_one_more_for_each_interval(recorded):
    assert latex.build() == "4 numbers, 1 tables"
    about = "% stars; 06_training, cell 2, commit unknown"
    assert read(recorded, "numbers").splitlines() == [
        "% From results/numbers.csv.",
        rf"\newcommand{{\HybridRmse}}{{0.893}}  {about}",
        rf"\newcommand{{\HybridRmseInterval}}{{0.893 [0.880, 0.907]}}  {about}",
        rf"\newcommand{{\HybridRmseHigh}}{{0.907}}  {about}",
        rf"\newcommand{{\HybridRmseLow}}{{0.880}}  {about}",
        r"\newcommand{\NumRatings}{100{,}000}  % -; 06_training, cell 2, commit unknown",
    ]


def test_an_interval_needs_both_ends(recorded):
    report.Recorder("01_exploration").number("hidden_share_low", 0.25)
    report.Recorder("01_exploration").number("hidden_share", 0.5)
    report.record()
    latex.build()
    numbers = read(recorded, "numbers")
    assert r"\newcommand{\HiddenShare}{0.500}" in numbers and r"\HiddenShareInterval" not in numbers


def test_a_table_is_written_with_its_origin_its_intervals_and_its_leaders_in_bold(recorded):
    latex.build()
    assert read(recorded, "tables/main_results") == (
        "% 06_training, cell 2, commit unknown\n"
        "\\begin{tabular}{@{}lrr@{}}\n\\toprule\n"
        "Model\\_name & RMSE (stars) & NDCG@10 \\\\\n\\midrule\n"
        "popularity & -- & 0.100\\,{\\scriptsize[0.090, 0.110]} \\\\\n"
        "bias & 0.94 & 0.050 \\\\\n"
        "hybrid & \\textbf{0.89} & \\textbf{0.200}\\,{\\scriptsize[0.180, 0.220]} \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


def test_a_declared_table_that_the_paper_does_not_show_is_written_too(recorded):
    report.Recorder("01_exploration").table("titles", pd.DataFrame({"title": ["Heat"]}))
    report.record()
    assert latex.build() == "4 numbers, 2 tables"
    assert "Heat" in read(recorded, "tables/titles")


def test_figures_have_their_words_escaped_for_latex(recorded):
    latex.build()
    words = r"A few films have 60 \% of the ratings."
    line = rf"\expandafter\def\csname alt@long_tail\endcsname{{{words}}}"
    assert read(recorded, "alt") == f"% From results/figures.csv.\n{line}\n"


def test_build_tells_the_cell_the_command_and_the_seconds_of_each_figure_and_table(recorded):
    latex.build()
    rows = [line for line in read(recorded, "tables/provenance").splitlines() if "ref{" in line]
    assert rows == [  # nobody has timed the notebook
        r"Fig.~\ref{fig:long_tail} & 06 [3] & \texttt{make 06} & -- \\",
        r"Table~\ref{tab:main_results} & 06 [2] & \texttt{make 06} & -- \\",
    ]
    minutes = pd.DataFrame({"notebook": ["06_training"], "minutes": [1.26]})
    report.Recorder("conftest.py").table("notebook_minutes", minutes)
    report.record()
    latex.build()
    text = read(recorded, "tables/provenance")
    assert r"What & Notebook [cell] & Command & Seconds \\" in text and r"{@{}lllr@{}}" in text
    assert r"Table~\ref{tab:main_results} & 06 [2] & \texttt{make 06} & 76 \\" in text  # 1.26 · 60 = 75.6


def test_a_script_is_named_by_its_file_and_a_cell_that_is_unknown_by_its_notebook(folder, run, running):
    run()
    running("# not saved")
    report.forget("06_training")
    report.Recorder("06_training").figure("long_tail", plt.figure(), WORDS)
    script = report.Recorder("tests/benchmarks/people_and_films.py")
    script.number("hybrid_rmse", 0.8934, interval=(0.88, 0.9067))
    script.number("num_ratings", 100_000)
    script.table("main_results", RESULTS, best=BEST)
    report.record()
    latex.build()
    text = read(folder, "tables/provenance")
    assert r"Fig.~\ref{fig:long_tail} & 06\_training & \texttt{make 06} & -- \\" in text
    command = r"python tests/benchmarks/people\_and\_films.py"
    assert rf"Table~\ref{{tab:main_results}} & people\_and\_films & \texttt{{{command}}} & -- \\" in text


def test_a_second_build_touches_nothing(recorded):
    latex.build()
    before = made(recorded / "generated")
    names = {path.name for path in before if path.suffix == ".tex"}
    assert names == {"numbers.tex", "alt.tex", "main_results.tex", "provenance.tex"}
    latex.build()
    assert made(recorded / "generated") == before


def test_text_is_escaped_for_latex():
    assert latex.escape(r"100% R&D_#1 {a} ~^\ $") == (
        r"100\% R\&D\_\#1 \{a\} \textasciitilde{}\textasciicircum{}\textbackslash{} \$"
    )
    assert latex.escape("± × µ ε λ –") == r"$\pm$ $\times$ $\mu$ $\varepsilon$ $\lambda$ --"


@pytest.mark.parametrize(
    ("text", "printed"), [("-1234.5", r"\ensuremath{-}1{,}234.500"), ("1234.5", "1{,}234.500"), ("0.25", "0.250")]
)
def test_numbers_have_a_true_minus_and_commas_without_a_space(text, printed):
    assert latex.rounded(text, ",.3f", latex.STYLE) == printed


# ---- what is missing


def test_build_names_everything_that_is_missing_and_who_makes_it(folder):
    with pytest.raises(FileNotFoundError) as error:
        latex.build()
    assert str(error.value).splitlines() == [
        "report/main.tex uses 4 results that are not there:",
        "  number hybrid_rmse_interval: made by no notebook that could be found",
        "  number num_ratings: made by no notebook that could be found",
        "  table main_results: made by 06_training; make 06",  # from the notebook's source
        "  figure long_tail: made by 06_training; make 06",
        "Run that, then `make record`; or take recorded results back with `git restore report/results`.",
    ]


def delete_number(folder, name):
    path = folder / "results/numbers.csv"
    lines = path.read_text().splitlines(keepends=True)
    left = [line for line in lines if not line.startswith(f"{name},")]
    assert len(left) == len(lines) - 1
    path.write_text("".join(left))


def delete_table(folder, name):
    (folder / f"results/{name}.csv").unlink()


def delete_figure(folder, name):
    (folder / f"figures/{name}.pdf").unlink()


@pytest.mark.parametrize(
    ("delete", "name", "line"),
    [
        (delete_number, "num_ratings", "number num_ratings: made by 06_training, cell 2, commit unknown; make 06"),
        (
            delete_number,
            "hybrid_rmse_low",
            "number hybrid_rmse_interval: made by 06_training, cell 2, commit unknown; make 06",
        ),
        (delete_table, "main_results", "table main_results: made by 06_training, cell 2, commit unknown; make 06"),
        (delete_figure, "long_tail", "figure long_tail: made by 06_training, cell 3, commit unknown; make 06"),
    ],
)
def test_one_result_that_was_deleted_is_named_with_its_notebook_cell_and_command(recorded, run, delete, name, line):
    run()  # its last run still says where it was made
    latex.build()
    delete(recorded, name)
    with pytest.raises(FileNotFoundError) as error:
        latex.build()
    head, *lines, advice = str(error.value).splitlines()
    assert head == "report/main.tex uses 1 results that are not there:" and lines == [f"  {line}"]


def test_a_result_of_a_script_is_missed_with_the_scripts_command(recorded):
    (recorded / "main.tex").write_text(MAIN + r"\ScaleUsers{}")
    report.Recorder("tests/benchmarks/scale.py").number("scale_users", 10)  # fresh, and not recorded
    line = r"number scale_users: made by tests/benchmarks/scale.py, commit unknown; make benchmark SCALE=1\n"
    with pytest.raises(FileNotFoundError, match=line):
        latex.build()


def test_what_a_comment_or_latex_itself_uses_is_not_missed(recorded):
    (recorded / "main.tex").write_text(
        MAIN + "% \\HybridNdcg\n\\DeclareMathOperator \\newcommand{\\OurName}{x} \\OurName"
    )
    latex.build()
    (recorded / "main.tex").write_text(MAIN + "\\% \\HybridNdcg")  # a per cent sign is no comment
    with pytest.raises(FileNotFoundError, match="number hybrid_ndcg: made by no notebook"):
        latex.build()


def test_a_table_of_main_tex_must_be_declared(recorded):
    (recorded / "tables.toml").write_text("")
    with pytest.raises(ValueError, match=r"declare every table of main.tex; \['main_results'\] missing"):
        latex.build()


def test_bold_without_a_test_is_refused_before_anything_is_written(folder, run):
    run(best=None)
    report.record()
    with pytest.raises(ValueError, match=r"main_results sets the best of 'rmse' in bold, and no test says"):
        latex.build()
    assert not (folder / "generated/numbers.tex").exists()


# ---- the paper of a reader's own run


def mine(folder):
    return folder / "generated/mine"


def test_a_run_that_came_out_as_recorded_has_nothing_marked(recorded, run):
    run(rmse=0.89341)  # prints 0.893, too
    assert latex.build(mine=True) == (
        "0 numbers print differently from the recorded ones, shaded in mine.pdf; "
        "0 results are the recorded ones, because your last run has not made them"
    )
    latex.build()
    ordinary, own = read(recorded, "numbers"), read(mine(recorded), "numbers")
    assert own == ordinary + "\\newcommand{\\Moved}{0}\n"
    for name in ("alt", "tables/main_results", "tables/provenance"):
        assert read(mine(recorded), name) == read(recorded, name)


def test_what_the_last_run_has_not_made_is_the_recorded_one_and_counted(recorded):
    report.Recorder("06_training").number("num_ratings", 99_000)
    said = latex.build(mine=True)
    assert said.startswith("1 numbers print differently")
    assert "4 results are the recorded ones" in said  # RMSE with its two ends, and the table
    numbers = read(mine(recorded), "numbers")
    assert r"\newcommand{\NumRatings}{\moved{99{,}000}{100{,}000}}  %" in numbers
    assert r"\newcommand{\HybridRmse}{0.893}  %" in numbers
    assert "0.200" in read(mine(recorded), "tables/main_results")


def test_a_number_that_moved_is_marked_alone_and_in_its_interval_and_counted_once(recorded, run):
    run(rmse=0.9)
    assert latex.build(mine=True).startswith("1 numbers print differently")
    numbers = read(mine(recorded), "numbers")
    assert r"\newcommand{\HybridRmse}{\moved{0.900}{0.893}}  %" in numbers
    interval = r"\moved{0.900 [0.880, 0.907]}{0.893 [0.880, 0.907]}"
    assert rf"\newcommand{{\HybridRmseInterval}}{{{interval}}}  %" in numbers
    assert r"\newcommand{\HybridRmseLow}{0.880}  %" in numbers
    assert r"\newcommand{\HybridRmseHigh}{0.907}  %" in numbers
    assert r"\newcommand{\NumRatings}{100{,}000}  %" in numbers
    assert numbers.endswith("\\newcommand{\\Moved}{1}\n") and numbers.count(r"\moved") == 2


def test_an_interval_is_marked_where_one_end_moved(recorded, run):
    run(low=0.85)
    assert latex.build(mine=True).startswith("1 numbers print differently")
    numbers = read(mine(recorded), "numbers")
    assert r"\newcommand{\HybridRmse}{0.893}  %" in numbers
    assert r"\newcommand{\HybridRmseInterval}{\moved{0.893 [0.850, 0.907]}{0.893 [0.880, 0.907]}}  %" in numbers
    assert r"\newcommand{\HybridRmseLow}{\moved{0.850}{0.880}}  %" in numbers


def test_a_number_that_was_not_recorded_says_so(recorded, run):
    run()
    report.Recorder("06_training").number("new_share", 0.5)
    assert latex.build(mine=True).startswith("1 numbers print differently")
    assert r"\newcommand{\NewShare}{\moved{0.500}{not recorded}}  %" in read(mine(recorded), "numbers")


def test_each_cell_of_a_table_that_prints_differently_is_marked_and_the_others_are_not(recorded, run):
    run(results=RESULTS.assign(rmse=["--", 0.944, 0.85], high=[0.11, "--", 0.23]))  # 0.944 prints 0.94
    assert latex.build(mine=True).startswith("2 numbers print differently")
    rows = read(mine(recorded), "tables/main_results").splitlines()
    assert r"popularity & -- & 0.100\,{\scriptsize[0.090, 0.110]} \\" in rows
    assert r"bias & 0.94 & 0.050 \\" in rows
    now, was = (rf"\textbf{{0.200}}\,{{\scriptsize[0.180, {high}]}}" for high in ("0.230", "0.220"))
    assert rf"hybrid & \moved{{\textbf{{0.85}}}}{{\textbf{{0.89}}}} & \moved{{{now}}}{{{was}}} \\" in rows
    assert read(mine(recorded), "numbers").endswith("\\newcommand{\\Moved}{2}\n")


def test_another_leader_is_marked(recorded, run):
    run(best=BEST | {"rmse": ["hybrid", "bias"]})
    assert latex.build(mine=True).startswith("1 numbers print differently")
    assert r"bias & \moved{\textbf{0.94}}{0.94} & 0.050 \\" in read(mine(recorded), "tables/main_results")


def test_rows_are_found_by_their_first_cell_and_new_ones_are_marked_whole(recorded, run):
    new = pd.DataFrame({"model": ["mine"], "rmse": [0.91], "ndcg@10": [0.15], "low": ["--"], "high": ["--"]})
    run(results=pd.concat([new, RESULTS.iloc[::-1]]))
    assert latex.build(mine=True).startswith("3 numbers print differently")
    rows = [row for row in read(mine(recorded), "tables/main_results").splitlines() if "&" in row]
    cells = [rf"\moved{{{cell}}}{{not recorded}}" for cell in ("mine", "0.91", "0.150")]
    assert rows[1] == " & ".join(cells) + r" \\"
    assert [row.split(" & ")[0] for row in rows[2:]] == ["hybrid", "bias", "popularity"]
    assert not any(r"\moved" in row for row in rows[2:])


def test_where_first_cells_repeat_a_row_is_found_by_its_place(folder, run):
    twice = RESULTS.assign(model=["EASE", "EASE", "hybrid"])
    run(results=twice)
    report.record()
    run(results=twice.assign(rmse=["--", 0.95, 0.89]))
    assert latex.build(mine=True).startswith("1 numbers print differently")
    rows = read(mine(folder), "tables/main_results").splitlines()
    assert r"EASE & -- & 0.100\,{\scriptsize[0.090, 0.110]} \\" in rows
    assert r"EASE & \moved{0.95}{0.94} & 0.050 \\" in rows


def test_a_table_that_was_not_recorded_is_marked_whole(recorded, run):
    (recorded / "main.tex").write_text(MAIN + r"\input{generated/tables/titles}")
    run()
    report.Recorder("06_training").table("titles", pd.DataFrame({"title": ["Heat", "Fargo"]}))
    assert latex.build(mine=True).startswith("2 numbers print differently")
    text = read(mine(recorded), "tables/titles")
    assert "\\moved{Heat}{not recorded} \\\\\n\\moved{Fargo}{not recorded} \\\\\n" in text


def test_tables_that_the_paper_does_not_show_are_neither_built_nor_counted(recorded, run):
    run()
    report.Recorder("06_training").table("titles", pd.DataFrame({"title": ["Heat"]}))
    assert latex.build(mine=True).startswith("0 numbers print differently")
    assert not (mine(recorded) / "generated/tables/titles.tex").exists()


def test_latex_can_be_run_in_the_folder_of_a_readers_run(recorded, run):
    run()
    latex.build(mine=True)
    for name in ("main.tex", "references.bib", "figures/long_tail.pdf"):
        assert (mine(recorded) / name).read_bytes() == (recorded / name).read_bytes()
    for name in re.findall(r"\\input\{([^}]*)\}", MAIN.replace("generated/tables/not_used", "generated/numbers")):
        assert (mine(recorded) / f"{name}.tex").exists()
    (recorded / "figures/long_tail.pdf").write_bytes(b"%PDF drawn again")
    latex.build(mine=True)
    assert (mine(recorded) / "figures/long_tail.pdf").read_bytes() == b"%PDF drawn again"


def test_a_second_build_of_a_readers_run_touches_nothing(recorded, run):
    run(rmse=0.9, results=RESULTS.iloc[:2], best={"rmse": ["bias"], "ndcg@10": ["bias"]})
    said = latex.build(mine=True)
    before = made(recorded)
    assert latex.build(mine=True) == said and made(recorded) == before


def test_the_ordinary_build_is_of_the_recorded_results_whatever_the_last_run_made(recorded, run):
    latex.build()
    before = {path: state for path, state in made(recorded / "generated").items() if path.suffix == ".tex"}
    assert len(before) == 4
    run(rmse=0.9, results=RESULTS.assign(rmse=[0.99, 0.98, 0.97]))
    latex.build(mine=True)
    assert latex.build() == "4 numbers, 1 tables"
    assert {path: state for path, state in made(recorded / "generated").items() if path in before} == before
    assert r"\moved" not in read(recorded, "numbers") + read(recorded, "tables/main_results")


def test_another_data_set_is_not_built_into_this_paper(recorded, run, monkeypatch):
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    run(rmse=0.9)
    with pytest.raises(ValueError) as error:
        latex.build(mine=True)
    assert str(error.value) == (
        "the report is about ml-100k; MOVIEREC_DATASET is 'ml-1m', whose results are in "
        "report/generated/ml-1m/generated/results. Without it, `make report RESULTS=mine` builds the paper."
    )
    assert (recorded / "generated/ml-1m/generated/results/numbers.csv").exists()
    assert not mine(recorded).exists()
    assert latex.build() == "4 numbers, 1 tables"  # the recorded results are the course's


def test_what_a_readers_run_lacks_is_missed_too(folder, run):
    run()
    (folder / "figures/long_tail.pdf").unlink()
    with pytest.raises(FileNotFoundError, match="uses 1 results .*\n  figure long_tail: made by 06_training, cell 3,"):
        latex.build(mine=True)


# ---- the command


def test_the_command_builds(recorded):
    done = subprocess.run([sys.executable, "-m", "movierec.report", "build"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "build: 4 numbers, 1 tables\n", "")
    assert (recorded / "generated/tables/main_results.tex").exists()


def test_the_command_builds_the_paper_of_a_readers_run(recorded, run, capsys):
    run(rmse=0.9)
    assert report.main(["build", "--mine"]) == 0
    assert capsys.readouterr().out.startswith("build: 1 numbers print differently from the recorded ones, shaded in")
    assert set(os.listdir(mine(recorded) / "generated/tables")) == {"main_results.tex", "provenance.tex"}


def test_the_command_line_says_what_is_wrong_without_a_traceback(folder, monkeypatch, capsys):
    assert report.main(["build"]) == 1
    assert "main.tex uses 4 results that are not there" in capsys.readouterr().err
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    assert report.main(["build", "--mine"]) == 1
    assert capsys.readouterr().err.startswith("movierec.report: the report is about ml-100k; MOVIEREC_DATASET is")
