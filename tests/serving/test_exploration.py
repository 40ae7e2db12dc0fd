"""The exploration policy: its propensities are the chances that it draws with."""

import numpy as np
import pytest

from movierec.serving.exploration import explore


def test_the_propensity_of_a_film_at_a_place_is_how_often_it_stands_there():
    rng = np.random.default_rng(0)
    draws, num, k, epsilon = 20_000, 7, 3, 0.4
    count, said = np.zeros((k, num)), np.full((k, num), np.nan)
    for _ in range(draws):
        rows, propensity = explore(num, k, epsilon, rng)
        assert len(set(rows)) == k
        count[range(k), rows] += 1
        said[range(k), rows] = propensity
    expected = np.full((k, num), epsilon / num)
    expected[range(k), range(k)] += 1 - epsilon
    np.testing.assert_allclose(said, expected)  # every film had every place
    deviation = np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(count / draws - expected) <= 4.5 * deviation).all()


def test_without_exploring_it_is_the_own_list_and_a_short_catalogue_makes_a_short_list():
    rng = np.random.default_rng(0)
    for num, k in ((100, 10), (3, 10), (0, 10)):
        rows, propensity = explore(num, k, 0.0, rng)
        assert rows.tolist() == list(range(min(num, k))) and propensity.tolist() == [1.0] * min(num, k)
        rows, propensity = explore(num, k, 0.9, rng)
        assert len(rows) == len(propensity) == min(num, k)
    for wrong in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="`epsilon` must be 0 or more and below 1"):
            explore(10, 2, wrong, rng)
