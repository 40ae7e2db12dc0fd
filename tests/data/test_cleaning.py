"""Cleaning at scale: blocks and keys decide as a slow loop does. Its decisions: tests/data/test_movielens.py."""

import numpy as np
import pandas as pd
import pytest

from movierec.data import cleaning
from movierec.data.movielens import MovieLens, clean

TIME = 900_000_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(cleaning, "BLOCK", 7)


def slow(ratings: pd.DataFrame, movies: set, step: float | None) -> list[tuple]:
    """Rows that stay, one by one: on the scale, of a known movie, and none by the same user on the same movie later."""
    good = [
        (place, row)
        for place, row in enumerate(ratings.itertuples(index=False, name=None))
        if (step or 0.5) <= row[2] <= 5 and (not step or (row[2] * 2 if step == 0.5 else row[2]) % 1 == 0)
        if row[1] in movies
    ]
    later = {}
    for place, (user, movie, _, seconds) in good:
        later[user, movie] = max(later.get((user, movie), (seconds, place)), (seconds, place))
    return [row for place, row in good if later[row[0], row[1]] == (row[3], place)]


def ids_of(kind: str, rng, size: int) -> tuple[np.ndarray, np.ndarray, list]:
    users, movies, known = rng.integers(0, 6, size), rng.integers(0, 8, size), [0, 1, 2, 3, 5, 7]
    if kind == "int32":  # their product does not fit into 32 bits
        return (
            (users + 2**31 - 7).astype(np.int32),
            (movies + 2**31 - 9).astype(np.int32),
            [m + 2**31 - 9 for m in known],
        )
    if kind == "int64":  # nor here into 64
        return users * 2**58, movies * 2**57, [m * 2**57 for m in known]
    if kind == "negative":
        return users - 3, movies - 4, [m - 4 for m in known]
    return users, movies, known


@pytest.mark.parametrize("kind", ["small", "int32", "int64", "negative"])
@pytest.mark.parametrize("order", ["any", "by user", "by user and movie"])
@pytest.mark.parametrize("step", [None, 0.5, 1.0])
def test_ratings_stay_as_in_a_slow_loop(kind, order, step):
    rng = np.random.default_rng(len(kind) + len(order))
    users, movies, known = ids_of(kind, rng, 60)
    stars = rng.choice([0, 0.5, 0.7, 1, 2.5, 4, 5, 5.5, np.nan], 60).astype(np.float32)
    ratings = pd.DataFrame({"user_id": users, "movie_id": movies, "rating": stars})
    ratings["timestamp"] = TIME + rng.integers(0, 4, 60)
    if order != "any":
        columns = ["user_id"] if order == "by user" else ["user_id", "movie_id"]
        ratings = ratings.sort_values(columns, kind="stable", ignore_index=True)
    table = pd.DataFrame({"movie_id": known, "title": "Pi", "year": pd.array([None] * 6, "Int64"), "genres": ""})
    expected = slow(ratings, set(known), step)
    assert 5 < len(expected) < 40
    data, log = clean(MovieLens(ratings, table), step)
    assert list(data.ratings.itertuples(index=False, name=None)) == expected
    assert log.removed.sum() == 60 - len(expected)


def test_ids_are_looked_up_whatever_they_are():
    known = pd.Series([3, 5, 900], dtype="int32")
    asked = pd.Series([-1, 0, 3, 4, 5, 899, 900, 901, 2**40])
    assert cleaning.among(asked, known).tolist() == [False, False, True, False, True, False, True, False, False]
    assert cleaning.among(asked, pd.Series([2**40, 3])).tolist() == [False, False, True, *[False] * 5, True]
    assert cleaning.among(asked, known[:0]).tolist() == [False] * 9
    assert cleaning.among(asked[:0], known).tolist() == []


@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 30])
def test_no_user_is_in_two_slices(size):
    users = np.sort(np.random.default_rng(size).integers(0, 5, size))
    slices = list(cleaning._whole_users(users))
    assert [place for rows in slices for place in range(rows.start, rows.stop)] == list(range(size))
    assert sum(len(set(users[rows])) for rows in slices) == len(set(users))
    assert list(cleaning._whole_users(users[::-1])) == ([slice(0, size)] if len(set(users)) > 1 else slices)
