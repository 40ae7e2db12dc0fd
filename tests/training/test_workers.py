"""Two workers are one with the same batches, in a network of their own; if one is lost, the other says so, and both go
on from the checkpoint. All end with their launcher."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.training import isolation, workers

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

PAIR = """
import json, os, subprocess, sys
from movierec.training import workers

addresses = [f"127.0.0.1:{port}" for port in workers.free_ports(2)]
processes = []
for index in range(2):
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    environment = os.environ | {"TF_CONFIG": json.dumps(config)}
    processes.append(subprocess.Popen([sys.executable, *sys.argv[1:]], env=environment))
print(json.dumps([process.wait() for process in processes]))
"""
LISTENER = """
import json, os, pathlib, socket, sys, time

config = json.loads(os.environ["TF_CONFIG"])
index = config["task"]["index"]
ports = [int(address.split(":")[1]) for address in config["cluster"]["worker"]]
server = socket.create_server(("", ports[index]))  # on every interface, as TensorFlow does
heard = False
while not heard:
    with socket.socket() as other:
        heard = other.connect_ex(("127.0.0.1", ports[1 - index])) == 0
    time.sleep(0.05)
pathlib.Path(sys.argv[1], f"{index}.part").write_text(f"{os.getpid()} {ports[index]}")
os.rename(f"{sys.argv[1]}/{index}.part", f"{sys.argv[1]}/{index}.txt")
time.sleep(600)
"""
LAUNCHER = """
import sys
from movierec.training import workers

sys.exit(workers.launch([sys.executable, "-c", sys.argv[1], sys.argv[2]], 2, trusted_network=True))
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

    can_isolate = isolation.is_possible()
    pair = [sys.executable, "-c", PAIR, *arguments, "1"]
    environment = os.environ | ({} if can_isolate else {isolation.TRUSTED: "1"})
    pair = isolation.isolated(pair) if can_isolate else pair
    run = subprocess.run(pair, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert json.loads(run.stdout) == [1, -signal.SIGKILL]
    assert "WorkerLost: another of the 2 workers has ended, in epoch 2 of the s" in run.stderr
    assert "Start all of them again" in run.stderr

    assert workers.launch([sys.executable, *arguments, "0"], 2, trusted_network=not can_isolate) == 0
    assert capfd.readouterr().out.count("saved") == 1
    together = pd.read_csv(tmp_path / "history.csv")
    pd.testing.assert_frame_equal(together, once.history, check_dtype=False, rtol=1e-5, atol=1e-5)
    loaded = movierec.load_model(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict(split.test), once.predict(split.test), atol=1e-4)
    films = [model.recommend([100, 101], k=3)["movie_id"].tolist() for model in (loaded, once)]
    assert films[0] == films[1]


def test_without_tf_config_there_is_no_strategy_and_one_that_is_none_is_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert workers.strategy() is None and workers.is_first() and not workers.is_one_of_several()
    one = '"cluster": {"worker": ["a:1"]}'
    second = f'{{{one}, "task": {{"type": "worker", "index": 1}}}}'
    server = '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}'
    for config in ("nonsense", "[]", f"{{{one}}}", second, server):
        monkeypatch.setenv("TF_CONFIG", config)
        with pytest.raises(ValueError, match="TF_CONFIG must name the workers and which of them this process is, e.g."):
            workers.strategy()


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_cannot_be_reached_from_outside_and_end_with_their_launcher(way, tmp_path):
    """Both hear each other, on a port that listens everywhere; this process, outside, finds nobody there."""
    if not sys.platform.startswith("linux") and way is signal.SIGKILL:
        pytest.skip("only Linux tells a process that its parent was killed")
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, LISTENER, str(tmp_path)], stderr=subprocess.PIPE)
    files = [tmp_path / "0.txt", tmp_path / "1.txt"]
    _wait_until(lambda: all(file.exists() for file in files))
    pids, ports = zip(*([int(number) for number in file.read_text().split()] for file in files), strict=True)
    if isolation.is_possible():
        for port in ports:
            with socket.socket() as visitor:
                assert visitor.connect_ex(("127.0.0.1", port)) != 0
    os.kill(launcher.pid, way)
    error = launcher.communicate(timeout=SECONDS)[1].decode()
    assert launcher.returncode == (-9 if way is signal.SIGKILL else 128 + way) and "Traceback" not in error
    _wait_until(lambda: not any(_is_alive(pid) for pid in pids))


def _wait_until(condition):
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended, and that nobody has asked for its exit code, does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_without_a_network_of_their_own_workers_are_refused_unless_the_network_is_trusted(monkeypatch, capfd):
    """Before TensorFlow's server starts, by `launch` and by hand; what a trusted network risks is said."""
    monkeypatch.setattr(isolation, "is_possible", lambda: False)
    monkeypatch.delenv(isolation.TRUSTED, raising=False)
    with pytest.raises(OSError, match="without a password: whoever reaches it can .* add --trusted-network"):
        workers.launch([sys.executable, "-c", ""], 2)
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}')
    with pytest.raises(OSError, match="without a password"):
        workers.strategy()
    with pytest.raises(OSError, match="without a password"):
        isolation.isolate_this_program(False)
    monkeypatch.delenv("TF_CONFIG")
    code = "from movierec.training import isolation as i; i.check_trust(0)"
    assert workers.launch([sys.executable, "-c", code], 2, True) == 0
    assert "--trusted-network: TensorFlow's server of several workers listens on every" in capfd.readouterr().err
    assert not isolation.is_isolated()


def test_the_launcher_tells_how_a_worker_ended(capfd):
    """One of two fails, or is killed; of three that end well, only the first may print."""
    index = "import json, os, sys; index = json.loads(os.environ['TF_CONFIG'])['task']['index'];"
    ends = {" sys.exit(3 * index)": "ended with exit code 3", " index and os.kill(os.getpid(), 9)": "SIGK"}
    for fails, how in ends.items():
        assert workers.launch([sys.executable, "-c", index + fails], 2, True) == 1
        error = capfd.readouterr().err
        assert "worker 1 of 0 to 1 " in error and how in error and "run the same command again" in error
    assert workers.launch([sys.executable, "-c", "print('once')"], 3, True) == 0
    assert capfd.readouterr().out == "once\n"  # the others would say the same
    assert len(set(workers.free_ports(5))) == 5
