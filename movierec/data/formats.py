"""Files in, tables out, not yet cleaned: MovieLens in any of its formats."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data import download
from movierec.data.tables import MOVIES, RATINGS, TAGS, USERS, FaultyLine, Table, movie_table, read_rows

# In the order of ML-100K's flags.
GENRES = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
]  # fmt: skip
# ML-1M writes their numbers, 0 … 20.
OCCUPATIONS = [
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
]  # fmt: skip
_CSV = {
    "ratings": Table("ratings.csv", RATINGS, header=1),
    "movies": Table("movies.csv", MOVIES, header=1),
    "tags": Table("tags.csv", TAGS, header=1),
}
_ITEM = {"movie_id": "int64", "title": "str", "released": "str", "video": "str", "url": "str"}
_ATOMIC_ITEM = {"movie_id": "int64", "title": "str", "published_year": "str", "genres": "str"}
_USERS_1M = {column: USERS[column] for column in ["user_id", "gender", "age", "occupation", "zip_code"]}
FORMATS = dict.fromkeys(["ml-20m", "ml-25m", "ml-32m", "ml-latest", "ml-latest-small"], _CSV) | {
    "ml-100k": {
        "ratings": Table("u.data", RATINGS, "\t"),
        "movies": Table("u.item", _ITEM | dict.fromkeys(GENRES, "int64"), "|", "latin-1"),
        "users": Table("u.user", USERS, "|", "latin-1"),
    },
    "atomic": {  # ML-100K as RecBole writes it
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
}
GENOME = {
    "tags": Table("genome-tags.csv", {"tag_id": "int64", "tag": "str"}, header=1),
    "scores": Table("genome-scores.csv", {"movie_id": "int64", "tag_id": "int64", "relevance": "float32"}, header=1),
}
LINKS = {"links": Table("links.csv", {"movie_id": "int64", "imdb_id": "str", "tmdb_id": "str"}, header=1)}
MOST_TIMES, MOST_MEMBERS = 20, 1000  # MovieLens unpacks to 3 to 5 times its size; RecBole's wheel has 261 members
FEW_BYTES = 10_000_000  # that a small archive may unpack to
WITH_GENOME = ("ml-20m", "ml-25m", "ml-latest")
WITH_LINKS = ("ml-20m", "ml-25m", "ml-32m", "ml-latest", "ml-latest-small")


def read_tables(path: Path, name: str, described: dict[str, Table] | None = None) -> dict[str, pd.DataFrame]:
    """Return the tables of `name` as published, by noun (ratings, movies, …), from what `download.obtain` returns.

    `described`: `GENOME` or `LINKS`, to read these instead. ValueError if a row is malformed (file and line are named);
    download.DataUnavailable if a file is missing, or the archive or folder is not whole.
    """
    advice = download.again(path, name)
    with _opened(path, name, advice) as root:
        if _is_atomic(path, root):
            download.check_members(root, download.ATOMIC_SHA256, advice)
        elif path.is_dir():
            download.check_members(root, download.ARCHIVES[name].members, advice)
        wanted = described or _tables_of(path, name, root)
        tables = {noun: _read_table(root, table, advice) for noun, table in wanted.items()}
    if described is not None:
        return tables
    if path.is_dir():  # an archive has had its checksum compared
        _check_counts(tables, name, path, advice)
    if name == "ml-1m":
        users = tables["users"]
        occupation = users.occupation.astype("int64").map(dict(enumerate(OCCUPATIONS))).astype("str")
        tables["users"] = users.assign(occupation=occupation)[list(USERS)]
    return tables | {"movies": _as_movies(tables["movies"])}


def _check_counts(tables: dict[str, pd.DataFrame], name: str, path: Path, advice: str) -> None:
    archive = download.ARCHIVES[name]
    ratings = tables["ratings"]
    rated = ratings.movie_id.nunique()  # ml-1m is published with the number of these
    counts = {
        "ratings": (archive.num_ratings, len(ratings)),
        "users": (archive.num_users, ratings.user_id.nunique()),
        "movies": (archive.num_movies, rated if rated == archive.num_movies else len(tables["movies"])),
        "tags": (archive.num_tags, len(tables.get("tags", ()))),
    }
    for noun, (expected, found) in counts.items():
        if expected not in (None, found):
            raise download.DataUnavailable(
                f"{path} must hold the {expected:,} {noun} of {name}; it holds {found:,}. {advice}"
            )


def files(path: Path, name: str, described: dict[str, Table] | None = None) -> list[Path]:
    """Return the files that `read_tables` reads: the archive, or those of the unpacked folder that are there."""
    if not path.is_dir():
        return [path]
    with _opened(path, name, "") as root:
        members = [root / table.member for table in (described or _tables_of(path, name, root)).values()]
        return [file for file in members if file.exists()]


def _tables_of(path: Path, name: str, root: Path | zipfile.Path) -> dict[str, Table]:
    return FORMATS["atomic" if _is_atomic(path, root) else name]


def _is_atomic(path: Path, root: Path | zipfile.Path) -> bool:
    return path.suffix == ".whl" or (root / "ml-100k.inter").exists()


@contextlib.contextmanager
def _opened(path: Path, name: str, advice: str) -> Iterator[Path | zipfile.Path]:
    """Yield the folder with the files, on the disk or inside the archive: both kinds of path open alike."""
    inner = download.FOLDERS.get(name, name)
    if path.is_dir():
        yield path / inner if (path / inner).is_dir() else path
        return
    try:
        with zipfile.ZipFile(path) as archive:
            _check_bounds(archive, path.stat().st_size)
            prefix = "recbole/dataset_example/" if path.suffix == ".whl" else ""
            yield zipfile.Path(archive, f"{prefix}{inner}/")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # RuntimeError: it has a password
        raise download.DataUnavailable(
            f"{path} must be a whole zip archive; it is damaged or cut short ({error}). {advice}"
        ) from error


def _check_bounds(archive: zipfile.ZipFile, size: int) -> None:
    """Raise BadZipFile if the members, of which no more is read than they say, say that they hold far too much."""
    members = archive.infolist()
    declared, packed = (sum(getattr(one, name) for one in members) for name in ("file_size", "compress_size"))
    if declared > max(FEW_BYTES, MOST_TIMES * size) or packed > size or len(members) > MOST_MEMBERS:
        raise zipfile.BadZipFile(
            f"its {len(members):,} members unpack to {declared:,} bytes, of {size:,}; at most {MOST_TIMES} times as "
            f"many are read, from {MOST_MEMBERS:,} members that do not overlap"
        )


def _read_table(root: Path | zipfile.Path, table: Table, advice: str) -> pd.DataFrame:
    file = root / table.member
    if not file.exists():
        there = sorted(path.name for path in root.iterdir())[:8] if root.exists() else []
        raise download.DataUnavailable(f"{file} is missing; found: {', '.join(there) or 'nothing'}. {advice}")
    try:
        return read_rows(file, table)
    except FaultyLine as fault:
        raise ValueError(
            f"{file}: every line must be {table.separator.join(table.columns)!r}; {fault}. Mend that line, or: {advice}"
        ) from fault
    except ValueError as error:
        raise ValueError(f"{file}: {error}. {advice}") from error


def _as_movies(rows: pd.DataFrame) -> pd.DataFrame:
    title = rows.title.str.strip()
    if "published_year" in rows:  # RecBole cut "(1995)", or whatever else ended the title, off
        title = title.where(rows.published_year == "unkonwn", title + " (" + rows.published_year + ")")
        title = title.replace("unkonwn", "unknown")
        genres = rows.genres.str.replace(" ", "|")
    elif "genres" in rows:
        genres = rows.genres
    else:
        genres = names_of_flags(rows[GENRES])
    return movie_table(rows.movie_id, title, genres)


def names_of_flags(flags: pd.DataFrame) -> pd.Series:
    """Return "Crime|Drama" for a row with numbers above 0 in the columns Crime and Drama."""
    names = ["|".join(np.compress(row, flags.columns)) for row in flags.to_numpy() > 0]
    return pd.Series(names, flags.index, dtype="str")
