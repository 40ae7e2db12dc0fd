"""A trained model in, lists of films out: for known users, for newcomers, beside one film; saved and loaded.

Taught in notebooks/07_recommendations.
"""

import numbers

import numpy as np
import pandas as pd

from movierec import evaluation, features
from movierec.baselines import Bias
from movierec.datasets import find_movie
from movierec.indices import UNKNOWN, Indices
from movierec.keras2 import tf
from movierec.models import HybridModel
from movierec.ranking import top_k

ROWS_PER_BATCH = 8192  # rows scored at once by `predict`: bounds memory at about 8192 x num_movies x 8 bytes


class Hybrid:
    """A trained `HybridModel` with all that it needs to recommend: ids, titles, biases and what everybody has seen.

    Attributes:
        model: the `tfrs.Model`.
        indices: order of users and movies.
        movies: movie_id, title; one row per movie of `indices`.
        weeks, bias: as fitted on train.
        seen: user_id, movie_id of train and validation; never recommended to their user.
        history: one row an epoch: losses and validation metrics; saved and loaded with the model.
        best_epochs: {"stars": epoch, "ranking": epoch}.
        fit_seconds: wall time of `fit_hybrid`.
    """

    def __init__(self, model: HybridModel, indices: Indices, titles: np.ndarray, weeks, bias: Bias, seen: pd.DataFrame):
        self.model, self.indices, self.weeks, self.bias = model, indices, weeks, bias
        self.movies = pd.DataFrame({"movie_id": indices.movie_ids, "title": titles})
        self.seen = seen[["user_id", "movie_id"]]
        self.history, self.best_epochs, self.fit_seconds = None, {}, None

    def __repr__(self) -> str:
        return f"Hybrid({self.indices.num_users:,} users, {self.indices.num_movies:,} movies)"

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Stars the model expects for each row, in row order, clipped to train's scale. float32 `[N]`.

        Args:
            ratings: user_id, movie_id; and timestamp (Unix seconds) if known. A user without a
                rating in train, or a movie neither in train nor in `movies`, gets the biases alone.

        Raises:
            ValueError: if user_id or movie_id is missing.
        """
        self._require_trained("stars")
        missing = [column for column in ("user_id", "movie_id") if column not in ratings]
        if missing:
            raise ValueError(f"`predict` needs user_id and movie_id; {', '.join(missing)} is missing. Try split.test.")
        rows = features.rating_rows(ratings, self.indices, self.weeks)
        stars = self.bias.predict(ratings)
        known = np.nonzero((rows["user_index"] != UNKNOWN) & (rows["movie_index"] != UNKNOWN))[0]
        for start in range(0, len(known), ROWS_PER_BATCH):
            block = known[start : start + ROWS_PER_BATCH]
            columns = ("user_index", "movie_index", "week_index")
            stars[block] = self.model.predict_stars({name: tf.constant(rows[name][block]) for name in columns})
        return stars.clip(*self.bias.scale)

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """The ranking head's scores, float32 `[U, num_movies]`: the scorer that `evaluation` ranks with."""
        self._require_trained("ranking")
        return self.model.score(tf.constant(user_index, tf.int32)).numpy()

    def recommend(self, user_ids, k: int = 10) -> pd.DataFrame:
        """The k best films that each user has not seen.

        Args:
            user_ids: ids as published, e.g. [1, 42].
            k: 1 to the number of movies. A user who has seen nearly everything gets fewer rows.

        Returns:
            DataFrame user_id, rank (from 1), movie_id, title, score; the users in the order given.

        Raises:
            ValueError: if a user is not known from train, or k is out of range.
        """
        user_ids = np.atleast_1d(np.asarray(user_ids))
        if not user_ids.size:
            raise ValueError("`user_ids` is empty; name at least one user, e.g. recommend([1, 42]).")
        user_index = self.indices.user_index(user_ids)
        unknown = user_ids[user_index == UNKNOWN]
        if len(unknown):
            raise ValueError(
                f"every user must have ratings in train; {len(unknown)} of {len(user_ids)} are unknown, e.g. user_id "
                f'{unknown[:3].tolist()}. For somebody new: recommend_new({{"Toy Story (1995)": 5.0}}).'
            )
        unique, order = np.unique(user_index, return_inverse=True)
        lists, scores = evaluation.rank(self.score, unique, self.seen, self.indices, self._checked_k(k))
        tables = [self._table(lists[row], scores[row]) for row in order]
        repeated = np.repeat(user_ids, [len(table) for table in tables])
        return pd.concat(tables, ignore_index=True).assign(user_id=repeated)[
            ["user_id", "rank", "movie_id", "title", "score"]
        ]

    def recommend_new(self, stars: dict, k: int = 10) -> pd.DataFrame:
        """The k best films for somebody who was not there in training, from a few films they rated.

        Nothing is trained: the history goes through the same towers as everybody's, without the id vector.

        Args:
            stars: {title or movie_id: stars}, e.g. {"Toy Story (1995)": 5.0, "Fargo": 2}.
            k: 1 to the number of movies.

        Returns:
            DataFrame rank, movie_id, title, score; films in `stars` are left out.

        Raises:
            ValueError: if `stars` is empty, a title is unknown or ambiguous, or stars are off the scale.
        """
        if not stars:
            raise ValueError('`stars` is empty; name at least one film, e.g. recommend_new({"Toy Story (1995)": 5.0}).')
        self._require_trained("ranking")
        movie_index = np.array([self._movie_index(movie) for movie in stars])
        given = np.array([self._checked_stars(movie, value) for movie, value in stars.items()], np.float32)
        if len(np.unique(movie_index)) < len(movie_index):
            raise ValueError(f"each film is rated once; {list(stars)} names one twice. Keep one of them.")
        above_mean = given - self.bias.mean - self.bias.movie[movie_index]
        own_bias = above_mean.sum() / (self.bias.damping_user + len(given))
        rated, residual = np.zeros((2, 1, self.indices.num_movies), np.float32)
        rated[0, movie_index], residual[0, movie_index] = 1, above_mean - own_bias
        vector = self.model.ranking.user.newcomer(tf.constant(rated), tf.constant(residual))
        scores = self.model.score_vectors(vector).numpy()[0]
        unseen = np.where(rated[0] == 1, -np.inf, scores)
        best = top_k(unseen[None], self._checked_k(k))[0]
        return self._table(np.where(np.isneginf(unseen[best]), UNKNOWN, best), scores[best])

    def similar(self, movie, k: int = 10) -> pd.DataFrame:
        """The k films whose vectors in the ranking head point the same way: cosine, 1 is the same direction.

        Args:
            movie: a title or a movie_id.

        Returns:
            DataFrame rank, movie_id, title, score; the film itself is left out.
        """
        self._require_trained("ranking")
        index = self._movie_index(movie)
        vectors = self.model.ranking.movie(tf.range(self.indices.num_movies)).numpy()
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        cosine = vectors @ vectors[index]
        others = np.where(np.arange(len(cosine)) == index, -np.inf, cosine)
        best = top_k(others[None], self._checked_k(k))[0]
        return self._table(np.where(best == index, UNKNOWN, best), cosine[best])

    def save(self, folder) -> None:
        """Writes the model to `folder`, made if need be; `load_model(folder)` reads it. See `movierec.storage`."""
        from movierec import storage  # storage builds a Hybrid, so it imports this module

        storage.save_model(self, folder)

    def _require_trained(self, head: str) -> None:
        if self.best_epochs and head not in self.best_epochs:
            raise ValueError(
                f"the {head} head must be trained for this; fit_hybrid was asked for {list(self.best_epochs)} only. "
                'Fit again with heads=("stars", "ranking"), the default.'
            )

    def _table(self, movie_index: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        """The movies of a list with their scores, both `[k]`, without the places that are UNKNOWN."""
        there = movie_index != UNKNOWN
        table = self.movies.iloc[movie_index[there]].reset_index(drop=True)
        table.insert(0, "rank", np.arange(1, len(table) + 1))
        return table.assign(score=scores[there])

    def _movie_index(self, movie) -> int:
        if isinstance(movie, str):
            movie = find_movie(self.movies, movie)
        index = int(self.indices.movie_index(movie))
        if index == UNKNOWN:
            raise ValueError(f"movie_id {movie} is not in the catalogue of {self.indices.num_movies:,}; see `.movies`.")
        return index

    def _checked_stars(self, movie, value) -> float:
        low, high = self.bias.scale
        if not isinstance(value, numbers.Real) or not low <= value <= high:
            raise ValueError(f"stars must be {low:g} to {high:g}, the scale of this data set; {movie!r} has {value!r}.")
        return float(value)

    def _checked_k(self, k) -> int:
        if not isinstance(k, numbers.Integral) or not 1 <= k <= self.indices.num_movies:
            raise ValueError(f"k must be a whole number, 1 to {self.indices.num_movies:,} (the movies); got {k!r}.")
        return int(k)


def titles_of(movies: pd.DataFrame | None, indices: Indices) -> np.ndarray:
    """The title of every movie of `indices`; "movie 42" where `movies` does not have it. str `[num_movies]`."""
    fallback = pd.Series([f"movie {movie_id}" for movie_id in indices.movie_ids], index=indices.movie_ids)
    if movies is None or "title" not in movies:
        return fallback.to_numpy()
    return movies.set_index("movie_id")["title"].reindex(indices.movie_ids).fillna(fallback).to_numpy()
