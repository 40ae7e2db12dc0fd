"""The event store: what users viewed, clicked and rated since the model was trained, in a SQLite file.

`EventStore(path).append(event)` returns when the event is on disk: a crash, `kill -9` or a power cut loses no
acknowledged event. Any SQLite tool reads the file. Taught in notebooks/10_serving.
"""

import os
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NEWEST = 200  # events of a user that a list is made from; older ones stay in the file, for the next training
BUSY_SECONDS = 10  # to wait for another process that writes
APPLICATION_ID = 0x6D6F7672  # "movr", in the header of the file: SQLite's way to tell whose file it is
SCHEMA = f"""
    PRAGMA application_id = {APPLICATION_ID};
    CREATE TABLE IF NOT EXISTS event (
        id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, movie_id INTEGER NOT NULL, kind TEXT NOT NULL, stars REAL,
        time INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS event_of_user ON event (user_id);
"""

Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Exact(BaseModel):
    """Exactly these fields of exactly these types: a misspelt field is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Feedback(Exact):
    """What a user did with a film; `stars` if and only if `kind` is "stars"."""

    user_id: Id
    movie_id: Id
    kind: Literal["view", "click", "stars"]
    stars: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _stars_belong_to_their_kind(self):
        if (self.kind == "stars") != (self.stars is not None):
            must = '`stars` must be given for the kind "stars" and no other'
            raise ValueError(f"{must}; {self.kind!r} has {self.stars!r}.")
        return self


class Event(Feedback):
    """Feedback and when it came, `time` in Unix seconds (UTC)."""

    time: Id


class EventStore(AbstractContextManager):
    """Events of users in a SQLite file. Threads may share a store; processes may share the file.

    Args:
        path: of the file; it and its folder are created if they are missing.

    Raises:
        ValueError: If the file is not an event store, or is damaged. It is left as it was.
        OSError: If the file cannot be created, read or written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()  # one connection, used by one thread at a time
        try:
            self._database = _open(self.path)
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path} must be a file that can be read and written; SQLite says: {error}") from error
        except (sqlite3.DatabaseError, ValueError) as error:
            must = f"{self.path} must be an event store, or not be there yet"
            advice = "Nothing was changed. Name another file, or restore this one from a copy."
            raise ValueError(f"{must}; {error}. {advice}") from error

    def __len__(self) -> int:
        return self._execute("SELECT count(*) FROM event")[0][0]

    def __exit__(self, *_) -> None:
        self.close()

    def append(self, event: Event) -> None:
        """Append an event; block until it is on disk. An OSError says that it could not be kept."""
        self._execute("INSERT INTO event VALUES (NULL, :user_id, :movie_id, :kind, :stars, :time)", event.model_dump())

    def of(self, user_id: int, newest: int = NEWEST) -> list[Event]:
        """Return the newest events of a user, at most `newest` of them, oldest first."""
        query = "SELECT user_id, movie_id, kind, stars, time FROM event WHERE user_id = ? ORDER BY id DESC LIMIT ?"
        rows = self._execute(query, (user_id, newest))
        return [Event.model_construct(**dict(zip(Event.model_fields, row, strict=True))) for row in reversed(rows)]

    def forget(self, user_id: int) -> int:
        """Delete all events of a user and overwrite their bytes; return how many there were."""
        count = len(self._execute("DELETE FROM event WHERE user_id = ? RETURNING id", (user_id,)))
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log of recent changes still holds them
        return count

    def close(self) -> None:
        """Close the file. Closing twice is closing once."""
        with self._lock:
            self._database.close()

    def _execute(self, command: str, values=()) -> list[tuple]:
        try:
            with self._lock, closing(self._database.execute(command, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise OSError(f"{self.path} could not be used; SQLite says: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    """Check the file and set it up; return a connection that commits each command by itself."""
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        (damage,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if damage != "ok":
            raise ValueError(f"it is damaged: {damage.splitlines()[-1]}")
        (owner,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and owner != APPLICATION_ID:
            raise ValueError("it is a database of another program")
        for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            database.execute(f"PRAGMA {setting}")
        database.executescript(SCHEMA)
    except BaseException:
        database.close()
        raise
    return database
