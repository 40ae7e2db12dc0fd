"""`python -m movierec COMMAND`: a line for each step, a model that loads, one line for an error."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.__main__ import main
from movierec.data import write_csv
from movierec.training import command, workers

SECONDS = 180  # a process that loads TensorFlow on a busy machine


@pytest.fixture
def files(checkerboard, tmp_path, monkeypatch):
    """The checkerboard as CSV files; nothing says that this process is one of several, and the cache is its own."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path / "data"))
    write_csv(checkerboard, tmp_path)
    return tmp_path


def train(files, *options, data="ratings.csv", movies="movies.csv"):
    """Return the exit code of `train` on the files."""
    about = ["--movies", str(files / movies)] if movies else []
    return main(["train", str(files / data), str(files / "model"), *about, *options])


@pytest.fixture
def fitting(monkeypatch):
    """The arguments with which `fit_hybrid` would have been called; nothing is trained."""
    calls = []

    class NotTrained(ValueError):
        pass

    def fit_hybrid(split, movies, users, **settings):
        calls.append({"split": split, "movies": movies, "users": users} | settings)
        raise NotTrained("nothing is trained in this test")

    monkeypatch.setitem(vars(movierec), "fit_hybrid", fit_hybrid)  # without loading TensorFlow
    return calls


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

    monkeypatch.setattr(command, "train", lost)
    assert train(files) == 1 and "WorkerLost: another of the 2" in capsys.readouterr().err


def test_several_workers_are_launched_with_the_same_command(files, monkeypatch):
    launched = []
    monkeypatch.setattr(workers, "launch", lambda *asked: launched.append(asked) or 5)
    for trusted in ([], ["--trusted-network"]):
        options = ["train", str(files / "ratings.csv"), str(files / "model"), "--workers", "2", "--seed", "7", *trusted]
        assert main(options) == 5
        assert launched.pop() == ([sys.executable, "-m", "movierec", *options], 2, bool(trusted))


def test_what_is_wrong_is_said_before_workers_are_launched_or_anything_is_trained(files, capsys, monkeypatch, fitting):
    """A folder that cannot be made, one folder for two things, an option for files beside a release, stars that nobody
    gave, ranges: each in one line or as a wrong call, in the options of the command line."""
    monkeypatch.setattr(workers, "launch", lambda *_: pytest.fail("launched"))
    (files / "a file").write_text("")
    under, both = str(files / "a file" / "model"), str(files / "model")
    ratings = str(files / "ratings.csv")
    for arguments, words in (
        ([ratings, under], "a file/model must be a writable folder; Not a directory"),
        ([ratings, under, "--workers", "2"], "must be a writable folder"),
        ([ratings, both, "--checkpoint", under], "must be a writable folder"),
        ([ratings, both, "--checkpoint", both], "need two folders"),
        (["ml-100k", both, "--movies", "m.csv", "--scale", "0", "10"], "--movies, --scale is for files of your own"),
        ([ratings, both, "--liked-from", "9"], "rating is 5, and 40 of them are in train. --liked-from says what is "
         "liked, e.g. --liked-from 5. Or train --heads stars"),
        ([ratings, both, "--test", "0.01"], "Raise --test, or use --split leave_last."),
    ):  # fmt: skip
        assert main(["train", *arguments]) == 1, arguments
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1, error
    assert not fitting and not (files / "model").exists()
    for wrong in ("--workers=0", "--epochs=-1", "--test=1.5", "--seed=-1", "--learning-rate=0"):
        with pytest.raises(SystemExit) as end:
            train(files, wrong)
        assert end.value.code == 2 and re.search("must be .*, got ", capsys.readouterr().err)


def test_options_say_how_to_split_what_is_liked_and_what_to_train(files, fitting, capsys):
    data = movierec.read(files / "ratings.csv", files / "movies.csv")
    train(files, "--split", "leave_last", "--liked-from", "3", "--heads", "ranking", "--scale", "1", "5")
    call = fitting.pop()
    pd.testing.assert_frame_equal(call["split"].test, movierec.split_leave_last(data.ratings).test)
    assert (call["liked_from"], call["heads"], call["scale"]) == (3, ("ranking",), [1, 5])
    train(files, "--split", "random", "--test", "0.2", "--validation", "0.05")
    split, number = fitting.pop()["split"], len(data.ratings)
    assert (len(split.test), len(split.validation)) == (np.ceil(0.2 * number), np.ceil(0.25 * number) - len(split.test))
    train(files, "--split", "by_time")
    assert fitting.pop()["split"].in_time == "everyone"


def test_own_tables_of_every_kind_reach_the_training(files, fitting, capsys):
    """Text ids without times, with a table of users; clicks: no stars, no times; and a file whatever its name."""
    (files / "RATINGS").write_text((files / "ratings.csv").read_text())
    train(files, data="RATINGS")
    assert len(fitting.pop()["split"].train)
    rows = [(f"U{u}", f"M{m}", 1 + (u + m) % 5) for u in range(20) for m in range(12)]
    pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]).to_csv(files / "texts.csv", index=False)
    pd.DataFrame([(f"U{u}", 20 + u) for u in range(20)], columns=["user_id", "age"]).to_csv(
        files / "u.csv", index=False
    )
    train(files, "--users", str(files / "u.csv"), data="texts.csv", movies=None)
    call = fitting.pop()
    assert call["split"].train["user_id"].iloc[0].startswith("U") and call["users"]["age"].max() == 39
    notes = capsys.readouterr().err
    assert "Note: " in notes and "at random" in notes and "UserWarning" not in notes
    pd.DataFrame(rows).iloc[:, :2].set_axis(["user_id", "movie_id"], axis=1).to_csv(files / "clicks.csv", index=False)
    train(files, data="clicks.csv", movies=None)
    assert set(fitting.pop()["split"].train["rating"]) == {1.0}


def test_advice_is_given_in_options():
    advice = {
        "Raise `test`, or use `split_leave_last`.": "Raise --test, or use --split leave_last.",
        "Try movierec.split_by_user_time(data.ratings).": "Try --split by_user_time.",
        "Say it: movierec.read(…, scale=(0, 10)).": "Say it: --scale 0 10.",
        "another: fit_hybrid(…, checkpoint=folder).": "another: --checkpoint FOLDER.",
        "Use a smaller `ranking_learning_rate`.": "Use a smaller --ranking-learning-rate.",
        'Did you mean movierec.load("ml-1m")?': "Did you mean ml-1m?",
        'movierec.read("ratings.csv", "movies.csv")': "train ratings.csv my-model --movies movies.csv",
    }
    assert {python: command.in_options(python) for python in advice} == advice


def test_a_test_part_that_nobody_likes_is_said_before_and_the_model_is_saved(files, capsys, monkeypatch):
    """And an error while measuring, of whatever kind, says that the model is there."""
    ratings = pd.read_csv(files / "ratings.csv").sort_values("timestamp", kind="stable")
    place = ratings.groupby("userId").cumcount(ascending=False)
    ratings.loc[place == 0, "rating"] = 1
    ratings.to_csv(files / "ratings.csv", index=False)
    assert train(files, "--epochs", "1", "--split", "leave_last", "--heads", "ranking") == 0
    out, notes = capsys.readouterr()
    assert "the lists will not be measured, no user of test has a movie" in notes and "--liked-from 1." in notes
    assert [line.split()[7] for line in out.splitlines()][-1] == "saved"
    model = movierec.load_model(files / "model")
    assert model.best_epochs == {"ranking": 1}
    monkeypatch.setitem(vars(movierec), "fit_hybrid", lambda *_, **__: model)
    monkeypatch.setattr(type(model), "score", lambda *_: 1 / 0)
    assert train(files, "--heads", "ranking") == 1
    error = capsys.readouterr().err
    assert f"The model is saved in {files / 'model'}, but could not be measured. ZeroDivisionError" in error


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize(("way", "has_checkpoint"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_training_says_in_one_line_how_to_resume(way, has_checkpoint, files):
    """After the first epoch, at the last checkpoint; and for a training without one."""
    kept = ["--checkpoint", str(files / "kept")] if has_checkpoint else []
    arguments = [sys.executable, "-m", "movierec", "train", str(files / "ratings.csv"), str(files / "model"), *kept]
    running = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    try:
        for line in running.stdout:
            if " epoch " in line or not kept:
                os.kill(running.pid, way)
                break
        error = running.communicate(timeout=SECONDS)[1].splitlines()
    finally:
        running.kill()
    assert running.returncode == 128 + way
    again = " ".join([*arguments, *([] if kept else ["--checkpoint", str(files / "model-checkpoint")])])
    assert error[-1].startswith(f"Ended by {way.name}; ") and error[-1].endswith(again)
    assert "Traceback" not in "".join(error) and not (files / "model").exists()


def test_help_names_every_command_and_loads_no_tensorflow():
    code = "import sys; from movierec.__main__ import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    usage, _, loaded = run.stdout.partition("show this help message and exit")
    assert all(f"\n    {name} " in usage for name in ("doctor", "data", "train", "serve", "app"))
    assert "tensorflow" not in loaded.split()


def test_a_wrong_call_exits_with_2_and_shows_the_usage_and_data_says_what_was_fetched(ml100k, capsys):
    for wrong in ([], ["docter"], ["train"], ["train", "ml-100k", "folder", "--epoch", "many"]):
        with pytest.raises(SystemExit) as end:
            main(wrong)
        assert end.value.code == 2 and "usage: python -m movierec" in capsys.readouterr().err
    assert main(["data", "ml-100k"]) == 0
    assert capsys.readouterr().out == f"{ml100k}\n"
