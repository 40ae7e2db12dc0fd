"""The event store: what users were shown, and what they viewed, clicked and rated, in a SQLite file.

`EventStore(path).append(event)` returns when the event is on disk: a crash, `kill -9` or a power cut loses no
acknowledged event, and no impression of an answered list. Any SQLite tool reads the file. It is about people: it has no
names, but `forget` must be able to delete all that is in it about a user, and the oldest impressions go by themselves.
Taught in notebooks/12_serving.
"""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from movierec.serving.events_file import EventsFile

NEWEST = 200  # events of a user that a list is made from; older ones stay in the file, for the next training
MOST_IMPRESSIONS = 1_000_000  # in the file, 0.2 GB; beyond, the oldest are deleted
INSERT = "INSERT INTO event VALUES (NULL, :user_id, :movie_id, :kind, :stars, :time, :list_id, :place)"
SHOW = "INSERT INTO impression VALUES (NULL, :list_id, :user_id, :movie_id, :place, :propensity, :time, :model)"
MOST_FORGOTTEN = 10_000  # deletions that are remembered, for lists that are being made meanwhile
LIMIT = "DELETE FROM impression WHERE id <= (SELECT max(id) FROM impression) - ?"

WholeNumber = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Text = Annotated[str, Field(min_length=1, max_length=300)]
Id = WholeNumber | Text  # 7 is not "7": of which kind the ids are, the model says


class Exact(BaseModel):
    """Exactly these fields of exactly these types: a misspelt field is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Feedback(Exact):
    """What a user did with a film; `stars` if and only if `kind` is "stars"; and which list showed it where, if any."""

    user_id: Id
    movie_id: Id
    kind: Literal["view", "click", "stars"]
    stars: Annotated[float, Field(allow_inf_nan=False)] | None = None
    list_id: Text | None = None
    place: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _stars_belong_to_their_kind(self):
        if (self.kind == "stars") != (self.stars is not None):
            must = '`stars` must be given for the kind "stars" and no other'
            raise ValueError(f"{must}; {self.kind!r} has {self.stars!r}.")
        if self.place is not None and self.list_id is None:
            raise ValueError("`place` needs the `list_id` of the list that it is a place of.")
        return self


class Event(Feedback):
    """Feedback and when it came, `time` in Unix seconds (UTC)."""

    time: WholeNumber


class Impression(NamedTuple):
    """A film at a place of a list that was answered; user_id is None where nobody said who asked."""

    list_id: str
    user_id: Id | None
    movie_id: Id
    place: int  # from 1
    propensity: float  # the chance of this film at this place; 0: of a second model's list, which nobody saw
    time: int  # Unix seconds (UTC)
    model: str  # the version that made the list


class Deleted(NamedTuple):
    """How many rows were about a user."""

    events: int
    impressions: int


class EventStore(AbstractContextManager):
    """Events of users in a SQLite file. Threads may share a store; processes may share the file.

    Events that wait at the same time are written together, so that one wait for the disk serves them all.

    Args:
        path: of the file; it and its folder are created if they are missing. Only its owner may read it.

    Raises:
        ValueError: If the file is not an event store, or is damaged. It is left as it was.
        OSError: If the file cannot be created, read or written; later, if it was moved, deleted, replaced or damaged.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = EventsFile(self.path)
        self._waiting: deque = deque()  # what no write has taken along
        self.deletions = 0
        self._forgotten: dict = {}  # user_id -> which deletion it was; the newest of them
        self._writer = ThreadPoolExecutor(1, "events")

    def __len__(self) -> int:
        return self.file.read("SELECT count(*) FROM event")[0][0]

    def __exit__(self, *_) -> None:
        self.close()

    def append(self, event: Event) -> None:
        """Append an event; block until it is on disk. An OSError says that it could not be kept."""
        self.submit(event).result()

    def submit(self, event: Event) -> Future:
        """Append an event without waiting: the future is done when the event is on disk, or raises OSError."""
        return self._submit(INSERT, [event.model_dump()])

    def submit_all(self, impressions: list[Impression], begun: int | None = None) -> Future:
        """Append the impressions of a list, together, in the same way.

        `begun`: what `deletions` was when the list was asked for. If its user was forgotten meanwhile, nothing is kept.
        """
        return self._submit(SHOW, [one._asdict() for one in impressions], begun)

    def _submit(self, command: str, rows: list[dict], begun: int | None = None) -> Future:
        part = SimpleNamespace(command=command, rows=rows, begun=begun, is_taken=False, error=None)
        self._waiting.append(part)
        return self._writer.submit(self._write, part)

    def _write(self, part: SimpleNamespace) -> None:
        """Write all that waits in one transaction, unless an earlier call has taken this part along."""
        if not part.is_taken:
            group = [self._waiting.popleft() for _ in range(len(self._waiting))]
            work = {INSERT: [], SHOW: [], LIMIT: [(MOST_IMPRESSIONS,)]}
            for one in group:
                one.is_taken = True
                work[one.command] += one.rows if one.begun is None else filter(self._is_kept(one.begun), one.rows)
            try:
                self.file.write(*work.items())
            except Exception as error:
                for one in group:
                    one.error = error
        if part.error is not None:
            raise part.error

    def of(self, user_id: Id, newest: int = NEWEST) -> list[Event]:
        """Return the newest events of a user, at most `newest` of them, oldest first."""
        query = f"SELECT {', '.join(Event.model_fields)} FROM event WHERE user_id = ? ORDER BY id DESC LIMIT ?"
        rows = self.file.read(query, (user_id, newest))
        return [Event.model_construct(**dict(zip(Event.model_fields, row, strict=True))) for row in reversed(rows)]

    def shown(self, list_id: str, movie_id: Id) -> list[tuple[Id | None, int]]:
        """Return to whom a list showed a film, and at which place; nothing if it did not."""
        query = "SELECT user_id, place FROM impression WHERE list_id = ? AND movie_id = ? AND propensity > 0"
        return self.file.read(query, (list_id, movie_id))

    def impressions(self, newest: int = MOST_IMPRESSIONS) -> list[Impression]:
        """Return the newest impressions, at most `newest` of them, oldest first."""
        query = f"SELECT {', '.join(Impression._fields)} FROM impression ORDER BY id DESC LIMIT ?"
        return [Impression(*row) for row in reversed(self.file.read(query, (newest,)))]

    def forget(self, user_id: Id) -> Deleted:
        """Delete all events and impressions of a user and overwrite their bytes; return how many there were."""
        deleted = self._writer.submit(self._delete, user_id).result()  # after all that waits
        if not self.file.settle():
            found = f"{deleted.events} events and {deleted.impressions} impressions were deleted"
            held_up = f"but another program reads {self.path} and holds up their overwriting"
            raise OSError(f"{found}, {held_up}. Ask again when it has ended.")
        return deleted

    def close(self) -> None:
        """Write the events that wait, and close the file. Closing twice is closing once."""
        self._writer.submit(self.file.close).result()

    def _delete(self, user_id: Id) -> Deleted:
        work = [(f"DELETE FROM {name} WHERE user_id = ?", [(user_id,)]) for name in ("event", "impression")]
        deleted = Deleted(*self.file.write(*work))
        self.deletions += 1
        self._forgotten.pop(user_id, None)
        self._forgotten[user_id] = self.deletions
        if len(self._forgotten) > MOST_FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]
        return deleted

    def _is_kept(self, begun: int):
        """Return whether the user of a row was not forgotten since a list was begun, as a function of the row."""
        return lambda row: self._forgotten.get(row["user_id"], 0) <= begun
