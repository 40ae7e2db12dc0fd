"""What the networks are made of: how a table starts, a perceptron, its dropout, a penalty.

Taught in notebooks/04_embeddings and 05_hybrid_model.
"""

import contextlib
import functools
import itertools
import threading

import numpy as np

from movierec.keras2 import tf

RANDOMNESS = threading.RLock()  # TensorFlow's seed is the process's: who sets it holds this until all is drawn
EMBEDDING_STDDEV = 0.05  # small: at the start every dot product is near 0 and the biases speak alone


def small_random():
    """A fresh initialiser for each table: one shared by two tables of the same shape would fill both alike."""
    return tf.keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV)


def start_at(values: np.ndarray):
    """An initialiser that fills a weight with `values`."""
    return tf.keras.initializers.Constant(values.astype(np.float32))


class Draws:
    """Random numbers that are a function of seed, step and who draws: a run that goes on draws what it would have.

    Attributes:
        at: seed and step.
    """

    def __init__(self):
        self.at, self._numbers = (0, 0), itertools.count()

    @contextlib.contextmanager
    def of(self, seed: int, step):
        """Within the block: what a step of training draws."""
        before, self.at = self.at, (seed, tf.cast(step, tf.int32))
        try:
            yield
        finally:
            self.at = before  # a step that is traced has no number outside of its graph

    def new_place(self) -> int:
        """A number for one who draws, by the order of asking."""
        return next(self._numbers)

    def seed(self, place: int):
        """int32 `[2]` for the stateless functions of TensorFlow."""
        return tf.random.experimental.stateless_fold_in(tf.convert_to_tensor(self.at, tf.int32), place)

    def own_seed(self, place: int):
        """The same, another for each of several workers."""
        context = tf.distribute.get_replica_context()
        alone = context is None or context.num_replicas_in_sync == 1
        seed = self.seed(place)
        return seed if alone else tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)

    def uniform(self, place: int, shape):
        """float32 `shape`, 0 to below 1. Of several workers each draws for all rows and keeps its own."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return tf.random.stateless_uniform(shape, self.seed(place))
        rows, workers = shape[0], context.num_replicas_in_sync
        everybodys = tf.random.stateless_uniform(tf.concat([[rows * workers], shape[1:]], axis=0), self.seed(place))
        first = rows * context.replica_id_in_sync_group
        return everybodys[first : first + rows]


class Dropout(tf.keras.layers.Layer):
    """x / (1 − rate) where kept, 0 elsewhere, drawn anew in every step of training; else x."""

    def __init__(self, rate: float, draws: Draws):
        super().__init__()
        self.rate, self.draws, self.place = rate, draws, draws.new_place()

    def call(self, x, training=False):
        """The shape of `x`, float32 `[batch, units]`."""
        if not training or self.rate == 0:
            return x
        kept = self.draws.uniform(self.place, tf.shape(x)) >= self.rate
        return tf.where(kept, x / (1 - self.rate), 0.0)


def multilayer_perceptron(inputs: int, hidden: tuple, outputs: int, dropout: float, draws: Draws):
    """Dense layers with dropout before each; the last starts at zero, so the network adds nothing until it learns."""
    layers = []
    for units in hidden:
        layers += [Dropout(dropout, draws), tf.keras.layers.Dense(units, activation="relu")]
    layers += [Dropout(dropout, draws), tf.keras.layers.Dense(outputs, kernel_initializer="zeros")]
    network = tf.keras.Sequential(layers)
    network.build((None, inputs))
    return network


def mean_squared_length(vectors):
    """mean over rows of Σ_d v_d². A scalar."""
    return tf.reduce_mean(tf.reduce_sum(vectors**2, axis=1))


def one_at_a_time(function):
    """The function; a call waits until no other thread draws from a seed that it has set."""

    @functools.wraps(function)
    def waiting(*arguments, **keywords):
        with RANDOMNESS:
            return function(*arguments, **keywords)

    return waiting
