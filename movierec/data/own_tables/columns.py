"""How a text file is written, as its first lines show, and what the columns of your own tables are called."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from movierec.data.formats import GENRES

USER = "user userid uid username customerid customer reviewerid memberid viewerid visitorid accountid personid | u"
MOVIE = (
    "movie movieid film filmid item itemid iid product productid show showid video videoid contentid titleid anime "
    "animeid artist artistid track trackid song songid game gameid book bookid joke jokeid recipe recipeid business "
    "businessid article articleid | parentasin | id imdbid tconst const tmdbid asin isbn | i m"
)
TIME = (
    "timestamp | time ts unixreviewtime unixtimestamp ratingtimestamp datetime ratedat dateofrating watcheddate "
    "watchedat createdat daterated eventtime | date day created reviewtime t | dateadded | dateread readat"
)
TITLE = "title movietitle filmtitle itemtitle producttitle booktitle primarytitle | name moviename filmname "
TITLE += "| originaltitle"
YEAR = "year releaseyear startyear yearofpublication yearpublished | releasedate"
GENRE = "genres genre genrelist | category categories listedin class"
# In every line the best name comes first; of two names between the same bars, it is doubtful which one is meant.
SPELLINGS = {
    "ratings": {
        "user_id": f"userid | {USER}",
        "movie_id": f"movieid | {MOVIE.replace(' id ', ' ')}",
        "rating": "rating | ratings stars star score overall yourrating myrating userrating movierating starrating "
        "bookrating ratingvalue ratingscore grade rate rating10 rating100 | value r | liked like thumb thumbs",
        "timestamp": TIME,
        "title": TITLE,
        "year": YEAR,
        "genres": GENRE,
    },
    "movies": {"movie_id": f"movieid | {MOVIE}", "title": TITLE, "year": YEAR, "genres": GENRE},
    "users": {
        "user_id": f"userid | {USER} id",
        "age": "age",
        "gender": "gender sex",
        "occupation": "occupation job profession",
        "zip_code": "zipcode zip postcode postalcode",
    },
    "tags": {
        "user_id": f"userid | {USER}",
        "movie_id": f"movieid | {MOVIE.replace(' id ', ' ')}",
        "tag": "tag tags tagname | keyword keywords label",
        "timestamp": TIME,
    },
}
USUAL = {  # in the order of MovieLens
    "ratings": ["user_id", "movie_id", "rating", "timestamp"],
    "movies": ["movie_id", "title", "genres"],
    "users": ["user_id", "age", "gender", "occupation", "zip_code"],
    "tags": ["user_id", "movie_id", "tag", "timestamp"],
}
NEEDED = {"ratings": 2, "movies": 1, "users": 1, "tags": 3}  # the first so many of them
EXPECTED = {"ratings": ["rating", "timestamp"], "movies": ["title", "genres"]}  # else it is said what was left out
ONE_PERSON = [{"letterboxduri"}, {"const", "yourrating"}, {"bookid", "myrating"}]  # Letterboxd, IMDb, Goodreads
ME = "me"
SEPARATORS = {
    ",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars (|)", "::": "double colons (::)", ":": "colons (:)",
    " ": "spaces",
}  # fmt: skip
BY_SUFFIX = {".tsv": "\t", ".tab": "\t", ".dat": "::"}
HEAD = 1 << 16  # bytes that are looked at


class Look(NamedTuple):
    """How a file is written."""

    separator: str
    header: int  # lines before the first row
    names: list[str]  # of every field: our name, or "" if the column is left out
    said: list[str]  # what was understood, and is to be told


def look_at(head: str, path: Path, noun: str) -> Look:
    """Return how a file of one noun (ratings, movies, …) is written; `head` is its text, or the first lines of it.

    ValueError if columns are missing, or two columns fit one name.
    """
    lines = head.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    skipped = 0
    while skipped < len(lines) - 1 and (not lines[skipped].strip(",;\t ") or lines[skipped][0] in "#%"):
        skipped += 1
    skipped += re.fullmatch(r'"?sep=.+', lines[skipped]) is not None  # Excel's hint
    rest = [line for line in lines[skipped:] if line.strip()]
    separator = _separator(rest[:50], noun, path.suffix.lower())
    fields = _fields(rest, separator)
    rows = [strip(row) for row in fields]
    header = rows[0] if rows else []
    said = [] if separator == "," else [f"its fields are separated by {SEPARATORS[separator]}"]
    found, renamed = match_columns(header, noun, str(path))
    names = columns_without_header(rows[:50], noun) if rows and not found else None
    if names:
        said.append(f"it has no header, so its columns are taken for {', '.join(filter(None, names[:5]))}")
    else:
        check_needed(found, header, noun, str(path))
        name_of = {place: name for name, place in found.items()}
        names = [name_of.get(place, "") for place in range(len(header))]
        skipped += 1
        said += renamed
    if max(map(len, rows)) == len(names):  # further fields are empty
        names = names + [""] * (Counter(map(len, fields)).most_common(1)[0][0] - len(names))
    return Look(separator, skipped, names, said)


def strip(row: list[str]) -> list[str]:
    """Return the fields without the empty ones at the end, which a spreadsheet leaves."""
    return row[: max((end for end, field in enumerate(row, 1) if field.strip()), default=0)]


def _separator(lines: list[str], noun: str, suffix: str) -> str:
    """Return what the fields are separated by: what gives most names that are known, then equal and many fields."""
    order = sorted(SEPARATORS, key=lambda separator: separator != BY_SUFFIX.get(suffix))
    if lines and "::" in lines[0]:
        order.remove(":")
    names = set(" ".join(SPELLINGS[noun].values()).split())
    scores = {",": (0, False, 0)}
    for separator in order:
        rows = _fields(lines, separator)
        if rows and len(rows[0]) > 1:
            known = sum(_key(name) in names for name in rows[0])
            if separator != " " or known > 1 or all(is_number(field) for row in rows for field in row):
                scores[separator] = (known, len(set(map(len, rows))) == 1, len(rows[0]))
    return max([separator for separator in order if separator in scores], key=scores.get)


def _fields(lines: list[str], separator: str) -> list[list[str]]:
    if separator == "::":
        return [line.split("::") for line in lines]
    try:
        return list(csv.reader(lines, delimiter=separator, skipinitialspace=separator == " "))
    except csv.Error:  # a quote that is never closed
        return [line.split(separator) for line in lines]


def match_columns(header: list[str], noun: str, where: str) -> tuple[dict[str, int], list[str]]:
    """Return {our name: place in the header} of the columns that are understood, and lines to be said.

    Case, `_`, spaces and `-` do not count, nor does RecBole's ":token". ValueError if two columns fit one name equally.
    """
    names = [str(name).strip() for name in header]
    keys = [_key(name) for name in names]
    found = {}
    said = []
    for column, spellings in SPELLINGS[noun].items():
        for tier in spellings.split("|"):
            places = [place for place, key in enumerate(keys) if key in tier.split() and place not in found.values()]
            exact = [place for place in places if names[place] == column]
            places = exact if len(exact) == 1 else places
            if len(places) > 1:
                alike = [names[place] for place in places]
                raise ValueError(
                    f"{where} must have one column for {column}; {' and '.join(alike)} fit it alike. Leave all but one "
                    f"out, e.g. table.drop(columns={alike[-1]!r}), or call the right one {column}."
                )
            if places:
                found[column] = places[0]
                if keys[places[0]] != column.replace("_", ""):
                    said.append(f"{names[places[0]]} is taken for {column}")
                break
    unknown = [name for place, name in enumerate(names) if place not in found.values()]
    missing = [column for column in EXPECTED.get(noun, ()) if column not in found]
    if missing and any(unknown):
        said.append(f"no column is known as {' or '.join(missing)}, and these are left out: {', '.join(unknown[:9])}")
    return found, said


def _key(name: object) -> str:
    text = re.sub(r":(token|float)(_seq)?$", "", str(name).strip().lower())
    return re.sub(r"[\W_]", "", text)


def columns_without_header(rows: list[list[str]], noun: str) -> list[str] | None:
    """Return what the columns of a file without a header are, in the order of MovieLens; None if that is doubtful."""
    width = max(map(len, rows))
    are_numbers = [all(len(row) > place and is_number(row[place]) for row in rows) for place in range(width)]
    are_times = all(len(row) > 3 and (is_number(row[3]) or re.match(r"\d+[-/.]\d+[-/.]\d", row[3])) for row in rows)
    are_years = all(len(row) > 1 and re.fullmatch(r"(1[89]|20)\d\d|NULL|0", row[1]) for row in rows)
    if noun == "ratings" and width in (3, 4) and are_numbers[2] and (width == 3 or are_times):
        return USUAL[noun][:width]
    if noun == "movies" and width == 3 and are_numbers[0] and are_years and not are_numbers[2]:  # Netflix
        return ["movie_id", "year", "title"]
    are_ids = all(row and re.search(r"\d", row[0]) for row in rows)  # M1, tt0113277; the name of a column has no digit
    if noun == "movies" and width in (2, 3) and are_ids and not are_numbers[1]:
        return USUAL[noun][:width]
    if noun == "movies" and width == 5 + len(GENRES) and are_numbers[0] and all(are_numbers[5:]):  # u.item
        return ["movie_id", "title", "", "", "", *GENRES]
    if noun == "users" and width == 5 and are_numbers[0]:
        return USUAL[noun] if are_numbers[1] else ["user_id", "gender", "age", "occupation", "zip_code"]
    if noun == "tags" and width == 4 and are_numbers == [True, True, False, True]:
        return USUAL[noun]
    return None


def is_number(text: str) -> bool:
    """Return whether a text is a number, with a decimal comma or point."""
    return re.fullmatch(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*", text) is not None


def check_needed(found: dict[str, int], header: list[str], noun: str, where: str) -> None:
    """Raise ValueError unless the columns are there without which a table means nothing."""
    is_one_person = noun == "ratings" and any(marks <= set(map(_key, header)) for marks in ONE_PERSON)
    known = {*found, *(["movie_id"] if "title" in found else []), *(["user_id"] if is_one_person else [])}
    missing = [column for column in USUAL[noun][: NEEDED[noun]] if column not in known]
    if not missing:
        return
    first = ",".join(map(str, header))[:120]
    table = noun if where.startswith("`") else "pandas.read_csv(…)"
    numbers = [name for name in header if is_number(str(name))]
    if not any(header):
        problem = "must have rows; it is empty."
    elif len(numbers) > len(SPELLINGS[noun]):
        problem = (
            f"must have one row for each rating; {len(numbers):,} of its columns are numbers, {first!r}. "
            f"If it has one column for each film: movierec.read({table.replace('…', '…, header=None')}"
            '.rename_axis("user_id").melt(ignore_index=False, var_name="movie_id", value_name="rating")).'
        )
    elif numbers:
        call = f"movierec.read(pandas.read_csv(…, names={list(SPELLINGS[noun])[: max(len(header), 2)]}))"
        problem = f"must name its columns; none is known in {first!r}. Name them in order: {call}."
    else:
        problem = (
            f"must have columns such as {', '.join(USUAL[noun])}, in any order; {', '.join(missing)} is missing. "
            f"It has {first!r}. Say which one is meant: "
            f"movierec.read({table}.rename(columns={{'your name': {missing[0]!r}}}))."
        )
        if "user_id" in missing:
            problem += f" If all rows are of one person: movierec.read({table}.assign(user_id='me'))."
    raise ValueError(f"{where} {problem}")
