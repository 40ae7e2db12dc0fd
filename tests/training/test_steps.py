"""Steps inside TensorFlow against steps outside, and the orders they are taken in."""

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.models import Draws
from movierec.training.steps import LoopedModel, shuffled, shuffled_groups


def test_shuffled_is_a_permutation_in_batches():
    order = shuffled(10, 5, np.random.default_rng(0))
    assert order.shape == (2, 5) and order.dtype == np.int32
    assert sorted(order.ravel()) == list(range(10)) and order.ravel().tolist() != list(range(10))


def test_the_incomplete_batch_is_left_out_and_comes_back_in_another_order():
    rng = np.random.default_rng(0)
    orders = [shuffled(10, 4, rng) for _ in range(20)]
    assert all(order.shape == (2, 4) for order in orders)
    assert set(np.concatenate(orders).ravel()) == set(range(10))
    assert shuffled(10, 99, rng).shape == (1, 10)  # a batch larger than all rows is all rows


def test_shuffled_groups_keeps_the_rows_of_a_group_together():
    """Groups of 2, 0, 3 and 1 rows: they come in another order, each as it was."""
    starts, rng = np.array([0, 2, 2, 5, 6]), np.random.default_rng(0)
    pieces = {(0, 1), (2, 3, 4), (5,)}
    orders = [shuffled_groups(starts, 6, rng) for _ in range(20)]
    for order in orders:
        assert order.shape == (1, 6) and order.dtype == np.int32
        rows = order[0].tolist()
        for piece in pieces:
            place = rows.index(piece[0])
            assert tuple(rows[place : place + len(piece)]) == piece
    assert len({tuple(order[0]) for order in orders}) > 3  # of 3! = 6
    assert shuffled_groups(starts, 4, rng).shape == (1, 4)


class _Line(LoopedModel):
    """loss = mean (w x − y)²"""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight("w", (), initializer="zeros")

    def compute_loss(self, batch, training=False):
        return tf.reduce_mean((self.w * batch["x"] - batch["y"]) ** 2)


def test_an_epoch_is_its_steps_one_after_the_other():
    x = np.random.default_rng(0).normal(size=7).astype(np.float32)
    columns, order = {"x": x, "y": 2 * x}, np.array([[6, 0], [1, 5], [2, 2]])
    looped, single = _Line(), _Line()
    for model in (looped, single):
        model.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.1))
    losses = looped.train_steps(columns, order).numpy()
    steps = [single.train_step({name: column[rows] for name, column in columns.items()})["loss"] for rows in order]
    np.testing.assert_allclose(losses, steps, rtol=1e-5)
    assert looped.w.numpy() == pytest.approx(single.w.numpy(), rel=1e-5) and looped.w.numpy() > 0.1


class _AskingLine(_Line):
    """Asks to stop in the middle of its second step."""

    steps = 0

    def compute_loss(self, batch, training=False):
        with tf.control_dependencies([tf.py_function(self._count, [], [])]):
            return super().compute_loss(batch, training)

    def _count(self):
        self.steps += 1
        if self.steps == 2:
            self.stop.ask()


def test_a_stop_ends_an_epoch_after_the_batch_that_is_running():
    x = np.random.default_rng(0).normal(size=20).astype(np.float32)
    columns, order = {"x": x, "y": 2 * x}, np.arange(20).reshape(5, 4)
    model, two_steps = _AskingLine(), _Line()
    for line in (model, two_steps):
        line.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.1))
    assert not model.stop.asked
    losses = model.train_steps(columns, order).numpy()
    expected = two_steps.train_steps(columns, order[:2]).numpy()
    assert model.steps == 2 and model.stop.asked
    np.testing.assert_allclose(losses, [*expected, 0, 0, 0])
    assert model.w.numpy() == two_steps.w.numpy() != 0
    assert len(model.weights) == 1  # the flag is none


def test_a_second_compile_is_heeded():
    model, ones = _Line(), np.ones(4, np.float32)
    moved = []
    for rate in (0.1, 0.01):
        model.w.assign(0)
        model.compile(optimizer=tf.keras.optimizers.legacy.Adam(rate))
        model.train_steps({"x": ones, "y": ones}, np.arange(4)[None])
        moved.append(float(model.w))
    assert moved == pytest.approx([0.1, 0.01], rel=1e-3)  # Adam's first step is its rate


class _Drawing(_Line):
    """loss = a number that is drawn + w²"""

    def __init__(self):
        super().__init__()
        self.place = self.draws.new_place()

    def compute_loss(self, batch, training=False):
        return self.draws.uniform(self.place, tf.constant([1]))[0] + self.w**2


def test_what_a_step_draws_depends_on_the_seed_and_on_the_steps_before_it():
    columns, order, losses = {"x": np.zeros(2)}, np.tile([0, 1], (5, 1)), []
    for seed in (0, 0, 7):
        model = _Drawing()
        model.seed = seed
        model.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.1))
        losses.append([*model.train_steps(columns, order[:2]).numpy(), *model.train_steps(columns, order[2:]).numpy()])
    draws = Draws()
    place, expected = draws.new_place(), []
    for step in range(5):
        draws.at = 0, step
        expected.append(draws.uniform(place, [1]).numpy()[0])
    assert losses[0] == losses[1] == expected and len(set(expected)) == 5
    assert not set(losses[2]) & set(expected)
