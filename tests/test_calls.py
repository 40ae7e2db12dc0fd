"""Calls as people type them.

Protected: a misspelt keyword of any public function is answered with the nearest name, before anything is computed;
what is no table, no number or no name is answered with a call that works.
"""

import inspect
import operator

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.calls import as_table, nearest, whole_number

PUBLIC = [name for name in movierec.__all__ if name.startswith(("load", "read", "split_", "fit_"))]
ASKED = ["predict", "score", "recommend", "recommend_new", "similar", "explain", "explain_new", "save"]
PUBLIC += [f"Hybrid.{name}" for name in ASKED] + [f"SequenceRecommender.{name}" for name in ("recommend", "save")]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_names_the_nearest_keyword(name):
    function, name = operator.attrgetter(name)(movierec), name.split(".")[-1]
    for keyword in inspect.signature(function).parameters:
        if keyword not in ("self", "settings", "tables"):
            wrong = f"{keyword}_" if len(keyword) < 3 else f"{keyword}x"
            with pytest.raises(ValueError, match=rf"`{wrong}` is not a setting of {name}. Did you mean {keyword}\?"):
                function(**{wrong: 1})


def test_a_wrong_keyword_by_hand():
    for name, wrong, says in (
        ("fit_hybrid", {"epoch": 3}, r"Did you mean epochs\? Try fit_hybrid\(…, epochs=3\)"),
        ("fit_hybrid", {"lr": 0.01}, r"Did you mean learning_rate\? Try fit_hybrid\(…, learning_rate=0.01\)"),
        ("fit_hybrid", {"ranking_dims": 8}, r"Did you mean ranking_dim\?"),  # one of `Settings`
        ("fit_ensemble", {"seed": (1, 2)}, r"Did you mean seeds\?"),
        ("fit_ensemble", {"Epochs": 3}, r"Did you mean epochs\?"),
        ("split_by_time", {"colour": 1}, "it has ratings, validation, test"),
    ):
        with pytest.raises(TypeError, match=says):  # Python's own error for this
            getattr(movierec, name)(None, **wrong)
    assert nearest("COMEDI", ["Drama", "Comedy"]) == "Comedy"
    assert nearest("xyzzy", ["Drama", "Comedy"]) is None and nearest(7, []) is None


def test_whole_numbers_are_whole_in_any_type_and_not_more_than_there_are():
    for given, expected in ((1, 1), (1.0, 1), (np.int64(30), 30), (np.float32(7), 7), (31, 30), (10**30, 30)):
        assert whole_number(given, "k", 30) == expected
    assert all(type(whole_number(k, "k")) is int for k in (2, 2.0, np.int8(2)))
    for wrong, near in ((0, 1), (-3, 1), (2.5, 2), ("10", 10), (None, 10), (True, 1), (np.nan, 10), (np.inf, 10)):
        with pytest.raises(ValueError, match=rf"k must be a whole number, 1 to 30 \(films\); .*Try k={near}\."):
            whole_number(wrong, "k", 30, "films")


def test_the_key_of_a_table_is_a_column_its_index_or_spelt_in_another_way():
    table = pd.DataFrame({"movie_id": [3, 1], "title": ["A", "B"]})
    assert as_table(table, "movies", "movie_id") is table
    others = [table.set_index("movie_id"), table.set_index(["movie_id", "title"])[[]].reset_index("title")]
    others += [table.rename(columns={"movie_id": name}) for name in ("movieId", "MovieID", "movie-id", "Movie Id")]
    for other in others:
        assert as_table(other, "movies", "movie_id")["movie_id"].tolist() == [3, 1]
    for wrong, says in [
        (
            table.rename(columns={"movie_id": "id"}),
            r"needs movie_id; it has id, title. Try .*rename.*\"id\": \"movie_id",
        ),
        (table.rename(columns={"movie_id": "user_id"}), r"Try fit_hybrid\(split, movies, users\), in this order"),
        (table.set_index("movie_id").rename_axis(None), "`movies` needs movie_id; it has title"),
        ("movies.csv", r"must be a DataFrame, got str. Try movies=pandas.read_csv\('movies.csv'\)"),
        (movierec.MovieLens(table, table), r"must be a DataFrame, got MovieLens. Try movies=data.movies"),
    ]:
        with pytest.raises(ValueError, match=says):
            as_table(wrong, "movies", "movie_id")


def test_ratings_are_understood_by_their_index_and_other_spellings(tiny):
    expected = movierec.split_leave_last(tiny.ratings)
    for ratings in (
        tiny.ratings.set_index(["movie_id", "user_id"]),
        tiny.ratings.rename(columns={"user_id": "userId", "movie_id": "MOVIE ID"}),
    ):
        split = movierec.split_leave_last(ratings)
        pd.testing.assert_frame_equal(
            split.test.reset_index(drop=True), expected.test.reset_index(drop=True), check_like=True
        )


def test_what_is_no_table_of_ratings_and_no_split_is_answered_with_the_call_that_makes_one(tiny, split):
    ask, fit = movierec.split_by_user_time, movierec.fit_hybrid
    for function, wrong, says in [
        (ask, tiny, r"`ratings` must be a DataFrame, got MovieLens. Try data.ratings"),
        (ask, split, r"got Split. Try fit_hybrid\(split\): it is split already"),
        (ask, "ratings.csv", r'got str. Try movierec.read\("ratings.csv"\).ratings'),
        (ask, None, "got NoneType. Try movierec.load"),
        (fit, tiny.ratings, r"a Split, got DataFrame. Try movierec.split_by_user_time\(ratings\), and fit_hybrid"),
        (fit, tiny, r"got MovieLens. Try movierec.split_by_user_time\(data.ratings\), and .*data.users"),
        (fit, "ratings.csv", "got str. Try movierec.split_by_user_time.movierec.read"),
        (fit, [split, split], r"got list. Try one of them, such as fit_hybrid\(splits\[0\]\)"),
        (fit, (split.train, split.test), r"Try fit_hybrid\(movierec.Split\(train, validation, test\)\)"),
    ]:
        with pytest.raises(ValueError, match=says):
            function(wrong)
    with pytest.raises(ValueError, match=r"`seeds` is 3; name one for each member, e.g. seeds=\(0, 1, 2\)"):
        movierec.fit_ensemble(split, seeds=3)
