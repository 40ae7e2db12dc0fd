"""The folder of a saved model: numbered versions, and a manifest that names the one that counts and its checksums."""

import os
import platform
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from movierec import files
from movierec.data import say
from movierec.keras2 import tf

FORMAT, SEQUENCE = "movierec-hybrid-7", "movierec-sequence-1"
MANIFEST, ARRAYS = "manifest.json", "assets.extra/arrays.npz"
SERVED = ("recommend", "recommend_after", "recommend_new", "similar")
NOT_SAVED = "Nothing was saved; what was saved before is still there."
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError)
UNREADABLE += (zipfile.BadZipFile, tf.errors.OpError)
ATTEMPTS = 10  # to read a model that others save meanwhile


def write_version(folder, arrays: list[dict], description: dict, pipeline=None) -> None:
    """Write a model as a new version that appears whole or not at all; then remove the older one.

    The manifest, which names the version that counts, is replaced last: if saving is interrupted, the previous version
    stays valid. Of several processes that save at once, one after the other publishes its version.

    Args:
        arrays: {name: array} of each member.
        description: What the manifest says of the first member, with "other_members", and maybe another format.
        pipeline: The program that is served; None without a ranking head.

    Raises:
        ValueError: A weight is NaN or infinite.
        OSError: The disk is full, or the folder cannot be written.
    """
    folder = Path(folder)
    variables = {f"{v.name} (variable {n})": v.numpy() for n, v in enumerate(getattr(pipeline, "variables", ()))}
    for columns, member in zip(arrays, [description, *description.get("other_members", [])], strict=True):
        check_numbers(columns | variables, member, NOT_SAVED)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.unfinished(folder) as part:
            place = part / "version"
            if pipeline is not None:
                tf.saved_model.save(pipeline, str(place), {name: getattr(pipeline, name) for name in SERVED})
            (place / ARRAYS).parent.mkdir(parents=True)
            for number, columns in enumerate(arrays):
                np.savez_compressed(arrays_file(place, number), **columns)
            files.flush_all(place)
            publish(folder, part, description)
    except (OSError, tf.errors.OpError) as error:
        num_bytes = sum(array.nbytes for columns in arrays for array in (columns | variables).values())
        advice = f"{NOT_SAVED} Make room, or name another folder."
        raise files.storage_error(error, folder, num_bytes, advice) from error


def check_numbers(arrays: dict, description: dict, advice: str) -> None:
    """Raise ValueError if a number of a member is NaN or infinite, apart from the years: a film may have none."""
    numbers = {name: column for name, column in arrays.items() if name != "years"}
    numbers |= {name: description[name] for name in ("mean", "levels") if name in description}
    files.check_finite(numbers, "the weights of a model", advice)


def arrays_file(place: Path, number: int) -> Path:
    """Return the path of a member's arrays in the folder of a version."""
    return place / ARRAYS if not number else (place / ARRAYS).with_stem(f"arrays-{number}")


def publish(folder: Path, part: Path, description: dict) -> None:
    """Move the files in `part`/version into the folder, let the manifest name them, and remove older versions."""
    with files.locked(folder):
        older = [path for path in folder.iterdir() if path.name.isdecimal()]
        version = 1 + max([0, *(int(path.name) for path in older)])
        place = folder / str(version)
        sums = {f"{version}/{name}": files.sha256_of_file(part / "version" / name) for name in names(part / "version")}
        versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
        manifest = {"format": FORMAT, "version": version, "files": sums, "versions": versions, **description}
        files.write_to_disk(part / MANIFEST, files.sealed(manifest))
        try:
            os.rename(part / "version", place)
            files.flush_to_disk(folder)
            os.replace(part / MANIFEST, folder / MANIFEST)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        files.flush_to_disk(folder)
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


def _stamp(folder) -> bytes:
    path = Path(folder) / MANIFEST
    return path.read_bytes() if path.exists() else b""


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
        manifest = files.read_json(folder / MANIFEST)
    except ValueError as error:
        raise ValueError(f"{error}. Save the model again.") from error
    if (found := manifest.get("format")) not in formats:
        advice = "Save it again with this version of movierec, or load it with the version that saved it."
        if found == SEQUENCE:
            advice = "It holds what fit_sequence returned, which movierec.load_model(folder) reads."
        raise ValueError(f"{folder} must have the format {' or '.join(formats)}, found {found!r}. {advice}")
    version, sums, versions = (manifest.get(name) for name in ("version", "files", "versions"))
    is_number = type(version) is int and 0 < version < 10**9
    if not is_number or not isinstance(sums, dict) or not isinstance(versions, dict):
        raise ValueError(f"{folder / MANIFEST} does not say which files are the model. Save the model again.")
    place = folder / str(version)
    there = {f"{version}/{name}": place / name for name in names(place)}
    wrong = sorted(set(sums) ^ set(there)) or [name for name in sums if files.sha256_of_file(there[name]) != sums[name]]
    if wrong:
        found = f"{', '.join(wrong[:3])} was cut short, changed, added or taken away"
        advice = "Save the model again, or copy the whole folder again."
        raise ValueError(f"{folder} is not as its manifest says: {found}. {advice}")
    if not files.is_sealed(manifest):
        found = "it was changed after it was written: its checksum is another"
        raise ValueError(f"{folder / MANIFEST} cannot be read ({found}). Save the model again.")
    saved_with = str(versions.get("tensorflow"))
    if saved_with.split(".")[:2] != tf.__version__.split(".")[:2]:
        both = f"TensorFlow {saved_with}, and is read with {tf.__version__}"
        say(f"{folder} was saved with {both}: scores may differ in their last digits.")
    return manifest, place


def names(folder: Path) -> list[str]:
    """Return the paths of all files in a folder and its folders, sorted; none if there is no such folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
