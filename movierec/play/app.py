"""The model that notebooks, page and service share: loaded, or trained once and kept.

`python -m movierec.play.app` makes sure that it is there. Taught in notebooks/07_recommendations.
"""

import os
from pathlib import Path

import movierec
from movierec.data import chosen, data_folder

FOLDER = "MOVIEREC_MODEL"  # environment variable: the folder of another model


def model_folder() -> Path:
    """Where the model is, or will be."""
    return Path(os.environ.get(FOLDER) or data_folder() / "cache" / f"hybrid-{chosen()}")


def load_or_train(folder: Path | None = None):
    """The hybrid of notebook 06: as it was saved, or trained now (half a minute) and saved, if there is none yet.

    Args:
        folder: of another model; it, or the one that MOVIEREC_MODEL names, must be there. None: the course's.

    Raises: as `load_model`, for another model.
    """
    if folder or os.environ.get(FOLDER):
        return movierec.load_model(folder or model_folder())  # a model of somebody's own is never written over
    folder = model_folder()
    try:
        return movierec.load_model(folder)
    except (FileNotFoundError, ValueError) as reason:
        print("training, because", reason)
    data = movierec.load(chosen())
    model = movierec.fit_hybrid(movierec.split_by_user_time(data.ratings), data.movies, data.users, seed=0)
    model.save(folder)
    return model


if __name__ == "__main__":
    print(load_or_train())
