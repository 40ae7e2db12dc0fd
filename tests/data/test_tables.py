"""`movierec.data.tables`: types that suffice, years from titles, and the way into plain columns and back."""

import numpy as np
import pandas as pd
import pytest

from movierec.data.tables import MovieLens, as_columns, fits_int32, from_columns, movie_table


@pytest.mark.parametrize(
    "values, fits",
    [([], True), ([0, 2**31 - 1, -(2**31)], True), ([2**31], False), ([-(2**31) - 1], False), ([2**62, 0], False)],
)
def test_an_id_takes_32_bits_if_all_do(values, fits):
    assert fits_int32(np.array(values, np.int64)) is fits


@pytest.mark.parametrize(
    "title, year",
    [
        ("Heat (1995)", 1995),
        ("Fawlty Towers (1975-1979)", 1975),
        ("Doctor Who (1963–)", 1963),
        ("Land Before Time III (1995) (V)", 1995),
        ("2001: A Space Odyssey", None),
        ("1984 (Nineteen) (1984)", 1984),
        ("Twice (1950) (1999)", 1999),
        ("Five (19955)", None),
        ("", None),
    ],
)
def test_the_year_is_the_last_in_parentheses(title, year):
    table = movie_table(pd.Series([1]), pd.Series([title], dtype="str"), pd.Series([""], dtype="str"))
    assert table.year.dtype == "Int64" and (pd.isna(table.year[0]) if year is None else table.year[0] == year)


def test_tables_become_columns_and_tables_again(tiny):
    columns = as_columns(tiny)
    assert list(columns)[:5] == ["ratings.user_id", "ratings.movie_id", "ratings.rating", "ratings.timestamp"] + [
        "movies.movie_id"
    ]
    assert columns["movies.genres"] == ["Animation|Comedy", "Animation", "Crime", "Crime", ""]
    assert columns["movies.year"][:4].tolist() == [1995, 1992, 1996, 1995] and columns["movies.year"].dtype == "int64"
    again = from_columns(columns)
    assert again.tags is None
    for one, other in zip(tiny[:3], again[:3], strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert np.shares_memory(again.ratings["rating"].to_numpy(), columns["ratings.rating"])
    assert isinstance(again, MovieLens)
