"""`python -m movierec COMMAND`: a line for each step, a model that loads, one line for an error."""

import re
import subprocess
import sys

import numpy as np
import pytest

import movierec
from movierec import __main__ as command_line
from movierec.__main__ import main
from movierec.data import write_csv
from movierec.training import workers


@pytest.fixture
def files(checkerboard, tmp_path, monkeypatch):
    """The checkerboard as CSV files; nothing says that this process is one of several, and the cache is its own."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path / "data"))
    write_csv(checkerboard, tmp_path)
    return tmp_path


def train(files, *options, data="ratings.csv"):
    """Return the exit code of `train` on the files."""
    return main(["train", str(files / data), str(files / "model"), "--movies", str(files / "movies.csv"), *options])


def test_from_files_to_a_saved_model(files, capsys):
    assert train(files, "--epochs", "2", "--seed", "3", "--checkpoint", str(files / "kept")) == 0
    lines = capsys.readouterr().out.splitlines()
    steps = [re.fullmatch(r" +[\d.]+ s +[\d.]+ CPU s +[\d.]+ GB  (\w+) +(.+)", line) for line in lines]
    assert [step[1] for step in steps] == ["read", "split", *["epoch"] * 4, "fitted", "saved", "stars", "lists"]
    model = movierec.load_model(files / "model")
    assert model.seed == 3 and len(model.history) == 2
    data = movierec.read(files / "ratings.csv", files / "movies.csv")
    split = movierec.split_by_user_time(data.ratings)
    rmse = np.sqrt(np.mean((model.predict(split.test) - split.test["rating"]) ** 2))
    assert steps[-2][2] == f"test RMSE {rmse:.4f}"
    lists = r"test ndcg@10 0\.\d{4}, test recall@10 [01]\.\d{4}, test hit_rate@10 [01]\.\d{4}"
    assert re.fullmatch(lists, steps[-1][2])


def test_a_failure_is_said_in_one_line(files, capsys, monkeypatch):
    assert train(files, data="nothing.csv") == 1
    assert "FileNotFoundError" in (error := capsys.readouterr().err) and error.count("\n") == 1
    assert main(["train", "ml-100", str(files)]) == 1
    assert "ValueError: `name` must be one of ml-100k" in capsys.readouterr().err
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "2")  # `serve` sets them, and another test's process must not inherit that
    assert main(["serve", "--model", str(files / "nothing")]) == 1
    assert "manifest.json" in (error := capsys.readouterr().err) and error.count("\n") == 1

    def lost(*_):
        raise workers.WorkerLost("another of the 2 workers has ended")

    monkeypatch.setattr(command_line, "train", lost)
    assert train(files) == 1 and "WorkerLost: another of the 2" in capsys.readouterr().err


def test_several_workers_are_launched_with_the_same_command(files, monkeypatch):
    launched = []
    monkeypatch.setattr(workers, "launch", lambda command, number: launched.append((command[1:], number)) or 5)
    options = ["train", "ml-100k", "folder", "--workers", "2", "--seed", "7"]
    assert main(options) == 5
    assert launched == [(["-m", "movierec", *options], 2)]


def test_data_says_what_was_fetched(ml100k, capsys):
    assert main(["data", "ml-100k"]) == 0
    assert capsys.readouterr().out == f"{ml100k}\n"


def test_help_names_every_command_and_loads_no_tensorflow():
    code = "import sys; from movierec.__main__ import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    usage, _, loaded = run.stdout.partition("show this help message and exit")
    assert all(f"\n    {name} " in usage for name in ("doctor", "data", "train", "serve", "app"))
    assert "tensorflow" not in loaded.split()


@pytest.mark.parametrize("wrong", [[], ["docter"], ["train"], ["train", "ml-100k", "folder", "--epoch", "many"]])
def test_a_wrong_call_exits_with_2_and_shows_the_usage(wrong, capsys):
    with pytest.raises(SystemExit) as end:
        main(wrong)
    assert end.value.code == 2 and "usage: python -m movierec" in capsys.readouterr().err
