"""Data like MovieLens, of any size, made from a seed: for tests, and for benchmarks where the real data cannot be had.

What is like it: a few movies have most of the ratings (Zipf), a few users give most of them (log-normal, 20 at least),
who likes a genre watches it and rates it higher (latent factors), stars are halves from 0.5 to 5, ratings come in
bursts. What is not: titles mean nothing, nobody changes, order carries no information, and the data are as easy as
their few factors. What a model reaches on them says nothing about MovieLens. Taught in notebooks/10_serving.
"""

import numpy as np
import pandas as pd

from movierec.datasets import MovieLens

LEAST_RATINGS = 20  # of a user, as in MovieLens
NUM_GENRES = 18
ZIPF_EXPONENT, ZIPF_SHIFT = 1.1, 40.0  # popularity ∝ (rank + shift)^-exponent: the head is not steeper than MovieLens's
ACTIVITY_SIGMA = 1.1  # of the logarithm of ratings a user
OWN_GENRE = 0.4  # share of what a user watches that is drawn from their favourite genre
START = 1_000_000_000  # Unix seconds, September 2001
SPAN = 15 * 365 * 86_400  # seconds in which users arrive
BURST = 60  # mean seconds between two ratings of a user
ROUNDS = 4  # of drawing with replacement
USERS_PER_BLOCK = 20_000  # bounds memory at about 20,000 x ratings a user x 40 bytes


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
    blocks = [
        _block(rng, first, activity[first : first + USERS_PER_BLOCK], popularity, genre, movie_bias)
        for first in range(0, num_users, USERS_PER_BLOCK)
    ]
    ratings = pd.concat(blocks, ignore_index=True)
    years = rng.integers(1930, 2016, num_movies)
    movies = pd.DataFrame(
        {
            "movie_id": np.arange(1, num_movies + 1),
            "title": [f"Film {number} ({year})" for number, year in enumerate(years, 1)],
            "year": pd.array(years, dtype="Int64"),
            "genres": [f"Genre {number}" for number in genre],
        }
    )
    tagged = ratings.iloc[np.sort(rng.integers(0, len(ratings), num_tags))][["user_id", "movie_id", "timestamp"]]
    words = pd.Series([f"about {number}" for number in genre], index=movies["movie_id"])
    tags = tagged.assign(tag=words[tagged["movie_id"]].to_numpy(), timestamp=tagged["timestamp"] + 60)
    tags = tags[["user_id", "movie_id", "tag", "timestamp"]].reset_index(drop=True)
    return MovieLens(ratings, movies, None, tags if num_tags else None)


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


def _block(rng, first: int, activity: np.ndarray, popularity, genre, movie_bias) -> pd.DataFrame:
    """The ratings of the users from `first` on, by user and time."""
    num_movies, users = len(popularity), np.arange(len(activity))
    favourite = rng.integers(0, NUM_GENRES, len(users))
    key = np.empty(0, np.int64)  # user · num_movies + movie, each once
    needed = activity.copy()
    for _ in range(ROUNDS):  # a movie that is drawn twice counts once, so draw again what is missing
        user = np.repeat(users, np.where(needed > 0, 5 * needed // 4 + 2, 0))
        key = np.unique(np.concatenate([key, user * num_movies + _draw(rng, user, favourite, popularity, genre)]))
        needed = np.maximum(activity - np.bincount(key // num_movies, minlength=len(users)), 0)
    slow = np.flatnonzero(needed)  # who watches a good part of the catalogue draws the same again and again
    weight = popularity * (1 - OWN_GENRE)
    by_genre = np.bincount(genre, popularity, minlength=NUM_GENRES)
    all_of = [key[~np.isin(key // num_movies, slow)]]
    for user in slow:  # without replacement in one go: the first of clocks that ring at rates by weight
        own = OWN_GENRE * popularity * (genre == favourite[user]) / by_genre[favourite[user]]
        rings = rng.exponential(size=num_movies) / (weight + own)
        all_of.append(user * num_movies + np.argpartition(rings, activity[user])[: activity[user]])
    key = np.concatenate(all_of)
    key = _as_many_as(rng, key, key // num_movies, activity)
    user, movie = key // num_movies, key % num_movies
    taste = 0.5 * (genre[movie] == favourite[user]) - 0.1
    stars = 3.4 + rng.normal(0, 0.4, len(users))[user] + movie_bias[movie] + taste + rng.normal(0, 0.8, len(key))
    seconds = rng.exponential(BURST, len(key))
    order = np.lexsort((rng.random(len(key)), user))
    starts = np.concatenate([[0], np.cumsum(activity)[:-1]])
    since = np.cumsum(seconds)
    since -= np.repeat(since[starts], activity)
    arrival = START + rng.random(len(users)) * SPAN
    return pd.DataFrame(
        {
            "user_id": first + 1 + user[order],
            "movie_id": 1 + movie[order],
            "rating": (np.clip(np.round(2 * stars[order]), 1, 10) / 2).astype(np.float32),
            "timestamp": (arrival[user[order]] + since).astype(np.int64),
        }
    )


def _draw(rng, user, favourite, popularity, genre) -> np.ndarray:
    """A movie for each row: by popularity, or by popularity within the user's favourite genre."""
    order = np.argsort(genre, kind="stable")
    ends = np.searchsorted(genre[order], np.arange(NUM_GENRES), side="right")
    total = np.cumsum(popularity[order])
    low = np.concatenate([[0.0], total[ends[:-1] - 1]])
    high = total[ends - 1]
    own = rng.random(len(user)) < OWN_GENRE
    genre_of = favourite[user]
    uniform = rng.random(len(user))
    point = np.where(own, low[genre_of] + uniform * (high - low)[genre_of], uniform * total[-1])
    return order[np.minimum(np.searchsorted(total, point, side="right"), len(order) - 1)]


def _as_many_as(rng, key, user, activity) -> np.ndarray:
    """Of each user's keys as many as their activity, drawn by luck, sorted."""
    order = np.lexsort((rng.random(len(key)), user))
    rank = np.arange(len(key)) - np.repeat(
        np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(activity)))[:-1]]),
        np.bincount(user, minlength=len(activity)),
    )
    return np.sort(key[order][rank < activity[user[order]]])
