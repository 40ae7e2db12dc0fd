"""What the networks are made of: how a table starts, a perceptron, a penalty, an epoch of steps inside TensorFlow.

Taught in notebooks/04_embeddings and 05_hybrid_model.
"""

import functools
import threading

import numpy as np

from movierec.keras2 import tf, tfrs

RANDOMNESS = threading.RLock()  # TensorFlow's seed is the process's: who sets it holds this until all is drawn
EMBEDDING_STDDEV = 0.05  # small: at the start every dot product is near 0 and the biases speak alone


def small_random():
    """A fresh initialiser for each table: one shared by two tables of the same shape would fill both alike."""
    return tf.keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV)


def start_at(values: np.ndarray):
    """An initialiser that fills a weight with `values`."""
    return tf.keras.initializers.Constant(values.astype(np.float32))


def multilayer_perceptron(inputs: int, hidden: tuple, outputs: int, dropout: float):
    """Dense layers with dropout before each; the last starts at zero, so the network adds nothing until it learns."""
    layers = []
    for units in hidden:
        layers += [tf.keras.layers.Dropout(dropout), tf.keras.layers.Dense(units, activation="relu")]
    layers += [tf.keras.layers.Dropout(dropout), tf.keras.layers.Dense(outputs, kernel_initializer="zeros")]
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


class Stop:
    """Asks a training that runs in another thread to end after its batch: `stop.ask()`."""

    def __init__(self):
        self.flag = tf.Variable(False, trainable=False)  # a graph that is running reads it in every step

    def ask(self) -> None:
        """Nothing; from now on it is asked for."""
        self.flag.assign(True)

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return bool(self.flag.numpy())


class LoopedModel(tfrs.Model):
    """A `tfrs.Model` whose epoch is one call, `train_epoch`: the loop of `fit` in TensorFlow, in half of its time.

    Attributes:
        stop: a `Stop` that ends an epoch within a batch; to be replaced before `compile`.
    """

    def __init__(self):
        super().__init__()
        self.stop = Stop()

    def compile(self, *args, **kwargs):
        """As in Keras; what was traced for another optimiser is forgotten."""
        super().compile(*args, **kwargs)
        self.train_epoch = tf.function(self._train_epoch)

    def _train_epoch(self, batches):
        """The loss of each step, float32 `[steps]`, for columns `[steps, batch, …]`; 0 for steps after a stop."""
        steps = tf.shape(tf.nest.flatten(batches)[0])[0]
        losses = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            if self.stop.flag:
                break
            logs = self.train_step({name: column[step] for name, column in batches.items()})
            losses = losses.write(step, logs["total_loss"])
        return losses.stack()


def shuffled(rows: dict, batch_size: int, rng: np.random.Generator) -> dict:
    """The batches of one epoch: columns `[steps, batch_size, …]` of arrays `[N, …]`, in one new order for all.

    The last incomplete batch is left out, so that all have one shape; the next order brings its rows back.
    """
    num_rows = len(next(iter(rows.values())))
    batch_size = min(batch_size, num_rows)
    steps = num_rows // batch_size
    order = rng.permutation(num_rows)[: steps * batch_size]
    return {name: column[order].reshape(steps, batch_size, *column.shape[1:]) for name, column in rows.items()}
