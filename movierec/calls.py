"""Calls as people type them: a misspelt name is answered with the nearest one, an index named movie_id is a column."""

import difflib
import functools
import inspect
import numbers
import os

import numpy as np
import pandas as pd

ALSO_KNOWN_AS = {  # names in other libraries
    "lr": "learning_rate", "random_state": "seed", "random_seed": "seed", "verbose": "progress", "embedding_dim": "dim",
    "test_size": "test", "val": "validation", "n": "k", "num": "k", "top_k": "k",
    "items": "movies", "item": "movie", "film": "movie", "reasons": "because",
}  # fmt: skip

INSTEAD_OF_A_SPLIT = {  # kind of argument -> what to call
    "": "movierec.split_by_user_time(data.ratings)",
    "DataFrame": "movierec.split_by_user_time(ratings), and fit_hybrid(split)",
    "MovieLens": "movierec.split_by_user_time(data.ratings), and fit_hybrid(split, data.movies, data.users)",
    "path": 'movierec.split_by_user_time(movierec.read("ratings.csv").ratings), and fit_hybrid(split)',
    "list": "one of them, such as fit_hybrid(splits[0])",
    "tuple": "fit_hybrid(movierec.Split(train, validation, test))",
}
INSTEAD_OF_RATINGS = {  # kind of argument -> what to call
    "": 'movierec.load("ml-100k").ratings',
    "MovieLens": "data.ratings",
    "Split": "fit_hybrid(split): it is split already",
    "path": 'movierec.read("ratings.csv").ratings',
}


class WrongKeyword(TypeError, ValueError):
    """A keyword that a function does not have: a TypeError, as Python's own, and a ValueError, as of wrong settings."""


def check_keywords(*more: str):
    """Return a decorator: a keyword that the function does not have is refused, and the nearest one is named.

    Args:
        more: names that the function takes beside those of its signature, by `**settings`.
    """

    def decorate(function):
        kinds = inspect.signature(function).parameters.values()
        names = [one.name for one in kinds if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        names = [name for name in (*names, *more) if name != "self"]

        @functools.wraps(function)
        def call(*arguments, **keywords):
            for name, value in keywords.items():
                if name not in names:
                    raise WrongKeyword(f"`{name}` is not a setting of {function.__name__}{_instead(name, value)}.")
            return function(*arguments, **keywords)

        def _instead(name: str, value) -> str:
            alias = ALSO_KNOWN_AS.get(name)
            near = alias if alias in names else nearest(name, names)
            if near is None:
                return f"; it has {', '.join(names)}"
            text = repr(value) if len(repr(value)) <= 40 and "\n" not in repr(value) else "…"
            return f". Did you mean {near}? Try {function.__name__}(…, {near}={text})"

        call.keywords = names
        return call

    return decorate


def nearest(name, names) -> str | None:
    """Return the name that is spelt most like `name`, capitals aside; None if none is near."""
    by_lower = {str(one).casefold(): one for one in reversed(list(names))}
    found = difflib.get_close_matches(str(name).casefold(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def whole_number(value, name: str, most: int | None = None, noun: str = "") -> int:
    """Return `value` as an int from 1; one above `most` becomes `most`: there are no more.

    Raises:
        ValueError: if it is no whole number, or below 1. A float such as 10.0 is whole; True and "10" are no numbers.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or value < 1 or value % 1 != 0:  # NaN and infinity leave no 0 either
        upto = "1 or more" if most is None else f"1 to {most:,} ({noun})"
        example = max(1, round(value)) if isinstance(value, numbers.Real) and np.isfinite(value) else 10
        raise ValueError(f"{name} must be a whole number, {upto}; got {value!r}. Try {name.strip('`')}={example}.")
    return int(value) if most is None else min(int(value), most)


def check_above_zero(**settings) -> None:
    """Raise ValueError unless each setting is above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}.")


def wrong_kind(value, name: str, must: str, tries: dict[str, str]) -> ValueError:
    """Return the error for an argument of another kind; `tries` is {name of the kind, or "path": the right call}."""
    kind = type(value).__name__
    is_path = isinstance(value, str | os.PathLike)
    advice = tries.get("path" if is_path else kind) or next(iter(tries.values()))
    return ValueError(f"`{name}` must be {must}, got {kind}. Try {advice}.")


def as_table(table, name: str, key: str) -> pd.DataFrame:
    """Return a table that has the column `key`, which may also be its index, or be spelt in another way ("userId").

    Raises:
        ValueError: if `table` is no DataFrame, or no column can be the key.
    """
    if not isinstance(table, pd.DataFrame):
        noun = name.removeprefix("about_")
        tries = {"": f"{name}=pandas.DataFrame(…)", "MovieLens": f"{name}=data.{noun}"}
        raise wrong_kind(table, name, "a DataFrame", tries | {"path": f"{name}=pandas.read_csv({str(table)!r})"})
    table = keyed(table, key)
    if key in table:
        return table
    columns = list(map(str, table.columns))
    likely = [one for one in columns if _plain(one) in ("id", key.split("_")[0])]
    other = [*likely, nearest(key, columns) or "…"][0]
    advice = f'{name}.rename(columns={{"{other}": "{key}"}})'
    if name in ("movies", "users") and {"user_id", "movie_id"} & set(columns):  # the other table
        advice = "fit_hybrid(split, movies, users), in this order"
    raise ValueError(f"`{name}` needs {key}; it has {', '.join(columns)}. Try {advice}.")


def genre_texts(genres: pd.Series) -> pd.Series:
    """Return "Action|Crime" for such a text or for ["Action", "Crime"], "" for what is missing; Python objects."""
    lists = list, tuple, set, frozenset, np.ndarray
    texts = genres.astype(object).map(lambda one: "|".join(map(str, one)) if isinstance(one, lists) else one)
    return texts.astype(object).fillna("")


def keyed(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the table with the column `key`, if it is its index or spelt in another way; else as it is."""
    if key not in table and key in table.index.names:
        return table.reset_index(level=key)
    alike = [] if key in table else [column for column in table if _plain(column) == _plain(key)]
    return table.rename(columns={alike[0]: key}) if len(alike) == 1 else table


def _plain(name) -> str:
    return "".join(filter(str.isalnum, str(name))).casefold()


def require(holds, must: str, found, advice: str) -> None:
    """Raise ValueError that says what must hold, what was found and what helps, unless it holds."""
    if not holds:
        raise ValueError(f"{must}; got {found}. {advice}")
