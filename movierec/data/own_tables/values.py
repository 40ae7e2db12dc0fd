"""What stands in the columns of your own tables: ids, stars, times, titles, years and genres, as people write them."""

from __future__ import annotations

import ast
import json
import re
from decimal import Decimal

import numpy as np
import pandas as pd

from movierec.data import units
from movierec.data.formats import GENRES, names_of_flags
from movierec.data.own_tables.columns import ME
from movierec.data.own_tables.text_files import Misfit

NO_ID = ["", "nan", "NaN", "None", "null", "NULL", "<NA>", "NaT", "\\N"]
NO_GENRE = {*units.EMPTY, "-", "(no genres listed)"}
FLAGS = {"True": "1", "true": "1", "TRUE": "1", "False": "0", "false": "0", "FALSE": "0"}
WHOLE = r"[+-]?(0|[1-9]\d*)(\.0*)?|[+-]?[1-9](\.\d+)?[eE]\+?\d{1,2}"  # 007 would lose its zeros
NUMBER = r"[+-]?\d*\.?\d+([eE][+-]?\d+)?|[+-]?\d+\."


def understand(noun: str, raw: pd.DataFrame, row: str) -> pd.DataFrame:
    """Return the columns of one table with their meaning; warn of what was not as it is here.

    Args:
        raw: The columns by our names, as text, numbers, times, lists; the index is what messages call a row by.
        row: What a label of the index is, "line" or "row".

    Raises:
        Misfit: A field does not mean anything in its column.
        ValueError: As `units.seconds`.
    """
    found = {column: read(raw[column], row) for column, read in READERS.items() if column in raw}
    flags = [name for name in GENRES if name in raw]  # of u.item
    if flags:
        found["genres"] = names_of_flags(raw[flags].astype("float64"))
    is_one_person = noun == "ratings" and "user_id" not in raw
    if is_one_person or (noun in ("ratings", "movies") and "movie_id" not in raw):
        found["movie_id"] = found["title"] = _names(found)
    if is_one_person:
        found["user_id"] = pd.Series(ME, raw.index, dtype="str")
        units.say(
            f"these are the films of one person, {ME!r}, from which alone no recommender can learn. Train on many, "
            'then ask for this one as somebody new: see data/README.md, "Your own tables".'
        )
    return pd.DataFrame(found, raw.index, copy=False)


def _text(column: pd.Series, row: str = "") -> pd.Series:
    if not isinstance(column.dtype, pd.StringDtype):
        column = column.astype(object).where(column.notna(), "").map(str).astype("str")
    return column.fillna("").str.strip()


def _name(column: pd.Series, row: str) -> pd.Series:
    return _text(column).replace(dict.fromkeys(NO_ID, ""))


def _ids(column: pd.Series, row: str) -> pd.Series:
    """Return whole numbers, int32 or int64, if all ids are; else text without spaces around it."""
    codes, distinct = pd.factorize(column)  # -1 where it is missing
    names = pd.Series([_one_id(value) for value in distinct], dtype="str")
    missing = np.append(names.isin(NO_ID), True)[codes]
    rows = ", ".join(map(str, column.index[missing][:3]))
    advice = f'Fill them in, or leave these rows out: table.dropna(subset="{column.name}").'
    _refuse(column, missing, f"not be empty; {{}} rows have none, e.g. {row} {rows}. {advice}")
    is_whole = names.str.fullmatch(WHOLE).to_numpy(bool)
    numbers = [int(Decimal(text)) for text in names] if is_whole.all() else []
    if is_whole.all() and all(-(2**63) <= number < 2**63 for number in numbers):
        values = pd.Series(np.array(numbers, np.int64)[codes], column.index)
        return values.astype("int32") if values.between(-(2**31), 2**31 - 1).all() else values
    if names.str.fullmatch(NUMBER).all():
        advice = f'If they are names, put a letter in front: "u" + table.{column.name}.astype(str).'
        fraction = names.str.contains(r"\.\d*[1-9]").to_numpy(bool)[codes]
        _refuse(column, fraction, f"be whole numbers or text; {{}} have a fraction, e.g. {{}}. {advice}")
    if (~is_whole).sum() * 10 < is_whole.sum() and not names[~is_whole].str.isdigit().any():
        stray = np.flatnonzero(~is_whole[codes])
        units.say(
            f"{column.name} is a number in most rows and text in {len(stray):,}, e.g. {names[codes[stray[0]]]!r} in "
            f"{row} {column.index[stray[0]]}: all are kept as text."
        )
    return pd.Series(pd.array(names.to_numpy(object)[codes], dtype="str"), column.index)


def _one_id(value: object) -> str:
    if isinstance(value, float) and value.is_integer():  # 1.0 in a column of floats or of mixed objects
        value = int(value)
    return value.decode(errors="replace").strip() if isinstance(value, bytes) else str(value).strip()


def _refuse(column: pd.Series, wrong: np.ndarray, must: str) -> None:
    """Raise Misfit if any value is wrong: "rating must be a number or empty; 2 of 9 are neither, e.g. ['x', …]"."""
    found = column[wrong]
    if len(found):
        counted = f"{len(found):,} of {len(column):,}"
        raise Misfit(found.index[0], f"{column.name} must {must.format(counted, found.head(3).tolist())}")


def _numbers(column: pd.Series, row: str = "") -> pd.Series:
    """Return finite float32, NaN where a field is empty; "4,5" is 4.5."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.astype("float64")
        wrong = np.isinf(values)
    else:
        text = _text(column)
        text = text.mask(text.str.lower().isin(units.EMPTY)).replace(FLAGS)
        values = pd.to_numeric(text, errors="coerce").astype("float64")
        rest = text[values.isna() & text.notna()]
        if rest.str.fullmatch(r"[+-]?\d*,\d+").any():
            units.say(
                f"{column.name} has decimal commas: {rest.iloc[0]!r} is read as {rest.iloc[0].replace(',', '.')}."
            )
            values = pd.to_numeric(text.str.replace(",", "."), errors="coerce").astype("float64")
        wrong = (values.isna() & text.notna()) | np.isinf(values)
    advice = "Correct them, or leave these rows out."
    _refuse(column, wrong.to_numpy(bool), f"be a number or empty; {{}} are neither, e.g. {{}}. {advice}")
    return values.astype("float32")


def _whole_numbers(column: pd.Series, row: str = "") -> pd.Series:
    """Return float64, whole or NaN."""
    values = _numbers(column).astype("float64")
    wrong = ((values % 1 != 0) & values.notna()).to_numpy(bool)
    advice = "Correct these, or leave the column out."
    _refuse(column, wrong, f"be a whole number or empty; {{}} are neither, e.g. {{}}. {advice}")
    return values


def _years(column: pd.Series, row: str) -> pd.Series:
    """Return float64; of a date such as 1995-12-22, the year; NaN for 0."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = _text(column).str.replace(r"^(\d{4})[-/]\d.*", r"\1", regex=True)
    return _whole_numbers(column).replace(0, np.nan)


def _times(column: pd.Series, row: str) -> pd.Series:
    return units.seconds(column, "timestamp", row) if len(column) else column.astype("int64")


def _names(found: dict[str, pd.Series]) -> pd.Series:
    """Return "Heat (1995)" for the title "Heat" of the year 1995: an id where there is no other."""
    title = found["title"]
    if "year" not in found:
        return title
    year = found["year"].map("{:.0f}".format)
    has_year = title.str.contains(r"\(\d{4}", regex=True) | found["year"].isna()
    return title.where(has_year, title + " (" + year + ")").astype("str")


def _genres(column: pd.Series, row: str) -> pd.Series:
    """Return "Crime|Drama" for lists, JSON, and texts with "|", ";", "," or "/" between genres; "" if there is none."""
    is_text = column.map(lambda value: isinstance(value, str)).to_numpy(bool)
    texts = column[is_text].unique()
    plain = [text for text in texts if text[:1] not in ("[", "{") and text.strip().lower() not in NO_GENRE]
    marks = [mark for mark in "|;," if any(mark in text for text in plain)]
    marks = marks or ["/"] * any("/" in text for text in plain)
    if marks and marks != ["|"]:
        units.say(f"genres are separated by {' or '.join(map(repr, marks))}: they are written with | between them.")
    known = {text: _joined(_genre_list(text, marks)) for text in texts}
    joined = [known[value] if isinstance(value, str) else _joined(_genre_list(value, marks)) for value in column]
    return pd.Series(pd.array(joined, dtype="str"), column.index)


def _genre_list(value: object, marks: list[str]) -> list:
    if isinstance(value, dict):
        return [value.get("name", "")] if "name" in value else list(value)
    if isinstance(value, list | tuple | set | np.ndarray):
        return [genre for item in value for genre in (_genre_list(item, []) if isinstance(item, dict) else [item])]
    if not isinstance(value, str):
        return []
    text = value.strip()
    if text[:1] in ("[", "{"):
        for parse in (json.loads, ast.literal_eval):
            try:
                return _genre_list(parse(text), marks)
            except (ValueError, SyntaxError):
                continue
        return re.sub(r"""[]'"[{}]""", "", text).split(",")  # [Crime, Drama]
    mark = next((mark for mark in marks if mark in text), None)
    return text.split(mark) if mark else [text]


def _joined(genres: list) -> str:
    names = [str(genre).strip() for genre in genres]
    return "|".join(dict.fromkeys(name for name in names if name.lower() not in NO_GENRE))


READERS = {
    "user_id": _ids,
    "movie_id": _ids,
    "title": _name,
    "year": _years,
    "genres": _genres,
    "age": _whole_numbers,
    "gender": _name,
    "occupation": _text,
    "zip_code": _text,
    "tag": _text,
    "rating": _numbers,
    "timestamp": _times,
}
