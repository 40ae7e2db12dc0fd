"""The SQLite file of an event store: written to, read, and looked at before and after each use.

SQLite does not notice that its file was moved, deleted, replaced or overwritten by another program; it goes on to write
where nobody will look. `EventsFile` compares what the operating system says of the file with what it left there.
"""

import contextlib
import os
import sqlite3
from contextlib import closing
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
WITHOUT_TYPES = f"""
    BEGIN IMMEDIATE;
    ALTER TABLE event RENAME TO event_of_numbers;
    DROP INDEX event_of_user;
    {SCHEMA.split(";", 1)[1]}
    INSERT INTO event (id, user_id, movie_id, kind, stars, time) SELECT * FROM event_of_numbers;
    DROP TABLE event_of_numbers;
    COMMIT;
"""  # of an older file, whose ids had the type of numbers; a second process that does so again changes nothing
WITH_LISTS = """
    ALTER TABLE event ADD COLUMN list_id TEXT;
    ALTER TABLE event ADD COLUMN place INTEGER;
"""  # of an older file
TABLES = ("event", "impression")
TYPE_OF_IDS = "SELECT type FROM pragma_table_info('event') WHERE name = 'user_id'"


class EventsFile:
    """Two connections to the file, so that readers need not wait for the disk; `read` and `write` may be in threads.

    While the file at `path` is not the one that was opened, or was changed by something else than SQLite, every use is
    an OSError. It is used again once the path holds a whole store with every event that was written.

    Raises:
        ValueError: If the file is not an event store, or is damaged. It is left as it was.
        OSError: If the file cannot be created, read or written.
    """

    def __init__(self, path: Path):
        self.path, self._real = path, Path(os.path.realpath(path))
        self.database = self.reader = None
        self._writing = RLock()  # held while `database` is used; taken before `_reading` where both are needed
        self._reading = RLock()  # held while `reader` is used
        self._is_closed = False
        self._newest = [0, 0]  # the largest id in each of TABLES that was written or found
        self._left = self._refused = self._reason = None  # states, see `_state`; why the file of `_refused` is no good
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
        with self._reading:
            return self._run(self.reader, command, values)

    def write(self, *work: tuple[str, list]) -> list[int]:
        """Run commands with the values of each row, in one transaction; return the rows changed once it is on disk."""
        with self._writing:
            self._check()
            self._run(self.database, "BEGIN IMMEDIATE")
            try:
                changed = [self.database.executemany(command, rows).rowcount for command, rows in work]
                newest = _newest(self.database, TABLES)
                self.database.execute("COMMIT")
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self.database.execute("ROLLBACK")
                raise self._unusable(error) from error
            self._newest, state = newest, self._state()
            if state[0] == self._left[0]:
                self._left = state
            else:  # it was moved while it was written: what was written must be where the next reader looks
                self._check()
            return changed

    def settle(self, wait: bool = False) -> bool:
        """Move the log of recent changes into the file and empty it; return False if another program reads it.

        Who moves or copies the file then has all of it, and what was deleted is nowhere.
        """
        with self._writing:
            self._check()
            self._run(self.database, f"PRAGMA busy_timeout = {1_000 * BUSY_SECONDS * wait}")
            try:
                ((is_busy, *_),) = self._run(self.database, "PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._run(self.database, f"PRAGMA busy_timeout = {1_000 * BUSY_SECONDS}")
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
        return [self.path, *(self._real.with_name(self._real.name + suffix) for suffix in ("-wal", "-shm"))]

    def _check(self) -> None:
        """Raise OSError unless the file is as this store left it, or as other programs did by way of SQLite."""
        state = self._state()
        if state == self._left or self._is_closed:
            return
        if state == self._refused:
            raise self._unusable(self._reason)
        is_ours = self._left is not None and state[0] == self._left[0]
        if is_ours and state[1][0] >= self._left[1][0] and self._others_wrote():
            self._left = state
            return
        if self._left is not None and state[0] != self._left[0]:  # it takes the log of recent changes with it
            with contextlib.suppress(sqlite3.Error):
                self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._disconnect()
        try:
            self._connect("integrity_check")
        except (sqlite3.Error, ValueError) as error:
            self._refused, self._reason = self._state(), error
            raise self._unusable(error) from error

    def _others_wrote(self) -> bool:
        before = self._version
        ((self._version,),) = self._run(self.database, "PRAGMA data_version")
        self._newest = _newest(self.database, TABLES)
        return self._version != before

    def _connect(self, check: str) -> None:
        """Check the file and set it up; open both connections, which commit each command by themselves."""
        self._real = Path(os.path.realpath(self.path))
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
            tables = {name for (name,) in self.database.execute("SELECT name FROM sqlite_master")}
            if tables and owner != APPLICATION_ID:
                raise ValueError("it is a database of another program")
            newest = _newest(self.database, [name if name in tables else None for name in TABLES])
            if any(found < known for found, known in zip(newest, self._newest, strict=True)):
                advice = "Put the right file back, or restart the service to go on with this one"
                raise ValueError(f"events or impressions that were acknowledged are not in it. {advice}")
            for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self.database.execute(f"PRAGMA {setting}")
            self.database.executescript(SCHEMA)
            if self.database.execute(TYPE_OF_IDS).fetchone()[0]:
                self.database.executescript(WITHOUT_TYPES)
            self._add_columns()
            self.reader.execute("SELECT 1 FROM event LIMIT 1").fetchall()
            for path in self._files():  # events are nobody else's business
                with contextlib.suppress(PermissionError, FileNotFoundError):
                    path.chmod(0o600)
            ((self._version,),) = self.database.execute("PRAGMA data_version")
        except BaseException:
            self._disconnect()
            raise
        self._newest, self._left, self._refused = newest, self._state(), None

    def _add_columns(self) -> None:
        """Give the events of an older file the columns of lists, unless another process has just done so."""
        self.database.execute("BEGIN IMMEDIATE")
        names = {row[1] for row in self.database.execute("PRAGMA table_info(event)")}
        for command in [] if "list_id" in names else filter(str.strip, WITH_LISTS.split(";")):
            self.database.execute(command)
        self.database.execute("COMMIT")

    def _disconnect(self) -> None:
        with self._reading:
            for connection in (self.reader, self.database):
                if connection is not None:
                    connection.close()
        self._left = None

    def _run(self, database: sqlite3.Connection, command: str, values=()) -> list[tuple]:
        try:
            with closing(database.execute(command, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> OSError:
        says = f"SQLite says: {error}" if isinstance(error, sqlite3.Error) else error
        failure = OSError(f"{self.path} could not be used; {says}")
        failure.__cause__ = error
        return failure


def _newest(database: sqlite3.Connection, tables) -> list[int]:
    """Return the largest id of each table; 0 where there is none."""
    return [database.execute(f"SELECT max(id) FROM {name}").fetchone()[0] or 0 if name else 0 for name in tables]


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _size(path: Path) -> int:
    stat = _stat(path)
    return stat.st_size if stat else 0
