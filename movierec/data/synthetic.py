"""Data like MovieLens, of any size, made from a seed: for tests, and for benchmarks where the real data cannot be had.

Like MovieLens: a few movies have most of the ratings (Zipf), a few users give most of them (log-normal, 20 at least),
a user who likes a genre watches more of it and rates it higher, stars are halves from 0.5 to 5, ratings come in bursts.
Unlike MovieLens: titles mean nothing, tastes do not change, and order carries no information. So the quality that a
model reaches here says nothing about MovieLens. Taught in notebooks/13_scale.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data.tables import MovieLens
from movierec.files import unfinished

LEAST_RATINGS = 20  # of a user, as in MovieLens
NUM_GENRES = 18
ZIPF_EXPONENT = 1.1
ZIPF_SHIFT = 40.0  # popularity ∝ (rank + shift)^-exponent: the head is not steeper than MovieLens's
ACTIVITY_SIGMA = 1.1  # of the logarithm of ratings a user
OWN_GENRE = 0.4  # share of what a user watches that is drawn from their favourite genre
START = 1_000_000_000  # Unix seconds, September 2001
SPAN = 15 * 365 * 86_400  # seconds in which users arrive
BURST = 60  # mean seconds between two ratings of a user
ROUNDS = 6  # of drawing with replacement
USERS_PER_BLOCK = 20_000  # bounds memory at about 20,000 x ratings a user x 60 bytes


def make_movielens(
    num_users: int = 280_000,
    num_movies: int = 42_000,
    num_ratings: int = 20_000_000,
    *,
    num_tags: int = 0,
    seed: int = 0,
) -> MovieLens:
    """Return ratings, movies and tags in the tables of `load`; `users` is None, as in MovieLens since 10M.

    Ids are 1, 2, …; the same seed gives the same tables. `num_tags` is met exactly, `num_ratings` within 2 %: at least
    20 a user, and at most a quarter of all pairs, else a ValueError.
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
    types = {"user_id": np.int32, "movie_id": np.int32, "rating": np.float32, "timestamp": np.int64}
    ratings = {name: np.empty(activity.sum(), dtype) for name, dtype in types.items()}
    done = 0
    for first in range(0, num_users, USERS_PER_BLOCK):
        active = activity[first : first + USERS_PER_BLOCK]
        rows = slice(done, done + int(active.sum()))
        _fill(ratings, rows, rng, first, active, draws, popularity, genre, movie_bias)
        done = rows.stop
    ratings = pd.DataFrame(ratings, copy=False)
    years = rng.integers(1930, 2016, num_movies)
    movies = {
        "movie_id": np.arange(1, num_movies + 1, dtype=np.int32),
        "title": [f"Film {number} ({year})" for number, year in enumerate(years, 1)],
        "year": pd.array(years, dtype="Int64"),
        "genres": [f"Genre {number}" for number in genre],
    }
    tagged = ratings.iloc[np.sort(rng.integers(0, len(ratings), num_tags))][["user_id", "movie_id", "timestamp"]]
    words = [f"about {genre[movie_id - 1]}" for movie_id in tagged["movie_id"]]
    tags = tagged.assign(tag=pd.array(words, dtype="str"), timestamp=tagged["timestamp"] + 60)
    tags = tags[["user_id", "movie_id", "tag", "timestamp"]].reset_index(drop=True)
    return MovieLens(ratings, pd.DataFrame(movies), None, tags if num_tags else None)


def _activity(rng, num_users: int, num_ratings: int, num_movies: int) -> np.ndarray:
    """Return the number of ratings of each user, int64 `[num_users]`: log-normal above the least, at most half."""
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


def _fill(ratings, rows: slice, rng, first: int, activity: np.ndarray, draws, popularity, genre, movie_bias) -> None:
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
    """Return the user and the movie of each rating, from 0: by user, each movie once, in random order."""
    num_movies = len(popularity)
    users = np.arange(len(activity))
    key = np.empty(0, np.int64)  # user · num_movies + movie, sorted
    needed = activity.copy()
    for _ in range(ROUNDS):  # a movie that is drawn twice counts once, so draw again what is missing
        user = np.repeat(users, np.where(needed > 0, 5 * needed // 4 + 2, 0))
        key = np.concatenate([key, user * num_movies + _draw(rng, draws, favourite[user])])
        key.sort()
        key = key[np.concatenate([[True], key[1:] != key[:-1]])] if len(key) else key
        needed = np.maximum(activity - np.bincount(key // num_movies, minlength=len(users)), 0)
    slow = needed > 0  # a user who watches a good part of the catalogue draws the same again and again
    all_of = [key[~slow[key // num_movies]]]
    by_genre = np.bincount(genre, popularity, minlength=NUM_GENRES)
    for user in np.flatnonzero(slow):  # without replacement: the first of clocks that ring at rates by weight
        own = OWN_GENRE * popularity * (genre == favourite[user]) / by_genre[favourite[user]]
        rings = rng.exponential(size=num_movies) / (popularity * (1 - OWN_GENRE) + own)
        all_of.append(user * num_movies + np.argpartition(rings, activity[user])[: activity[user]])
    return _some_of_each(rng, np.concatenate(all_of), activity, num_movies)


def _some_of_each(rng, key: np.ndarray, activity: np.ndarray, num_movies: int) -> tuple[np.ndarray, np.ndarray]:
    """Return as many of each user's keys as their activity, in random order: user and movie of each.

    One sort of user · 2^(luck + movie bits) + luck · 2^movie bits + movie is five times as fast as of two columns.
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
    movie: np.ndarray  # int64 [places]; other: the same
    other: np.ndarray
    keep: np.ndarray  # float64 [places]


def _draws(popularity: np.ndarray, genre: np.ndarray) -> _Draws:
    members = [np.flatnonzero(genre == number) for number in range(NUM_GENRES)] + [np.arange(len(genre))]
    tables = [(movies, *_alias(popularity[movies])) for movies in members]
    size = np.array([len(movies) for movies in members])
    other = np.concatenate([movies[other] for movies, other, _ in tables])
    keep = np.concatenate([keep for _, _, keep in tables])
    return _Draws(np.cumsum(size) - size, size, np.concatenate(members), other, keep)


def _alias(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return other int64 [n], keep float64 [n] of n weights: what a light one lacks to 1/n comes from a heavy one.

    Source: Walker 1977; Vose, A linear algorithm for generating random numbers with a given distribution, 1991.
    """
    other = np.arange(len(weights))
    share = (weights * len(weights) / weights.sum()).tolist() if len(weights) else []
    light = [place for place, amount in enumerate(share) if amount < 1]
    heavy = [place for place, amount in enumerate(share) if amount >= 1]
    while light and heavy:
        small = light.pop()
        large = heavy[-1]
        other[small] = large
        share[large] -= 1 - share[small]
        if share[large] < 1:
            light.append(heavy.pop())
    for place in light + heavy:  # 1 but for rounding
        share[place] = 1.0
    return other, np.array(share)


def _draw(rng, draws: _Draws, favourite: np.ndarray) -> np.ndarray:
    """Return a movie for each row: by popularity, or by popularity within the user's favourite genre."""
    own = (rng.random(len(favourite)) < OWN_GENRE) & (draws.size[favourite] > 0)
    table = np.where(own, favourite, NUM_GENRES)
    point = rng.random(len(favourite)) * draws.size[table]
    place = point.astype(np.int64)
    keep = point - place < draws.keep[draws.start[table] + place]
    place += draws.start[table]
    return np.where(keep, draws.movie[place], draws.other[place])


def write_csv(data: MovieLens, folder: str | os.PathLike) -> Path:
    """Write ratings.csv, movies.csv and (if there are any) tags.csv as GroupLens writes them; return the folder.

    The folder is made if need be; files of these names in it are replaced, each whole or not at all. Users are left
    out: no release in this format has them.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    movies = data.movies[["movie_id", "title", "genres"]]
    movies = movies.assign(genres=movies["genres"].replace("", "(no genres listed)"))
    files = {"ratings.csv": data.ratings[["user_id", "movie_id", "rating", "timestamp"]], "movies.csv": movies}
    if data.tags is not None:
        files["tags.csv"] = data.tags[["user_id", "movie_id", "tag", "timestamp"]]
    with unfinished(folder) as part:
        for name, table in files.items():
            named = table.rename(columns={"user_id": "userId", "movie_id": "movieId"})
            named.to_csv(part / name, index=False, lineterminator="\n")
            os.replace(part / name, folder / name)
    return folder
