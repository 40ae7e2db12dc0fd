"""What is decided about tables that are not as they should be: `clean`, and titles in their natural order.

Every step looks at a block of rows at a time and at whole numbers: 20 million ratings cost about half a second and
no memory to speak of, unless there is something to remove. Taught in notebooks/02.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from movierec.data.tables import RATINGS, MovieLens

LOG = ["problem", "found", "decision", "removed"]  # columns
NO_GENRE = {"unknown": "", "(no genres listed)": ""}
OPENING = 788_918_400  # 1995-01-01 UTC in seconds: no MovieLens rating is older
ARTICLES = r"The|A|An|Le|La|Les|L['’]|Un|Une|Der|Das|Ein|Eine|El|Los|Las|Una|Il|Lo|Gli|Os|Um|Uma|Het|Een"
RARE_ARTICLES = r"Die|Den|Det|De|En|Ett|Et|I|O|As|Uno"  # also words: "Die, Mommie, Die", "Me, Myself, I"
MOVED = rf"(^|\((?:a\.k\.a\. )?)(?:([^()]+), ({ARTICLES})|([^(),]+), ({RARE_ARTICLES}))(?= *\(| *\)| *$)"
BLOCK = 1 << 20  # rows looked at together: what is computed for them stays below 30 MB
WIDEST_TABLE = 1 << 26  # ids up to here are looked up in a table of one byte each, 64 MB
LARGEST_KEY = 2**63 - 1  # of int64


def clean(data: MovieLens, step: float | None = None) -> tuple[MovieLens, pd.DataFrame]:
    """The tables after cleaning, and the log: problem, found, decision, removed (rows).

    Cleaning twice is cleaning once.

    Args:
        data: Tables as `datasets.read_raw` returns them, or a reader's own.
        step: 1.0 for whole stars 1 … 5, 0.5 for halves 0.5 … 5; None accepts any number from 0.5 to 5.

    Raises:
        ValueError: A column is missing.
    """
    for noun, columns in [("ratings", RATINGS), ("movies", ["movie_id", "title", "year", "genres"])]:
        if missing := [column for column in columns if column not in getattr(data, noun)]:
            raise ValueError(
                f"`{noun}` needs {', '.join(columns)}; {', '.join(missing)} is missing. "
                '`movierec.load("ml-100k")` returns such a table.'
            )
    log: list[tuple[str, int, str, int]] = []
    movies = _clean_movies(data.movies, log)
    ratings = _clean_ratings(data.ratings, movies, data.users, step, log)
    tags = data.tags
    if tags is not None:
        tags = _keep(tags, among(tags.movie_id, movies.movie_id), "tags of unknown movies", log)
    return MovieLens(ratings, movies, data.users, tags), pd.DataFrame(log, columns=LOG)


def _clean_movies(movies: pd.DataFrame, log: list) -> pd.DataFrame:
    title, genres = movies.title.map(natural_title), movies.genres.fillna("").replace(NO_GENRE)
    log += [
        ("titles with the article moved", int((title != movies.title).sum()), "put in natural order", 0),
        (
            "titles that an earlier movie_id has",
            int(title.duplicated().sum()),
            "kept: merging would change published figures",
            0,
        ),
        ("movies without a year", int(movies.year.isna().sum()), "kept, year is NA", 0),
        ("movies without genres", int((genres == "").sum()), 'kept, genres is ""', 0),
    ]
    return movies.assign(title=title, genres=genres)


def _clean_ratings(
    ratings: pd.DataFrame, movies: pd.DataFrame, users: pd.DataFrame | None, step: float | None, log: list
) -> pd.DataFrame:
    ratings = ratings.reset_index(drop=True)
    on_scale = _by_block(lambda stars: _on_scale(stars, step), ratings.rating)
    ratings = _keep(ratings, on_scale, "ratings off the scale", log)
    ratings = _keep(ratings, among(ratings.movie_id, movies.movie_id), "ratings of unknown movies", log)
    ratings = _keep(ratings, _latest(ratings), "ratings by a user who rated the movie again later", log)
    strangers = 0 if users is None else int((~among(ratings.user_id, users.user_id)).sum())
    now = time.time()
    in_time = _by_block(lambda seconds: (seconds >= OPENING) & (seconds <= now), ratings.timestamp)
    log += [
        ("ratings by users without a profile", strangers, "kept: a rating counts without a profile", 0),
        ("times before 1995 or in the future", int((~in_time).sum()), "kept: seconds since 1970, UTC, no time zone", 0),
    ]
    return ratings


def _on_scale(stars: np.ndarray, step: float | None) -> np.ndarray:
    inside = (stars >= (step or 0.5)) & (stars <= 5)
    return inside & (stars / step == np.rint(stars / step)) if step else inside


def _keep(rows: pd.DataFrame, wanted: np.ndarray, problem: str, log: list) -> pd.DataFrame:
    """The rows that are wanted; the others are counted in the log."""
    found = int(len(wanted) - np.count_nonzero(wanted))
    log.append((problem, found, "removed", found))
    return rows[wanted].reset_index(drop=True) if found else rows


def _blocks(num_rows: int) -> Iterator[slice]:
    for start in range(0, num_rows, BLOCK):
        yield slice(start, min(start + BLOCK, num_rows))


def _by_block(test: Callable[[np.ndarray], np.ndarray], column: pd.Series) -> np.ndarray:
    """bool [rows]: the test of a column, made for one block after the other."""
    values, passed = column.to_numpy(), np.empty(len(column), bool)
    for block in _blocks(len(values)):
        passed[block] = test(values[block])
    return passed


def among(ids: pd.Series, known: pd.Series) -> np.ndarray:
    """bool [rows]: whether each id is one of `known`, by a table of one byte an id where ids are small."""
    listed = known.to_numpy()
    if len(listed) == 0 or listed.dtype.kind not in "iu" or not 0 <= listed.min() <= listed.max() < WIDEST_TABLE:
        return ids.isin(known).to_numpy()
    table = np.zeros(int(listed.max()) + 2, bool)
    table[listed] = True
    end = len(table) - 1  # of nobody: what is not in the table is looked up here
    return _by_block(lambda block: table[np.where((block >= 0) & (block < end), block, end)], ids)


def _latest(ratings: pd.DataFrame) -> np.ndarray:
    """bool [rows]: False where the same user rates the same movie again later, or in a later row at the same time."""
    key = _pair_keys(ratings.user_id.to_numpy(), ratings.movie_id.to_numpy())
    latest = np.ones(len(ratings), bool)
    for rows in _whole_users(ratings.user_id.to_numpy()):
        keys = key(rows)
        ordered = keys if (keys[1:] > keys[:-1]).all() else np.sort(keys)
        if (ordered[1:] == ordered[:-1]).any():  # MovieLens has no repeats: this is for a reader's own table
            order = np.lexsort((ratings.timestamp.to_numpy()[rows], keys))
            latest[rows.start + order[:-1][keys[order[1:]] == keys[order[:-1]]]] = False
    return latest


def _pair_keys(users: np.ndarray, movies: np.ndarray) -> Callable[[slice], np.ndarray]:
    """A function: rows -> int64, another for each pair of user and movie: user · (largest movie + 1) + movie."""
    if len(users) == 0:
        return lambda rows: np.empty(0, np.int64)
    low, width = int(movies.min()), int(movies.max()) - int(movies.min()) + 1
    first = int(users.min())
    if (int(users.max()) - first + 1) * width > LARGEST_KEY:  # ids of 64 bits: number them
        (_, users), (numbered, movies) = (np.unique(ids, return_inverse=True) for ids in (users, movies))
        first, low, width = 0, 0, len(numbered)
    return lambda rows: (users[rows].astype(np.int64) - first) * width + (movies[rows].astype(np.int64) - low)


def _whole_users(users: np.ndarray) -> Iterator[slice]:
    """Slices of about BLOCK rows between two users where the table is by user, as MovieLens is; else all rows."""
    pieces = [users[rows.start : rows.stop + 1] for rows in _blocks(len(users))]  # each with the next one's first row
    if not all((piece[1:] >= piece[:-1]).all() for piece in pieces):
        yield slice(0, len(users))
        return
    start = 0
    while start < len(users):
        stop = min(start + BLOCK, len(users))
        stop = int(np.searchsorted(users, users[stop - 1], side="right"))
        yield slice(start, stop)
        start = stop


def natural_title(title: str) -> str:
    """The title with its article in front: "Matrix, The (1999)" -> "The Matrix (1999)", in parentheses too.

    MovieLens files titles under their first real word. Articles of a dozen languages are known; those that
    are also words ("Die", "I", "O") move only if the rest holds no comma: "Die, Mommie, Die" stays.
    """
    return re.sub(MOVED, article_first, title) if ", " in title else title


def article_first(match: re.Match) -> str:
    """What replaces a match of `MOVED`: the article, a space unless it is elided, the rest."""
    start, body, article, rare_body, rare_article = match.groups()
    body, article = body or rare_body, article or rare_article
    space = "" if article.endswith(("'", "’")) else " "
    return f"{start}{article}{space}{body}"
