"""The service under load: answers within 50 ms at 200 requests a second, none wrong, no acknowledged event lost.

    python tests/benchmarks/serving_load.py --model data/cache/hybrid-ml-100k --rate 200 --seconds 30

starts the service on a free port, asks at random moments whether or not it has answered yet (an open loop), checks
every answer, kills the service with SIGKILL, and looks for every acknowledged event in its store. Latency counts from
the moment at which a request was due, so that one slow answer is not hidden by fewer questions after it. Where other
programs run, `chrt --rr 1` before the command (Linux) keeps them from the cores for that half a minute.

Source: G. Tene, *How NOT to measure latency* (2013), on coordinated omission.
"""

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data import data_folder
from movierec.record import Recorder, keep
from movierec.serving import Event, EventStore

GOAL_P99_MS = 50
MIX = {"GET /recommend": 0.60, "POST /recommend": 0.15, "GET /similar": 0.10, "POST /feedback": 0.15}
CONNECTIONS = 64  # kept alive; as many questions can be under way
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
NEWCOMERS = 20  # different ones, so that the same is asked again
K = 10
START_SECONDS, ANSWER_SECONDS = 120, 30  # at most


class Request(NamedTuple):
    """One question: when it is due, in seconds from the start, and what it asks."""

    due: float
    endpoint: str  # of MIX
    target: str
    body: dict | None
    user_id: int  # 0: nobody's


class Answer(NamedTuple):
    """What came back: status, the body's JSON, and the time of sending and of arrival in seconds from the start."""

    status: int
    content: dict
    sent: float
    arrived: float


def make_requests(folder: Path, rate: float, seconds: float, seed: int = 0) -> list[Request]:
    """Draw Poisson arrivals of the MIX, about users and films of the model in `folder`."""
    rng = np.random.default_rng(seed)
    with _arrays(folder) as arrays:
        users, movies, titles = (arrays[name].tolist() for name in ("user_ids", "movie_ids", "titles"))
    levels = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["levels"]  # stars that there are
    unique = [title for title, count in Counter(titles).items() if count == 1]
    newcomers = []
    for number in range(NEWCOMERS):
        rated = zip(rng.choice(unique, 3, False).tolist(), rng.choice(levels, 3).tolist(), strict=True)
        by_title = [{"title": title, "stars": stars} for title, stars in rated]
        newcomers.append({"stars": by_title, "k": K} if number else {"k": K})
    requests, due = [], 0.0
    while (due := due + rng.exponential(1 / rate)) < seconds:
        endpoint = str(rng.choice(list(MIX), p=list(MIX.values())))
        user_id, movie_id = int(rng.choice(users)), int(rng.choice(movies))
        kind = str(rng.choice(["view", "click", "stars"]))
        target, body = {
            "GET /recommend": (f"/recommend/{user_id}?k={K}", None),
            "POST /recommend": ("/recommend", newcomers[rng.integers(NEWCOMERS)]),
            "GET /similar": (f"/similar/{movie_id}?k={K}", None),
            "POST /feedback": ("/feedback", {"user_id": user_id, "movie_id": movie_id, "kind": kind}),
        }[endpoint]
        if endpoint == "POST /feedback" and kind == "stars":
            body = body | {"stars": float(rng.choice(levels))}
        requests.append(Request(due, endpoint, target, body, user_id if "recommend/" in target else 0))
    return requests


async def ask(port: int, requests: list[Request]) -> list[Answer | None]:
    """Return the answers in the order of the requests; None where the connection broke or nothing came in time.

    Plain streams: httpx would take more CPU for a question than the service for its answer.
    """
    free: asyncio.Queue = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    start = time.perf_counter()

    async def one(request: Request) -> Answer | None:
        await asyncio.sleep(request.due - (time.perf_counter() - start))
        reader, writer = await free.get()  # first in, first out: none is idle until the service closes it
        sent = time.perf_counter() - start
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, content = await _exchange(reader, writer, request.target, request.body)
        except (OSError, EOFError, ValueError, TimeoutError):
            writer.close()
            free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
            return None
        free.put_nowait((reader, writer))
        return Answer(status, content, sent, time.perf_counter() - start)

    answers = await asyncio.gather(*map(one, requests))
    while not free.empty():
        free.get_nowait()[1].close()
    return answers


async def _exchange(reader, writer, target: str, body: dict | None) -> tuple[int, dict]:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", "host: 127.0.0.1"]
    if content:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length: ", 1)[1].split("\r\n", 1)[0])
    return int(head.split(" ", 2)[1]), json.loads(await reader.readexactly(length))


def wrong(requests: list[Request], answers: list[Answer | None], seen: dict[int, set]) -> list[str]:
    """Return one text per request, "" where its answer is right.

    A list must have K films, ranked from 1, each once; none that its user has rated in train or validation, or has
    viewed or rated in an event acknowledged before the list was asked for; and be the same for the same newcomer.
    """
    events = defaultdict(list)  # user_id -> (when acknowledged, movie_id)
    for request, answer in zip(requests, answers, strict=True):
        if request.endpoint == "POST /feedback" and answer and request.body["kind"] != "click":
            events[request.body["user_id"]].append((answer.arrived, request.body["movie_id"]))
    first: dict[str, dict] = {}
    return [_wrong_one(request, answer, seen, events, first) for request, answer in zip(requests, answers, strict=True)]


def _wrong_one(request: Request, answer: Answer | None, seen: dict, events: dict, first: dict) -> str:
    if answer is None:
        return "no answer"
    if request.endpoint == "POST /feedback":
        same = answer.status == 201 and request.body.items() <= answer.content.items()
        return "" if same else f"status {answer.status}: {answer.content}"
    if answer.status != 200:
        return f"status {answer.status}: {answer.content}"
    films = answer.content["movies"]
    listed = {film["movie_id"] for film in films}
    if len(listed) != K or [film["rank"] for film in films] != list(range(1, K + 1)):
        return f"{len(listed)} different films, ranks {[film['rank'] for film in films]}"
    if request.user_id:
        known = {movie_id for acknowledged, movie_id in events[request.user_id] if acknowledged < answer.sent}
        again = listed & (seen.get(request.user_id, set()) | known)
        return f"recommended again: {sorted(again)}" if again else ""
    same = first.setdefault(f"{request.target} {request.body}", films)  # the list_id is new each time
    return "" if same == films else "another answer to the same question"


def lost(requests: list[Request], answers: list[Answer | None], path: Path) -> int:
    """Return the number of acknowledged events that are not in the store."""
    users = {request.body["user_id"] for request in requests if request.endpoint == "POST /feedback"}
    with EventStore(path) as store:
        kept = Counter(event for user_id in users for event in store.of(user_id, newest=len(requests)))
    told = Counter(
        Event(**answer.content)
        for request, answer in zip(requests, answers, strict=True)
        if request.endpoint == "POST /feedback" and answer and answer.status == 201
    )
    return (told - kept).total()


def latencies_ms(requests: list[Request], answers: list[Answer | None]) -> np.ndarray:
    """Return the milliseconds from the moment at which each request was due; no answer counts as a late one."""
    pairs = zip(requests, answers, strict=True)
    return 1000 * np.array([answer.arrived - request.due if answer else ANSWER_SECONDS for request, answer in pairs])


def summary(requests: list[Request], answers: list[Answer | None], faults: list[str], lost_events: int) -> pd.DataFrame:
    """Return a row for each endpoint, and the total: requests, p50_ms, p99_ms, wrong, lost."""
    endpoints = [request.endpoint for request in requests]
    table = pd.DataFrame({"endpoint": endpoints, "ms": latencies_ms(requests, answers), "fault": faults})
    rows = []
    for name, part in [*((name, table[table["endpoint"] == name]) for name in MIX), ("total", table)]:
        p50, p99 = np.quantile(part["ms"], [0.5, 0.99])
        gone = lost_events if name in ("POST /feedback", "total") else 0
        rows.append((name, len(part), round(p50, 1), round(p99, 1), int((part["fault"] != "").sum()), gone))
    return pd.DataFrame(rows, columns=["endpoint", "requests", "p50_ms", "p99_ms", "wrong", "lost"])


def seen_by_user(folder: Path) -> dict[int, set]:
    """Return user_id -> the films that must not be recommended again: train's and validation's."""
    with _arrays(folder) as arrays:
        seen = pd.DataFrame({"user_id": arrays["seen_user_id"], "movie_id": arrays["seen_movie_id"]})
    return seen.groupby("user_id")["movie_id"].agg(set).to_dict()


def _arrays(folder: Path):
    """Open the arrays where `storage` keeps them; importing it would load TensorFlow beside the service."""
    version = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["version"]
    return np.load(folder / str(version) / "assets.extra" / "arrays.npz")


def start(command: list) -> tuple[subprocess.Popen, int]:
    """Start the service; return its process and port once it is ready. Raise RuntimeError if it does not start."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()  # "ready: http://127.0.0.1:PORT/docs"
    if not line.startswith("ready: "):
        raise RuntimeError(f"the service did not start: exit code {process.wait(START_SECONDS)}, see above.")
    return process, int(line.rsplit(":", 1)[1].split("/", 1)[0])


def cpu_seconds(process_id: int) -> float:
    """Return user and system time of a process, in seconds; NaN where there is no /proc."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(folder: Path, rate: float, seconds: float) -> tuple[pd.DataFrame, pd.DataFrame, dict, list[str]]:
    """Return the table, quantiles of latency, numbers (CPU and wall seconds), and up to five faults in words."""
    requests, warm_up = make_requests(folder, rate, seconds), make_requests(folder, rate, 1.0, seed=1)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "events.db"
        command = [sys.executable, "-m", "movierec", "serve", "--no-page"]
        process, port = start([*command, "--model", folder, "--port", "0", "--events", path])
        try:
            unseen = [one for one in warm_up if one.endpoint != "POST /feedback"]  # these leave no trace in answers
            asyncio.run(ask(port, unseen))
            before, own, began = cpu_seconds(process.pid), time.process_time(), time.perf_counter()
            answers = asyncio.run(ask(port, requests))
            numbers = {"serving_wall_seconds": time.perf_counter() - began}
            numbers["serving_cpu_seconds"] = cpu_seconds(process.pid) - before
            numbers["serving_load_cpu_seconds"] = time.process_time() - own
        finally:
            process.kill()  # SIGKILL on purpose: what was acknowledged must be in the store all the same
            process.wait()
            process.stdout.close()
        faults = wrong(requests, answers, seen_by_user(folder))
        table = summary(requests, answers, faults, lost(requests, answers, path))
    quantiles = np.quantile(latencies_ms(requests, answers), QUANTILES).round(1)
    quantiles = pd.DataFrame({"quantile": [f"{quantile:g}" for quantile in QUANTILES], "ms": quantiles})
    return table, quantiles, numbers, [fault for fault in faults if fault][:5]


def main(arguments: list[str] | None = None) -> int:
    """Run the load; return the exit code: 1 if an answer was wrong, an event lost, or the service did not start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=data_folder() / "cache/hybrid-ml-100k", help="folder")
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args(arguments)
    try:
        table, quantiles, numbers, faults = run(options.model, options.rate, options.seconds)
    except (RuntimeError, OSError, KeyError) as error:
        print(f"serving_load: {error}", file=sys.stderr)
        return 1
    print(table.to_string(index=False), *faults, sep="\n")
    total = table.iloc[-1]
    numbers |= {"serving_requests_per_second": options.rate, "serving_slowest_percent_ms": float(total["p99_ms"])}
    record = Recorder("tests/benchmarks/serving_load.py")
    for name, value in numbers.items():
        print(f"{name.replace('_', ' ')}: {value:.1f}")
        if math.isfinite(value):
            record.number(name, value, tolerance=math.inf, digits=0 if value == int(value) else 1)
    record.table("serving", table, tolerance=dict.fromkeys(["requests", "p50_ms", "p99_ms"], math.inf))
    record.table("serving_quantiles", quantiles, tolerance={"ms": math.inf})
    keep("serving")
    keep("serving_quantiles")
    print(f"the slowest of a hundred: {total['p99_ms']} ms; the goal is {GOAL_P99_MS} ms")
    return int(total["wrong"] + total["lost"] > 0)


if __name__ == "__main__":
    sys.exit(main())
