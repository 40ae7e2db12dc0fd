"""`movierec.latex`: what becomes LaTeX, and what is said when something of the report is missing."""

import subprocess
import sys

import matplotlib
import pandas as pd
import pytest

from movierec import latex, report

matplotlib.use("agg")
import matplotlib.pyplot as plt

MAIN = r"""\input{generated/numbers}
RMSE \HybridRmse{} on \NumRatings{} ratings, typeset by \LaTeX. % \NotUsed \input{generated/tables/not_used}
\input{generated/tables/main_results} \label{tab:main_results}
\includegraphics[width=\columnwidth]{figures/long_tail}
\input{generated/tables/provenance}
"""
TABLES = """main_results = [
  {column = "model", header = "Model"},
  {column = "rmse", header = "RMSE", unit = "stars", format = ".2f", best = "min"},
  {column = "ndcg@10", header = "NDCG@10", format = ".3f", best = "max"},
]
"""
RESULTS = pd.DataFrame(
    {"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89], "ndcg@10": [0.1, 0.05, 0.2]}
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A report that uses two numbers, a table and a figure, none there yet, beside one notebook."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "main.tex").write_text(MAIN)
    (folder / "tables.toml").write_text(TABLES)
    (tmp_path / "notebooks").mkdir()
    source = r'{"source": ["record.table(\"main_results\", results)"]}'
    (tmp_path / "notebooks/06_training.ipynb").write_text(source)
    monkeypatch.setenv("MOVIEREC_REPORT", str(folder))
    return folder


def record_all():
    """Two numbers, a table and a figure, as notebook 06 makes them, kept as the recorded results."""
    record = report.Recorder("06_training")
    record.number("hybrid_rmse", 0.8934, tolerance=0.003, unit="stars")
    record.number("num_ratings", 100_000)
    record.table("main_results", RESULTS, tolerance={"ndcg@10": 0.01})
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    record.figure("long_tail", fig)
    plt.close(fig)
    report.record()


def test_build_writes_a_macro_for_each_number_and_the_tables(folder):
    record_all()
    assert latex.build() == ["main_results"]
    numbers = (folder / "generated/numbers.tex").read_text()
    assert r"\newcommand{\HybridRmse}{0.893}  % stars, 06_training" in numbers
    assert r"\newcommand{\NumRatings}{100{,}000}  % -, 06_training" in numbers
    table = (folder / "generated/tables/main_results.tex").read_text()
    assert r"Model & RMSE (stars) & NDCG@10 \\" in table
    assert r"popularity & -- & 0.100 \\" in table
    assert r"hybrid & \textbf{0.89} & \textbf{0.200} \\" in table
    assert r"\begin{tabular}{@{}lrr@{}}" in table
    assert table.count(r"\textbf") == 2


def test_build_tells_what_each_notebook_makes_and_how_long_it_takes(folder):
    record_all()
    minutes = pd.DataFrame({"notebook": ["06_training"], "minutes": [1.26]})
    report.Recorder("make").table("notebook_minutes", minutes)
    report.record()
    with (folder / "tables.toml").open("a") as file:
        file.write('notebook_minutes = [{column = "notebook", header = "N"}]\n')
    latex.build()
    row = r"\texttt{06\_training} & Fig.~\ref{fig:long_tail}, Table~\ref{tab:main_results} & 1.3 \\"
    assert row in (folder / "generated/tables/provenance.tex").read_text()


def test_a_second_build_touches_nothing(folder):
    record_all()
    latex.build()
    before = {path: path.stat().st_mtime_ns for path in (folder / "generated").rglob("*.tex")}
    assert len(before) == 3  # numbers, main_results, provenance
    latex.build()
    assert {path: path.stat().st_mtime_ns for path in (folder / "generated").rglob("*.tex")} == before


def test_build_names_what_is_missing_and_who_makes_it(folder):
    with pytest.raises(FileNotFoundError) as error:
        latex.build()
    message = str(error.value)
    assert "uses 4 results that are not there" in message
    assert "number hybrid_rmse: made by no notebook that could be found" in message
    assert "table main_results: made by 06_training" in message  # from the notebook's source
    record_all()
    (folder / "results/main_results.csv").unlink()
    (folder / "figures/long_tail.pdf").unlink()
    made = "made by 06_training"
    message = rf"uses 2 results.*\n.*table main_results: {made}\n.*figure long_tail: {made}"
    with pytest.raises(FileNotFoundError, match=message):
        latex.build()


def test_a_deleted_number_is_missed_by_name(folder):
    record_all()
    path = folder / "results/numbers.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("num_ratings")))
    with pytest.raises(FileNotFoundError, match="number num_ratings: made by 06_training"):
        latex.build()


def test_a_table_of_main_tex_must_be_declared(folder):
    record_all()
    (folder / "tables.toml").write_text("")
    with pytest.raises(ValueError, match=r"declare every table of main.tex; \['main_results'\] missing"):
        latex.build()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"column": "mae"}, "main_results has no column 'mae'; it has"),
        ({"column": "rmse", "bold": "yes"}, r"unknown settings \['bold'\]"),
        ({"column": "rmse", "best": "least", "format": ".2f"}, 'must be "min" or "max"'),
        ({"column": "rmse", "best": "min"}, "beside a format"),
    ],
)
def test_unknown_columns_and_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        latex.latex_table("main_results", RESULTS.astype(str), [{"header": "x", **setting}])


def test_equal_at_the_printed_precision_is_equally_bold():
    table = pd.DataFrame({"x": ["0.8911", "0.8914", "-1234.5"]})
    spec = {"column": "x", "header": "x", "format": ",.3f", "best": "max"}
    text = latex.latex_table("t", table, [spec])
    assert text.count(r"\textbf{0.891}") == 2
    assert r"\ensuremath{-}1{,}234.500" in text


def test_text_is_escaped_for_latex():
    table = pd.DataFrame({"x": [r"100% R&D_#1 {a} ~^\ $"]})
    text = latex.latex_table("t", table, [{"column": "x", "header": "h"}])
    assert r"100\% R\&D\_\#1 \{a\} \textasciitilde{}\textasciicircum{}\textbackslash{} \$" in text


def test_the_command_builds(folder):
    record_all()
    done = subprocess.run([sys.executable, "-m", "movierec.report", "build"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "build: 1 tables\n", "")
    assert (folder / "generated/tables/main_results.tex").exists()


def test_the_command_line_says_what_is_wrong_without_a_traceback(folder, capsys):
    assert report.main(["build"]) == 1
    assert "main.tex uses 4 results that are not there" in capsys.readouterr().err
