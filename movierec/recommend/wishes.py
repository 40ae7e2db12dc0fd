"""The films of the kind that somebody wishes for: what a playlist is chosen from.

Taught in notebooks/07_recommendations.
"""

import math

import numpy as np
import pandas as pd

from movierec.calls import nearest
from movierec.data import genre_flags
from movierec.recommend.pipeline import CANDIDATES


def shortlist(
    films: pd.DataFrame, most: int = CANDIDATES, *, years: tuple[int, int] | None = None,
    include: tuple[str, ...] = (), exclude: tuple[str, ...] = (),
) -> pd.DataFrame:  # fmt: skip
    """Return the first `most` films that pass the filters of `make_playlist`: what a playlist is chosen from.

    Filter the whole catalogue, not the best hundred of a list, which may hold no film of a rare kind. `films` are as
    the candidates of `make_playlist`, best first. Raise ValueError if a filter is unknown or no film passes.
    """
    genres = genre_flags(films["genres"])
    return films[allowed(films, genres, years, include, exclude)].head(most)


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
        year = pd.to_numeric(candidates["year"], errors="coerce").to_numpy(float, na_value=math.nan)
        passes[f"years={years}"] = (year >= years[0]) & (year <= years[1])
    allowed = np.logical_and.reduce([np.ones(len(candidates), bool), *passes.values()])
    alone = ", ".join(f"{name} {passed.sum()}" for name, passed in passes.items())
    must, found = f"the filters must leave one of {len(candidates)} films", f"none; alone they leave: {alone}"
    require(allowed.any(), must, found, "Loosen one of them.")
    return allowed


def require(holds, must: str, found, advice: str) -> None:
    """Raise ValueError that says what must hold, what was found and what helps, unless it holds."""
    if not holds:
        raise ValueError(f"{must}; got {found}. {advice}")
