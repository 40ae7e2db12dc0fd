"""`movierec.data.tables`: types that suffice, the line that does not fit, and years from titles."""

import numpy as np
import pandas as pd
import pytest

from movierec.data.tables import FaultyLine, Table, movie_table, read_rows

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


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        (
            '1,"a, b"\n\n2,NA\n3,"say ""x"""\n\n4,null\n5,"é\nè"\n',
            ",",
            [[1, "a, b"], [2, "NA"], [3, 'say "x"'], [4, "null"], [5, "é\nè"]],
        ),
        ("1::a:b\n2:::c\n3::\n", "::", [[1, "a:b"], [2, ":c"], [3, ""]]),
        ('1|"a" b\n2|"c\n', "|", [[1, '"a" b'], [2, '"c']]),
    ],
)
def test_text_with_empty_lines_quotes_line_breaks_and_colons(text, separator, expected, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    found = read_rows(path, Table("t.csv", {"movie_id": "int64", "title": "str"}, separator))
    assert found.to_numpy().tolist() == expected


@pytest.mark.parametrize("faulty", [[0, "x", 1.5, "late"], [0, "x", 1.5], [0, "x", 1.5, 3, 4], [0, "x", "", 3]])
@pytest.mark.parametrize("place", [0, 8])
def test_the_faulty_line_is_found(place, faulty, tmp_path):
    """pandas would take the first of five fields for an index, and fill up a line that is too short."""
    lines = [[number, "x", 1.5, 3] for number in range(9)]
    lines[place] = faulty
    with pytest.raises(FaultyLine) as error:
        read_rows(write(tmp_path / "r.csv", [("u", "n", "s", "t"), *lines]), RATINGS)
    assert (error.value.number, error.value.text) == (place + 2, ",".join(map(str, faulty)))


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
