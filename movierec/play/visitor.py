"""What a visitor of the panels says, and how they are answered, without any widget.

Taught in notebooks/07_recommendations.
"""

import difflib
from dataclasses import dataclass, field

import pandas as pd

from movierec.recommend import make_playlist

CANDIDATES = 100  # films that a playlist is chosen from


@dataclass
class Visitor:
    """Somebody new, with stars {movie_id: stars} for films they know, in the order given, and favourite genres."""

    stars: dict[int, float] = field(default_factory=dict)
    genres: tuple[str, ...] = ()

    def rate(self, movie_id: int, stars: float) -> None:
        """Nothing; the film has these stars from now on, and is the newest."""
        self.stars.pop(movie_id, None)
        self.stars[movie_id] = stars

    def forget(self, movie_id: int) -> None:
        """Nothing; as if the film had never been named."""
        self.stars.pop(movie_id, None)


def search_titles(movies: pd.DataFrame, text: str, count: int = 8) -> pd.DataFrame:
    """The rows of `movies` whose title holds `text`, the most rated first; if there is none, those spelt nearly so.

    Args:
        movies: movie_id, title, popularity.
        text: any part of a title, in any case; nothing finds the most rated films.
        count: at most so many.
    """
    names, wanted = movies["title"].str.casefold(), text.strip().casefold()
    found = movies[names.str.contains(wanted, regex=False)]
    if found.empty:
        short = names.str.replace(r" \(\d{4}\)$", "", regex=True)
        near = difflib.get_close_matches(wanted, short, n=count, cutoff=0.6)
        found = movies[short.isin(near)]
    return found.sort_values("popularity", ascending=False, kind="stable").head(count)


def recommended(model, visitor: Visitor, k: int) -> pd.DataFrame:
    """The visitor's list with year, genres and reasons; `.attrs["based_on"]` as of `recommend_new`."""
    table = model.recommend_new(visitor.stars, k, genres=visitor.genres, because=True)
    return _with_films(model, table)


def evening(model, visitor: Visitor, **sliders) -> pd.DataFrame:
    """A playlist for the visitor; see `make_playlist` for the sliders."""
    left = model.indices.num_movies - len(visitor.stars)
    table = _with_films(model, model.recommend_new(visitor.stars, min(CANDIDATES, left), genres=visitor.genres))
    vectors = model.pipeline.directions.numpy()[model.indices.movie_index(table["movie_id"])]
    there = set("|".join(table["genres"]).split("|"))
    exclude = [genre for genre in sliders.pop("exclude", ()) if genre in there]  # what is not there needs no excluding
    try:
        return make_playlist(table, vectors, exclude=exclude, **sliders)
    except ValueError as error:
        wished = {name: value for name, value in sliders.items() if name in ("include", "years") and value}
        if not wished and not exclude:
            raise
        raise ValueError(
            f"none of your {len(table)} best films is of this kind. Ask for other genres or more years."
        ) from error


def _with_films(model, table: pd.DataFrame) -> pd.DataFrame:
    films = model.movies.set_index("movie_id")[["genres", "year", "popularity"]]
    joined = table.join(films, on="movie_id")
    joined.attrs = table.attrs
    return joined
