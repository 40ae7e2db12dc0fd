"""The folder of a saved model: numbered versions, and a manifest that names the one that counts and its checksums."""

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from movierec.data import say
from movierec.files import flush_to_disk, is_sealed, locked, read_json, sealed, sha256_of_file, write_to_disk
from movierec.keras2 import tf

FORMAT, SEQUENCE = "movierec-hybrid-5", "movierec-sequence-1"
MANIFEST, ARRAYS = "manifest.json", "assets.extra/arrays.npz"
ATTEMPTS = 10  # to read a model that others save meanwhile


def publish(folder: Path, part: Path, description: dict) -> None:
    """Move the files in `part`/version into the folder, let the manifest name them, and remove older versions.

    The manifest holds `description`, too, which may name another format. Of several processes, one after the other
    does so.
    """
    with locked(folder):
        older = [path for path in folder.iterdir() if path.name.isdecimal()]
        version = 1 + max([0, *(int(path.name) for path in older)])
        place = folder / str(version)
        files = {f"{version}/{name}": sha256_of_file(part / "version" / name) for name in names(part / "version")}
        versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
        manifest = {"format": FORMAT, "version": version, "files": files, "versions": versions, **description}
        write_to_disk(part / MANIFEST, sealed(manifest))
        try:
            os.rename(part / "version", place)
            flush_to_disk(folder)
            os.replace(part / MANIFEST, folder / MANIFEST)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        flush_to_disk(folder)
        for path in older:
            if (path / ARRAYS).exists():  # a version of ours, and not a folder of somebody's that is called 2024
                shutil.rmtree(path, ignore_errors=True)


def read_saved(folder, read: Callable[[dict, Path], object], formats: tuple[str, ...] = (FORMAT,)):
    """Return what `read` makes of the manifest and the folder of its version; raise as `checked`.

    If a save has replaced the version meanwhile, the new one is read.
    """
    for _ in range(ATTEMPTS):
        before = _stamp(folder)
        try:
            return read(*checked(folder, formats))
        except (OSError, ValueError):
            if _stamp(folder) == before:
                raise
    return read(*checked(folder, formats))


def _stamp(folder) -> tuple | None:
    """Return what changes whenever the manifest is replaced."""
    try:
        found = (Path(folder) / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def checked(folder, formats: tuple[str, ...] = (FORMAT,)) -> tuple[dict, Path]:
    """Return the manifest and the folder of the version that it names, once each file has the checksum written there.

    Raises:
        FileNotFoundError: If `folder` has no saved model.
        ValueError: If it has another format, or was cut short or changed.

    Warns:
        UserWarning: It was saved with another TensorFlow.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise FileNotFoundError(f"{folder} must hold {MANIFEST}; it does not. `model.save(folder)` writes it.")
    try:
        manifest = read_json(folder / MANIFEST)
    except ValueError as error:
        raise ValueError(f"{error}. Save the model again.") from error
    if (found := manifest.get("format")) not in formats:
        again = "Save it again with this version of movierec, or load it with the version that saved it."
        sequence = "It holds what fit_sequence returned, which movierec.load_model(folder) reads."
        advice = sequence if found == SEQUENCE else again
        raise ValueError(f"{folder} must have the format {' or '.join(formats)}, found {found!r}. {advice}")
    version, files, versions = (manifest.get(name) for name in ("version", "files", "versions"))
    is_number = type(version) is int and 0 < version < 10**9
    if not is_number or not isinstance(files, dict) or not isinstance(versions, dict):
        raise ValueError(f"{folder / MANIFEST} does not say which files are the model. Save the model again.")
    place = folder / str(version)
    there = {f"{place.name}/{name}": place / name for name in names(place)} if place.is_dir() else {}
    wrong = sorted(set(files) ^ set(there)) or [name for name in files if sha256_of_file(there[name]) != files[name]]
    if wrong:
        found = f"{', '.join(wrong[:3])} was cut short, changed, added or taken away"
        advice = "Save the model again, or copy the whole folder again."
        raise ValueError(f"{folder} is not as its manifest says: {found}. {advice}")
    if not is_sealed(manifest):
        found = "it was changed after it was written: its checksum is another"
        raise ValueError(f"{folder / MANIFEST} cannot be read ({found}). Save the model again.")
    saved_with = str(versions.get("tensorflow"))
    if saved_with.split(".")[:2] != tf.__version__.split(".")[:2]:
        both = f"TensorFlow {saved_with}, and is read with {tf.__version__}"
        say(f"{folder} was saved with {both}: scores may differ in their last digits.")
    return manifest, place


def names(folder: Path) -> list[str]:
    """Return the paths of all files in a folder and its folders, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
