"""Train self-attention on a split in time to recommend the next film, as the hybrid is trained.

Taught in notebooks/10_self_attention.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.calls import check_keywords
from movierec.data import UNKNOWN, Indices, Split, features, has_time, make_indices
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf
from movierec.models import (
    LOSSES,
    History,
    SequenceModel,
    check_above_zero,
    deterministic_ops,
    make_history,
    newest,
    windows,
)
from movierec.recommend import rows_of_users
from movierec.training.callbacks import Stop, fit_head

USERS_PER_BLOCK = 128  # whose histories are read at once
AVERAGED = 0.5  # see `BestEpoch`
LEAVE_LAST = "Try movierec.split_leave_last(data.ratings)."


class SequenceRecommender:
    """A trained `SequenceModel` and the histories of all users; `score` is a scorer, as the hybrid's.

    Of each history the newest films are read, `length` at most: `film` and `gap`, see `newest`.
    """

    def __init__(self, model: SequenceModel, indices: Indices, past: History, length: int):
        self.model = model
        self.indices = indices
        self.past = past
        self.length = length
        self.film, self.gap = newest(past, length)
        self.history = None  # one row an epoch: loss and validation NDCG@10
        self.best_epochs = {}  # {"sequence": the one that was kept}

    def __repr__(self) -> str:
        return f"SequenceRecommender({self.indices.num_users:,} users, {self.indices.num_movies:,} movies)"

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """Score every film as the next one: float32 `[U, num_movies]` for int `[U]`."""
        rows = rows_of_users(self.indices, user_index)
        return self.score_next(self.film[rows], self.gap[rows])

    def score_next(self, film: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Score every film as the next one after the films of each row, float32 `[U, num_movies]`; see `newest`."""
        ends = range(USERS_PER_BLOCK, len(film), USERS_PER_BLOCK)
        blocks = zip(np.split(film, ends), np.split(gap, ends), strict=True)
        return np.concatenate([self.model.score_next(*map(tf.constant, block)).numpy() for block in blocks])

    def reading(self, ratings: pd.DataFrame) -> "SequenceRecommender":
        """Return the same model, which reads other histories, e.g. train and validation; it is not trained again.

        Raises:
            ValueError: if a user or a film of `ratings` is not known from train.
        """
        for column, index in (("user_id", self.indices.user_index), ("movie_id", self.indices.movie_index)):
            unknown = ratings[column][index(ratings[column]) == UNKNOWN].unique()
            if len(unknown):
                raise ValueError(
                    f"every {column} must be known from train; {len(unknown):,} are not, e.g. "
                    f"{unknown[:3].tolist()}. Leave their rows out, or fit again with them."
                )
        other = SequenceRecommender(self.model, self.indices, _history(ratings, self.indices), self.length)
        other.history, other.best_epochs = self.history, self.best_epochs
        return other

    def read_of(self, user_id: int, films: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return film and gap, `[1, length]` each, of the first `films` that are read of a user; None: all.

        Raises:
            ValueError: if the user is not known from train, or has fewer films.
        """
        index = int(self.indices.user_index(user_id))
        if index == UNKNOWN:
            raise ValueError(f"user_id {user_id} must be known from train; it is not. `indices.user_ids` lists them.")
        film, gap = self.film[[index]], self.gap[[index]]
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
@deterministic_ops()
def fit_sequence(
    split: Split, movies: pd.DataFrame | None = None, *, seed: int = 0, loss: str = "softmax", length: int = 50,
    dim: int = 64, blocks: int = 2, dropout: float = 0.3, penalty: float = 0.0, has_places: bool = True,
    has_gaps: bool = True, epochs: int = 40, patience: int = 5, batch_size: int = 128, learning_rate: float = 0.006,
    on_epoch: Callable[[dict], None] | None = None, stop: Stop | None = None, progress: bool = False,
    callbacks: Sequence = (),
) -> SequenceRecommender:  # fmt: skip
    """Fit a self-attention recommender on `split.train`, at its best epoch on `split.validation`.

    It is judged by NDCG@10 of all films that come next, whatever their stars. Same seed, same machine, same result.
    Memory grows with length² and with batch_size x length x num_movies: 45 MB and 86 MB with the defaults.

    Args:
        split: in time; train, validation for early stopping, or None: then all of `epochs` are trained.
        movies: movie_id, year, genres; may be None.
        loss: "softmax" over all films, or "bce", one film drawn at random against each.
        length: newest films of a history that are read; longer ones are cut into windows.
        dim, blocks, dropout, penalty, has_places, has_gaps: see `SequenceModel` and `AttentionEncoder`.
        batch_size, learning_rate: windows in a step, and the rate of the optimiser, Adam.
        seed, epochs, patience, on_epoch, stop, progress, callbacks: as of `fit_hybrid`; the head is called "sequence".

    Raises:
        ValueError: if the split is not in time, a setting is out of its range, or the loss stops being finite.
    """
    if not isinstance(split, Split) or split.in_time is None:
        found = f"{split}, which is not" if isinstance(split, Split) else type(split).__name__
        is_timeless = isinstance(split, Split) and not has_time(split.train)
        advice = "Its ratings have no times: fit_hybrid(split) needs none." if is_timeless else LEAVE_LAST
        raise ValueError(f"`split` must be a Split in time, or nothing says what comes next; got {found}. {advice}")
    if loss not in LOSSES:
        raise ValueError(f"`loss` must be one of {', '.join(LOSSES)}; got {loss!r}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be a share, 0 to below 1, got {dropout}.")
    if not penalty >= 0:
        raise ValueError(f"`penalty` must be 0 or more, got {penalty}.")
    above_zero = {"length": length, "dim": dim, "blocks": blocks, "epochs": epochs, "patience": patience}
    check_above_zero(**above_zero, batch_size=batch_size, learning_rate=learning_rate)
    indices = make_indices(split.train, movies)
    past = _history(split.train, indices)
    about = tf.constant(features.movie_features(movies, indices).values)
    encoder = {"length": length, "blocks": blocks, "has_places": has_places, "has_gaps": has_gaps}
    count = np.bincount(past.movie_index, minlength=indices.num_movies)
    model = SequenceModel(count, about, loss, dim, dropout, penalty, seed=seed, **encoder)
    recommender = SequenceRecommender(model, indices, past, length)

    def quality():
        ranked = evaluate_ranking(recommender.score, split, indices, part="validation", liked_from=0)
        return "ndcg@10", float(ranked["ndcg@10"].mean()), True

    recommender.history, best_epoch = fit_head(
        model, "sequence", windows(past, length)._asdict(), batch_size, optimizer="adam", learning_rate=learning_rate,
        epochs=epochs, patience=patience, quality=quality if split.validation is not None else None,
        averaged=AVERAGED, on_epoch=on_epoch, stop=stop, progress=progress, callbacks=callbacks,
    )  # fmt: skip
    recommender.best_epochs = {"sequence": best_epoch}
    return recommender


def _history(ratings: pd.DataFrame, indices: Indices) -> History:
    return make_history(ratings, indices, Bias(ratings, indices), in_order=True)
