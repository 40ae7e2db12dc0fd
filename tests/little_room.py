"""A disk that is really full, for tests: a small file system in memory, or else a limit for the size of files."""

import contextlib
import subprocess
from pathlib import Path

import pytest


@contextlib.contextmanager
def little_room(folder: Path, num_bytes: int):
    """Make `folder` and let no more than `num_bytes` be written there; yield it.

    A tmpfs is mounted where that is allowed (root). Elsewhere no file of this process may grow beyond `num_bytes`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs", str(folder)]
    with contextlib.suppress(OSError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            try:
                yield folder
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)
            return
    resource = pytest.importorskip("resource", reason="neither small file systems nor limits for files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
