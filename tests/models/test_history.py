"""Histories against loops over the ratings: their order, the sums over them as matrices and as lists, and windows."""

import numpy as np
import pytest

from movierec.baselines import Bias
from movierec.keras2 import tf
from movierec.models.history import (
    Entries,
    History,
    Lists,
    Matrix,
    make_bags,
    make_history,
    newest,
    weighted_sums,
    windows,
)

DIM, DAY = 3, 86_400


@pytest.fixture
def tiny_history(tiny, tiny_indices):
    return make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))


def test_a_history_is_user_by_user_and_oldest_first(tiny_history, tiny, tiny_indices):
    """And `starts` equals a loop; the matrices have a one and a residual where rated."""
    history, by_user = tiny_history, tiny.ratings.sort_values(["user_id", "timestamp"])
    assert tiny_indices.user_ids[history.user_index].tolist() == by_user["user_id"].tolist()
    assert tiny_indices.movie_ids[history.movie_index].tolist() == by_user["movie_id"].tolist()
    assert history.timestamp.tolist() == by_user["timestamp"].tolist()
    np.testing.assert_allclose(history.residual, Bias(tiny.ratings, tiny_indices).residuals(by_user), rtol=1e-6)
    for user in range(history.num_users):
        rows = np.flatnonzero(history.user_index == user)
        assert list(range(history.starts[user], history.starts[user + 1])) == rows.tolist()
    rated, residual = history.matrices()
    pairs = zip(history.user_index, history.movie_index, history.residual, strict=True)
    assert rated.shape == (6, 5) and all(rated[u, m] == 1 and residual[u, m] == value for u, m, value in pairs)
    assert rated.sum() == 14 and not residual[rated == 0].any()
    np.testing.assert_array_equal(history.rated().toarray(), rated)
    tied = tiny.ratings.assign(timestamp=7)
    first = make_history(tied, tiny_indices, Bias(tied, tiny_indices)).movie_index[:3]  # in the order of the file
    assert tiny_indices.movie_ids[first].tolist() == tied.loc[tied["user_id"] == 1, "movie_id"].tolist()


# ---- sums


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


@pytest.mark.parametrize(
    ("side", "kind", "most_pairs"), [("by_user", Matrix, 30), ("by_user", Lists, 29), ("by_movie", Matrix, 30)]
)  # 6 users x 5 movies are 30
def test_matrices_and_lists_sum_as_a_slow_loop_does(history, side, kind, most_pairs):
    """Rows repeat in a batch, and one of them is empty. With explicit signals and without; and the gradients.

    ∂ Σ_r c_r · sum_r / ∂ watched_j = Σ_r rated_rj c_r, and the same of starred with residuals.
    """
    others, rows = (5, [5, 0, 3, 0, 4]) if side == "by_user" else (6, [4, 0, 2, 2, 1])
    bags = make_bags(history, most_pairs, most_raters=64)
    assert isinstance(getattr(bags, side), kind) and (bags.rater_index is None) == (kind is Matrix)
    upstream = np.random.default_rng(2).normal(size=(len(rows), DIM)).astype(np.float32)
    learned = tables(others)
    for starred in (None, learned[1]):
        total, count = loop(history, side, rows, learned[0].numpy(), None if starred is None else starred.numpy())
        with tf.GradientTape() as tape:
            found = getattr(bags, side).sums(tf.constant(rows), learned[0], starred)
            value = tf.reduce_sum(upstream * found[0])
        np.testing.assert_allclose(found[0], total, atol=1e-5)
        assert found[1].numpy().tolist() == count.tolist() and count.min() == 0
    for gradient, matrix in zip(tape.gradient(value, learned), history.matrices(), strict=True):
        matrix = matrix if side == "by_user" else matrix.T
        np.testing.assert_allclose(tf.convert_to_tensor(gradient), matrix[rows].T @ upstream, atol=1e-5)


def test_entries_are_the_ratings_of_the_rows_from_the_oldest(history):
    lists = make_bags(history, 30, 64).lists
    entries = lists.entries(tf.constant([1, 3, 0, 1]))
    assert entries.row.numpy().tolist() == [0, 0, 2, 2, 2, 3, 3]
    assert entries.movie.numpy().tolist() == [0, 2, 2, 0, 1, 0, 2]
    assert entries.age.numpy().tolist() == [1, 0, 2, 1, 0, 1, 0]  # newer ratings of the same user
    np.testing.assert_array_equal(entries.residual, history.residual[[3, 4, 0, 1, 2, 3, 4]])
    assert [len(column) for column in lists.entries(tf.constant([], tf.int32))] == [0, 0, 0, 0]


@pytest.fixture
def newcomers():
    """The first has rated movie 1, residual 2, and movie 0, residual −1; the second nothing."""
    return Entries(*map(tf.constant, ([0, 0], [1, 0], [2.0, -1.0], [1.0, 0.0])))


@pytest.mark.parametrize("training", [False, True])
def test_weighted_sums_and_their_gradient(newcomers, training):
    """In training the gradient is our own, and equals TensorFlow's: each row of the table has weight · upstream."""
    table, upstream = tf.Variable([[1.0, 2.0], [0.0, 5.0]]), tf.constant([[1.0, 10.0], [7.0, 7.0]])
    with tf.GradientTape() as tape:
        total = weighted_sums(newcomers, tf.constant([0.5, 3.0]), 2, table, training)
        value = tf.reduce_sum(total * upstream)
    assert total.numpy().tolist() == [[3, 8.5], [0, 0]]  # .5 · (0, 5) + 3 · (1, 2)
    gradient = tf.convert_to_tensor(tape.gradient(value, table))
    assert gradient.numpy().tolist() == [[3, 30], [0.5, 5]]


@pytest.mark.parametrize(("most", "most_active"), [(64, range(6)), (3, [0, 1, 5]), (1, [5])])
def test_if_histories_are_lists_the_bag_of_a_movie_has_the_ratings_of_the_most_active_users(history, most, most_active):
    """Users 0 to 5 have 3, 2, 2, 0, 1 and 4 ratings; of equal users the first counts."""
    bags = make_bags(history, 29, most)
    most_active = list(most_active)
    assert bags.rater_index.tolist() == [most_active.index(user) if user in most_active else -1 for user in range(6)]
    rated, residual = history.matrices()
    np.testing.assert_array_equal(bags.by_movie.rated, rated[most_active].T)
    np.testing.assert_array_equal(bags.by_movie.residual, residual[most_active].T)


# ---- sequences


@pytest.fixture
def films():
    """User 1 watched films 0, 1, 2, 3, 4; user 2 watched 1, 2; user 3 watched 0 alone."""
    user, movie = np.int32([0, 0, 0, 0, 0, 1, 1, 2]), np.int32([0, 1, 2, 3, 4, 1, 2, 0])
    time = np.array([100, 100, 130, 130 + DAY, 130 + 30 * DAY, 5, 4000, 7])
    return History(user, movie, np.zeros(8, np.float32), time, 3, 5, in_order=True)


def test_windows_ask_for_each_film_but_the_first_once(films):
    """With length 2: user 1 has [2 3] -> [3 4] and [0 1] -> [1 2], user 2 [1] -> [2]; 5 is no film.

    The edges of gaps are 1 s, 1 min, 10 min, 1 h, 1 day, 1 week; a user's first rating has the longest gap, 6.
    """
    rows = windows(films, 2)
    assert rows.film.tolist() == [[2, 3], [0, 1], [5, 1]]
    assert rows.next_film.tolist() == [[3, 4], [1, 2], [5, 2]]
    assert rows.gap.tolist() == [[1, 5], [6, 0], [6, 6]]
    assert {array.dtype for array in rows} == {np.dtype(np.int32)}


@pytest.mark.parametrize("length", [1, 3, 4, 5, 50])
def test_windows_of_any_length_ask_the_same(films, length):
    rows = windows(films, length)
    is_asked = rows.next_film < 5
    pairs = sorted(zip(rows.film[is_asked].tolist(), rows.next_film[is_asked].tolist(), strict=True))
    assert pairs == [(0, 1), (1, 2), (1, 2), (2, 3), (3, 4)]
    np.testing.assert_array_equal(rows.film == 5, rows.next_film == 5)


def test_the_newest_films_end_at_the_right_and_a_user_must_have_two_for_a_window(films):
    film, gap = newest(films, 3)
    assert film.tolist() == [[2, 3, 4], [5, 1, 2], [5, 5, 0]]
    assert gap.tolist() == [[1, 5, 6], [6, 6, 4], [6, 6, 6]]
    lonely = films._replace(**{name: getattr(films, name)[-1:] for name in ("user_index", "movie_index", "timestamp")})
    with pytest.raises(ValueError, match="a user must have two films.*each of the 3 users has at most one.*Fit on"):
        windows(lonely, 50)
