"""Ids as published in, row numbers out: `user_id`, `movie_id` -> `user_index`, `movie_index`, from 0.

An id is a whole number or a text such as "U1" or "007"; one column has one kind. Taught in notebooks/02_preprocessing.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from movierec.calls import as_table
from movierec.data.units import say

PAIR = ["user_id", "movie_id"]
UNKNOWN = -1  # the index of an id that is not known
LARGEST_EXACT = 2**53  # above, a float no longer holds every whole number

# ---- columns of ids


def is_text(ids) -> bool:
    """Return whether a column or an array of checked ids is text; else its ids are whole numbers."""
    return ids.dtype.kind not in "iu"


def published_ids(column: pd.Series, table: str) -> pd.Series:
    """Return a column of ids as whole numbers or as text, dtype "str"; the same object if it is so already.

    Whole numbers in another form (1.0, unsigned, nullable, Python's own, categories) become int64; spaces around a text
    are dropped. A warning says so where values look different afterwards.

    Args:
        column: Its name is the id's; `table` is what errors call the table.

    Raises:
        ValueError: An id is missing or empty, has a fraction, does not fit into int64 or lost digits as a float; or
            the column has numbers and text.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "i":
        return column
    name, where = column.name, f"{column.name} in `{table}`"

    def refuse(wrong, must: str, advice: str) -> None:
        if wrong.any():
            found = f"{wrong.sum():,} of {len(wrong):,} are not, e.g. {column[wrong].head(3).tolist()}"
            raise ValueError(f"every {where} must {must}; {found}. {advice}")

    values = column.astype(column.cat.categories.dtype) if isinstance(column.dtype, pd.CategoricalDtype) else column
    values = values.infer_objects()
    as_text = f'{table}["{name}"] = {table}["{name}"].astype(str)'
    advice = f'Name them, or leave these rows out: {table}.dropna(subset="{name}").'
    refuse(column.isna().to_numpy(), "be given (a number or a text)", advice)
    if values.dtype.kind in "iu":
        refuse((values > 2**63 - 1).to_numpy(bool), "be below 2⁶³", f"As text every id works: {as_text}.")
        return values.astype("int64")
    if values.dtype.kind == "f":
        number = values.to_numpy(float)
        whole = (number == np.round(number)) & (abs(number) <= LARGEST_EXACT)
        refuse(~whole, "be a whole number, at most 2⁵³ as a float", "Read the column as integers or as text.")
        say(f"{where} has floats that are whole numbers: {number[0]} is understood as {number[0]:.0f}.")
        return values.astype("int64")
    if not pd.api.types.is_string_dtype(values):
        kinds = [type(value) for value in values]
        usual = Counter(kinds).most_common(1)[0][0] if len(set(kinds)) > 1 else None
        wrong = np.array([kind is not usual for kind in kinds])
        refuse(wrong, "be a whole number below 2⁶³ or a text, all of one kind", f"Make all of them text: {as_text}.")
    values = values.astype("str")
    bare = values.str.strip()
    refuse((bare == "").to_numpy(), "hold more than spaces", f"Name them, or leave these rows out of `{table}`.")
    if spaced := int((bare != values).sum()):
        say(f"{spaced:,} of {len(values):,} {where} had spaces around them, which were dropped.")
        return bare
    return column if column.dtype == values.dtype else values


def check_same_kind(column: pd.Series, table: str, ids, other: str) -> None:
    """Raise ValueError unless the ids in the column of `table` and those of `other` are both numbers or both text."""
    if len(column) and len(ids) and is_text(column) != is_text(ids):
        kinds = [f"{'text' if is_text(one) else 'whole numbers'}, e.g. {_first(one)!r}," for one in (column, ids)]
        raise ValueError(
            f"{column.name} must be of one kind in all tables; it is {kinds[0]} in `{table}`, but {kinds[1]} in "
            f'{other}. Make both text, {table}["{column.name}"].astype(str), or both numbers, .astype("int64").'
        )


def check_one_row_each(ids: pd.Series, table: str) -> None:
    """Raise ValueError if an id is in a table twice; `table` is what errors call it."""
    twice = ids[ids.duplicated()]
    if len(twice):
        name = table.strip("`") if table.startswith("`") else "table"
        raise ValueError(
            f"{table} must have one row for each {ids.name}; {len(twice):,} of {len(ids):,} rows repeat one, e.g. "
            f'{twice.head(3).tolist()}. Keep one of them: {name}.drop_duplicates("{ids.name}").'
        )


def check_tables(ratings: pd.DataFrame, **tables: pd.DataFrame | None) -> None:
    """Raise ValueError unless the ids of each table, {name: table}, are of the kind that `ratings` has."""
    for name, table in tables.items():
        for key in PAIR:
            if table is not None and key in table:
                ids = published_ids(ratings[key], "ratings")
                check_same_kind(published_ids(table[key], name), name, ids, "`ratings`")


def _first(ids):
    return np.asarray(ids[:1]).tolist()[0]


@dataclass(frozen=True, repr=False)
class Indices:
    """The order of users and movies in every table of embeddings and every matrix of scores."""

    user_ids: np.ndarray  # int64 or str [num_users], ascending; the user with index i is user_ids[i]
    movie_ids: np.ndarray  # int64 or str [num_movies], ascending

    def __repr__(self) -> str:
        return f"Indices({self.num_users:,} users, {self.num_movies:,} movies)"

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_movies(self) -> int:
        return len(self.movie_ids)

    def user_index(self, user_id) -> np.ndarray:
        """Return int32, the shape of `user_id`; UNKNOWN (-1) where the user is not known."""
        return _positions(self._users, user_id, "user_id")

    def movie_index(self, movie_id) -> np.ndarray:
        """Return int32, the shape of `movie_id`; UNKNOWN (-1) where the movie is not known."""
        return _positions(self._movies, movie_id, "movie_id")

    @cached_property
    def _users(self) -> pd.Index:
        return pd.Index(self.user_ids)

    @cached_property
    def _movies(self) -> pd.Index:
        return pd.Index(self.movie_ids)


def make_indices(train: pd.DataFrame, movies: pd.DataFrame | None = None) -> Indices:
    """Return the indices of the users in `train` and of the movies in `train` or in the table `movies`.

    A movie that nobody rated in train still has an index: it can be recommended by what is known about it.
    """
    user_ids, movie_ids = (published_ids(train[name], "train") for name in PAIR)
    columns = [movie_ids]
    if movies is not None:
        columns.append(published_ids(as_table(movies, "movies", "movie_id")["movie_id"], "movies"))
        check_same_kind(columns[1], "movies", movie_ids, "train")
    return Indices(_once([user_ids]), _once(columns))


def _once(columns: list[pd.Series]) -> np.ndarray:
    ids = np.concatenate([np.asarray(column.unique()) for column in columns])
    return np.unique(ids.astype(str if is_text(columns[0]) else np.int64))


def _positions(known: pd.Index, ids, name: str) -> np.ndarray:
    ids = np.asarray(ids) if hasattr(ids, "dtype") else np.asarray(ids, object)  # NumPy would make 1, "U1" all text
    flat = ids.ravel()
    kind = pd.api.types.infer_dtype(flat, skipna=False)
    if kind in ("floating", "mixed-integer-float"):
        number = flat.astype(float)
        kind = "integer" if ((number == np.round(number)) & (abs(number) <= LARGEST_EXACT)).all() else kind
    wanted = "string" if is_text(known) else "integer"
    if flat.size and kind != wanted:
        text = "text" if is_text(known) else "a whole number"
        raise ValueError(
            f"{name} is {text} here, e.g. {_first(known)!r}; got {flat[:3].tolist()}. {_meant(known, flat)}"
        )
    if wanted == "integer" and flat.dtype.kind in "Of":
        with suppress(OverflowError):  # past 2⁶³ an id is not known
            flat = flat.astype(np.int64)
    found = known.get_indexer(flat)  # UNKNOWN where an id is missing
    return found.astype(np.int32).reshape(ids.shape)


def _meant(known: pd.Index, ids: np.ndarray) -> str:
    """Return "Write ['7']." if the ids, or the first of them, are known in the other kind."""
    with suppress(ValueError, TypeError):
        meant = [str(one) if is_text(known) else int(str(one)) for one in ids[:3].tolist()]
        if set(meant) <= set(known):
            return f"Write {meant if len(meant) > 1 else repr(meant[0])}."
    return "Ask with the ids as in the table of ratings."


def order_by_user_and_time(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the rows by user, and each user's by time: int64 `[N]`; ties as they stand, NaN last.

    Whole numbers are sorted as one, see `_as_one`: this is three times as fast as by two columns, and fifty times where
    they are in order already. Text counts by its place in the alphabet.
    """
    columns = [pd.factorize(values, sort=True)[0] if values.dtype.kind in "OU" else values for values in (user, time)]
    one = _as_one(*columns)
    return np.lexsort(columns[::-1]) if one is None else np.argsort(one, kind="stable")


def is_one_rated_twice(*tables: pd.DataFrame) -> bool:
    """Return whether a user's rating of a movie is there twice, in one table or in two."""
    one = _as_one(*(np.concatenate([table[name].to_numpy() for table in tables]) for name in PAIR))
    if one is None:
        return bool(pd.concat([table[PAIR] for table in tables]).duplicated().any())
    one.sort()  # a third of the memory of `duplicated`, which hashes
    return bool((one[1:] == one[:-1]).any())


def _as_one(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Return first · (max second − min second + 1) + second, both from 0, int64 `[N]`; None unless it fits in 63 bits.

    It has the order of the pairs, and is the same where both are.
    """
    if not len(first) or not all(values.dtype.kind == "i" for values in (first, second)):
        return None
    least = int(first.min()), int(second.min())
    width = int(second.max()) - least[1] + 1
    if (int(first.max()) - least[0] + 1) * width >= 2**63:
        return None
    one = first.astype(np.int64)
    one -= least[0]
    one *= width
    one += second
    one -= least[1]
    return one
