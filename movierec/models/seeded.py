"""The base of every network that is trained here: a `tfrs.Model` whose random numbers depend on seed and step only.

A training that was interrupted therefore continues as if it had not been. Taught in notebooks/06_training.
"""

import contextlib
import threading

from movierec.keras2 import tf, tfrs
from movierec.models.layers import Draws

RANDOMNESS = threading.RLock()  # the switch is the process's: other threads wait


@contextlib.contextmanager
def deterministic_ops():
    """Run TensorFlow's deterministic kernels within the block, then restore the switch; other threads wait."""
    from tensorflow.python.framework import config  # the public module has no way to switch them off

    with RANDOMNESS:
        was_on = config.is_op_determinism_enabled()
        tf.config.experimental.enable_op_determinism()
        try:
            yield
        finally:
            if not was_on:
                config.disable_op_determinism()


def check_above_zero(**settings) -> None:
    """Raise ValueError unless each setting is above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}.")


class SeededModel(tfrs.Model):
    """A `tfrs.Model` for Keras's `fit`. Subclasses define `compute_loss(batch, training)`, the loss of one batch.

    `fit` reports the mean loss of an epoch, in `mean_loss`; a plain `tfrs.Model` reports that of the last batch.

    Args:
        seed: of the initial weights and of everything that is drawn while training.

    Attributes:
        draws: where the layers draw random numbers from.
        fitted_head: the name of the part that is being trained, for callbacks; None before the first `fit`.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed
        self.draws = Draws(seed)
        self.mean_loss = tf.keras.metrics.Mean("loss")
        self.fitted_head = None

    def train_step(self, batch):
        """Take one step of the optimiser and return {"loss": mean loss of the epoch so far}.

        Each of R workers has its share of the batch. The gradients are summed over the workers, so each divides its
        own by R: the sum is the gradient of the whole batch.
        """
        with self.draws.at_step(self.optimizer.iterations), tf.GradientTape() as tape:
            loss = self.compute_loss(batch, training=True)
            share = loss / _replicas().num_replicas_in_sync
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(share, variables), variables, strict=True))
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}


def _replicas():
    return tf.distribute.get_replica_context()


def mean_over_workers(value):
    """Return the mean of a value over all workers; the value itself if there is one worker."""
    workers = _replicas()
    return value if workers.num_replicas_in_sync == 1 else workers.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def own_first(rows):
    """Return the rows of all workers, `[workers · n, …]` from `[n, …]` of each; this worker's rows come first."""
    workers = _replicas()
    if workers.num_replicas_in_sync == 1:
        return rows
    everybodys = workers.all_gather(rows, axis=0)
    return tf.roll(everybodys, -tf.shape(rows)[0] * workers.replica_id_in_sync_group, axis=0)
