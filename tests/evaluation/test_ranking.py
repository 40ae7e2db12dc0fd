"""Lists and ranks: what is left out, how ties fall, blocks that change nothing, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from movierec.data import Indices
from movierec.evaluation import held_out_ranks, ranking, recommend_top_k, top_k

INDICES = Indices(np.array([1, 2, 3]), np.array([10, 20, 30, 40, 50]))
SCORES = np.array([[5, 4, 3, 2, 1], [1, 2, 3, 3, 3], [0, 0, 7, 0, -np.inf]], np.float32)


def scorer(user_index):
    return SCORES[user_index]


def pairs(*rows):
    return pd.DataFrame(rows, columns=["user_id", "movie_id"], dtype=int)


def problem(seed=0, users=60, movies=40):
    """Scores with many ties, what is seen, and some held-out movies a user, rows in random order."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (users, movies)).astype(np.float32)
    seen, held_out = [], []
    for user in range(users):
        order = rng.permutation(movies)
        cut = rng.integers(0, 12)
        seen += [(user, movie) for movie in order[:cut]]
        held_out += [(user, movie) for movie in order[cut : cut + rng.integers(0, 7)]]
    held_out = pairs(*held_out).sample(frac=1, random_state=seed)
    return scores, pairs(*seen), held_out, Indices(np.arange(users), np.arange(movies))


def slow_order(scores, user, seen):
    """The user's unseen movies sorted by (−score, index)."""
    unseen = set(range(scores.shape[1])) - set(seen["movie_id"][seen["user_id"] == user])
    return sorted(unseen, key=lambda movie: (-scores[user, movie], movie))


@pytest.mark.parametrize("levels", [1, 2, 5, 100, 10**6])
@pytest.mark.parametrize(("width", "k"), [(40, 1), (40, 3), (40, 39), (40, 40), (3000, 1), (3000, 4)])
def test_top_k_equals_a_full_stable_sort(width, k, levels):
    """Long rows are searched by groups; few levels make many ties."""
    scores = np.random.default_rng(k).integers(0, levels, (40, width)).astype(np.float32)
    scores[::3, ::2] = -np.inf
    scores[5] = -np.inf
    scores[6] = np.arange(width)  # the best all in the last group, and beyond it
    scores[7] = -np.arange(width)
    np.testing.assert_array_equal(top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])
    np.testing.assert_array_equal(top_k(scores[:, ::-1], k), np.argsort(-scores[:, ::-1], kind="stable")[:, :k])
    assert top_k(scores[:0], k).shape == (0, k)
    for wrong in (0, -1, width + 1):
        with pytest.raises(ValueError, match=f"k must be 1 to {width:,}, the number of movies; got {wrong}"):
            top_k(scores, wrong)


def test_lists_and_ranks_by_hand():
    """1 has seen 10: 20 and 30 are first and second. 2 has seen 30: 40 and 50 tie and fall in order.

    3: 30 is first, then 10, 20 and 40 tie; 50, with -inf, is never recommended. Ids outside the indices do not matter.
    """
    seen = pairs((1, 10), (2, 30), (99, 10), (1, 999))
    lists = recommend_top_k(scorer, np.array([2, 0, 1, 0]), seen, INDICES, 5)
    assert lists.tolist() == [[2, 0, 1, 3, -1], [1, 2, 3, 4, -1], [3, 4, 1, 0, -1], [1, 2, 3, 4, -1]]
    held_out = pairs((1, 30), (2, 40), (2, 50), (3, 10), (3, 40), (1, 20), (99, 10), (1, 999), (3, 50))
    ranks = held_out_ranks(scorer, held_out, seen, INDICES)
    np.testing.assert_array_equal(ranks, [2, 1, 2, 2, 4, 1, np.nan, np.nan, np.nan])
    assert held_out_ranks(scorer, held_out[:0], seen, INDICES).shape == (0,)
    assert np.isnan(held_out_ranks(scorer, held_out[6:8], seen, INDICES)).all()


@pytest.mark.parametrize("users_per_block", [1, 7, 1024])
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_lists_and_ranks_equal_a_slow_loop_in_blocks_of_any_size(monkeypatch, users_per_block, dtype):
    monkeypatch.setattr(ranking, "users_per_block_of", lambda movies: users_per_block)
    scores, seen, held_out, indices = problem(users_per_block)
    scores.flags.writeable = False  # the scorer's own array is not changed
    seen, held_out = seen.astype(dtype), held_out.astype(dtype)
    ranks = held_out_ranks(lambda user: scores[user], held_out, seen, indices)
    assert ranks.tolist() == [
        1 + slow_order(scores, user, seen).index(movie) for user, movie in held_out.itertuples(index=False)
    ]
    asked = np.random.default_rng(0).permutation(60)
    lists = recommend_top_k(lambda user: scores[user], asked, seen, indices, 5)
    assert lists.tolist() == [slow_order(scores, user, seen)[:5] for user in asked]


def test_a_bar_counts_users_and_is_shown_only_when_asked_for(capsys):
    """And blocks stay in the cache: 1,024 users of 1,682 films; 99 of 42,000; never fewer than 16."""
    assert [ranking.users_per_block_of(movies) for movies in (1682, 42_000, 10**7)] == [1024, 99, 16]
    scores, seen, held_out, indices = problem()
    held_out_ranks(lambda user: scores[user], held_out, seen, indices)
    assert capsys.readouterr() == ("", "")
    held_out_ranks(lambda user: scores[user], held_out, seen, indices, progress=True)
    users = held_out["user_id"].nunique()
    assert f"{users}/{users}" in capsys.readouterr().err


def test_unusable_scores_unknown_users_and_held_out_movies_that_are_seen_are_refused():
    both = (
        lambda scores: recommend_top_k(scores, np.arange(3), pairs(), INDICES, 2),
        lambda scores: held_out_ranks(scores, pairs((1, 40), (2, 40), (3, 10)), pairs((2, 10)), INDICES),
    )
    broken = np.where(np.arange(5) == 0, [[0], [np.nan], [0]], SCORES)
    for ask in both:
        for shape in [(3, 4), (2, 5), (3,)]:
            with pytest.raises(ValueError, match=r"one row per user and one column per movie, \(3, 5\)") as error:
                ask(lambda user, shape=shape: np.zeros(shape))
            assert str(shape) in str(error.value)
        with pytest.raises(ValueError, match=r"NaN for 1 of 3 users, e.g. user_id \[2\]"):
            ask(lambda user: broken[user])  # though user 2 has seen that movie
    for user_index in ([0, -1], [3]):  # else somebody would be served another user's list
        with pytest.raises(ValueError, match=r"`user_index` must be 0 to 2.*indices.user_index\(user_ids\)"):
            recommend_top_k(scorer, np.array(user_index), pairs(), INDICES, 2)
    with pytest.raises(ValueError, match=r"must not be among.*; 1 of 2 are, e.g. \[user_id, movie_id\] \[\[2, 40\]\]"):
        held_out_ranks(scorer, pairs((1, 40), (2, 40)), pairs((2, 40), (2, 10)), INDICES)
