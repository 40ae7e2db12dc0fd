"""A trained model in, lists of films out: for known users, for newcomers, beside one film; saved and loaded.

Taught in notebooks/07_recommendations.
"""

import numbers

import numpy as np
import pandas as pd

from movierec import evaluation, features
from movierec.baselines import Bias
from movierec.datasets import find_movie
from movierec.histories import session_features
from movierec.indices import UNKNOWN, Indices
from movierec.keras2 import tf
from movierec.models import HybridModel
from movierec.ranking import top_k

IDS = ("user_ids", "movie_ids")
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
        time = ratings["timestamp"] if "timestamp" in ratings else pd.Series(np.nan, ratings.index)
        rows["session"] = session_features(self.model.past, rows["user_index"], time.to_numpy(float, na_value=np.nan))
        stars = self.bias.predict(ratings)
        known = np.nonzero((rows["user_index"] != UNKNOWN) & (rows["movie_index"] != UNKNOWN))[0]
        for start in range(0, len(known), ROWS_PER_BATCH):
            block = known[start : start + ROWS_PER_BATCH]
            columns = ("user_index", "movie_index", "week_index", "session")
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

    def recommend_new(self, stars: dict | None = None, k: int = 10, *, genres: tuple = ()) -> pd.DataFrame:
        """The k best films for somebody who was not there in training, from a few films they rated or genres they like.

        Nothing is trained: the history goes the same way as everybody's, each film with full weight.

        Args:
            stars: {title or movie_id: stars}, e.g. {"Toy Story (1995)": 5.0, "Fargo": 2}.
            k: 1 to the number of movies.
            genres: favourites, e.g. ("Comedy", "Sci-Fi"); each counts as one film of which only the genre is known.

        Returns:
            DataFrame rank, movie_id, title, score; films in `stars` are left out.

        Raises:
            ValueError: if nothing is given, a title is unknown or ambiguous, a genre is unknown, or stars are off the
                scale.
        """
        stars, genres = stars or {}, (genres,) if isinstance(genres, str) else tuple(genres)
        if not stars and not genres:
            raise ValueError(
                '`stars` is empty; name at least one film, e.g. recommend_new({"Toy Story (1995)": 5.0}), or '
                'a favourite genre, e.g. recommend_new(genres=("Comedy",)).'
            )
        self._require_trained("ranking")
        movie_index = np.array([self._movie_index(movie) for movie in stars], np.int32)
        given = np.array([self._checked_stars(movie, value) for movie, value in stars.items()], np.float32)
        if len(np.unique(movie_index)) < len(movie_index):
            raise ValueError(f"each film is rated once; {list(stars)} names one twice. Keep one of them.")
        above_mean = given - self.bias.mean - self.bias.movie[movie_index]
        own_bias = above_mean.sum() / (self.bias.damping_user + len(given))
        scores = self._score_new(movie_index, (above_mean - own_bias).astype(np.float32), self._genre_features(genres))
        unseen = scores.copy()
        unseen[movie_index] = -np.inf
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
        vectors = self._movie_vectors()
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        cosine = vectors @ vectors[index]
        others = np.where(np.arange(len(cosine)) == index, -np.inf, cosine)
        best = top_k(others[None], self._checked_k(k))[0]
        return self._table(np.where(best == index, UNKNOWN, best), cosine[best])

    def save(self, folder) -> None:
        """Writes the model to `folder`, made if need be; `load_model(folder)` reads it. See `movierec.storage`."""
        from movierec import storage  # storage builds a Hybrid, so it imports this module

        storage.save_model(self, folder)

    def _score_new(self, movie_index: np.ndarray, residual: np.ndarray, genre: np.ndarray) -> np.ndarray:
        """float32 `[num_movies]` for one newcomer, from films `[n]`, their residuals `[n]` and rows of the features."""
        return self.model.score_new(tf.constant(movie_index), tf.constant(residual), tf.constant(genre)).numpy()[0]

    def _movie_vectors(self) -> np.ndarray:
        """The ranking head's vectors of movies, float32 `[num_movies, dim]`."""
        return self.model.ranking.movie_vectors().numpy()

    def _genre_features(self, genres: tuple) -> np.ndarray:
        """The rows of the features that are these genres, int32 `[n]`."""
        names = [] if "features" in self.model.settings.without else self.model.movie_features.names
        known = [name.removeprefix("genre=") for name in names if name.startswith("genre=")]
        unknown = [genre for genre in genres if genre not in known]
        if unknown:
            there = f"the genres here are {', '.join(known)}" if known else "this model was fitted without genres"
            raise ValueError(f"every genre must be known; {unknown} is not: {there}.")
        return np.array([names.index(f"genre={genre}") for genre in genres], np.int32)

    def _require_trained(self, head: str) -> None:
        if getattr(self.model, head) is None:
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


class Ensemble(Hybrid):
    """Hybrids that differ in their seed: the mean of their stars, and the mean of their scores.

    What a seed happened to learn cancels out, what all have learned stays. Costs as many fits, and as many times the
    work for each answer.

    Args:
        members: at least one `Hybrid`, all fitted on the same train part.

    Raises:
        ValueError: if there is none, or they know other users or movies.
    """

    def __init__(self, members: list[Hybrid]):
        if not members:
            raise ValueError("an Ensemble needs at least one member; fit_ensemble(split, seeds=(0, 1, 2)) makes three.")
        first = members[0]
        for other in members[1:]:
            same = (np.array_equal(getattr(first.indices, ids), getattr(other.indices, ids)) for ids in IDS)
            if not all(same):
                raise ValueError("all members must be fitted on the same users and movies; fit_ensemble takes care.")
        titles = first.movies["title"].to_numpy()
        super().__init__(first.model, first.indices, titles, first.weeks, first.bias, first.seen)
        self.members, self.best_epochs = list(members), first.best_epochs
        self.fit_seconds = sum(member.fit_seconds or 0 for member in members)

    def __repr__(self) -> str:
        return f"Ensemble of {len(self.members)}: {self.members[0]!r}"

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """The mean of the members' stars; see `Hybrid.predict`."""
        return np.mean([member.predict(ratings) for member in self.members], axis=0)

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """The mean of the members' scores; see `Hybrid.score`."""
        return np.mean([member.score(user_index) for member in self.members], axis=0)

    def save(self, folder) -> None:
        """Not there yet: save each of `members` to a folder of its own, and make an Ensemble of what was loaded."""
        raise NotImplementedError("save each of .members to a folder of its own; Ensemble([load_model(f) for f in …]).")

    def _score_new(self, *newcomer) -> np.ndarray:
        return np.mean([member._score_new(*newcomer) for member in self.members], axis=0)

    def _movie_vectors(self) -> np.ndarray:
        """Side by side: the cosine of the whole is about the mean of the cosines."""
        return np.concatenate([member._movie_vectors() for member in self.members], axis=1)


def titles_of(movies: pd.DataFrame | None, indices: Indices) -> np.ndarray:
    """The title of every movie of `indices`; "movie 42" where `movies` does not have it. str `[num_movies]`."""
    fallback = pd.Series([f"movie {movie_id}" for movie_id in indices.movie_ids], index=indices.movie_ids)
    if movies is None or "title" not in movies:
        return fallback.to_numpy()
    return movies.set_index("movie_id")["title"].reindex(indices.movie_ids).fillna(fallback).to_numpy()
