"""A trained model on disk: `model.save(folder)` and `load_model(folder)`, with the same lists to the last bit.

Two files: `manifest.json` (format, versions, settings, checksum) and `arrays.npz` (weights, ids, titles, history).
Numbers and text only: loading a folder from somebody else runs no code of theirs. Taught in
notebooks/07_recommendations.
"""

import hashlib
import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.features import Features, Weeks
from movierec.histories import History
from movierec.indices import Indices
from movierec.keras2 import tf
from movierec.models import HEADS, HybridModel
from movierec.recommend import Hybrid
from movierec.settings import Settings

FORMAT = "movierec-hybrid-2"
PAST = ("user_index", "movie_index", "residual", "timestamp")


def save_model(hybrid: Hybrid, folder) -> None:
    """Writes `hybrid` to `folder`. Each file appears whole or not at all; the manifest, which makes it valid, last.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = hybrid.model
    arrays = {
        "user_ids": hybrid.indices.user_ids,
        "movie_ids": hybrid.indices.movie_ids,
        "titles": hybrid.movies["title"].to_numpy(str),
        "seen_user_id": hybrid.seen["user_id"].to_numpy(),
        "seen_movie_id": hybrid.seen["movie_id"].to_numpy(),
        **{f"past_{name}": getattr(model.past, name) for name in PAST},
        "user_features": model.user_features.values,
        "movie_features": model.movie_features.values,
        "user_bias": hybrid.bias.user,
        "movie_bias": hybrid.bias.movie,
    }
    heads = [head for head in HEADS if getattr(model, head) is not None]
    for head in heads:
        for number, weight in enumerate(getattr(model, head).get_weights()):
            arrays[f"{head}_{number}"] = weight
    _write_atomically(folder / "arrays.npz", lambda file: np.savez_compressed(file, **arrays))
    manifest = {
        "format": FORMAT,
        "arrays_sha256": _sha256(folder / "arrays.npz"),
        "tensorflow": tf.__version__,
        "heads": heads,
        "settings": asdict(model.settings),
        "in_order": model.past.in_order,
        "user_feature_names": model.user_features.names,
        "movie_feature_names": model.movie_features.names,
        "weeks": list(hybrid.weeks),
        "mean": hybrid.bias.mean,
        "levels": hybrid.bias.levels.tolist(),
        "damping_user": hybrid.bias.damping_user,
        "best_epochs": hybrid.best_epochs,
        "fit_seconds": hybrid.fit_seconds,
        "history": None if hybrid.history is None else hybrid.history.to_dict("list"),
    }
    text = json.dumps(manifest, indent=1).encode()
    _write_atomically(folder / "manifest.json", lambda file: file.write(text))


def load_model(folder) -> Hybrid:
    """The `Hybrid` that `save` wrote: same predictions, same lists.

    Raises:
        FileNotFoundError: if `folder` has no saved model.
        ValueError: if it is of another format, or was cut short or changed.
    """
    folder = Path(folder)
    if not (folder / "manifest.json").exists() or not (folder / "arrays.npz").exists():
        raise FileNotFoundError(
            f"{folder} must hold manifest.json and arrays.npz; it does not. `model.save(folder)` writes them."
        )
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except ValueError as error:
        raise ValueError(f"{folder / 'manifest.json'} is not readable JSON ({error}). Save the model again.") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ValueError(f"{folder} must have the format {FORMAT}, found {found!r}. Save it again.")
    if _sha256(folder / "arrays.npz") != manifest.get("arrays_sha256"):
        raise ValueError(
            f"{folder / 'arrays.npz'} is not the file that manifest.json was written for: it was cut short or changed. "
            "Save the model again, or copy both files again."
        )
    try:
        with np.load(folder / "arrays.npz", allow_pickle=False) as file:
            arrays = dict(file)
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{folder / 'arrays.npz'} cannot be read ({error}). Save the model again.") from error
    return _rebuild(manifest, arrays)


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
    seen = pd.DataFrame({"user_id": arrays["seen_user_id"], "movie_id": arrays["seen_movie_id"]})
    hybrid = Hybrid(model, indices, arrays["titles"], weeks, bias, seen)
    for head in manifest["heads"]:
        layer = getattr(model, head)
        layer.set_weights([arrays[f"{head}_{number}"] for number in range(len(layer.get_weights()))])
    if manifest["history"] is not None:
        hybrid.history = pd.DataFrame(manifest["history"])
    hybrid.best_epochs, hybrid.fit_seconds = manifest["best_epochs"], manifest["fit_seconds"]
    return hybrid


def _write_atomically(path: Path, write) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
