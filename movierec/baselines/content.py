"""What a movie is about, as numbers, and a recommender that reads nothing else: genres, decade, tags.

Taught in notebooks/03_baselines.
"""

import numpy as np
import pandas as pd

from movierec.baselines.popularity_and_bias import Bias
from movierec.data import UNKNOWN, Indices


def genre_matrix(movies: pd.DataFrame, indices: Indices) -> np.ndarray:
    """1 where a movie of `indices` has the genre, 0 elsewhere, genres in alphabetical order. float64 `[M, genres]`.

    Raises:
        ValueError: if `movies` lacks movie_id or genres.
    """
    return _described(movies, indices, ["genres"])["genres"].fillna("").str.get_dummies("|").to_numpy(float)


def describe(movies: pd.DataFrame, indices: Indices, tags: pd.DataFrame | None = None) -> pd.DataFrame:
    """How often each term is said of each movie: genres and decade once, a tag as often as users gave it. `[M, terms]`.

    Args:
        movies: movie_id, genres ("Action|Crime"), year (NA where it is not known).
        tags: movie_id, tag; None where the data set has none. Tags are counted in lower case; a missing one is not.
    """
    known = _described(movies, indices, ["genres", "year"])
    genres = known["genres"].fillna("").str.get_dummies("|").add_prefix("genre=")
    year = pd.to_numeric(known["year"], errors="coerce").astype("float64")
    decade = pd.get_dummies((year // 10 * 10).map(lambda y: f"decade={y:.0f}", na_action="ignore"))
    parts = [genres, decade]
    if tags is not None and len(tags):
        _check_columns(tags, "tags", ["movie_id", "tag"])
        tags = tags.dropna(subset="tag")
        place = indices.movie_index(tags["movie_id"])
        said = pd.crosstab(place[place != UNKNOWN], "tag=" + tags["tag"][place != UNKNOWN].str.lower().to_numpy())
        parts.append(said.reindex(range(indices.num_movies), fill_value=0).set_axis(known.index))
    return pd.concat(parts, axis=1).astype(float)


def tf_idf(terms: np.ndarray) -> np.ndarray:
    """Term counts `[M, terms]` as vectors of length 1: (1 + log count) · log(M / movies that have the term).

    A term that all movies have says nothing and weighs 0; a movie without terms is the vector 0.

    Source: Salton and Buckley (1988).
    """
    frequency = np.where(terms > 0, 1 + np.log(np.maximum(terms, 1)), 0)
    rarity = np.log(len(terms) / np.maximum((terms > 0).sum(axis=0), 1))
    return _unit(frequency * rarity)


def known_tags(tags: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """The rows of `tags` that were given by the time of train: by each user, up to their last rating in it.

    For somebody without a rating in train: up to the last one of all. So no tag of a user is newer than what the splits
    in time let a model know of them; a random split promises nothing of the kind, with tags or without.
    """
    _check_columns(tags, "tags", ["user_id", "movie_id", "tag", "timestamp"])
    last = train.groupby("user_id")["timestamp"].max()
    limit = tags["user_id"].map(last).fillna(train["timestamp"].max())
    return tags[(tags["timestamp"] <= limit).to_numpy()]


class ContentBased:
    """score(u, i) = cos(profile_u, v_i), v_i the tf-idf vector of movie i: films like those the user watched.

    profile_u = Σ_{i rated by u} max(1 + w · residual_ui, 0) v_i: Rocchio's rule, in which a movie counts more if
    it got more stars than the biases expect. No other user is asked, so a movie that nobody has rated can be found.

    Args:
        movies: movie_id, genres, year.
        tags: user_id, movie_id, tag, timestamp; may be None. Only `known_tags` are read: the others are of the future.
        stars_weight: w, how much a star above expectation adds; 0 looks only at what was watched.

    Attributes:
        vectors: float64 `[num_movies, terms]`.
        profiles: float64 `[num_users, terms]`.

    Source: Pazzani and Billsus (2007), *Content-based recommendation systems*; Rocchio (1971).
    """

    def __init__(
        self, train: pd.DataFrame, indices: Indices, movies: pd.DataFrame, tags: pd.DataFrame | None = None,
        stars_weight: float = 0.0,
    ):  # fmt: skip
        if not stars_weight >= 0:
            raise ValueError(f"`stars_weight` must be 0 or more, got {stars_weight}.")
        tags = None if tags is None else known_tags(tags, train)
        self.vectors = tf_idf(describe(movies, indices, tags).to_numpy())
        user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
        weight = np.ones(len(train))
        if stars_weight:
            weight = np.maximum(1 + stars_weight * Bias(train, indices).residuals(train), 0)
        self.profiles = np.zeros((indices.num_users, self.vectors.shape[1]))
        np.add.at(self.profiles, user, weight[:, None] * self.vectors[movie])

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return (_unit(self.profiles[user_index]) @ self.vectors.T).astype(np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Each row with length 1; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def _described(movies: pd.DataFrame, indices: Indices, columns: list[str]) -> pd.DataFrame:
    """The rows of `movies` in the order of `indices`; NA for a movie that it lacks."""
    _check_columns(movies, "movies", ["movie_id", *columns])
    return movies.drop_duplicates("movie_id").set_index("movie_id").reindex(indices.movie_ids)


def _check_columns(table: pd.DataFrame, name: str, columns: list[str]) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        source = "ml-100k" if name == "movies" else "ml-latest-small"  # ML-100K has no tags
        raise ValueError(
            f"`{name}` needs {', '.join(columns)}; {', '.join(missing)} is missing. "
            f'`movierec.load("{source}").{name}` is such a table.'
        )
