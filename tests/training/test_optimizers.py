"""Adam that touches only what a batch touches, against Adam, and against the equation in numpy."""

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.training import LazyAdam

Adam = tf.keras.optimizers.legacy.Adam
RATE, BETA_1, BETA_2, EPSILON = 0.1, 0.9, 0.999, 1e-7


def table(rows=5, dim=2):
    return tf.Variable(np.random.default_rng(0).normal(size=(rows, dim)), dtype=tf.float32)


def step(optimizer, weight, rows, gradient):
    """One step in which `rows` were gathered, as often as they are named, and have this gradient each."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(weight, rows) * tf.cast(gradient, tf.float32))
    slices = tape.gradient(loss, weight)
    assert isinstance(slices, tf.IndexedSlices)
    optimizer.apply_gradients([(slices, weight)])


def moments(optimizer, weight):
    return [optimizer.get_slot(weight, name).numpy() for name in ("m", "v")]


def batches(steps, rows=5, dim=2, seed=3):
    """(rows, gradients) of each step; rows repeat within a batch."""
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, rows, 4).astype(np.int32), rng.normal(size=(4, dim))) for _ in range(steps)]


def test_rows_outside_the_batch_keep_weight_and_moments_to_the_bit_and_adam_moves_them():
    moved = {}
    for kind in (LazyAdam, Adam):
        optimizer, weight = kind(RATE), table()
        step(optimizer, weight, [0, 1], np.ones((2, 2)))
        before = [weight.numpy(), *moments(optimizer, weight)]
        step(optimizer, weight, [1, 2], np.ones((2, 2)))
        after = [weight.numpy(), *moments(optimizer, weight)]
        moved[kind] = [np.flatnonzero((a != b).any(axis=1)).tolist() for a, b in zip(before, after, strict=True)]
    assert moved[LazyAdam] == [[1, 2]] * 3
    assert moved[Adam] == [[0, 1, 2]] * 3  # row 0 goes on by what it remembers


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "in a graph"])
def test_many_steps_equal_a_slow_loop(graph):
    """A row that repeats within a batch is moved once, by the sum; corrections count the steps of the optimiser."""
    optimizer, weight = LazyAdam(RATE), table()
    w, m, v = weight.numpy().astype(np.float64), np.zeros((5, 2)), np.zeros((5, 2))
    take = tf.function(lambda rows, gradient: step(optimizer, weight, rows, gradient)) if graph else None
    for t, (rows, gradient) in enumerate(batches(12), start=1):
        if graph:
            take(tf.constant(rows), tf.constant(gradient, tf.float32))
        else:
            step(optimizer, weight, rows, gradient)
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
