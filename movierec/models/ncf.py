"""Neural collaborative filtering: NeuMF, and the deep hybrid, whose network reads features.

Both are fitted when they are made, and are scorers `user_index [U] -> float32 [U, num_movies]`. Taught in
notebooks/08_evaluation.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec.baselines.ladder import Problem, Recommender
from movierec.calls import check_above_zero
from movierec.data import UNKNOWN, Indices, batches, movie_features, user_features
from movierec.keras2 import tf, tfrs
from movierec.models.layers import Dropout, SeededModel, deterministic_ops, glorot, mean_squared_length, small_random

STEPS_PER_EXECUTION = 100
USERS_PER_BLOCK = 32  # scored at once: 32 users x 1,682 movies is 54,000 pairs through the network, about 30 MB


class FusedModel(SeededModel):
    """Matrix factorisation and a network side by side, and a last layer that weighs what both have found.

    logit(u, i) = w · [p_u ⊙ q_i, MLP([a_u, b_i])] + c

    The first path (GMF) is a dot product with a weight for each dimension. The second (MLP) may find what no product
    can express. p and q are learned for every id; a and b, which the MLP reads, are learned, too, or given features.

    loss = −mean [label · log σ(logit) + (1 − label) · log(1 − σ(logit))] + penalty · (mean |p_u|² + mean |q_i|² + …)

    Args:
        read: the given a and b, float32 `[num_users, …]` and `[num_movies, …]`; or None for learned ones, as in NeuMF.
        dim, penalty: length of the learned vectors, and weight of their mean squared lengths.
        hidden, dropout: units of each layer of the MLP, () for none; share of its inputs set to 0 while training.
    """

    def __init__(
        self, num_users: int, num_movies: int, read, dim: int, hidden: tuple, dropout: float, penalty: float,
        seed: int = 0,
    ):  # fmt: skip
        super().__init__(seed)

        def learned(name, rows):
            return self.add_weight(name, (rows, dim), initializer=small_random(self.draws))

        self.p, self.q = learned("p", num_users), learned("q", num_movies)
        self.a, self.b = (learned("a", num_users), learned("b", num_movies)) if read is None else map(tf.constant, read)
        self.mlp = tf.keras.Sequential()
        inputs = self.a.shape[1] + self.b.shape[1]
        for units in hidden if inputs else ():  # a Dense layer crashes on an input of width zero
            self.mlp.add(Dropout(dropout, self.draws))
            self.mlp.add(tf.keras.layers.Dense(units, activation="relu", kernel_initializer=glorot(self.draws)))
        self.fuse = tf.keras.layers.Dense(1, kernel_initializer=glorot(self.draws))
        self.penalty = penalty
        self.num_learned = 4 if read is None else 2  # of p, q, a, b
        self.task = tfrs.tasks.Ranking(loss=tf.keras.losses.BinaryCrossentropy(from_logits=True))
        self.logits(*self.vectors([0], [0]))  # builds the layers

    def vectors(self, user_index, movie_index) -> list:
        """Return p_u, q_i, a_u and b_i of each pair, float32 `[batch, …]` each, for int `[batch]` twice."""
        rows = (self.p, user_index), (self.q, movie_index), (self.a, user_index), (self.b, movie_index)
        return [tf.gather(table, index) for table, index in rows]

    def logits(self, p, q, a, b, training=False):
        """Return float32 `[batch, 1]`: the log-odds that the user has rated the movie."""
        deep = self.mlp(tf.concat([a, b], axis=1), training=training)  # [batch, hidden[-1]]
        return self.fuse(tf.concat([p * q, deep], axis=1))

    def compute_loss(self, batch, training=False):
        """Return the loss of one batch of rows user_index, movie_index and label, each `[batch]`; 1 is a rating."""
        vectors = self.vectors(batch["user_index"], batch["movie_index"])
        loss = self.task(labels=batch["label"][:, None], predictions=self.logits(*vectors, training=training))
        return loss + self.penalty * tf.add_n([mean_squared_length(v) for v in vectors[: self.num_learned]])

    @tf.function(reduce_retracing=True)
    def score(self, user_index):
        """Return float32 `[users, num_movies]` for int32 `[users]`: every pair through the network."""
        num_users, num_movies = tf.shape(user_index)[0], tf.shape(self.q)[0]
        vectors = self.vectors(tf.repeat(user_index, num_movies), tf.tile(tf.range(num_movies), [num_users]))
        return tf.reshape(self.logits(*vectors), [num_users, num_movies])


def draw_negatives(rated: np.ndarray, user_index: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` movies that each user has not rated, uniformly, possibly one twice: movie_index, int `[N, count]`.

    `rated`: bool `[num_users, num_movies]`; every user of `user_index` `[N]` must have a movie left there.
    """
    num_movies = rated.shape[1]
    unrated = np.flatnonzero(~rated)  # user · num_movies + movie of every unrated pair, user by user
    left = num_movies - rated.sum(axis=1)  # [num_users]
    first = np.cumsum(left) - left  # where each user's movies begin in `unrated`
    place = rng.integers(left[user_index][:, None], size=(len(user_index), count))
    return unrated[first[user_index][:, None] + place] % num_movies


def draw_epoch(rated: np.ndarray, negatives: int, rng: np.random.Generator) -> dict:
    """Return user_index, movie_index and label of one epoch: every rating, 1, and `negatives` movies drawn, 0."""
    user, movie = np.nonzero(rated)
    movies = np.concatenate([movie[:, None], draw_negatives(rated, user, negatives, rng)], axis=1).ravel()
    labels = np.tile(np.float32([1] + [0] * negatives), len(user))
    return {"user_index": np.repeat(user, 1 + negatives), "movie_index": movies, "label": labels}


class Ncf:
    """A `FusedModel` fitted on train, as a scorer of log-odds.

    Stars are not looked at: what somebody rated has label 1. Users who rated every movie are left out of training,
    because there is no movie to compare theirs with. The same seed gives the same scores to the bit.

    Args:
        read, dim, hidden, dropout, penalty: see `FusedModel`.
        negatives: unrated movies drawn for each rating, anew in each epoch.
        epochs: passes over train; choose them on validation, because there is no early stopping.
        batch_size, learning_rate: of Adam; a batch has ratings and negatives together.

    Raises:
        ValueError: if a setting is out of range, an id is unknown, nobody has a movie left, or the loss is not finite.
    """

    @deterministic_ops()
    def __init__(
        self, train: pd.DataFrame, indices: Indices, read, *, dim: int = 32, hidden: tuple = (32, 16),
        dropout: float = 0.2, penalty: float = 0.01, negatives: int = 4, epochs: int = 18,
        learning_rate: float = 0.003, batch_size: int = 4096, seed: int = 0,
    ):  # fmt: skip
        sizes = dict(dim=dim, negatives=negatives, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size)
        check_above_zero(**sizes)
        if not (isinstance(hidden, tuple | list) and all(isinstance(units, int) and units > 0 for units in hidden)):
            raise ValueError(
                f"`hidden` must be units of each layer, whole numbers above 0, e.g. (32, 16); got {hidden!r}."
            )
        if not (0 <= dropout < 1 and penalty >= 0):
            raise ValueError(
                f"`dropout` must be a share, 0 to below 1, `penalty` 0 or more; got {dropout} and {penalty}."
            )
        rated = _rated(train, indices)
        self.model = FusedModel(*rated.shape, read, dim, tuple(hidden), dropout, penalty, seed)
        self.model.compile(tf.keras.optimizers.legacy.Adam(learning_rate), steps_per_execution=STEPS_PER_EXECUTION)
        steps = max(1, (1 + negatives) * int(rated.sum()) // batch_size)
        rng = np.random.default_rng(seed)
        for epoch in range(epochs):  # a `fit` for each, because each has negatives of its own
            stream = batches(draw_epoch(rated, negatives, rng), batch_size, seed, first_step=epoch * steps)
            [loss] = self.model.fit(stream, steps_per_epoch=steps, verbose=0).history["loss"]
            if not np.isfinite(loss):
                raise ValueError(
                    f"the loss must be finite; in epoch {epoch + 1} it is {loss}. Lower the learning_rate."
                )

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        blocks = np.split(np.asarray(user_index, np.int32), range(USERS_PER_BLOCK, len(user_index), USERS_PER_BLOCK))
        return np.concatenate([self.model.score(block).numpy() for block in blocks])


class NeuMF(Ncf):
    """Neural matrix factorisation: all four vectors are learned from the ratings. Keywords as in `Ncf`.

    Source: He et al. (2017), *Neural collaborative filtering*; here trained in one go, without their pre-training.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, **settings):
        super().__init__(train, indices, None, **settings)


class DeepHybrid(Ncf):
    """Matrix factorisation of the ids, beside a network that reads features; a table that is None gives none.

    Source: Çakır, Öğüdücü and Tugay (2019), *A deep hybrid model for recommendation systems*, which recommends jobs.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, movies=None, users=None, **settings):
        read = user_features(users, indices).values, movie_features(movies, indices).values
        super().__init__(train, indices, read, **settings)


def _rated(train: pd.DataFrame, indices: Indices) -> np.ndarray:
    """Return bool `[num_users, num_movies]`, without the users who rated everything."""
    user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
    unknown = (user == UNKNOWN) | (movie == UNKNOWN)  # row -1 would be the last user's
    if unknown.any():
        pairs = train.loc[unknown, ["user_id", "movie_id"]].head(3).to_numpy().tolist()
        raise ValueError(
            f"every user and movie of train must be in `indices`; {unknown.sum():,} of {len(train):,} rows have one "
            f"that is not, e.g. {pairs}. Use make_indices(train, movies)."
        )
    rated = np.zeros((indices.num_users, indices.num_movies), bool)
    rated[user, movie] = True
    rated[rated.all(axis=1)] = False
    if not rated.any():
        raise ValueError(
            f"somebody must have a movie left that they did not rate; all {indices.num_users:,} users rated all "
            f"{indices.num_movies:,} movies of `indices`. Use make_indices(train, movies)."
        )
    return rated


def _fits(model: type, *tables: str) -> Callable:
    """Return the `fit` of a rung of the ladder; `tables`: those of the data that the model reads."""

    def fit(problem: Problem, seed: int, **settings) -> Ncf:
        read = (getattr(problem.data, table) for table in tables)
        return model(problem.train, problem.indices, *read, seed=seed, **settings)

    return fit


SPACE = {
    "dim": [16, 32, 64],
    "hidden": [[16], [32, 16], [64, 32, 16]],
    "penalty": [0.003, 0.005, 0.01],
    "learning_rate": [0.002, 0.003, 0.005],
    "epochs": [8, 12, 18],
}
NETWORKS = {  # the last two rungs of `baselines.ladder`: `RECOMMENDERS | NETWORKS` has all of them
    "NeuMF": Recommender(_fits(NeuMF), SPACE, seeds=3),
    "deep hybrid": Recommender(_fits(DeepHybrid, "movies", "users"), SPACE, seeds=3),
}
