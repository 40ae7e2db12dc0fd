"""What the networks are made of, against numpy: how weights start, what is drawn, dropout, the penalty."""

import random

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.models.layers import (
    EMBEDDING_STDDEV,
    Draws,
    Dropout,
    glorot,
    mean_squared_length,
    multilayer_perceptron,
    small_random,
    start_at,
)


def test_the_deep_network_adds_nothing_before_it_learns():
    network = multilayer_perceptron(6, (4, 3), 2, dropout=0.1, draws=Draws())
    assert network(tf.ones((5, 6))).numpy().tolist() == [[0, 0]] * 5
    assert [layer.units for layer in network.layers if layer.weights] == [4, 3, 2]
    alone = multilayer_perceptron(6, (), 1, 0.1, Draws())
    assert [layer.units for layer in alone.layers if layer.weights] == [1]


@pytest.mark.parametrize(("kind", "deviation"), [(small_random, EMBEDDING_STDDEV), (glorot, np.sqrt(2 / 208))])
def test_weights_of_one_shape_differ_and_are_a_function_of_the_seed(kind, deviation):
    """Glorot: uniform with variance 2 / (fan_in + fan_out). Of 1,600 numbers, 2 % of the deviation is one deviation."""
    draws = Draws(3)
    first, second, other = (kind(of)((200, 8)).numpy() for of in (draws, draws, Draws(4)))
    assert np.std(first) == pytest.approx(deviation, rel=0.1)
    assert max(abs(np.corrcoef(first.ravel(), table.ravel())[0, 1]) for table in (second, other)) < 0.1
    np.testing.assert_array_equal(first, kind(Draws(3))((200, 8)))


def test_global_generators_are_neither_read_nor_moved():
    """A fit must not change what the caller draws next, and the caller must not change a fit."""
    built = []
    for seed in (1, 2):
        tf.keras.utils.set_random_seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist()
        built.append(multilayer_perceptron(6, (4,), 2, dropout=0.1, draws=Draws(9)).get_weights())
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    for here, there in zip(*built, strict=True):
        np.testing.assert_array_equal(here, there)


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
    draws.at = 0, 0
    with draws.at_step(5):
        assert draws.uniform(first, (3, 2)).numpy().tolist() == once
    assert draws.at == (0, 0)
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
