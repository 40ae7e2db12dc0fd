"""Sums over histories, as matrices and as lists, against a loop over the ratings."""

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.models.bags import Lists, Matrix, make_bags, raters, sparse, sums
from movierec.models.history import Entries, History

DIM = 3


@pytest.fixture
def history():
    """Six users, five movies; user 3 rated nothing, nobody rated movie 4, user 5 rated all others.

    user   0        1     2     4  5
    movie  2 0 1    0 2   2 0   0  1 3 0 2      4 + 1 = 5 ratings of movie 0, 2 of movie 1, 4 of movie 2, 1 of movie 3
    """
    user = np.repeat([0, 1, 2, 4, 5], [3, 2, 2, 1, 4]).astype(np.int32)
    movie = np.int32([2, 0, 1, 0, 2, 2, 0, 0, 1, 3, 0, 2])
    residual = np.random.default_rng(0).normal(size=12).astype(np.float32)
    return History(user, movie, residual, np.arange(12), 6, 5, True)


def tables(others, seed=1):
    """watched and starred."""
    rng = np.random.default_rng(seed)
    return [tf.Variable(rng.normal(size=(others, DIM)), dtype=tf.float32) for _ in range(2)]


def as_matrices(history):
    return make_bags(history, most_pairs=30, most_raters=64)  # 6 users x 5 movies


def as_lists(history):
    return make_bags(history, most_pairs=0, most_raters=64)


def loop(history, side, rows, watched, starred):
    """The docstring's sum and count, one rating after the other; `side`: whose rows, "by_user" or "by_movie"."""
    total, count = np.zeros((len(rows), DIM)), np.zeros(len(rows))
    for place, row in enumerate(rows):
        for user, movie, residual in zip(history.user_index, history.movie_index, history.residual, strict=True):
            own, other = (user, movie) if side == "by_user" else (movie, user)
            if own == row:
                total[place] += watched[other] + (0 if starred is None else residual * starred[other])
                count[place] += 1
    return total, count


# ---- sums


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize(
    ("side", "others", "rows"), [("by_user", 5, [5, 0, 3, 0, 4]), ("by_movie", 6, [4, 0, 2, 2, 1])]
)
def test_matrices_and_lists_sum_as_a_slow_loop_does(history, monkeypatch, side, others, rows, explicit):
    """Rows repeat in a batch, and one of them is empty."""
    watched, starred = tables(others)
    starred = starred if explicit else None
    total, count = loop(history, side, rows, watched.numpy(), None if starred is None else starred.numpy())
    found = {"matrix": as_matrices(history), "lists": as_lists(history)}
    assert isinstance(getattr(found["matrix"], side), Matrix) and isinstance(getattr(found["lists"], side), Lists)
    assert count.min() == 0 and np.abs(total).max() > 1
    for kind, both in found.items():
        here = getattr(both, side).sums(tf.constant(rows), watched, starred)
        np.testing.assert_allclose(here[0], total, atol=1e-5, err_msg=kind)
        assert here[1].numpy().tolist() == count.tolist(), kind


@pytest.mark.parametrize(
    ("side", "others", "rows"), [("by_user", 5, [5, 0, 3, 0, 4]), ("by_movie", 6, [4, 0, 2, 2, 1])]
)
def test_their_gradients_are_those_of_the_matrix_product(history, monkeypatch, side, others, rows):
    """∂ Σ_r c_r · sum_r / ∂ watched_j = Σ_r rated_rj c_r, and the same of starred with residuals."""
    weight = np.random.default_rng(2).normal(size=(len(rows), DIM)).astype(np.float32)
    matrices = [matrix if side == "by_user" else matrix.T for matrix in history.matrices()]
    expected = [matrix[rows].T @ weight for matrix in matrices]
    for kind, both in (("matrix", as_matrices(history)), ("lists", as_lists(history))):
        learned = tables(others)
        with tf.GradientTape() as tape:
            total, _ = getattr(both, side).sums(tf.constant(rows), *learned)
            value = tf.reduce_sum(weight * total)
        for gradient, wanted in zip(tape.gradient(value, learned), expected, strict=True):
            np.testing.assert_allclose(tf.convert_to_tensor(gradient), wanted, atol=1e-5, err_msg=kind)


def test_entries_are_the_ratings_of_the_rows_from_the_oldest(history):
    entries = as_matrices(history).lists.entries(tf.constant([1, 3, 0, 1]))
    assert entries.row.numpy().tolist() == [0, 0, 2, 2, 2, 3, 3]
    assert entries.movie.numpy().tolist() == [0, 2, 2, 0, 1, 0, 2]
    assert entries.age.numpy().tolist() == [1, 0, 2, 1, 0, 1, 0]  # newer ratings of the same user
    np.testing.assert_array_equal(entries.residual, history.residual[[3, 4, 0, 1, 2, 3, 4]])
    nobody = as_matrices(history).lists.entries(tf.constant([], tf.int32))
    assert [len(column) for column in nobody] == [0, 0, 0, 0]


def test_sums_of_people_who_are_not_in_train():
    """Two newcomers: the first has rated movie 1, residual 2, and movie 0, residual −1; the second nothing."""
    entries = Entries(*map(tf.constant, ([0, 0], [1, 0], [2.0, -1.0], [1.0, 0.0])))
    watched, starred = tf.constant([[1.0, 0.0], [0.0, 5.0]]), tf.constant([[4.0, 4.0], [10.0, 20.0]])
    total, count = sums(entries, 2, watched, starred)
    # (0, 5) + 2 · (10, 20) = (20, 45) of movie 1, and (1, 0) − (4, 4) = (−3, −4) of movie 0
    assert total.numpy().tolist() == [[17, 41], [0, 0]] and count.numpy().tolist() == [2, 0]


def test_sparse_is_the_matrix_of_the_entries(history):
    entries = as_matrices(history).lists.entries(tf.constant([5, 3, 0]))
    matrix = tf.sparse.to_dense(tf.sparse.reorder(sparse(entries, entries.residual, 3, 5)))
    np.testing.assert_array_equal(matrix, history.matrices()[1][[5, 3, 0]])


# ---- lists, and movies that have none


def test_a_movie_with_many_ratings_has_no_bag_and_one_without_ratings_an_empty_one(history):
    """Movies 0 to 4 have 5, 2, 4, 1 and no ratings. At most 4: only movie 0 has too many."""
    by_movie, in_bag = raters(history, 4)
    assert np.diff(by_movie.starts).tolist() == [0, 2, 4, 1, 0]
    assert in_bag.tolist() == (history.movie_index != 0).tolist() and in_bag.sum() == 7
    users = [history.user_index[history.movie_index == movie].tolist() for movie in (1, 2, 3)]
    assert users == [[0, 5], [0, 1, 2, 5], [5]]
    assert by_movie.other.numpy().tolist() == sum(users, [])
    expected = np.concatenate([history.residual[history.movie_index == movie] for movie in (1, 2, 3)])
    np.testing.assert_array_equal(by_movie.residual, expected)
    watched, starred = tables(6)
    total, count = by_movie.sums(tf.range(5), watched, starred)
    wanted, n = loop(history, "by_movie", range(5), watched.numpy(), starred.numpy())
    np.testing.assert_allclose(total[1:], wanted[1:], atol=1e-5)
    assert not total[0].numpy().any() and np.abs(wanted[0]).max() > 0.1  # what a matrix would have
    assert count.numpy().tolist() == [0, *n[1:]]


@pytest.mark.parametrize(("most", "without"), [(5, []), (4, [0]), (1, [0, 1, 2]), (0, [0, 1, 2, 3])])
def test_the_limit_is_the_number_of_ratings_that_still_has_a_bag(history, most, without):
    by_movie, in_bag = raters(history, most)
    assert sorted(set(history.movie_index[~in_bag].tolist())) == without
    assert len(by_movie.other) == by_movie.starts[-1] == in_bag.sum()
    assert by_movie.starts.dtype == by_movie.other.dtype == tf.int32 and by_movie.residual.dtype == tf.float32


def test_histories_are_lists_above_so_many_pairs_and_matrices_up_to_there(history):
    small = as_matrices(history)
    assert isinstance(small.by_user, Matrix) and isinstance(small.by_movie, Matrix) and small.in_movie_bag is None
    large = make_bags(history, most_pairs=29, most_raters=64)
    assert isinstance(large.by_user, Lists) and isinstance(large.by_movie, Lists)
    assert large.in_movie_bag.all() and len(large.in_movie_bag) == 12
    for both in (small, large):
        np.testing.assert_array_equal(both.lists.other, history.movie_index)
    np.testing.assert_array_equal(small.by_movie.rated, tf.transpose(small.by_user.rated))
