"""Clean or refuse tables that are not as they should be, and find titles. Taught in notebooks/02."""

from __future__ import annotations

import difflib
import functools
import re
import time
from collections import defaultdict
from itertools import combinations

import numpy as np
import pandas as pd

from movierec.calls import INSTEAD_OF_RATINGS, keyed, wrong_kind
from movierec.data.indices import PAIR, check_same_kind, check_tables, is_one_rated_twice, published_ids
from movierec.data.tables import RATINGS, MovieLens, check_has
from movierec.data.units import has_time, is_seconds, say, seconds
from movierec.scale import Scale, checked_scale, find_scale, has_stars, on_scale

LOG = ["problem", "found", "decision", "removed"]  # columns
NO_GENRE = {"unknown": "", "(no genres listed)": ""}
OPENING = 788_918_400  # 1995-01-01 UTC in seconds: no MovieLens rating is older
ARTICLES = r"The|A|An|Le|La|Les|L['’]|Un|Une|Der|Das|Ein|Eine|El|Los|Las|Una|Il|Lo|Gli|Os|Um|Uma|Het|Een"
RARE_ARTICLES = r"Die|Den|Det|De|En|Ett|Et|I|O|As|Uno"  # also words: "Die, Mommie, Die", "Me, Myself, I"
MOVED = rf"(^|\((?:a\.k\.a\. )?)(?:([^()]+), ({ARTICLES})|([^(),]+), ({RARE_ARTICLES}))(?= *\(| *\)| *$)"


def clean(data: MovieLens, step: float | None = None) -> tuple[MovieLens, pd.DataFrame]:
    """Return the tables after cleaning, and the log: problem, found, decision, removed (rows). Twice is as once.

    `step` is 1.0 for whole stars 1 … 5, 0.5 for halves 0.5 … 5; None is for other tables: their scale is that in
    `ratings.attrs["scale"]`, or found from the ratings (see `scale.find_scale`) and kept there. ValueError if more than
    one in a hundred ratings is off the scale.
    """
    for noun, columns in [("ratings", RATINGS), ("movies", ["movie_id", "title", "year", "genres"])]:
        check_has(getattr(data, noun), noun, columns, f'movierec.load("ml-100k").{noun}')
    check_tables(data.ratings, movies=data.movies, users=data.users, tags=data.tags)
    log = []

    def keep(rows: pd.DataFrame, wanted: pd.Series, problem: str) -> pd.DataFrame:
        found = int((~wanted).sum())
        log.append((problem, found, "removed", found))
        return rows[wanted].reset_index(drop=True) if found else rows

    title = data.movies.title.map(natural_title)
    movies = data.movies.assign(title=title, genres=data.movies.genres.fillna("").replace(NO_GENRE))
    repeated = int(title.duplicated().sum())
    log += [
        ("titles with the article moved", int((title != data.movies.title).sum()), "put in natural order", 0),
        ("titles that an earlier movie_id has", repeated, "kept: merging would change published figures", 0),
        ("movies without a year", int(movies.year.isna().sum()), "kept, year is NA", 0),
        ("movies without genres", int((movies.genres == "").sum()), 'kept, genres is ""', 0),
    ]
    ratings = data.ratings.reset_index(drop=True)
    is_on, scale = _on_scale(ratings, step)
    ratings = keep(ratings, is_on, "ratings off the scale")
    if scale is not None:
        ratings.attrs["scale"] = tuple(scale)
    ratings = keep(ratings, ratings.movie_id.isin(movies.movie_id), "ratings of unknown movies")
    ratings = keep(ratings, _latest(ratings), "ratings by a user who rated the movie again later")
    strangers = 0 if data.users is None else int((~ratings.user_id.isin(data.users.user_id)).sum())
    out_of_time = int((~ratings.timestamp.between(OPENING, time.time())).sum())
    log += [
        ("ratings by users without a profile", strangers, "kept: a rating counts without a profile", 0),
        ("times before 1995 or in the future", out_of_time, "kept: seconds since 1970, UTC, no time zone", 0),
    ]
    tags = data.tags
    if tags is not None:
        tags = keep(tags, tags.movie_id.isin(movies.movie_id), "tags of unknown movies")
    return MovieLens(ratings, movies, data.users, tags), pd.DataFrame(log, columns=LOG)


def _on_scale(ratings: pd.DataFrame, step: float | None) -> tuple[pd.Series, Scale | None]:
    """Return whether each rating is on the scale, and the scale; None where all are equal: what was watched."""
    if step:
        return ratings.rating.between(step, 5) & (ratings.rating % step == 0), Scale(step, 5.0)
    if not has_stars(ratings):
        return ratings.rating.notna(), None
    given = ratings.attrs.get("scale")
    scale = checked_scale(given) if given else find_scale(ratings.rating.to_numpy(float, na_value=np.nan))
    if not given and not scale.is_identity:
        zeros = int((ratings.rating == 0).sum()) if scale.low == 0 and scale.high > 1 else 0
        doubt = f" {zeros:,} are 0: if that says that a film was not rated, leave these rows out." * (zeros > 0)
        other = "movierec.read(…, scale=(low, high)) names another."
        say(f"The ratings are read as stars on the scale {scale}; {other}{doubt}")
    return pd.Series(on_scale(ratings.rating, scale), ratings.index), scale


def _latest(ratings: pd.DataFrame) -> pd.Series:
    """Return False where the same user rates the same movie again later, or in a later row at the same time."""
    if not is_one_rated_twice(ratings):  # as in MovieLens
        return pd.Series(True, ratings.index)
    in_time = ratings.sort_values("timestamp", kind="stable")
    return ~in_time.duplicated(PAIR, keep="last").reindex(ratings.index)


def check_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return what `check_columns` does; raise ValueError if a pair of user and movie is there twice."""
    ratings = check_columns(ratings, "ratings", is_part=False)
    check_once(ratings, "ratings")
    return ratings


def check_once(ratings: pd.DataFrame, name: str) -> None:
    """Raise ValueError if a user's rating of a movie is there twice."""
    if is_one_rated_twice(ratings):
        repeated = ratings.duplicated(PAIR).to_numpy()
        in_time = '.sort_values("timestamp", kind="stable")' if has_time(ratings) else ""
        raise ValueError(
            f"`{name}` must hold each user's rating of a movie once; {repeated.sum():,} of {len(ratings):,} rows "
            f"repeat one, e.g. {ratings[repeated][PAIR].head(3).to_numpy().tolist()}. Keep the newest: "
            f'ratings{in_time}.drop_duplicates(["user_id", "movie_id"], keep="last").'
        )


def check_disjoint(parts: dict[str, pd.DataFrame]) -> None:
    """Raise ValueError if a user's rating of a movie is there twice, or if the parts have ids of two kinds."""
    for name, part in parts.items():
        for column in PAIR:
            check_same_kind(part[column], name, parts["train"][column], "`train`")
    if not is_one_rated_twice(*parts.values()):
        return
    for name, part in parts.items():
        check_once(part, name)
    for first, second in combinations(parts, 2):
        both = parts[first][PAIR].merge(parts[second][PAIR])["user_id"].unique()
        if len(both):
            raise ValueError(
                f"{first} and {second} must be disjoint; {len(both):,} of {parts[first]['user_id'].nunique():,} users "
                f"have a movie in both, e.g. user_id {both[:3].tolist()}. Use the `Split` as "
                "`movierec.split_by_user_time` returns it."
            )


def check_columns(ratings: pd.DataFrame, name: str, is_part: bool = True) -> pd.DataFrame:
    """Return the ratings with times in seconds and with all columns; the table itself if it is so already.

    Times in any unit become seconds, see `units.seconds`. Without times every timestamp is 0, without stars every
    rating 1. `is_part`: there are more ratings in another table. Raise ValueError unless there are rows of ids, see
    `published_ids`, finite stars, and times that can be read.
    """
    if not isinstance(ratings, pd.DataFrame):
        raise wrong_kind(ratings, name, "a DataFrame", INSTEAD_OF_RATINGS)
    for column in PAIR:
        ratings = keyed(ratings, column)
    check_has(ratings, name, PAIR, 'movierec.load("ml-100k").ratings')
    if ratings.empty:
        raise ValueError(f"`{name}` has no row. A split needs ratings in train and in test.")
    if "rating" not in ratings:
        ratings = ratings.assign(rating=np.float32(1))
    if "timestamp" not in ratings:
        ratings = ratings.assign(timestamp=0)
    times = seconds(ratings["timestamp"], f"timestamp in `{name}`", is_part=is_part)
    if not is_seconds(ratings["timestamp"]):
        ratings = ratings.assign(timestamp=times)
    values = ratings["rating"]
    is_number = pd.api.types.is_numeric_dtype(values)
    bad = ~np.isfinite(values.to_numpy(float, na_value=np.nan)) if is_number else np.ones(len(values), bool)
    if bad.any():
        raise ValueError(
            f"every rating in `{name}` must be a number (stars); {bad.sum():,} of {len(ratings):,} are not, "
            f"e.g. {values[bad].head(3).tolist()}. Drop or correct them."
        )
    given = {column: ratings[column] for column in PAIR}
    ids = {column: published_ids(values, name) for column, values in given.items()}
    changed = {column: ids[column] for column in PAIR if ids[column] is not given[column]}
    return ratings.assign(**changed) if changed else ratings


def natural_title(title: str) -> str:
    """Return the title with its article in front: "Matrix, The (1999)" -> "The Matrix (1999)", in parentheses too.

    MovieLens files titles under their first real word. Articles of a dozen languages are known; those that
    are also words ("Die", "I", "O") move only if the rest holds no comma: "Die, Mommie, Die" stays.
    """
    return re.sub(MOVED, _article_first, title) if ", " in title else title


def _article_first(match: re.Match) -> str:
    start, body, article, rare_body, rare_article = match.groups()
    article = article or rare_article
    space = "" if article.endswith(("'", "’")) else " "
    return f"{start}{article}{space}{body or rare_body}"


def find_movie(movies: pd.DataFrame, title: str) -> int | str:
    """Return the movie_id of a title: natural or as published, in any case, with or without year and translation.

    ValueError if no movie has it (the nearest titles are listed), or several have (all are listed).
    """
    exact = movies.movie_id[movies.title == title]
    return exact.tolist()[0] if len(exact) == 1 else Titles(movies).find(title)  # the usual case, fifty times as fast


class Titles:
    """`Titles(movies).find(title)` is `find_movie(movies, title)`, with the titles indexed for many questions."""

    def __init__(self, movies: pd.DataFrame):
        self.movies, self._ids = movies, movies.movie_id.tolist()
        self._short = []
        self._rows = [defaultdict(list) for _ in range(5)]  # of the title as it is; then of each kind of short name
        for row, title in enumerate(movies.title):
            names = _short_names(title)
            self._short.append(names[1])
            for rows, name in zip(self._rows, (title, *names), strict=True):
                rows[name].append(row)

    def find(self, title: str) -> int | str:
        """Return the movie_id of a title, as `find_movie`."""
        asked = _short_names.__wrapped__(title)  # not remembered: anybody may ask for anything
        exact, *others = [rows.get(name, []) for rows, name in zip(self._rows, [title] + 4 * [asked[0]], strict=True)]
        for found in [exact if len(exact) == 1 else [], *others]:
            if len(found) == 1:
                return self._ids[found[0]]
            if found:
                raise ValueError(
                    f"`title` must be that of one movie; {len(found)} have {title!r}: "
                    f"{_listed(self.movies.iloc[found])}. Take one of these movie_id, or add the year if it differs."
                )
        near = difflib.get_close_matches(asked[1], self._short, n=3)
        found = self.movies[[name in near for name in self._short]]
        advice = f"Nearest: {_listed(found)}." if near else "None is near; `movies.title` lists them all."
        raise ValueError(f"`title` must be in `movies`; none of {len(self.movies):,} titles is {title!r}. {advice}")


@functools.cache  # asked for the whole catalogue at every look-up
def _short_names(title: str) -> tuple[str, ...]:
    """Return a title in lower case: whole; then without year; without parentheses; without "the" or "a"."""
    whole = re.sub(MOVED, _article_first, title.strip(), flags=re.IGNORECASE).casefold()
    short = re.sub(r"(?<=.) \(.*", "", whole)
    return whole, re.sub(r" *\(\d{4}[^)]*\)( \(v\))?$", "", whole), short, re.sub(r"^(the|an?) ", "", short)


def _listed(found: pd.DataFrame) -> str:
    return ", ".join(f"{row.title!r} (movie_id {row.movie_id!r})" for row in found.head(5).itertuples())
