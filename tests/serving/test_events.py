"""The event store.

Protected: a damaged or foreign file is refused and left alone; reading is bounded; a user can be forgotten; threads and
processes may share a store. That acknowledged events outlive kill -9: test_service.py and test_serving_load.py.
"""

import concurrent.futures
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from movierec.serving.events import NEWEST, Event, EventStore

ROOT = Path(__file__).resolve().parents[2]
VIEW = Event(user_id=1, movie_id=50, kind="view", time=900_000_000)
CLICK = Event(user_id=2, movie_id=50, kind="click", time=900_000_001)
STARS = Event(user_id=1, movie_id=100, kind="stars", stars=4.5, time=900_000_002)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a folder" / "events.db"


# ---- what is kept


def test_events_come_back_by_user_oldest_first_here_and_after_reopening(path):
    with EventStore(path) as store:
        for event in (VIEW, CLICK, STARS):
            store.append(event)
        assert (store.of(1), store.of(2), store.of(3), len(store)) == ([VIEW, STARS], [CLICK], [], 3)
    with EventStore(str(path)) as again:
        again.append(VIEW)
        assert (again.of(1), again.of(2), len(again)) == ([VIEW, STARS, VIEW], [CLICK], 4)
        again.append(largest := Event(user_id=-(2**63), movie_id=2**63 - 1, kind="stars", stars=4, time=0))
        assert again.of(-(2**63)) == [largest]


def test_any_tool_can_read_the_file_and_finds_a_user_by_an_index(path):
    with EventStore(path) as store:
        store.append(STARS)
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT user_id, movie_id, kind, stars, time FROM event").fetchall()
        plan = database.execute("EXPLAIN QUERY PLAN SELECT * FROM event WHERE user_id = 1 ORDER BY id DESC").fetchall()
    assert rows == [(1, 100, "stars", 4.5, 900_000_002)]
    assert [step[3] for step in plan] == ["SEARCH event USING INDEX event_of_user (user_id=?)"]  # and no sorting


def test_a_list_reads_only_the_newest_events_and_the_file_keeps_the_older(path):
    with EventStore(path) as store:
        for number in range(5):
            store.append(VIEW.model_copy(update={"movie_id": number}))
        assert [event.movie_id for event in store.of(1, newest=2)] == [3, 4]
        store._database.executemany("INSERT INTO event VALUES (NULL, 1, ?, 'view', NULL, 0)", [(7,)] * NEWEST)
        assert [event.movie_id for event in store.of(1)] == [7] * NEWEST and len(store) == NEWEST + 5


def test_a_user_is_forgotten_to_the_last_byte(path):
    """Neither the file nor its log of recent changes holds what was deleted; others keep theirs."""
    secret = 0x5EC2E7F00D5EC2E7 >> 1
    with EventStore(path) as store:
        store.append(CLICK)
        for _ in range(3):
            store.append(VIEW.model_copy(update={"movie_id": secret}))
        assert _holds(path, secret)
        assert store.forget(1) == 3 and store.forget(1) == 0
        assert not _holds(path, secret)
        assert (store.of(1), store.of(2)) == ([], [CLICK])


def _holds(path, number):
    return any(number.to_bytes(8) in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize(  # test_service.py has more: the service checks with the same model
    "change, reason",
    [
        ({"kind": "stars", "stars": float("nan")}, "finite number"),
        ({"movie_id": -(2**63) - 1}, "greater than or equal to -9223372036854775808"),
        ({"time": 1.5}, "valid integer"),
    ],
)
def test_an_event_must_make_sense(change, reason):
    with pytest.raises(ValidationError, match=reason):
        Event(**VIEW.model_dump() | change)


# ---- what is refused


def test_a_closed_store_takes_no_events_and_closing_twice_is_closing_once(path):
    store = EventStore(path)
    store.close()
    store.close()
    with pytest.raises(OSError, match="could not be used; SQLite says: Cannot operate on a closed database"):
        store.append(VIEW)


@pytest.mark.parametrize("foreign", [b"a,b\n1,2\n", b"x" * 5_000, "another program"])
def test_a_foreign_file_is_refused_and_left_alone(path, foreign):
    path.parent.mkdir()
    if isinstance(foreign, bytes):
        path.write_bytes(foreign)
    else:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE event (x)")
    before = path.read_bytes()
    reason = "(file is not a database|it is a database of another program). Nothing was changed. Name another file"
    with pytest.raises(ValueError, match=f"must be an event store, or not be there yet; {reason}"):
        EventStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut short", "overwritten"])
def test_a_damaged_file_is_refused_and_left_alone(path, damage):
    with EventStore(path) as store:
        for number in range(200):
            store.append(VIEW.model_copy(update={"movie_id": number}))
    whole = path.read_bytes()
    damaged = whole[:5_000] if damage == "cut short" else whole[:4_096] + b"\xff" * 100 + whole[4_196:]
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="malformed|it is damaged.*restore this one from a copy"):
        EventStore(path)
    assert path.read_bytes() == damaged


def test_a_folder_or_a_place_where_nothing_can_be_written_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        EventStore(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        EventStore(tmp_path / "file" / "events.db")


def test_a_full_disk_is_an_oserror_and_later_events_are_kept(path):
    """The limit on a file's size stands for the disk."""
    pytest.importorskip("resource")
    code = """
import resource, sys
from movierec.serving.events import Event, EventStore
event = Event(user_id=1, movie_id=50, kind="view", time=0)
store = EventStore(sys.argv[1])
store.append(event)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
for attempt in range(2):
    try:
        store.append(event)
    except OSError:
        print("refused", len(store))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.append(event)
print("kept", len(store))
"""
    run = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("refused 1\nrefused 1\nkept 2\n", "")


# ---- several at once


def test_eight_threads_and_two_stores_of_one_file_lose_nothing_and_keep_the_order_of_each(path):
    def work(user_id):
        for number in range(15):
            stores[user_id % 2].append(Event(user_id=user_id, movie_id=number, kind="click", time=0))

    stores = EventStore(path), EventStore(path)
    with stores[0], stores[1], concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
        assert len(stores[0]) == len(stores[1]) == 120
        for user_id in range(8):
            assert [event.movie_id for event in stores[0].of(user_id)] == list(range(15))


def test_each_event_waits_for_the_disk(path):
    """kill -9 does not show it; these are the settings by which SQLite survives a power cut."""
    with EventStore(path) as store:
        (journal,), (synchronous,) = (store._execute(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous"))
    assert (journal, synchronous) == ("wal", 2)  # 2: FULL
