"""`movierec.read`: your own CSV files, in any order of columns; and what is said when they do not fit."""

import re

import pandas as pd
import pytest

import movierec
from movierec.data import formats
from tests.data.conftest import rows

HEADER = "user_id,movie_id,rating,timestamp\n"
MOVIES = "movie_id,title,genres\n7,Heat (1995),Crime\n8,Pi,\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes text into a file of tmp_path; its path. The data folder is in tmp_path, too."""
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path / "data"))

    def write(name: str, text: str):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_columns_in_any_order_further_ones_left_out_and_movies_made_up(own):
    text = "when,timestamp,rating,movieId,note,userId\nx,900000000,4.5,42,,3\n,900000001,1,7,y,5000000000\n"
    path = own("r.csv", text)
    data = movierec.read(path)
    assert repr(data) == "MovieLens(2 ratings, 2 movies, no users, no tags)"
    assert list(data.ratings) == ["user_id", "movie_id", "rating", "timestamp"]
    assert rows(data.ratings) == [(3, 42, 4.5, 900000000), (5000000000, 7, 1.0, 900000001)]
    assert data.ratings.dtypes.astype(str).tolist() == ["int64", "int32", "float32", "int64"]  # 5e9 needs 64 bits
    assert rows(data.movies) == [(7, "movie 7", None, ""), (42, "movie 42", None, "")]


def test_all_four_tables(own):
    ratings = own("r.csv", HEADER + "1,7,4,900000000\n2,8,3.5,900000000\n")
    movies = own("m.csv", '\ufefftitle,year,genres,movie_id\n"Good, the Bad, The (1966)",,War,7\nPi,1998,,8\n')
    users = own("u.csv", "userId,gender,age,town\n1,F,31,Ulm\n2,,,Bonn\n")
    tags = own("t.csv", 'userId,movieId,tag,timestamp\n1,7,"slow, NA",900000000\n')
    for _ in range(2):  # then from the cache
        data = movierec.read(str(ratings), movies, users, tags)
        assert rows(data.movies) == [(7, "The Good, the Bad (1966)", 1966, "War"), (8, "Pi", 1998, "")]
        assert list(data.users) == ["user_id", "age", "gender"]
        assert rows(data.users) == [(1, 31.0, "F"), (2, None, "")]
        assert rows(data.tags) == [(1, 7, "slow, NA", 900000000)]


def test_files_are_cached_by_path_and_by_content(own, tmp_path, monkeypatch):
    path = own("r.csv", HEADER + "1,7,4.5,900000000\n")
    reads = []
    read_own = formats.read_own
    monkeypatch.setattr(formats, "read_own", lambda *args: reads.append(1) or read_own(*args))
    monkeypatch.chdir(tmp_path)
    assert [len(movierec.read(name).ratings) for name in (path, "r.csv", str(path))] == [1, 1, 1] and len(reads) == 1
    with pytest.raises(ValueError, match="none of 1 is .1 ratings off the scale."):
        movierec.read(path, step=1.0)  # another question
    own("r.csv", HEADER + "1,7,4.5,900000000\n2,7,4.5,900000000\n")
    assert len(movierec.read(path).ratings) == 2


def test_cleaning_is_told_and_what_is_nothing_but_off_the_scale_is_refused(own):
    path = own("r.csv", HEADER + "1,7,4,900000000\n1,9,5,900000000\n1,7,2,900000009\n")
    movies = own("m.csv", MOVIES)
    for _ in range(2):
        with pytest.warns(UserWarning, match="r.csv removed rows: 1 ratings of unknown movies; 1 ratings by") as caught:
            data = movierec.read(path, movies)
        assert caught[0].filename == __file__ and rows(data.ratings) == [(1, 7, 2.0, 900000009)]
    percent = own("p.csv", HEADER + "1,7,80,900000000\n1,8,60,900000000\n")
    with pytest.raises(ValueError, match=r"of 0\.5 to 5 stars; none of 2 is \(2 ratings off the scale\)\. Convert"):
        movierec.read(percent)
    with pytest.raises(ValueError, match=r"none of 0 is \(it has no rows\)"):
        movierec.read(own("e.csv", HEADER))


@pytest.mark.parametrize(
    "row, said",
    [
        ("anna,7,4,900000000", "user_id must be a whole number; it is 'anna'. Number the ids first, in every file "),
        ("1,tt0113277,4,900000000", "movie_id must be a whole number; it is 'tt0113277'. Number the ids first"),
        ("1,7,4,2001-09-09", "timestamp must be whole seconds since 1970-01-01, UTC; it is '2001-09-09'. Convert"),
        ("1,7,4,", "timestamp must be whole seconds since 1970-01-01, UTC; it is ''."),
        ("1,7,good,900000000", "rating must be a number, 0.5 to 5 stars; it is 'good'. Mend that line."),
        ("1,7,4", "it must have 4 fields, as the header has."),
        ("1,7,4,900000000,5", "it must have 4 fields, as the header has."),
    ],
)
def test_a_malformed_row_is_named_with_what_to_do(row, said, own):
    good = [f"{user},7,4.0,900000000" for user in range(9)]
    for place in (0, 7):
        path = own("r.csv", "\n".join(["user_id,movie_id,rating,timestamp", *good[:place], row, *good[place:], ""]))
        with pytest.raises(ValueError) as error:
            movierec.read(path)
        assert str(error.value).startswith(f"{path}, line {place + 2}, {row!r}: {said}")


def test_the_advice_works(own):
    """What the errors tell a reader to type makes the file good."""
    table = pd.DataFrame({"user_id": ["anna", "ben"], "movie_id": [1, 2], "rating": [4, 5]})
    table["timestamp"] = ["2001-09-09 01:46:40", "1970-01-02 00:00:00"]
    table["user_id"], names = pd.factorize(table["user_id"])
    since = pd.to_datetime(table["timestamp"], utc=True) - pd.Timestamp(0, tz="UTC")
    table["timestamp"] = since // pd.Timedelta(seconds=1)
    data = movierec.read(own("r.csv", table.to_csv(index=False)))
    assert data.ratings.timestamp.tolist() == [1_000_000_000, 86_400] and names[data.ratings.user_id[1]] == "ben"


@pytest.mark.parametrize(
    "header, said",
    [
        ("user_id,movie_id,rating", "timestamp is missing. Its first line is 'user_id,movie_id,rating'. Rename"),
        ("user;movie;rating;timestamp", "user_id, movie_id, rating, timestamp is missing. Its first line is 'user;mov"),
        ("user_id,userId,movie_id,rating,timestamp", "user_id is there twice. Its first line is"),
        ("", "user_id, movie_id, rating, timestamp is missing. Its first line is ''"),
    ],
)
def test_a_header_that_does_not_fit(header, said, own):
    with pytest.raises(ValueError, match=re.escape(said)):
        movierec.read(own("r.csv", header))


def test_a_file_that_is_not_there(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"`ratings` must be the path of a CSV file; .*nix\.csv is not there"):
        movierec.read("nix.csv")
    path = own("r.csv", HEADER + "1,7,4,900000000\n")
    with pytest.raises(FileNotFoundError, match=r"`movies` must be .* is a folder\."):
        movierec.read(path, tmp_path)


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("movies", MOVIES + "8,Again,\n", "have one row for each movie_id; 1 rows repeat one, e.g. [8]. Keep one"),
        ("movies", "movie_id,title,genres,year\n7,A,,1999.5\n", "year must be a whole number or empty; 1 are neither"),
        ("movies", "movie_id,title,genres\n6,A,\n7,Good, Bad,War\n", "line 3, '7,Good, Bad,War': it must have 3"),
        ("users", "user_id,age\n1,old\n", "age must be a whole number or empty; 1 are neither, e.g. ['old']"),
        ("users", "user_id\n1\n1\n", "must have one row for each user_id; 1 rows repeat one, e.g. [1]."),
        ("tags", "user_id,movie_id,tag\n1,7,a\n", "timestamp is missing."),
    ],
)
def test_the_other_files_are_checked_too(name, text, said, own):
    ratings = own("r.csv", HEADER + "1,7,4,900000000\n")
    with pytest.raises(ValueError, match=re.escape(said)):
        movierec.read(ratings, **{name: own("other.csv", text)})
