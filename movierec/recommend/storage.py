"""Saved models on disk: numbers, the program that serves them, and a manifest with a checksum of every file.

    folder/manifest.json               format, versions, settings, data, metrics, checksums of all files, its own too
    folder/1/saved_model.pb, variables TensorFlow's SavedModel of the `Pipeline`, as TensorFlow Serving wants it
    folder/1/assets.extra/arrays.npz   weights, ids, titles, history; arrays-1.npz, … of an ensemble's other members

Loading reads numbers only, so a folder from somebody else runs no code of theirs. EASE's item-item matrix B, 4 bytes x
movies², or what stands for it (see `FewUsers` and `LowRank`), is stored once, among the variables of the SavedModel.
`pickle`, `copy.deepcopy` and processes that are spawned take a model along as such a folder.

Taught in notebooks/07_recommendations and 12_serving.
"""

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.data import Features, Indices, Weeks, is_text
from movierec.files import check_finite, flush_all, sha256_of_arrays, storage_error, unfinished
from movierec.keras2 import tf
from movierec.models import HEADS, History, HybridModel, Settings
from movierec.recommend.versions import ARRAYS, publish
from movierec.scale import Scale

LINEAR = "linear_{}/.ATTRIBUTES/VARIABLE_VALUE"  # where a SavedModel keeps the B of each member of the `Pipeline`
OWN = "linear_own_{}/.ATTRIBUTES/VARIABLE_VALUE"  # and, of `FewUsers` or `LowRank`, whose K or F is in its place
PAST = ("user_index", "movie_index", "residual", "timestamp")
TRAINED = ("history", "best_epochs", "fit_seconds", "seed")  # attributes of a `Hybrid` besides its parts
SERVED = ("recommend", "recommend_after", "recommend_new", "similar")
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError)
UNREADABLE += (zipfile.BadZipFile, tf.errors.OpError)
NOT_SAVED = "Nothing was saved; what was saved before is still there."


def save_members(folder, members: list, pipeline) -> None:
    """Write a model as a new version that appears whole or not at all; then remove the older one.

    The manifest, which names the version that counts, is replaced last: if saving is interrupted, the previous version
    stays valid. Of several processes that save at once, one after the other publishes its version. `members` are the
    `Hybrid`s, `pipeline` is that of all of them, or None without a ranking head.

    Raises:
        ValueError: A weight is NaN or infinite.
        OSError: The disk is full, or the folder cannot be written.
    """
    arrays, descriptions = [_arrays(member) for member in members], [_description(member) for member in members]
    variables = [variable.numpy() for variable in getattr(pipeline, "variables", ())]
    for columns, description in zip(arrays, descriptions, strict=True):
        _check_finite(columns, variables, description, NOT_SAVED)
    others = {"other_members": descriptions[1:]} if len(members) > 1 else {}
    write_version(folder, arrays, descriptions[0] | others, pipeline, variables)


def write_version(folder, arrays: list[dict], description: dict, pipeline=None, variables=()) -> None:
    """Write the arrays of each member, and what the manifest says of them, as a new version; see `save_members`."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished(folder) as part:
            place = part / "version"
            if pipeline is not None:
                tf.saved_model.save(pipeline, str(place), {name: getattr(pipeline, name) for name in SERVED})
            (place / ARRAYS).parent.mkdir(parents=True)
            for number, columns in enumerate(arrays):
                np.savez_compressed(_arrays_file(place, number), **columns)
            flush_all(place)
            publish(folder, part, description)
    except (OSError, tf.errors.OpError) as error:
        num_bytes = sum(array.nbytes for columns in arrays for array in [*columns.values(), *variables])
        raise storage_error(error, folder, num_bytes, f"{NOT_SAVED} Make room, or name another folder.") from error


def packed(model) -> bytes:
    """Return the folder that `model.save` writes, as the bytes of a zip archive."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        model.save(folder)
        for path in sorted(Path(folder).rglob("*")):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def unpacked(content: bytes):
    """Return the model of `packed` bytes, with the same predictions and lists."""
    from movierec.recommend.sequence import load_model

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        return load_model(folder)


def read_members(manifest: dict, place: Path) -> list[tuple[tuple, dict]]:
    """Return the parts of each member, as `Hybrid` takes them, and its `TRAINED` attributes; ValueError if unusable."""
    try:
        found = []
        for number, description in enumerate([manifest, *manifest.get("other_members", [])]):
            with np.load(_arrays_file(place, number), allow_pickle=False) as file:
                arrays, linear = dict(file), _linear(place, number)
            others = linear if isinstance(linear, tuple) else [] if linear is None else [linear]
            _check_finite(arrays, others, description, f"{place} is refused. Train and save the model again.")
            found.append(_rebuild(description, arrays, linear))
        return found
    except (*UNREADABLE, FileNotFoundError) as error:
        raise ValueError(f"{place / ARRAYS} cannot be read ({error}). Save the model again.") from error


def _check_finite(arrays: dict, others, description: dict, advice: str) -> None:
    numbers = {name: column for name, column in arrays.items() if name != "years"}  # a film may have none
    numbers |= {f"variable {number}": array for number, array in enumerate(others)}
    check_finite(numbers | {name: description[name] for name in ("mean", "levels")}, "the weights of a model", advice)


def _arrays(hybrid) -> dict[str, np.ndarray]:
    model, movies = hybrid.model, hybrid.movies
    arrays = {
        "user_ids": hybrid.indices.user_ids,
        "movie_ids": hybrid.indices.movie_ids,
        "titles": movies["title"].to_numpy(str),
        "genres": movies["genres"].to_numpy(str),
        "years": movies["year"].to_numpy(float, na_value=np.nan),
        "seen_user_id": _plain(hybrid.seen["user_id"]),
        "seen_movie_id": _plain(hybrid.seen["movie_id"]),
        **{f"past_{name}": getattr(model.past, name) for name in PAST},
        "user_features": model.user_features.values,
        "movie_features": model.movie_features.values,
        "user_bias": hybrid.bias.user,
        "movie_bias": hybrid.bias.movie,
    }
    for head in _heads(model):
        arrays |= {f"{head}_{n}": weight for n, weight in enumerate(getattr(model, head).get_weights())}
    return arrays


def _plain(ids: pd.Series) -> np.ndarray:
    return ids.to_numpy(str if is_text(ids) else ids.dtype)  # an array of Python objects could be read as a pickle only


def _description(hybrid) -> dict:
    model = hybrid.model
    past = hybrid.model.past
    history = hybrid.history
    quality = [] if history is None else [name for name in history if name.startswith("validation_")]
    best = {name: float(history[name].min() if name.endswith("rmse") else history[name].max()) for name in quality}
    data = {"users": past.num_users, "movies": past.num_movies, "ratings": len(past.residual)}
    return {
        "seed": hybrid.seed,
        "data": data | {"sha256": sha256_of_arrays(*(getattr(past, name) for name in PAST))},
        "metrics": best,
        "heads": _heads(model),
        "settings": model.settings.model_dump(),
        "in_order": past.in_order,
        "user_feature_names": model.user_features.names,
        "movie_feature_names": model.movie_features.names,
        "weeks": list(hybrid.weeks),
        "mean": hybrid.bias.mean,
        "levels": hybrid.bias.levels.tolist(),
        "scale": hybrid.scale,
        "damping_user": hybrid.bias.damping_user,
        "best_epochs": hybrid.best_epochs,
        "fit_seconds": hybrid.fit_seconds,
        "history": None if history is None else history.to_dict("list"),
    }


def _rebuild(description: dict, arrays: dict, linear: np.ndarray | tuple | None) -> tuple[tuple, dict]:
    indices = Indices(arrays["user_ids"], arrays["movie_ids"])
    weeks = Weeks(*description["weeks"])
    columns = (arrays[f"past_{name}"] for name in PAST)
    past = History(*columns, indices.num_users, indices.num_movies, description["in_order"])
    numbers = (description[name] for name in ("mean", "levels", "damping_user"))
    bias = Bias.restore(indices, arrays["user_bias"], arrays["movie_bias"], *numbers)
    user_features = Features(arrays["user_features"], description["user_feature_names"])
    movie_features = Features(arrays["movie_features"], description["movie_feature_names"])
    heads, settings = tuple(description["heads"]), Settings(**description["settings"])
    model = HybridModel(past, user_features, movie_features, bias, weeks.count, heads, settings, linear=linear)
    for head in heads:
        layer = getattr(model, head)
        layer.set_weights([arrays[f"{head}_{number}"] for number in range(len(layer.get_weights()))])
    movies = {"title": arrays["titles"], "genres": arrays["genres"], "year": arrays["years"]}
    movies = pd.DataFrame({"movie_id": indices.movie_ids, **movies})
    seen = pd.DataFrame({"user_id": arrays["seen_user_id"], "movie_id": arrays["seen_movie_id"]})
    attributes = {name: description[name] for name in TRAINED}
    if attributes["history"] is not None:
        attributes["history"] = pd.DataFrame(attributes["history"])
    return (model, indices, movies, weeks, bias, seen, Scale(*description.get("scale", (1, 5)))), attributes


def _linear(place: Path, number: int) -> np.ndarray | tuple | None:
    """Return B of a member, float32 `[num_movies, num_movies]`, or the pair that stands for it; None: no such path."""
    if not (place / "variables").exists():  # without a ranking head there is no program
        return None
    variables = tf.train.load_checkpoint(str(place / "variables/variables"))
    names = [name.format(number) for name in (LINEAR, OWN) if variables.has_tensor(name.format(number))]
    found = [variables.get_tensor(name) for name in names]
    return tuple(found) if len(found) == 2 else found[0] if found else None


def _arrays_file(place: Path, number: int) -> Path:
    return place / ARRAYS if not number else (place / ARRAYS).with_stem(f"arrays-{number}")


def _heads(model: HybridModel) -> list[str]:
    return [head for head in HEADS if getattr(model, head) is not None]
