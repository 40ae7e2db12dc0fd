"""What the networks are made of, against numpy."""

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.layers import (
    EMBEDDING_STDDEV,
    LoopedModel,
    mean_squared_length,
    multilayer_perceptron,
    shuffled,
    small_random,
    start_at,
)


def test_the_deep_network_starts_silent():
    network = multilayer_perceptron(6, (4, 3), 2, dropout=0.1)
    assert network(tf.random.normal((5, 6))).numpy().tolist() == [[0, 0]] * 5
    assert [layer.units for layer in network.layers if layer.weights] == [4, 3, 2]
    assert [layer.units for layer in multilayer_perceptron(6, (), 1, 0.1).layers if hasattr(layer, "units")] == [1]


def test_tables_of_one_shape_start_small_and_unlike_each_other():
    tf.keras.utils.set_random_seed(0)
    first, second = (small_random()((200, 8)).numpy() for _ in range(2))
    assert np.std(first) == pytest.approx(EMBEDDING_STDDEV, rel=0.1)  # of 1,600 numbers: 2 % is one deviation
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_start_at_fills_a_weight():
    assert start_at(np.array([1.0, 2.0]))((2,)).numpy().tolist() == [1, 2]


def test_mean_squared_length_is_a_mean_over_rows():
    assert mean_squared_length(tf.constant([[3.0, 4.0], [0.0, 1.0]])).numpy() == pytest.approx((25 + 1) / 2)


def test_shuffled_is_a_permutation_with_one_order_for_all_columns():
    rows = {"number": np.arange(10), "pair": np.arange(20).reshape(10, 2)}
    batches = shuffled(rows, 5, np.random.default_rng(0))
    assert batches["number"].shape == (2, 5) and batches["pair"].shape == (2, 5, 2)
    assert sorted(batches["number"].ravel()) == list(range(10)) and batches["number"].ravel().tolist() != list(
        range(10)
    )
    np.testing.assert_array_equal(batches["pair"][..., 0], 2 * batches["number"])


def test_the_incomplete_batch_is_left_out_and_comes_back_in_another_order():
    rng, rows = np.random.default_rng(0), {"number": np.arange(10)}
    orders = [shuffled(rows, 4, rng)["number"] for _ in range(20)]
    assert all(order.shape == (2, 4) for order in orders)
    assert set(np.concatenate(orders).ravel()) == set(range(10))
    assert shuffled(rows, 99, rng)["number"].shape == (1, 10)  # a batch larger than all rows is all rows


class _Line(LoopedModel):
    """loss = mean (w x − y)²"""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight("w", (), initializer="zeros")

    def compute_loss(self, batch, training=False):
        return tf.reduce_mean((self.w * batch["x"] - batch["y"]) ** 2)


def test_an_epoch_is_its_steps_one_after_the_other():
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    batches = {"x": x, "y": 2 * x}
    looped, single = _Line(), _Line()
    for model in (looped, single):
        model.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.1))
    losses = looped.train_epoch(batches).numpy()
    steps = [single.train_step({name: column[i] for name, column in batches.items()})["total_loss"] for i in range(3)]
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
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    batches = {"x": x, "y": 2 * x}
    model, two_steps = _AskingLine(), _Line()
    for line in (model, two_steps):
        line.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.1))
    assert not model.stop.asked
    losses = model.train_epoch(batches).numpy()
    expected = two_steps.train_epoch({name: column[:2] for name, column in batches.items()}).numpy()
    assert model.steps == 2 and model.stop.asked
    np.testing.assert_allclose(losses, [*expected, 0, 0, 0])
    assert model.w.numpy() == two_steps.w.numpy() != 0
    assert len(model.weights) == 1  # the flag is none


def test_a_second_compile_is_heeded():
    model, batches = _Line(), {"x": np.ones((1, 4), np.float32), "y": np.ones((1, 4), np.float32)}
    moved = []
    for rate in (0.1, 0.01):
        model.w.assign(0)
        model.compile(optimizer=tf.keras.optimizers.legacy.Adam(rate))
        model.train_epoch(batches)
        moved.append(float(model.w))
    assert moved == pytest.approx([0.1, 0.01], rel=1e-3)  # Adam's first step is its rate
