"""`movierec.data.cleaning`: every decision of `clean`, as a slow loop decides; titles as people write them."""

import numpy as np
import pandas as pd
import pytest

from movierec.data import MovieLens, clean, find_movie, natural_title
from movierec.data.cleaning import check_columns, check_ratings
from tests.data.conftest import assert_same, rows


def dirty() -> MovieLens:
    """Nine ratings of which five are removed; each row says why."""
    ratings = pd.DataFrame(
        [
            (1, 10, 5.0, 900_000_300),  # kept: the last of three by time (and first in the file)
            (1, 10, 4.0, 900_000_100),  # rated again later
            (1, 10, 3.0, 900_000_200),  # rated again later
            (2, 10, 0.0, 900_000_000),  # off the scale
            (2, 20, float("nan"), 900_000_000),  # off the scale
            (2, 99, 3.0, 900_000_000),  # unknown movie
            (3, 20, 2.5, 900_000_000),  # kept here; off the scale of whole stars
            (3, 10, 1.0, 0),  # kept: 1970 is odd, and only counted
            (7, 20, 2.0, 99_000_000_000),  # kept: year 5107, and a user without a profile
        ],
        columns=["user_id", "movie_id", "rating", "timestamp"],
    ).astype({"rating": "float32"})
    movies = pd.DataFrame(
        {
            "movie_id": [10, 20, 30, 40],
            "title": ["Matrix, The (1999)", "The Matrix (1999)", "Pi", "Heat (1995)"],
            "year": pd.array([1999, 1999, None, 1995], "Int64"),
            "genres": ["Action", "(no genres listed)", "unknown", None],
        }
    )
    users = pd.DataFrame({"user_id": [1, 2, 3], "age": 30, "gender": "F", "occupation": "writer", "zip_code": "1"})
    tags = pd.DataFrame({"user_id": [1, 1], "movie_id": [10, 99], "tag": ["a", "b"], "timestamp": [1, 1]})
    return MovieLens(ratings, movies, users, tags)


def test_clean_counts_decides_and_leaves_its_argument_alone_and_twice_is_once():
    tables = dirty()
    data, log = clean(tables, 0.5)
    assert_same(tables, dirty())
    assert rows(data.ratings) == [
        (1, 10, 5.0, 900_000_300),
        (3, 20, 2.5, 900_000_000),
        (3, 10, 1.0, 0),
        (7, 20, 2.0, 99_000_000_000),
    ]
    assert list(data.movies.title) == ["The Matrix (1999)", "The Matrix (1999)", "Pi", "Heat (1995)"]
    assert list(data.movies.genres) == ["Action", "", "", ""]
    assert rows(data.tags) == [(1, 10, "a", 1)]
    assert list(log) == ["problem", "found", "decision", "removed"]
    assert [(row.problem, row.found, row.removed) for row in log.itertuples()] == [
        ("titles with the article moved", 1, 0),
        ("titles that an earlier movie_id has", 1, 0),
        ("movies without a year", 1, 0),
        ("movies without genres", 3, 0),
        ("ratings off the scale", 2, 2),
        ("ratings of unknown movies", 1, 1),
        ("ratings by a user who rated the movie again later", 2, 2),
        ("ratings by users without a profile", 1, 0),
        ("times before 1995 or in the future", 2, 0),
        ("tags of unknown movies", 1, 1),
    ]
    twice, log = clean(data, 0.5)
    assert_same(twice, data)
    assert log.removed.sum() == 0
    assert log.found[log.problem == "titles with the article moved"].item() == 0


def of_ten(*more) -> MovieLens:
    """Thirty users who give films 1 to 7 the stars 10, 9, 8, 7, 5, 4, 2; and more ratings by user 0."""
    rows = [(user, film, star, 0) for user in range(30) for film, star in enumerate((10, 9, 8, 7, 5, 4, 2), start=1)]
    rows += [(99 + place, 1, star, 0) for place, star in enumerate(more)]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"]).astype({"rating": "float32"})
    table = pd.DataFrame({"movie_id": range(1, 8), "title": "Pi", "year": pd.array([None] * 7, "Int64"), "genres": ""})
    return MovieLens(ratings, table)


def test_stars_on_another_scale_are_all_kept_and_the_scale_is_said_and_remembered():
    with pytest.warns(UserWarning, match="The ratings are read as stars on the scale 1 to 10; .*scale="):
        data, log = clean(of_ten())
    assert (len(data.ratings), log.removed.sum()) == (210, 0)
    assert data.ratings.attrs["scale"] == (1, 10)
    with pytest.warns(UserWarning, match="on the scale 0 to 10; .* 5 are 0: if that says that a film was not rated"):
        clean(of_ten(0, 0, 0, 0, 0))
    given = of_ten(99, 99)  # 2 of 212 are less than one in a hundred
    given.ratings.attrs["scale"] = (0, 10)
    data, log = clean(given)
    assert log.removed[log.problem == "ratings off the scale"].item() == 2
    assert data.ratings.attrs["scale"] == (0, 10)
    given.ratings.attrs["scale"] = (1, 5)
    with pytest.raises(ValueError, match=r"on the scale 1 to 5; 122 of 212 are not, e.g. \[7.0, 8.0, 9.0\]"):
        clean(given)  # 4 of 7 films by 30 users, and 2
    data, log = clean(of_ten()._replace(ratings=of_ten().ratings.assign(rating=1.0)))
    assert (len(data.ratings), "scale" in data.ratings.attrs) == (210, False)  # all equal: what was watched


def test_a_missing_column_and_ids_of_two_kinds_are_refused_instead_of_losing_every_row():
    data = dirty()
    for noun, other, says in [
        (
            "ratings",
            data.ratings.drop(columns="timestamp"),
            "needs user_id, movie_id, rating, timestamp; `timestamp` i",
        ),
        ("movies", data.movies[["movie_id", "title"]], "needs movie_id, title, year, genres; `year`, `genres` is"),
        *[
            (
                noun,
                getattr(data, noun).astype({key: str}),
                f"{key} must be of one kind .* in `{noun}`, but whole numbers,",
            )
            for noun, key in (("movies", "movie_id"), ("users", "user_id"), ("tags", "user_id"))
        ],
    ]:
        with pytest.raises(ValueError, match=says):
            clean(data._replace(**{noun: other}))


@pytest.mark.parametrize("large", [0, 2**31 - 9, 2**57])
@pytest.mark.parametrize("step", [None, 0.5, 1.0])
def test_ratings_stay_as_in_a_slow_loop(large, step):
    """A row stays if it is on the scale, of a known movie, and none by the same user on the same movie is later."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, [6, 8], (60, 2)) + large
    off = [0, 0.7, 5.5] if step else [0.7]  # without a step, decimals are on the scale
    stars = rng.choice([*off, 0.5, 1, 2.5, 4, 5, np.nan], 60).astype(np.float32)
    ratings = pd.DataFrame(pairs, columns=["user_id", "movie_id"]).assign(rating=stars)
    ratings["timestamp"] = 900_000_000 + rng.integers(0, 4, 60)  # many ties: the later row counts
    known = [movie + large for movie in (0, 1, 2, 3, 5, 7)]
    later = {}
    for place, (user, movie, star, seconds) in enumerate(ratings.itertuples(index=False, name=None)):
        if (step or 0.5) <= star <= 5 and (not step or star / step % 1 == 0) and movie in known:
            later[user, movie] = max(later.get((user, movie), (seconds, place)), (seconds, place))
    expected = ratings.iloc[sorted(place for _, place in later.values())].reset_index(drop=True)
    assert 5 < len(expected) < 45
    table = pd.DataFrame({"movie_id": known, "title": "Pi", "year": pd.array([None] * 6, "Int64"), "genres": ""})
    data, log = clean(MovieLens(ratings.set_axis([5] * 60), table), step)
    pd.testing.assert_frame_equal(data.ratings, expected)
    assert log.removed.sum() == 60 - len(expected)


NATURAL = {
    "Matrix, The (1999)": "The Matrix (1999)",
    "Single Girl, A": "A Single Girl",
    "Double vie de Véronique, La (Double Life of Veronique, The) (1991)": (
        "La Double vie de Véronique (The Double Life of Veronique) (1991)"
    ),
    "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)": (
        "The Good, the Bad and the Ugly (Il Buono, il brutto, il cattivo) (1966)"
    ),
    "Enfer, L' (1994)": "L'Enfer (1994)",
    "Tin Drum, The (Blechtrommel, Die) (1979)": "The Tin Drum (Die Blechtrommel) (1979)",
    "Convent, The (Convento, O) (1995)": "The Convent (O Convento) (1995)",
    "Vitelloni, I (1953)": "I Vitelloni (1953)",
    "Yojimbo (a.k.a. Bodyguard, The) (1961)": "Yojimbo (a.k.a. The Bodyguard) (1961)",
    "Land Before Time, The (1988) (V)": "The Land Before Time (1988) (V)",
}  # fmt: skip
STAY = [
    "unknown", "Die, Mommie, Die (2003)", "Me, Myself, I (1999)", "I, Claudius (1976)", "Paris, Texas (1984)",
    "Cry, the Beloved Country (1995)", "Sex, Lies, and Videotape (1989)", "Girl, Interrupted (1999)",
    "(500) Days of Summer (2009)", "", "I, Worst of All (Yo, la peor de todas) (1990)", "Kiss Me, Guido (1997)",
    "Theatre, Them (2000)", "Mrs. Brown (Her Majesty, Mrs. Brown) (1997)",
]  # fmt: skip


def test_natural_titles():
    assert {published: natural_title(published) for published in NATURAL} == NATURAL
    for title in [*NATURAL.values(), *STAY]:
        assert natural_title(title) == title


MOVIES = pd.DataFrame(
    {
        "movie_id": [1, 2, 3, 4, 5, 6, 7],
        "title": [
            "The Matrix (1999)",
            "La Double vie de Véronique (The Double Life of Veronique) (1991)",
            "Titanic (1997)",
            "Titanic (1953)",
            "Chasing Amy (1997)",
            "Chasing Amy (1997)",
            "Land Before Time III: The Time of the Great Giving (1995) (V)",
        ],
    }
)


def test_a_movie_is_found():
    asked = {
        "The Matrix (1999)": 1,
        "Matrix, The (1999)": 1,
        "matrix, the": 1,
        " THE MATRIX ": 1,
        "Titanic (1953)": 4,
        "la double vie de véronique": 2,
        "Double vie de Véronique, La (Double Life of Veronique, The) (1991)": 2,
        "La Double vie de Véronique (The Double Life of Veronique)": 2,
        "Land Before Time III: The Time of the Great Giving": 7,
    }
    assert {title: find_movie(MOVIES, title) for title in asked} == asked
    assert type(find_movie(MOVIES, "matrix, the")) is type(find_movie(MOVIES, "The Matrix (1999)")) is int


@pytest.mark.parametrize(
    ("title", "says"),
    [
        ("The Matrx", r"of 7 titles is 'The Matrx'\. Nearest: 'The Matrix .1999.' .movie"),
        ("Titanic (1943)", r"of 7 titles is 'Titanic \(1943\)'\. Nearest: 'Titanic \(1997\)'"),
        ("qqq", "none of 7 titles is 'qqq'. None is near"),
        ("Titanic", r"that of one movie; 2 have .*97\)' \(movie_id 3.*53\)' \(movie_id 4"),
        ("Chasing Amy (1997)", "that of one movie; 2 have .*movie_id 5.*movie_id 6"),
    ],
)
def test_a_movie_that_is_not_there_or_twice(title, says):
    with pytest.raises(ValueError, match=says):
        find_movie(MOVIES, title)


# ---- what is refused

GOOD = pd.DataFrame({"user_id": [1, 1, 2], "movie_id": [10, 20, 10], "rating": [4.0, 3, 5], "timestamp": [1, 2, 3]})


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([1, 2, 3], "`mine` must be a DataFrame, got list"),
        (GOOD.drop(columns="movie_id"), '`mine` needs user_id, .*`movie_id` is missing.*load."ml-100k"'),
        (GOOD[:0], "`mine` has no row"),
        (GOOD.assign(rating=["four", "3", "5"]), "every rating in `mine` must be a number .stars.; 3 of 3"),
        (GOOD.assign(rating=[1, np.nan, 2]), r"1 of 3 are not, e.g. \[nan\]"),
        (GOOD.assign(timestamp=[1, -np.inf, 2]), "every timestamp in `mine` .* 1 of 3 are not: .* -inf in row 1"),
        (GOOD.assign(timestamp=[1, None, 2]), "every timestamp in `mine` must be there, or none; 1 of 3 are missing"),
        (GOOD.assign(rating=pd.array([1, None, 2], "Float64")), r"1 of 3 are not, e.g. \[<NA>\]"),
        (GOOD.assign(user_id=["U1", None, "U2"]), "user_id in `mine` must be given .*; 1 of 3 are not"),
        (GOOD.assign(movie_id=[1.5, 2, 3]), "movie_id in `mine` must be a whole number.*; 1 of 3 are not"),
    ],
)
def test_ratings_that_are_no_ratings_are_refused_with_a_count_and_examples(bad, says):
    check_ratings(GOOD)
    with pytest.raises(ValueError, match=says):
        check_columns(bad, "mine")


def test_a_table_without_times_or_stars_gets_them_and_one_that_has_them_is_itself():
    assert check_columns(GOOD, "mine") is GOOD
    filled = check_columns(GOOD[["user_id", "movie_id"]], "mine")
    assert filled["timestamp"].tolist() == [0, 0, 0] and filled["rating"].tolist() == [1, 1, 1]
    assert filled["timestamp"].dtype == "int64" and list(GOOD) == list(filled)


def test_a_rating_that_is_there_twice_is_refused_and_the_call_that_mends_it_mends_it():
    twice = pd.concat([GOOD, GOOD[:1].assign(rating=1.0, timestamp=0)], ignore_index=True)
    with pytest.raises(ValueError, match=r"once; 1 of 4 rows repeat one, e.g. \[\[1, 10\]\]") as error:
        check_ratings(twice)
    advice = '.sort_values("timestamp", kind="stable").drop_duplicates(["user_id", "movie_id"], keep="last")'
    assert f"Keep the newest: ratings{advice}." in str(error.value)
    newest = twice.sort_values("timestamp", kind="stable").drop_duplicates(["user_id", "movie_id"], keep="last")
    check_ratings(newest)
    assert newest.rating[0] == 4.0 and 3 not in newest.index  # the last row is the older one
