"""Tables kept on disk for as long as neither their sources nor the code that makes them change."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from movierec.data.download import SWEEP_AFTER, checksum
from movierec.files import flush_to_disk, sha256_of_file, write_atomically

CODE = [Path(__file__).with_name(f"{name}.py") for name in ("cleaning", "formats", "own_tables", "tables")]
MANIFEST = "manifest.json"  # the checksums of the files beside it
PART = ".part-"  # the names of folders for unfinished tables begin so


def cached(folder: Path, sources: list[Path], build: Callable[[], dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Return the tables that `build` makes of `sources`, from the disk if they were kept there.

    They are kept as Feather files in a folder named by the checksums of the sources and of our code that reads and
    cleans them. The folder appears whole, when all files are on disk, and is never changed: another process sees all of
    it or nothing. Of two processes that build at once, the first one's files are kept.

    Args:
        folder: Keeps the tables of these sources; older ones in it are removed when new ones are written.
        sources: The files of which the tables are made.
        build: Makes the tables, by name, each with the index 0, 1, ….

    Warns:
        UserWarning: The files were damaged, and are made again; or they could not be written.
    """
    entry = folder / _key(sources)
    if (kept := _read_kept(entry)) is not None:
        return kept
    tables = build()
    if entry.name != _key(sources):  # a source changed while it was read
        return tables
    try:
        _keep(entry, tables)
    except OSError as error:
        megabytes = sum(table.memory_usage().sum() for table in tables.values()) / 1e6
        warnings.warn(
            f"The tables could not be cached, about {megabytes:,.0f} MB in {folder}: {error.strerror or error}. They "
            "are whole, but will be read from their source again next time. Make room, or set the environment "
            "variable MOVIEREC_DATA to a folder that can be written.",
            stacklevel=3,
        )
    return tables


def _key(sources: list[Path]) -> str:
    checksums = [*map(checksum, sources), *map(sha256_of_file, CODE)]
    return hashlib.sha256(json.dumps(checksums).encode()).hexdigest()[:16]


def _read_kept(entry: Path) -> dict[str, pd.DataFrame] | None:
    """Return the tables in `entry`; None if it is not there or damaged."""
    try:
        files = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        for name, expected in files.items():
            if sha256_of_file(entry / name) != expected:
                raise ValueError(f"{name} has another checksum")
        return {Path(name).stem: pd.read_feather(entry / name) for name in files}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if entry.exists():
            warnings.warn(f"The tables in {entry} are damaged ({error}): they are made again.", stacklevel=4)
            shutil.rmtree(entry, ignore_errors=True)
        return None


def _keep(entry: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write `tables` into the folder `entry`, and remove what else is beside it."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PART, dir=entry.parent, ignore_cleanup_errors=True) as part:
        place = Path(part, entry.name)
        place.mkdir()
        files = {f"{name}.feather": table for name, table in tables.items()}
        for name, table in files.items():
            table.to_feather(place / name, compression="uncompressed")  # four times as fast to read
            flush_to_disk(place / name)
        write_atomically(place / MANIFEST, json.dumps({name: sha256_of_file(place / name) for name in files}).encode())
        try:
            os.rename(place, entry)
        except OSError:
            if not entry.exists():  # else another process was faster
                raise
    flush_to_disk(entry.parent)
    for path in entry.parent.iterdir():
        with contextlib.suppress(OSError):  # another process may sweep too
            if path != entry and (not path.name.startswith(PART) or time.time() - path.stat().st_mtime > SWEEP_AFTER):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
