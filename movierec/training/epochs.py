"""A head of a model over its epochs: early stopping, the best epoch kept, and a state that can be taken up again.

Taught in notebooks/06_training and, for what is large, 10_serving.
"""

import contextlib
import ctypes
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from movierec.keras2 import tf
from movierec.training.checkpoints import Checkpoint, State
from movierec.training.optimizers import OPTIMIZERS
from movierec.training.steps import LoopedModel, Stop
from movierec.training.workers import WorkerLost

LOST = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError
STEPS_PER_CALL = 100  # taken before Python looks up: at the bar, and for a checkpoint


class Recipe(NamedTuple):
    """How one head is trained.

    Attributes:
        columns: what a batch is gathered from, `[N, …]` each; emptied by `fit_head`.
        order: rng -> int32 `[steps, batch]`, the rows of each batch of an epoch.
        optimizer, learning_rate: a name of `OPTIMIZERS`, and its rate.
        epochs: at most so many.
        quality: () -> (name, value, whether higher is better) on validation; None: train for all `epochs`.
        unit: what a row of a batch is, for the bar.
        rate: the name of the caller's argument that is the learning rate, for messages.
        averaged: what is judged and kept is the running average a ← averaged · a + (1 − averaged) · w of the weights w
            after each epoch; 0 is w itself.
    """

    columns: dict
    order: Callable
    optimizer: str
    learning_rate: float
    epochs: int
    quality: Callable | None
    averaged: float = 0.0
    unit: str = "rating"
    rate: str = "learning_rate"


class Watch(NamedTuple):
    """Who looks on, and what is kept, while a head is trained.

    Attributes:
        on_epoch: called with the row of each epoch.
        stop: ends the training after the batch that is running.
        checkpoint: where the state is kept; None: nowhere.
        checkpoint_steps: steps between two of them: what a killed training loses at most.
        progress: whether to show a bar with rate and time left.
    """

    on_epoch: Callable | None = None
    stop: Stop | None = None
    checkpoint: Checkpoint | None = None
    checkpoint_steps: int = 500
    progress: bool = False


class Stopped(Exception):
    """A training was stopped before a head had finished its first epoch: there is nothing to keep."""


def fit_head(
    model: LoopedModel, head: str, recipe: Recipe, patience: int, seed: int, watch: Watch
) -> tuple[pd.DataFrame, int]:
    """One row an epoch, and the best one, whose weights the head is left with; without `quality` the last is the best.

    The order of an epoch is a function of seed and epoch, and what is drawn in a step one of seed and step: taken up
    from any `State`, the rest is as it would have been, to the bit.
    """
    training = _Training(model, head, recipe, seed, watch)
    state = training.state
    while not state.is_over:
        training.take_steps()
        if training.model.stop.asked:
            break  # within an epoch, or just after its last batch: it does not count
        training.end_epoch(patience)
        training.keep()
        _give_back()
        if watch.on_epoch is not None:
            watch.on_epoch(state.table[-1])
    if not state.table:
        raise Stopped(f"stopped before the first epoch of the {head} head was over; nothing is kept.")
    training.layer.set_weights(state.best_weights)
    training.columns.clear()  # else a graph of TensorFlow holds on to them while the other head is trained
    _give_back()
    return pd.DataFrame(state.table), state.best_epoch


class _Training:
    """A head, its optimiser, and where they stand."""

    def __init__(self, model: LoopedModel, head: str, recipe: Recipe, seed: int, watch: Watch):
        self.model, self.head, self.recipe, self.seed, self.watch = model, head, recipe, seed, watch
        self.layer = getattr(model, head)
        model.train_only((head,))
        model.seed, model.stop = seed, watch.stop or Stop()
        with model.distribute_strategy.scope():
            model.compile(optimizer=OPTIMIZERS[recipe.optimizer](recipe.learning_rate))
        names = list(recipe.columns)  # each is let go of as soon as TensorFlow has its copy
        self.columns = {name: tf.convert_to_tensor(recipe.columns.pop(name)) for name in names}
        found = watch.checkpoint.states.get(head) if watch.checkpoint is not None else None
        self.state = found or State()
        if found is not None and found.weights:
            with model.distribute_strategy.scope():
                model.optimizer._create_all_weights(model.trainable_variables)
            self.layer.set_weights(found.weights)
            model.optimizer.set_weights(found.slots)

    def take_steps(self) -> None:
        """Those of the epoch that are left, with a checkpoint from time to time."""
        state, stop = self.state, self.model.stop
        order = self.recipe.order(np.random.default_rng([self.seed, state.epoch]))
        steps, batch = order.shape
        with self._bar(steps * batch, state.step * batch) as bar:
            while state.step < steps and not stop.asked:
                losses = self._losses(order[state.step : state.step + STEPS_PER_CALL])
                if stop.asked:
                    return
                _check_finite(losses, self.head, self.recipe.rate, state, steps)
                state.losses += losses.tolist()
                kept, state.step = state.step, state.step + len(losses)
                bar.update(len(losses) * batch)
                every = self.watch.checkpoint_steps
                if state.step < steps and state.step // every > kept // every:
                    self.keep()

    def _losses(self, order: np.ndarray) -> np.ndarray:
        """Of each step, float32 `[steps]`, after all of them were taken."""
        workers = self.model.distribute_strategy.num_replicas_in_sync
        if order.shape[1] % workers:
            raise ValueError(
                f"a batch must be a multiple of the {workers} workers; one of the {self.head} head has "
                f"{order.shape[1]:,} rows. Set `batch_size` and `users_per_batch`."
            )
        try:
            return self.model.train_steps(self.columns, order).numpy()
        except LOST as error:
            if workers == 1:
                raise
            raise WorkerLost(
                f"another of the {workers} workers has ended, in epoch {self.state.epoch} of the {self.head} head, "
                f"after step {self.state.step}. Start all of them again; with a checkpoint they go on from the last."
            ) from error

    def end_epoch(self, patience: int) -> None:
        """Nothing; the state has a row more, and begins another epoch or is over."""
        state, recipe, layer = self.state, self.recipe, self.layer
        row = {"epoch": state.epoch, f"train_{self.head}_loss": float(np.mean(np.float32(state.losses)))}
        weights = layer.get_weights()
        state.average = _mix(state.average, weights, recipe.averaged) if state.average else weights
        value = state.epoch  # without validation the last epoch is the best
        if recipe.quality is not None:
            layer.set_weights(state.average)
            name, value, higher_is_better = recipe.quality()
            layer.set_weights(weights)
            row[f"validation_{name}"] = value
            value = value if higher_is_better else -value
        if value > state.best_value:
            state.best_value, state.best_weights, state.best_epoch = float(value), state.average, state.epoch
        state.table.append(row)
        state.is_over = state.epoch - state.best_epoch >= patience or state.epoch >= recipe.epochs
        state.epoch, state.step, state.losses = state.epoch + 1, 0, []

    def keep(self) -> None:
        """Nothing; a checkpoint has the state, if there is one."""
        if self.watch.checkpoint is not None:
            self.state.weights, self.state.slots = self.layer.get_weights(), self.model.optimizer.get_weights()
            self.watch.checkpoint.keep(self.head, self.state)

    def _bar(self, total: int, done: int) -> tqdm:
        unit = self.recipe.unit
        name = f"{self.head}, epoch {self.state.epoch}"
        hidden = not self.watch.progress
        return tqdm(desc=name, total=total, initial=done, unit=unit, unit_scale=True, leave=False, disable=hidden)


def _give_back() -> None:
    """Nothing; memory that was freed goes back to the system: glibc would keep .3 GB of each validation."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # other systems have no such call, and no need
        ctypes.CDLL(None).malloc_trim(0)


def _mix(average: list, weights: list, share: float) -> list:
    return [share * a + (1 - share) * w for a, w in zip(average, weights, strict=True)]


def _check_finite(losses: np.ndarray, head: str, rate: str, state: State, steps: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        raise ValueError(
            f"the loss must be finite; that of the {head} head is {losses[bad[0]]} in epoch {state.epoch}, batch "
            f"{state.step + bad[0] + 1} of {steps}. Use a smaller `{rate}`, or look for odd ratings in train."
        )
