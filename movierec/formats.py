"""The files of MovieLens, in any of their formats: an archive or a folder in, tables as published out."""

from __future__ import annotations

import contextlib
import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec import download

RATINGS = {"user_id": "int64", "movie_id": "int64", "rating": "float32", "timestamp": "int64"}
MOVIES = {"movie_id": "int64", "title": "str", "genres": "str"}
USERS = {"user_id": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip_code": "str"}
TAGS = {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]  # in the order of ML-100K's flags
OCCUPATIONS = [
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
]  # ML-1M writes 0 … 20


class Table(NamedTuple):
    """How one file is written."""

    member: str
    columns: dict[str, str]  # name -> dtype, in the order of the file
    separator: str = ","
    encoding: str = "utf-8"
    header: int = 0  # lines before the first row


_CSV = {
    "ratings": Table("ratings.csv", RATINGS, header=1),
    "movies": Table("movies.csv", MOVIES, header=1),
    "tags": Table("tags.csv", TAGS, header=1),
}
_ITEM = {"movie_id": "int64", "title": "str", "released": "str", "video": "str", "url": "str"}
_ATOMIC_ITEM = {"movie_id": "int64", "title": "str", "published_year": "str", "genres": "str"}
_USERS_1M = {column: USERS[column] for column in ["user_id", "gender", "age", "occupation", "zip_code"]}
FORMATS = {
    "ml-100k": {
        "ratings": Table("u.data", RATINGS, "\t"),
        "movies": Table("u.item", _ITEM | dict.fromkeys(GENRES, "int64"), "|", "latin-1"),
        "users": Table("u.user", USERS, "|", "latin-1"),
    },
    "atomic": {
        "ratings": Table("ml-100k.inter", RATINGS, "\t", header=1),
        "movies": Table("ml-100k.item", _ATOMIC_ITEM, "\t", header=1),
        "users": Table("ml-100k.user", USERS, "\t", header=1),
    },
    "ml-1m": {
        "ratings": Table("ratings.dat", RATINGS, "::", "latin-1"),
        "movies": Table("movies.dat", MOVIES, "::", "latin-1"),
        "users": Table("users.dat", _USERS_1M, "::", "latin-1"),
    },
    "ml-10m": {
        "ratings": Table("ratings.dat", RATINGS, "::"),
        "movies": Table("movies.dat", MOVIES, "::"),
        "tags": Table("tags.dat", TAGS, "::"),
    },
    "ml-20m": _CSV,
    "ml-25m": _CSV,
    "ml-32m": _CSV,
    "ml-latest": _CSV,
    "ml-latest-small": _CSV,
}


def read_tables(path: Path, name: str) -> dict[str, pd.DataFrame]:
    """The tables of `name` as published, by noun (ratings, movies, …), from an archive or a folder.

    Args:
        path: What `download.obtain` returns: a zip archive, RecBole's wheel, or a folder with the unpacked files.
        name: One of `download.ARCHIVES`.

    Raises:
        ValueError: A malformed row; file and line are named.
        download.DataUnavailable: A FileNotFoundError; a file is missing, or the archive or folder is not whole.
    """
    advice = download.again(path, name)
    with _opened(path, name, advice) as root:
        atomic = path.suffix == ".whl" or (root / "ml-100k.inter").exists()
        if atomic:
            download.check_atomic(root, advice)
        tables = {
            noun: _read_table(root, table, advice) for noun, table in FORMATS["atomic" if atomic else name].items()
        }
    expected, found = download.ARCHIVES[name].num_ratings, len(tables["ratings"])
    if path.is_dir() and expected not in (None, found):  # an archive has had its checksum compared
        raise download.DataUnavailable(
            f"{path} must hold the {expected:,} ratings of {name}; it holds {found:,}. {advice}"
        )
    if name == "ml-1m":
        tables["users"] = _named_occupations(tables["users"])
    return tables | {"movies": _as_movies(tables["movies"])}


@contextlib.contextmanager
def _opened(path: Path, name: str, advice: str) -> Iterator[Path | zipfile.Path]:
    """The folder with the files, on the disk or inside the archive: both kinds of path open alike."""
    inner = download.FOLDERS.get(name, name)
    if path.is_dir():
        yield path / inner if (path / inner).is_dir() else path
        return
    try:
        with zipfile.ZipFile(path) as archive:
            prefix = "recbole/dataset_example/" if path.suffix == ".whl" else ""
            yield zipfile.Path(archive, f"{prefix}{inner}/")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise download.DataUnavailable(
            f"{path} must be a whole zip archive; it is damaged or cut short ({error}). {advice}"
        ) from error


def _read_table(root: Path | zipfile.Path, table: Table, advice: str) -> pd.DataFrame:
    """One file as a typed table, rows in file order; a malformed row is an error that names its line."""
    file = root / table.member
    if not file.exists():
        there = sorted(path.name for path in root.iterdir())[:8] if root.exists() else []
        raise download.DataUnavailable(f"{file} is missing; found: {', '.join(there) or 'nothing'}. {advice}")
    with file.open("rb") as stream:
        separator = table.separator
        if separator == "::":  # pandas reads one character 25 times faster; no title holds this one
            stream, separator = io.BytesIO(stream.read().replace(b"::", b"\x1f")), "\x1f"
        try:
            rows = pd.read_csv(
                stream,
                sep=separator,
                names=list(table.columns),
                dtype=table.columns,
                skiprows=table.header,
                encoding=table.encoding,
                keep_default_na=False,  # "NA" and "null" are titles and tags
                quoting=csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE,
            )
        except (ValueError, OverflowError) as error:
            raise _malformed(file, table, advice) or ValueError(f"{file}: {error}. {advice}") from error
    too_long, too_short = not isinstance(rows.index, pd.RangeIndex), (rows.iloc[:, -1] == "").any()
    if (too_long or too_short) and (error := _malformed(file, table, advice)):
        raise error
    return rows


def _malformed(file: Path | zipfile.Path, table: Table, advice: str) -> ValueError | None:
    """The error for the first line that does not fit `table`; None if all do."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = line.decode(table.encoding, errors="backslashreplace").rstrip("\r\n")
            try:
                line.decode(table.encoding)
                fields = next(csv.reader([text])) if table.separator == "," else text.split(table.separator)
                if number > table.header:
                    for field, dtype in zip(fields, table.columns.values(), strict=True):
                        np.dtype(dtype).type(field)
            except (ValueError, OverflowError):
                return ValueError(
                    f"{file}: every line must be {table.separator.join(table.columns)!r}; line {number} is "
                    f"{text[:80]!r}. Mend that line, or: {advice}"
                )
    return None


def _as_movies(rows: pd.DataFrame) -> pd.DataFrame:
    """movie_id, title, year, genres from any of the published tables of movies."""
    title = rows.title.str.strip()
    if "published_year" in rows:  # RecBole cut "(1995)", or what else ended the title, off
        title = title.where(rows.published_year == "unkonwn", title + " (" + rows.published_year + ")")
        title = title.replace("unkonwn", "unknown")
    if "genres" in rows:
        genres = rows.genres.str.replace(" ", "|") if "published_year" in rows else rows.genres
    else:
        flags = rows[GENRES].to_numpy(bool)  # [movies, 19]
        genres = pd.Series(["|".join(np.compress(row, GENRES)) for row in flags], dtype="str")
    year = title.str.extract(r".*\((\d{4})(?:[-–](?:\d{4})?)?\)", expand=False)  # the last; "(2007-2019)"
    year = pd.to_numeric(year).astype("Int64")
    return pd.DataFrame({"movie_id": rows.movie_id, "title": title, "year": year, "genres": genres})


def _named_occupations(users: pd.DataFrame) -> pd.DataFrame:
    names = dict(enumerate(OCCUPATIONS))
    return users.assign(occupation=users.occupation.astype("int64").map(names).astype("str"))[list(USERS)]
