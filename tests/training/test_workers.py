"""Two workers are one with the same batches; if one is lost, the other says so, and both go on from the checkpoint."""

import json
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.training import workers

SECONDS = 180  # two processes that load TensorFlow on a busy machine
SCRIPT = """
import json, os, pickle, signal, sys
from movierec.training import workers

strategy = workers.strategy()
import movierec

out, settings, kill_after = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
split, movies, users = pickle.load(open(f"{out}/data.pickle", "rb"))
rows = []

def on_epoch(row):
    rows.append(row)
    if len(rows) == kill_after and not workers.is_first():
        os.kill(os.getpid(), signal.SIGKILL)

model = movierec.fit_hybrid(
    split, movies, users, strategy=strategy, on_epoch=on_epoch, checkpoint=f"{out}/kept", **settings
)
if workers.is_first():
    model.history.to_csv(f"{out}/history.csv", index=False)
    model.save(f"{out}/model")
    print("saved")
"""


def test_two_workers_of_which_one_was_killed_are_one_worker_with_the_same_batches(
    split, checkerboard, small, once, tmp_path, capfd
):
    """The first run loses a worker in the second of two epochs, without a launcher: the other says so, and ends. The
    second run, with the launcher, goes on. Losses and validation are those of `once` to rounding, dropout and what is
    hidden included; and so are the lists of the model."""
    (tmp_path / "data.pickle").write_bytes(pickle.dumps((split, checkerboard.movies, checkerboard.users)))
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [str(tmp_path / "script.py"), str(tmp_path), json.dumps({"seed": 3, "epochs": 2} | small)]

    addresses = [f"127.0.0.1:{port}" for port in workers.free_ports(2)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        command = [sys.executable, *arguments, "1"]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    first, second = processes
    try:
        assert second.wait(SECONDS) == -signal.SIGKILL
        _, errors = first.communicate(timeout=SECONDS)
        assert first.returncode == 1 and "WorkerLost: another of the 2 workers has ended, in epoch 2 of the s" in errors
        assert "Start all of them again" in errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()

    assert workers.launch([sys.executable, *arguments, "0"], 2) == 0
    assert capfd.readouterr().out.count("saved") == 1
    together = pd.read_csv(tmp_path / "history.csv")
    pd.testing.assert_frame_equal(together, once.history, check_dtype=False, rtol=1e-5, atol=1e-5)
    loaded = movierec.load_model(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict(split.test), once.predict(split.test), atol=1e-4)
    films = [model.recommend([100, 101], k=3)["movie_id"].tolist() for model in (loaded, once)]
    assert films[0] == films[1]


def test_without_tf_config_there_is_no_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert workers.strategy() is None and workers.is_first() and not workers.is_one_of_several()


@pytest.mark.parametrize(
    "config",
    [
        "nonsense",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_tf_config_that_is_none_is_refused(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="TF_CONFIG must name the workers and which of them this process is, e.g."):
        workers.strategy()


def test_the_launcher_tells_how_a_worker_ended(capfd):
    """One of two fails, or is killed; of three that end well, only the first may print."""
    index = "import json, os, sys; index = json.loads(os.environ['TF_CONFIG'])['task']['index'];"
    for fails, how in (
        (" sys.exit(3 * index)", "ended with exit code 3"),
        (" index and os.kill(os.getpid(), 9)", "SIGK"),
    ):
        assert workers.launch([sys.executable, "-c", index + fails], 2) == 1
        error = capfd.readouterr().err
        assert "worker 1 of 0 to 1 " in error and how in error and "run the same command again" in error
    assert workers.launch([sys.executable, "-c", "print('once')"], 3) == 0
    assert capfd.readouterr().out == "once\n"  # the others would say the same
    assert len(set(workers.free_ports(5))) == 5
