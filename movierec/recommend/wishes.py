"""What somebody new wishes for: a film that they look for, a list, and an evening of the kind that they describe.

The form of notebook 07 and the page of the service are views on these functions. Taught in
notebooks/07_recommendations.
"""

import difflib
from dataclasses import dataclass, field

import pandas as pd

from movierec.data import genre_flags
from movierec.recommend.pipeline import CANDIDATES
from movierec.recommend.playlist import allowed, make_playlist

MOST_COMPARED = 5_000  # titles whose spelling is compared with a misspelt one; more would take a second
BASED_ON = {
    "stars": "From the films that you rated",
    "genres": "From the genres that you like",
    "stars and genres": "From the films that you rated and the genres that you like",
    "popularity": "Nothing is known of you yet: what was liked most lately",
}


@dataclass
class Visitor:
    """Somebody new: {movie_id: stars} for films they know, the newest last, and favourite genres."""

    stars: dict[int | str, float] = field(default_factory=dict)
    genres: tuple[str, ...] = ()


def search_titles(movies: pd.DataFrame, text: str, count: int = 8) -> pd.DataFrame:
    """Return the movies whose title contains `text`, most rated first; or else those of a similar spelling.

    Spellings are compared with the MOST_COMPARED most rated films.
    """
    wanted = text.strip().casefold()
    found = movies[movies["title"].str.casefold().str.contains(wanted, regex=False)]
    if found.empty:
        known = movies.nlargest(MOST_COMPARED, "popularity")
        short = known["title"].str.casefold().str.replace(r" \(\d{4}\)$", "", regex=True)
        found = known[short.isin(difflib.get_close_matches(wanted, short, n=count, cutoff=0.6))]
    return found.sort_values("popularity", ascending=False, kind="stable").head(count)


def recommended(model, visitor: Visitor, k: int, because: bool = True) -> pd.DataFrame:
    """Return the visitor's k films with genres, year and reasons; `.attrs["based_on"]` as of `recommend_new`."""
    table = model.recommend_new(visitor.stars, k, genres=visitor.genres, because=because)
    joined = table.join(model.movies.set_index("movie_id")[["genres", "year", "popularity"]], on="movie_id")
    joined.attrs = table.attrs
    return joined


def evening(model, visitor: Visitor, *, exclude: tuple = (), **sliders) -> pd.DataFrame:
    """Return a playlist for the visitor; `sliders` as of `make_playlist`.

    It is chosen from the visitor's `CANDIDATES` best films of the kind asked for, in the whole catalogue. An excluded
    genre that no film has is no error. Raise ValueError if no film is of that kind.
    """
    films = recommended(model, visitor, model.indices.num_movies, because=False)
    if films.empty:
        raise ValueError("you have rated every film, so none is left to recommend. Forget one of them.")
    kind = {name: sliders.pop(name) for name in ("years", "include") if name in sliders}
    kind["exclude"] = [genre for genre in exclude if genre in genre_flags(films["genres"])]
    try:
        chosen = shortlist(films, CANDIDATES, **kind)
    except ValueError as error:
        found = f"none of the {len(films):,} films that you have not rated is of this kind."
        raise ValueError(f"{found} Ask for other genres or more years.") from error
    vectors = model.pipeline.directions.numpy()[model.indices.movie_index(chosen["movie_id"])]
    return make_playlist(chosen, vectors, **sliders)


def shortlist(
    films: pd.DataFrame, most: int = CANDIDATES, *, years: tuple[int, int] | None = None,
    include: tuple[str, ...] = (), exclude: tuple[str, ...] = (),
) -> pd.DataFrame:  # fmt: skip
    """Return the first `most` films that pass the filters of `make_playlist`: what a playlist is chosen from.

    Filter the whole catalogue, not the best hundred of a list, which may hold no film of a rare kind. `films` are as
    the candidates of `make_playlist`, best first. Raise ValueError if a filter is unknown or no film passes.
    """
    return films[allowed(films, genre_flags(films["genres"]), years, include, exclude)].head(most)
