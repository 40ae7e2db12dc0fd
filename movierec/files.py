"""Checksums of files and arrays, and files that appear whole or not at all.

This module imports nothing of the package, so that every folder may use it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, what dead processes left is told by its age
    fcntl = None

PART = ".movierec-"  # the names of folders for unfinished files begin so
SWEEP_AFTER = 3600  # seconds after which such a folder is left over, where no lock tells
CHECKSUM = "sha256"  # the name, in a sealed JSON file, of the checksum of all the other names and values


def sha256_of_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes: 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_arrays(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the arrays' values, one after the other in C order, whatever the shapes: 64 hex digits."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def check_finite(arrays: dict[str, np.ndarray], what: str, advice: str) -> None:
    """Raise ValueError if an array of floats holds NaN or infinity: with such a weight, every list would be empty."""
    floats = {name: array for name, array in arrays.items() if np.asarray(array).dtype.kind == "f"}
    counts = {name: np.size(array) - int(np.isfinite(array).sum()) for name, array in floats.items()}
    if found := [f"{name} has {count:,} of {np.size(floats[name]):,}" for name, count in counts.items() if count]:
        raise ValueError(f"{what} must be finite; NaN or infinity in {len(found)}: {'; '.join(found[:3])}. {advice}")


# ---- files that appear whole


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, whole; block until it is on disk.

    If writing fails or is interrupted, `path` stays as it was; the OSError says what is needed and what is free.
    """
    path = Path(path)
    try:
        with unfinished(path.parent) as folder:
            write_to_disk(folder / path.name, content)
            os.replace(folder / path.name, path)
            flush_to_disk(path.parent)
    except OSError as error:
        raise storage_error(error, path.parent, len(content)) from error


def write_to_disk(path: Path, content: bytes) -> None:
    """Write a new file; block until its content is on disk."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """Yield a new folder in `parent` for files that are not whole yet, and remove it at the end.

    What processes that were killed left there is removed first. The folders of living processes are locked by them.
    """
    with contextlib.ExitStack() as stack:
        with locked(parent) as is_locked:  # else a folder may be made meanwhile
            for left in parent.glob(f"{PART}*"):
                with contextlib.suppress(OSError), locked(left, wait=False) as has_ended:
                    is_old = time.time() - left.stat().st_mtime > SWEEP_AFTER
                    if has_ended if is_locked else is_old:
                        shutil.rmtree(left)
            folder = parent / f"{PART}{secrets.token_hex(6)}"
            folder.mkdir()
            stack.enter_context(locked(folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextlib.contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a folder, for which other processes wait, until the end of the block or of the process.

    Yield False where there is no such lock, or where another holds it and this process is not to `wait`.
    """
    with contextlib.ExitStack() as stack:
        is_locked = False
        if fcntl is not None:
            with contextlib.suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                is_locked = True
        yield is_locked


def flush_to_disk(path: str | os.PathLike) -> None:
    """Block until a file's content, or the names in a folder, are on disk. Windows has no such call for folders."""
    if os.name == "nt" and os.path.isdir(path):
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_all(folder: Path) -> None:
    """Block until every file in a folder, and every name in it and in its folders, is on disk."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before the folder
        flush_to_disk(path)
    flush_to_disk(folder)


# ---- room on the disk


def check_writable(folder: str | os.PathLike, num_bytes: int = 0) -> None:
    """Raise OSError unless `num_bytes` can be written into `folder`, which need not exist yet; leave nothing there.

    The bytes are allocated for a moment, where the system can: so quotas are found, too.
    """
    folder = Path(folder).expanduser().absolute()
    new = [path for path in [folder, *folder.parents] if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"probe")
            if num_bytes and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            elif shutil.disk_usage(folder).free < num_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, folder, num_bytes) from error
    finally:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()


def storage_error(error: Exception, folder: str | os.PathLike, num_bytes: float = 0, advice: str = "") -> OSError:
    """Return an OSError in plain words for a failure to write into `folder`, also for an error of TensorFlow's own."""
    number = getattr(error, "errno", None)
    if number is None:  # TensorFlow's errors have the system's words in their text
        number = next((number for number in errno.errorcode if os.strerror(number) in str(error)), errno.EIO)
    cause = f"{folder} must be a writable folder; {os.strerror(number)}."
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        existing = next(path for path in [Path(folder), *Path(folder).absolute().parents] if path.exists())
        needed = f"about {math.ceil(num_bytes / 1e6):,} MB are needed, " if num_bytes else ""
        cause += f" There {needed}{shutil.disk_usage(existing).free // 1_000_000:,} MB are free."
    advice = advice or "What was there is unchanged. Make room, or name another folder."
    return OSError(number, f"{cause} {advice}")


# ---- JSON with its own checksum


def sealed(values: dict) -> bytes:
    """Return a dict of JSON values as a JSON file, with a checksum of them under the name "sha256"."""
    values = json.loads(json.dumps(values))
    return json.dumps(values | {CHECKSUM: _checksum(values)}, indent=1).encode()


def read_sealed(path: str | os.PathLike) -> dict:
    """Return the dict whose JSON `sealed` made, without the checksum; raise as `read_json`, and if it was changed."""
    values = read_json(path)
    if not is_sealed(values):
        raise ValueError(f"{path} was changed after it was written: its checksum is another")
    return {name: value for name, value in values.items() if name != CHECKSUM}


def is_sealed(values: dict) -> bool:
    """Return whether the checksum under "sha256" is that of the other names and values."""
    return values.get(CHECKSUM) == _checksum({name: value for name, value in values.items() if name != CHECKSUM})


def read_json(path: str | os.PathLike) -> dict:
    """Return the dict of a JSON file; OSError if it cannot be read, ValueError if it is another or a name repeats."""
    try:
        values = json.loads(Path(path).read_bytes().decode(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not readable JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold names and values in JSON; it holds a {type(values).__name__}")
    return values


def _without_repeats(pairs: list[tuple]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"a name is there twice: {', '.join(sorted(name for name, _ in pairs))[:200]}")
    return dict(pairs)


def _checksum(values: dict) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
