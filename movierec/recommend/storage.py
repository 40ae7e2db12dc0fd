"""Saved models on disk: numbers, the program that serves them, and a manifest with a checksum of every file.

    folder/manifest.json               format, versions, settings, data, metrics, checksums of all files, its own too
    folder/1/saved_model.pb, variables TensorFlow's SavedModel of the `Pipeline`, as TensorFlow Serving wants it
    folder/1/assets.extra/arrays.npz   ids, titles, history; arrays-1.npz, … of an ensemble's other members

Loading reads numbers only, so a folder from somebody else runs no code of theirs. The weights, and EASE's item-item
matrix B or what stands for it (see `FewUsers` and `LowRank`), are stored once, among the variables of the SavedModel;
without a ranking head there is no such program, and the arrays have the weights.
`pickle`, `copy.deepcopy` and processes that are spawned take a model along as such a folder.

Taught in notebooks/07_recommendations and 12_serving.
"""

import io
import itertools
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.data import Features, Indices, Weeks, is_text
from movierec.files import sha256_of_arrays
from movierec.keras2 import tf
from movierec.models import HEADS, History, HybridModel, Settings
from movierec.recommend.versions import FORMAT, SEQUENCE, arrays_file, check_numbers, read_saved, write_version
from movierec.scale import Scale

VARIABLE = "{}/.ATTRIBUTES/VARIABLE_VALUE"  # where a SavedModel keeps what is called so in the `Pipeline`:
LINEAR, OWN = "linear_{}", "linear_own_{}"  # B of a member; or K or F of `FewUsers` or `LowRank`, and their g
WEIGHT = "weights/{}_{}/{}"  # head, number of the member, number of the weight
PAST = ("user_index", "movie_index", "residual", "timestamp")
TRAINED = ("history", "best_epochs", "fit_seconds", "seed")  # attributes of a `Hybrid` besides its parts


def packed(model) -> bytes:
    """Return the folder that `model.save` writes, as the bytes of a zip archive."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        model.save(folder)
        for path in sorted(Path(folder).rglob("*")):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def unpacked(content: bytes, read: Callable[[dict, Path], object]):
    """Return the model of `packed` bytes, with the same predictions and lists; `read` as of `read_saved`."""
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
        return read_saved(folder, read, (FORMAT, SEQUENCE))


# ---- what models of every kind have


def common_arrays(indices: Indices, movies: pd.DataFrame, past: History) -> dict[str, np.ndarray]:
    """Return ids, titles, genres, years (NaN: none) and the histories under the names that they have on disk."""
    return {
        "user_ids": indices.user_ids,
        "movie_ids": indices.movie_ids,
        "titles": movies["title"].to_numpy(str),
        "genres": movies["genres"].to_numpy(str),
        "years": movies["year"].to_numpy(float, na_value=np.nan),
        **{f"past_{name}": getattr(past, name) for name in PAST},
    }


def common_description(past: History, history: pd.DataFrame | None) -> dict:
    """Return what a manifest says of the data, with a checksum, and of the epochs."""
    counts = {"users": past.num_users, "movies": past.num_movies, "ratings": len(past.residual)}
    checksum = sha256_of_arrays(*(getattr(past, name) for name in PAST))
    return {"data": counts | {"sha256": checksum}, "history": None if history is None else history.to_dict("list")}


def read_arrays(place: Path, number: int, description: dict, others: dict | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a member; ValueError if one of them, or of `others`, is not finite."""
    with np.load(arrays_file(place, number), allow_pickle=False) as file:
        arrays = dict(file)
    check_numbers(arrays | (others or {}), description, f"{place} is refused. Train and save the model again.")
    return arrays


def read_common(arrays: dict, in_order: bool, history: dict | None) -> tuple:
    """Return indices, movies, past and the table of epochs from what `common_arrays` and the manifest hold."""
    indices = Indices(arrays["user_ids"], arrays["movie_ids"])
    movies = {"title": arrays["titles"], "genres": arrays["genres"], "year": arrays["years"]}
    columns = (arrays[f"past_{name}"] for name in PAST)
    past = History(*columns, indices.num_users, indices.num_movies, in_order)
    table = pd.DataFrame({"movie_id": indices.movie_ids, **movies})
    return indices, table, past, None if history is None else pd.DataFrame(history)


# ---- hybrids


def save_members(folder, members: list, pipeline) -> None:
    """Write `Hybrid`s, with the pipeline of all of them or None without a ranking head; raise as `write_version`."""
    description, *others = map(_description, members)
    if others:
        description["other_members"] = others
    arrays = [_arrays(member) | (_weights(member) if pipeline is None else {}) for member in members]
    write_version(folder, arrays, description, pipeline)


def read_members(manifest: dict, place: Path) -> list[tuple[tuple, dict]]:
    """Return the parts of each member, as `Hybrid` takes them, and its `TRAINED` attributes."""
    members = enumerate([manifest, *manifest.get("other_members", [])])
    return [_rebuild(description, place, number) for number, description in members]


def _arrays(hybrid) -> dict[str, np.ndarray]:
    model = hybrid.model
    return common_arrays(hybrid.indices, hybrid.movies, model.past) | {
        "seen_user_id": _plain(hybrid.seen["user_id"]),
        "seen_movie_id": _plain(hybrid.seen["movie_id"]),
        "user_features": model.user_features.values,
        "movie_features": model.movie_features.values,
        "user_bias": hybrid.bias.user,
        "movie_bias": hybrid.bias.movie,
    }


def _weights(hybrid) -> dict[str, np.ndarray]:
    weights = {head: getattr(hybrid.model, head).get_weights() for head in _heads(hybrid.model)}
    return {f"{head}_{n}": weight for head, of_head in weights.items() for n, weight in enumerate(of_head)}


def _plain(ids: pd.Series) -> np.ndarray:
    return ids.to_numpy(str if is_text(ids) else ids.dtype)  # an array of Python objects could be read as a pickle only


def _description(hybrid) -> dict:
    model, bias, history = hybrid.model, hybrid.bias, hybrid.history
    quality = [] if history is None else [name for name in history if name.startswith("validation_")]
    best = {name: float(history[name].min() if name.endswith("rmse") else history[name].max()) for name in quality}
    return common_description(model.past, history) | {
        "seed": hybrid.seed,
        "metrics": best,
        "heads": _heads(model),
        "settings": model.settings.model_dump(),
        "in_order": model.past.in_order,
        "user_feature_names": model.user_features.names,
        "movie_feature_names": model.movie_features.names,
        "weeks": list(hybrid.weeks),
        "mean": bias.mean,
        "levels": bias.levels.tolist(),
        "scale": hybrid.scale,
        "damping_user": bias.damping_user,
        "best_epochs": hybrid.best_epochs,
        "fit_seconds": hybrid.fit_seconds,
    }


def _heads(model: HybridModel) -> list[str]:
    return [head for head in HEADS if getattr(model, head) is not None]


def _rebuild(description: dict, place: Path, number: int) -> tuple[tuple, dict]:
    saved = _variables(place, number)
    arrays = read_arrays(place, number, description, saved)
    indices, movies, past, history = read_common(arrays, description["in_order"], description["history"])
    numbers = (description[name] for name in ("mean", "levels", "damping_user"))
    bias = Bias.restore(indices, arrays["user_bias"], arrays["movie_bias"], *numbers)
    known = [Features(arrays[f"{who}_features"], description[f"{who}_feature_names"]) for who in ("user", "movie")]
    weeks = Weeks(*description["weeks"])
    heads, settings = tuple(description["heads"]), Settings(**description["settings"])
    linear = [saved[name] for name in ("linear", "linear_own") if name in saved]
    matrix = tuple(linear) if len(linear) == 2 else linear[0] if linear else None
    model = HybridModel(past, *known, bias, weeks.count, heads, settings, linear=matrix)
    weights = arrays | saved
    for head in heads:
        layer = getattr(model, head)
        layer.set_weights([weights[f"{head}_{n}"] for n in range(len(layer.get_weights()))])
    seen = pd.DataFrame({"user_id": arrays["seen_user_id"], "movie_id": arrays["seen_movie_id"]})
    scale = Scale(*description["scale"])
    trained = {name: description[name] for name in TRAINED} | {"history": history}
    return (model, indices, movies, weeks, bias, seen, scale), trained


def _variables(place: Path, number: int) -> dict[str, np.ndarray]:
    """Return the weights of a member, and B, or the two that stand for it; none without a ranking head."""
    if not (place / "variables").exists():
        return {}
    variables = tf.train.load_checkpoint(str(place / "variables/variables"))
    paths = {"linear": LINEAR.format(number), "linear_own": OWN.format(number)}
    for head in HEADS:
        names = (WEIGHT.format(head, number, n) for n in itertools.count())
        there = itertools.takewhile(lambda name: variables.has_tensor(VARIABLE.format(name)), names)
        paths |= {f"{head}_{n}": name for n, name in enumerate(there)}
    paths = {name: VARIABLE.format(path) for name, path in paths.items()}
    return {name: variables.get_tensor(path) for name, path in paths.items() if variables.has_tensor(path)}
