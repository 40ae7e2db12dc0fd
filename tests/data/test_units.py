"""What a column of numbers means: every unit of time against literals, and what is refused instead of guessed."""

import datetime as dt
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from movierec.data import has_time, seconds

A = 1_142_895_335  # date -u -d "2006-03-20 22:55:35" +%s
DAY = 1_142_812_800  # date -u -d "2006-03-20" +%s
NEXT = DAY + 86_400
STAMPS = [pd.Timestamp("2006-03-20 22:55:35"), pd.Timestamp("2006-03-21")]
UTC = dt.UTC

# ---- seconds, and what can only be seconds, without a word

SILENT = {
    "int64": ([A, NEXT], [A, NEXT]),
    "float with a half": ([float(A), NEXT + 0.5], [A, NEXT]),
    "text": ([str(A), f" {NEXT}.0 "], [A, NEXT]),
    "exponents": (["1e9", "1.1e9"], [10**9, 11 * 10**8]),
    "nullable": (pd.array([A, NEXT], "Int64"), [A, NEXT]),
    "categories": (pd.Categorical([A, NEXT]), [A, NEXT]),
    "Python's decimals": ([Decimal(A), Decimal(NEXT)], [A, NEXT]),
    "order of events": ([0, 1, 2, 99_999_999], [0, 1, 2, 99_999_999]),
    "made times from 0": ([0, 60_000_000, 110_000_000], [0, 60_000_000, 110_000_000]),
    "one for all": ([1998, 1998], [1998, 1998]),
    "all empty": ([np.nan, np.nan], [0, 0]),
    "empty text": (["", "  "], [0, 0]),
    "no date": (pd.to_datetime([None, None]), [0, 0]),
    "Timestamps": (STAMPS, [A, NEXT]),
    **{unit: (pd.Series(STAMPS).astype(f"datetime64[{unit}]"), [A, NEXT]) for unit in ("s", "ms", "us", "ns")},
    "a zone": (pd.Series(STAMPS).dt.tz_localize("Europe/Berlin"), [A - 3600, NEXT - 3600]),
    "date objects": ([dt.date(2006, 3, 20), dt.date(2006, 3, 21)], [DAY, NEXT]),
    "datetimes, aware and naive": ([dt.datetime(2006, 3, 20, tzinfo=UTC), dt.datetime(2006, 3, 21)], [DAY, NEXT]),
    "as pandas writes": (["2006-03-20 22:55:35", "2006-03-21"], [A, NEXT]),
    "ISO with zones": (["2006-03-20T22:55:35Z", "2006-03-21T02:00:00+02:00"], [A, NEXT]),
    "year first": (["2006/03/20", "2006.3.21 00:00"], [DAY, NEXT]),
    "months by name": (["Mar 20, 2006", "21-Mar-2006"], [DAY, NEXT]),
    "as Twitter writes": (["Mon Mar 20 22:55:35 +0000 2006", "Tue, 21 Mar 2006 00:00:00 +0000"], [A, NEXT]),
}


@pytest.mark.parametrize("kind", SILENT)
def test_times_that_can_be_read_in_one_way_are_seconds_of_utc(kind):
    given, expected = SILENT[kind]
    found = seconds(pd.Series(given))
    assert (found.tolist(), found.dtype) == (expected, "int64")


# ---- what is surely meant, said in one line

SAID = {
    "milliseconds": ([A * 1000, NEXT * 1000 + 999], [A, NEXT], "1142895335000 is read as 2006-03-20 22:55:35 UTC"),
    "microseconds": ([A * 10**6, NEXT * 10**6], [A, NEXT], "is in microseconds"),
    "nanoseconds": ([A * 10**9, NEXT * 10**9 + 1], [A, NEXT], "is in nanoseconds"),
    "as text": ([str(A * 1000), str(NEXT * 1000)], [A, NEXT], "is in milliseconds"),
    "digits": ([20060320225535, 20060321000000], [A, NEXT], "20060320225535 is 2006-03-20 22:55:35"),
    "digits of days": ([20060320, 20060321], [DAY, NEXT], "dates in digits: 20060320 is 2006-03-20"),
    "day first": (["20/03/2006", "1/4/2006"], [DAY, DAY + 12 * 86_400], "as day, month, year, e.g. '20/03/2006'"),
    "month first": (["03/20/2006 10:55:35 PM", "3/21/2006"], [A, NEXT], "as month, day, year"),
    "as Amazon writes": (["03 20, 2006", "03 21, 2006"], [DAY, NEXT], "as month, day, year"),
}


@pytest.mark.parametrize("kind", SAID)
def test_another_unit_is_recognised_and_said_at_the_line_that_asked(kind):
    given, expected, says = SAID[kind]
    with pytest.warns(UserWarning, match=says) as said:
        found = seconds(pd.Series(given), "timestamp in my.csv")
    assert found.tolist() == expected and len(said) == 1
    assert str(said[0].message).startswith("timestamp in my.csv") and said[0].filename == __file__


# ---- what is doubtful, refused by name

REFUSED = {
    "a stray millisecond": ([A, A + 1, A * 1000], "1 of 3 are not: milliseconds, e.g. 1142895335000 in row 2. The oth"),
    "a stray second": ([A * 1000, A, A * 1000], r"1 of 3 are not: seconds, e.g. 1142895335 in row 1.*index\[\[1\]\]"),
    "a stray 0": (
        [0, A, NEXT],
        "1 of 3 are not: small numbers, e.g. 0 in row 0. The others are seconds, e.g. 1142895335",
    ),
    "-1 for unknown": ([A, -1, NEXT], "small numbers, e.g. -1 in row 1"),
    "1900 for unknown": (
        ["2006-03-20", "2006-03-21", "1900-01-01"],
        "before 1970, .* e.g. 1900-01-01 in row 2. The oth",
    ),
    "9999 for unknown": (
        ["2006-03-20", "2006-03-21", "9999-12-31"],
        "more than a year from now, .*9999-12-31 in row 2",
    ),
    "before computers": ([-(10**9), -(10**9) + 5], "2 of 2 are not: before 1970"),
    "far future": ([4 * 10**9, 5 * 10**9], "2 of 2 are not: before 1970, or more than a year from now, in any unit"),
    "infinite": ([A, NEXT, np.inf], "1 of 3 are not: .* inf in row 2"),
    "some empty": (
        [A, np.nan, NEXT],
        r"1 of 3 are missing, e.g. in row 1. .*dropna\(subset=.timestamp.\).*drop\(columns",
    ),
    "some empty text": (["2006-03-20", "", "NaT"], "2 of 3 are missing, e.g. in row 1, 2"),
    "some no date": (pd.to_datetime(["2006-03-20", None]), "1 of 2 are missing"),
    "either is the day": (["03/04/2006", "01/02/2006"], r"in one way; of 2, e.g. '03/04/2006'.*format=\"%d/%m/%Y\""),
    "now this, now that": (["13/04/2006", "01/22/2006"], "the first or the second number may be the day"),
    "years": ([1998, 2001], r"1998 to 2001 look like years.*to_datetime\(ratings\[.timestamp.\], format=.%Y.\)"),
    "years as text": (["1998", "2001"], "look like years"),
    "days of a spreadsheet": ([36526.5, 36527], r"look like the days of a spreadsheet.*origin=.1899-12-30."),
    "clock times": (["10:55", "11:00"], "2 of 2 cannot be read, e.g. 10:55 in row 0"),
    "no such day": (["2006-02-30", "2006-03-20"], "1 of 2 cannot be read, e.g. 2006-02-30 in row 0"),
    "words": (["yesterday", "2006-03-20"], "1 of 2 cannot be read, e.g. yesterday"),
    "truth": ([True, False], "2 of 2 cannot be read"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_doubtful_times_are_refused_with_count_row_value_and_what_to_do(kind):
    given, says = REFUSED[kind]
    with pytest.raises(ValueError, match="^every timestamp .*" + says):
        seconds(pd.Series(given))


def test_the_calls_that_errors_name_mend_the_column():
    for given, way in [([1998, 2001], {"format": "%Y"}), ([36526.5, 36527], {"unit": "D", "origin": "1899-12-30"})]:
        assert seconds(pd.to_datetime(pd.Series(given), **way)).iloc[0] // 86_400 in (
            10_227,
            10_957,
        )  # 1998, 2000-01-01


def test_a_part_of_an_order_of_events_is_not_taken_for_years():
    assert seconds(pd.Series([1998, 2001]), is_part=True).tolist() == [1998, 2001]
    assert seconds(pd.Series([0, A]), is_part=True).tolist() == [0, A]
    with pytest.raises(ValueError, match="1 of 3 are not: milliseconds"):
        seconds(pd.Series([A, A, A * 1000]), is_part=True)


def test_a_table_has_time_if_its_times_differ():
    table = pd.DataFrame({"timestamp": [5, 5]})
    assert not has_time(table) and has_time(table.assign(timestamp=[5, 6]))
    assert not has_time(table[[]]) and not has_time(table.assign(timestamp=np.nan)) and not has_time(table[:0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not has_time(table.assign(timestamp=seconds(pd.Series([None, None]))))
