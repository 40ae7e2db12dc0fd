"""A saved model in another program, without the Python of training; and a service of one's own to ask and kill.

Taught in notebooks/12_serving.
"""

import math
import re
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager, closing
from pathlib import Path

import numpy as np
import pandas as pd
import requests

from movierec.data import Titles
from movierec.files import check_finite
from movierec.keras2 import not_pickled, tf
from movierec.recommend import ARRAYS, UNREADABLE, read_saved
from movierec.scale import Scale
from movierec.serving.events import Event, Id

COLUMNS = ("movie_id", "title", "score", "predicted_stars")
GENRE = "genre="
ANSWER_SECONDS = 60  # to wait for an answer, at most


class Served:
    """Lists as rows for a server: for known users, after their newest events, for newcomers, and films like a film.

    Ids must be known, stars on the scale and films named once, or the answer is wrong; the service checks that first.

    Attributes:
        manifest: Of the folder; movies: movie_id, title; num_users, num_movies: of train.
        genres: Those that a newcomer may name; scale: fewest and most stars.
        user_type, movie_type: int or str, of ids.
        has_user, has_movie, find: Whether an id is known; the movie_id of a title, see `find_movie`.
    """

    __reduce__ = __copy__ = __deepcopy__ = not_pickled("Open its folder in the other process: load_served(folder).")

    def __init__(self, model, manifest: dict, arrays: dict):
        self.model, self.manifest = model, manifest
        self.movies = pd.DataFrame({"movie_id": arrays["movie_ids"], "title": arrays["titles"]})
        self.num_users, self.num_movies = len(arrays["user_ids"]), len(arrays["movie_ids"])
        self.user_type, self.movie_type = (type(arrays[name][0].item()) for name in ("user_ids", "movie_ids"))
        self.has_user = frozenset(arrays["user_ids"].tolist()).__contains__
        self.has_movie = frozenset(arrays["movie_ids"].tolist()).__contains__
        self.find = Titles(self.movies).find
        names = [] if "features" in manifest["settings"]["without"] else manifest["movie_feature_names"]
        self.genres = [name.removeprefix(GENRE) for name in names if name.startswith(GENRE)]
        scale = Scale(*manifest.get("scale", (1, 5)))
        self.scale = tuple(round(scale.outside(manifest["levels"][end]), 5) for end in (0, -1))

    def recommend(self, user_id: Id, k: int, events: tuple[Event, ...] = ()) -> list[dict]:
        """Return rank, movie_id, title, score, predicted_stars of the k best films after new events, oldest first.

        A film that was viewed or given stars is not recommended again; one that was only clicked may be.
        """
        known = [event for event in events if self.has_movie(event.movie_id)]  # events may be older than the model
        stars = [math.nan if event.stars is None else event.stars for event in known]
        movie_ids, is_seen = [event.movie_id for event in known], [event.kind != "click" for event in known]
        return self._rows("recommend_after", user_id=user_id, movie_id=movie_ids, stars=stars, is_seen=is_seen, k=k)

    def recommend_new(self, stars: dict[Id, float], genres: tuple[str, ...], k: int) -> list[dict]:
        """Return the same for a newcomer: stars by movie_id, favourite genres, either of them or nothing."""
        given = {"movie_id": list(stars), "title": [], "stars": list(stars.values()), "genre": genres}
        return self._rows("recommend_new", **given, k=k)

    def similar(self, movie_id: Id, k: int) -> list[dict]:
        """Return rank, movie_id, title, score (cosine) of the k films most like this one."""
        return self._rows("similar", movie_id=movie_id, k=k)

    def _rows(self, signature: str, **question) -> list[dict]:
        """Return the list, one dict for each film, without the places where no film is left."""
        # Signatures, not the functions of the same names: they take half the time, and TensorFlow Serving asks them.
        ask = self.model.signatures[signature]
        specs = ask.structured_input_signature[1]
        answer = ask(**{name: tf.constant(value, specs[name].dtype) for name, value in question.items()})
        columns = {name: answer[name].numpy().ravel().tolist() for name in COLUMNS if name in answer}
        columns = {"rank": range(1, 1 + len(columns["title"]))} | columns
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        for row in rows:
            row |= {name: value.decode() for name, value in row.items() if isinstance(value, bytes)}
            if not math.isfinite(row.get("predicted_stars", 0)):
                row["predicted_stars"] = None
        return [row for row in rows if row["score"] != -math.inf]


def load_served(folder: str | Path) -> Served:
    """Return the `Served` of a folder that `save` wrote; every file is checked first.

    A SavedModel is a program: serve only your own. `load_model` reads numbers only. Raise as `load_model`, and
    ValueError if the model was fitted without a ranking head.
    """
    return read_saved(folder, _read)


def _read(manifest: dict, place: Path) -> Served:
    folder = place.parent
    heads = manifest.get("heads")
    if not isinstance(heads, list) or "ranking" not in heads:
        raise ValueError(f"{folder} must have a ranking head to be served; it has {heads}. Fit it with both.")
    try:
        with np.load(place / ARRAYS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("user_ids", "movie_ids", "titles")}
        variables = tf.train.load_checkpoint(str(place / "variables/variables"))
        numbers = {name: variables.get_tensor(name) for name in variables.get_variable_to_dtype_map()}
        check_finite(numbers, "the weights of a model", "Train and save the model again.")
        return Served(tf.saved_model.load(str(place)), manifest, arrays)
    except UNREADABLE as error:
        raise ValueError(f"{folder} cannot be served ({error}). Save the model again.") from error


# ---- a service in another process


class LocalService(AbstractContextManager):
    """`python -m movierec serve` on a free port of this machine.

    Args:
        model, events: See `serve`.
        options: Of the command, e.g. "--explore", 0.2.

    Raises:
        RuntimeError: If it does not start; it has said why.
    """

    def __init__(self, model, events, *options):
        self.events = Path(events)
        command = [sys.executable, "-m", "movierec", "serve", "--no-page", "--port", "0"]
        command += ["--model", model, "--events", events]
        self.process = subprocess.Popen([*command, *map(str, options)], stdout=subprocess.PIPE, text=True)
        address = re.search(r"http://[^/]*", self.process.stdout.readline())
        if address is None:
            self.kill()
            raise RuntimeError("the service did not start; what it says is above.")
        self.address = address[0]
        self._session = requests.Session()

    def __exit__(self, *_) -> None:
        self.kill()

    def ask(self, method: str, path: str, **body) -> tuple[int, dict]:
        """Return the status and the JSON of an answer."""
        answer = self._session.request(method, self.address + path, json=body or None, timeout=ANSWER_SECONDS)
        return answer.status_code, answer.json()

    def log(self, query: str) -> pd.DataFrame:
        """Return the rows of a SELECT on its file of events, which any program can read."""
        with closing(sqlite3.connect(self.events)) as database:
            return pd.read_sql(query, database)

    def kill(self) -> None:
        """End the process by SIGKILL: no goodbye, no flush. Killing twice is killing once."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
