"""A film that somebody names: by its movie_id or by its title. Taught in notebooks/07_recommendations."""

import pandas as pd

from movierec.data import UNKNOWN, Indices, find_movie, is_text


def named_film(movie, movies: pd.DataFrame, indices: Indices) -> int | str:
    """Return the movie_id of a film that is named by its id or its title.

    Where ids are whole numbers, a text is a title, see `find_movie`. Where ids are text, an id goes before a title.

    Args:
        movies: movie_id and title of every film of `indices`, in the same order.

    Raises:
        ValueError: No film or several have that title or id; or, where ids are text, it is the id of one film and the
            title of another, with or without the year.
    """
    ids, titles = indices.movie_ids, movies["title"]
    index = UNKNOWN if isinstance(movie, str) and not is_text(ids) else int(indices.movie_index(movie))
    if index == UNKNOWN and not isinstance(movie, str):
        raise ValueError(f"movie_id {movie} is not in the catalogue of {len(ids):,}; see `.movies`.")
    if index == UNKNOWN:
        try:
            return find_movie(movies, movie)
        except ValueError as error:
            if is_text(ids):
                raise ValueError(f"{error} Nor is {movie!r} a movie_id.") from None
            if movie.strip().isdecimal() and int(movie) in ids:
                raise ValueError(f"{error} As a movie_id it is a whole number: write {int(movie)}.") from None
            raise
    if isinstance(movie, str) and titles.iloc[index] != movie:
        rest = titles[titles.str.startswith(movie)].str[len(movie) :]
        others = rest.index[rest.str.fullmatch(r"( \(\d{4}\))?") & (movies.index[index] != rest.index)]
        if len(others):
            own, (other_id, other) = titles.iloc[index], movies.loc[others[0], ["movie_id", "title"]]
            raise ValueError(
                f"a film must be named in one way; {movie!r} is the movie_id of {own!r} and the title of {other!r} "
                f"(movie_id {other_id!r}). Write {own!r} or {(other if other != movie else other_id)!r}."
            )
    return ids[index].item()
