"""The SQLite file of an event store: written to, read, and looked at before and after each use.

SQLite does not notice that its file was moved, deleted, replaced or overwritten by another program; it goes on to write
where nobody will look. `EventsFile` compares what the operating system says of the file with what it left there.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from threading import RLock

BUSY_SECONDS = 3  # to wait for another process that writes
APPLICATION_ID = 0x6D6F7672  # "movr", in the header of the file: SQLite's way to tell whose file it is
SCHEMA = f"""
    PRAGMA application_id = {APPLICATION_ID};
    CREATE TABLE IF NOT EXISTS event (
        id INTEGER PRIMARY KEY, user_id NOT NULL, movie_id NOT NULL, kind TEXT NOT NULL, stars REAL,
        time INTEGER NOT NULL, list_id TEXT, place INTEGER
    );
    CREATE INDEX IF NOT EXISTS event_of_user ON event (user_id);
    CREATE TABLE IF NOT EXISTS impression (
        id INTEGER PRIMARY KEY, list_id TEXT NOT NULL, user_id, movie_id NOT NULL, place INTEGER NOT NULL,
        propensity REAL NOT NULL, time INTEGER NOT NULL, model TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS impression_of_user ON impression (user_id);
    CREATE INDEX IF NOT EXISTS impression_of_list ON impression (list_id);
"""  # the ids have no type: in a column of numbers, SQLite would make 7 of the text '007'
NEWEST = "SELECT (SELECT max(id) FROM event), (SELECT max(id) FROM impression)"


class EventsFile:
    """Two connections to the file, so that readers need not wait for the disk; `read` and `write` may be in threads.

    While the file at `path` is not the one that was opened, or was changed by something else than SQLite, every use is
    an OSError. It is used again once the path holds a whole store with every event that was written.

    Raises:
        ValueError: If the file is not an event store, or is damaged. It is left as it was.
        OSError: If the file cannot be created, read or written.
    """

    def __init__(self, path: Path):
        self.path = path
        self.database = self.reader = None
        self._writing = RLock()  # held while `database` is used; taken before `_reading` where both are needed
        self._reading = RLock()  # held while `reader` is used
        self._is_closed = False
        self._newest = (0, 0)  # the largest id of an event and of an impression that was written or found
        self._left = None  # the state, see `_state`, after the last use
        try:
            if not path.exists() and not _size(self._files()[1]):
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connect("quick_check")
        except sqlite3.OperationalError as error:
            raise OSError(f"{path} must be a file that can be read and written; SQLite says: {error}") from error
        except (sqlite3.DatabaseError, ValueError) as error:
            must = f"{path} must be an event store, or not be there yet"
            advice = "Nothing was changed. Name another file, or restore this one from a copy."
            raise ValueError(f"{must}; {error}. {advice}") from error

    def read(self, command: str, values: tuple = ()) -> list[tuple]:
        """Return the rows of a SELECT."""
        if self._state() != self._left:  # or just being written
            with self._writing:
                self._check()
        with self._reading, self._errors():
            return self.reader.execute(command, values).fetchall()

    def write(self, *work: tuple[str, list]) -> list[int]:
        """Run commands with the values of each row, in one transaction; return the rows changed once it is on disk."""
        with self._writing:
            self._check()
            with self._errors():
                self.database.execute("BEGIN IMMEDIATE")
                try:
                    changed = [self.database.executemany(command, rows).rowcount for command, rows in work]
                    newest = _newest(self.database)
                    self.database.execute("COMMIT")
                except sqlite3.Error:
                    with contextlib.suppress(sqlite3.Error):
                        self.database.execute("ROLLBACK")
                    raise
            self._newest, state = newest, self._state()
            if state[0] == self._left[0]:
                self._left = state
            else:  # it was moved while it was written: what was written must be where the next reader looks
                self._check()
            return changed

    def settle(self) -> bool:
        """Move the log of recent changes into the file and empty it; return False if another program reads it.

        What was deleted is then nowhere, and a copy of the file has every event.
        """
        with self._writing:
            self._check()
            with self._errors():
                ((is_busy, *_),) = self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._left = self._state()
            return not is_busy

    def close(self) -> None:
        """Close the file. Closing twice is closing once."""
        with self._writing:
            with contextlib.suppress(OSError):
                self._check()
            self._is_closed = True
            self._disconnect()

    def _state(self) -> tuple:
        """Return what the operating system says: which files these are; size and time of change of the first."""
        stats = [_stat(path) for path in self._files()]
        main = stats[0]
        return [stat and (stat.st_dev, stat.st_ino) for stat in stats], main and (main.st_size, main.st_mtime_ns)

    def _files(self) -> list[Path]:
        """Return the file, its log of recent changes and the index of the log, which SQLite keeps beside it."""
        return [self.path, *(Path(os.path.realpath(self.path) + suffix) for suffix in ("-wal", "-shm"))]

    def _check(self) -> None:
        """Unless the files are as this store left them, connect again; raise OSError if they are no whole store."""
        state = self._state()
        if state == self._left or self._is_closed:
            return
        if self._left is not None and state[0] != self._left[0]:  # it was moved: it takes the log with it
            with contextlib.suppress(sqlite3.Error):
                self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with self._reading, self._errors():
            self._disconnect()
            self._connect("integrity_check")

    def _connect(self, check: str) -> None:
        """Check the file and set it up; open both connections, which commit each command by themselves."""
        log = self._files()[1]
        if not _size(self.path) and _size(log):
            raise ValueError(f"its log of recent changes, {log.name}, is here without it; put it back")
        if _stat(self.path) is None:
            raise ValueError("it was moved or deleted; put it back")
        try:
            self.database, self.reader = (
                sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
                for _ in range(2)
            )
            ((damage, *_),) = self.database.execute(f"PRAGMA {check}(1)")
            if damage != "ok":
                raise ValueError(f"it is damaged: {damage.splitlines()[-1]}")
            ((owner,),) = self.database.execute("PRAGMA application_id")
            ((is_empty,),) = self.database.execute("SELECT count(*) = 0 FROM sqlite_master")
            if owner != APPLICATION_ID and not is_empty:
                raise ValueError("it is a database of another program")
            newest = (0, 0) if is_empty else _newest(self.database)
            if any(found < known for found, known in zip(newest, self._newest, strict=True)):
                advice = "Put the right file back, or restart the service to go on with this one"
                raise ValueError(f"events or impressions that were acknowledged are not in it. {advice}")
            for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self.database.execute(f"PRAGMA {setting}")
            if is_empty:
                self.database.executescript(SCHEMA)
            self.reader.execute("SELECT 1 FROM event LIMIT 1").fetchall()
            for path in self._files():  # events are nobody else's business
                with contextlib.suppress(PermissionError, FileNotFoundError):
                    path.chmod(0o600)
        except BaseException:
            self._disconnect()
            raise
        self._newest, self._left = newest, self._state()

    def _disconnect(self) -> None:
        with self._reading:
            for connection in (self.reader, self.database):
                if connection is not None:
                    connection.close()
        self._left = None

    @contextlib.contextmanager
    def _errors(self):
        """Make an OSError, with its reason as the cause, of what SQLite or `_connect` say."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            says = f"SQLite says: {error}" if isinstance(error, sqlite3.Error) else error
            raise OSError(f"{self.path} could not be used; {says}") from error


def _newest(database: sqlite3.Connection) -> tuple[int, int]:
    event, impression = database.execute(NEWEST).fetchone()
    return event or 0, impression or 0


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _size(path: Path) -> int:
    stat = _stat(path)
    return stat.st_size if stat else 0
