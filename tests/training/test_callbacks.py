"""The loop of one head on a model with one weight: what is judged and kept, who may end it, and who looks on."""

import re
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.training.one_weight import Line, fit

from movierec.keras2 import tf
from movierec.training import Stop, Stopped, callbacks


class Recorder(tf.keras.callbacks.Callback):
    """What a callback of the caller's sees: (head, epoch, names of the logs); the weight after each epoch; batches."""

    def __init__(self):
        super().__init__()
        self.epochs, self.weights, self.batches = [], [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches = self.batches + 1

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.model.fitted_head, epoch, sorted(logs)))
        self.weights.append(float(self.model.slope.w))


# ---- the best epoch


def test_what_is_judged_and_kept_is_the_average_over_the_epochs():
    """a₁ = w₁, a₂ = ¼ a₁ + ¾ w₂; training itself goes on from w."""
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


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_it_waits_for_a_better_value_and_goes_back_to_the_best(higher_is_better):
    """The best of 3 1 2 2 … is in the first epoch, or in the second; with a patience of 2 another two are trained."""
    values, seen = iter([3.0, 1.0, 2.0, 2.0, 2.0]), Recorder()
    model, table, best = fit(
        epochs=9, patience=2, quality=lambda: ("it", next(values), higher_is_better), callbacks=[seen]
    )
    expected = 1 if higher_is_better else 2
    assert best == expected and table["epoch"].tolist() == list(range(1, expected + 3))
    assert model.slope.w.numpy() == np.float32(seen.weights[expected - 1])


def test_without_a_quality_the_last_epoch_is_the_best():
    _, table, best = fit(epochs=2, patience=1)
    assert (
        best == 2 and list(table) == ["epoch", "train_slope_loss"] and table["train_slope_loss"].is_monotonic_decreasing
    )


def test_a_loss_that_is_not_finite_is_an_error_that_says_where_and_what_to_try():
    with pytest.raises(ValueError, match="the loss must be finite; that of the slope head is") as error:
        fit(learning_rate=1e30, rate="slope_rate", epochs=9)
    assert re.search(r"is (nan|inf) in epoch \d, by batch \d+\. Use a smaller `slope_rate`", str(error.value))


# ---- who may end it


def test_callbacks_of_the_caller_see_the_head_and_what_is_in_the_table():
    seen = Recorder()
    fit(epochs=2, quality=lambda: ("rmse", 1.0, False), callbacks=[seen])
    assert seen.epochs == [("slope", epoch, ["train_slope_loss", "validation_rmse"]) for epoch in range(2)]


def test_a_callback_of_the_caller_may_end_the_training():
    values = iter([3.0, 2.0, 5.0, 1.0])
    watch = tf.keras.callbacks.EarlyStopping("validation_rmse", patience=1)
    _, table, best = fit(epochs=4, quality=lambda: ("rmse", next(values), False), callbacks=[watch])
    assert len(table) == 3 and best == 2


class Asks(Recorder):
    """Another thread asks to stop while an execution runs."""

    def __init__(self, stop, at):
        super().__init__()
        self.stop, self.at = stop, at

    def on_train_batch_begin(self, batch, logs=None):
        if self.batches == self.at:
            thread = threading.Thread(target=self.stop.ask)
            thread.start()
            thread.join()


def test_a_stop_ends_with_the_execution_that_is_running(monkeypatch):
    """With one step in an execution, 5 in an epoch: asked in the 8th step, it takes no 9th; epoch 1 is what is kept."""
    monkeypatch.setattr(callbacks, "MOST_STEPS_PER_EXECUTION", 1)
    stop, rows = Stop(), []
    asks = Asks(stop, at=7)
    _, table, best = fit(stop=stop, callbacks=[asks], on_epoch=rows.append)
    assert asks.batches == 8 and best == 1 and rows == table.to_dict("records") and len(rows) == 1
    first_epoch_only, _, _ = fit(epochs=1)
    assert asks.model.slope.w.numpy() == first_epoch_only.slope.w.numpy()


def test_an_execution_takes_as_many_steps_as_fit_into_its_time(monkeypatch):
    """With no time it is one step; with much of it, all steps but the first are one execution."""
    for seconds, most in ((0.0, 20), (600.0, 2)):
        monkeypatch.setattr(callbacks, "SECONDS_PER_EXECUTION", seconds)
        seen = Recorder()
        model, _, _ = fit(epochs=1, count=80, callbacks=[seen])
        assert seen.batches == most and model.optimizer.iterations.numpy() == 20


def test_a_training_that_is_stopped_before_an_epoch_is_over_says_that_nothing_is_kept():
    stop = Stop()
    assert not stop.asked
    stop.ask()
    with pytest.raises(Stopped, match="before the first epoch of the slope head was over; nothing is kept"):
        fit(stop=stop)


# ---- bar, workers


def test_there_is_a_bar_for_each_epoch_if_it_is_asked_for(capsys):
    fit(epochs=2)
    assert capsys.readouterr() == ("", "")
    fit(epochs=2, progress=True)
    out, error = capsys.readouterr()
    assert error == "" and "Epoch 2/2" in out and re.search(r"5/5 \[=+\] - .*/step - loss: \d", out)


def test_a_batch_that_cannot_be_shared_among_the_workers_is_refused():
    three = SimpleNamespace(distribute_strategy=SimpleNamespace(num_replicas_in_sync=3))
    with pytest.raises(
        ValueError, match="a batch must be a multiple of the 3 workers; one of the slope head has 4 rows"
    ):
        fit(three)


def test_the_same_steps_are_taken_in_executions_of_any_length(monkeypatch):
    tables = []
    for most in (1, 100):
        monkeypatch.setattr(callbacks, "MOST_STEPS_PER_EXECUTION", most)
        tables.append(fit()[1])
    pd.testing.assert_frame_equal(*tables, check_exact=True)
