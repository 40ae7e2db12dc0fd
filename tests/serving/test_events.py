"""The event store.

Protected: a damaged or foreign file is refused and left alone; reading is bounded; a user can be forgotten; threads and
processes may share a store. That acknowledged events outlive kill -9: test_connections.py and test_serving_load.py.
"""

import concurrent.futures
import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from movierec.serving import events
from movierec.serving.events import NEWEST, Event, EventStore, Impression

ROOT = Path(__file__).resolve().parents[2]
VIEW = Event(user_id=1, movie_id=50, kind="view", time=900_000_000)
CLICK = Event(user_id=2, movie_id=50, kind="click", time=900_000_001)
STARS = Event(user_id=1, movie_id=100, kind="stars", stars=4.5, time=900_000_002)
TOO_SMALL = "greater than or equal to -9223372036854775808"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a folder" / "events.db"


def shown(list_id="a", user_id=1, films=(50, 100), **change):
    return [
        Impression(list_id, user_id, movie_id, place, 0.9, 900_000_000, "v")._replace(**change)
        for place, movie_id in enumerate(films, start=1)
    ]


def in_another_process(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)


def kept(path):
    """The events that somebody else finds in the file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM event").fetchone()[0]


# ---- what is kept


def test_events_come_back_by_user_oldest_first_here_after_reopening_and_in_any_tool(path):
    with EventStore(path) as store:
        for event in (VIEW, CLICK, STARS):
            store.append(event)
        assert (store.of(1), store.of(2), store.of(3), len(store)) == ([VIEW, STARS], [CLICK], [], 3)
    texts = [Event(user_id=name, movie_id="007", kind="view", time=0) for name in ("007", "7", "1")]
    with EventStore(str(path)) as again:
        largest = Event(user_id=-(2**63), movie_id=2**63 - 1, kind="stars", stars=4, time=0)
        for event in (VIEW, largest, *texts):
            again.append(event)
        assert (again.of(1), again.of(2), again.of(-(2**63))) == ([VIEW, STARS, VIEW], [CLICK], [largest])
        assert [again.of(one.user_id) for one in texts] == [[one] for one in texts]  # SQLite may make 7 of '007'
        assert (again.forget("7").events, again.of("7"), len(again)) == (1, [], 7)
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT user_id, movie_id, kind, stars, time FROM event WHERE stars > 4").fetchall()
    assert rows == [(1, 100, "stars", 4.5, 900_000_002)]


def test_a_list_reads_only_the_newest_events_by_an_index(path):
    with EventStore(path) as store:
        for number in range(5):
            store.append(VIEW.model_copy(update={"movie_id": number}))
        assert [event.movie_id for event in store.of(1, newest=2)] == [3, 4]
        command = "INSERT INTO event VALUES (NULL, ?, ?, 'view', NULL, 0, NULL, NULL)"
        store.file.write((command, [(7, n) for n in range(20_000)]))
        assert [event.movie_id for event in store.of(7)] == list(range(20_000 - NEWEST, 20_000))
        commands = []
        store.file.reader.set_trace_callback(commands.append)
        store.of(7)
        store.shown("a", 7)
        plans = [store.file.read(f"EXPLAIN QUERY PLAN {command}") for command in tuple(commands)]
        assert [step for (*_, step), *_ in plans] == [  # no scan, and no sorting
            "SEARCH event USING INDEX event_of_user (user_id=?)",
            "SEARCH impression USING INDEX impression_of_list (list_id=?)",
        ]


def test_a_user_is_forgotten_to_the_last_byte(path):
    """Neither the file nor its log of recent changes holds what was deleted; others keep theirs."""
    secret = 0x5EC2E7F00D5EC2E7 >> 1

    def holds():
        return any(secret.to_bytes(8) in file.read_bytes() for file in path.parent.iterdir())

    with EventStore(path) as store:
        store.append(CLICK)
        for _ in range(3):
            store.append(VIEW.model_copy(update={"movie_id": secret}))
        store.submit_all(shown(films=(secret, 50)) + shown("b", 2)).result()
        assert holds()
        assert store.forget(1) == (3, 2) and store.forget(1) == (0, 0) and not holds()
        assert (store.of(1), store.of(2), store.impressions()) == ([], [CLICK], shown("b", 2))


def test_a_list_that_was_begun_before_its_user_was_forgotten_is_not_kept(path, monkeypatch):
    monkeypatch.setattr(events, "MOST_FORGOTTEN", 2)
    with EventStore(path) as store:
        begun = store.deletions
        store.submit_all(shown("a", 1), begun)  # it waits, and is deleted with the rest
        assert store.forget(1).impressions == len(shown("a", 1))
        for of, mark in (("b", begun), ("c", store.deletions)):  # under way meanwhile, and asked for afterwards
            store.submit_all(shown(of, 1), mark).result()
            store.submit_all(shown(of, 2), mark).result()
        assert store.impressions() == shown("b", 2) + shown("c", 1) + shown("c", 2)
        for user_id in (2, 3):
            store.forget(user_id)
        store.submit_all(shown("d", 2), begun).result()
        store.submit_all(shown("d", 1), begun).result()  # two deletions are remembered
        assert store.impressions() == shown("c", 1) + shown("d", 1)


@pytest.mark.parametrize(  # test_service.py has more: the service checks with the same model
    "change, reason",
    [
        ({"kind": "stars", "stars": float("nan")}, "finite number"),
        ({"movie_id": -(2**63) - 1}, TOO_SMALL),
        ({"time": 1.5}, "valid integer"),
        ({"place": 1}, "`place` needs the `list_id`"),
    ],
)
def test_an_event_must_make_sense(change, reason):
    with pytest.raises(ValidationError, match=reason):
        Event(**VIEW.model_dump() | change)


def test_the_impressions_of_a_list_are_kept_and_the_oldest_go_when_there_are_too_many(path, monkeypatch):
    anonymous = shown("b", None, films=(50,))
    with EventStore(path) as store:
        store.submit_all(shown()).result()
        store.submit_all(anonymous).result()
        store.submit_all(shown("a", films=(7,), propensity=0.0)).result()  # of a second model: nobody saw it
        store.append(Event(user_id=1, movie_id=50, kind="click", time=0, list_id="a", place=1))
    with EventStore(path) as store:
        assert store.impressions()[:3] == shown() + anonymous and len(store.impressions(newest=1)) == 1
        asked = (("a", 50), ("b", 50), ("a", 7), ("c", 50))
        assert [store.shown(*question) for question in asked] == [[(1, 1)], [(None, 1)], [], []]
        assert (store.of(1)[0].list_id, store.of(1)[0].place, len(store)) == ("a", 1, 1)
        monkeypatch.setattr("movierec.serving.events.MOST_IMPRESSIONS", 3)
        for number in range(4):
            store.submit_all(shown(str(number))).result()
        assert [one.list_id for one in store.impressions(10)] == ["2", "3", "3"]


# ---- what is refused


def test_a_closed_store_takes_no_events_and_keeps_what_waited(path):
    store = EventStore(path)
    futures = [store.submit(VIEW) for _ in range(200)]
    store.close()
    assert [future.result(timeout=0) for future in futures] == [None] * 200 and kept(path) == 200
    store.close()
    with pytest.raises(OSError, match="could not be used; SQLite says: Cannot operate on a closed database"):
        store.append(VIEW)


FOREIGN = "(file is not a database|it is a database of another program). Nothing was changed. Name another file"
REFUSED = {  # what is done to a store with 200 events, and why it is refused then
    "text": (lambda whole: b"a,b\n1,2\n", FOREIGN),
    "noise": (lambda whole: b"x" * 5_000, FOREIGN),
    "another program": (None, FOREIGN),
    "cut short": (lambda whole: whole[:5_000], "malformed|it is damaged.*restore this one from a copy"),
    "overwritten": (lambda whole: whole[:4_096] + b"\xff" * 100 + whole[4_196:], "malformed|it is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_foreign_or_damaged_file_is_refused_and_left_alone(path, case):
    change, reason = REFUSED[case]
    if change is None:
        path.parent.mkdir()
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE event (x)")
    else:
        with EventStore(path) as store:
            store.file.write(("INSERT INTO event VALUES (NULL, 1, ?, 'view', 0, 0, 0, 0)", [(n,) for n in range(200)]))
        path.write_bytes(change(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"must be an event store, or not be there yet; .*({reason})"):
        EventStore(path)
    assert path.read_bytes() == before


def test_a_folder_or_a_place_where_nothing_can_be_written_is_an_oserror(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "events.db"):
        with pytest.raises(OSError):
            EventStore(place)


# ---- while it is open


def write_at(path, place, content):
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(content)


CHANGES = {
    "moved": lambda path, other: path.rename(other),
    "moved with its folder": lambda path, other: path.parent.rename(path.parent.with_name("other")),
    "deleted": lambda path, other: path.unlink(),
    "replaced by a new store": lambda path, other: (path.rename(other), EventStore(path).close()),
    "replaced by a text": lambda path, other: (path.rename(other), path.write_text("something else")),
    "replaced by a folder": lambda path, other: (path.rename(other), path.mkdir()),
    "cut to nothing": lambda path, other: os.truncate(path, 0),
    "cut in a page": lambda path, other: os.truncate(path, 5_000),
    "cut after a page": lambda path, other: os.truncate(path, 4_096),
    "header overwritten": lambda path, other: write_at(path, 0, bytes(100)),
    "page overwritten": lambda path, other: write_at(path, 4_096, bytes(200)),
    "another user in one place": lambda path, other: path.write_bytes(path.read_bytes().replace(USER, USER[::-1], 1)),
}
USER = bytes(range(1, 9))  # a user_id that is easy to find in the file


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_not_what_it_was_takes_no_event_until_it_is_mended(path, change):
    """Without the check all of these are acknowledged, and gone at the next start."""
    event = VIEW.model_copy(update={"user_id": int.from_bytes(USER)})
    with EventStore(path) as store:
        for _ in range(3):
            store.append(event)
        store.file.settle()
        copy, other = path.parent.parent / "copy", path.parent.parent / "elsewhere"
        copy.write_bytes(path.read_bytes())
        CHANGES[change](path, other)
        for _ in range(2):
            for use in (lambda: store.append(VIEW), lambda: store.of(1), lambda: store.forget(1), lambda: len(store)):
                with pytest.raises(OSError, match="could not be used"):
                    use()
        if path.is_dir():
            path.rmdir()
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(copy.read_bytes())
        store.append(VIEW)
        assert (store.of(1), len(store)) == ([VIEW], 4)
    assert kept(path) == 4


def test_who_moves_the_file_moves_every_event_and_puts_back_that_one_and_no_older_copy(path):
    """Also those that were only in its log of recent changes."""
    with EventStore(path) as store:
        store.append(VIEW)
        store.file.settle()
        copy = path.read_bytes()
        store.submit_all(shown()).result()
        store.append(VIEW)
        path.rename(elsewhere := path.with_name("elsewhere"))
        with pytest.raises(OSError, match="it was moved or deleted; put it back"):
            store.append(VIEW)
        assert kept(elsewhere) == 2
        path.write_bytes(copy)
        with pytest.raises(OSError, match="events or impressions that were acknowledged are not in it"):
            store.of(1)
        elsewhere.rename(path)
        store.append(VIEW)
        assert len(store) == 3 and store.impressions() == shown()


def test_a_file_that_lacks_its_recent_changes_is_not_begun_anew(path):
    """The log of recent changes alone: SQLite would delete it when it makes the file."""
    code = """
import os, sys
from movierec.serving.events import Event, EventStore
EventStore(sys.argv[1]).append(Event(user_id=1, movie_id=50, kind="view", time=0))
os.kill(os.getpid(), 9)
"""
    in_another_process(code, path)
    path.rename(elsewhere := path.with_name("elsewhere"))
    with pytest.raises(ValueError, match="its log of recent changes, events.db-wal, is here without it; put it back"):
        EventStore(path)
    elsewhere.rename(path)
    assert kept(path) == 1


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_the_files_beside_it_may_be_deleted(path, suffix):
    with EventStore(path) as store:
        store.append(VIEW)
        path.with_name(path.name + suffix).unlink()
        store.append(VIEW)
        assert len(store) == kept(path) == 2


def test_a_link_to_the_file_is_the_file(path):
    path.parent.mkdir()
    other = path.parent.parent / "events of last year.db"
    EventStore(other).close()
    path.symlink_to(other)
    with EventStore(path) as store:
        store.append(VIEW)
        assert kept(other) == len(store) == 1
        path.unlink()
        with pytest.raises(OSError, match="it was moved or deleted"):
            store.append(VIEW)
        path.symlink_to(other)
        store.append(VIEW)
        assert kept(other) == 2


def test_only_the_owner_may_read_it_and_an_older_store_is_closed_to_others_too(path, monkeypatch):
    def modes():
        return {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}

    opened, real = [], os.open
    monkeypatch.setattr(os, "open", lambda *arguments: opened.append(arguments[2:]) or real(*arguments))
    with EventStore(path) as store:
        store.append(VIEW)
        assert opened == [(0o600,)]  # from its first moment
        assert modes() == {"0o600"} and len(list(path.parent.iterdir())) == 3
    path.chmod(0o644)
    with EventStore(path) as store:
        assert modes() == {"0o600"} and len(store) == 1


def test_a_file_that_may_not_grow_is_an_oserror_and_later_events_are_kept(path):
    """The limit on a file's size stands for a disk that is full."""
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
    run = in_another_process(code, path)
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


def test_another_process_may_write_at_the_same_time(path):
    """Its commits change the file, too: they are told from damage."""
    code = f"""
from movierec.serving.events import Event, EventStore
with EventStore({str(path)!r}) as store:
    for number in range(30):
        store.append(Event(user_id=2, movie_id=number, kind="view", time=0))
    store.forget(3)
"""
    with EventStore(path) as store:
        store.append(VIEW.model_copy(update={"user_id": 3}))
        other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        number = 0
        while other.poll() is None or number < 30:
            store.append(VIEW)
            number += 1
        assert other.returncode == 0 and len(store) == 30 + number
        assert len(store.of(2)) == 30 and store.of(3) == []
    assert kept(path) == 30 + number


def test_a_group_is_written_whole_or_not_at_all(path):
    with EventStore(path) as store:
        for _ in range(2):
            with pytest.raises(OSError, match="NOT NULL constraint failed"):
                command = "INSERT INTO event (user_id, movie_id, kind, time) VALUES (?, 1, 'view', 0)"
                store.file.write((command, [(1,), (None,)]))
        store.append(VIEW)
        assert len(store) == 1


def test_events_that_wait_together_share_one_write_to_the_disk(path):
    """Each is acknowledged once its own transaction is committed, and not before."""
    commands = []
    with EventStore(path) as store:
        store.append(VIEW)
        store.file.database.set_trace_callback(commands.append)
        with store.file._writing:  # the disk is busy
            futures = [store.submit(VIEW.model_copy(update={"movie_id": number})) for number in range(64)]
            assert not concurrent.futures.wait(futures, timeout=0.2).done
            gone = futures.pop()
            assert gone.cancel()  # its client went away: it may be kept, but no other is lost
        concurrent.futures.wait(futures, timeout=20)
        assert commands.count("COMMIT") <= 2 and len(store) >= 64  # one was taken alone, perhaps
        assert {event.movie_id for event in store.of(1)} >= set(range(63))


def test_each_event_waits_for_the_disk(path, monkeypatch):
    """kill -9 does not show it; these are the settings by which SQLite survives a power cut."""
    connect = sqlite3.connect

    def careless(*arguments, **options):  # as SQLite is built for some systems
        database = connect(*arguments, **options)
        database.executescript("PRAGMA synchronous = OFF; PRAGMA secure_delete = OFF")
        return database

    monkeypatch.setattr(sqlite3, "connect", careless)
    names = ("journal_mode", "synchronous", "secure_delete")
    with EventStore(path) as store:
        settings = [store.file.database.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert settings == ["wal", 2, 1]  # 2: FULL
