"""The service as a process that is treated badly: half-sent requests, too many connections, signals, foreign names.

Protected: what is not sent in time is closed; the limit on connections lies below that on descriptors; the service
stops within seconds whatever is open; none of this fills a log.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from movierec.__main__ import main
from movierec.serving import connections
from movierec.serving.events import Event, EventStore
from tests.web import chromium

HERE = Path(__file__).parent
PROCESS = """
import sys
sys.path[:0] = {paths!r}
sys.modules["movierec.serving.served"] = __import__("test_service")
from movierec.serving import connections
connections.READ_SECONDS = 1
{more}
from movierec.__main__ import main
sys.exit(main())
"""
HEAD = b"POST /feedback HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 46\r\n"
BODY = b'{"user_id": 1, "movie_id": 20, "kind": "view"}'
SCHEMA = b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"  # some 20 kB
HEALTH = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@contextlib.contextmanager
def started(folder, *options, more="", environment=None, code_at_the_end=0):
    """Yield the process of a service and its port; afterwards it must have printed nothing."""
    command = ["serve", "--no-page", "--model", "m", "--port", "0", "--events", folder / "events.db", *options]
    code = PROCESS.format(paths=[str(HERE), str(HERE.parents[1])], more=more)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], cwd=HERE.parent, env=os.environ | (environment or {}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line.startswith("ready: "), process.communicate()[1]
        yield process, int(line.rsplit(":", 1)[1].removesuffix("/docs\n"))
    finally:
        process.terminate()
        out, errors = process.communicate(timeout=20)
    assert (process.returncode, out, errors) == (code_at_the_end, "", "")


@pytest.fixture
def connect():
    """Open a connection to a port; all are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda port: stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))


def until_closed(connection):
    """Return what comes before the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            found += part
    return found


def answer(connection):
    """Return one answer, which is a JSON object."""
    found = b""
    while not found.endswith(b"}"):
        found += connection.recv(65_536)
    return found


def test_what_is_not_sent_or_read_in_time_is_closed(tmp_path, connect):
    with started(tmp_path) as (_, port):
        halves = [b"", b"GET", HEALTH[:-2], HEAD, HEAD + b"\r\n", HEAD + b"\r\n" + BODY[:-1]]
        silent = [connect(port) for _ in halves]
        for connection, half in zip(silent, halves, strict=True):
            connection.sendall(half)
        dripping = connect(port)
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in HEAD * 10:  # a byte each 50 ms never ends
                dripping.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - begun < 8
        ends = [until_closed(connection).split(b"\r\n")[0] for connection in silent]
        assert ends == [b""] + [b"HTTP/1.1 408 Request Timeout"] * 5
        greedy, sent = connect(port), 0
        greedy.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while sent < 50_000_000:
                sent += greedy.send(SCHEMA * 100)  # asks and asks, and reads no answer
        deadline = time.monotonic() + 15
        is_open = True
        while is_open and time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                greedy.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                is_open = False
        assert not is_open
        whole = connect(port)
        whole.sendall(HEAD + b"\r\n" + BODY)
        assert answer(whole).startswith(b"HTTP/1.1 201")
        time.sleep(1.5)  # an answered connection stays, for the next request
        whole.sendall(HEALTH)
        assert answer(whole).startswith(b"HTTP/1.1 200")


def test_more_connections_than_descriptors_are_refused_without_a_word_in_the_log(tmp_path, connect):
    """The event loop would write a traceback for each attempt, thousands a second."""
    pytest.importorskip("resource")
    more = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); connections.READ_SECONDS = 6"
    with started(tmp_path, more=more) as (_, port):
        many = [connect(port) for _ in range(300)]
        ends = [until_closed(connection).split(b"\r\n")[0] for connection in many]
        assert ends.count(b"HTTP/1.1 503 Service Unavailable") >= 50  # 92 may stay
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        for _ in range(100):
            connection = connect(port)
            connection.sendall(b"no HTTP\r\n\r\n")
            assert until_closed(connection).startswith(b"HTTP/1.1 400")


def test_a_machine_that_allows_too_few_files_says_so(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(OSError, match="more than 164 open files; 100 are: `ulimit -n 1024`"):
        connections.most_connections()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert connections.most_connections() == 1_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_stops_within_seconds_whatever_is_open(tmp_path, connect, number):
    with started(tmp_path, more="connections.READ_SECONDS = 100") as (process, port):
        opened = [connect(port) for _ in range(5)]
        for connection, part in zip(opened, [b"", b"GET", HEAD, HEAD + b"\r\n", HEAD + b"\r\n" + BODY], strict=True):
            connection.sendall(part)
        assert answer(opened[-1]).startswith(b"HTTP/1.1 201")
        process.send_signal(number)
        assert process.wait(timeout=5) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["events.db"]  # closed, with all that was written
    with EventStore(tmp_path / "events.db") as store:
        assert len(store) == 1


def test_feedback_outlives_a_long_body_and_kill_nine_and_lists_react_after_a_restart(tmp_path):
    with started(tmp_path, code_at_the_end=-signal.SIGKILL) as (process, port):
        address, long = f"http://127.0.0.1:{port}", b" " * 10_000_000
        headers = {"content-type": "application/json"}
        assert httpx.post(f"{address}/recommend", content=long, headers=headers, timeout=20).status_code == 413
        assert httpx.post(f"{address}/feedback", content=BODY, headers=headers).status_code == 201
        process.kill()
    with started(tmp_path) as (_, port):
        answer = httpx.get(f"http://127.0.0.1:{port}/recommend/1?k=1").json()
        assert (answer["based_on"], answer["movies"][0]["movie_id"]) == ("history and feedback", 30)


def test_the_process_answers_to_its_own_names_only_and_to_those_who_know_the_token(tmp_path):
    with started(tmp_path, "--name", "movies.example", environment={"MOVIEREC_TOKEN": "secret"}) as (_, port):

        def status(host, **headers):
            return httpx.get(f"http://127.0.0.1:{port}/health", headers={"host": host} | headers).status_code

        right = {"authorization": "Bearer secret"}
        own = [f"127.0.0.1:{port}", f"localhost:{port}", "movies.example"]
        assert [status(host, **right) for host in own] == [200, 200, 200]
        assert (status("evil.example", **right), status(own[0])) == (400, 401)


def test_the_documentation_works_in_a_browser_without_any_other_host(tmp_path):
    """It lists every request, shows the limits, and sends what is typed."""
    with started(tmp_path) as (_, port), chromium() as browser:
        page, asked, errors = browser.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(f"http://127.0.0.1:{port}/docs")
        page.locator("summary", has_text="/feedback").click()
        box = page.locator("details", has_text="/feedback")
        assert box.get_by_text('kind: one of "view", "click", "stars"').first.is_visible()
        box.locator("textarea").fill('{"user_id": 77, "movie_id": 10, "kind": "view"}')
        box.get_by_role("button", name="Send").click()
        page.get_by_text('"time": ').wait_for()
        page.locator("summary", has_text="/recommend/{user_id}").click()
        box = page.locator("details", has_text="/recommend/{user_id}")
        box.locator("input").first.fill("77")
        box.get_by_role("button", name="Send").click()
        page.get_by_text('"based_on": "feedback"').wait_for()
        assert page.locator("summary").count() == 6 and errors == []
        assert {url.split("/")[2] for url in asked if url.startswith("http")} == {f"127.0.0.1:{port}"}


def test_a_user_is_forgotten_by_a_command(tmp_path, capsys):
    path = tmp_path / "events.db"
    assert main(["forget", "7", "--events", str(path)]) == 1
    assert "must be an event store; there is none" in capsys.readouterr().err and not path.exists()
    with EventStore(path) as store:  # as the service has it open
        for user_id in (7, 7, 8):
            store.append(Event(user_id=user_id, movie_id=10, kind="view", time=0))
        assert main(["forget", "7", "--events", str(path)]) == 0
        assert "2 events and 0 impressions of user 7 were deleted, 1 events of others" in capsys.readouterr().out
        assert (store.of(7), len(store)) == ([], 1)
