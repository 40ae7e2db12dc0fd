"""What a column of numbers means: the unit of times, and whether a table knows times at all.

Your own tables say neither. Taught in data/README.md, "Your own tables".
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

SECONDS_PER_YEAR = 31_622_400
FIRST = 10**8  # 1973-03-03: smaller numbers are an order of events, 0, 1, 2, …, and no dates
A_LATE_DAY = 1_780_000_000  # 2026-05-28: the clock of a computer may be slow
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
KINDS = ["before 1970, or more than a year from now, in any unit", "small numbers", *UNITS]
EMPTY = {"", "nan", "nat", "none", "null", "<na>", "n/a", "na", "\\n"}  # in lower case
DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # 20060320225535
YEAR_FIRST = re.compile(r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)(.*)", re.DOTALL)
YEAR_THIRD = re.compile(r"\s*(\d{1,2})[-/. ](\d{1,2})(?:[-/.]|, ?| )(\d{4})(?!\d)(.*)", re.DOTALL)
MONTH = re.compile(r"(?=.*\d{4}).*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE | re.DOTALL)
PACKAGE = str(Path(__file__).parents[1])


def say(message: str) -> None:
    """Warn in one line, as if the caller of this package had been the one to warn."""
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def has_time(ratings: pd.DataFrame) -> bool:
    """Return whether a table knows when: it has a column of times, and they are not all the same."""
    return "timestamp" in ratings and bool(ratings["timestamp"].min() < ratings["timestamp"].max())


def seconds(column: pd.Series, name: str = "timestamp", row: str = "row", is_part: bool = False) -> pd.Series:
    """Return Unix seconds, int64, of times in any unit; 0 everywhere if all are empty.

    Numbers below 1e8 are the order of events. From there to a year from now they are seconds, and a thousand, a million
    or a thousand million times as much are milliseconds, microseconds and nanoseconds. 20060320 and 20060320225535 are
    a date. Datetimes, dates and texts are read as UTC unless they name another zone; 20.3.2006 is read if all texts
    together show which number is the day. What was not seconds is said in one line.

    Args:
        column: numbers, datetimes, dates, or text.
        name: what messages call it; row: what they call a label of its index, such as "line".
        is_part: whether there are more rows elsewhere; then 1998 and 1999 may well be the order of events.

    Raises:
        ValueError: A time is missing while others are there, cannot be read, is of another unit than most, or is not
            from 1970 to a year from now; or all may be years, months, or the days of a spreadsheet.
    """
    if is_seconds(column):
        if not is_part:
            _refuse_calendar(column.to_numpy(), name)
        return _whole(column, 1)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _in_range(_of_datetimes(column, name, row), name, row)
    if not _is_number(column):
        text = column.astype(object).map(str).str.strip()
        text = text.mask(text.str.lower().isin(EMPTY))
        there = text.dropna()
        numbers = pd.to_numeric(there, errors="coerce")
        if numbers.isna().any() or not len(there):  # dates
            return _in_range(_of_datetimes(_dates(text, name, row), name, row), name, row)
        column = numbers.reindex(text.index)
    values = column.to_numpy(np.float64, na_value=np.nan)
    _refuse_missing(column, np.isnan(values), name, row)
    if np.isnan(values).all():
        return pd.Series(0, column.index, "int64")
    if (dates := _of_digits(column, values)) is not None:
        say(f"{name} is read as dates in digits: {_plain(values[0])} is {dates.iloc[0]}.")
        return _in_range(_of_datetimes(dates, name, row), name, row)
    return _in_range(column, name, row)


def is_seconds(column: pd.Series) -> bool:
    """Return whether a column is numbers, all of them seconds since 1970, or all of them the order of events."""
    if not _is_number(column) or not len(column):
        return False
    low, high = column.min(), column.max()  # NaN is skipped, and found by the count
    is_right = bool((low > -FIRST and high < FIRST) or (low >= FIRST and high <= _newest()))
    return is_right and column.count() == len(column)


def _newest() -> float:
    return max(time.time(), A_LATE_DAY) + SECONDS_PER_YEAR


def _in_range(column: pd.Series, name: str, row: str) -> pd.Series:
    """Return seconds, int64, of whole or fractional numbers in any unit, none missing."""
    if is_seconds(column):
        return _whole(column, 1)
    values = column.to_numpy(np.float64)
    kind = np.zeros(len(values), np.int8)
    kind[np.abs(values) < FIRST] = KINDS.index("small numbers")
    for unit, factor in UNITS.items():
        kind[(values >= FIRST * factor) & (values <= _newest() * factor)] = KINDS.index(unit)
    is_small, is_second = kind == 1, kind == 2
    if is_small.any() and is_second.any() and values[is_second].min() < 2 * values[is_small].max():
        kind[is_small] = 2  # made times that begin at 0, without a gap
    most = np.bincount(kind, minlength=len(KINDS))[1:].argmax() + 1
    strays = np.flatnonzero(kind != most)
    if not len(strays):
        factor = UNITS.get(KINDS[most], 1)
        if factor > 1:
            first = pd.Timestamp(int(values[0] // factor), unit="s")
            say(f"{name} is in {KINDS[most]}: {_plain(column.iloc[0])} is read as {first} UTC.")
        return _whole(column, factor)
    found = " and ".join(KINDS[code] for code in np.unique(kind[strays]))
    others = column[kind == most]
    contrast = f" The others are {KINDS[most]}, e.g. {_plain(others.iloc[0])}." if len(others) else ""
    raise ValueError(
        f"every {name} must be a time of one unit; {len(strays):,} of {len(values):,} "
        f"{'is' if len(strays) == 1 else 'are'} not: {found}, e.g. {_examples(column, strays, row)}.{contrast} Correct "
        f"them, or leave these rows out: ratings.drop(ratings.index[{strays[:3].tolist()}])."
    )


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind in "iuf"


def _whole(column: pd.Series, factor: int) -> pd.Series:
    if pd.api.types.is_float_dtype(column.dtype):
        column = np.floor(column)
    column = column.astype("int64")
    return column if factor == 1 else column // factor


def _refuse_calendar(values: np.ndarray, name: str) -> None:
    """Raise ValueError where all numbers could be years, months or the days of a spreadsheet."""
    low, high = values.min(), values.max()
    if low == high or low < 1900 or high > 210_012:
        return
    is_whole = (values % 1 == 0).all()
    if is_whole and high <= 2100:
        what, way = "years", 'format="%Y"'
    elif is_whole and low > 190_000 and (values % 100 >= 1).all() and (values % 100 <= 12).all():
        what, way = "months", 'format="%Y%m"'
    elif low > 25_569 and high < 60_000:
        what, way = "the days of a spreadsheet", 'unit="D", origin="1899-12-30"'
    else:
        way = None
    if way:
        raise ValueError(
            f"every {name} must be seconds since 1970-01-01; {_plain(low)} to {_plain(high)} look like {what}. "
            f'Convert them first: ratings["timestamp"] = pandas.to_datetime(ratings["timestamp"], {way}).'
        )


def _of_digits(column: pd.Series, values: np.ndarray) -> pd.Series | None:
    """Return datetimes of 20060320, 200603202255 or 20060320225535; None unless all numbers are such."""
    for digits, form in DIGITS.items():
        year = 10 ** (digits - 4)
        if 1970 * year <= values.min() and values.max() < 2100 * year and (values % 1 == 0).all():
            dates = pd.to_datetime(column.astype("int64").astype(str), format=form, errors="coerce")
            return dates if dates.notna().all() else None
    return None


def _dates(text: pd.Series, name: str, row: str) -> pd.Series:
    """Return datetimes of texts; the missing ones are NaT."""
    there = text.dropna()
    parts = there.str.extract(YEAR_THIRD)
    is_third = parts[0].notna()
    if is_third.any():
        first, second = (pd.to_numeric(parts[place][is_third]).max() for place in (0, 1))
        if (first > 12) == (second > 12):
            example = there[is_third].iloc[0]
            why = "either number can be the day" if first <= 12 else "now the first, now the second number is the day"
            raise ValueError(
                f"every {name} must be a date that can be read in one way; in {is_third.sum():,} of {len(text):,}, "
                f'e.g. {example!r}, {why}. Say which: ratings["timestamp"] = '
                'pandas.to_datetime(ratings["timestamp"], format="%d/%m/%Y").'
            )
        day, month = (0, 1) if first > 12 else (1, 0)
        say(f"{name} is read as {'day, month' if day == 0 else 'month, day'}, year, e.g. {there[is_third].iloc[0]!r}.")
        there = there.where(~is_third, parts[2] + "-" + parts[month] + "-" + parts[day] + parts[3])
    there = there.str.replace(YEAR_FIRST, r"\1-\2-\3\4", regex=True)
    is_date = there.str.match(YEAR_FIRST) | there.str.match(MONTH)
    dates = pd.to_datetime(there.where(is_date), format="ISO8601", utc=True, errors="coerce")
    if dates.isna().any():
        rest = there[dates.isna() & is_date]
        dates = dates.fillna(pd.to_datetime(rest, format="mixed", utc=True, errors="coerce").reindex(dates.index))
    bad = np.flatnonzero(text.notna() & dates.reindex(text.index).isna())
    if len(bad):
        raise ValueError(
            f"every {name} must be seconds since 1970-01-01, or a date such as 2006-03-20 22:55:35; {len(bad):,} of "
            f"{len(text):,} cannot be read, e.g. {_examples(text, bad, row)}. Say how they are written: "
            'ratings["timestamp"] = pandas.to_datetime(ratings["timestamp"], format="%d/%m/%Y %H:%M").'
        )
    return dates.reindex(text.index)


def _of_datetimes(dates: pd.Series, name: str, row: str) -> pd.Series:
    _refuse_missing(dates, dates.isna().to_numpy(), name, row)
    if dates.isna().all():
        return pd.Series(0, dates.index, "int64")
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert(None)
    return pd.Series(dates.to_numpy("datetime64[s]").astype(np.int64), dates.index)


def _refuse_missing(column: pd.Series, missing: np.ndarray, name: str, row: str) -> None:
    if missing.any() and not missing.all():
        rows = np.flatnonzero(missing)
        places = ", ".join(str(column.index[at]) for at in rows[:3])
        raise ValueError(
            f"every {name} must be there, or none; {len(rows):,} of {len(missing):,} are missing, e.g. in {row} "
            f'{places}. Leave these ratings out: ratings.dropna(subset="timestamp"), or leave out the times: '
            'ratings.drop(columns="timestamp").'
        )


def _examples(column: pd.Series, rows: np.ndarray, row: str) -> str:
    return ", ".join(f"{_plain(column.iloc[at])} in {row} {column.index[at]}" for at in rows[:3])


def _plain(value) -> str:
    """Return a number without an exponent."""
    if isinstance(value, str):
        return repr(value)
    return str(int(value)) if float(value).is_integer() else str(float(value))
