"""`movierec.scale`: what a column of stars means, and that a model does not depend on the unit of the stars."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.evaluation import evaluate_ranking
from movierec.scale import Scale, find_scale, has_stars, on_scale, scale_of

FIVE = np.repeat([1.0, 2, 3, 4, 5], 40)
TEN = np.repeat(np.arange(1.0, 11), 20)
FOUND = {
    "five stars": (FIVE, (1, 5)),
    "half stars": (TEN / 2, (0.5, 5)),
    "nobody gave one or three": (np.repeat([2.0, 5], 50), (1, 5)),
    "decimals from half a star": (np.linspace(0.5, 5, 91), (0.5, 5)),
    "0 to 5": (np.arange(0, 5.5, 0.5), (0, 5)),
    "of ten": (np.repeat([10.0, 9, 8, 7, 5, 4, 2], 30), (1, 10)),
    "of ten, with zeros": (np.append(TEN, [0.0] * 20), (0, 10)),
    "7.3 of ten": (np.linspace(1.1, 9.7, 87).round(1), (1, 10)),
    "-10 to 10": (np.linspace(-9.95, 10, 200), (-10, 10)),
    "0 to 100": (np.arange(101.0), (0, 100)),
    "20 to 100": (20 * FIVE, (10, 100)),
    "clicks with zeros": (np.repeat([0.0, 1], [90, 10]), (0, 1)),
    "thumbs": (np.repeat([-1.0, 1], 50), (-1, 1)),
    "a share": (np.linspace(0.01, 0.99, 99), (0, 1)),
    "1 to 7": (np.repeat(np.arange(1.0, 8), 9), (1, 7)),
    "1 to 4": (np.repeat([1.0, 2, 3, 4], 9), (1, 4)),
    "1 to 3": (np.repeat([1.0, 2, 3], 9), (1, 3)),
    "five levels of their own": (3 * FIVE - 10, (-7, 5)),
    "a few of ten among five": (np.append(np.tile(FIVE, 5), [10.0] * 5), (1, 5)),
    "a few -1 among five": (np.append(np.tile(FIVE, 5), [-1.0] * 5), (1, 5)),
}


NO_STARS = {
    "plays": [1.0, 1, 1, 2, 3, 18_706],
    "plays of at most twenty": np.repeat([1.0, 2, 3, 5, 9, 20], [50, 25, 12, 6, 3, 2]),
    "0 stands for not rated": np.repeat([0.0, 7, 8, 9, 10], [60, 10, 20, 5, 5]),
    "99 stands for missing": np.append(np.linspace(-9.9, 10, 100), [99.0] * 40),
    "anything": np.geomspace(0.01, 5000, 300),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_scale_is_found_from_the_ratings(name):
    ratings, expected = FOUND[name]
    assert find_scale(ratings) == expected


def test_what_may_be_counts_and_a_number_that_stands_for_not_rated_are_refused_with_the_ways_out():
    """Anime's -1, BookCrossing's 0, Jester's 99: never the end of a scale without a word."""
    for ratings in NO_STARS.values():
        with pytest.raises(ValueError, match=r'name the(ir)? scale: scale=\(.*drop\(columns="rating"\)'):
            find_scale(np.asarray(ratings))
    for stray, count in ((-1, 90), (0, 500), (99, 90)):
        said = rf"{count} of .* are {stray}, and the others are on the scale 1 to 10.*rating != {stray}\]"
        with pytest.raises(ValueError, match=said):
            find_scale(np.append(TEN, [float(stray)] * count))


@pytest.mark.parametrize(
    ("scale", "outside", "inside"),
    [
        ((1, 5), [1, 4, 5], [1, 4, 5]),
        ((0.5, 5), [0.5, 4, 5], [0.5, 4, 5]),
        ((1, 10), [1, 8, 10], [0.5, 4, 5]),  # 5 r / 10
        ((0, 10), [0, 7.5, 10], [1, 4, 5]),  # 1 + 4 r / 10
        ((-10, 10), [-10, 5, 10], [1, 4, 5]),  # 1 + 4 (r + 10) / 20
        ((10, 100), [20, 80, 100], [1, 4, 5]),
        ((0, 1), [0, 0.75, 1], [1, 4, 5]),
    ],
)
def test_stars_are_mapped_to_five_and_back(scale, outside, inside):
    scale = Scale(*scale)
    assert scale.inside(np.array(outside, float)).tolist() == inside
    assert scale.outside(np.array(inside)).tolist() == outside
    assert scale.liked_from == outside[1]


def test_what_is_off_the_scale_is_marked_up_to_a_hundredth_and_refused_beyond():
    ratings = pd.Series([3.0] * 198 + [np.nan, 7])
    assert on_scale(ratings, Scale(1, 5)).tolist() == [True] * 198 + [False] * 2
    with pytest.raises(ValueError, match=r"on the scale 1 to 5; 3 of 6 are not, e.g. \[7.0, 9.0\].*scale=\(1, 9\)"):
        on_scale(pd.Series([1.0, 2, 3, 7, 9, 9]), Scale(1, 5))
    with pytest.raises(ValueError, match=r"two numbers in order; got \(10, 0\). Try scale=\(0, 10\)"):
        scale_of(pd.DataFrame({"rating": FIVE}), given=(10, 0))


def test_a_table_remembers_its_scale_until_its_stars_are_changed():
    table = pd.DataFrame({"rating": [2.0, 3, 5]})
    table.attrs["scale"] = (0, 10)
    assert scale_of(table) == scale_of(table[table.rating < 4]) == (0, 10)
    assert scale_of(table.assign(rating=[-10.0, 0, 10])) == (-10, 10)


UNITS = {"2 to 10": (2, 0), "-10 to 10": (5, -15)}


@pytest.fixture(scope="module")
def thin(split):
    """The checkerboard with all five levels: a star less for every third film, another one for every tenth user."""

    def with_levels(part):
        stars = part["rating"] - (part["movie_id"] % 30 == 0) - (part["user_id"] % 10 == 0)
        return part.assign(rating=stars.clip(1, 5))

    parts = (with_levels(part) for part in (split.train, split.validation, split.test))
    return movierec.Split(*parts, split.in_time)


def in_unit(split, factor, shift):
    parts = (split.train, split.validation, split.test)
    return movierec.Split(*(part.assign(rating=factor * part["rating"] + shift) for part in parts), split.in_time)


@pytest.fixture(scope="module")
def in_five(thin, checkerboard, small):
    return movierec.fit_hybrid(thin, checkerboard.movies, epochs=2, **small)


@pytest.mark.parametrize("name", UNITS)
def test_a_model_does_not_depend_on_the_unit_of_the_stars(thin, in_five, checkerboard, small, tmp_path, name):
    """Lists, scores, shares and predictions are equal to the bit; what is shown is in the unit of the table."""
    factor, shift = UNITS[name]
    other = in_unit(thin, factor, shift)
    with pytest.warns(UserWarning, match="The ratings are taken for stars on the scale .* names another"):
        model = movierec.fit_hybrid(other, checkerboard.movies, epochs=2, **small)
    expected, found = (each.recommend([100, 101, 117], because=True) for each in (in_five, model))
    pd.testing.assert_frame_equal(found.drop(columns="predicted_stars"), expected.drop(columns="predicted_stars"))
    np.testing.assert_allclose(found["predicted_stars"], factor * expected["predicted_stars"] + shift, rtol=1e-6)
    stars = in_five.predict(thin.test).astype(float)
    assert model.predict(other.test).tolist() == (factor * stars + shift).astype(np.float32).tolist()
    rmse = "validation_rmse"
    np.testing.assert_allclose(model.history[rmse], factor * in_five.history[rmse], rtol=1e-12)
    new = model.recommend_new({10: 5 * factor + shift, 20: factor + shift})
    assert new["score"].tolist() == in_five.recommend_new({10: 5, 20: 1})["score"].tolist()
    tables = [model.explain(40, user_id=100), in_five.explain(40, user_id=100)]
    pd.testing.assert_frame_equal(*tables)
    pd.testing.assert_frame_equal(
        evaluate_ranking(model.score, other, model.indices), evaluate_ranking(in_five.score, thin, in_five.indices)
    )
    with pytest.raises(ValueError, match=f"stars must be {factor + shift} to {5 * factor + shift}, the scale"):
        model.recommend_new({10: 5 * factor + shift + 1})
    if shift:
        model.save(tmp_path)
        again = movierec.load_model(tmp_path)
        assert (again.scale, again.levels.tolist()) == ((-10, 10), [-10, -5, 0, 5, 10])
        assert again.predict(other.test).tolist() == model.predict(other.test).tolist()


def watched(rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["user_id", "movie_id"])
    return table.assign(rating=1.0, timestamp=range(900_000_000, 900_000_000 + len(table)))


def test_without_stars_there_are_lists_alone_and_the_most_watched_comes_first(small, tmp_path):
    """Users 1 to 4 watched film 30, three of them 40, two 20, one 10, and each another one, which is test."""
    rows = [(user, 30) for user in (1, 2, 3, 4)] + [(1, 10), (1, 20), (2, 20), (2, 40), (3, 40), (4, 40)]
    train = watched(rows)
    split = movierec.Split(train, None, watched([(1, 40), (3, 20)]), None)
    assert not has_stars(train)
    with pytest.warns(UserWarning, match="All ratings are equal, so they say what was watched: only the ranking head"):
        model = movierec.fit_hybrid(split, epochs=1, ranking_epochs=1, **small)
    table = model.recommend_new(k=4, because=True)
    assert table["movie_id"].tolist()[:2] == [30, 40]
    assert (table["score"] > 0).all()
    assert set(table["because"]) == {"because many watched it lately"}
    assert model.recommend([3], k=2, because=True)["because"].str.contains("you watched|many watched").all()
    assert model.recommend_new({30: 5}, k=3)["score"].tolist() == model.recommend_new({30: 1}, k=3)["score"].tolist()
    with pytest.raises(ValueError, match="only if ratings differ; all 10 of train are 1: they say what was watched"):
        model.predict(split.test)
    with pytest.raises(ValueError, match="the stars head needs ratings that differ"):
        movierec.fit_hybrid(split, heads=("stars",))
    measured = evaluate_ranking(model.score, split, model.indices, k=2, liked_from=4)
    assert measured.index.tolist() == [1, 3]  # what was watched is what was liked


def test_liked_are_never_films_below_the_middle_of_the_users_stars(thin, in_five):
    """Half of a user's films have at least the middle: the median, the lower one of two."""
    table = in_five.recommend([100, 101, 110, 117], because=True)
    stars = thin.train.assign(title=thin.train["movie_id"].map(in_five.movies.set_index("movie_id")["title"]))
    stars = stars.set_index(["user_id", "title"])["rating"]
    named = 0
    for user_id, because in zip(table["user_id"], table["because"], strict=True):
        if because.startswith("because you liked "):
            middle = stars[user_id].quantile(0.5, interpolation="lower")
            for title in because.removeprefix("because you liked ").split(" and "):
                assert stars[user_id, title] >= middle
                named += 1
    assert named > 10
