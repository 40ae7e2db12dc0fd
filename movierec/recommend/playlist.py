"""From a ranked list of candidates to a playlist, for an evening of so many minutes or a week of so many films.

No model is asked, so a widget can make a new one at every move of a slider. Taught in notebooks/07_recommendations.
"""

import functools
import itertools
import math
import numbers

import numpy as np
import pandas as pd

from movierec.calls import nearest, require, whole_number
from movierec.data import genre_flags
from movierec.evaluation import metrics

COLUMNS = ("movie_id", "title", "score", "genres", "year", "popularity")
MINUTES_PER_FILM = 110  # MovieLens has no running times; most features take 90 to 130 minutes, and this is the middle
MIX_FROM = 4  # films; in fewer, one that is there for the mix alone would take a third or more of the evening
ALPHA = 0.01  # the part of p in q̃, as in the paper: a playlist without the history's genres costs log 100 and not ∞
EXACT_UP_TO = 8  # films to put in order: 7! = 5,040 orders are tried in a millisecond, 11! = 40 million are not


def make_playlist(
    candidates: pd.DataFrame, vectors: np.ndarray, *, count: int | None = None, minutes: float | None = None,
    familiarity: float = 0.5, diversity: float = 0.3, calibration: float = 0.0,
    genre_shares: dict | pd.Series | None = None, years: tuple[int, int] | None = None,
    include: tuple[str, ...] = (), exclude: tuple[str, ...] = (),
) -> pd.DataFrame:  # fmt: skip
    """Return a playlist of the candidates: relevant films that are not all alike and have the genres of the history.

    The choice is greedy: always the film with the largest `gains` that still fits; of equal ones the more relevant,
    then the earlier row. Then the films are put `in_order`. A playlist of `MIX_FROM` films or more holds a "safe" and
    an "adventurous" one; if not, the film chosen last makes way for the best of the other kind that fits. At diversity
    0 or familiarity 0 or 1 there is no such mix. Films are scaled before the filters.

    Args:
        candidates: movie_id, title, score, genres ("Animation|Comedy" or ""), year (may be NA), popularity (ratings in
            train), perhaps minutes; best first.
        vectors: float32 `[num_candidates, dim]`, of the same rows.
        count: Films, 1 or more; fewer come if there are fewer, or the filters leave fewer. Or else:
        minutes: Length of the evening. A film of unknown length, with MovieLens every film, takes `MINUTES_PER_FILM`.
        familiarity: 0..1, from hidden gems to well-known films, .5 for the scores alone; see `relevance`.
        diversity, calibration: λ and c of `gains`, 0..1; genre_shares: {genre: share} of the history, for c above 0.
        years: (first, last), both included; a film without a year is never between them.
        include, exclude: Genres; a film must have one of the first, and none of the second.

    Returns:
        DataFrame place (from 1), movie_id, title, score, why, minutes, and the other columns of `candidates`. `why` is
        "safe" at or above the median popularity of all candidates and "adventurous" below.

    Raises ValueError if a wish is out of range or cannot be met, or candidates or vectors are not as described.
    """
    lengths, vectors = _checked_minutes(candidates), np.asarray(vectors, float)
    holds = vectors.ndim == 2 and len(vectors) == len(candidates) and np.isfinite(vectors).all()
    found = f"shape {vectors.shape}, {np.sum(~np.isfinite(vectors))} entries not finite"
    must = f"`vectors` must be finite, one row a film: ({len(candidates)}, dim)"
    require(holds, must, found, "Select the rows.")
    places, room = _checked_size(count, minutes, len(candidates))
    for name, value in {"familiarity": familiarity, "diversity": diversity, "calibration": calibration}.items():
        is_share = isinstance(value, numbers.Real) and 0 <= value <= 1
        require(is_share, f"`{name}` must be a number from 0 to 1", repr(value), f"Try {name}=0.5.")
    genres, history = _genres_and_history(candidates["genres"], genre_shares, calibration)
    popularity = candidates["popularity"].to_numpy(float)
    safe = popularity >= np.median(popularity)
    worth = relevance(candidates["score"].to_numpy(float), popularity, familiarity)
    rows = np.argsort(-worth, kind="stable")  # the first of equals is now the more relevant, then the earlier row
    rows = rows[allowed(candidates, genres, years, include, exclude)[rows]]
    taste = dict(diversity=diversity, calibration=calibration, genres=genres.to_numpy(float)[rows], history=history)
    gain = functools.partial(gains, relevance=worth[rows], vectors=vectors[rows], **taste)
    mixed = diversity > 0 and 0 < familiarity < 1
    chosen = rows[np.sort(_choose(gain, lengths.to_numpy(float)[rows], places, room, safe[rows], mixed))]
    chosen = chosen[in_order(vectors[chosen])]  # sorted before, so that it begins with the most relevant
    table = candidates.assign(minutes=lengths, why=np.where(safe, "safe", "adventurous")).iloc[chosen]
    table = table.reset_index(drop=True).assign(place=range(1, len(chosen) + 1))
    return table[list(dict.fromkeys(["place", "movie_id", "title", "score", "why", "minutes", *candidates]))]


def allowed(candidates, genres, years, include, exclude) -> np.ndarray:
    """Return bool `[num_candidates]`: which films pass; `genres` are their `genre_flags`."""
    passes = {}  # filter: bool [num_candidates]
    for name, wanted in {"include": include, "exclude": exclude}.items():
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        unknown = [genre for genre in wanted if genre not in genres]
        near = nearest(unknown[0], genres) if unknown else None
        advice = f"Known are {', '.join(genres)}." + (f" Did you mean {name}=({near!r},)?" if near else "")
        require(not unknown, f"every genre in `{name}` must be known", unknown, advice)
        if wanted:
            passes[f"{name}={wanted}"] = genres[wanted].any(axis=1).to_numpy() == (name == "include")
    if years is not None:
        holds = np.shape(years) == (2,) and np.array(years).dtype.kind in "iuf" and years[0] <= years[1]
        require(holds, "`years` must be (first, last) in this order", repr(years), "Try years=(1980, 1999).")
        year = pd.to_numeric(candidates["year"], errors="coerce").astype(float)
        passes[f"years={years}"] = year.between(*years).to_numpy()  # False without a year
    allowed = np.logical_and.reduce([np.ones(len(candidates), bool), *passes.values()])
    alone = ", ".join(f"{name} {passed.sum()}" for name, passed in passes.items())
    must, found = f"the filters must leave one of {len(candidates)} films", f"none; alone they leave: {alone}"
    require(allowed.any(), must, found, "Loosen one of them.")
    return allowed


def _choose(gain, lengths, places, room, safe, mixed) -> list[int]:
    every, shortest = np.ones(len(lengths), bool), lengths.min()
    must = f"the evening must hold {shortest:g} minutes, the shortest of {len(lengths)} films"
    require(room >= shortest, must, f"minutes={room:g}", f"Try minutes={2 * MINUTES_PER_FILM}.")
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


def relevance(scores: np.ndarray, popularity: np.ndarray, familiarity: float = 0.5) -> np.ndarray:
    """Return scores from 0 (worst) to 1 (best), moved towards well-known films or away from them. float64 `[N]`.

    scaled(scaled(score) + (2 familiarity − 1) · scaled(log(1 + popularity))); `scaled` is linear, smallest to 0,
    largest to 1, and all to 0 if they are equal. At familiarity 0 and 1 popularity counts as much as the score.
    """
    return _scaled(_scaled(scores) + (2 * familiarity - 1) * _scaled(np.log1p(popularity)))


def _scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (np.ptp(values) or 1)


def gains(
    chosen: list[int], relevance: np.ndarray, vectors: np.ndarray, *, diversity: float, calibration: float = 0.0,
    genres: np.ndarray | None = None, history: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Return what each film i would bring to the objective J of the playlist L if it came next. float64 `[N]`.

    J(L)    = (1 − c) Σ_{i∈L} [(1 − λ) relevance(i) − λ max_{j before i} cos(i, j)] − c KL(p ‖ q̃(L))
    gain(i) = (1 − c) [(1 − λ) relevance(i) − λ max_{j∈L} cos(i, j)] − c KL(p ‖ q̃(L + i))

    c (calibration) = 0 is maximal marginal relevance, λ (diversity) = 0 calibrated recommendation, both 0 the ranking.

    Args:
        chosen: Rows of the films in L, in any order; for an empty L the maximum is 0.
        relevance, vectors: float `[N]` in 0..1; float `[N, dim]`.
        genres, history: float `[N, num_genres]`, 1 where a film has the genre; float `[num_genres]`, p or a multiple.

    Source: Carbonell and Goldstein (1998), *The use of MMR*; Steck (2018), *Calibrated recommendations*.
    """
    alike = _cosines(vectors, vectors[chosen]).max(axis=1) if len(chosen) else 0.0  # [N]
    mmr = (1 - diversity) * relevance - diversity * alike
    if calibration == 0:
        return mmr
    num_films = len(genres)
    lists = np.column_stack([np.tile(np.array(chosen, int), (num_films, 1)), np.arange(num_films)])  # [N, |L| + 1]
    watched = np.broadcast_to(np.arange(num_films + 1) == num_films, (num_films, num_films + 1))  # one film, which is p
    divergence = metrics.miscalibration(lists, watched, np.vstack([genres, history]), ALPHA)
    divergence[np.isnan(divergence)] = -math.log(ALPHA)  # no genre in the list: q = 0, q̃ = α p, the worst there is
    return (1 - calibration) * mmr - calibration * divergence


def in_order(vectors: np.ndarray) -> np.ndarray:
    """Return an order from row 0 on that keeps films alike apart. int64 `[n]`: rows of `vectors`.

    Up to `EXACT_UP_TO` films it is the first of the orders with the smallest largest cosine of neighbours. With more, a
    stretch that ends at the worst pair is reversed as long as that helps: never worse than the rows as they are.
    """
    cosine, order = _cosines(vectors, vectors), np.arange(len(vectors))
    if len(order) <= EXACT_UP_TO:
        orders = np.array([(0, *rest) for rest in itertools.permutations(order[1:].tolist())])
        return orders[cosine[orders[:, :-1], orders[:, 1:]].max(axis=1, initial=-1).argmin()]
    while True:
        worst = cosine[order[:-1], order[1:]].argmax()
        stretches = [(worst + 1, end) for end in range(worst + 3, len(order) + 1)]
        stretches += [(start, worst + 1) for start in range(1, worst)]
        orders = np.array([order, *(np.r_[order[:a], order[a:b][::-1], order[b:]] for a, b in stretches)])
        costs = np.sort(cosine[orders[:, :-1], orders[:, 1:]])[:, ::-1].tolist()  # the worst pair decides first
        best = min(range(len(orders)), key=costs.__getitem__)
        if best == 0:
            return order
        order = orders[best]


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return float64 `[len(left), len(right)]`, 0 for a vector of zeros; to 6 digits, so that ties stay ties."""
    lengths = [np.linalg.norm(side, axis=1) for side in (left, right)]
    return np.round(left @ right.T / np.maximum(np.outer(*lengths), np.finfo(float).tiny), 6)


def _genres_and_history(genres: pd.Series, shares, calibration: float) -> tuple[pd.DataFrame, np.ndarray]:
    """Return flags of all genres that the candidates or the history have, and p in the order of their columns."""
    flags, shares = genre_flags(genres), pd.Series({} if shares is None else shares, dtype=float)
    holds = (np.isfinite(shares) & (shares >= 0)).all() and (calibration == 0 or shares.sum() > 0)
    must = "`genre_shares` must be finite and 0 or more, and for calibration above 0 one of them above 0"
    require(holds, must, shares.to_dict(), "Try genre_shares=genre_shares(watched.genres).")
    names = sorted({*flags, *shares.index})
    return flags.reindex(columns=names, fill_value=0), shares.reindex(names, fill_value=0).to_numpy()


def _checked_size(count, minutes, num_candidates: int) -> tuple[int, float]:
    found, must = f"count={count!r}, minutes={minutes!r}", "exactly one of count and minutes must be given"
    require((count is None) != (minutes is None), must, found, "Try count=7 or minutes=240.")
    if minutes is None:
        return whole_number(count, "`count`", num_candidates, "the candidates"), math.inf
    holds = isinstance(minutes, numbers.Real) and 0 < minutes < math.inf
    require(holds, "`minutes` must be a number above 0", repr(minutes), "Try minutes=240.")
    return num_candidates, float(minutes)


def _checked_minutes(candidates: pd.DataFrame) -> pd.Series:
    missing = [column for column in COLUMNS if column not in candidates]
    must = f"`candidates` must have {', '.join(COLUMNS)} and a row"
    found = f"{len(candidates)} rows without {', '.join(missing) or 'a film'}"
    require(not missing and len(candidates), must, found, "Merge scores and movies.")
    twice = candidates["movie_id"][candidates["movie_id"].duplicated()].tolist()
    found = f"{len(twice)} rows that repeat a movie_id, e.g. {twice[:3]}"
    require(not twice, "each film must come once", found, 'Try candidates.drop_duplicates("movie_id").')
    lengths = candidates.get("minutes", pd.Series(MINUTES_PER_FILM, candidates.index)).fillna(MINUTES_PER_FILM)
    for column, least in {"score": -math.inf, "popularity": 0, "minutes": 1}.items():
        values = candidates.assign(minutes=lengths)[column].to_numpy(float, na_value=math.nan)
        bad = ~(np.isfinite(values) & (values >= least))
        found = f"{bad.sum()} of {len(bad)} that are not, e.g. movie_id {candidates['movie_id'][bad].tolist()[:3]}"
        must = f"every {column} must be finite, {least} or more"
        require(not bad.any(), must, found, "Drop them and their vectors.")
    return lengths


def genre_shares(genres: pd.Series) -> pd.Series:
    """Return the share of each genre in a history: p(g) ∝ Σ_i [i has g] / |genres of i|. Sums to 1, alphabetical.

    Args:
        genres: "Animation|Comedy", one entry a film; films without genres ("") do not count, and not all are without.
    """
    flags = genre_flags(genres)
    total = flags.div(flags.sum(axis=1).clip(lower=1), axis=0).sum()
    found = f"none among {len(genres)}"
    require(total.sum() > 0, "a history must have a film with a genre", found, "Pass more films.")
    return (total / total.sum()).rename("share")
