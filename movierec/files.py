"""Checksums of files and arrays, and files that appear whole or not at all.

This module imports nothing of the package, so that every folder may use it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import numpy as np


def sha256_of_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes: 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_arrays(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the arrays' values, one array after the other in C order: 64 hexadecimal digits.

    Types and shapes do not count: float32 [2, 3] and float32 [6] with the same values have the same checksum.
    """
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def write_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, whole; block until it is on disk.

    The content is written beside `path` under a name of its own, which then replaces `path`. If writing fails or is
    interrupted, `path` stays as it was. The folder must exist.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        flush_to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(path: str | os.PathLike) -> None:
    """Block until a file's content, or the names in a folder, are on disk. Windows has no such call for folders."""
    path = Path(path)
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
