"""What the last steps of notebook 05 are compared with, one run each, with the notebook's seed: `repeats.py steps`.

The epochs are those of the notebook, which trains the first and the fourth of these models itself.
"""

import numpy as np
import pandas as pd

import movierec
from movierec.data import features, make_indices
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf
from movierec.models import first_hybrid as steps

SEED = 0  # of the notebook; each more takes two CPU minutes and a half
BATCHES = 20  # of train, over which the loss of the list is a mean


class FutureInBag(steps.TwoTowers):
    """The bag has everything that the user rated, also later, but not the movie asked for."""

    def bag(self, batch):
        """Mark what each user rated but for the movie of the row, [batch, num_movies]."""
        rated = tf.cast(tf.gather(self.known.place, batch["user_index"]) > 0, tf.float32)
        if "movie_index" not in batch:  # a list is made: nothing is asked for
            return rated
        return rated * (1 - tf.one_hot(batch["movie_index"], self.known.num_movies))


class AnswerInBag(steps.TwoTowers):
    """The bag has everything that the user rated, the movie asked for and later ones, too."""

    def bag(self, batch):
        """Mark what each user rated, [batch, num_movies]."""
        return tf.cast(tf.gather(self.known.place, batch["user_index"]) > 0, tf.float32)


class WithoutMLP(steps.FirstHybrid):
    """The hybrid of step 6, whose deep path always says 0."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        self.mlp = lambda inputs, training: tf.zeros_like(inputs[:, :1])


MODELS = {  # name: class, epochs, settings
    "5 two towers": (steps.TwoTowers, 6, {}),
    "5 future in the bag": (FutureInBag, 6, {}),
    "5 answer and future in": (AnswerInBag, 6, {}),
    "6 both, w = 0.5": (steps.FirstHybrid, 7, {}),
    "6 both, w = 0.1": (steps.FirstHybrid, 7, {"weight": 0.1}),
    "6 both, no MLP": (WithoutMLP, 7, {}),
}


def list_loss(model, rows: dict) -> float:
    """Return the mean loss of the list on some batches of train, in nats, without penalty and dropout."""
    losses = []
    for _, batch in zip(range(BATCHES), features.batches(rows, steps.BATCH_SIZE, 99), strict=False):
        x, y = model.vectors(batch)
        losses.append(float(steps.TwoTowers.task_loss(model, batch, x, y, training=False)))
    return float(np.mean(losses))


def measure(name: str, seed: int, data) -> dict:
    """Train one model with one seed; return what it gives on validation, NaN where it does not apply."""
    split = movierec.split_by_user_time(data.ratings)
    indices = make_indices(split.train, data.movies)
    known = steps.make_known(split, indices, data.movies, data.users)
    rows = steps.make_rows(split.train, indices, steps.places(split.train))
    make, epochs, settings = MODELS[name]
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(seed)
    model, curve = make(known, **settings), []
    has_stars = isinstance(model, steps.FirstHybrid)
    note = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: curve.append(steps.rmse(model, split.validation, indices) if has_stars else np.nan)
    )
    steps.train(model, rows, epochs, seed, callbacks=(note,))
    lists = evaluate_ranking(lambda users: steps.score(model, users), split, indices, part="validation")
    return {
        "step": name,
        "seed": seed,
        "rmse": curve[-1],
        "best rmse": np.min(curve),
        "ndcg@10": lists["ndcg@10"].mean(),
        "list loss": list_loss(model, rows),
    }


def first_hybrid_steps(data) -> pd.DataFrame:
    """Return one row a model, on validation."""
    return pd.DataFrame([measure(name, SEED, data) for name in MODELS])
