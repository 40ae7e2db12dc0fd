"""Tables that a benchmark records, of which a shorter run replaces some rows; the others stay as recorded."""

import math

import pandas as pd

from movierec.data import COURSE, chosen
from movierec.record import Recorder, keep, recorded


def merged(name: str, fresh: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the recorded table with the fresh rows in the place of those with the same keys, new ones at its end."""
    try:
        old = recorded(name)
    except FileNotFoundError:
        return fresh
    both = pd.concat([old[[column for column in fresh if column in old]], fresh], ignore_index=True)
    first_place = both.groupby(keys, sort=False).ngroup()
    newest = both.assign(place=first_place).drop_duplicates(keys, keep="last")
    return newest.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def write(
    owner: str, name: str, table: pd.DataFrame, data=None, tolerance: dict | None = None, best: dict | None = None
) -> None:
    """Record a table of a script of this folder, and keep it if it is of the course's data; missing cells become "--".

    Args:
        owner: the script's file name.
        data: what the table is about; None for made data.
        tolerance: of columns; None: its numbers are never compared, as only this script makes them.
        best: column -> the first cells of the rows that lead in it, see `Recorder.table`.
    """
    numbers = [column for column, values in table.items() if values.dtype.kind in "fi"]
    table = table.astype(object).where(table.notna(), "--")
    tolerance = dict.fromkeys(numbers, math.inf) if tolerance is None else tolerance
    Recorder(f"tests/benchmarks/{owner}", data).table(name, table, tolerance=tolerance, best=best)
    if chosen() == COURSE:
        keep(name)
