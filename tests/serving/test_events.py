"""The log of feedback: what was acknowledged is there after a crash; what is damaged is refused and left alone."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from movierec.serving.events import FIRST_LINE, Event, FeedbackLog, checked

ROOT = Path(__file__).resolve().parents[2]
VIEW = Event(1, 50, "view", None, 900_000_000)
CLICK = Event(2, 50, "click", None, 900_000_001)
STARS = Event(1, 100, "stars", 4.5, 900_000_002)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a folder" / "feedback.jsonl"


def _run(code, *arguments, **options):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, **options)


# ---- kept


def test_events_come_back_by_user_oldest_first_from_memory_and_from_the_file(path):
    with FeedbackLog(path) as log:
        for event in (VIEW, CLICK, STARS):
            log.append(event)
        assert (log.of(1), log.of(2), log.of(3), len(log)) == ([VIEW, STARS], [CLICK], [], 3)
    with FeedbackLog(str(path)) as again:
        assert (again.of(1), again.of(2), again.of(3), len(again)) == ([VIEW, STARS], [CLICK], [], 3)
        again.append(VIEW)
        assert again.of(1) == [VIEW, STARS, VIEW]


def test_the_file_is_one_json_object_a_line_below_its_name(path):
    with FeedbackLog(path) as log:
        log.append(STARS)
    assert path.read_bytes() == (
        b'{"format":"movierec-feedback-1"}\n{"user_id":1,"movie_id":100,"kind":"stars","stars":4.5,"time":900000002}\n'
    )


def test_a_list_that_was_handed_out_does_not_change_the_log(path):
    with FeedbackLog(path) as log:
        log.append(VIEW)
        log.of(1).clear()
        assert log.of(1) == [VIEW]


def test_append_returns_after_fsync_and_the_list_knows_the_event_only_then(path, monkeypatch):
    log, synced = FeedbackLog(path), []

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_size, log.of(1)))

    monkeypatch.setattr(os, "fsync", fsync)
    log.append(VIEW)
    assert synced == [(path.stat().st_size, [])]  # all bytes were written, and nobody had been told
    log.close()


def test_a_closed_log_takes_nothing_and_closing_twice_is_closing_once(path):
    log = FeedbackLog(path)
    log.close()
    log.close()
    with pytest.raises(ValueError, match="must be open; it has been closed"):
        log.append(VIEW)
    assert path.read_bytes() == FIRST_LINE


# ---- what an event must be


@pytest.mark.parametrize("event", [VIEW, CLICK, STARS, Event(-(2**63), 2**63 - 1, "stars", 4, 0)])
def test_valid_events_are_returned(event):
    assert checked(event) is event


@pytest.mark.parametrize(
    "event, reason",
    [
        (VIEW._replace(kind="like"), "`kind` must be one of view, click, stars; got 'like'"),
        (VIEW._replace(kind=["view"]), "`kind` must be one of"),
        (VIEW._replace(stars=4.0), "no other; 'view' has 4.0"),
        (STARS._replace(stars=None), "'stars' has None"),
        (STARS._replace(stars=float("nan")), "must be a finite number; got nan"),
        (STARS._replace(stars=float("inf")), "must be a finite number; got inf"),
        (STARS._replace(stars="5"), "must be a finite number; got '5'"),
        (STARS._replace(stars=True), "must be a finite number; got True"),
        (VIEW._replace(user_id=2**63), "`user_id` must be a whole number of 64 bits"),
        (VIEW._replace(movie_id=-(2**63) - 1), "`movie_id` must be a whole number of 64 bits"),
        (VIEW._replace(movie_id=True), "`movie_id` must be a whole number"),
        (VIEW._replace(time=1.5), "`time` must be a whole number"),
    ],
)
def test_invalid_events_are_refused_and_not_written(path, event, reason):
    with FeedbackLog(path) as log:
        with pytest.raises(ValueError, match=reason):
            log.append(event)
        log.append(VIEW)  # the refused one does not wait for its turn
        assert len(log) == 1
    assert path.read_bytes().count(b"\n") == 2


# ---- damaged files


def _written(path, *events):
    with FeedbackLog(path) as log:
        for event in events:
            log.append(event)
    return path.read_bytes()


def test_a_last_line_torn_at_any_byte_is_cut_off_and_the_next_event_takes_its_place(path):
    whole = _written(path, VIEW, STARS)
    kept = whole[: whole.rindex(b"\n", 0, -1) + 1]  # without the last line
    for torn in range(len(kept), len(whole)):
        path.write_bytes(whole[:torn])
        with FeedbackLog(path) as log:
            assert log.of(1) == [VIEW]
            assert path.read_bytes() == kept
            log.append(STARS)
        assert path.read_bytes() == whole


def test_a_file_torn_in_its_first_line_is_a_new_log(path):
    whole = _written(path, VIEW)
    for torn in range(len(FIRST_LINE)):
        path.write_bytes(FIRST_LINE[:torn])
        assert _written(path, VIEW) == whole


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"not JSON\n",
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b"[" * 100_000 + b"\n",
        b'{"user_id":1,"movie_id":100,"kind":"view","stars":null}\n',
        b'{"user_id":1,"movie_id":100,"kind":"view","stars":null,"time":1,"mood":"good"}\n',
        b'{"user_id":1,"movie_id":100,"kind":"stars","stars":NaN,"time":1}\n',
        b'{"user_id":"1","movie_id":100,"kind":"view","stars":null,"time":1}\n',
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_damaged_line_is_refused_by_number_and_the_file_left_alone(path, line, last):
    """A line that ends was acknowledged: to drop it silently would lose it."""
    whole = _written(path, VIEW, STARS)
    lines = whole.splitlines(keepends=True)
    damaged = whole + line if last else b"".join([*lines[:2], line, *lines[2:]])
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=f"line {4 if last else 3} is not .*delete line"):
        FeedbackLog(path)
    assert path.read_bytes() == damaged
    path.write_bytes(whole)  # what the message advises
    FeedbackLog(path).close()


@pytest.mark.parametrize(
    "foreign", [b"a,b\n1,2\n", b"one line, no end", b"\x00" * 50, b'{"format":"other-1"}\n', b"\n"]
)
def test_a_foreign_file_is_refused_and_left_alone(path, foreign):
    path.parent.mkdir()
    path.write_bytes(foreign)
    with pytest.raises(ValueError, match="must begin with .*Name another file"):
        FeedbackLog(path)
    assert path.read_bytes() == foreign


def test_a_folder_or_a_place_where_nothing_can_be_written_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        FeedbackLog(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        FeedbackLog(tmp_path / "file" / "log")


# ---- one process


def test_a_second_opener_is_refused_here_and_elsewhere_until_the_first_is_gone(path):
    code = "import sys; from movierec.serving.events import FeedbackLog; FeedbackLog(sys.argv[1])"
    with FeedbackLog(path) as log:
        with pytest.raises(BlockingIOError, match="must belong to one process alone; another has it open"):
            FeedbackLog(path)
        elsewhere = _run(code, path)
        assert elsewhere.returncode == 1 and "must belong to one process alone" in elsewhere.stderr
        log.append(VIEW)
    assert _run(code, path).returncode == 0


def test_a_refused_opener_does_not_cut_off_what_the_first_is_writing(path):
    log = FeedbackLog(path)
    with open(path, "ab") as halfway:
        halfway.write(b'{"user_id":1')
    with pytest.raises(BlockingIOError):
        FeedbackLog(path)
    assert path.read_bytes().endswith(b'{"user_id":1')
    log.close()


# ---- threads


def test_eight_threads_lose_nothing_and_keep_the_order_of_each(path):
    def work(user_id):
        for number in range(50):
            log.append(Event(user_id, number, "click", None, 0))

    with FeedbackLog(path) as log:
        threads = [threading.Thread(target=work, args=[user_id]) for user_id in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(log) == 400
    with FeedbackLog(path) as again:
        for user_id in range(8):
            assert [event.movie_id for event in again.of(user_id)] == list(range(50))


def _append_at_once(log, events):
    """What each of the threads got: None or the error."""
    got = [None] * len(events)

    def work(place):
        try:
            log.append(events[place])
        except (OSError, ValueError) as error:
            got[place] = error

    threads = [threading.Thread(target=work, args=[place]) for place in range(len(events))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_threads_that_wait_together_share_an_fsync(path, monkeypatch):
    calls, real = [], os.fsync

    def slow(descriptor):
        calls.append(descriptor)
        time.sleep(0.1)  # a slow disk: all the others arrive in the meantime
        real(descriptor)

    with FeedbackLog(path) as log:
        monkeypatch.setattr(os, "fsync", slow)
        assert _append_at_once(log, [Event(user, 1, "view", None, 0) for user in range(8)]) == [None] * 8
        assert len(log) == 8 and 1 <= len(calls) <= 3  # the first alone, the rest in one or two


def test_when_a_shared_fsync_fails_everybody_who_waits_is_told(path, monkeypatch):
    def failing(descriptor):
        time.sleep(0.1)
        raise OSError(errno.EIO, "the disk is broken")

    with FeedbackLog(path) as log:
        log.append(VIEW)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            got = _append_at_once(log, [Event(user, 1, "view", None, 0) for user in range(8)])
        assert [error.errno for error in got] == [errno.EIO] * 8
        assert len(log) == 1 and path.read_bytes().count(b"\n") == 2
        log.append(STARS)
        assert log.of(1) == [VIEW, STARS]
    assert _written(path).count(b"\n") == 3


# ---- a full disk


def test_a_full_disk_is_an_oserror_that_leaves_no_half_line_and_later_events_are_kept(path):
    """The limit on a file's size stands for the disk: the system takes 20 bytes of the event, then no more."""
    pytest.importorskip("resource")
    code = """
import resource, sys
from movierec.serving.events import Event, FeedbackLog
event = Event(1, 50, "view", None, 900_000_000)
log = FeedbackLog(sys.argv[1])
log.append(event)
before = log.path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, resource.RLIM_INFINITY))
for attempt in range(2):
    try:
        log.append(event)
    except OSError as error:
        print(error.strerror, log.path.read_bytes() == before, len(log))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append(event)
print(log.path.read_bytes() == before + before.splitlines(keepends=True)[1], len(log))
"""
    run = _run(code, path)
    assert (run.stdout, run.stderr) == (2 * f"{os.strerror(errno.EFBIG)} True 1\n" + "True 2\n", "")


def test_what_cannot_be_taken_back_at_once_is_taken_back_before_the_next_event(path, monkeypatch):
    with FeedbackLog(path) as log:
        log.append(VIEW)
        torn = _Torn(log._file)
        monkeypatch.setattr(log, "_file", torn)
        with pytest.raises(OSError, match="No space"):
            log.append(STARS)
        assert path.read_bytes().endswith(b'{"user_id"')  # 10 bytes, and truncate failed, too
        torn.broken = False
        log.append(CLICK)
    assert [json.loads(line)["kind"] for line in path.read_bytes().splitlines()[1:]] == ["view", "click"]


class _Torn:
    """A file on a disk that takes ten bytes, then fails."""

    def __init__(self, file):
        self.file, self.broken = file, True

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, text):
        if not self.broken:
            return self.file.write(text)
        self.file.write(text[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    def truncate(self, size):
        if self.broken:
            raise OSError(errno.EIO, "the disk is broken")
        return self.file.truncate(size)


# ---- kill -9

APPENDING = """
import sys, threading
from movierec.serving.events import Event, FeedbackLog
log, start, say = FeedbackLog(sys.argv[1]), int(sys.argv[2]), threading.Lock()
def work(thread):
    for number in range(start + thread, sys.maxsize, 4):
        log.append(Event(thread, number, "stars", 4.5, 900_000_000))
        with say:
            print(number, flush=True)
for thread in range(4):
    threading.Thread(target=work, args=[thread]).start()
"""


def test_what_was_acknowledged_is_there_after_kill_nine(path):
    acknowledged, start = set(), 0
    for seconds in (0.05, 0.2, 0.11, 0.3):
        command = [sys.executable, "-c", APPENDING, path, str(start)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            first = process.stdout.readline()
            time.sleep(seconds)
            process.kill()
            rest = process.stdout.read()
        said = [int(line) for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
        assert len(said) > 4, "the test is of nothing if it is killed too early"
        acknowledged |= set(said)
        with FeedbackLog(path) as log:
            events = [event for thread in range(4) for event in log.of(thread)]
            numbers = [event.movie_id for event in events]
            assert acknowledged <= set(numbers)
            assert len(numbers) == len(set(numbers)) == len(log)  # none twice
        start = max(numbers) + 4 - max(numbers) % 4
