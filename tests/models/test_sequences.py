"""The Markov chain, against histories small enough to be read."""

import numpy as np
import pandas as pd
import pytest

from movierec.data import make_indices
from movierec.models.sequences import MarkovChain

DAY = 86_400


@pytest.fixture
def train():
    """User 1 watched 10, 20, 30, 40, 50; user 2 watched 20, 30; user 3 watched 10 alone. Rows are not in order."""
    rows = [
        *[(1, 10, 100), (1, 20, 100), (1, 30, 130), (1, 40, 130 + DAY), (1, 50, 130 + 30 * DAY)],
        *[(2, 20, 5), (2, 30, 4000)],
        (3, 10, 7),
    ]
    table = pd.DataFrame(rows, columns=["user_id", "movie_id", "timestamp"]).assign(rating=3.0)
    return table.sort_values("movie_id", ascending=True, kind="stable").reset_index(drop=True)


@pytest.fixture
def indices(train):
    return make_indices(train)  # rows 0 to 4 are films 10 to 50


def test_the_chain_counts_what_followed_the_newest_film(train, indices):
    """After 20 came 30 twice and nothing else; 8 ratings, 2 of films 10, 20 and 30, 1 of 40 and 50."""
    chain = MarkovChain(train, indices, damping=2.0)
    share = np.array([2, 2, 2, 1, 1]) / 8
    np.testing.assert_allclose(chain.chance[1], (np.array([0, 0, 2, 0, 0]) + 2 * share) / (2 + 2), atol=1e-6)
    np.testing.assert_allclose(chain.chance[4], share, atol=1e-6)  # nothing followed film 50
    np.testing.assert_allclose(chain.chance.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(chain(np.array([1, 0])), chain.chance[[2, 4]])  # the newest of user 2 is 30, of 1 50
    assert chain(np.array([0])).dtype == np.float32


def test_without_damping_a_film_that_nobody_followed_says_nothing(train, indices):
    chain = MarkovChain(train, indices, damping=0)
    assert chain.chance[4].tolist() == [0] * 5 and chain.chance[1].tolist() == [0, 0, 1, 0, 0]
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError, match="`damping` must be 0 or more"):
            MarkovChain(train, indices, damping=bad)
