"""The parts that the networks share: initial weights, seeded random numbers, dropout, a perceptron, a penalty.

Taught in notebooks/04_embeddings and 05_hybrid_model.
"""

import contextlib
import itertools

import numpy as np

from movierec.keras2 import tf

EMBEDDING_STDDEV = 0.05  # small: at the start every dot product is near 0 and the biases decide


class Draws:
    """Random numbers that are a function of seed, step and place, so that an interrupted training resumes exactly.

    Every layer that draws asks once for a place of its own. Every initial weight has a seed of its own, too, so that
    two tables of the same shape differ. The global generators of Python, NumPy and TensorFlow are not used.

    Args:
        seed: of the initial weights and of everything that training draws; an integer, 0 or more.
    """

    def __init__(self, seed: int = 0):
        self.at = (seed, 0)  # seed and step
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def at_step(self, step):
        """Set the step for the block, which runs one step of training."""
        before = self.at
        self.at = (before[0], tf.cast(step, tf.int32))
        try:
            yield
        finally:
            self.at = before  # the step of a traced graph does not exist outside of that graph

    def new_place(self) -> int:
        """Return the next unused place: 0, 1, 2, …"""
        return next(self._numbers)

    def weight_seed(self) -> int:
        """Return a seed for one initialiser, 0 to 2³¹ − 1, a function of `seed` and of the order of asking."""
        return int(np.random.SeedSequence([self.at[0], self.new_place()]).generate_state(1)[0] >> 1)

    def seed(self, place: int):
        """Return int32 `[2]`, the seed of a stateless TensorFlow function at this step and place."""
        return tf.random.experimental.stateless_fold_in(tf.convert_to_tensor(self.at, tf.int32), place)

    def own_seed(self, place: int):
        """Return `seed(place)`, but a different one for each of several workers."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return self.seed(place)
        return tf.random.experimental.stateless_fold_in(self.seed(place), context.replica_id_in_sync_group)

    def uniform(self, place: int, shape):
        """Return float32 `shape` in [0, 1). Each of several workers draws for all rows and keeps its own."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return tf.random.stateless_uniform(shape, self.seed(place))
        rows = shape[0]
        all_rows = tf.concat([[rows * context.num_replicas_in_sync], shape[1:]], axis=0)
        first = rows * context.replica_id_in_sync_group
        return tf.random.stateless_uniform(all_rows, self.seed(place))[first : first + rows]


def small_random(draws: Draws):
    """Return an initialiser N(0, EMBEDDING_STDDEV²) for one embedding table; ask again for the next table."""
    return tf.keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV, seed=draws.weight_seed())


def glorot(draws: Draws):
    """Return Keras's default initialiser of a Dense kernel, with a seed of its own."""
    return tf.keras.initializers.GlorotUniform(seed=draws.weight_seed())


def start_at(values: np.ndarray):
    """Return an initialiser that fills a weight with `values`."""
    return tf.keras.initializers.Constant(values.astype(np.float32))


class Dropout(tf.keras.layers.Layer):
    """In training, x / (1 − rate) where kept and 0 elsewhere, drawn again in every step; otherwise x."""

    def __init__(self, rate: float, draws: Draws):
        super().__init__()
        self.rate = rate
        self.draws = draws
        self.place = draws.new_place()

    def call(self, x, training=False):
        """Return float32 of the shape of `x`, `[batch, units]`."""
        if not training or self.rate == 0:
            return x
        kept = self.draws.uniform(self.place, tf.shape(x)) >= self.rate
        return tf.where(kept, x / (1 - self.rate), 0.0)


def multilayer_perceptron(inputs: int, hidden: tuple, outputs: int, dropout: float, draws: Draws):
    """Return Dense layers with dropout before each; the last one starts at zero, so that it adds nothing at first."""
    layers = []
    for units in hidden:
        dense = tf.keras.layers.Dense(units, activation="relu", kernel_initializer=glorot(draws))
        layers += [Dropout(dropout, draws), dense]
    layers += [Dropout(dropout, draws), tf.keras.layers.Dense(outputs, kernel_initializer="zeros")]
    network = tf.keras.Sequential(layers)
    network.build((None, inputs))
    return network


def mean_squared_length(vectors):
    """Return the mean over rows of Σ_d v_d², a scalar."""
    return tf.reduce_mean(tf.reduce_sum(vectors**2, axis=1))
