"""The model that notebooks, page and service share: loaded, or trained once and kept.

Several processes may ask for it at once, e.g. notebooks that run side by side: the first trains it, the others wait and
load it. It is trained again when the code that makes it has changed. Taught in notebooks/07_recommendations.
"""

import contextlib
import hashlib
import os
from contextlib import AbstractContextManager
from pathlib import Path

import movierec
from movierec.data import chosen, data_folder
from movierec.files import locked
from movierec.recommend import Hybrid

FOLDER = "MOVIEREC_MODEL"  # environment variable: the folder of another model
MAKERS = ("data", "evaluation", "baselines", "models", "recommend", "training")  # rooms whose code makes the model


def model_folder() -> Path:
    """Return the folder where the model is, or will be saved."""
    return Path(os.environ.get(FOLDER) or data_folder() / "cache" / f"hybrid-{chosen()}")


def load_or_train(folder: Path | None = None) -> Hybrid:
    """Load the hybrid of notebook 06; train it (half a minute) and save it if there is none of today's code.

    Args:
        folder: of another model. It, or the one that MOVIEREC_MODEL names, must be there. None: the course's.

    Raises:
        FileNotFoundError: if there is no saved model in the folder of another model.
        ValueError: if that model is of another format, or was cut short or changed.
    """
    if folder or os.environ.get(FOLDER):
        return movierec.load_model(folder or model_folder())  # a reader's own model is never written over
    folder = model_folder()
    with _lock(folder):
        if _marker(folder).exists() and _marker(folder).read_text() == _code():
            with contextlib.suppress(FileNotFoundError, ValueError):
                return movierec.load_model(folder)
        return _save(_train(), folder)


def save_course_model(model: Hybrid) -> None:
    """Save a hybrid as the model that `load_or_train` loads from now on."""
    with _lock(model_folder()):
        _save(model, model_folder())


def _train() -> Hybrid:
    data = movierec.load(chosen())
    return movierec.fit_hybrid(movierec.split_by_user_time(data.ratings), data.movies, data.users, seed=0)


def _save(model: Hybrid, folder: Path) -> Hybrid:
    _marker(folder).unlink(missing_ok=True)
    model.save(folder)
    _marker(folder).write_text(_code())
    return model


def _marker(folder: Path) -> Path:
    """Return the file that says which code made the model."""
    return folder.with_name(f"{folder.name}.code")


def _code() -> str:
    paths = (path for room in MAKERS for path in sorted(Path(__file__).parents[1].glob(f"{room}/*.py")))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _lock(folder: Path) -> AbstractContextManager:
    """Wait until no other process trains the model of the folder. On Windows two may; either result is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_name(f"{folder.name}.lock")
    file.touch()
    return locked(file)
