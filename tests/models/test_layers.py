"""What the networks are made of, against numpy."""

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.models.layers import (
    EMBEDDING_STDDEV,
    Draws,
    Dropout,
    mean_squared_length,
    multilayer_perceptron,
    small_random,
    start_at,
)


def test_the_deep_network_starts_silent():
    network = multilayer_perceptron(6, (4, 3), 2, dropout=0.1, draws=Draws())
    assert network(tf.random.normal((5, 6))).numpy().tolist() == [[0, 0]] * 5
    assert [layer.units for layer in network.layers if layer.weights] == [4, 3, 2]
    assert [
        layer.units for layer in multilayer_perceptron(6, (), 1, 0.1, Draws()).layers if hasattr(layer, "units")
    ] == [1]


def test_tables_of_one_shape_start_small_and_unlike_each_other():
    tf.keras.utils.set_random_seed(0)
    first, second = (small_random()((200, 8)).numpy() for _ in range(2))
    assert np.std(first) == pytest.approx(EMBEDDING_STDDEV, rel=0.1)  # of 1,600 numbers: 2 % is one deviation
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_start_at_fills_a_weight():
    assert start_at(np.array([1.0, 2.0]))((2,)).numpy().tolist() == [1, 2]


def test_mean_squared_length_is_a_mean_over_rows():
    assert mean_squared_length(tf.constant([[3.0, 4.0], [0.0, 1.0]])).numpy() == pytest.approx((25 + 1) / 2)


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
    draws.at = 0, 5
    assert draws.own_seed(first).numpy().tolist() == draws.seed(first).numpy().tolist()  # of one worker


def test_dropout_keeps_a_share_and_the_mean_and_is_for_training_only():
    draws = Draws()
    layer, other, x = Dropout(0.25, draws), Dropout(0.25, draws), tf.ones((100, 40))
    kept = layer(x, training=True).numpy()
    assert set(np.unique(kept)) == {0, np.float32(1 / 0.75)}
    assert kept.mean() == pytest.approx(1, abs=0.04)  # of 4,000 numbers: one deviation is .009
    assert not np.array_equal(kept, other(x, training=True)) and np.array_equal(layer(x), x)
    assert np.array_equal(Dropout(0.0, draws)(x, training=True), x)
