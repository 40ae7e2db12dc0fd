"""What the networks are made of, against numpy: seeds, the training step, first weights, dropout, thresholds.

Protects that a training is a function of its seed alone, and that nobody else's generators are read or moved.
"""

import random

import numpy as np
import pytest

from movierec.keras2 import tf, tf_config
from movierec.models import Draws, SeededModel, deterministic_ops
from movierec.models.layers import (
    EMBEDDING_STDDEV,
    Dropout,
    Thresholds,
    glorot,
    multilayer_perceptron,
    small_random,
)


class Line(SeededModel):
    """loss = mean (w x − y)² + what is drawn"""

    def __init__(self, seed=0, drawn=0.0, steps_per_execution=1):
        super().__init__(seed)
        self.w = self.add_weight("w", (), initializer="zeros")
        self.drawn, self.place = drawn, self.draws.new_place()
        self.compile(tf.keras.optimizers.legacy.SGD(0.1), steps_per_execution=steps_per_execution)

    def compute_loss(self, batch, training=False):
        noise = self.draws.uniform(self.place, tf.constant([1]))[0]
        return tf.reduce_mean((self.w * batch["x"] - batch["y"]) ** 2) + self.drawn * noise


# ---- the training step


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_fit_takes_one_step_for_each_batch_and_reports_the_mean_loss(steps_per_execution):
    """w ← w − 0.1 · d loss / dw, in numpy; a plain tfrs.Model would report the loss of the last batch."""
    x = np.float32([[1, 2], [3, -1], [2, 2], [0.5, 1]])
    batches = tf.data.Dataset.from_tensor_slices({"x": x, "y": 2 * x})
    model = Line(steps_per_execution=steps_per_execution)
    reported = model.fit(batches, steps_per_epoch=4, verbose=0).history["loss"]
    w, losses = 0.0, []
    for row in x:
        losses.append(np.mean((w * row - 2 * row) ** 2))
        w -= 0.1 * np.mean(2 * (w * row - 2 * row) * row)
    assert model.w.numpy() == pytest.approx(w, rel=1e-5)
    assert reported == pytest.approx([np.mean(losses)], rel=1e-5)


def test_what_is_drawn_is_a_function_of_seed_step_and_place():
    draws = Draws()
    first, second = draws.new_place(), draws.new_place()

    def drawn(seed, step, place):
        draws.at = seed, step
        return draws.uniform(place, (3, 2)).numpy().tolist()

    once = drawn(0, 5, first)
    assert once == drawn(0, 5, first) and 0 <= np.min(once) <= np.max(once) < 1
    others = [drawn(1, 5, first), drawn(0, 6, first), drawn(0, 5, second), drawn(5, 0, first)]
    assert all(other != once for other in others)
    draws.at = 0, 0
    with draws.at_step(5):
        assert draws.uniform(first, (3, 2)).numpy().tolist() == once
        assert draws.own_seed(first).numpy().tolist() == draws.seed(first).numpy().tolist()  # of one worker
    assert draws.at == (0, 0)
    model, losses = Line(0, drawn=1.0), []  # and each step of training is another one
    for step in range(4):
        model.reset_metrics()
        losses.append(float(model.train_step({"x": tf.zeros([1]), "y": tf.zeros([1])})["loss"]))
        draws.at = 0, step
        assert losses[-1] == float(draws.uniform(model.place, [1])[0])
    assert len(set(losses)) == 4


def test_global_generators_are_neither_read_nor_moved_and_determinism_is_on_within_the_block_only():
    built = []
    for seed in (1, 2):
        tf.keras.utils.set_random_seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist()
        built.append(multilayer_perceptron(6, (4,), 2, dropout=0.1, draws=Draws(9)).get_weights())
        with pytest.raises(KeyError), deterministic_ops():
            with deterministic_ops():
                pass
            assert tf_config.is_op_determinism_enabled()  # the inner block gave back what it found
            raise KeyError
        assert not tf_config.is_op_determinism_enabled()
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    for here, there in zip(*built, strict=True):
        np.testing.assert_array_equal(here, there)


# ---- layers


@pytest.mark.parametrize(("kind", "deviation"), [(small_random, EMBEDDING_STDDEV), (glorot, np.sqrt(2 / 208))])
def test_weights_of_one_shape_differ_and_are_a_function_of_the_seed(kind, deviation):
    """Glorot: uniform with variance 2 / (fan_in + fan_out). Of 1,600 numbers, 2 % of the deviation is one deviation."""
    draws = Draws(3)
    first, second, other = (kind(of)((200, 8)).numpy() for of in (draws, draws, Draws(4)))
    assert np.std(first) == pytest.approx(deviation, rel=0.1)
    assert max(abs(np.corrcoef(first.ravel(), table.ravel())[0, 1]) for table in (second, other)) < 0.1
    np.testing.assert_array_equal(first, kind(Draws(3))((200, 8)))


def test_dropout_keeps_a_share_and_the_mean_and_is_for_training_only():
    draws = Draws()
    layer, other, x = Dropout(0.25, draws), Dropout(0.25, draws), tf.ones((100, 40))
    kept = layer(x, training=True).numpy()
    assert set(np.unique(kept)) == {0, np.float32(1 / 0.75)}
    assert kept.mean() == pytest.approx(1, abs=0.04)  # of 4,000 numbers: one deviation is .009
    assert not np.array_equal(kept, other(x, training=True)) and np.array_equal(layer(x), x)
    assert np.array_equal(Dropout(0.0, draws)(x, training=True), x)


def test_thresholds_give_the_expected_star_and_its_likelihood():
    levels = np.array([0.5, 1.0, 3.0])
    thresholds = Thresholds(levels)
    assert thresholds.cuts.numpy().tolist() == [0.75, 2.0] and thresholds.slope.numpy() == 2
    total, rating = np.array([0.1, 1.3, 5.0], np.float32), np.array([0.5, 3.0, 1.0], np.float32)
    more = 1 / (1 + np.exp(-2 * (total[:, None] - [0.75, 2.0])))  # P(r > .5), P(r > 1)
    chances = -np.diff(more, prepend=1, append=0)
    np.testing.assert_allclose(thresholds.expected(tf.constant(total)), chances @ levels, rtol=1e-5)
    yes = np.array([[False, False], [True, True], [True, False]])  # more than .5? more than 1?
    likelihood = np.where(yes, more, 1 - more)
    loss = thresholds.loss(tf.constant(total), tf.constant(rating))
    assert loss.numpy() == pytest.approx(-np.log(likelihood).sum(axis=1).mean(), rel=1e-5)
    far = thresholds.expected(tf.constant([-1e3, 1e3])).numpy()
    assert far.tolist() == pytest.approx([0.5, 3.0])  # never off the scale
