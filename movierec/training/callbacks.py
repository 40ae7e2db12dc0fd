"""Train one head with Keras's `fit`: optimisers by name, and callbacks for early stopping and stopping by hand.

Taught in notebooks/06_training and, for large data, notebooks/13_scale.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from movierec.data import batches
from movierec.keras2 import tf
from movierec.models import SeededModel
from movierec.training.checkpoints import Checkpoints, HeadCheckpoint, Progress
from movierec.training.workers import WorkerLost, shared

LOST = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError
SECONDS_PER_EXECUTION = 0.25  # a stop is noticed after so many seconds, or after the step that is running
MOST_STEPS_PER_EXECUTION = 100


class LazyAdam(tf.keras.optimizers.legacy.Adam):
    """Adam that moves only the rows of a table that a batch gathered, and their moments; see notebooks/13_scale.

    m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  w ← w − rate · m̂ / (√v̂ + ε)

    Adam itself moves every row in every step, by its moments, and so pays for the whole table: with 280,000 users ten
    times the rest. A gradient that does not come from gathering rows is treated as by Adam.

    Source: Kingma and Ba (2015), algorithm 1; "lazy" as in TensorFlow Addons, which has ended.
    """

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        """Return the operation that moves the rows `indices`, each once, by `grad` `[rows, …]`; Keras calls it."""
        key = var.device, var.dtype.base_dtype
        now = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = now["beta_1_t"] * tf.gather(m, indices) + now["one_minus_beta_1_t"] * grad
        new_v = now["beta_2_t"] * tf.gather(v, indices) + now["one_minus_beta_2_t"] * grad**2
        step = now["lr"] * new_m / (tf.sqrt(new_v) + now["epsilon"])  # "lr" has both bias corrections in it
        return tf.group(
            m.scatter_update(tf.IndexedSlices(new_m, indices)),
            v.scatter_update(tf.IndexedSlices(new_v, indices)),
            var.scatter_sub(tf.IndexedSlices(step, indices)),
        )


OPTIMIZERS = {
    "adam": tf.keras.optimizers.legacy.Adam,
    "lazy_adam": LazyAdam,
    "adagrad": tf.keras.optimizers.legacy.Adagrad,
}


class Stop(threading.Event):
    """A request that a training in another thread end after the steps that are running: `stop.ask()`."""

    ask = threading.Event.set

    @property
    def asked(self) -> bool:
        """Whether the training was asked to end."""
        return self.is_set()


class Stopped(Exception):
    """A training was stopped before a head had finished its first epoch, so there is no model to keep."""


class BestEpoch(tf.keras.callbacks.Callback):
    """Early stopping on an average of the weights, which can be interrupted and resumed.

    After each epoch the average moves, a ← averaged · a + (1 − averaged) · w, with w the weights. What is judged and
    kept is a. (Keras's `EarlyStopping` judges w, and begins anew in a training that is resumed.) The logs of an epoch
    get the columns of the table: train_<head>_loss and validation_<metric>.

    Args:
        epochs, patience: train at most so many epochs, and so many without a better value.
        quality: () -> (metric, value, whether higher is better) on validation; None: the last epoch is the best.
        averaged: from 0 (a = w) to below 1.
        rate: what the caller calls the learning rate, for the error if the loss stops being finite.
    """

    def __init__(self, head: str, layer, epochs: int, patience: int, quality, averaged: float, rate: str):
        super().__init__()
        self.head = head
        self.layer = layer
        self.rate = rate
        self.epochs, self.patience = epochs, patience
        self.quality, self.averaged = quality, averaged
        self.average, self.best = ([tf.Variable(weight) for weight in layer.get_weights()] for _ in range(2))
        self.progress = Progress()

    def on_epoch_begin(self, epoch, logs=None):
        self.first_step = self.progress.step
        self.model.mean_loss.set_weights(self.progress.losses)  # of an epoch that was interrupted

    def on_train_batch_end(self, batch, logs=None):
        self.progress.step = self.first_step + batch + 1
        self.progress.losses = [float(variable.read_value()) for variable in self.model.mean_loss.variables]
        if not np.isfinite(logs["loss"]):
            raise ValueError(
                f"the loss must be finite; that of the {self.head} head is {logs['loss']} in epoch "
                f"{self.progress.epoch + 1}, by batch {self.progress.step}. Use a smaller `{self.rate}`, or look for "
                "odd ratings in train."
            )

    def on_epoch_end(self, epoch, logs=None):
        if self.model.stop_training:  # the epoch was cut short
            return
        progress, weights = self.progress, self.layer.get_weights()
        share = self.averaged if progress.table else 0.0
        for average, weight in zip(self.average, weights, strict=True):
            average.assign(share * average + (1 - share) * weight)
        row = {f"train_{self.head}_loss": float(logs.pop("loss"))}
        value = epoch  # without validation the last epoch is the best
        if self.quality is not None:
            self.layer.set_weights([average.numpy() for average in self.average])
            metric, value, higher_is_better = self.quality()
            self.layer.set_weights(weights)
            row[f"validation_{metric}"] = float(value)
            value = value if higher_is_better else -value
        logs.update(row)
        progress.table.append({"epoch": epoch + 1, **row})
        progress.epoch, progress.step = epoch + 1, 0
        progress.losses = (0.0, 0.0)
        if value > progress.best_value:
            progress.best_epoch, progress.best_value = epoch + 1, float(value)
            for best, average in zip(self.best, self.average, strict=True):
                best.assign(average)
        is_patient = progress.epoch - progress.best_epoch < self.patience
        progress.is_over = not is_patient or progress.epoch >= self.epochs
        self.model.stop_training = progress.is_over


class Interruptions(tf.keras.callbacks.Callback):
    """Take as many steps in one execution as fit into `SECONDS_PER_EXECUTION`, and look whether to stop after each.

    The first execution builds the graph and takes long, so that the second has one step, which is measured. Several
    workers must execute the same number of steps: always `most_steps`.
    """

    def __init__(self, stop: Stop, most_steps: int):
        super().__init__()
        self.stop, self.most_steps = stop, most_steps

    def on_train_begin(self, logs=None):
        self.is_alone = self.model.distribute_strategy.num_replicas_in_sync == 1
        self.model.steps_per_execution = 1 if self.is_alone else self.most_steps

    def on_train_batch_begin(self, batch, logs=None):
        self.first_step, self.started = batch, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if self.stop.asked:
            self.model.stop_training = True
        seconds = (time.perf_counter() - self.started) / (batch + 1 - self.first_step)
        if self.is_alone:
            self.model.steps_per_execution = int(np.clip(SECONDS_PER_EXECUTION / seconds, 1, self.most_steps))


def fit_head(
    model: SeededModel, head: str, rows: dict, batch_size: int, *, optimizer: str, learning_rate: float, epochs: int,
    patience: int, quality: Callable | None, averaged: float = 0.0, groups: np.ndarray | None = None, passes: int = 1,
    rate: str = "learning_rate", on_epoch: Callable | None = None, stop: Stop | None = None, progress: bool = False,
    checkpoints: Checkpoints | None = None, callbacks: Sequence = (),
) -> tuple[pd.DataFrame, int]:  # fmt: skip
    """Train one head with Keras's `fit`, and leave it with the weights of its best epoch.

    A batch is a function of seed and step, and so is everything that is drawn in a step. A training that continues
    from a checkpoint therefore ends in the same weights, to the bit.

    Args:
        rows, batch_size, groups: what the batches are made of, see `movierec.data.batches`; `rows` is emptied.
        passes: over the rows, in each epoch.
        optimizer: a name of `OPTIMIZERS`. For other arguments see `BestEpoch` and `fit_hybrid`.

    Returns:
        One row for each epoch, and the number of the best one.
    """
    stop, workers = stop or Stop(), model.distribute_strategy.num_replicas_in_sync
    num_rows = len(next(iter(rows.values())))
    batch_size = min(batch_size, num_rows // workers * workers or num_rows)
    steps = passes * (num_rows // batch_size)
    if batch_size % workers:
        raise ValueError(
            f"a batch must be a multiple of the {workers} workers; one of the {head} head has {batch_size:,} rows. "
            "Set `batch_size` and `users_per_batch`."
        )
    with tf.device("CPU"):
        rows = {name: tf.Variable(rows.pop(name), trainable=False) for name in list(rows)}  # one let go of at a time
    model.fitted_head = head
    with model.distribute_strategy.scope():
        model.compile(OPTIMIZERS[optimizer](learning_rate), steps_per_execution=MOST_STEPS_PER_EXECUTION)
    best = BestEpoch(head, getattr(model, head), epochs, patience, quality, averaged, rate)
    done, most_steps = best.progress, MOST_STEPS_PER_EXECUTION
    watching = [best]
    if checkpoints is not None:
        watching.append(HeadCheckpoint(checkpoints, model, best))
        most_steps = min(most_steps, checkpoints.every)

    def tell(epoch, logs):
        with contextlib.suppress(AttributeError, OSError, TypeError):  # glibc would keep 0.3 GB of each validation
            ctypes.CDLL(None).malloc_trim(0)
        if on_epoch is not None and done.epoch > epoch:  # else it was cut short
            on_epoch(done.table[-1])

    watching = [Interruptions(stop, most_steps), *watching, tf.keras.callbacks.LambdaCallback(on_epoch_end=tell)]
    try:
        while not (done.is_over or stop.asked):
            first_step = done.epoch * steps + done.step
            stream = batches(rows, batch_size, model.seed, groups=groups, first_step=first_step)
            model.fit(
                shared(stream, model.distribute_strategy),
                initial_epoch=done.epoch,
                epochs=done.epoch + 1 if done.step else epochs,  # the rest of an epoch that was interrupted comes first
                steps_per_epoch=steps - done.step,
                callbacks=[*watching, *callbacks],
                verbose=int(progress),
            )
            if model.stop_training:
                break
    except LOST as error:
        if workers == 1:
            raise
        raise WorkerLost(
            f"another of the {workers} workers has ended, in epoch {done.epoch + 1} of the {head} head, after step "
            f"{done.step}. Start all of them again; with a checkpoint they resume there."
        ) from error
    if not done.table:
        raise Stopped(f"stopped before the first epoch of the {head} head was over; nothing is kept.")
    best.layer.set_weights([weight.numpy() for weight in best.best])
    return pd.DataFrame(done.table), done.best_epoch
