"""Histories as sentences whose words are films: windows to learn the next film from.

Taught in notebooks/08_self_attention.
"""

from typing import NamedTuple

import numpy as np

from movierec.models.history import History

GAP_EDGES_SECONDS = (1, 60, 600, 3600, 86_400, 604_800)  # same second, minute, ten minutes, hour, day, week, longer
NUM_GAPS = len(GAP_EDGES_SECONDS) + 1


class Windows(NamedTuple):
    """Stretches of histories, each read from left to right; short ones are filled up with no film on their left.

    Attributes:
        film: int32 `[N, length]`, movie_index, or num_movies where there is no film.
        gap: int32 `[N, length]`, 0 to NUM_GAPS − 1: the time since the film before, see `gaps`.
        next_film: int32 `[N, length]`, the film that came next, which is asked for; num_movies where nothing is asked.
    """

    film: np.ndarray
    gap: np.ndarray
    next_film: np.ndarray


def gaps(history: History) -> np.ndarray:
    """How long before each rating its user's last one was, as a row of `GAP_EDGES_SECONDS`: int32 `[ratings]`.

    0 is the same second, NUM_GAPS − 1 longer than a week, or no rating before.
    """
    seconds = np.diff(history.timestamp, prepend=0).astype(float)
    seconds[history.starts[:-1][np.diff(history.starts) > 0]] = np.inf
    return np.searchsorted(GAP_EDGES_SECONDS, seconds, side="right").astype(np.int32)


def windows(history: History, length: int) -> Windows:
    """All histories cut into windows from their newest end, so that each film but a user's first is asked for once.

    Raises:
        ValueError: if nobody has two films.
    """
    starts, counts = history.starts[:-1], np.diff(history.starts)
    pieces = np.maximum(counts - 1 + length - 1, 0) // length  # of each user: the places that have a next film
    if not pieces.any():
        raise ValueError(f"somebody must have two films, or nothing comes next; the {len(counts):,} users have one.")
    piece = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # 0 is the newest
    end = np.repeat(starts + counts - 1, pieces) - length * piece
    film, gap, place = _read(history, np.repeat(starts, pieces), end, length)
    last = len(history.movie_index) - 1
    following = history.movie_index[np.minimum(place + 1, last)]
    return Windows(film, gap, np.where(film == history.num_movies, history.num_movies, following).astype(np.int32))


def newest(history: History, length: int) -> tuple[np.ndarray, np.ndarray]:
    """film and gap of everybody's newest films, int32 `[num_users, length]` each: what is read to say what is next."""
    film, gap, _ = _read(history, history.starts[:-1], history.starts[1:], length)
    return film, gap


def _read(history: History, starts: np.ndarray, ends: np.ndarray, length: int) -> tuple:
    """film, gap, and their rows in the history, `[N, length]`: the `length` ratings before each end, from its start."""
    place = ends[:, None] - length + np.arange(length)
    there = place >= starts[:, None]
    place = np.where(there, place, 0)
    film = np.where(there, history.movie_index[place], history.num_movies).astype(np.int32)
    return film, np.where(there, gaps(history)[place], NUM_GAPS - 1).astype(np.int32), place
