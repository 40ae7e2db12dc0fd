"""What notebooks record is complete, finite, theirs alone, and says where it is from; nothing is lost on the way."""

import io
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pypdf
import pytest

from movierec import origin, record
from movierec.data import fingerprint
from movierec.record import Recorder, read_table

matplotlib.use("agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
RESULTS = pd.DataFrame({"model": ["popularity", "bias", "hybrid"], "rmse": ["--", 0.94, 0.89]})
CELL = 'record.table("main_results", results)'  # the second of the notebook
WORDS = "A few films have most of the ratings."


@pytest.fixture
def folder(checkout):
    return checkout / "report"


@pytest.fixture
def recorder(folder):
    return Recorder("06_training")


def line():
    """An open figure."""
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    fig.suptitle("a line")
    return fig


def fresh(folder, file, notebook="06_training"):
    text = (folder / f"generated/results/{notebook}/{file}").read_text()
    return json.loads(text) if file.endswith(".json") else text


def git(folder, *words):
    """Git with the same settings on every machine that runs the tests."""
    own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_finding_is_a_line_that_says_whether_it_holds(recorder, tiny, capsys):
    assert repr(recorder) == repr(Recorder("06_training", tiny)) == "Recorder('06_training')"  # nbval compares it
    record.finding("more users, better lists", True)
    record.finding("none is left", np.False_)
    assert capsys.readouterr().out == "more users, better lists: yes\nnone is left: no\n"
    for other in (pd.Series([True, True]), np.array([True]), [False], float("nan"), "no", None, 1):
        with pytest.raises(ValueError, match="finding 'all' needs one truth value; found"):
            record.finding("all", other)


def test_a_number_is_a_file_with_its_interval_its_form_and_its_origin(folder, running, tiny):
    running(CELL)
    recorder = Recorder("06_training", tiny)
    interval = (0.88, np.float64(0.9067))
    recorder.number("hybrid_rmse", np.float64(0.8934), interval=interval, tolerance=0.003, unit="stars")
    recorder.number("num_users", 943)
    where = {"notebook": "06_training", "cell": "2", "commit": "unknown", "data": fingerprint(tiny)}  # without git
    form = {"tolerance": "0.003", "digits": "3", "unit": "stars"}
    ends = {"low": "0.88", "high": "0.9067"}
    own = {"name": "hybrid_rmse", "value": "0.8934"}
    assert fresh(folder, "hybrid_rmse.number.json") == own | ends | form | where
    form = {"tolerance": "0", "digits": "0", "unit": ""}
    assert fresh(folder, "num_users.number.json") == {"name": "num_users", "value": "943", **form, **where}
    recorder.number("hybrid_rmse", 0.95, digits=2)  # the cell was changed and run again: the interval is gone
    own = {"name": "hybrid_rmse", "value": "0.95"}
    assert fresh(folder, "hybrid_rmse.number.json") == own | form | {"digits": "2"} | where


def test_rows_of_a_table_become_numbers_in_the_form_of_the_file_unless_the_notebook_says_it(recorder, folder):
    table = pd.DataFrame({"mean": [0.2, 0.5], "low": [0.1, 0.4], "high": [0.3, 0.6]}, index=["EASE", "hybrid"])
    said = '[numbers.hybrid_ndcg]\ntolerance = 0.003\nunit = "stars"\ndigits = 2\n[tables.models]\nrmse = 0.01\n'
    (folder / "tolerances.toml").write_text(said)
    recorder.numbers(table, {"hybrid_ndcg": "hybrid"})
    recorder.numbers(table, {"ease_mean": "EASE"}, ["mean"])
    hybrid, ease = (fresh(folder, f"{name}.number.json") for name in ("hybrid_ndcg", "ease_mean"))
    keys = ("value", "low", "high", "tolerance", "unit", "digits")
    assert [hybrid[key] for key in keys] == ["0.5", "0.4", "0.6", "0.003", "stars", "2"]
    assert ease["value"] == "0.2" and "low" not in ease
    recorder.number("hybrid_ndcg", 0.95, tolerance=0.1, unit="", digits=4)
    assert [fresh(folder, "hybrid_ndcg.number.json")[key] for key in keys[3:]] == ["0.1", "", "4"]
    recorder.table("models", RESULTS)
    assert '"tolerance": {"rmse": 0.01}' in fresh(folder, "models.csv")


def test_a_table_is_text_after_a_line_about_it(recorder, folder, running):
    running(CELL)
    table = RESULTS.assign(ndcg=[1 / 3, 0.05, np.float32(0.5)]).iloc[[2, 0]]
    recorder.table("main_results", table, tolerance={"ndcg": 0.01}, best={"rmse": ["hybrid"], "ndcg": []})
    assert fresh(folder, "main_results.csv") == (
        '# {"notebook": "06_training", "cell": "2", "commit": "unknown", "tolerance": {"ndcg": 0.01}, '
        '"best": {"rmse": ["hybrid"], "ndcg": []}}\n'
        "model,rmse,ndcg\nhybrid,0.89,0.5\npopularity,--,0.3333333333\n"
    )


def test_cells_come_back_as_they_were_and_leaders_are_written_as_cells_are(recorder, folder):
    titles = ["Matrix, The (1999)", 'A "quoted" one', "# 1", "1984", "N/A", "Amélie"]
    table = pd.DataFrame({"title": titles, "weight": [1 / 3, 2.0, *4 * ["--"]]})
    recorder.table("titles", table.iloc[:, ::-1], best={"title": [1 / 3]})
    cells, says = read_table(folder / "generated/results/06_training/titles.csv")
    assert cells["title"].tolist() == titles and says["best"] == {"title": ["0.3333333333"]}
    record.keep("titles")
    read = record.recorded("titles")
    assert read["weight"].head(2).tolist() == [0.3333333333, 2] and read["weight"][2:].isna().all()
    kept = folder / "results/titles.csv"
    before = kept.read_bytes()
    recorder.table("titles", table.iloc[:, ::-1], best={"title": [1 / 3]})
    record.keep("titles")
    assert kept.read_bytes() == before


@pytest.mark.parametrize("epoch", [None, "1700000000"])
def test_a_figure_is_a_pdf_of_equal_bytes_with_words(recorder, folder, running, monkeypatch, epoch):
    running(CELL)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if epoch:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    pdfs = []
    for _ in range(2):
        recorder.figure("long_tail", line(), "A few films have\n   most of the ratings.")
        pdfs.append((folder / "figures/long_tail.pdf").read_bytes())
        (folder / "figures/long_tail.pdf").unlink()
    assert pdfs[0] == pdfs[1] and (b"CreationDate" in pdfs[0]) == bool(epoch)
    assert b"/Type3" not in pdfs[0] and b"/FontFile2" in pdfs[0]  # TrueType
    metadata = pypdf.PdfReader(io.BytesIO(pdfs[0])).metadata
    origin = "06_training, cell 2, commit unknown"
    assert (metadata.title, metadata.subject, metadata["/Keywords"]) == ("long_tail", WORDS, origin)
    row = fresh(folder, "long_tail.figure.json")
    assert (row["name"], row["alt"], row["cell"]) == ("long_tail", WORDS, "2")


BAD = [
    (lambda r: r.number("rmse_random5", 1.0), "write them as words"),
    (lambda r: r.number("Hybrid__rmse", 1.0), "lowercase"),
    (lambda r: r.number("gamma", 1.0), "must be 2 or more lowercase words"),
    *[(lambda r, v=v: r.number("a_b", v), "number 'a_b'.*must be") for v in (math.nan, -math.inf, None, pd.NA, "many")],
    (lambda r: r.number("a_b", 1.0, tolerance=-1), "0 or more; found -1"),
    (lambda r: r.number("a_b", 0.9, interval=(0.1, 0.1)), "must hold 0.9; found 0.1 to 0.1. Give its ends"),
    (lambda r: r.number("a_b", 0.9, interval=(0.8, math.nan)), "must hold 0.9"),
    (lambda r: r.number("a_b", 0.9, interval=(0.8, math.inf)), "number 'a_b', high must be finite"),
    (lambda r: r.table("bad", pd.DataFrame({"a": [1.0, math.nan]})), "'bad', 'a', row 1 must be finite.*write '--'"),
    (lambda r: r.table("bad", pd.DataFrame({"a": ["x", None]})), "must be finite"),
    (lambda r: r.table("bad", RESULTS, tolerance={"b": 0.1}), r"must name columns \['model', 'rmse'\]; found \['b'\]"),
    (lambda r: r.table("bad", RESULTS, best={"rmse": ["bias", "0.94"]}), r"its first cells; found \['0.94'\]"),
    (lambda r: r.table("bad", RESULTS.set_index("model")), "has a name.*Record table.reset_index"),
    (lambda r: r.table("numbers", RESULTS), "'numbers' is the name of a file"),
    (lambda r: r.figure("long_tail", line(), " "), "alt text must say what the figure shows"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_what_the_report_cannot_use_is_refused_and_nothing_is_written(recorder, folder, call, message):
    with pytest.raises(ValueError, match=message):
        call(recorder)
    assert not list(folder.iterdir())
    plt.close("all")


def test_a_name_belongs_to_one_notebook_and_is_forgotten_with_it_and_equal_files_stay(recorder, folder):
    calls = [
        lambda by: by.number("hybrid_rmse", 0.9),
        lambda by: by.table("main_results", RESULTS),
        lambda by: by.figure("long_tail", line(), WORDS),
    ]
    other = Recorder("tests/benchmarks/run.py")
    for call in calls:
        call(recorder)
        with pytest.raises(ValueError, match="is recorded by 06_training already"):
            call(other)
    record.forget("06_training")
    record.forget("07_recommendations")  # it has not run
    for call in calls:
        call(other)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    for call in calls:  # a second run leaves equal files and their dates alone
        call(other)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert [path.name for path in (folder / "generated/results").iterdir()] == ["tests-benchmarks-run.py"]
    assert len(list((folder / "generated/results/tests-benchmarks-run.py").iterdir())) == 3


def test_another_data_set_is_recorded_beside_the_report_and_read_where_there_is_a_record(folder, monkeypatch):
    (folder / "results").mkdir(parents=True)
    for name in ("both_here", "only_course"):
        (folder / f"results/{name}.csv").write_text("# {}\nvalue\n1\n")
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-1m")
    recorder = Recorder("tests/benchmarks/repeats.py")
    recorder.table("both_here", pd.DataFrame({"value": [2]}))
    assert recorder.folder == folder / "generated/ml-1m"
    assert record.recorded("both_here")["value"].tolist() == [2]
    assert record.recorded("only_course")["value"].tolist() == [1]
    monkeypatch.setenv("MOVIEREC_DATASET", "ml-100k")
    assert Recorder("06_training").folder == folder
    monkeypatch.setattr(origin, "ROOT", ROOT)
    monkeypatch.delenv("MOVIEREC_REPORT")
    assert record.report_folder() == ROOT / "report"


def test_two_processes_that_write_at_once_lose_nothing(folder):
    code = "from movierec.record import Recorder\nfor i in range(200): Recorder('06_training').number('of_{}'"
    code += " + 26 * 'a' + 'abcdefghijklmnopqrst'[i // 10] + 'abcdefghij'[i % 10], i)"
    environment = os.environ | {"PATH": "", "PYTHONPATH": str(ROOT)}  # without git: faster
    writers = [subprocess.Popen([sys.executable, "-c", code.format(which)], env=environment) for which in "pq"]
    assert [writer.wait() for writer in writers] == [0, 0]
    rows = [json.loads(path.read_text()) for path in folder.glob("generated/results/*/*.json")]
    assert sorted(int(row["value"]) for row in rows) == sorted([*range(200), *range(200)])


def test_recording_does_not_wait_for_tensorflow_or_matplotlib():
    code = "import sys, movierec.record, report.build.__main__; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & {"matplotlib", "movierec.plots", "tensorflow"}


def test_the_commit_is_asked_for_each_result_and_marked_where_code_differs(checkout, monkeypatch):
    assert origin.commit() == "unknown"  # no repository
    for name in ("movierec/record.py", "tests/benchmarks/run.py", "README.md", "report/results/numbers.csv"):
        record.write_file(checkout / name, "as committed\n")
    git(checkout, "init", "--quiet")
    assert origin.commit() == "unknown"  # no commit
    for _ in range(2):  # a kernel lives through a commit
        git(checkout, "add", ".")
        git(checkout, "commit", "--quiet", "--allow-empty", "--message", "next")
        assert origin.commit() == git(checkout, "rev-parse", "HEAD")[:7]
        (checkout / "README.md").write_text(f"{time.time()}")
    clean = origin.commit()
    assert "+" not in clean  # no result is made by the README
    for changed in ("movierec/record.py", "notebooks/06_training.ipynb", "tests/benchmarks/run.py"):
        (checkout / changed).write_text("{}")
        assert origin.commit() == clean + "+"
        git(checkout, "checkout", "--quiet", changed)
    with monkeypatch.context() as without_git:
        without_git.setenv("PATH", str(checkout))
        assert origin.commit() == "unknown"
    (checkout / "notebooks").rename(checkout / "no_course")  # an installed package in somebody's own repository
    assert origin.commit() == "unknown"


def test_the_running_cell_is_found_by_its_id_else_by_its_source_and_outside_a_notebook_none(
    checkout, running, monkeypatch
):
    running(CELL)
    assert origin.running_cell("06_training") == "2"  # the heading is no code cell
    assert origin.running_cell("07_recommendations") == origin.running_cell("tests/benchmarks/run.py") == ""
    running("# changed and not saved", "cell-3")
    assert origin.running_cell("06_training") == "3"
    running("# Training", "of-another-notebook")
    assert origin.running_cell("06_training") == ""
    for shell in (None, object(), SimpleNamespace(get_parent=dict)):  # none, without requests, asked for nothing
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert origin.running_cell("06_training") == ""
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert origin.running_cell("06_training") == ""


def test_a_real_kernel_says_which_cell_it_runs(checkout, monkeypatch):
    """The messages that ipykernel hands on, without an id as nbval sends them and with one as JupyterLab does."""
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    manager.start_kernel()
    client = manager.client()
    client.start_channels()

    def run(code, metadata=None):
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        client.shell_channel.send(client.session.msg("execute_request", content, metadata=metadata))
        assert client.get_shell_msg(timeout=60)["content"]["status"] == "ok"

    try:
        client.wait_for_ready(timeout=60)
        run(f"from pathlib import Path\nfrom movierec import origin\norigin.ROOT = Path({str(checkout)!r})\nsaid = []")
        say = "said.append(origin.running_cell('06_training'))"
        sources = {"p": say, "q": "x", "r": say}
        cells = [{"cell_type": "code", "source": source, "id": name} for name, source in sources.items()]
        (checkout / "notebooks/06_training.ipynb").write_text(json.dumps({"cells": cells}))
        run(say)
        run(say)
        run(say, {"cellId": "q"})
        run(f"Path({str(checkout / 'said')!r}).write_text(' '.join(said))")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert (checkout / "said").read_text() == "1 3 2"
