"""Several processes that train one model: on this machine by `launch`, on several by TF_CONFIG.

Each process calls `strategy()` before anything else of TensorFlow, and hands it to `fit_hybrid`. Each worker has all of
the data and takes its share of every batch, so two workers have the losses of one, to rounding. `python -m movierec
train … --workers 2` does all of this. Taught in notebooks/10_serving.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

GRACE_SECONDS = 5  # for a worker that is asked to end, before it is killed
LOOK_SECONDS = 0.2  # between two checks of the processes


class WorkerLost(RuntimeError):
    """One of several workers has ended before the training did."""


def is_one_of_several() -> bool:
    """Return whether TF_CONFIG makes this process one of several."""
    return bool(os.environ.get("TF_CONFIG"))


def is_first() -> bool:
    """Return whether this process is the one that saves: the first worker, or the only process."""
    return json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {}).get("index", 0) == 0


def strategy():
    """Return `tf.distribute.MultiWorkerMirroredStrategy` if TF_CONFIG makes this process one of several; else None.

    Call it before any other operation of TensorFlow.

    Raises:
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


def launch(command: list[str], num_workers: int) -> int:
    """Run `command` in `num_workers` processes, the workers of one cluster on this machine; return the exit code.

    It is 0 if all end well. If one does not, the others are ended, an error says which one and why, and it is 1.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(num_workers)]
    processes = []
    try:
        for index in range(num_workers):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = os.environ | {"TF_CONFIG": json.dumps(config)}
            silent = {} if index == 0 else {"stdout": subprocess.DEVNULL}  # the others would print the same
            processes.append(subprocess.Popen(command, env=environment, **silent))
        while (codes := [process.poll() for process in processes]).count(0) < num_workers:
            lost = [index for index, code in enumerate(codes) if code]
            if lost:
                _end(processes)
                print(_farewell(lost[0], codes[lost[0]], num_workers), file=sys.stderr)
                return 1
            time.sleep(LOOK_SECONDS)
        return 0
    finally:
        _end(processes)


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
