"""A disk that is really full, for tests; and what is flushed to it, in which order."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest


@contextlib.contextmanager
def little_room(folder: Path, num_bytes: int, content: Path | None = None):
    """Make `folder`, with a copy of `content`, and let only `num_bytes` more be written there; yield it.

    A tmpfs is mounted where that is allowed (root). Elsewhere no file of this process may grow beyond `num_bytes`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = [] if content is None else [path.stat().st_size for path in content.rglob("*") if path.is_file()]
    size = num_bytes + sum(4096 * -(-size // 4096) for size in there)  # in pages
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    with contextlib.ExitStack() as stack:
        is_mounted = False
        with contextlib.suppress(OSError):
            is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if is_mounted:
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], capture_output=True, check=True)
        if content is not None:
            shutil.copytree(content, folder, dirs_exist_ok=True)
        if not is_mounted:
            resource = pytest.importorskip("resource", reason="neither small file systems nor limits for files")
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, before)
            resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
        yield folder


def disk_events(monkeypatch) -> list[tuple[str, str]]:
    """Record ("flush", path) and ("move", where to) from now on, and return the list that grows."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("names of open files come from /proc")
    events, fsync = [], os.fsync

    def flush(descriptor):
        events.append(("flush", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def moved(move):
        return lambda source, target: (events.append(("move", str(target))), move(source, target))[1]

    monkeypatch.setattr(os, "fsync", flush)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, moved(getattr(os, name)))
    return events


def flips(content: bytes, rng, count: int):
    """Yield `content` with one bit flipped: in its first byte, its last one, and `count` places drawn in between."""
    for place in [0, len(content) - 1, *rng.integers(0, len(content), count)]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)
