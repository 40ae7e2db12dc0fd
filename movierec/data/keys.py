"""Two columns of whole numbers in, one out that sorts as they do: what a user did, and when, without a table of pairs.

Twenty million pairs sort in a second as one column of int64; as two columns, or in a hash table, they take ten.
Taught in notebooks/02_preprocessing.
"""

import numpy as np

LARGEST = np.iinfo(np.int64).max


def pair_key(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """One number a row that sorts as (first, second) do, and is equal only where both are: int64 `[N]`.

    key = (first − min first) · (max second − min second + 1) + second − min second

    None where there is no such number: where a column is empty, is not of whole numbers, or both span more than 63
    bits together.

    Args:
        first, second: `[N]`, integers, or floats without a fraction; a NaN among floats sorts as the largest.
    """
    first, second = _whole(first), _whole(second)
    if first is None or second is None:
        return None
    low, other_low = int(first.min()), int(second.min())
    rows, columns = int(first.max()) - low + 1, int(second.max()) - other_low + 1
    if rows * columns > LARGEST or max(abs(low), abs(other_low)) + rows + columns > LARGEST:
        return None
    key = first.astype(np.int64)  # before the product: that of two int32 would not fit
    key -= low
    key *= columns
    key += second.astype(np.int64, copy=False)
    key -= other_low
    return key


def each_pair_once(tables, pair: tuple[str, str] = ("user_id", "movie_id")) -> bool | None:
    """Whether no pair is there twice, in one of the `tables` or in two of them; None if `pair_key` has no number."""
    columns = [np.concatenate([table[column].to_numpy() for table in tables]) for column in pair]
    key = pair_key(*columns)
    if key is None:
        return None
    del columns
    key.sort()
    return not (key[1:] == key[:-1]).any()


def order_by_user_and_time(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The rows by user, and each user's by time: int64 `[N]`; ties as they stand, NaN last. As `numpy.lexsort` orders.

    Rows that are in order already, as most files of ratings are nearly, cost one look.
    """
    key = pair_key(user, time)
    if key is None:
        return np.lexsort((time, user))
    if (key[1:] >= key[:-1]).all():
        return np.arange(len(key))
    return np.argsort(key, kind="stable")


def _whole(values) -> np.ndarray | None:
    """The integers of a column, a NaN one above the largest; None if there are others."""
    values = np.asarray(values)
    if not len(values) or values.dtype.kind not in "iuf":
        return None
    if values.dtype.kind != "f":
        return values
    missing = np.isnan(values)
    if missing.all() or not np.isfinite(values[~missing]).all():
        return None
    values = np.where(missing, np.nanmax(values) + 1, values)
    exact = (values == np.floor(values)).all() and abs(values).max() < 2**53  # from there on + 1 may change nothing
    return values.astype(np.int64) if exact else None
