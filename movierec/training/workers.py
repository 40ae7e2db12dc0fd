"""Several processes that train one model: on this machine by one command, on others by TF_CONFIG.

    python -m movierec.training.workers 2 script.py …       runs the script twice, as the two workers of a cluster

The script calls `strategy()` before anything else of TensorFlow, and hands it to `fit_hybrid`. Each worker has all of
the data and takes its share of every batch, so that two are one worker with the same batches: its losses, to rounding.
Taught in notebooks/10_serving.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time

GRACE_SECONDS = 5  # for a worker that is asked to end, before it is made to
LOOK_SECONDS = 0.2  # between two looks at who is still there


def strategy():
    """`tf.distribute.MultiWorkerMirroredStrategy` if TF_CONFIG says that this process is one of several; else None.

    To be called before any other operation of TensorFlow.

    Raises:
        ValueError: if TF_CONFIG is no cluster of workers with this process in it.
    """
    if not is_one_of_several():
        return None
    _check_config(os.environ["TF_CONFIG"])
    from movierec.keras2 import tf

    return tf.distribute.MultiWorkerMirroredStrategy()


class WorkerLost(RuntimeError):
    """One of several workers has ended before the training did."""


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


def is_one_of_several() -> bool:
    """Whether TF_CONFIG says so."""
    return bool(os.environ.get("TF_CONFIG"))


def is_first() -> bool:
    """Whether this process is the one that saves: the first worker, or the only process."""
    return json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {}).get("index", 0) == 0


def _check_config(config: str) -> None:
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


def launch(command: list[str], num_workers: int) -> int:
    """The exit code of `num_workers` processes of `command`, the workers of one cluster on this machine.

    0 if all ended well. If one ends otherwise, the others are ended, and it is said which, and why; then 1.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(num_workers)]
    processes = []
    try:
        for index in range(num_workers):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = os.environ | {"TF_CONFIG": json.dumps(config)}
            silent = {} if index == 0 else {"stdout": subprocess.DEVNULL}  # they would say the same
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
    """All are asked for before one is given back, or the same would come twice."""
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
        "kept: run the same command again, and with the same checkpoint folder it goes on there."
    )


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the launched workers."""
    parser = argparse.ArgumentParser(prog="python -m movierec.training.workers", description=__doc__.splitlines()[0])
    parser.add_argument("workers", type=int, help="how many, 1 or more")
    parser.add_argument("script", help="a Python file that calls movierec.training.workers.strategy()")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the script")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error(f"workers must be 1 or more; got {options.workers}")
    return launch([sys.executable, options.script, *options.arguments], options.workers)


if __name__ == "__main__":
    sys.exit(main())
