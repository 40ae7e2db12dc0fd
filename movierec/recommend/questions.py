"""What a model is asked, as people type it: users, films, stars, genres and rows to predict, understood or refused.

An error says what must hold, what was found, and a call that works with this model.
"""

import numbers
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from movierec.calls import as_table, nearest, wrong_kind
from movierec.data import UNKNOWN, Indices, find_movie, is_text, say
from movierec.keras2 import tf

# ---- users and rows


def users_of(model, users, call: str = "recommend_new(") -> np.ndarray:
    """Return the rows of known users, int32 `[U]`, in the order given; of a set sorted, of a column each once.

    `users` is an id, or ids in anything that can be listed, or a table with user_id; `call` asks for somebody new.
    """
    ids = _listed(model, users)
    index = model.indices.user_index(ids)
    if not index.size:
        raise ValueError("`user_ids` is empty; name at least one user, e.g. recommend([1, 42]).")
    if index.ndim != 1:
        raise ValueError(f"`user_ids` must be one list of ids; got one of shape {index.shape}. Try recommend([1, 42]).")
    unknown = [one for one, row in zip(ids, index, strict=True) if row == UNKNOWN]
    if unknown:
        found = f"{len(unknown)} of {len(ids)} are unknown, e.g. {np.array(unknown[:3]).tolist()}"
        new = hasattr(model, "recommend_new")
        advice = f"For somebody new: {_newcomers_call(model, call)}" if new else "`indices.user_ids` lists them"
        raise ValueError(f"every user must have ratings in train; {found}. {advice}.")
    return index


def user_of(model, user_id) -> np.ndarray:
    """Return the row of one known user, int32 `[1]`."""
    index = users_of(model, user_id, "explain_new(film, ")
    if len(index) != 1:
        raise ValueError(f"`user_id` must be one user; got {len(index)}. Ask for each of them.")
    return index


def _listed(model, users) -> list | np.ndarray:
    is_table = isinstance(users, tuple) and hasattr(users, "_fields")  # `MovieLens`
    if is_table or isinstance(users, Mapping) or not (isinstance(users, Iterable) or np.isscalar(users)):
        tries = {"": "recommend([1, 42])", "Split": "recommend(split.test)", "MovieLens": "recommend(data.ratings)"}
        tries |= {"dict": _newcomers_call(model)} if hasattr(model, "recommend_new") else {}
        raise wrong_kind(users, "user_ids", "user ids", tries)
    if isinstance(users, pd.DataFrame):
        users = as_table(users, "user_ids", "user_id")["user_id"]
    if isinstance(users, pd.Series | pd.Index):
        return users.unique().tolist()
    if isinstance(users, set | frozenset):
        return sorted(users, key=lambda one: (isinstance(one, str), one))
    if isinstance(users, np.ndarray | tf.Tensor):
        return np.atleast_1d(users)
    return [users] if np.isscalar(users) else list(users)


def rows_of_users(indices: Indices, user_index) -> np.ndarray:
    """Return int32 `[U]`, the rows of users that a scorer is asked for, once they are known to be there."""
    rows = np.atleast_1d(user_index)
    wrong = rows[(rows < 0) | (rows >= indices.num_users)] if rows.dtype.kind in "iu" else rows
    if wrong.size:
        example = f"score(model.indices.user_index([{indices.user_ids[0].item()!r}]))"
        raise ValueError(
            f"`user_index` must be rows of the scores, 0 to {indices.num_users - 1:,}; got {wrong[:3].tolist()}. Of "
            f"ids as published: {example}, which gives -1 for users who are not known."
        )
    return rows.astype(np.int32)


def rows_of(ratings) -> pd.DataFrame:
    """Return a table of rows to predict, with user_id and movie_id."""
    if isinstance(ratings, Mapping):
        ratings = pd.DataFrame(ratings)
    if not isinstance(ratings, pd.DataFrame):
        tries = {"": 'predict(pandas.DataFrame({"user_id": [1], "movie_id": [10]}))', "Split": "predict(split.test)"}
        tries |= {"MovieLens": "predict(data.ratings)", "path": 'predict(movierec.read("ratings.csv").ratings)'}
        raise wrong_kind(ratings, "ratings", "a DataFrame", tries)
    return as_table(as_table(ratings, "ratings", "user_id"), "ratings", "movie_id")


# ---- films and what a newcomer says of them


def movie_of(movie, movies: pd.DataFrame, indices: Indices) -> int | str:
    """Return the movie_id of a film that is named by its id or its title; `movies` has those of `indices`, in order.

    Where ids are whole numbers, a text is a title, see `find_movie`. Where ids are text, an id goes before a title.

    Raises:
        ValueError: No film or several have that title or id; or, where ids are text, it is the id of one film and the
            title of another, with or without the year.
    """
    if not np.isscalar(movie) or isinstance(movie, bool | np.bool_):
        raise ValueError(f"a film must be one title or movie_id; got {movie!r}. Try {movies['title'].iloc[0]!r}.")
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


# ---- somebody new


def newcomer_of(hybrid, pipeline, stars, genres) -> tuple:
    """Return what `Pipeline.recommend_new` takes: movie_id, title (none), stars, genres, as tensors.

    Args:
        stars: {title or movie_id: stars}; a Series of stars by title or movie_id; a table with title or movie_id, and
            rating; pairs (film, stars); or films alone, which count as liked: they get the most stars. None: nothing.
        genres: names, whatever their capitals, or one text such as "Comedy|Drama".
    """
    low, high = hybrid.levels[[0, -1]].tolist()
    pairs = _pairs(hybrid, stars, low, high)
    for movie, value in pairs:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_) and np.isfinite(value)
        if not is_number or not (low <= value <= high or low == high):
            scale = f"{low:g} to {high:g}, the scale of this data set"
            raise ValueError(f"stars must be {scale}; {movie!r} has {value!r}. Try {{{movie!r}: {high:g}}}.")
    movie_ids = [movie_of(movie, hybrid.movies, hybrid.indices) for movie, _ in pairs]
    if len(set(movie_ids)) < len(movie_ids):
        raise ValueError(f"each film is rated once; {[movie for movie, _ in pairs]} names one twice. Keep one of them.")
    given = movie_ids, [], [float(value) for _, value in pairs], _genres(pipeline.genres, genres)
    return tuple(map(tf.constant, given, (pipeline.movie_type, tf.string, tf.float32, tf.string)))


def _pairs(hybrid, stars, low: float, high: float) -> list[tuple]:
    """Return (film, stars) of each film, as given."""
    if stars is None:
        return []
    if isinstance(stars, pd.DataFrame):
        by = next((name for name in ("movie_id", "title") if name in stars), None)
        column = next((name for name in ("rating", "stars") if name in stars), None)
        if by is None or column is None:
            found = ", ".join(map(str, stars.columns))
            raise ValueError(f"`stars` needs title or movie_id, and rating; it has {found}. Rename its columns.")
        return list(zip(stars[by].tolist(), stars[column].tolist(), strict=True))
    if isinstance(stars, pd.Series) and not pd.api.types.is_numeric_dtype(stars):
        stars = stars.tolist()  # titles
    if isinstance(stars, Mapping | pd.Series):
        return list(stars.items())
    if not isinstance(stars, Iterable):
        advice = f"For a known user: recommend({stars!r}); for somebody new: {_newcomers_call(hybrid)}."
        raise ValueError(f"`stars` must be the films that somebody new has rated; got {stars!r}. {advice}")
    films = [stars] if isinstance(stars, str) else sorted(stars, key=str) if isinstance(stars, set) else list(stars)
    if films and all(isinstance(film, tuple | list) and len(film) == 2 for film in films):
        return [tuple(pair) for pair in films]
    films = [movie_of(film, hybrid.movies, hybrid.indices) for film in films]
    if films and low < high:
        instead = _newcomers_call(hybrid)
        say(f"{len(films)} films without stars count as liked: {high:g} stars. With stars: {instead}.")
    return [(film, high) for film in films]


def _genres(known: list[str], genres) -> list[str]:
    if isinstance(genres, str):
        genres = [genres] if genres in known else genres.split("|")
    given = sorted(genres) if isinstance(genres, set) else [] if genres is None else list(genres)
    by_lower = {genre.casefold(): genre for genre in known}
    found = [by_lower.get(str(genre).strip().casefold()) for genre in given]
    unknown = [genre for genre, name in zip(given, found, strict=True) if name is None]
    if unknown:
        there = f"the genres here are {', '.join(known)}" if known else "this model was fitted without genres"
        near = nearest(unknown[0], known)
        advice = f" Did you mean genres=({near!r},)?" if near else ""
        raise ValueError(f"every genre must be known; {unknown} is not: {there}.{advice}")
    return list(dict.fromkeys(found))


def _newcomers_call(hybrid, call: str = "recommend_new(") -> str:
    """Return a call for somebody new that works with this model: its most popular film, and the most stars."""
    title = hybrid.movies["title"].iloc[int(hybrid.movies["popularity"].to_numpy().argmax())]
    return f"{call}{{{title!r}: {hybrid.levels[-1]:g}}})"
