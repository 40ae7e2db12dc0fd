"""The best of each row, and where ties fall."""

import numpy as np
import pytest

from movierec.evaluation.top_k import keep_largest, top_k


def test_top_k_is_best_first_and_ties_go_by_index():
    scores = np.array([[0.1, 0.9, 0.5], [2.0, 2.0, 2.0], [1.0, 3.0, 3.0]])
    assert top_k(scores, 2).tolist() == [[1, 2], [0, 1], [1, 2]]
    assert top_k(scores, 3).tolist() == [[1, 2, 0], [0, 1, 2], [1, 2, 0]]


@pytest.mark.parametrize("k", [1, 3, 39, 40])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_top_k_equals_a_full_stable_sort(k, levels):
    scores = np.random.default_rng(k).integers(0, levels, (50, 40)).astype(np.float32)  # few levels: many ties
    scores[::3, ::2] = -np.inf
    np.testing.assert_array_equal(top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("k", [0, -1, 4])
def test_k_out_of_range_is_refused_with_the_range(k):
    with pytest.raises(ValueError, match=f"k must be 1 to 3, the number of movies; got {k}"):
        top_k(np.zeros((2, 3)), k)


def test_no_row_has_no_list():
    assert top_k(np.zeros((0, 3)), 2).shape == (0, 2)


def test_keep_largest_by_hand():
    rows = np.array([[0.5, 0.9, 0.1, 0.5], [1.0, 1.0, 1.0, 1.0], [-3.0, -1.0, -2.0, -4.0]])
    keep_largest(rows, 2)
    assert rows.tolist() == [[0.5, 0.9, 0, 0], [1, 1, 0, 0], [0, -1, -2, 0]]


def test_keep_largest_leaves_rows_alone_that_are_short_enough():
    rows = np.arange(6.0).reshape(2, 3)
    keep_largest(rows, 3)
    assert rows.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_keeping_nothing_is_refused():
    with pytest.raises(ValueError, match="`neighbours` must be 1 or more, got 0"):
        keep_largest(np.zeros((2, 3)), 0)


# ---- long rows, where the lists are found by groups


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("levels", [1, 2, 100, 10**6])
def test_top_k_of_long_rows_equals_a_full_stable_sort(k, levels):
    rng = np.random.default_rng(k)
    scores = rng.integers(0, levels, (40, 3000)).astype(np.float32)  # few levels: nearly all tie
    scores[::3, ::2] = -np.inf
    scores[5] = -np.inf
    scores[6] = np.arange(3000)  # the best all in the last group, and beyond it
    scores[7] = -np.arange(3000)
    np.testing.assert_array_equal(top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])
    np.testing.assert_array_equal(top_k(scores[:, ::-1], k), np.argsort(-scores[:, ::-1], kind="stable")[:, :k])


def test_no_long_row_has_no_list():
    assert top_k(np.zeros((0, 3000)), 2).shape == (0, 2)
