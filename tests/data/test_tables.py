"""`movierec.data.tables`: types that suffice, the line that does not fit, years from titles, and checks of ratings."""

import io

import numpy as np
import pandas as pd
import pytest

from movierec.data import tables
from movierec.data.tables import (
    Fault,
    Table,
    Unreadable,
    check_ratings,
    find_fault,
    genre_flags,
    movie_table,
    read_rows,
)

RATINGS = Table("r.csv", {"user_id": "int64", "skip 1": "skip", "stars": "float32", "seconds": "int64"}, header=1)
TEXT = Table("t.csv", {"movie_id": "int64", "title": "str"})


def write(path, lines, separator=","):
    path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("largest", [2**31 - 1, 2**31, -(2**31), -(2**31) - 1])
def test_rows_are_in_the_order_of_the_file_and_ids_take_what_they_need(count, largest, tmp_path):
    ids = [*range(1, count), largest][-count or count :] if count else []
    lines = [(number, "x", 0.5 * place, 2**40 + place) for place, number in enumerate(ids)]
    table = read_rows(write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines]), RATINGS)
    narrow = count == 0 or -(2**31) <= largest < 2**31
    assert list(table) == ["user_id", "stars", "seconds"]
    assert table.dtypes.astype(str).tolist() == ["int32" if narrow else "int64", "float32", "int64"]
    assert list(table.itertuples(index=False, name=None)) == [(u, s, t) for u, _, s, t in lines]
    assert table.index.equals(pd.RangeIndex(count))


def test_text_with_empty_lines_and_quotes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('1,"a, b"\n\n2,NA\n3,"say ""x"""\n\n4,null\n5,é\n', encoding="utf-8")
    found = read_rows(path, TEXT).itertuples(index=False, name=None)
    assert list(found) == [(1, "a, b"), (2, "NA"), (3, 'say "x"'), (4, "null"), (5, "é")]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("text", ["", "1::2::3\n", "a:b::c:::d\n::::\n:", "::", "1::a: :b::"])
def test_two_colons_are_one_separator_wherever_the_pieces_end(text, size):
    stream = tables._OneCharacter(io.StringIO(text))
    pieces = iter(lambda: stream.read(size), "")
    assert "".join(pieces) == text.replace("::", "\x1f")


def test_a_first_row_that_is_too_long_is_found_even_if_its_ids_look_like_an_index(tmp_path):
    """pandas takes the first of three fields for an index: 0, 1, 2 are those of a table that has none."""
    table = Table("r.csv", {"user_id": "int64", "movie_id": "int64"})
    with pytest.raises(Unreadable) as error:
        read_rows(write(tmp_path / "r.csv", [(0, 5, 6), (1, 5, 6), (2, 5, 6)]), table)
    assert error.value.fault == Fault(1, "0,5,6")


@pytest.mark.parametrize("place", [0, 2, 3, 8])
def test_the_second_look_finds_the_line_in_whatever_chunk(place, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS", 3)
    lines = [[number, "x", 1.5, 3] for number in range(9)]
    lines[place][3] = "late"
    path = write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines])
    expected = Fault(place + 2, f"{place},x,1.5,late", "seconds", "late")
    with pytest.raises(Unreadable) as error:
        read_rows(path, RATINGS)
    assert error.value.fault == expected == find_fault(path, RATINGS)
    assert find_fault(path, RATINGS, skip=place + 1) is None
    assert find_fault(path, RATINGS, most=place) is None and find_fault(path, RATINGS, most=place + 1) == expected


@pytest.mark.parametrize(
    "title, year",
    [
        ("Heat (1995)", 1995),
        ("Fawlty Towers (1975-1979)", 1975),
        ("Doctor Who (1963–)", 1963),
        ("Land Before Time III (1995) (V)", 1995),
        ("2001: A Space Odyssey", None),
        ("Twice (1950) (1999)", 1999),
        ("Five (19955)", None),
        ("", None),
    ],
)
def test_the_year_is_the_last_in_parentheses(title, year):
    table = movie_table(pd.Series([1]), pd.Series([title], dtype="str"), pd.Series([""], dtype="str"))
    assert table.year.dtype == "Int64" and (pd.isna(table.year[0]) if year is None else table.year[0] == year)


@pytest.mark.parametrize("storage", ["python", "pyarrow", "object"])
def test_genre_flags_are_the_same_whatever_holds_the_text(storage):
    """With Arrow strings pandas' own get_dummies makes a column "" of an empty text; results must not depend on it."""
    dtype = "object" if storage == "object" else pd.StringDtype(storage, na_value=np.nan)
    genres = pd.Series(["War|Crime", "", None, "Crime"], index=[3, 1, 2, 0], dtype=dtype)
    flags = genre_flags(genres)
    assert list(flags) == ["Crime", "War"] and (flags.dtypes == "int64").all()
    assert flags.index.tolist() == [3, 1, 2, 0] and flags.to_numpy().tolist() == [[1, 1], [0, 0], [0, 0], [1, 0]]
    assert genre_flags(genres[1:3]).shape == (2, 0)


# ---- what must hold of ratings

GOOD = pd.DataFrame({"user_id": [1, 1, 2], "movie_id": [10, 20, 10], "rating": [4.0, 3, 5], "timestamp": [1, 2, 3]})
DATES = pd.to_datetime(["1998-01-01"] * 3)  # read as nanoseconds, they would give nonsense weeks


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([1, 2, 3], "`mine` must be a DataFrame, got list"),
        (GOOD.drop(columns="movie_id"), '`mine` needs user_id, .*`movie_id` is missing.*load."ml-100k"'),
        (GOOD.drop(columns="timestamp"), "`timestamp` is missing"),
        (GOOD[:0], "`mine` has no row"),
        (GOOD.assign(rating=["four", "3", "5"]), "every rating in `mine` must be a number .stars.; 3 of 3"),
        (GOOD.assign(timestamp=DATES), "every timestamp in `mine` must be a number .Unix seconds.; 3 of 3"),
        (GOOD.assign(rating=[1, np.nan, 2]), r"1 of 3 are not, e.g. \[nan\]"),
        (GOOD.assign(timestamp=[1, -np.inf, 2]), r"1 of 3 are not, e.g. \[-inf\]"),
        (GOOD.assign(rating=pd.array([1, None, 2], "Float64")), r"1 of 3 are not, e.g. \[<NA>\]"),
        (GOOD.astype({"user_id": str}), "user_id in `mine` must be whole numbers; found .* pandas.factorize"),
        (GOOD.assign(movie_id=[1.0, 2, 3]), "movie_id in `mine` must be whole numbers; found float64"),
    ],
)
def test_ratings_that_are_no_ratings_are_refused_with_a_count_and_examples(bad, says):
    check_ratings(GOOD)
    with pytest.raises(ValueError, match=says):
        check_ratings(bad, "mine")


def test_a_rating_that_is_there_twice_is_refused_and_the_call_that_mends_it_mends_it():
    twice = pd.concat([GOOD, GOOD[:1].assign(rating=1.0)], ignore_index=True)
    with pytest.raises(ValueError, match=r"once; 1 of 4 rows repeat one, e.g. \[\[1, 10\]\]") as error:
        check_ratings(twice)
    assert 'ratings.drop_duplicates(["user_id", "movie_id"], keep="last")' in str(error.value)
    check_ratings(twice.drop_duplicates(["user_id", "movie_id"], keep="last"))
