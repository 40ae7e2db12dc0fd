"""`python -m movierec train`: a line for each step, a model that loads, errors in one line."""

import re

import numpy as np
import pytest

import movierec
from movierec.__main__ import main
from movierec.data import write_csv
from movierec.training import command as train
from movierec.training import workers


@pytest.fixture
def files(checkerboard, tmp_path, monkeypatch):
    """The checkerboard as CSV files; nothing says that this process is one of several, and the cache is its own."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path / "data"))
    write_csv(checkerboard, tmp_path)
    return tmp_path


def ask(files, *options, data="ratings.csv"):
    """The exit code."""
    return train.main([str(files / data), str(files / "model"), "--movies", str(files / "movies.csv"), *options])


def test_from_files_to_a_saved_model(files, capsys):
    assert ask(files, "--epochs", "2", "--seed", "3", "--checkpoint", str(files / "kept")) == 0
    lines = capsys.readouterr().out.splitlines()
    steps = [re.fullmatch(r" +[\d.]+ s +[\d.]+ CPU s +[\d.]+ GB  (\w+) +(.+)", line) for line in lines]
    assert [step[1] for step in steps] == ["read", "split", *["epoch"] * 4, "fitted", "saved", "stars", "lists"]
    model = movierec.load_model(files / "model")
    assert model.seed == 3 and len(model.history) == 2
    data = movierec.read(files / "ratings.csv", files / "movies.csv")
    split = movierec.split_by_user_time(data.ratings)
    rmse = np.sqrt(np.mean((model.predict(split.test) - split.test["rating"]) ** 2))
    assert steps[-2][2] == f"test RMSE {rmse:.4f}"
    assert re.fullmatch(
        r"test ndcg@10 0\.\d{4}, test recall@10 [01]\.\d{4}, test hit_rate@10 [01]\.\d{4}", steps[-1][2]
    )


def test_what_cannot_be_done_is_said_in_one_line(files, capsys, monkeypatch):
    assert ask(files, data="nothing.csv") == 1
    assert "FileNotFoundError" in (error := capsys.readouterr().err) and error.count("\n") == 1
    assert train.main(["ml-100", str(files)]) == 1
    assert "ValueError: `name` must be one of ml-100k" in capsys.readouterr().err
    (files / "model").write_text("a file")
    assert ask(files, "--epochs", "1") == 1
    assert "Error" in capsys.readouterr().err

    def lost(*_):
        raise workers.WorkerLost("another of the 2 workers has ended")

    monkeypatch.setattr(train, "train", lost)
    assert ask(files) == 1 and "WorkerLost: another of the 2" in capsys.readouterr().err


def test_several_workers_are_launched_with_the_same_command(files, monkeypatch):
    launched = []
    monkeypatch.setattr(workers, "launch", lambda command, number: launched.append((command[1:], number)) or 5)
    options = ["ml-100k", "folder", "--workers", "2", "--seed", "7"]
    assert main(["train", *options]) == 5
    assert launched == [(["-m", "movierec", "train", *options], 2)]


def test_the_usage_names_both_commands(capsys):
    assert main([]) == 2
    usage = capsys.readouterr().err
    assert "python -m movierec doctor " in usage and "python -m movierec train DATA FOLDER" in usage
