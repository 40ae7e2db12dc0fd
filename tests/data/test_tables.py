"""`movierec.data.tables`: types that suffice, the line that does not fit, and years from titles."""

import io

import numpy as np
import pandas as pd
import pytest

from movierec.data import tables
from movierec.data.tables import Table, find_fault, movie_table, read_rows

RATINGS = Table("r.csv", {"user_id": "int64", "skip 1": "skip", "stars": "float32", "seconds": "int64"}, header=1)


def write(path, lines):
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [(2**31 - 1, "int32"), (2**31, "int64"), (-(2**31), "int32"), (-(2**31) - 1, "int64"), (None, "int32")],
)
def test_rows_are_in_the_order_of_the_file_and_ids_take_what_they_need(largest, dtype, tmp_path):
    lines = [] if largest is None else [(1, "x", 0.5, 2**40), (largest, "x", 1.5, 5), (2, "x", 3, 0)]
    table = read_rows(write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines]), RATINGS)
    assert list(table) == ["user_id", "stars", "seconds"]
    assert table.dtypes.astype(str).tolist() == [dtype, "float32", "int64"]
    assert list(table.itertuples(index=False, name=None)) == [(u, s, t) for u, _, s, t in lines]
    assert table.index.equals(pd.RangeIndex(len(lines)))


def test_text_with_empty_lines_and_quotes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('1,"a, b"\n\n2,NA\n3,"say ""x"""\n\n4,null\n5,é\n', encoding="utf-8")
    found = read_rows(path, Table("t.csv", {"movie_id": "int64", "title": "str"}))
    assert found.to_numpy().tolist() == [[1, "a, b"], [2, "NA"], [3, 'say "x"'], [4, "null"], [5, "é"]]


@pytest.mark.parametrize("text", ["", "1::2::3\n", "a:b::c:::d\n::::\n:", "::", "1::a: :b::"])
def test_two_colons_are_one_separator_wherever_the_pieces_end(text):
    for size in (1, 2, 3, 100):
        stream = tables._OneCharacter(io.StringIO(text))
        pieces = iter(lambda stream=stream, size=size: stream.read(size), "")
        assert "".join(pieces) == text.replace("::", "\x1f")


def test_a_first_row_that_is_too_long_is_found_even_if_its_ids_look_like_an_index(tmp_path):
    """pandas takes the first of three fields for an index: 0, 1, 2 are those of a table that has none."""
    table = Table("r.csv", {"user_id": "int64", "movie_id": "int64"})
    with pytest.raises(ValueError, match="its first line does not fit"):
        read_rows(write(tmp_path / "r.csv", [(0, 5, 6), (1, 5, 6), (2, 5, 6)]), table)


@pytest.mark.parametrize("place", [0, 8])
def test_the_faulty_line_is_found(place, tmp_path):
    lines = [[number, "x", 1.5, 3] for number in range(9)]
    lines[place][3] = "late"
    path = write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines])
    with pytest.raises(ValueError):
        read_rows(path, RATINGS)
    assert find_fault(path, RATINGS) == (place + 2, f"{place},x,1.5,late")


def test_the_year_is_the_last_in_parentheses():
    years = {
        "Heat (1995)": 1995,
        "Fawlty Towers (1975-1979)": 1975,
        "Doctor Who (1963–)": 1963,
        "Land Before Time III (1995) (V)": 1995,
        "Twice (1950) (1999)": 1999,
        "2001: A Space Odyssey": None,
        "Five (19955)": None,
        "": None,
    }
    year = movie_table(np.arange(8), pd.Series(list(years), dtype="str"), pd.Series([""] * 8)).year
    assert year.dtype == "Int64" and [None if pd.isna(found) else found for found in year] == list(years.values())
