"""Two workers are one with the same batches; who loses one is told so, and goes on from the checkpoint."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.training import workers

SECONDS = 180  # two processes that load TensorFlow on a busy machine
SETTINGS = dict(dim=4, ranking_dim=4, hidden=(4,), ranking_hidden=(4,), batch_size=64, users_per_batch=8, seed=3)
SCRIPT = """
import json, os, signal, sys
from movierec.training import workers

strategy = workers.strategy()
import pandas as pd
import movierec

out, settings, kill_after = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
parts = [pd.read_csv(f"{out}/{name}.csv") for name in ("train", "validation", "test")]
split = movierec.Split(*(part.astype({"rating": "float32"}) for part in parts), "user")
rows = []

def on_epoch(row):
    rows.append(row)
    if len(rows) == kill_after and not workers.is_first():
        os.kill(os.getpid(), signal.SIGKILL)

model = movierec.fit_hybrid(split, strategy=strategy, on_epoch=on_epoch, **settings)
if workers.is_first():
    model.history.to_csv(f"{out}/history.csv", index=False)
    model.save(f"{out}/model")
    print("saved")
"""


@pytest.fixture
def place(split, tmp_path):
    """A folder with the script and the parts of the checkerboard."""
    for name in ("train", "validation", "test"):
        getattr(split, name).to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def run(place, num_workers, kill_after=0, **settings):
    """The finished process of `python -m movierec.training.workers`."""
    arguments = [str(place / "script.py"), str(place), json.dumps(SETTINGS | settings), str(kill_after)]
    command = [sys.executable, "-m", "movierec.training.workers", str(num_workers), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_two_workers_are_one_with_the_same_batches(place, split):
    """Losses and validation of two epochs to 1e-5, dropout and what is hidden included; and the lists of the model."""
    done = run(place, 2, epochs=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("saved") == 1
    alone = movierec.fit_hybrid(split, **SETTINGS, epochs=2)
    together = pd.read_csv(place / "history.csv")
    pd.testing.assert_frame_equal(together, alone.history, check_dtype=False, rtol=1e-5, atol=1e-5)
    loaded = movierec.load_model(place / "model")
    np.testing.assert_allclose(loaded.predict(split.test), alone.predict(split.test), atol=1e-4)
    assert (
        loaded.recommend([100, 101], k=3)["movie_id"].tolist() == alone.recommend([100, 101], k=3)["movie_id"].tolist()
    )


def test_a_worker_that_is_killed_ends_the_run_and_the_next_goes_on(place, split):
    settings = {"epochs": 4, "patience": 9, "heads": ["stars"], "checkpoint": str(place / "kept")}
    started = time.monotonic()
    lost = run(place, 2, kill_after=2, **settings)
    assert lost.returncode == 1 and "saved" not in lost.stdout
    assert "worker 1 of 0 to 1 was killed by signal SIGKILL; the others were ended." in lost.stderr
    assert "run the same command again" in lost.stderr
    assert time.monotonic() - started < SECONDS
    again = run(place, 2, **settings)
    assert again.returncode == 0, again.stderr
    del settings["checkpoint"]
    alone = movierec.fit_hybrid(split, **SETTINGS | settings)
    together = pd.read_csv(place / "history.csv")
    pd.testing.assert_frame_equal(together, alone.history, check_dtype=False, rtol=1e-5, atol=1e-5)


def test_a_worker_without_the_launcher_says_that_another_was_lost(place):
    """Within 30 seconds of the kill, with what to do, and no launcher to end it."""
    addresses = [f"127.0.0.1:{port}" for port in workers.free_ports(2)]
    settings = SETTINGS | {"epochs": 500, "patience": 500, "heads": ["stars"]}
    arguments = [str(place / "script.py"), str(place), json.dumps(settings)]

    def start(index, kill_after):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        command = [sys.executable, *arguments, str(kill_after)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    first, second = start(0, 0), start(1, 3)
    try:
        assert second.wait(SECONDS) == -signal.SIGKILL
        killed = time.monotonic()
        _, errors = first.communicate(timeout=30)
        assert time.monotonic() - killed < 30 and first.returncode == 1
        assert (
            "WorkerLost: another of the 2 workers has ended, in epoch" in errors and "Start all of them again" in errors
        )
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()


def test_a_batch_that_cannot_be_shared_is_refused(place):
    done = run(place, 2, epochs=1, users_per_batch=7)
    assert done.returncode == 1
    assert "a batch must be a multiple of the 2 workers; one of the ranking head has 7 rows" in done.stderr


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
    """One that fails, among two; and the usage."""
    fails = "import json, os, sys; sys.exit(3 * json.loads(os.environ['TF_CONFIG'])['task']['index'])"
    assert workers.launch([sys.executable, "-c", fails], 2) == 1
    assert "worker 1 of 0 to 1 ended with exit code 3; the others were ended." in capfd.readouterr().err
    assert workers.launch([sys.executable, "-c", "print('once')"], 3) == 0
    assert capfd.readouterr().out == "once\n"  # the others would say the same
    with pytest.raises(SystemExit):
        workers.main(["0", "script.py"])
    assert "workers must be 1 or more; got 0" in capfd.readouterr().err


def test_ports_are_free_and_different():
    ports = workers.free_ports(5)
    assert len(set(ports)) == 5 and all(1024 < port < 65536 for port in ports)
