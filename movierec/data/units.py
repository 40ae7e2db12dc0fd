"""What a column of numbers means: the unit of times, and whether a table knows times at all.

Your own tables say neither. Taught in data/README.md, "Your own tables".
"""

from __future__ import annotations

import numbers
import re
import sys
import time
import warnings

import numpy as np
import pandas as pd

INSIDE = {"movierec", "contextlib", "functools", "pandas"}  # whose lines a warning does not name
SECONDS_PER_YEAR = 31_622_400
FIRST = 10**8  # 1973-03-03: smaller numbers are an order of events, 0, 1, 2, …, and no dates
A_LATE_DAY = 1_780_000_000  # 2026-05-28: the clock of a computer may be slow
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
KINDS = ["before 1970, or more than a year from now, in any unit", "small numbers", *UNITS]
EMPTY = ("", "nan", "nat", "none", "null", "<na>", "n/a", "na", "\\n")  # in lower case
DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # 20060320225535
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)(.*)", re.DOTALL)
YEAR_THIRD = re.compile(r"(\d{1,2})[-/. ](\d{1,2})(?:[-/.]|, ?| )(\d{4})(?!\d)(.*)", re.DOTALL)
MONTH = re.compile(r"(?=.*\d{4}).*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE | re.DOTALL)
CONVERT = 'ratings["timestamp"] = pandas.to_datetime(ratings["timestamp"], {}).'


def say(message: str) -> None:
    """Warn of what was understood or changed, at the line outside this package that called it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


# ---- times


def has_time(ratings: pd.DataFrame) -> bool:
    """Return whether a table knows when: it has a column of times, and they are not all the same."""
    return "timestamp" in ratings and bool(ratings["timestamp"].min() < ratings["timestamp"].max())


def is_seconds(column: pd.Series) -> bool:
    """Return whether all are numbers: seconds from 1973 to a year from now, or all below 1e8, the order of events."""
    if column.dtype.kind not in "iuf" or not len(column) or column.hasnans:
        return False
    low, high = column.min(), column.max()
    return bool((low > -FIRST and high < FIRST) or (low >= FIRST and high <= _newest()))


def seconds(column: pd.Series, name: str = "timestamp", row: str = "row", is_part: bool = False) -> pd.Series:
    """Return Unix seconds, int64, of times in any unit; 0 everywhere if all are empty.

    Numbers below 1e8 are the order of events. From there to a year from now they are seconds; times 1e3, 1e6 or 1e9
    they are milliseconds, microseconds or nanoseconds. 20060320 and 20060320225535 are dates. Datetimes, dates and
    texts are UTC unless they name another zone; 20.3.2006 is read if all texts together show which number is the day.
    A unit that was recognised is said in one line.

    Args:
        column: numbers, datetimes, dates, or text.
        name: what messages call it; row: what they call a label of its index, such as "line".
        is_part: whether there are more rows elsewhere: 1998, 1999 may well be an order of events, and 0 a made time.

    Raises:
        ValueError: A time is missing while others are there, cannot be read, is of another unit than most, or is not
            from 1970 to a year from now; or all may be years, or the days of a spreadsheet.
    """
    numbers, dates = column, None
    if column.dtype.kind == "M":
        dates = column
    elif column.dtype.kind not in "iuf":
        text = column.astype(object).map(str).str.strip()
        text = text.mask(text.str.lower().isin(EMPTY))
        numbers = pd.to_numeric(text, errors="coerce").astype(float)
        if not numbers.notna().equals(text.notna()):
            dates = _of_texts(text, name, row)
    if dates is None and (dates := _of_digits(numbers)) is not None:
        say(f"{name} is read as dates in digits: {_plain(numbers.iloc[0])} is {dates.iloc[0]}.")
    if dates is not None:
        naive = dates if dates.dt.tz is None else dates.dt.tz_convert(None)
        numbers = pd.Series(naive.to_numpy("datetime64[s]").astype(np.int64), column.index).mask(dates.isna())
    missing = np.flatnonzero(numbers.isna())
    if 0 < len(missing) < len(column):
        raise ValueError(
            f"every {name} must be there, or none; {len(missing):,} of {len(column):,} are missing, e.g. in {row} "
            f"{', '.join(str(column.index[at]) for at in missing[:3])}. Leave these ratings out: "
            'ratings.dropna(subset="timestamp"), or leave out all times: ratings.drop(columns="timestamp").'
        )
    if len(missing):
        return pd.Series(0, column.index, "int64")
    if dates is not None:
        return _in_one_unit(numbers, column, {"seconds": 1}, name, row, is_part)
    if not is_part:
        _refuse_calendar(numbers, name)
    return _in_one_unit(numbers, numbers, UNITS, name, row, is_part)


def _newest() -> float:
    return max(time.time(), A_LATE_DAY) + SECONDS_PER_YEAR


def _in_one_unit(
    numbers: pd.Series, shown: pd.Series, units: dict[str, int], name: str, row: str, is_part: bool
) -> pd.Series:
    """Return seconds, int64, of numbers of which none is missing; messages show the times as they were given."""
    if is_seconds(numbers) or not len(numbers):
        return numbers.astype("int64")
    values = numbers.to_numpy(float)
    kind = np.zeros(len(values), np.int8)  # a place in KINDS
    kind[np.abs(values) < FIRST] = 1
    for place, factor in enumerate(units.values(), 2):
        kind[(values >= FIRST * factor) & (values <= _newest() * factor)] = place
    has_both = (kind == 1).any() and (kind == 2).any()
    if has_both and (is_part or values[kind == 2].min() < 2 * values[kind == 1].max()):
        kind[kind == 1] = 2  # made times that begin at 0, without a gap
    most = np.bincount(kind, minlength=len(KINDS))[1:].argmax() + 1
    strays = np.flatnonzero(kind != most)
    factor = UNITS.get(KINDS[most], 1)
    if not len(strays):
        if factor > 1:
            first = pd.Timestamp(int(values[0] // factor), unit="s")
            say(f"{name} is in {KINDS[most]}: {_plain(shown.iloc[0])} is read as {first} UTC.")
        return numbers.astype("int64") // factor
    found = " and ".join(KINDS[place] for place in np.unique(kind[strays]))
    others = shown[kind == most]
    contrast = f" The others are {KINDS[most]}, e.g. {_plain(others.iloc[0])}." if len(others) else ""
    raise ValueError(
        f"every {name} must be a time of one unit; {len(strays):,} of {len(values):,} are not: {found}, e.g. "
        f"{_examples(shown, strays, row)}.{contrast} Correct them, or leave these rows out: "
        f"ratings.drop(ratings.index[{strays[:3].tolist()}])."
    )


def _refuse_calendar(column: pd.Series, name: str) -> None:
    """Raise ValueError where all numbers could be years or the days of a spreadsheet."""
    low, high = column.min(), column.max()
    if low < high and low >= 1900 and high <= 2100 and (column % 1 == 0).all():
        what, way = "years", 'format="%Y"'
    elif low < high and low > 25_569 and high < 60_000:
        what, way = "the days of a spreadsheet", 'unit="D", origin="1899-12-30"'
    else:
        return
    raise ValueError(
        f"every {name} must be seconds since 1970-01-01; {_plain(low)} to {_plain(high)} look like {what}. Convert "
        f"them first: {CONVERT.format(way)}"
    )


def _of_digits(column: pd.Series) -> pd.Series | None:
    """Return datetimes of 20060320, 200603202255 or 20060320225535; None unless all numbers are such."""
    for digits, form in DIGITS.items():
        year = 10 ** (digits - 4)
        if column.min() >= 1970 * year and column.max() < 2100 * year:
            dates = pd.to_datetime(column.astype("int64").astype(str), format=form, errors="coerce")
            return dates if dates.notna().all() else None
    return None


def _of_texts(text: pd.Series, name: str, row: str) -> pd.Series:
    """Return datetimes of texts; the missing ones are NaT."""
    there = text.dropna()
    parts = there.str.extract(YEAR_THIRD).dropna()
    if len(parts):
        first, second = (pd.to_numeric(parts[place]).max() for place in (0, 1))
        example = there[parts.index].iloc[0]
        if (first > 12) == (second > 12):
            raise ValueError(
                f"every {name} must be a date that can be read in one way; of {len(parts):,}, e.g. {example!r}, the "
                f"first or the second number may be the day. Say which: " + CONVERT.format('format="%d/%m/%Y"')
            )
        day, month = (0, 1) if first > 12 else (1, 0)
        say(f"{name} is read as {'day, month' if day == 0 else 'month, day'}, year, e.g. {example!r}.")
        there[parts.index] = parts[2] + "-" + parts[month] + "-" + parts[day] + parts[3]
    there = there.str.replace(YEAR_FIRST, r"\1-\2-\3\4", regex=True)
    there = there[there.str.match(YEAR_FIRST) | there.str.match(MONTH)]
    dates = pd.to_datetime(there, format="ISO8601", utc=True, errors="coerce")
    rest = there[dates.isna()]
    dates = dates.fillna(pd.to_datetime(rest, format="mixed", utc=True, errors="coerce")).reindex(text.index)
    bad = np.flatnonzero(text.notna() & dates.isna())
    if len(bad):
        raise ValueError(
            f"every {name} must be seconds since 1970-01-01, or a date such as 2006-03-20 22:55:35; {len(bad):,} of "
            f"{len(text):,} cannot be read, e.g. {_examples(text, bad, row)}. Say how they are written: "
            + CONVERT.format('format="%d/%m/%Y %H:%M"')
        )
    return dates


def _examples(column: pd.Series, rows: np.ndarray, row: str) -> str:
    return ", ".join(f"{_plain(column.iloc[at])} in {row} {column.index[at]}" for at in rows[:3])


def _plain(value) -> str:
    return np.format_float_positional(value, trim="-") if isinstance(value, numbers.Real) else str(value)
