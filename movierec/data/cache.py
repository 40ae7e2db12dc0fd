"""Arrays and lists kept on disk for as long as the files that they were made from stay the same.

    <folder>/manifest.json      what holds: the version, the sources' checksums, the name of a build, each file's CRC-32
    <folder>/<build>/*.npy      arrays; *.json are lists of text, UTF-8. Nothing is pickled.

A build is written under a name that begins with a dot, made durable (fsync), renamed, and then named by the manifest,
which is replaced in one step: a reader sees the old build or the new one, whole. Who reads or writes holds a shared
lock on the folder, which ends with the process; who gets the exclusive one knows that nobody else is there and sweeps
what a killed process left.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # Windows: what is left is known by its age alone
    fcntl = None

FORMAT = 1  # of what is stored and of what cleaning decides: count up when either changes
MANIFEST = "manifest.json"
SWEEP_AFTER = 3600  # seconds after which an unfinished build is a dead process's, where folders cannot be locked
Columns = dict[str, np.ndarray | list[str]]


class Cache:
    """What one folder keeps, and the checksums of its sources; see the module.

    Args:
        folder: Made when something is first written.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: dict[str, list] = {}  # path -> algorithm, bytes, mtime in ns, checksum; as last seen
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            self._files = dict(self._manifest()["files"])

    def digest(self, path: Path, algorithm: str) -> str:
        """The checksum of a file in hex; read again only when its size or its time of change is not as remembered."""
        found, known = path.stat(), self._files.get(os.path.abspath(path))
        seen = [algorithm, found.st_size, found.st_mtime_ns]
        if known is None or known[:3] != seen:
            with open(path, "rb") as file:
                seen.append(
                    hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
                )
            self._files[os.path.abspath(path)] = known = seen
        return known[3]

    def key(self, files: list[Path]) -> list[str]:
        """What must be equal for the cache to hold: each file's checksum, MD5 for a zip as GroupLens publishes it."""
        digests = [self.digest(path, "md5" if path.suffix == ".zip" else "sha256") for path in files]
        used = {os.path.abspath(path) for path in files}
        self._files = {path: known for path, known in self._files.items() if path in used}
        return digests

    def load(self, key: list[str]) -> tuple[Columns, list] | None:
        """What was saved under `key`, and its notes; None if it is not there, of another version, or damaged."""
        try:
            with self._lock():
                manifest = self._manifest()
                if manifest["key"] != key:
                    return None
                build = self.folder / manifest["build"]
                columns = {name: _read(build, name, known) for name, known in manifest["columns"].items()}
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ):  # whatever is wrong, the source is there
            return None
        self._tidy(manifest)
        return columns, manifest["notes"]

    def save(self, key: list[str], columns: Columns, notes: list) -> None:
        """Keep `columns` and `notes` (JSON) under `key`, in the place of all that was here.

        Warns:
            UserWarning: They could not be written; nothing half-written is left.
        """
        if not self._unchanged():  # somebody is just replacing them: what was read may be half of each
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            with self._lock():
                self._publish(key, columns, notes)
            self._sweep()
        except OSError as error:
            need = sum(getattr(values, "nbytes", 100 * len(values)) for values in columns.values()) / 1e6
            warnings.warn(
                f"The tables could not be cached, about {need:,.0f} MB in {self.folder}: {error.strerror or error}. "
                "They are whole, but will be read from their source again next time. Make room, or set the environment "
                "variable MOVIEREC_DATA to a folder that can be written.",
                stacklevel=4,
            )

    def _manifest(self) -> dict:
        manifest = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}")
        return manifest

    def _publish(self, key: list[str], columns: Columns, notes: list) -> None:
        build = f"{os.getpid()}-{secrets.token_hex(4)}"
        part, draft = self.folder / f".{build}.part", self.folder / f".{build}.json"
        try:
            part.mkdir()
            written = {name: _write(part, name, values) for name, values in columns.items()}
            _sync(part)
            os.rename(part, self.folder / build)
            names = {"format": FORMAT, "key": key, "build": build, "files": self._files}
            self._replace_manifest(draft, names | {"columns": written, "notes": notes})
        except BaseException:  # Ctrl-C too
            for folder in (part, self.folder / build):
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _replace_manifest(self, draft: Path, manifest: dict) -> None:
        try:
            _write_bytes(draft, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
            os.replace(draft, self.folder / MANIFEST)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        _sync(self.folder)

    def _tidy(self, manifest: dict) -> None:
        """After a hit: remember new times of sources whose content is the same, and sweep what others left."""
        with contextlib.suppress(OSError):  # neither is needed
            if manifest["files"] != self._files:
                self._replace_manifest(self.folder / f".{secrets.token_hex(4)}.json", manifest | {"files": self._files})
            if {path.name for path in self.folder.iterdir()} - {MANIFEST, manifest["build"]}:
                self._sweep()

    def _unchanged(self) -> bool:
        """Whether the sources are as they were when their checksums were taken."""
        with contextlib.suppress(OSError):
            found = {path: os.stat(path) for path in self._files}
            return all([stat.st_size, stat.st_mtime_ns] == self._files[path][1:3] for path, stat in found.items())
        return False

    def _sweep(self) -> None:
        """Delete what the manifest does not name, if nobody else is reading or writing here."""
        with self._lock(exclusive=True) as held, contextlib.suppress(OSError):
            kept = {MANIFEST}
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                kept.add(self._manifest()["build"])
            for path in self.folder.iterdir() if held is not False else ():
                if path.name not in kept and (held or time.time() - path.stat().st_mtime > SWEEP_AFTER):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _lock(self, exclusive: bool = False) -> Iterator[bool | None]:
        """Hold the folder's lock, shared, or exclusive if it is free at once.

        Yields: Whether it is held; None where folders cannot be locked.
        """
        file = held = None
        try:
            with contextlib.suppress(OSError):  # no folder, or of a kind that cannot be locked
                file = os.open(self.folder, os.O_RDONLY) if fcntl else None
            if file is not None:
                with contextlib.suppress(OSError):
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
                        held = True
                    except BlockingIOError:
                        held = False
            yield held
        finally:
            if file is not None:
                os.close(file)


def _write(folder: Path, name: str, values: np.ndarray | list[str]) -> dict:
    """Write one column; what `_read` needs to know that it is whole."""
    if isinstance(values, list):
        text = json.dumps(values, ensure_ascii=False).encode()
        _write_bytes(folder / f"{name}.json", text)
        return {"crc32": zlib.crc32(text)}
    values = np.ascontiguousarray(values)
    with open(folder / f"{name}.npy", "xb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(values))
        file.write(values.reshape(-1).view(np.uint8).data)  # a fifth of the time of np.save
        file.flush()
        os.fsync(file.fileno())
    return {"dtype": str(values.dtype), "shape": list(values.shape), "crc32": zlib.crc32(values)}


def _read(folder: Path, name: str, known: dict) -> np.ndarray | list[str]:
    """One column, compared with its type, its shape and its CRC-32 (0.1 s for 400 MB).

    An array is the file itself, mapped: nothing is copied until somebody writes into it, and that is theirs alone. The
    file may be deleted meanwhile; it is never rewritten.
    """
    if "dtype" not in known:
        text = (folder / f"{name}.json").read_bytes()
        if zlib.crc32(text) != known["crc32"]:
            raise ValueError(f"{name} is damaged")
        return json.loads(text)
    values = np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False).view(np.ndarray)
    if [str(values.dtype), list(values.shape), zlib.crc32(values)] != [known["dtype"], known["shape"], known["crc32"]]:
        raise ValueError(f"{name} is damaged")
    return values


def _write_bytes(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder durable, where a folder can be opened."""
    with contextlib.suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
