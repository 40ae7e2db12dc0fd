"""A trained sequence model, and what it is asked; and models of every kind, loaded from a folder.

Taught in notebooks/10_self_attention and 07_recommendations.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.calls import check_keywords, whole_number
from movierec.data import UNKNOWN, Indices, features
from movierec.evaluation.ranking import top_unseen
from movierec.keras2 import tf
from movierec.models import History, SequenceModel, make_history, newest
from movierec.recommend import storage
from movierec.recommend.questions import rows_of_users, user_of, users_of
from movierec.recommend.recommender import Hybrid, read_hybrids
from movierec.recommend.versions import ARRAYS, FORMAT, SEQUENCE, UNREADABLE, read_saved, write_version

USERS_PER_BLOCK = 128  # whose histories are read at once


class SequenceRecommender:
    """A trained `SequenceModel` and the histories of all users; `score` is a scorer, as the hybrid's.

    It reads the newest films that are known of each user; `reading` gives it other histories, as `evaluate_ranking`
    does: those before the part that is measured.

    Attributes:
        model, indices, settings: The `tfrs.Model`; the order of its users and movies; what `SequenceModel` was given.
        past, film, gap: The histories; of each the newest `length` films are read, see `newest`.
        movies: movie_id, title, genres, year, popularity; one row per movie of `indices`.
        history, best_epochs: One row an epoch, loss and validation NDCG@10; {"sequence": the one that was kept}.
    """

    def __init__(self, model: SequenceModel, indices: Indices, past: History, settings: dict, movies=None):
        self.model, self.indices, self.past, self.settings = model, indices, past, settings
        popularity = np.bincount(past.movie_index, minlength=indices.num_movies)
        self.movies = features.catalogue(movies, indices, popularity)
        self.length = settings["length"]
        self.film, self.gap = newest(past, self.length)
        self.history, self.best_epochs = None, {}

    def __repr__(self) -> str:
        return f"SequenceRecommender({self.indices.num_users:,} users, {self.indices.num_movies:,} movies)"

    def __reduce__(self):
        return storage.unpacked, (storage.packed(self), _read_sequence)

    @check_keywords()
    def score(self, user_index: np.ndarray) -> np.ndarray:
        """Score every film as the next one: float32 `[U, num_movies]` for int `[U]`."""
        rows = rows_of_users(self.indices, user_index)
        return self.score_next(self.film[rows], self.gap[rows])

    def score_next(self, film: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Score every film as the next one after the films of each row, float32 `[U, num_movies]`; see `newest`."""
        ends = range(USERS_PER_BLOCK, len(film), USERS_PER_BLOCK)
        blocks = zip(np.split(film, ends), np.split(gap, ends), strict=True)
        return np.concatenate([self.model.score_next(*map(tf.constant, block)).numpy() for block in blocks])

    @check_keywords()
    def recommend(self, user_ids, k: int = 10) -> pd.DataFrame:
        """Return the k films that each user most probably watches next, of those that are not in their history.

        DataFrame user_id, rank (from 1), movie_id, title, score; `user_ids` and k as of `Hybrid.recommend`.
        """
        index, k = users_of(self, user_ids), whole_number(k, "k", self.indices.num_movies, "the movies")
        unique, back = np.unique(index, return_inverse=True)
        scores = self.score(unique)
        scores[self.past.rated()[unique].nonzero()] = -np.inf
        scores, lists = scores[back], top_unseen(scores, k)[back]
        row, place = np.nonzero(lists != UNKNOWN)
        movie = lists[row, place]
        films = {"movie_id": self.indices.movie_ids[movie], "title": self.movies["title"].to_numpy()[movie]}
        columns = {"user_id": self.indices.user_ids[index][row], "rank": place + 1, **films}
        return pd.DataFrame(columns | {"score": scores[row, movie]})

    def reading(self, ratings: pd.DataFrame) -> "SequenceRecommender":
        """Return the same model, not trained again, which reads other histories; ValueError if an id is unknown."""
        for column, index in (("user_id", self.indices.user_index), ("movie_id", self.indices.movie_index)):
            unknown = ratings[column][index(ratings[column]) == UNKNOWN].unique()
            if len(unknown):
                found = f"{len(unknown):,} are not, e.g. {unknown[:3].tolist()}. Leave their rows out, or fit again"
                raise ValueError(f"every {column} must be known from train; {found} with them.")
        past = history_of(ratings, self.indices)
        other = SequenceRecommender(self.model, self.indices, past, self.settings, self.movies)
        other.history, other.best_epochs = self.history, self.best_epochs
        return other

    def read_of(self, user_id: int, films: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return film and gap, `[1, length]` each, of the first `films` that are read of a user; None: all.

        Raise ValueError if the user is not known from train, or has fewer films.
        """
        index = user_of(self, user_id)
        film, gap = self.film[index], self.gap[index]
        there = int((film < self.indices.num_movies).sum())
        films = there if films is None else films
        if not 1 <= films <= there:
            raise ValueError(f"`films` must be 1 to {there}, what is read of user_id {user_id}; got {films}.")
        later = there - films
        film, gap = np.roll(film, later, axis=1), np.roll(gap, later, axis=1)
        film[:, : self.length - films] = self.indices.num_movies
        return film, gap

    def looks(self, user_id: int, films: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the films of a user that are read, movie_index `[n]`, and attention weights, float32 `[blocks, n, n]`.

        Row q, column k is the weight of film k where film q predicts the next one. Rows sum to 1; films of the future
        have no weight. `films`: only the first so many are read.
        """
        film, gap = self.read_of(user_id, films)
        weights = self.model.sequence.attention_weights(tf.constant(film), tf.constant(gap)).numpy()[:, 0]
        there = film[0] < self.indices.num_movies
        return film[0][there], weights[:, there][:, :, there]

    def expects(self, user_id: int, films: int | None = None) -> np.ndarray:
        """Return the probability that each film comes next, float32 `[num_movies]`; 0 for those already read."""
        film, gap = self.read_of(user_id, films)
        scores = self.score_next(film, gap)[0]
        scores[film[0][film[0] < self.indices.num_movies]] = -np.inf
        chance = np.exp(scores - scores.max())
        return chance / chance.sum()

    @check_keywords()
    def save(self, folder) -> None:
        """Write the model and what it reads to `folder`, made if missing; `load_model(folder)` reads it."""
        layer = self.model.sequence
        arrays = storage.common_arrays(self.indices, self.movies, self.past)
        arrays |= {f"sequence_{n}": weight for n, weight in enumerate(layer.get_weights())}
        arrays["movie_features"] = layer.movie_features.numpy()
        own = {"settings": self.settings, "best_epochs": self.best_epochs, "seed": self.model.seed}
        description = {"format": SEQUENCE, **own, **storage.common_description(self.past, self.history)}
        write_version(folder, [arrays], description)


def history_of(ratings: pd.DataFrame, indices: Indices) -> History:
    """Return the histories of ratings for a time after all of them."""
    return make_history(ratings, indices, Bias(ratings, indices), in_order=True)


@check_keywords()
def load_model(folder) -> Hybrid | SequenceRecommender:
    """Return the `Hybrid`, `Ensemble` or `SequenceRecommender` that `save` wrote, with the same lists.

    Raise as `checked`.
    """
    return read_saved(folder, _read, (FORMAT, SEQUENCE))


def _read(manifest: dict, place: Path) -> Hybrid | SequenceRecommender:
    try:
        if manifest["format"] == SEQUENCE:
            return _read_sequence(manifest, place)
        return read_hybrids(manifest, place)
    except (*UNREADABLE, FileNotFoundError) as error:
        raise ValueError(f"{place / ARRAYS} cannot be read ({error}). Save the model again.") from error


def _read_sequence(manifest: dict, place: Path) -> SequenceRecommender:
    arrays, settings = storage.read_arrays(place, 0, manifest), manifest["settings"]
    indices, movies, past, history = storage.read_common(arrays, True, manifest["history"])
    features = tf.constant(arrays["movie_features"])
    model = SequenceModel(np.zeros(indices.num_movies), features, seed=manifest["seed"], **settings)
    model.sequence.set_weights([arrays[f"sequence_{n}"] for n in range(len(model.sequence.get_weights()))])
    recommender = SequenceRecommender(model, indices, past, settings, movies)
    recommender.history, recommender.best_epochs = history, manifest["best_epochs"]
    return recommender
