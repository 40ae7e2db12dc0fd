"""A trained model on disk: `model.save(folder)` and `load_model(folder)`, with the same lists to the last bit.

    folder/manifest.json               format, versions, settings, data, metrics, and a checksum of every other file
    folder/1/saved_model.pb, variables TensorFlow's SavedModel of the `Pipeline`, as TensorFlow Serving wants it
    folder/1/assets.extra/arrays.npz   weights, ids, titles, history: numbers and text only

`load_model` reads the numbers, so that a folder from somebody else runs no code of theirs; `serving.load_served` runs
the SavedModel. Taught in notebooks/07_recommendations and 10_serving.
"""

import hashlib
import json
import os
import platform
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.data import Features, Indices, Weeks
from movierec.keras2 import tf
from movierec.models import HEADS, History, HybridModel, Settings
from movierec.recommend.recommender import Hybrid

FORMAT = "movierec-hybrid-3"
MANIFEST, ARRAYS = "manifest.json", "assets.extra/arrays.npz"
PAST = ("user_index", "movie_index", "residual", "timestamp")
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, zipfile.BadZipFile)
SERVED = ("recommend", "recommend_after", "recommend_new", "similar")


def save_model(hybrid: Hybrid, folder) -> None:
    """Writes `hybrid` to `folder`, as a new version that appears whole or not at all; then the older one is removed.

    The manifest, which says which version holds, is replaced last: whoever is interrupted keeps what was there before.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taken = [path for path in folder.iterdir() if path.name.isdigit()]
    version = 1 + max((int(path.name) for path in taken), default=0)
    temporary = folder / f".{version}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)  # of a dead process that had our number
    try:
        if hybrid.model.ranking is not None:
            pipeline = hybrid.pipeline
            signatures = {name: getattr(pipeline, name) for name in SERVED}
            tf.saved_model.save(pipeline, str(temporary), signatures)
        (temporary / ARRAYS).parent.mkdir(parents=True)
        np.savez_compressed(temporary / ARRAYS, **_arrays(hybrid))
        files = {f"{version}/{name}": _sha256(temporary / name) for name in _names(temporary)}
        for name in _names(temporary):
            _to_disk(temporary / name)
        os.replace(temporary, folder / str(version))
        _to_disk(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write_atomically(folder / MANIFEST, json.dumps(_manifest(hybrid, version, files), indent=1).encode())
    except OSError:
        shutil.rmtree(folder / str(version), ignore_errors=True)
        raise
    for path in taken:
        if (path / ARRAYS).exists():  # a version of ours, and no folder of somebody's that is called 2024
            shutil.rmtree(path, ignore_errors=True)


def _arrays(hybrid: Hybrid) -> dict[str, np.ndarray]:
    model, movies = hybrid.model, hybrid.movies
    arrays = {
        "user_ids": hybrid.indices.user_ids,
        "movie_ids": hybrid.indices.movie_ids,
        "titles": movies["title"].to_numpy(str),
        "genres": movies["genres"].to_numpy(str),
        "years": movies["year"].to_numpy(float, na_value=np.nan),
        "seen_user_id": hybrid.seen["user_id"].to_numpy(),
        "seen_movie_id": hybrid.seen["movie_id"].to_numpy(),
        **{f"past_{name}": getattr(model.past, name) for name in PAST},
        "user_features": model.user_features.values,
        "movie_features": model.movie_features.values,
        "user_bias": hybrid.bias.user,
        "movie_bias": hybrid.bias.movie,
    }
    for head in _heads(model):
        for number, weight in enumerate(getattr(model, head).get_weights()):
            arrays[f"{head}_{number}"] = weight
    return arrays


def _manifest(hybrid: Hybrid, version: int, files: dict[str, str]) -> dict:
    model, past = hybrid.model, hybrid.model.past
    history = hybrid.history
    quality = [] if history is None else [name for name in history if name.startswith("validation_")]
    best = {name: float(history[name].min() if name.endswith("rmse") else history[name].max()) for name in quality}
    return {
        "format": FORMAT,
        "version": version,
        "files": files,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__},
        "seed": hybrid.seed,
        "data": {
            "users": past.num_users,
            "movies": past.num_movies,
            "ratings": len(past.residual),
            "sha256": sha256_of(*(getattr(past, name) for name in PAST)),
        },
        "metrics": best,
        "heads": _heads(model),
        "settings": model.settings.model_dump(),
        "in_order": past.in_order,
        "user_feature_names": model.user_features.names,
        "movie_feature_names": model.movie_features.names,
        "weeks": list(hybrid.weeks),
        "mean": hybrid.bias.mean,
        "levels": hybrid.bias.levels.tolist(),
        "damping_user": hybrid.bias.damping_user,
        "best_epochs": hybrid.best_epochs,
        "fit_seconds": hybrid.fit_seconds,
        "history": None if history is None else history.to_dict("list"),
    }


def load_model(folder) -> Hybrid:
    """The `Hybrid` that `save` wrote: same predictions, same lists.

    Raises:
        FileNotFoundError: if `folder` has no saved model.
        ValueError: if it is of another format, or was cut short or changed.
    """
    manifest, place = checked(folder)
    try:
        with np.load(place / ARRAYS, allow_pickle=False) as file:
            return _rebuild(manifest, dict(file))
    except UNREADABLE as error:
        raise ValueError(f"{place / ARRAYS} cannot be read ({error}). Save the model again.") from error


def checked(folder) -> tuple[dict, Path]:
    """The manifest, and the folder of the version that it names, every file of it with the checksum written there.

    Raises: as `load_model`.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise FileNotFoundError(f"{folder} must hold {MANIFEST}; it does not. `model.save(folder)` writes it.")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / MANIFEST} is not readable JSON ({error}). Save the model again.") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder} must have the format {FORMAT}, found {found!r}. Save it again.")
    try:
        place, files = folder / str(int(manifest["version"])), dict(manifest["files"])
    except (LookupError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{folder / MANIFEST} does not say which files are the model. Save the model again.") from None
    there = {f"{place.name}/{name}": place / name for name in _names(place)} if place.is_dir() else {}
    wrong = sorted(set(files) ^ set(there)) or [name for name, path in there.items() if _sha256(path) != files[name]]
    if wrong:
        raise ValueError(
            f"{folder} is not as its manifest says: {', '.join(wrong[:3])} was cut short, changed, added or taken "
            "away. Save the model again, or copy the whole folder again."
        )
    return manifest, place


def _heads(model: HybridModel) -> list[str]:
    return [head for head in HEADS if getattr(model, head) is not None]


def _names(folder: Path) -> list[str]:
    """The files under a folder, by their path in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _rebuild(manifest: dict, arrays: dict) -> Hybrid:
    indices = Indices(arrays["user_ids"], arrays["movie_ids"])
    weeks = Weeks(*manifest["weeks"])
    past = History(
        *(arrays[f"past_{name}"] for name in PAST), indices.num_users, indices.num_movies, manifest["in_order"]
    )
    numbers = (manifest[name] for name in ("mean", "levels", "damping_user"))
    bias = Bias.restore(indices, arrays["user_bias"], arrays["movie_bias"], *numbers)
    model = HybridModel(
        past,
        Features(arrays["user_features"], manifest["user_feature_names"]),
        Features(arrays["movie_features"], manifest["movie_feature_names"]),
        bias,
        weeks.count,
        tuple(manifest["heads"]),
        Settings(**manifest["settings"]),
    )
    movies = pd.DataFrame({"movie_id": indices.movie_ids, "title": arrays["titles"], "genres": arrays["genres"]})
    movies["year"] = arrays["years"]
    seen = pd.DataFrame({"user_id": arrays["seen_user_id"], "movie_id": arrays["seen_movie_id"]})
    hybrid = Hybrid(model, indices, movies, weeks, bias, seen)
    for head in manifest["heads"]:
        layer = getattr(model, head)
        layer.set_weights([arrays[f"{head}_{number}"] for number in range(len(layer.get_weights()))])
    if manifest["history"] is not None:
        hybrid.history = pd.DataFrame(manifest["history"])
    hybrid.best_epochs, hybrid.fit_seconds = manifest["best_epochs"], manifest["fit_seconds"]
    hybrid.seed = manifest["seed"]
    return hybrid


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Nothing; waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no such thing for folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(*arrays: np.ndarray) -> str:
    """Of the numbers in the arrays, one after the other; 64 hex digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
