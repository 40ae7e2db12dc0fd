"""Files in, tables out, not yet cleaned: MovieLens in any of its formats, and your own CSV files."""

from __future__ import annotations

import contextlib
import csv
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data import download
from movierec.data.tables import MOVIES, RATINGS, TAGS, USERS, MovieLens, Table, Unreadable, movie_table, read_rows

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
OWN_USERS = dict.fromkeys(USERS, "str") | {"user_id": "int64"}  # text, because a field may be empty
OWN = {"ratings": RATINGS, "movies": MOVIES | {"year": "str"}, "users": OWN_USERS, "tags": TAGS}
OPTIONAL = ("year", "age", "gender", "occupation", "zip_code")
SPELLINGS = {"userId": "user_id", "movieId": "movie_id"}
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
    except Unreadable as error:
        if error.fault is None:
            raise ValueError(f"{file}: {error}. {advice}") from error
        raise ValueError(
            f"{file}: every line must be {table.separator.join(table.columns)!r}; line {error.fault.line} is "
            f"{error.fault.text[:80]!r}. Mend that line, or: {advice}"
        ) from error


def _as_movies(rows: pd.DataFrame) -> pd.DataFrame:
    title = rows.title.str.strip()
    if "published_year" in rows:  # RecBole cut "(1995)", or whatever else ended the title, off
        title = title.where(rows.published_year == "unkonwn", title + " (" + rows.published_year + ")")
        title = title.replace("unkonwn", "unknown")
        genres = rows.genres.str.replace(" ", "|")
    elif "genres" in rows:
        genres = rows.genres
    else:
        flags = rows[GENRES].to_numpy(bool)  # [movies, 19]
        genres = pd.Series(["|".join(np.compress(row, GENRES)) for row in flags], dtype="str")
    return movie_table(rows.movie_id, title, genres)


def read_own(paths: dict[str, Path]) -> MovieLens:
    """Return your own files: "ratings" and perhaps "movies", "users", "tags"; ValueError as `movielens.read`."""
    own = {noun: _read_csv(noun, path) for noun, path in paths.items()}
    if "movies" not in own:
        movie_id = np.unique(own["ratings"].movie_id)
        title = pd.Series([f"movie {number}" for number in movie_id], dtype="str")
        return MovieLens(**own, movies=movie_table(movie_id, title, pd.Series("", title.index, dtype="str")))
    movies = own["movies"]
    own["movies"] = movie_table(movies.movie_id, movies.title.str.strip(), movies.genres)
    if "year" in movies:
        own["movies"]["year"] = movies.year.astype("Int64").fillna(own["movies"].year)
    return MovieLens(**own)


def _read_csv(noun: str, path: Path) -> pd.DataFrame:
    table = _described(noun, path)
    try:
        rows = read_rows(path, table)
    except Unreadable as error:
        if error.fault is None:
            raise ValueError(f"{path}: {error}. Write it as comma-separated text in UTF-8.") from error
        line, text, column, field = error.fault
        raise ValueError(f"{path}, line {line}, {text[:80]!r}: {_advice(table, column, field)}") from error
    key = {"movies": "movie_id", "users": "user_id"}.get(noun)
    if key and (repeated := rows[key][rows[key].duplicated()]).size:
        raise ValueError(
            f"{path} must have one row for each {key}; {len(repeated):,} rows repeat one, e.g. "
            f'{repeated.head(3).tolist()}. Keep one of them: table.drop_duplicates("{key}").'
        )
    for column in {"age", "year"} & set(rows):
        text = rows[column].str.strip()
        rows[column] = pd.to_numeric(text, errors="coerce").astype("float64")
        wrong = text[(text != "") & (rows[column] % 1 != 0)]  # NaN % 1 is NaN
        if len(wrong):
            raise ValueError(
                f"{path}: {column} must be a whole number or empty; {len(wrong):,} are neither, e.g. "
                f"{wrong.head(3).tolist()}. Mend these, or leave the column out."
            )
    return rows[[column for column in OWN[noun] if column in rows]]


def _described(noun: str, path: Path) -> Table:
    with open(path, encoding="utf-8-sig", newline="") as file:  # a spreadsheet puts a mark in front
        try:
            header = [SPELLINGS.get(name.strip(), name.strip()) for name in next(csv.reader(file), [])]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} must be text in UTF-8; {error}. Save it as CSV, UTF-8.") from error
    types = OWN[noun]
    needed = [name for name in types if name not in OPTIONAL]
    missing = [name for name in needed if name not in header]
    twice = [name for name in types if header.count(name) > 1]
    if missing or twice:
        problem = f"{', '.join(missing)} is missing" if missing else f"{', '.join(twice)} is there twice"
        raise ValueError(
            f"{path} must begin with a line that names its columns, {','.join(needed)} among them, in any order; "
            f"{problem}. Its first line is {','.join(header)[:120]!r}. Rename the columns, with commas between them."
        )
    columns = {name if name in types else f"skip {place}": types.get(name, "skip") for place, name in enumerate(header)}
    return Table(path.name, columns, header=1)


def _advice(table: Table, column: str | None, field: str | None) -> str:
    if column is None:
        return (
            f"it must have {len(table.columns)} fields, as the header has. Put a field that holds a comma into "
            'double quotes: "Good, the Bad and the Ugly, The (1966)".'
        )
    if column.endswith("_id"):
        return (
            f"{column} must be a whole number; it is {field!r}. Number the ids first, in every file that "
            f'has them: table["{column}"], names = pandas.factorize(table["{column}"]).'
        )
    if column == "timestamp":
        return (
            f"timestamp must be whole seconds since 1970-01-01, UTC; it is {field!r}. Convert a date first: "
            'table["timestamp"] = (pandas.to_datetime(table["timestamp"], utc=True) '
            '- pandas.Timestamp(0, tz="UTC")) // pandas.Timedelta(seconds=1).'
        )
    return f"{column} must be a number, 0.5 to 5 stars; it is {field!r}. Mend that line."
