"""`movierec.data.rows`: chunks make the table that one reading makes, and the line that does not fit is found."""

import io

import numpy as np
import pandas as pd
import pytest

from movierec.data import rows
from movierec.data.rows import Fault, Table, Unreadable, find_fault, read_rows

RATINGS = Table("r.csv", {"user_id": "int64", "skip 1": "skip", "stars": "float32", "seconds": "int64"}, header=1)
TEXT = Table("t.csv", {"movie_id": "int64", "title": "str"})


@pytest.fixture(autouse=True)
def of_three_rows(monkeypatch):
    monkeypatch.setattr(rows, "ROWS", 3)


def write(path, lines, separator=","):
    path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("count", [0, 1, 3, 7])
@pytest.mark.parametrize("largest", [2**31 - 1, 2**31, -(2**31), -(2**31) - 1])
def test_chunks_are_one_table_and_ids_take_what_they_need(count, largest, tmp_path):
    ids = [*range(1, count), largest][-count or count :] if count else []
    lines = [(number, "x", 0.5 * place, 2**40 + place) for place, number in enumerate(ids)]
    table = read_rows(write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines]), RATINGS)
    narrow = count == 0 or -(2**31) <= largest < 2**31
    assert table.dtypes.astype(str).to_dict() == {
        "user_id": "int32" if narrow else "int64",
        "stars": "float32",
        "seconds": "int64",
    }
    assert list(table.itertuples(index=False, name=None)) == [(u, s, t) for u, _, s, t in lines]
    assert table.index.equals(pd.RangeIndex(count))


def test_text_of_many_chunks_with_empty_lines_and_quotes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('1,"a, b"\n\n2,NA\n3,"say ""x"""\n\n4,null\n5,é\n', encoding="utf-8")
    table = read_rows(path, TEXT)
    assert list(table.itertuples(index=False, name=None)) == [
        (1, "a, b"),
        (2, "NA"),
        (3, 'say "x"'),
        (4, "null"),
        (5, "é"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("text", ["", "1::2::3\n", "a:b::c:::d\n::::\n:", "::", "1::a: :b::"])
def test_two_colons_are_one_separator_wherever_the_pieces_end(text, size):
    class Slow(io.BytesIO):
        def read(self, _=-1):
            return super().read(size)

    stream = io.BufferedReader(rows._OneCharacter(Slow(text.encode())))
    assert stream.read() == text.encode().replace(b"::", b"\x1f")


def test_a_first_row_that_is_too_long_is_found_even_if_its_ids_look_like_an_index(tmp_path):
    """pandas takes the first of five fields for an index: 0, 1, 2 are those of a table that has none."""
    table = Table("r.csv", {"user_id": "int64", "movie_id": "int64"})
    path = write(tmp_path / "r.csv", [(0, 5, 6), (1, 5, 6), (2, 5, 6)])
    with pytest.raises(Unreadable) as error:
        read_rows(path, table)
    assert error.value.fault == Fault(1, "0,5,6", None, None)


@pytest.mark.parametrize("place", [0, 2, 3, 8])
def test_the_fault_is_found_in_whatever_chunk(place, tmp_path):
    lines = [[number, "x", 1.5, 3] for number in range(9)]
    lines[place][3] = "late"
    path = write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines])
    expected = Fault(place + 2, f"{place},x,1.5,late", "seconds", "late")
    with pytest.raises(Unreadable) as error:
        read_rows(path, RATINGS)
    assert error.value.fault == expected == find_fault(path, RATINGS)
    assert find_fault(path, RATINGS, skip=place + 1) is None
    assert find_fault(path, RATINGS, most=place) is None and find_fault(path, RATINGS, most=place + 1) == expected


def test_a_growing_column_widens_without_loss():
    column = rows._Growing("int64", is_id=True)
    parts = [np.array(part, np.int64) for part in ([1, 2], [], [2**31], [-5])]
    for part in parts:
        column.append(part)
    assert column.values.tolist() == [1, 2, 2**31, -5] and column.values.dtype == np.int64
