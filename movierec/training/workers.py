"""Several processes that train one model: on this machine by `launch`, on several by TF_CONFIG.

Each process calls `strategy()` before anything else of TensorFlow, and hands it to `fit_hybrid`. Each worker has all of
the data and takes its share of every batch, so two workers have the losses of one, to rounding. `python -m movierec
train … --workers 2` does all of this. TensorFlow's server asks for no password: see `isolation`. Taught in
notebooks/13_scale.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from movierec.training import isolation

GRACE_SECONDS = 3  # for a worker that is asked to end, before it is killed
LOOK_SECONDS = 0.2  # between two checks of the processes


class WorkerLost(RuntimeError):
    """One of several workers has ended before the training did."""


def is_one_of_several() -> bool:
    """Return whether TF_CONFIG makes this process one of several."""
    return bool(os.environ.get("TF_CONFIG"))


def is_first() -> bool:
    """Return whether this process is the one that saves: the first worker, or the only process."""
    return json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {}).get("index", 0) == 0


def strategy(trusted_network: bool = False):
    """Return `tf.distribute.MultiWorkerMirroredStrategy` if TF_CONFIG makes this process one of several; else None.

    Call it before any other operation of TensorFlow. Outside of `launch`, and on several machines, TensorFlow's server
    can be reached by everybody in the network; `trusted_network=True` says that you trust them.

    Raises:
        OSError: if the server could be reached from outside, and the network is not trusted.
        ValueError: if TF_CONFIG is no cluster of workers with this process in it.
    """
    if not is_one_of_several():
        return None
    config = os.environ["TF_CONFIG"]
    try:
        parsed = json.loads(config)
        workers, task = parsed["cluster"]["worker"], parsed["task"]
        good = task["type"] == "worker" and 0 <= int(task["index"]) < len(workers)
    except (ValueError, LookupError, TypeError):
        good = False
    if not good:
        example = {"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": "worker", "index": 0}}
        raise ValueError(
            f"TF_CONFIG must name the workers and which of them this process is, e.g. {json.dumps(example)}; got "
            f"{config[:200]!r}. Unset it to train alone."
        )
    isolation.check_trust(trusted_network)
    from movierec.keras2 import tf

    return tf.distribute.MultiWorkerMirroredStrategy()


def shared(batches, strategy):
    """Return a data set whose batches the workers of `strategy` share: each replica takes its part of every batch."""
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches

    def own_shares(context):
        from movierec.keras2 import tf

        own = replicas // context.num_input_pipelines
        first = own * context.input_pipeline_id

        def shares(batch):
            parts = {name: tf.reshape(rows, [replicas, -1, *rows.shape[1:]]) for name, rows in batch.items()}
            return tf.data.Dataset.from_tensor_slices({name: part[first : first + own] for name, part in parts.items()})

        return batches.flat_map(shares)

    return strategy.distribute_datasets_from_function(own_shares)


def launch(command: list[str], num_workers: int, trusted_network: bool = False) -> int:
    """Run `command` in `num_workers` processes, the workers of one cluster on this machine; return the exit code.

    It is 0 if all end well. If one does not, the others are ended, an error says which one and why, and it is 1. All
    end with this process, too. They run in a network of their own, see `isolation`; where the machine has none, the
    workers' server can be reached from outside, and `trusted_network` must allow it.

    Raises:
        OSError: if there is no network of their own, and the network is not trusted.
        Ended: if this process got SIGINT or SIGTERM; then the workers have ended.
    """
    if not isolation.is_isolated():
        if isolation.is_possible():
            inside = [sys.executable, "-m", "movierec.training.workers", str(num_workers), *command]
            return _supervise([subprocess.Popen(isolation.isolated(inside), start_new_session=True)])
        isolation.check_trust(trusted_network)
        print(f"--trusted-network: {isolation.LISTENS}", file=sys.stderr)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(num_workers)]
    processes = []
    for index in range(num_workers):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        if not isolation.is_isolated():
            environment[isolation.TRUSTED] = "1"
        silent = {} if index == 0 else {"stdout": subprocess.DEVNULL}  # the others would print the same
        # A session of their own: Ctrl-C reaches the launcher alone, which ends them and says one sentence.
        worker = subprocess.Popen(isolation.attached(command), env=environment, start_new_session=True, **silent)
        processes.append(worker)
    return _supervise(processes)


def _supervise(processes: list) -> int:
    """Wait until all processes have ended well, or one has not; then end the others. Return the exit code."""
    try:
        with ended_by_signals():
            while (codes := [process.poll() for process in processes]).count(0) < len(processes):
                lost = [index for index, code in enumerate(codes) if code]
                if lost and len(processes) == 1:
                    return max(codes[0], 1)
                if lost:
                    _end(processes)
                    print(_farewell(lost[0], codes[lost[0]], len(processes)), file=sys.stderr)
                    return 1
                time.sleep(LOOK_SECONDS)
            return 0
    finally:
        _end(processes)


class Ended(SystemExit):
    """This process was asked to end, by SIGINT (Ctrl-C) or SIGTERM. `code` is 128 + the signal, as shells have it."""


@contextlib.contextmanager
def ended_by_signals():
    """Raise `Ended` on SIGINT or SIGTERM; one that comes a second later ends the process at once. Main thread only."""
    received = []

    def end(number, frame):
        received.append(time.monotonic())
        if len(received) == 1:
            raise Ended(128 + number)
        if received[-1] - received[0] > 1:  # not the same one again, which `make` and terminals send
            os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_ports(count: int) -> list[int]:
    """Return different free ports: all are reserved before one is given back."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def _end(processes: list) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _farewell(index: int, code: int, num_workers: int) -> str:
    how = f"was killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return (
        f"worker {index} of 0 to {num_workers - 1} {how}; the others were ended. Nothing after the last checkpoint is "
        "kept: run the same command again, and with the same checkpoint folder it resumes there."
    )


if __name__ == "__main__":
    sys.exit(launch(sys.argv[2:], int(sys.argv[1])))
