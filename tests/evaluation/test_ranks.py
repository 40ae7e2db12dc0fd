"""Ranks of held-out movies: against a slow loop and `top_k`, and after the process was killed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from movierec.evaluation.ranks import evaluate_ranks, held_out_ranks

from movierec.data import Indices, Split, make_indices
from movierec.evaluation.ranking import evaluate_ranking, rank

INDICES = Indices(np.array([1, 2, 3]), np.array([10, 20, 30, 40, 50]))
SCORES = np.array([[5, 4, 3, 2, 1], [1, 2, 3, 3, 3], [0, 0, 7, 0, -np.inf]], np.float32)


def scorer(user_index):
    return SCORES[user_index]


def _pairs(*pairs):
    return pd.DataFrame(pairs, columns=["user_id", "movie_id"], dtype=int)


def _problem(seed=0, users=60, movies=40):
    """Scores with many ties, what is seen, and some held-out movies a user, rows in random order."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (users, movies)).astype(np.float32)
    seen, held_out = [], []
    for user in range(users):
        order = rng.permutation(movies)
        cut = rng.integers(0, 12)
        seen += [(user, movie) for movie in order[:cut]]
        held_out += [(user, movie) for movie in order[cut : cut + rng.integers(0, 7)]]
    held_out = _pairs(*held_out).sample(frac=1, random_state=seed)
    return scores, _pairs(*seen), held_out, Indices(np.arange(users), np.arange(movies))


def _loop(scores, held_out, seen):
    """The place of each movie in the sorted unseen movies of its user."""
    found = []
    for user, movie in held_out.itertuples(index=False):
        unseen = set(range(scores.shape[1])) - set(seen["movie_id"][seen["user_id"] == user])
        found.append(1 + sorted(unseen, key=lambda j: (-scores[user, j], j)).index(movie))
    return found


# ---- ranks


def test_ranks_by_hand():
    held_out = _pairs((1, 30), (2, 40), (2, 50), (3, 10), (3, 40), (1, 20))
    # 1: 10 is seen, so 20 and 30 are first and second. 2: 30, 40, 50 tie and fall in order; 30 is seen.
    # 3: 30 is first, then 10, 20 and 40 tie.
    ranks = held_out_ranks(scorer, held_out, _pairs((1, 10), (2, 30)), INDICES)
    assert ranks.tolist() == [2, 1, 2, 2, 4, 1]


@pytest.mark.parametrize("users_per_block", [None, 1, 7, 1000])
@pytest.mark.parametrize("seed", [0, 1])
def test_ranks_equal_a_slow_loop_in_blocks_of_any_size(seed, users_per_block):
    scores, seen, held_out, indices = _problem(seed)
    ranks = held_out_ranks(lambda user: scores[user], held_out, seen, indices, users_per_block=users_per_block)
    assert ranks.tolist() == _loop(scores, held_out, seen)


def test_a_rank_is_the_place_in_the_list():
    scores, seen, held_out, indices = _problem(2)
    ranks = held_out_ranks(lambda user: scores[user], held_out, seen, indices)
    lists, _ = rank(lambda user: scores[user], held_out["user_id"].to_numpy(), seen, indices, 40)
    np.testing.assert_array_equal(lists[np.arange(len(lists)), ranks.astype(int) - 1], held_out["movie_id"])


def test_who_and_what_is_unknown_or_never_recommended_has_no_rank():
    held_out = _pairs((99, 10), (1, 999), (3, 50), (3, 30))
    ranks = held_out_ranks(scorer, held_out, _pairs((99, 20), (3, 999)), INDICES)
    np.testing.assert_array_equal(ranks, [np.nan, np.nan, np.nan, 1])
    assert (ranks <= 5).tolist() == [False, False, False, True]
    assert held_out_ranks(scorer, held_out[:0], _pairs(), INDICES).shape == (0,)
    assert np.isnan(held_out_ranks(scorer, held_out[:2], _pairs(), INDICES)).all()


def test_int32_ids_have_the_same_ranks():
    scores, seen, held_out, indices = _problem(3)
    short = held_out_ranks(lambda user: scores[user], held_out.astype("int32"), seen.astype("int32"), indices)
    assert short.tolist() == _loop(scores, held_out, seen)


def test_the_scorers_own_array_may_be_read_only_and_of_any_float():
    fixed = SCORES.astype(float)
    fixed.flags.writeable = False
    assert held_out_ranks(lambda user: fixed, _pairs((1, 30), (2, 10), (3, 10)), _pairs((1, 10)), INDICES)[0] == 2


def test_a_constant_scorer_ranks_by_index_not_everything_first():
    held_out = _pairs((1, 10), (1, 50), (2, 30))
    assert held_out_ranks(lambda user: np.zeros((len(user), 5)), held_out, _pairs(), INDICES).tolist() == [1, 5, 3]


# ---- what is refused


def test_a_held_out_movie_that_is_seen_is_refused_with_the_pair():
    with pytest.raises(ValueError, match=r"must not be among.*; 1 of 2 are, e.g. \[user_id, movie_id\] \[\[2, 40\]\]"):
        held_out_ranks(scorer, _pairs((1, 40), (2, 40)), _pairs((2, 40), (2, 10)), INDICES)


def test_scores_of_another_shape_or_with_nan_are_refused():
    held_out = _pairs((1, 40), (2, 40))
    with pytest.raises(ValueError, match=r"one row per user and one column per movie, \(2, 5\); got \(2, 4\)"):
        held_out_ranks(lambda user: np.zeros((len(user), 4)), held_out, _pairs(), INDICES)
    broken = np.where(np.arange(5) == 0, [[0], [np.nan], [0]], SCORES)
    with pytest.raises(ValueError, match=r"NaN for 1 of 2 users, e.g. user_id \[2\]"):
        held_out_ranks(lambda user: broken[user], held_out, _pairs((2, 10)), INDICES)  # though it is seen


def test_a_block_of_nobody_is_refused():
    with pytest.raises(ValueError, match="`users_per_block` must be 1 or more; got 0"):
        held_out_ranks(scorer, _pairs((1, 40)), _pairs(), INDICES, users_per_block=0)


# ---- accuracy


@pytest.mark.parametrize("k", [1, 5, 40])
def test_accuracy_is_that_of_evaluate_ranking(k):
    scores, seen, held_out, indices = _problem(4)
    stars = np.random.default_rng(5).integers(1, 6, len(held_out)).astype(float)
    test = held_out.assign(rating=stars, timestamp=1)
    test = pd.concat([test, pd.DataFrame([(7, 999, 5.0, 1), (999, 3, 5.0, 1)], columns=test.columns)])
    split = Split(seen.assign(rating=3.0, timestamp=0), None, test)
    scores[:5, :30] = -np.inf  # never recommended to some
    expected = evaluate_ranking(lambda user: scores[user], split, indices, k=k)
    table = evaluate_ranks(held_out_ranks(lambda user: scores[user], test, seen, indices), test, indices, k)
    assert list(table) == [f"{name}@{k}" for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")]
    pd.testing.assert_frame_equal(table, expected[list(table)], rtol=0, atol=1e-14)
    assert table.attrs == {name: expected.attrs[name] for name in table.attrs} and table.attrs["movies_unknown"] == 1


def test_accuracy_of_the_hybrids_split_is_that_of_evaluate_ranking(split):
    indices = make_indices(split.train)
    scores = np.random.default_rng(0).normal(size=(indices.num_users, indices.num_movies)).astype(np.float32)
    seen = pd.concat([split.train, split.validation])
    ranks = held_out_ranks(lambda user: scores[user], split.test, seen, indices)
    expected = evaluate_ranking(lambda user: scores[user], split, indices)
    table = evaluate_ranks(ranks, split.test, indices)
    pd.testing.assert_frame_equal(table, expected[list(table)], rtol=0, atol=1e-14)


def test_ranks_of_other_rows_and_nobody_to_measure_are_refused():
    held_out = _pairs((1, 40), (2, 40)).assign(rating=3.0)
    with pytest.raises(ValueError, match=r"one number per row of `held_out`, shape \(2,\); got \(3,\)"):
        evaluate_ranks(np.ones(3), held_out, INDICES)
    with pytest.raises(ValueError, match="at least 4.0 stars there; 2 ratings were looked at"):
        evaluate_ranks(np.ones(2), held_out, INDICES)
    assert evaluate_ranks(np.ones(2), held_out, INDICES, liked_from=3)["mrr@10"].tolist() == [1, 1]


# ---- a bar, and what is kept


def test_a_bar_counts_users_and_is_shown_only_when_asked_for(capsys):
    scores, seen, held_out, indices = _problem()
    held_out_ranks(lambda user: scores[user], held_out, seen, indices)
    assert capsys.readouterr() == ("", "")
    held_out_ranks(lambda user: scores[user], held_out, seen, indices, progress=True)
    users = held_out["user_id"].nunique()
    assert f"{users}/{users}" in capsys.readouterr().err


def test_what_is_kept_is_not_scored_again_and_a_torn_block_is(tmp_path):
    scores, seen, held_out, indices = _problem()
    asked = []

    def counting(user):
        asked.extend(user)
        return scores[user]

    def ask():
        asked.clear()
        question = {"users_per_block": 10, "keep": tmp_path, "key": "a"}
        return held_out_ranks(counting, held_out, seen, indices, **question).tolist()

    first = ask()
    assert first == _loop(scores, held_out, seen) and sorted(asked) == sorted(set(held_out["user_id"]))
    assert ask() == first and asked == []
    os.truncate(tmp_path / "000002.block", 9)
    assert ask() == first and asked == sorted(set(held_out["user_id"]))[20:30]


def test_kept_ranks_of_another_question_are_refused(tmp_path):
    scores, seen, held_out, indices = _problem()

    def ask(held_out=held_out, seen=seen, indices=indices, key="a", users_per_block=None):
        more = {"keep": tmp_path, "key": key, "users_per_block": users_per_block}
        return held_out_ranks(lambda user: scores[user], held_out, seen, indices, **more)

    ask()
    others = {
        "key": {"key": "b"},
        "held_out": {"held_out": held_out[1:]},
        "seen": {"seen": seen.drop(seen.index[seen["user_id"].isin(held_out["user_id"])][0])},
        "indices": {"indices": Indices(np.arange(60), np.append(np.arange(39), 77))},
        "users_per_block": {"users_per_block": 3},
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"{name}.* differ from what is asked now"):
            ask(**other)
    ask()
    with pytest.raises(ValueError, match="needs a `key`.*got ''. Try key=\"hybrid, seed 0\""):
        ask(key="")


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from test_ranks import _problem
from movierec.evaluation.ranks import held_out_ranks
scores, seen, held_out, indices = _problem()
def slow(user):
    print(user[0], flush=True)
    time.sleep(0.05 if user[0] < 30 else 60)
    return scores[user]
held_out_ranks(slow, held_out, seen, indices, users_per_block=3, keep={keep!r}, key="a")
"""


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    scores, seen, held_out, indices = _problem()
    code = KILLED.format(tests=os.path.dirname(__file__), keep=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if int(line) >= 30:  # ten blocks or so are done, and it waits for the next
                break
        run.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    assert run.returncode != 0
    done = len(list(tmp_path.glob("*.block")))
    assert 5 <= done <= 12
    asked = []

    def counting(user):
        asked.append(user[0])
        return scores[user]

    ranks = held_out_ranks(counting, held_out, seen, indices, users_per_block=3, keep=tmp_path, key="a")
    assert ranks.tolist() == _loop(scores, held_out, seen)
    assert min(asked) >= 28 and len(asked) + done == -(-held_out["user_id"].nunique() // 3)


def test_a_disk_that_cannot_be_written_is_said_before_anything_is_scored(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="must be kept in .* which cannot be written"):
        held_out_ranks(pytest.fail, _pairs((1, 40)), _pairs(), INDICES, keep=tmp_path / "file", key="a")
