"""What people type: users, films, stars and genres in any form that can be meant in one way.

Protected: each form gives the list of the plain call; what is doubtful is answered with a call that works.
"""

import re

import numpy as np
import pandas as pd
import pytest

from movierec.recommend import Ensemble

EVEN = {"Film 0 (1980)": 5.0, "Film 4 (1982)": 2.0}


def test_users_in_anything_that_lists_them(fitted):
    expected = fitted.recommend([100, 101], 3)
    for users in (
        (100, 101), range(100, 102), {101, 100}, frozenset([100, 101]), {100: 1, 101: 2}.keys(),
        (user for user in (100, 101)),
        np.array([100, 101], np.int16), [np.int64(100), 101.0], pd.Series([100, 101, 100]), pd.Index([100, 101]),
        pd.DataFrame({"user_id": [100, 100, 101]}), pd.DataFrame({"userId": [100, 101]}),
        pd.DataFrame({"rating": [1, 2]}, pd.Index([100, 101], name="user_id")), pd.Series([100.0, 101.0]),
    ):  # fmt: skip
        pd.testing.assert_frame_equal(fitted.recommend(users, 3), expected, obj=str(type(users)))
    for user in (100, 100.0, np.int32(100), np.array(100), np.array([100.0])):
        pd.testing.assert_frame_equal(fitted.recommend(user, 3), expected[:3], obj=str(type(user)))


def test_fewer_films_than_were_asked_for_are_a_list_of_what_there_is(fitted, once):
    left = fitted.recommend([100], 30)
    for model in (fitted, Ensemble([fitted, once])):
        for k in (31, 1000, 10**30):
            assert model.recommend([100], k)["movie_id"].nunique() == len(left)
            assert len(model.recommend_new(EVEN, k)) == 28 and len(model.similar(10, k)) == 29
    pd.testing.assert_frame_equal(fitted.recommend([100], 1000), left)
    pd.testing.assert_frame_equal(fitted.recommend([100], np.float64(3)), fitted.recommend([100], 3))


def test_what_a_newcomer_rated_in_any_form(fitted):
    expected = fitted.recommend_new(EVEN, 5)
    for stars in (
        pd.Series(EVEN), pd.Series({10: 5.0, 50: 2.0}), [*EVEN.items()], [[10, 5], [50, 2]], ((10, 5), ("film 4", 2)),
        zip([10, 50], [5, 2], strict=True), {10.0: np.float32(5), np.int64(50): np.int8(2)},
        pd.DataFrame({"title": list(EVEN), "rating": [5, 2]}),
        pd.DataFrame({"movie_id": [10, 50], "stars": [5.0, 2.0]}),
    ):  # fmt: skip
        pd.testing.assert_frame_equal(fitted.recommend_new(stars, 5), expected, obj=str(type(stars)))


def test_films_without_stars_are_liked_which_is_said(fitted):
    liked = fitted.recommend_new(dict.fromkeys(EVEN, 5.0), 5)
    for films in (list(EVEN), tuple(EVEN), set(EVEN), pd.Series(list(EVEN)), [10, 50], (title for title in EVEN)):
        with pytest.warns(UserWarning, match=r"2 films without stars count as liked: 5 stars. With stars: rec") as said:
            table = fitted.recommend_new(films, 5)
        assert said[0].filename == __file__ and set(table["movie_id"]) == set(liked["movie_id"])
    with pytest.warns(UserWarning, match="1 films without stars"):
        pd.testing.assert_frame_equal(fitted.recommend_new("Film 0", 5), fitted.recommend_new({10: 5}, 5))


def test_nothing_in_any_form_is_popularity(fitted):
    for nothing in (None, {}, [], (), pd.Series(dtype=float), set()):
        assert fitted.recommend_new(nothing, 3, genres=nothing).attrs["based_on"] == "popularity"


def test_genres_whatever_their_capitals(fitted):
    expected = fitted.recommend_new(k=5, genres=("Comedy",))
    for genres in ("comedy", ["COMEDY", "Comedy"], {"Comedy"}, pd.Series([" Comedy "]), "Comedy|comedy"):
        pd.testing.assert_frame_equal(fitted.recommend_new(k=5, genres=genres), expected)


REFUSED = {
    "users": [
        (lambda model: model.recommend({"Film 0 (1980)": 5}), "got dict. Try recommend_new"),
        (lambda model: model.recommend(None), r"got NoneType. Try recommend\(\[1, 42\]\)"),
        (lambda model: model.recommend(model.movies), "`user_ids` needs user_id; it has movie_id, title"),
        (lambda model: model.recommend([[100, 101], [102, 103]]), r"shape \(2, 2\)"),
        (lambda model: model.recommend([]), r"`user_ids` is empty.*recommend\(\[1, 42\]\)"),
        (lambda model: model.recommend([100, 101.5]), "101.5"),
        (lambda model: model.recommend([True]), "True"),
        (lambda model: model.recommend([np.nan]), "nan"),
        (lambda model: model.recommend(["100"]), r"user_id is a whole number here, .*got \['100'\]. Write 100."),
        (lambda model: model.recommend([100, 7, 8, 9]), r"3 of 4 are unknown, e.g. \[7, 8, 9\].*recommend_new"),
        (lambda model: model.explain(10, [100, 101]), "`user_id` must be one user; got 2"),
        (lambda model: model.score([100]), r"0 to 39; got \[100\]. .*indices.user_index\(\[100\]\)"),
        (lambda model: model.score([-1]), r"got \[-1\]"),
        (lambda model: model.score([0.5]), r"got \[0.5\]"),
        (lambda model: model.score(["U1"]), r"got \['U1'\]"),
    ],
    "stars": [
        (lambda model: model.recommend_new(100), r"got 100. For a known user: recommend\(100\)"),
        (
            lambda model: model.recommend_new({"Film 0 (1980)": 1.9}),
            r"stars must be 2 to 5, .*'Film 0 \(1980\)' has 1.9",
        ),
        (lambda model: model.recommend_new({10: True}), "10 has True"),
        (lambda model: model.recommend_new({10: "5"}), "10 has '5'"),
        (lambda model: model.recommend_new({10: None}), r"10 has None. Try \{10: 5\}"),
        (lambda model: model.recommend_new(pd.Series({10: 5.0, 50: np.nan})), "50 has nan"),
        (lambda model: model.recommend_new({"Film 0 (1980)": 5.0, 10: 2.0}), r"once; \['Film 0 \(1980\)', 10\] names"),
        (lambda model: model.recommend_new(pd.DataFrame({"film": [10], "rating": [5]})), "it has film, rating"),
        (lambda model: model.recommend_new(genres=("Drama", "Comedi")), r"\['Comedi'\] is not: .* Comedy, Drama"),
        (lambda model: model.recommend_new(genres=["Dramma"]), r"Did you mean genres=\('Drama',\)\?"),
    ],
    "films": [
        (lambda model: model.recommend_new([10, ("Film 4", 5)]), "a film must be one title or movie_id"),
        (lambda model: model.recommend_new({9999: 5.0}), "movie_id 9999 is not in the catalogue of 30; see `.movies`"),
        (lambda model: model.recommend_new({"Flim 1 (1980)": 5.0}), r"'Film 1 \(1980\)' \(movie_id 20\)"),
        (lambda model: model.similar(["Film 0"]), r"got \['Film 0'\]. Try 'Film 0 \(1980\)'"),
        (lambda model: model.similar("20"), "none of 30 titles is '20'.* As a movie_id it is a whole number: write 20"),
        (lambda model: model.similar("xyzzy"), "None is near"),
        (lambda model: model.explain(None, 100), "got None"),
    ],
    "rows": [
        (lambda model: model.predict("test.csv"), r"got str. Try predict\(movierec.read"),
        (lambda model: model.predict([(100, 10)]), r'Try predict\(pandas.DataFrame\(\{"user_id"'),
        (lambda model: model.predict(pd.DataFrame({"user": [1], "movie_id": [10]})), 'rename.*"user": "user_id"'),
        (lambda model: model.predict(pd.DataFrame({"user_id": [1]})), "`ratings` needs movie_id; it has user_id"),
    ],
    "k": [
        (lambda model: model.recommend([100], 0), r"k must be a whole number, 1 to 30 \(the movies\); got 0"),
        (lambda model: model.recommend_new(EVEN, "10"), "k must be a whole number, 1 to 30 .*; got '10'"),
        (lambda model: model.similar(10, 2.5), "k must be a whole number, 1 to 30 .*; got 2.5"),
        (lambda model: model.recommend([100], count=3), "`count` is not a setting of recommend"),
    ],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_doubtful_is_answered_with_a_call(fitted, plain, split, what):
    for ask, says in REFUSED[what]:
        with pytest.raises(ValueError, match=says):
            ask(fitted)
    for ask in (fitted.recommend, fitted.predict):
        with pytest.raises(ValueError, match=rf"got Split. Try {ask.__name__}\(split.test\)"):
            ask(split)
    with pytest.raises(ValueError, match="this model was fitted without genres"):
        plain.recommend_new(genres="Comedy")


def test_the_calls_that_are_advised_work(fitted):
    """The most popular film of this model, on its scale, and not one of MovieLens."""
    with pytest.raises(ValueError, match="every user must have ratings") as error:
        fitted.recommend([9999])
    advised = re.search(r"recommend_new\((.*)\)\.$", str(error.value))[1]
    assert len(fitted.recommend_new(eval(advised))) == 10
    with pytest.raises(ValueError, match="every user must have ratings") as error:
        fitted.explain(20, 9999)
    advised = re.search(r"explain_new\(film, (.*)\)\.$", str(error.value))[1]
    assert len(fitted.explain_new(20, eval(advised)))


def test_rows_to_predict_with_times_in_any_form(fitted, split):
    expected = fitted.predict(split.test)
    dates = pd.to_datetime(split.test["timestamp"], unit="s")
    for time in (dates, dates.dt.tz_localize("UTC"), dates.astype(str), split.test["timestamp"].astype(float)):
        np.testing.assert_array_equal(fitted.predict(split.test.assign(timestamp=time)), expected)
    with pytest.warns(UserWarning, match="milliseconds"):
        milliseconds = fitted.predict(split.test.assign(timestamp=1000 * split.test["timestamp"]))
    np.testing.assert_array_equal(milliseconds, expected)
    some = dates.astype(object).where(np.arange(len(dates)) > 0, None)
    untimed = fitted.predict(split.test[["user_id", "movie_id"]])
    found = fitted.predict(split.test.assign(timestamp=some))
    np.testing.assert_allclose(found, [untimed[0], *expected[1:]], atol=1e-6)
    assert 0 < np.abs(expected - untimed).max() < 1.5  # the week says something, and its absence is no week at all
    pairs = split.test[["user_id", "movie_id"]]
    forms = [pairs.rename(columns={"user_id": "userId", "movie_id": "MovieID"}), pairs.to_dict("list")]
    forms += [pairs.set_index("user_id"), pairs.set_index(["user_id", "movie_id"])]
    for form in forms:
        np.testing.assert_array_equal(fitted.predict(form), untimed)
