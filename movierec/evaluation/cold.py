"""Films that nobody has rated: some are hidden from train on purpose, and ranked by what is known about them.

Taught in notebooks/11_people_and_films.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data import UNKNOWN, Indices, Split
from movierec.evaluation.full_ranking import LIKED_FROM_STARS, Scorer, evaluate_ranking

FEWEST_RATINGS = 5  # of a film that is hidden: fewer would not say whether it was ranked well


class Hidden(NamedTuple):
    """A split that has never heard of some movies, and what is known of them.

    Attributes:
        split: without a rating of these movies in train and validation; test as it was.
        movie_ids: int `[N]`, ascending: the movies.
        ratings: all ratings of these movies by users who are still in train, whatever part they were in.
    """

    split: Split
    movie_ids: np.ndarray
    ratings: pd.DataFrame


def hide_movies(split: Split, share: float = 0.1, seed: int = 0, fewest: int = FEWEST_RATINGS) -> Hidden:
    """The split as if some of its movies had just come out.

    Args:
        share: of the movies with at least `fewest` ratings in train, 0 to below 1.
        seed: of the draw.
        fewest: ratings in train that a movie must have.

    Raises:
        ValueError: if that is no movie at all.
    """
    count = split.train["movie_id"].value_counts()
    movies = np.sort(count.index[count >= fewest].to_numpy())
    number = int(round(share * len(movies))) if 0 < share < 1 else 0
    if not number:
        raise ValueError(
            f"`share` must hide one movie or more and leave some, 0 < share < 1; {share} of {len(movies):,} movies "
            f"with {fewest} ratings in train hides none. Try hide_movies(split, share=0.1)."
        )
    hidden = np.sort(np.random.default_rng(seed).choice(movies, number, replace=False))
    parts = [split.train, split.validation, split.test]
    train, validation = (None if part is None else part[~part["movie_id"].isin(hidden)] for part in parts[:2])
    ratings = pd.concat([part[part["movie_id"].isin(hidden)] for part in parts if part is not None], ignore_index=True)
    ratings = ratings[ratings["user_id"].isin(train["user_id"])]
    return Hidden(Split(train, validation, split.test, split.in_time), hidden, ratings)


def evaluate_hidden(
    scorer: Scorer, hidden: Hidden, indices: Indices, k: int = 10, liked_from: float = LIKED_FROM_STARS
) -> pd.DataFrame:
    """One row per user who liked a hidden movie: `evaluate_ranking` among the hidden movies and no others.

    Random order has an AUC of 0.5.

    Args: as `evaluate_ranking`.
    """
    others = ~np.isin(indices.movie_ids, hidden.movie_ids)

    def only_hidden(user_index):
        scores = np.array(scorer(user_index), np.float32)
        scores[:, others] = -np.inf
        return scores

    asked = Split(hidden.split.train, hidden.split.validation, hidden.ratings)
    return evaluate_ranking(only_hidden, asked, indices, k=k, liked_from=liked_from)


def hidden_share(table: pd.DataFrame, hidden: Hidden, indices: Indices) -> np.ndarray:
    """The share of each user's list that is hidden movies, float64 `[U]`; `table` as `evaluate_ranking` returns it."""
    lists = np.stack(table["movie_index"])
    is_hidden = np.isin(indices.movie_ids[lists], hidden.movie_ids) & (lists != UNKNOWN)
    return is_hidden.sum(axis=1) / np.maximum((lists != UNKNOWN).sum(axis=1), 1)


class FromContent:
    """score(u, i) of a movie that nobody rated = Σ_j score(u, j) W_ji, over the movies j that were.

    W is a ridge regression from what is known of a movie, x_j, to its score, the same for all users and any scorer:
    score(u, i) = s̄_u + (x_i − x̄) (XᵀX + λ I)⁻¹ Xᵀ (s_u − s̄_u), with the rows of X the centred x_j. If the scorer is a
    product of vectors, this is the ridge regression from content to a movie's vector.

    Args:
        scorer: fitted on train.
        content: float `[num_movies, d]`, what is known of each movie, e.g. `movie_features(…).values`.
        is_rated: bool `[num_movies]`, which have ratings in train.
        regularisation: λ > 0, in movies.

    Source: Gantner et al. (2010), *Learning attribute-to-feature mappings for cold-start recommendations*.
    """

    def __init__(self, scorer: Scorer, content: np.ndarray, is_rated: np.ndarray, regularisation: float = 10):
        if not regularisation > 0:
            raise ValueError(f"`regularisation` must be above 0 movies, got {regularisation}.")
        if len(content) != len(is_rated) or not is_rated.any():
            raise ValueError(
                f"`content` and `is_rated` have one row a movie, one of them rated at least; found {len(content):,} "
                f"rows, {len(is_rated):,} and {int(np.sum(is_rated)):,} rated. Try make_indices(train, movies)."
            )
        self.scorer, self.is_rated = scorer, np.asarray(is_rated, bool)
        self.mean = np.asarray(content, float)[self.is_rated].mean(axis=0)  # x̄
        x = content[self.is_rated] - self.mean
        pull = regularisation * np.eye(x.shape[1])
        self.solved = np.linalg.solve(x.T @ x + pull, x.T).T  # X (XᵀX + λ I)⁻¹ [rated, d]
        self.content = np.asarray(content, float)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        scores = np.array(self.scorer(user_index), np.float32)
        scores[:, ~self.is_rated] = self.of(self.content[~self.is_rated], scores)
        return scores

    def of(self, content: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """float32 `[U, N]`: the scores of N movies of which only the content `[N, d]` is known.

        Args:
            scores: float `[U, num_movies]`, the scorer's own.
        """
        rated = scores[:, self.is_rated]
        mean = rated.mean(axis=1, keepdims=True)
        weights = self.solved @ (np.asarray(content, float) - self.mean).T  # W [rated, N]
        return (mean + (rated - mean) @ weights).astype(np.float32)
