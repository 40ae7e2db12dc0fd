"""The training of one head, on a model with one weight: what is judged and kept, and who may end it; and `LazyAdam`."""

import re
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.training import LazyAdam, Stop, Stopped, callbacks
from tests.training.one_weight import Line, fit

Adam = tf.keras.optimizers.legacy.Adam
RATE, BETA_1, BETA_2, EPSILON = 0.1, 0.9, 0.999, 1e-7


class Recorder(tf.keras.callbacks.Callback):
    """What a callback of the caller's sees: (head, epoch, names of the logs); the weight after each epoch; batches.

    With `stop`, another thread asks to stop after `at` batches, while an execution runs.
    """

    def __init__(self, stop=None, at=None):
        super().__init__()
        self.epochs, self.weights, self.batches = [], [], 0
        self.stop, self.at = stop, at

    def on_train_batch_begin(self, batch, logs=None):
        if self.batches == self.at:
            thread = threading.Thread(target=self.stop.ask)
            thread.start()
            thread.join()

    def on_train_batch_end(self, batch, logs=None):
        self.batches = self.batches + 1

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.model.fitted_head, epoch, sorted(logs)))
        self.weights.append(float(self.model.slope.w))


# ---- the best epoch


def test_what_is_judged_and_kept_is_the_average_over_the_epochs():
    """a₁ = w₁, a₂ = ¼ a₁ + ¾ w₂; training itself goes on from w. A callback sees the head and the table's columns."""
    seen, judged = Recorder(), []
    model = Line()

    def quality():
        judged.append(float(model.slope.w))
        return "closeness", judged[-1], True

    _, table, best = fit(model, epochs=2, averaged=0.25, quality=quality, callbacks=[seen])
    w = seen.weights
    assert w[0] > 0.2 and w[1] > w[0] + 0.2
    assert judged == pytest.approx([w[0], 0.25 * w[0] + 0.75 * w[1]])
    assert model.slope.w.numpy() == pytest.approx(judged[1]) and best == 2
    assert table["validation_closeness"].tolist() == judged
    assert seen.epochs == [("slope", epoch, ["train_slope_loss", "validation_closeness"]) for epoch in range(2)]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_it_waits_for_a_better_value_and_goes_back_to_the_best(higher_is_better):
    """The best of 3 1 2 2 … is in the first epoch, or in the second; with a patience of 2 another two are trained."""
    values, seen = iter([3.0, 1.0, 2.0, 2.0, 2.0]), Recorder()
    settings = {"epochs": 9, "patience": 2, "callbacks": [seen]}
    model, table, best = fit(quality=lambda: ("it", next(values), higher_is_better), **settings)
    assert best == (1 if higher_is_better else 2) and table["epoch"].tolist() == list(range(1, best + 3))
    assert model.slope.w.numpy() == np.float32(seen.weights[best - 1])


def test_without_a_quality_the_last_epoch_is_the_best_and_a_bar_is_shown_if_asked_for(capsys):
    _, table, best = fit(epochs=2, patience=1)
    assert best == 2 and list(table) == ["epoch", "train_slope_loss"]
    assert table["train_slope_loss"].is_monotonic_decreasing and capsys.readouterr() == ("", "")
    fit(epochs=2, progress=True)
    out, error = capsys.readouterr()
    assert error == "" and "Epoch 2/2" in out and re.search(r"5/5 \[=+\] - .*/step - loss: \d", out)


# ---- who may end it


def test_a_callback_of_the_caller_may_end_the_training():
    values = iter([3.0, 2.0, 5.0, 1.0])
    watch = tf.keras.callbacks.EarlyStopping("validation_rmse", patience=1)
    _, table, best = fit(epochs=4, quality=lambda: ("rmse", next(values), False), callbacks=[watch])
    assert len(table) == 3 and best == 2


def test_a_stop_ends_with_the_execution_that_is_running(monkeypatch):
    """With one step in an execution, 5 in an epoch: asked in the 8th step, it takes no 9th; epoch 1 is what is kept."""
    monkeypatch.setattr(callbacks, "MOST_STEPS_PER_EXECUTION", 1)
    stop, rows = Stop(), []
    asks = Recorder(stop, at=7)
    _, table, best = fit(stop=stop, callbacks=[asks], on_epoch=rows.append)
    assert asks.batches == 8 and best == 1 and rows == table.to_dict("records") and len(rows) == 1
    assert asks.model.slope.w.numpy() == fit(epochs=1)[0].slope.w.numpy()
    with pytest.raises(Stopped, match="before the first epoch of the slope head was over; nothing is kept"):
        fit(stop=stop)


def test_an_execution_takes_as_many_steps_as_fit_into_its_time_with_the_same_result(monkeypatch):
    """With no time it is one step; with much of it, all steps but the first are one execution."""
    weights = []
    for seconds, most in ((0.0, 20), (600.0, 2)):
        monkeypatch.setattr(callbacks, "SECONDS_PER_EXECUTION", seconds)
        seen = Recorder()
        model, _, _ = fit(epochs=1, count=80, callbacks=[seen])
        weights.append(model.slope.w.numpy())
        assert seen.batches == most and model.optimizer.iterations.numpy() == 20
    assert weights[0] == weights[1]


def test_a_batch_that_cannot_be_shared_among_the_workers_is_refused():
    three = SimpleNamespace(distribute_strategy=SimpleNamespace(num_replicas_in_sync=3))
    says = "a batch must be a multiple of the 3 workers; one of the slope head has 4 rows"
    with pytest.raises(ValueError, match=says):
        fit(three)


# ---- Adam that touches only what a batch touches, against Adam, and against the equation in numpy


def table():
    return tf.Variable(np.random.default_rng(0).normal(size=(5, 2)), dtype=tf.float32)


def step(optimizer, weight, rows, gradient):
    """One step in which `rows` were gathered, as often as they are named, and have this gradient each."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(weight, rows) * tf.cast(gradient, tf.float32))
    slices = tape.gradient(loss, weight)
    assert isinstance(slices, tf.IndexedSlices)
    optimizer.apply_gradients([(slices, weight)])


def moments(optimizer, weight):
    return [optimizer.get_slot(weight, name).numpy() for name in ("m", "v")]


def batches(steps):
    """(rows, gradients) of each step; rows repeat within a batch."""
    rng = np.random.default_rng(3)
    return [(rng.integers(0, 5, 4).astype(np.int32), rng.normal(size=(4, 2))) for _ in range(steps)]


@pytest.mark.parametrize("wrap", [lambda take: take, tf.function], ids=["eager", "in a graph"])
def test_many_steps_equal_a_slow_loop(wrap):
    """A row that repeats within a batch is moved once, by the sum; corrections count the steps of the optimiser.

    Rows outside the batch keep weight and moments to the bit, where Adam would move them by what it remembers.
    """
    optimizer, weight = LazyAdam(RATE), table()
    w, m, v = weight.numpy().astype(np.float64), np.zeros((5, 2)), np.zeros((5, 2))
    take = wrap(lambda rows, gradient: step(optimizer, weight, rows, gradient))
    for t, (rows, gradient) in enumerate(batches(12), start=1):
        before = [weight.numpy(), *moments(optimizer, weight)] if t > 1 else []
        take(tf.constant(rows), tf.constant(gradient, tf.float32))
        for was, now in zip(before, [weight.numpy(), *moments(optimizer, weight)], strict=False):
            np.testing.assert_array_equal(np.flatnonzero((was != now).any(axis=1)), np.unique(rows))
        rate = RATE * np.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        for row in set(rows.tolist()):
            g = gradient[rows == row].sum(axis=0)
            m[row] = BETA_1 * m[row] + (1 - BETA_1) * g
            v[row] = BETA_2 * v[row] + (1 - BETA_2) * g**2
            w[row] -= rate * m[row] / (np.sqrt(v[row]) + EPSILON)
    np.testing.assert_allclose(weight, w, atol=1e-5)
    for here, there in zip(moments(optimizer, weight), (m, v), strict=True):
        np.testing.assert_allclose(here, there, atol=1e-6)


def test_a_gradient_that_is_no_gathers_is_adams_to_the_bit():
    lazy, adam, weight, other = LazyAdam(RATE), Adam(RATE), table(), table()
    for _, gradient in batches(5):
        dense = tf.constant(np.vstack([gradient, [[0.0, 0.0]]]), tf.float32)  # a row of zeros is moved, too
        lazy.apply_gradients([(dense, weight)])
        adam.apply_gradients([(dense, other)])
    np.testing.assert_array_equal(weight, other)
    np.testing.assert_array_equal(moments(lazy, weight), moments(adam, other))
