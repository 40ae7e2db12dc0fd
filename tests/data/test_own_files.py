"""`movierec.read`: your own files and tables as people have them; what is understood, what is said, what is refused."""

import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import own_tables
from tests.data.conftest import rows

HEADER = "user_id,movie_id,rating,timestamp\n"
RATINGS = HEADER + "1,7,4,900000000\n2,8,3.5,900000001\n"
EXPECTED = [(1, 7, 4.0, 900000000), (2, 8, 3.5, 900000001)]
UNCLOSED = 'movie_id,title,genres\n5,A,\n7,"Unclosed (1999),Crime\n8,B,Crime\n9,C,Crime\n'
MOVIES = "movie_id,title,genres\n7,Heat (1995),Crime\n8,Pi,\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes text or bytes into a file of tmp_path; its path. The data folder is in tmp_path, too."""
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path / "data"))

    def write(name: str, content: str | bytes):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


def read_saying(*sources, **settings):
    """The tables, and what was said: each warning names the line of the caller."""
    with pytest.warns(UserWarning) as caught:
        data = movierec.read(*sources, **settings)
    assert {warning.filename for warning in caught} == {__file__}
    return data, " ".join(str(warning.message) for warning in caught)


def test_all_four_tables(own):
    ratings = own("r.csv", HEADER + "1,7,4,900000000\n2,8,3.5,900000000\n")
    movies = own("m.csv", '\ufefftitle,year,genres,movie_id\n"Good, the Bad, The (1966)",,War,7\nPi,1998-07-10,,8\n')
    users = own("u.csv", "userId,gender,age,town\n1,F,31,Ulm\n2,,,Bonn\n")
    tags = own("t.csv", 'userId,movieId,tag,timestamp\n1,7,"slow, NA",900000000\n')
    for _ in range(2):  # then from the cache
        data = movierec.read(str(ratings), movies, users, tags)
        assert rows(data.movies) == [(7, "The Good, the Bad (1966)", 1966, "War"), (8, "Pi", 1998, "")]
        assert list(data.users) == ["user_id", "age", "gender"]
        assert rows(data.users) == [(1, 31.0, "F"), (2, None, "")]
        assert rows(data.tags) == [(1, 7, "slow, NA", 900000000)]


def test_a_large_file_is_read_in_pieces_and_a_line_that_does_not_fit_has_its_number(own, monkeypatch):
    """Pieces of 100 bytes, of lines of 20: the table is the same, and a faulty line has its number in the file."""
    monkeypatch.setattr(own_tables.text_files, "PIECE", 100)
    expected = [(user, 7 + user % 3, 4.0, 900000000 + user) for user in range(1, 41)]
    text = HEADER + "".join(f"{user},{movie},{stars:g},{time}\n" for user, movie, stars, time in expected)
    assert rows(movierec.read(own("r.csv", text)).ratings) == expected
    with pytest.raises(ValueError, match="r.csv, line 42, '41,,4,900000041': movie_id must not be empty; 1 of 41 rows"):
        movierec.read(own("r.csv", text + "41,,4,900000041\n"))
    with pytest.raises(ValueError, match="r.csv, line 42, .* must have 4 fields"):
        movierec.read(own("r.csv", text + "41,7,4,900000041,5\n"))


# ---- what is understood

T = 900_000_000
UNDERSTOOD = {  # ratings, movies or "", rows of both, what is said
    "columns in any order, others left out, ids of 64 bits": (
        "when,timestamp,rating,movieId,note,userId\nx,900000000,4.5,42,,3\n,900000001,1,7,y,5000000000\n",
        "",
        [(3, 42, 4.5, T), (5_000_000_000, 7, 1.0, T + 1)],
        [(7, "movie 7", None, ""), (42, "movie 42", None, "")],
        "",
    ),
    "text ids in one table are text in all": (
        HEADER + "U1 ,M3,4,900000000\nU1,M1,5,900000000\n2,M1,5,900000000\n",
        "movie_id,title,genres\nM1,A,\nM3,,\n",
        [("U1", "M3", 4.0, T), ("U1", "M1", 5.0, T), ("2", "M1", 5.0, T)],
        [("M1", "A", None, ""), ("M3", "M3", None, "")],
        "",
    ),
    "leading zeros are kept": (
        HEADER + "1,0114709,4,900000000\n2,0000008,5,900000000\n",
        "movie_id,title\n0114709,Toy Story\n0000008,Pi\n",
        [(1, "0114709", 4.0, T), (2, "0000008", 5.0, T)],
        [("0114709", "Toy Story", None, ""), ("0000008", "Pi", None, "")],
        "",
    ),
    "leading zeros that one table lost": (
        HEADER + "1,114709,4,900000000\n2,8,5,900000000\n",
        "movie_id,title\n0114709,Toy Story\n0000008,Pi\n",
        [(1, 114709, 4.0, T), (2, 8, 5.0, T)],
        [(114709, "Toy Story", None, ""), (8, "Pi", None, "")],
        "movie_id has leading zeros in some tables only",
    ),
    "a text among numbers": (
        HEADER + "".join(f"{user},7,{user % 5 + 1},900000000\n" for user in range(20)) + "anna,7,4,900000000\n",
        "",
        [*[(str(user), 7, user % 5 + 1, T) for user in range(20)], ("anna", 7, 4.0, T)],
        [(7, "movie 7", None, "")],
        "user_id is a number in most rows and text in 1, e.g. 'anna' in line 22: all are kept as text",
    ),
    "another unit of time": (
        HEADER + "1,7,4,1387670400000\n2,8,3.5,1387670401000\n",
        "movie_id,title\n7,Heat (1995)\n8,\n",
        [(1, 7, 4.0, 1387670400), (2, 8, 3.5, 1387670401)],
        [(7, "Heat (1995)", 1995, ""), (8, "movie 8", None, "")],
        "timestamp is in milliseconds",
    ),
    "dates, and films that the ratings describe": (
        "user_id,movie_id,title,genres,rating,date\n1,7,Heat (1995),Crime,4,2001-09-09 01:46:40\n",
        "",
        [(1, 7, 4.0, 1_000_000_000)],
        [(7, "Heat (1995)", 1995, "Crime")],
        "date is taken for timestamp",
    ),
    "no times": (
        "user_id,movie_id,rating\n1,7,4\n2,8,3.5\n", MOVIES,
        [(1, 7, 4.0, 0), (2, 8, 3.5, 0)],
        [(7, "Heat (1995)", 1995, "Crime"), (8, "Pi", None, "")],
        "there are no times",
    ),
    "plays; the repeated pair is one": (
        "user,artist,plays\n1,7,900\n1,7,30\n2,8,4\n", "",
        [(1, 7, 1.0, 0), (2, 8, 1.0, 0)],
        [(7, "movie 7", None, ""), (8, "movie 8", None, "")],
        "no column is known as rating or timestamp, and these are left out: plays.*removed rows: 1 ratings",
    ),
    "not rated": (
        RATINGS + "1,9,NaN,900000000\n1,10,,900000000\n", "", EXPECTED, None,
        "2 of 4 rows have no rating, the first in line 4: they are left",
    ),
    "nothing rated": (HEADER + "1,7,,900000000\n", "", [(1, 7, 1.0, T)], None, "there are no ratings"),
    "rated again; of an unknown film": (
        HEADER + "1,7,4,900000009\n1,7,2,900000001\n1,7,2,900000001\n1,9,5,900000000\n2,8,3,900000000\n", MOVIES,
        [(1, 7, 4.0, T + 9), (2, 8, 3.0, T)],
        None,
        "removed rows: 1 ratings of unknown movies; 2 ratings by .*the newest",
    ),
    "text ids and dates without a header": (
        "U1,M2,4,2001-09-09\nU1,M1,5,2001-09-10\n", "M1,A,\nM2,B,Crime\n",
        [("U1", "M2", 4.0, 999_993_600), ("U1", "M1", 5.0, 1_000_080_000)],
        [("M1", "A", None, ""), ("M2", "B", None, "Crime")],
        "no header.*no header",
    ),
    "true and false, and the Netflix Prize's films: no dislike becomes a like": (
        "user,movie,liked\n1,7,True\n1,8,False\n2,7,true\n2,8,FALSE\n", "7,1995,Heat\n8,0,Pi\n",
        [(1, 7, 1, 0), (1, 8, 0, 0), (2, 7, 1, 0), (2, 8, 0, 0)],
        [(7, "Heat", 1995, ""), (8, "Pi", None, "")],
        "liked is taken for rating",
    ),
    "Letterboxd: no users, no ids": (
        "Date,Name,Year,Letterboxd URI,Rating\n2001-09-09,Heat,1995,https://boxd.it,4.5\n2001-09-09,Pi,1998,u,3\n", "",
        [("me", "Heat (1995)", 4.5, 999_993_600), ("me", "Pi (1998)", 3.0, 999_993_600)],
        [("Heat (1995)", "Heat (1995)", 1995, ""), ("Pi (1998)", "Pi (1998)", 1998, "")],
        "the films of one person, 'me', from which alone no recommender can learn",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNDERSTOOD)
def test_what_people_have_is_understood_and_what_was_not_written_as_here_is_said(case, own):
    ratings, movies, rated, films, said = UNDERSTOOD[case]
    sources = [own("r.csv", ratings), *([own("m.csv", movies)] if movies else [])]
    for _ in range(2):  # then from the cache
        data, lines = read_saying(*sources) if said else (movierec.read(*sources), "")
        assert rows(data.ratings) == rated and re.search(said, lines)
        assert films is None or rows(data.movies) == films
    assert list(data.ratings) == ["user_id", "movie_id", "rating", "timestamp"]
    assert data.ratings.dtypes.astype(str).tolist()[2:] == ["float32", "int64"]


def test_files_are_cached_by_content_and_question(own, tmp_path, monkeypatch):
    path = own("r.csv", HEADER + "1,7,4.5,900000000\n")
    reads = []
    read_own = own_tables.read_own
    monkeypatch.setattr(own_tables, "read_own", lambda *args: reads.append(1) or read_own(*args))
    monkeypatch.chdir(tmp_path)
    assert [len(movierec.read(name).ratings) for name in (path, "r.csv", str(path))] == [1, 1, 1] and len(reads) == 1
    with pytest.raises(ValueError, match="none is .1 ratings off the scale."):
        movierec.read(path, step=1.0)  # another question
    own("r.csv", HEADER + "1,7,4.5,900000000\n2,7,4.5,900000000\n")
    assert len(movierec.read(path).ratings) == 2


# ---- how files are written


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("r.tsv", RATINGS.replace(",", "\t"), "separated by tabs"),
        ("R.CSV", RATINGS, ""),
        ("r.csv", RATINGS.replace(",", ";").replace("3.5", "3,5"), "separated by semicolons.*'3,5' is read as 3.5"),
        ("r.txt", RATINGS.replace(",", "|"), r"separated by bars \(\|\)"),
        ("r.csv", RATINGS.replace(",", ":"), r"separated by colons \(:\)"),
        ("r.dat", RATINGS.replace(",", "::"), r"separated by double colons \(::\)"),
        ("r.dat", RATINGS.removeprefix(HEADER).replace(",", "::"), "no header.*taken for user_id, movie_id, rating"),
        ("u.data", RATINGS.removeprefix(HEADER).replace(",", "\t"), "tabs; it has no header"),
        ("r.csv", RATINGS.replace("\n", "\r"), ""),
        ("r.csv", RATINGS.replace("\n", "\r\n"), ""),
        ("r.csv", "\ufeff" + RATINGS, ""),
        ("r.csv", RATINGS.encode("utf-16"), ""),
        ("r.csv.gz", gzip.compress(RATINGS.encode(), mtime=0), ""),
        ("r.csv", "sep=;\n" + RATINGS.replace(",", ";"), "semicolons"),
        ("r.csv", RATINGS.replace("\n", ",,,\n") + "\n,,,,\n", ""),
        ("r.csv", re.sub(r"(\d+),(\d)", r'"\1","\2"', RATINGS, count=1), ""),
        ("r.csv", HEADER + "1.0,7,4,9e8\n2,8,3.5,900000001\n", ""),
        ("r.csv", HEADER + "1,7,4,900000000\n2,8.0,3.5,900000001.5\n", ""),
        ("r.inter", "user_id:token\titem_id\trating:float\ttimestamp\n1\t7\t4\t9e8\n2\t8\t3.5\t900000001\n", "tabs"),
    ],
)  # fmt: skip
def test_a_file_is_read_however_it_is_written(name, content, said, own):
    """Delimiter, header, line ends, marks, quotes and numbers: the same two ratings each time."""
    path = own(name, content)
    data, lines = read_saying(path) if said else (movierec.read(path), "")
    assert rows(data.ratings) == EXPECTED and re.search(said, lines)


def test_an_encoding_is_found_by_the_whole_file(own):
    """The first accent comes after 20 kB; 0x81 has no meaning in Windows-1252."""
    ratings = own("r.csv", RATINGS)
    for byte, name in [(b"\xe9", "Windows-1252"), (b"\x81", "Latin-1")]:
        text = b"movie_id,title,genres\n" + b"".join(b"%d,Film,\n" % number for number in range(2000))
        data, said = read_saying(ratings, own("m.csv", text + b"2000,Caf" + byte + b",Crime\n"))
        assert f"it is not UTF-8, first in line 2002 (byte 0x{byte.hex()}), so it is read as {name}" in said
        assert data.movies.title.iloc[2000] == "Caf" + byte.decode("latin-1")


def test_a_line_break_in_quotes_is_part_of_a_title_and_lines_are_still_counted(own):
    ratings = own("r.csv", RATINGS)
    text = 'movie_id,title,genres\n7,"One.\nTwo.",Crime\n8,"Three\nfour",Drama\n'
    assert movierec.read(ratings, own("m.csv", text)).movies.title.tolist() == ["One.\nTwo.", "Three\nfour"]
    with pytest.raises(ValueError, match="m.csv, line 6, '9,x': it must have 3 fields, as the header has"):
        movierec.read(ratings, own("m.csv", text + "9,x\n"))


@pytest.mark.parametrize(
    "names, said",
    [
        ("userID,itemId,Rating,TimeStamp", "itemId is taken for movie_id"),
        ("USER_ID,Movie ID,rating,time-stamp", ""),
        (
            "uid,iid,stars,unixReviewTime",
            "uid is taken for user_id; iid is taken for movie_id; stars is taken for rating",
        ),
        ("user,film,score,Watched Date", "user is taken for user_id; film is taken for movie_id; score is taken for"),
        ("u,i,Rating10,date", "date is taken for timestamp"),
        ("reviewerID,asin,overall,ts", "asin is taken for movie_id"),
    ],
)
def test_columns_are_known_by_many_names(names, said, own):
    path = own("r.csv", RATINGS.replace(HEADER.strip(), names))
    data, lines = read_saying(path) if said else (movierec.read(path), "")
    assert rows(data.ratings) == EXPECTED and said in lines


@pytest.mark.parametrize(
    "header, said",
    [
        (
            "user,movie_id2,rating,timestamp",
            "movie_id is missing. It has 'user,movie_id2,rating,timestamp'. Say which one is meant: movierec.read("
            "pandas.read_csv(…).rename(columns={'your name': 'movie_id'})).",
        ),
        ("Title,Watched", "If all rows are of one person: movierec.read(pandas.read_csv(…).assign(user_id='me'))."),
        ("user_id,user_id,movie_id,rating", "one column for user_id; user_id and user_id fit it alike."),
        (
            "user,uid,movie_id,rating",
            "one column for user_id; user and uid fit it alike. Leave all but one out, e.g. tab",
        ),
        ("", "must have rows; it is empty."),
        (
            ",".join(map(str, range(9))),
            "If it has one column for each film: movierec.read(pandas.read_csv(…, header=None)",
        ),
        (
            "A1,B7,purchase,4.0",
            "Name them in order: movierec.read(pandas.read_csv(…, names=['user_id', ",
        ),
        ('{"user": 1}', "it is JSON. Read it with pandas first: movierec.read(pandas.read_json('r.csv', lines=True))"),
        (
            "a\0b",
            "must be text, one row a line; it holds zero bytes. Read it with pandas first: movierec.read(pandas.r",
        ),
    ],
)
def test_a_header_that_does_not_fit(header, said, own):
    with pytest.raises(ValueError, match=re.escape(said)):
        movierec.read(own("r.csv", header + "\n"))


@pytest.mark.parametrize(
    "row, said",
    [
        (",7,4,900000000", "user_id must not be empty; 1 of 10 rows have none, e.g. line "),
        ("1,NaN,4,900000000", "movie_id must not be empty; 1 of 10 rows have none"),
        ("1,7.5,4,900000000", "movie_id must be whole numbers or text; 1 of 10 have a fraction, e.g. ['7.5']"),
        ("1,7,good,900000000", "rating must be a number or empty; 1 of 10 are neither, e.g. ['good']. Correct them"),
        ("1,7,inf,900000000", "rating must be a number or empty; 1 of 10 are neither, e.g. [inf]."),
        ("1,7,4,900000000000", "@timestamp: 1 of 10 are not: milliseconds, e.g. 900000000000 in line "),
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
        where = f"{path}, line {place + 2}, {row!r}: "
        assert said.removeprefix("@timestamp: ") in str(error.value)
        assert said.startswith("@") or str(error.value).startswith(where + said)


def test_what_was_understood_is_said_before_it_is_refused(own):
    path = own(
        "plays.tsv",
        "".join(f"{user}\t{film}\t{film**6}\t{9 * 10**8 + film}\n" for user in range(9) for film in range(9)),
    )
    said = pytest.warns(UserWarning, match="no header, so its columns are taken for user_id, movie_id, rating")
    with said, pytest.raises(ValueError, match="If they count, such as plays, leave the column out"):
        movierec.read(path)


def test_data_frames_are_read_as_files_are():
    ratings = pd.DataFrame({"userId": ["a", "b"], "movieId": [7.0, 8.0], "stars": ["4", "3.5"], "when": "x"})
    ratings["date"] = pd.to_datetime(["2001-09-09 01:46:40", "2006-03-20 00:00:00"])
    movies = pd.DataFrame({"title": ["A", "B"], "genres": [["Crime", "War"], None]}, pd.Index([7, 8], name="movie_id"))
    data, said = read_saying(ratings, movies)
    assert rows(data.ratings) == [("a", 7, 4.0, 1_000_000_000), ("b", 8, 3.5, 1_142_812_800)]
    assert rows(data.movies) == [(7, "A", None, "Crime|War"), (8, "B", None, "")]
    assert said.startswith("`ratings`: stars is taken for rating; date is taken for timestamp.")
    with pytest.raises(ValueError, match="`ratings`, row 1: user_id must not be empty; 1 of 2 rows .*, e.g. row 1"):
        movierec.read(ratings.assign(userId=["a", None]), movies)
    matrix = pd.DataFrame([[5.0, np.nan], [3.0, 4.0]]).rename_axis("user_id")
    data, _ = read_saying(matrix.melt(ignore_index=False, var_name="movie_id", value_name="rating"))  # as advised
    assert rows(data.ratings) == [(0, 0, 5.0, 0), (1, 0, 3.0, 0), (1, 1, 4.0, 0)]


# ---- the other tables


@pytest.mark.parametrize(
    "genres, expected, said",
    [
        ("Crime|Drama", "Crime|Drama", ""),
        ("Crime, Drama", "Crime|Drama", "genres are separated by ','"),
        ("Crime | Drama", "Crime|Drama", ""),
        ("Crime;Drama", "Crime|Drama", "genres are separated by ';'"),
        ("Crime/Drama", "Crime|Drama", "genres are separated by '/'"),
        (json.dumps(["Crime", "Drama"]), "Crime|Drama", ""),
        ("['Crime', 'Drama']", "Crime|Drama", ""),
        ("[Crime, Drama]", "Crime|Drama", ""),
        (json.dumps([{"id": 80, "name": "Crime"}, {"id": 18, "name": "Drama"}]), "Crime|Drama", ""),
        ("[{'id': 80, 'name': 'Crime'}]", "Crime", ""),
        *[(empty, "", "") for empty in ("[]", "N/A", "\\N", "(no genres listed)", "", "nan", "None")],
    ],
)
def test_genres_are_told_apart_however_they_are_written(genres, expected, said, own):
    ratings = own("r.csv", RATINGS)
    quoted = genres.replace('"', '""')
    movies = own("m.csv", f'movie_id,title,genres\n7,A,"{quoted}"\n8,B,War\n')
    data, lines = read_saying(ratings, movies) if said else (movierec.read(ratings, movies), "")
    assert data.movies.genres.tolist() == [expected, "War"] and said in lines


@pytest.mark.parametrize(
    "name, text, said",
    [
        *[
            ("movies", UNCLOSED + rest, "line 3, '7,\"Unclosed (1999),Crime': a double quote opens here")
            for rest in ('11,"Later" one,Drama\n', "", '11,Later",Drama\n')
        ],
        ("movies", "movie_id,title\ntt1,A\n", "none of the ids in ratings, e.g. ['7'], is in movies, e.g. ['tt1']"),
        ("movies", MOVIES + "8,Again,\n", "have one row for each movie_id; 1 of 3 rows repeat one, e.g. [8]. Keep one"),
        (
            "movies",
            "movie_id,title,genres,year\n7,A,,1999.5\n",
            "year must be a whole number or empty; 1 of 1 are neither",
        ),
        ("movies", "movie_id,title,genres\n6,A,\n7,Good, Bad,War\n", "line 3, '7,Good, Bad,War': it must have 3"),
        (
            "users",
            "user_id,age\n1,old\n",
            "line 2, '1,old': age must be a number or empty; 1 of 1 are neither, e.g. ['old']",
        ),
        ("users", "user_id,age\n1,3\n1,4\n", "must have one row for each user_id; 1 of 2 rows repeat one, e.g. [1]."),
        ("tags", "user_id,movie_id,timestamp\n1,7,9\n", "tag is missing."),
    ],
)
def test_the_other_files_are_checked_too(name, text, said, own):
    ratings = own("r.csv", HEADER + "1,7,4,900000000\n")
    with pytest.raises(ValueError, match=re.escape(said)):
        movierec.read(ratings, **{name: own("other.csv", text)})


def test_what_is_no_table(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"`ratings` must be the path of a CSV file; .*nix\.csv is not there"):
        movierec.read("nix.csv")
    path = own("r.csv", HEADER)
    with pytest.raises(FileNotFoundError, match=r"`movies` must be .* is a folder\."):
        movierec.read(path, tmp_path)
    with pytest.raises(ValueError, match=r"none is \(it has no rows\)"):
        movierec.read(path)
    with pytest.raises(ValueError, match="`ratings` must be the path of a file or a DataFrame, got list"):
        movierec.read([1, 2])
