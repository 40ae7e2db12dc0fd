"""From a ranked list of candidates to a playlist, for an evening of so many minutes or a week of so many films.

No model is asked, so a widget can make a new playlist at every move of a slider. Taught in
notebooks/07_recommendations.
"""

import functools
import math
import numbers

import numpy as np
import pandas as pd

from movierec.data import genre_flags
from movierec.recommend.reranking import checked_vectors, gains, in_order, relevance, require

COLUMNS = ("movie_id", "title", "score", "genres", "year", "popularity")
MINUTES_PER_FILM = 110  # MovieLens has no running times; most features take 90 to 130 minutes, and this is the middle
MIX_FROM = 4  # films; in fewer, one that is there for the mix alone would take a third or more of the evening


def make_playlist(
    candidates: pd.DataFrame,
    vectors: np.ndarray,
    *,
    count: int | None = None,
    minutes: float | None = None,
    familiarity: float = 0.5,
    diversity: float = 0.3,
    calibration: float = 0.0,
    genre_shares: dict | pd.Series | None = None,
    years: tuple[int, int] | None = None,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return a playlist of the candidates: relevant films that are not all alike and have the genres of the history.

    The choice is greedy: always the film with the largest `gains` that still fits; of equal ones the more relevant,
    then the earlier row. At the end the films are put `in_order`. The filters (years, include, exclude) do not change
    how the films that they leave are scaled. A playlist of `MIX_FROM` films or more holds a "safe" and an
    "adventurous" one; if not, the film chosen last makes way for the best of the other kind that fits. At diversity 0
    or familiarity 0 or 1 there is no such mix.

    Args:
        candidates: movie_id, title, score (unnormalised, higher is better), genres ("Animation|Comedy" or ""), year
            (may be NA), popularity (ratings in train); perhaps minutes. Best first.
        vectors: float32 `[num_candidates, dim]`, of the same rows.
        count: Films, 1 to num_candidates; fewer come if the filters leave fewer. Or else:
        minutes: Length of the evening. A film of unknown length, with MovieLens every film, takes `MINUTES_PER_FILM`.
        familiarity: 0..1, from hidden gems to well-known films, .5 for the scores alone; see `relevance`.
        diversity, calibration: λ and c of `gains`, 0..1.
        genre_shares: {genre: share} of the history, from the function of that name; for calibration above 0.
        years: (first, last), both included; a film without a year is never between them.
        include, exclude: Genres; a film must have one of the first, and none of the second.

    Returns:
        DataFrame place (from 1), movie_id, title, score, why, minutes, and the other columns of `candidates`. `why` is
        "safe" at or above the median popularity of all candidates and "adventurous" below.

    Raises:
        ValueError: If not exactly one of count and minutes is given, a number is out of range, a column is missing or
            has a hole, a film comes twice, vectors have another shape, a genre is unknown, or no film is left or fits.
    """
    lengths, vectors = _checked_minutes(candidates), checked_vectors(vectors, len(candidates))
    places, room = _checked_size(count, minutes, len(candidates))
    for name, value in {"familiarity": familiarity, "diversity": diversity, "calibration": calibration}.items():
        is_share = isinstance(value, numbers.Real) and 0 <= value <= 1
        require(is_share, f"`{name}` must be a number from 0 to 1", repr(value), f"Try {name}=0.5.")
    genres, history = _genres_and_history(candidates["genres"], genre_shares, calibration)
    popularity = candidates["popularity"].to_numpy(float)
    safe = popularity >= np.median(popularity)
    worth = relevance(candidates["score"].to_numpy(float), popularity, familiarity)
    rows = np.argsort(-worth, kind="stable")  # the first of equals is now the more relevant, then the earlier row
    rows = rows[_allowed(candidates, genres, years, include, exclude)[rows]]
    taste = dict(diversity=diversity, calibration=calibration, genres=genres.to_numpy(float)[rows], history=history)
    gain = functools.partial(gains, relevance=worth[rows], vectors=vectors[rows], **taste)
    mixed = diversity > 0 and 0 < familiarity < 1
    chosen = rows[np.sort(_choose(gain, lengths.to_numpy(float)[rows], places, room, safe[rows], mixed))]
    chosen = chosen[in_order(vectors[chosen])]  # sorted before, so that it begins with the most relevant
    new = {"place": range(1, len(chosen) + 1), "why": np.where(safe[chosen], "safe", "adventurous")}
    table = candidates.assign(minutes=lengths).iloc[chosen].reset_index(drop=True).assign(**new)
    return table[list(dict.fromkeys(["place", "movie_id", "title", "score", "why", "minutes", *candidates]))]


def _choose(gain, lengths, places, room, safe, mixed) -> list[int]:
    """Choose greedily, then mix; return indices into the arrays, which are of the films that the filters left."""
    must = f"the evening must hold {lengths.min():g} minutes, the shortest of {len(lengths)} films"
    require(room >= lengths.min(), must, f"minutes={room:g}", f"Try minutes={2 * MINUTES_PER_FILM}.")
    every = np.ones(len(lengths), bool)
    chosen = _fill([], gain, lengths, places, room, every)
    if mixed and len(chosen) >= MIX_FROM and len(set(safe[chosen])) == 1:
        chosen = _fill(chosen[:-1], gain, lengths, len(chosen), room, safe != safe[chosen[0]])
        chosen = _fill(chosen, gain, lengths, places, room, every)  # what is free now; or the same film once more
    return chosen


def _fill(chosen, gain, lengths, places, room, among) -> list[int]:
    """Return `chosen` and the best of `among` one by one, as long as there are places and one fits into the room."""
    while len(chosen) < places:
        fits = among & (lengths <= room - lengths[chosen].sum())
        fits[chosen] = False
        if not fits.any():
            break
        chosen = [*chosen, int(np.where(fits, gain(chosen), -np.inf).argmax())]
    return chosen


def _genres_and_history(genres: pd.Series, shares, calibration: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Return flags of the genres that the candidates or the history have, and p in the order of their columns."""
    flags = genre_flags(genres)
    shares = pd.Series({} if shares is None else shares, dtype=float)
    holds = (np.isfinite(shares) & (shares >= 0)).all() and (calibration == 0 or shares.sum() > 0)
    must = "`genre_shares` must be finite and 0 or more, and for calibration above 0 one of them above 0"
    require(holds, must, shares.to_dict(), "Try genre_shares=genre_shares(watched.genres).")
    names = sorted({*flags, *shares.index})
    return flags.reindex(columns=names, fill_value=0), shares.reindex(names, fill_value=0).to_numpy()


def _allowed(candidates, genres, years, include, exclude) -> np.ndarray:
    """Return bool `[num_candidates]`: which films the filters leave."""
    passes = {}
    for name, wanted in {"include": include, "exclude": exclude}.items():
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        unknown = [genre for genre in wanted if genre not in genres]
        require(not unknown, f"every genre in `{name}` must be known", unknown, f"Known are {', '.join(genres)}.")
        if wanted:
            passes[f"{name}={wanted}"] = genres[wanted].any(axis=1).to_numpy() == (name == "include")
    if years is not None:
        holds = np.shape(years) == (2,) and np.array(years).dtype.kind in "iuf" and years[0] <= years[1]
        require(holds, "`years` must be (first, last) in this order", repr(years), "Try years=(1980, 1999).")
        year = pd.to_numeric(candidates["year"], errors="coerce").to_numpy(float, na_value=math.nan)
        passes[f"years={years}"] = (year >= years[0]) & (year <= years[1])
    allowed = np.logical_and.reduce([np.ones(len(candidates), bool), *passes.values()])
    alone = ", ".join(f"{name} {passed.sum()}" for name, passed in passes.items())
    must = f"the filters must leave one of {len(candidates)} films"
    require(allowed.any(), must, f"none; alone they leave: {alone}", "Loosen one of them.")
    return allowed


def _checked_size(count, minutes, num_candidates: int) -> tuple[int, float]:
    """Return how many films may come, and how many minutes they may take."""
    given = f"count={count!r}, minutes={minutes!r}"
    one = (count is None) != (minutes is None)
    require(one, "exactly one of count and minutes must be given", given, "Try count=7 or minutes=240.")
    if minutes is not None:
        holds = isinstance(minutes, numbers.Real) and 0 < minutes < math.inf
        require(holds, "`minutes` must be a number above 0", repr(minutes), "Try minutes=240.")
        return num_candidates, float(minutes)
    holds = isinstance(count, numbers.Integral) and 1 <= count <= num_candidates
    must = f"`count` must be a whole number, 1 to {num_candidates} (the candidates)"
    require(holds, must, repr(count), f"Try count={min(7, num_candidates)}.")
    return int(count), math.inf


def _checked_minutes(candidates: pd.DataFrame) -> pd.Series:
    """Return the running times of a table that is fit to choose from."""
    missing = [column for column in COLUMNS if column not in candidates]
    must = f"`candidates` must have {', '.join(COLUMNS)} and a row"
    found = f"{len(candidates)} rows without {', '.join(missing) or 'a film'}"
    require(not missing and len(candidates), must, found, "Merge scores and movies.")
    twice = candidates["movie_id"][candidates["movie_id"].duplicated()].tolist()
    found = f"{len(twice)} rows that repeat a movie_id, e.g. {twice[:3]}"
    require(not twice, "each film must come once", found, 'Try candidates.drop_duplicates("movie_id").')
    unknown = pd.Series(MINUTES_PER_FILM, candidates.index)
    lengths = candidates.get("minutes", unknown).fillna(MINUTES_PER_FILM)
    for column, least in {"score": -math.inf, "popularity": 0, "minutes": 1}.items():
        values = (lengths if column == "minutes" else candidates[column]).to_numpy(float, na_value=math.nan)
        bad = ~(np.isfinite(values) & (values >= least))
        found = f"{bad.sum()} of {len(bad)} that are not, e.g. movie_id {candidates['movie_id'][bad].tolist()[:3]}"
        require(not bad.any(), f"every {column} must be finite, {least} or more", found, "Drop them and their vectors.")
    return lengths
