"""What users did, kept: `FeedbackLog(path).append(event)` returns when the event is on the disk.

One JSON object a line, below a line that says what the file is. An event is acknowledged (append returns) only after
write and fsync, so that a crash, `kill -9` or a power cut loses nothing that was acknowledged. Taught in
notebooks/10_serving.
"""

import contextlib
import json
import math
import os
from collections import defaultdict, deque
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None

KINDS = ("view", "click", "stars")
INT64 = 2**63  # ids are below this, and not below minus this
FIRST_LINE = b'{"format":"movierec-feedback-1"}\n'
LOCKED_BYTE = 2**30  # Windows locks bytes, not files: one that no log reaches


class Event(NamedTuple):
    """One thing that a user did with a film; `stars` if and only if `kind` is "stars"; `time` in Unix seconds, UTC."""

    user_id: int
    movie_id: int
    kind: str  # one of KINDS
    stars: float | None
    time: int


def checked(event: Event) -> Event:
    """The event, if it is one that a log may hold. Whether there is such a film, and the scale, is not known here.

    Raises:
        ValueError: unknown kind, stars without the kind "stars" or the other way round, or a number out of range.
    """
    for name in ("user_id", "movie_id", "time"):
        value = getattr(event, name)
        if type(value) is not int or not -INT64 <= value < INT64:
            raise ValueError(f"`{name}` must be a whole number of 64 bits; got {value!r}.")
    if event.kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}; got {event.kind!r}.")
    if (event.kind == "stars") != (event.stars is not None):
        raise ValueError(
            f'`stars` must be given for the kind "stars" and no other; {event.kind!r} has {event.stars!r}.'
        )
    if event.stars is not None and (type(event.stars) not in (int, float) or not math.isfinite(event.stars)):
        raise ValueError(f"`stars` must be a finite number; got {event.stars!r}.")
    return event


class FeedbackLog:
    """The events in a file that is only ever appended to, and in memory by user. Threads may share it, processes not.

    Args:
        path: made if need be. What follows its last newline is cut off: a crash tore it, so nobody was told it is kept.

    Raises:
        BlockingIOError: an OSError; another process, or another log here, has the file open.
        ValueError: the file is no such log, or a line in it is damaged; it is left as it was.
        OSError: the file cannot be made, read or written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._by_user: defaultdict[int, list[Event]] = defaultdict(list)
        self._count = 0
        self._waiting: deque[tuple[Event, Future]] = deque()
        self._disk = Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115  closed by `close`
        try:
            self._lock_out_others()
            self._size = self._read()  # bytes that are whole and on the disk
        except BaseException:
            self._file.close()
            raise

    def __repr__(self) -> str:
        return f"FeedbackLog({str(self.path)!r}, {len(self):,} events)"

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> "FeedbackLog":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def append(self, event: Event) -> None:
        """Nothing; returns when the event is on the disk. Threads that wait at the same time share one fsync.

        Raises:
            ValueError: the event is not valid (see `checked`), or the log is closed.
            OSError: it could not be kept, e.g. the disk is full. The file is then as if it had not been tried.
        """
        done: Future[None] = Future()
        self._waiting.append((checked(event), done))
        with self._disk:
            if not done.done():  # else the thread that was here before has written ours with its own
                self._write_all_waiting()
        done.result()

    def of(self, user_id: int) -> list[Event]:
        """The events of one user, oldest first; without reading the disk."""
        return list(self._by_user.get(user_id, ()))

    def close(self) -> None:
        """Nothing; lets other processes have the file. A second time does nothing."""
        with self._disk:
            self._file.close()

    def _write_all_waiting(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._write(b"".join(_line(event) for event, _ in batch))
        except BaseException as error:  # everybody in the batch must hear of it
            for _, done in batch:
                done.set_exception(error)
            return
        for event, done in batch:
            self._by_user[event.user_id].append(event)
            self._count += 1
            done.set_result(None)

    def _write(self, text: bytes) -> None:
        if self._file.closed:
            raise ValueError(f"{self.path} must be open; it has been closed. Open it again: FeedbackLog(path).")
        try:
            if os.fstat(self._file.fileno()).st_size != self._size:
                self._file.truncate(self._size)  # what an earlier failure could not take back
            left = text
            while left:  # the operating system may take less than all
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):  # then the next append tries again
                self._file.truncate(self._size)
            raise
        self._size += len(text)

    def _read(self) -> int:
        """Fills the memory; returns the file's size in bytes, a torn last line cut off."""
        self._file.seek(0)
        first = self._file.readline(len(FIRST_LINE))
        if first != FIRST_LINE:
            if not FIRST_LINE.startswith(first):
                raise ValueError(
                    f"{self.path} must begin with {FIRST_LINE.decode().strip()}, as every feedback log; it begins with "
                    f"{first!r}. Name another file, or one that is not there yet."
                )
            self._size = 0  # new, or torn while it was new
            self._write(FIRST_LINE)
            if os.name != "nt":  # the name of a new file is in its folder, which is to be as durable
                folder = os.open(self.path.parent, os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)
            return self._size
        size = len(first)
        with open(self.path, "rb") as lines:
            lines.seek(size)
            for number, line in enumerate(lines, start=2):
                if not line.endswith(b"\n"):
                    self._file.truncate(size)
                    os.fsync(self._file.fileno())
                    break
                event = self._parsed(line, number)
                self._by_user[event.user_id].append(event)
                self._count += 1
                size += len(line)
        return size

    def _parsed(self, line: bytes, number: int) -> Event:
        try:
            return checked(Event(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(
                f"every line of {self.path} must be one event; line {number} is not ({error}): {line[:80]!r}. Nothing "
                f"was changed. Restore the file from a copy, or delete line {number} and lose that event."
            ) from error

    def _lock_out_others(self) -> None:
        """Holds the lock as long as the file is open; the operating system lets go of it when the process ends."""
        try:
            if fcntl:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                self._file.seek(LOCKED_BYTE)
                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
        except (BlockingIOError, PermissionError) as error:
            raise BlockingIOError(
                f"{self.path} must belong to one process alone; another has it open. Stop that service, or give this "
                "one a file of its own."
            ) from error


def _line(event: Event) -> bytes:
    return json.dumps(event._asdict(), separators=(",", ":")).encode() + b"\n"
