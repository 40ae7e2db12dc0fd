"""A model with one weight, for tests of the loop that trains it."""

import numpy as np

from movierec.keras2 import tf
from movierec.models import SeededModel
from movierec.training import fit_head


class Weight(tf.keras.layers.Layer):
    """One number."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight("w", (), initializer="zeros")


class Line(SeededModel):
    """loss = mean (w x − 2 x)² + what is drawn · w; the head is called "slope"."""

    def __init__(self):
        super().__init__(seed=0)
        self.slope = Weight()
        self.place = self.draws.new_place()

    def compute_loss(self, batch, training=False):
        drawn = self.draws.uniform(self.place, tf.constant([1]))[0]
        return tf.reduce_mean((self.slope.w * batch["x"] - 2 * batch["x"]) ** 2) + drawn * self.slope.w


def fit(model=None, count=20, **settings):
    """The model, its table and its best epoch: `count` rows in batches of 4."""
    model = model or Line()
    rows = {"x": np.random.default_rng(0).normal(size=count).astype(np.float32)}
    usual = dict(optimizer="adam", learning_rate=0.1, epochs=3, patience=9, quality=None)
    table, best = fit_head(model, "slope", rows, 4, **usual | settings)
    return model, table, best
