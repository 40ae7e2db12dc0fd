"""Steps of training inside TensorFlow: an order of the rows in, the loss of each step out.

A batch is a function of seed and step, and so is all that is drawn in a step: a training that was interrupted goes on
as if it had not been. Taught in notebooks/05_hybrid_model and, for what is large, 10_serving.
"""

import numpy as np

from movierec.keras2 import tf, tfrs
from movierec.models import Draws


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
    """A `tfrs.Model` that takes many steps in one call, `train_steps`: Keras's `fit` in TensorFlow, in half its time.

    Args:
        heads: names of the attributes that are trained by themselves, each a layer or None.

    Attributes:
        seed: of what is drawn while training.
        draws: where layers draw from.
        stop: a `Stop` that ends the steps within a batch; to be replaced before `compile`.
    """

    def __init__(self, heads: tuple = ()):
        super().__init__()
        self.heads, self.seed, self.draws, self.stop = heads, 0, Draws(), Stop()

    def train_only(self, heads: tuple) -> None:
        """Leaves the other heads as they are in training; before `compile`."""
        for head in self.heads:
            if getattr(self, head) is not None:
                getattr(self, head).trainable = head in heads

    def compile(self, *args, **kwargs):
        """As in Keras; what was traced for another optimiser is forgotten."""
        super().compile(*args, **kwargs)
        self.train_steps = tf.function(self._train_steps)

    def train_step(self, batch):
        """{"loss": scalar} of one batch, after the optimiser's step.

        Of R workers each has its share of the batch, and its loss is divided by R: what they sum, gradients and losses,
        is that of the whole batch.
        """
        with self.draws.of(self.seed, self.optimizer.iterations), tf.GradientTape() as tape:
            loss = self.compute_loss(batch, training=True) / _replicas().num_replicas_in_sync
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"loss": loss}

    def _train_steps(self, columns, order):
        """The loss of each step, float32 `[steps]`; 0 for steps after a stop.

        `columns`: {name: `[N, …]`}; `order`: int32 `[steps, batch]`, the rows of each step's batch.
        """
        steps, strategy = tf.shape(order)[0], self.distribute_strategy
        losses = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            if self.stop.flag:
                break
            loss = strategy.run(self._step_on_own_share, args=(columns, order[step]))
            losses = losses.write(step, strategy.reduce("SUM", loss, axis=None))
        return losses.stack()

    def _step_on_own_share(self, columns, rows):
        share = rows.shape[0] // _replicas().num_replicas_in_sync
        first = share * _replicas().replica_id_in_sync_group
        own = rows[first : first + share]
        return self.train_step({name: tf.gather(column, own) for name, column in columns.items()})["loss"]


def _replicas():
    return tf.distribute.get_replica_context()


def mean_over_workers(value):
    """The mean of what the workers have; `value` itself if there is one."""
    workers = _replicas()
    return value if workers.num_replicas_in_sync == 1 else workers.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def own_first(rows):
    """What all workers have, `[workers · n, …]` of `[n, …]`: this one's own, then the others'."""
    workers = _replicas()
    if workers.num_replicas_in_sync == 1:
        return rows
    everybodys = workers.all_gather(rows, axis=0)
    return tf.roll(everybodys, -rows.shape[0] * workers.replica_id_in_sync_group, axis=0)


def shuffled(num_rows: int, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """The rows of each batch of one epoch, int32 `[steps, batch_size]`: each row once.

    The last incomplete batch is left out, so that all have one shape; the next order brings its rows back.
    """
    return _in_batches(rng.permutation(np.arange(num_rows, dtype=np.int32)), batch_size)


def shuffled_groups(starts: np.ndarray, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """The same with all rows of a group one after the other, and the groups shuffled.

    A batch then has few users, each with many ratings, and sums the history of each once.

    Args:
        starts: int `[groups + 1]`; the rows of group g are starts[g] to below starts[g + 1].
    """
    groups = rng.permutation(len(starts) - 1)
    length = np.diff(starts)[groups]
    first_place = np.cumsum(length) - length
    rows = np.repeat((starts[:-1][groups] - first_place).astype(np.int32), length)
    return _in_batches(rows + np.arange(len(rows), dtype=np.int32), batch_size)


def _in_batches(order: np.ndarray, batch_size: int) -> np.ndarray:
    batch_size = min(batch_size, len(order))
    steps = len(order) // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)
