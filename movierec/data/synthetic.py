"""Data like MovieLens, of any size, made from a seed: for tests, and for benchmarks where the real data cannot be had.

What is like it: a few movies have most of the ratings (Zipf), a few users give most of them (log-normal, 20 at least),
who likes a genre watches it and rates it higher (latent factors), stars are halves from 0.5 to 5, ratings come in
bursts. What is not: titles mean nothing, nobody changes, order carries no information, and the data are as easy as
their few factors. What a model reaches on them says nothing about MovieLens. Taught in notebooks/10_serving.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data.tables import MovieLens

LEAST_RATINGS = 20  # of a user, as in MovieLens
NUM_GENRES = 18
ZIPF_EXPONENT, ZIPF_SHIFT = 1.1, 40.0  # popularity ∝ (rank + shift)^-exponent: the head is not steeper than MovieLens's
ACTIVITY_SIGMA = 1.1  # of the logarithm of ratings a user
OWN_GENRE = 0.4  # share of what a user watches that is drawn from their favourite genre
START = 1_000_000_000  # Unix seconds, September 2001
SPAN = 15 * 365 * 86_400  # seconds in which users arrive
BURST = 60  # mean seconds between two ratings of a user
ROUNDS = 6  # of drawing with replacement
USERS_PER_BLOCK = 20_000  # bounds memory at about 20,000 x ratings a user x 60 bytes
ROWS = 500_000  # written as text at a time, 15 MB


def make_movielens(
    num_users: int = 280_000,
    num_movies: int = 42_000,
    num_ratings: int = 20_000_000,
    *,
    num_tags: int = 0,
    seed: int = 0,
) -> MovieLens:
    """Ratings, movies and tags in the tables of `load`; `users` is None, as in MovieLens since 10M.

    Args:
        num_users, num_movies: ids are 1, 2, …
        num_ratings: about so many, within 2 %; at least 20 a user, and a quarter of all pairs at most.
        num_tags: exactly so many.
        seed: the same seed gives the same tables.

    Raises:
        ValueError: if there are too few or too many ratings for so many users and movies.
    """
    if not LEAST_RATINGS * num_users <= num_ratings <= num_users * num_movies / 4:
        raise ValueError(
            f"`num_ratings` must be {LEAST_RATINGS} a user at least and a quarter of all pairs at most, "
            f"{LEAST_RATINGS * num_users:,} to {num_users * num_movies // 4:,} here; got {num_ratings:,}."
        )
    rng = np.random.default_rng(seed)
    popularity = (np.arange(num_movies) + ZIPF_SHIFT) ** -ZIPF_EXPONENT
    popularity = rng.permutation(popularity / popularity.sum())
    genre = rng.integers(0, NUM_GENRES, num_movies)
    movie_bias = rng.normal(0, 0.4, num_movies) + 0.1 * np.log(popularity * num_movies)  # the popular are better liked
    activity = _activity(rng, num_users, num_ratings, num_movies)
    draws = _draws(popularity, genre)
    ratings = _empty_ratings(int(activity.sum()))
    done = 0
    for first in range(0, num_users, USERS_PER_BLOCK):
        active = activity[first : first + USERS_PER_BLOCK]
        rows = slice(done, done + int(active.sum()))
        _fill(ratings, rows, rng, first, active, draws, popularity, genre, movie_bias)
        done = rows.stop
    ratings = pd.DataFrame(ratings, copy=False)
    movies = _movies(rng, genre)
    tagged = ratings.iloc[np.sort(rng.integers(0, len(ratings), num_tags))][["user_id", "movie_id", "timestamp"]]
    words = [f"about {genre[movie_id - 1]}" for movie_id in tagged["movie_id"]]
    tags = tagged.assign(tag=pd.array(words, dtype="str"), timestamp=tagged["timestamp"] + 60)
    tags = tags[["user_id", "movie_id", "tag", "timestamp"]].reset_index(drop=True)
    return MovieLens(ratings, movies, None, tags if num_tags else None)


def _movies(rng, genre: np.ndarray) -> pd.DataFrame:
    years = rng.integers(1930, 2016, len(genre))
    return pd.DataFrame(
        {
            "movie_id": np.arange(1, len(genre) + 1, dtype=np.int32),
            "title": [f"Film {number} ({year})" for number, year in enumerate(years, 1)],
            "year": pd.array(years, dtype="Int64"),
            "genres": [f"Genre {number}" for number in genre],
        }
    )


def _activity(rng, num_users: int, num_ratings: int, num_movies: int) -> np.ndarray:
    """Ratings of each user, int64 `[num_users]`: log-normal above the least, half of the movies at most."""
    share = rng.lognormal(0, ACTIVITY_SIGMA, num_users)
    above = num_ratings - LEAST_RATINGS * num_users
    counts = LEAST_RATINGS + share / share.sum() * above
    most = num_movies // 2
    for _ in range(20):  # what is cut off above goes to the others
        missing = num_ratings - np.minimum(counts, most).sum()
        if missing < 0.001 * num_ratings:
            break
        free = counts < most
        counts[free] *= 1 + missing / counts[free].sum()
    return np.minimum(counts, most).round().astype(np.int64)


def _empty_ratings(size: int) -> dict[str, np.ndarray]:
    types = {"user_id": np.int32, "movie_id": np.int32, "rating": np.float32, "timestamp": np.int64}
    return {name: np.empty(size, dtype) for name, dtype in types.items()}


def _fill(ratings, rows: slice, rng, first: int, activity: np.ndarray, draws, popularity, genre, movie_bias) -> None:
    """Write the ratings of the users from `first` on into `rows`, by user and time."""
    favourite = rng.integers(0, NUM_GENRES, len(activity))
    user, movie = _watched(rng, activity, favourite, draws, popularity, genre)
    taste = 0.5 * (genre[movie] == favourite[user]) - 0.1
    stars = 3.4 + rng.normal(0, 0.4, len(activity))[user] + movie_bias[movie] + taste
    stars += 0.8 * rng.standard_normal(len(user))
    since = np.cumsum(rng.exponential(BURST, len(user)))
    starts = np.concatenate([[0], np.cumsum(activity)[:-1]])
    arrival = START + rng.random(len(activity)) * SPAN - since[starts]
    ratings["user_id"][rows] = first + 1 + user
    ratings["movie_id"][rows] = 1 + movie
    ratings["rating"][rows] = np.clip(np.rint(2 * stars), 1, 10) / 2
    ratings["timestamp"][rows] = arrival[user] + since


def _watched(rng, activity, favourite, draws: _Draws, popularity, genre) -> tuple[np.ndarray, np.ndarray]:
    """The user and the movie of each rating, from 0: by user, each movie once, in an order drawn by luck."""
    num_movies, users = len(popularity), np.arange(len(activity))
    key = np.empty(0, np.int64)  # user · num_movies + movie, sorted
    needed = activity.copy()
    for _ in range(ROUNDS):  # a movie that is drawn twice counts once, so draw again what is missing
        user = np.repeat(users, np.where(needed > 0, 5 * needed // 4 + 2, 0))
        key = np.concatenate([key, user * num_movies + _draw(rng, draws, favourite[user])])
        key.sort()
        key = key[np.concatenate([[True], key[1:] != key[:-1]])] if len(key) else key
        needed = np.maximum(activity - np.bincount(key // num_movies, minlength=len(users)), 0)
    slow = needed > 0  # who watches a good part of the catalogue draws the same again and again
    all_of = [key[~slow[key // num_movies]]]
    by_genre = np.bincount(genre, popularity, minlength=NUM_GENRES)
    for user in np.flatnonzero(slow):  # without replacement in one go: the first of clocks that ring at rates by weight
        own = OWN_GENRE * popularity * (genre == favourite[user]) / by_genre[favourite[user]]
        rings = rng.exponential(size=num_movies) / (popularity * (1 - OWN_GENRE) + own)
        all_of.append(user * num_movies + np.argpartition(rings, activity[user])[: activity[user]])
    return _some_of_each(rng, np.concatenate(all_of), activity, num_movies)


def _some_of_each(rng, key: np.ndarray, activity: np.ndarray, num_movies: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each user's keys as many as their activity, in an order drawn by luck: user and movie of each.

    One sort of whole numbers, user · 2^(luck + movie bits) + luck · 2^movie bits + movie, is five times as fast as
    sorting by two columns.
    """
    movie_bits = num_movies.bit_length()
    luck_bits = 62 - movie_bits - len(activity).bit_length()
    luck = rng.integers(0, 1 << luck_bits, len(key))
    shuffled = ((key // num_movies << luck_bits) + luck << movie_bits) + key % num_movies
    shuffled.sort()
    user = shuffled >> (luck_bits + movie_bits)
    there = np.bincount(user, minlength=len(activity))
    rank = np.arange(len(key)) - np.repeat(np.cumsum(there) - there, there)
    chosen = rank < activity[user]
    return user[chosen], shuffled[chosen] & ((1 << movie_bits) - 1)


class _Draws(NamedTuple):
    """Walker's alias tables, one for each genre and one for all movies, one after the other.

    A place is drawn evenly; it stands for its own movie with probability `keep`, else for `other`.
    """

    start: np.ndarray  # int64 [genres + 1], of each table
    size: np.ndarray  # int64 [genres + 1]
    movie: np.ndarray  # int64 [places]
    other: np.ndarray  # int64 [places]
    keep: np.ndarray  # float64 [places]


def _draws(popularity: np.ndarray, genre: np.ndarray) -> _Draws:
    members = [np.flatnonzero(genre == number) for number in range(NUM_GENRES)] + [np.arange(len(genre))]
    tables = [(movies, *_alias(popularity[movies])) for movies in members]
    size = np.array([len(movies) for movies in members])
    other = np.concatenate([movies[other] for movies, other, _ in tables])
    keep = np.concatenate([keep for _, _, keep in tables])
    return _Draws(np.cumsum(size) - size, size, np.concatenate(members), other, keep)


def _alias(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of n weights: other int64 [n], keep float64 [n]; what a light one lacks to 1/n is taken from a heavy one.

    Source: Walker 1977; Vose, A linear algorithm for generating random numbers with a given distribution, 1991.
    """
    keep, other = weights * len(weights) / weights.sum() if len(weights) else weights, np.arange(len(weights))
    share = keep.tolist()
    light = [place for place, amount in enumerate(share) if amount < 1]
    heavy = [place for place, amount in enumerate(share) if amount >= 1]
    while light and heavy:
        small, large = light.pop(), heavy[-1]
        other[small] = large
        share[large] -= 1 - share[small]
        if share[large] < 1:
            light.append(heavy.pop())
    for place in light + heavy:  # of rounding: these are 1
        share[place] = 1.0
    return other, np.array(share)


def _draw(rng, draws: _Draws, favourite: np.ndarray) -> np.ndarray:
    """A movie for each row: by popularity, or by popularity within the user's favourite genre."""
    own = (rng.random(len(favourite)) < OWN_GENRE) & (draws.size[favourite] > 0)
    table = np.where(own, favourite, NUM_GENRES)
    point = rng.random(len(favourite)) * draws.size[table]
    place = point.astype(np.int64)
    keep = point - place < draws.keep[draws.start[table] + place]
    place += draws.start[table]
    return np.where(keep, draws.movie[place], draws.other[place])


def write_csv(data: MovieLens, folder: str | os.PathLike) -> Path:
    """The folder, with ratings.csv, movies.csv and (if there are any) tags.csv as GroupLens writes them.

    Columns are userId, movieId, rating, timestamp; stars have one digit, rows the order of the tables. Users are left
    out: no release in this format has them. Each file is whole or not there.

    Args:
        data: Any tables, as `make_movielens` or `movierec.load` return them.
        folder: Made if need be; files of these names in it are replaced.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_file(folder / "ratings.csv", ["userId", "movieId", "rating", "timestamp"], _rating_lines(data.ratings))
    movies = data.movies
    genres = movies.genres.replace("", "(no genres listed)")
    _write_file(folder / "movies.csv", ["movieId", "title", "genres"], _lines(movies.movie_id, movies.title, genres))
    if data.tags is not None:
        columns = [data.tags[name] for name in ("user_id", "movie_id", "tag", "timestamp")]
        _write_file(folder / "tags.csv", ["userId", "movieId", "tag", "timestamp"], _lines(*columns))
    return folder


def _rating_lines(ratings: pd.DataFrame) -> Iterator[str]:
    for start in range(0, len(ratings), ROWS):
        block = ratings.iloc[start : start + ROWS]
        stars, which = np.unique(block.rating, return_inverse=True)
        text = [str(number) for number in stars]  # 3.5, for float32 too
        rows = zip(
            block.user_id.tolist(), block.movie_id.tolist(), which.tolist(), block.timestamp.tolist(), strict=True
        )
        yield "".join([f"{user},{movie},{text[star]},{seconds}\n" for user, movie, star, seconds in rows])


def _lines(*columns: pd.Series) -> Iterator[str]:
    for start in range(0, len(columns[0]), ROWS):
        text = io.StringIO()
        rows = zip(*(column.iloc[start : start + ROWS].tolist() for column in columns), strict=True)
        csv.writer(text, lineterminator="\n").writerows(rows)
        yield text.getvalue()


def _write_file(path: Path, header: list[str], pieces: Iterator[str]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8", newline="") as file:
            file.write(",".join(header) + "\n")
            file.writelines(pieces)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
