"""The training step that all networks share: its loss, its random numbers, and the switch of deterministic kernels."""

import random

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.models import Draws, SeededModel, deterministic_ops


class Line(SeededModel):
    """loss = mean (w x − y)² + what is drawn"""

    def __init__(self, seed=0, drawn=0.0):
        super().__init__(seed)
        self.w = self.add_weight("w", (), initializer="zeros")
        self.drawn, self.place = drawn, self.draws.new_place()

    def compute_loss(self, batch, training=False):
        noise = self.draws.uniform(self.place, tf.constant([1]))[0]
        return tf.reduce_mean((self.w * batch["x"] - batch["y"]) ** 2) + self.drawn * noise


def compiled(model, steps_per_execution=1):
    model.compile(tf.keras.optimizers.legacy.SGD(0.1), steps_per_execution=steps_per_execution)
    return model


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_fit_takes_one_step_for_each_batch_and_reports_the_mean_loss(steps_per_execution):
    """w ← w − 0.1 · d loss / dw, in numpy; a plain tfrs.Model would report the loss of the last batch."""
    x = np.float32([[1, 2], [3, -1], [2, 2], [0.5, 1]])
    batches = tf.data.Dataset.from_tensor_slices({"x": x, "y": 2 * x})
    model = compiled(Line(), steps_per_execution)
    reported = model.fit(batches, steps_per_epoch=4, verbose=0).history["loss"]
    w, losses = 0.0, []
    for row in x:
        losses.append(np.mean((w * row - 2 * row) ** 2))
        w -= 0.1 * np.mean(2 * (w * row - 2 * row) * row)
    assert model.w.numpy() == pytest.approx(w, rel=1e-5)
    assert reported == pytest.approx([np.mean(losses)], rel=1e-5)


def test_what_a_step_draws_depends_on_the_seed_and_on_the_number_of_the_step():
    zero = {"x": tf.zeros([1]), "y": tf.zeros([1])}

    def draws(seed, steps):
        model, found = compiled(Line(seed, drawn=1.0)), []
        for _ in range(steps):
            model.reset_metrics()
            found.append(float(model.train_step(zero)["loss"]))
        return found

    own = Draws(0)
    place, expected = own.new_place(), []
    for step in range(4):
        with own.at_step(step):
            expected.append(float(own.uniform(place, [1])[0]))
    assert draws(0, 4) == expected and len(set(expected)) == 4
    assert not set(draws(7, 4)) & set(expected)


def test_determinism_is_on_within_the_block_only_and_nobody_elses_generator_is_touched():
    from tensorflow.python.framework import config

    states = np.random.get_state()[1].copy(), random.getstate()
    with pytest.raises(KeyError), deterministic_ops():
        with deterministic_ops():
            pass
        assert config.is_op_determinism_enabled()  # the inner block gave back what it found
        raise KeyError
    assert not config.is_op_determinism_enabled()
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    assert random.getstate() == states[1]
    tf.random.normal([2])  # with determinism on, TensorFlow refuses to draw without a seed
