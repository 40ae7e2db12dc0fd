"""Tables in, arrays and batches out: what is known of every user and movie, and the rows that a model trains on.

Taught in notebooks/02_preprocessing (tf.data), 05_hybrid_model (features) and 09_people_and_films (your own tables).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.calls import as_table, genre_texts
from movierec.data.indices import UNKNOWN, Indices, check_one_row_each, check_same_kind, published_ids
from movierec.data.units import has_time, seconds

AGE_EDGES_YEARS = (18, 25, 35, 45, 50, 56)  # the age groups that MovieLens 1M publishes
SECONDS_PER_WEEK = 7 * 24 * 3600
YEARS_PER_BIN = 5


class Features(NamedTuple):
    """What is known of users or movies, as numbers; a row's features sum to 1 in each group (genres, year, age, …)."""

    values: np.ndarray  # float32 [rows, num_features]
    names: list[str]  # num_features names such as "genre=Drama", "age=25-34"


def genre_flags(genres: pd.Series) -> pd.DataFrame:
    """Return one column a genre, alphabetical, int64: 1 where a text such as "Action|Crime" names it, 0 elsewhere.

    An empty or missing text names no genre; a list of genres is as good. The index is that of `genres`. The texts are
    split as Python objects: pandas' own split of Arrow strings would add a column "".
    """
    return genre_texts(genres).str.get_dummies("|")


def movie_features(movies: pd.DataFrame | None, indices: Indices, about_movies: pd.DataFrame | None = None) -> Features:
    """Return genres and the release year in bins of five years for every movie of `indices`.

    A movie with three genres has 1/3 in each. One without genres or year, or missing in `movies`, has zeros there.

    `movies` has movie_id, and genres, year, or one of them; None: no feature. `table_features` of `about_movies` stand
    beside. ValueError if movie_id is missing or repeats, or `about_movies` cannot be joined.
    """
    parts = []
    known = _rows_of(movies, "movie_id", indices.movie_ids, "movies")
    if "genres" in known:
        parts.append(_shares(known["genres"]).add_prefix("genre="))
    if "year" in known:
        year = pd.to_numeric(known["year"], errors="coerce").astype("float64")
        first_year = (year // YEARS_PER_BIN * YEARS_PER_BIN).map(lambda y: f"{y:.0f}", na_action="ignore")
        parts.append(pd.get_dummies(first_year).add_prefix("year="))
    return _joined(parts, about_movies, "movie_id", indices.movie_ids, "about_movies")


def user_features(users: pd.DataFrame | None, indices: Indices, about_users: pd.DataFrame | None = None) -> Features:
    """Return age group, gender and occupation of every user of `indices`.

    `users` has user_id, and any of age, gender, occupation; `about_users` and errors as in `movie_features`."""
    parts = []
    known = _rows_of(users, "user_id", indices.user_ids, "users")
    if "age" in known:
        edges = [0, *AGE_EDGES_YEARS, 200]
        labels = [f"{low}-{high - 1}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
        age = pd.to_numeric(known["age"], errors="coerce")
        groups = pd.cut(age, edges, right=False, labels=labels).astype(object)
        parts.append(pd.get_dummies(groups).add_prefix("age="))
    shown = [column for column in ("gender", "occupation") if column in known]
    parts += [pd.get_dummies(known[column]).add_prefix(f"{column}=") for column in shown]
    return _joined(parts, about_users, "user_id", indices.user_ids, "about_users")


def table_features(table: pd.DataFrame, key: str, ids: np.ndarray, name: str = "table") -> Features:
    """Return what any table says of the rows `ids`: each of its columns as numbers, joined on `key`.

    A column of numbers is standardised over the rows that have one: (x − mean) / deviation. A column of text, or of
    True and False, gets a feature for each value, and "fr|en" is half of each. A column of numbers whose name has "=",
    as `title_words` makes them, stays as it is. What is missing is 0 everywhere: unknown.

    `key` is "movie_id" or "user_id"; `name` is what errors call the table. ValueError if `key` is missing or repeats,
    no row is known, or a column is neither numbers nor text.
    """
    return _joined([], table, key, ids, name)


def _numbers_of(column: pd.Series, label: str, name: str) -> pd.DataFrame:
    there = column.dropna()
    is_bool = pd.api.types.is_bool_dtype(column) or (len(there) > 0 and there.map(type).eq(bool).all())
    if pd.api.types.is_numeric_dtype(column) and not is_bool:
        numbers = pd.to_numeric(column).astype("float64")
        if np.isinf(numbers).any():
            raise ValueError(f"`{name}` must have finite numbers; {label} has {np.isinf(numbers).sum():,} infinite.")
        if "=" not in label:
            deviation = numbers.std(ddof=0)
            numbers = (numbers - numbers.mean()) / (deviation if deviation > 0 else 1)
        return numbers.fillna(0).to_frame(label)
    texts = there.astype(str) if is_bool else there
    wrong = texts[~texts.map(lambda value: isinstance(value, str)).astype(bool)]
    if len(wrong):
        raise ValueError(
            f"a column of `{name}` is numbers or text; {label} has {len(wrong):,} others, e.g. "
            f'{wrong.head(3).tolist()}. Try {name}[{label!r}].astype(str), or "|".join(…) for lists.'
        )
    return _shares(texts.reindex(column.index)).add_prefix(f"{label}=")


def catalogue(movies: pd.DataFrame | None, indices: Indices, popularity: np.ndarray) -> pd.DataFrame:
    """Return movie_id, title, genres, year, popularity of every movie of `indices`; "movie 42" if it has no title."""
    known = pd.DataFrame(columns=["movie_id"]) if movies is None else as_table(movies, "movies", "movie_id")
    known = known.set_index(published_ids(known["movie_id"], "movies"))
    known = known.reindex(indices.movie_ids, columns=["title", "genres", "year"]).astype(object)
    fallback = [f"movie {movie_id}" for movie_id in indices.movie_ids]
    return pd.DataFrame(
        {
            "movie_id": indices.movie_ids,
            "title": np.where(known["title"].isna(), fallback, known["title"]).astype(str),
            "genres": genre_texts(known["genres"]).to_numpy(str),
            "year": pd.to_numeric(known["year"], errors="coerce").astype("Int64").array,
            "popularity": popularity,
        }
    )


def _rows_of(table: pd.DataFrame | None, key: str, ids: np.ndarray, name: str) -> pd.DataFrame:
    if table is None:
        return pd.DataFrame(index=ids)
    table = as_table(table, name, key)
    found = published_ids(table[key], name)
    check_same_kind(found, name, ids, "the ratings")
    check_one_row_each(found, f"`{name}`")
    return table.drop(columns=key).set_index(found).reindex(ids)


def _shares(texts: pd.Series) -> pd.DataFrame:
    """Return one column a value of "a|b": 1 / the number of values where a row has it."""
    flags = genre_flags(texts)
    return flags.div(flags.sum(axis=1).clip(lower=1), axis=0)


def _joined(parts: list[pd.DataFrame], about: pd.DataFrame | None, key: str, ids: np.ndarray, name: str) -> Features:
    """Return the parts, and what the table `about` says, side by side."""
    parts = parts if about is None else [*parts, *_parts_of(about, key, ids, name)]
    table = pd.concat([pd.DataFrame(index=ids), *parts], axis=1)
    twice = sorted(table.columns[table.columns.duplicated()])
    if twice:
        raise ValueError(
            f"`{name}` must bring features of other names; {len(twice)} are there already, e.g. {twice[:3]}. "
            "Rename its column."
        )
    return Features(table.to_numpy(np.float32), list(table.columns))


def _parts_of(table: pd.DataFrame, key: str, ids: np.ndarray, name: str) -> list[pd.DataFrame]:
    table = as_table(table, name, key)
    known = _rows_of(table, key, ids, name)
    if not published_ids(table[key], name).isin(ids).any():
        raise ValueError(
            f"`{name}` must know some of the {len(ids):,} rows by their {key}, e.g. {ids[:3].tolist()}; of its "
            f"{len(table):,}, e.g. {table[key].head(3).tolist()}, none is one. Are the ids another data set's?"
        )
    return [_numbers_of(known[column], str(column), name) for column in known]


class Weeks(NamedTuple):
    """Weeks since the first rating of train, from 0; later ones count as the last, and no timestamp as UNKNOWN (-1)."""

    first_timestamp: int
    count: int  # 0 where train has no times: then no rating has a week

    def index(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return int32 `[N]` for rows that may have a timestamp, see `seconds`."""
        week = ((self.seconds(ratings) - self.first_timestamp) // SECONDS_PER_WEEK).clip(0, max(self.count - 1, 0))
        return np.where(np.isnan(week), UNKNOWN, week).astype(np.int32)

    def seconds(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return Unix seconds, float64 `[N]`, of times in any unit; NaN where there is none, or train has none."""
        found = np.full(len(ratings), np.nan)
        if "timestamp" in ratings and self.count:
            is_zero = (ratings["timestamp"] == 0).fillna(False).to_numpy(bool)  # not known, whatever the unit
            there = ratings["timestamp"].notna().to_numpy() & ~is_zero
            found[is_zero] = 0
            found[there] = seconds(ratings["timestamp"][there], is_part=True)
        return found


def make_weeks(train: pd.DataFrame) -> Weeks:
    """Return the weeks that `train` spans; none if its times are all the same."""
    first, last = int(train["timestamp"].min()), int(train["timestamp"].max())
    return Weeks(first, (last - first) // SECONDS_PER_WEEK + 1) if has_time(train) else Weeks(0, 0)


def rating_rows(ratings: pd.DataFrame, indices: Indices, weeks: Weeks, residual: np.ndarray | None = None) -> dict:
    """Return the columns that a model reads, arrays `[N]`: user, movie and week index, stars, residual (if given)."""
    rows = {
        "user_index": indices.user_index(ratings["user_id"]),
        "movie_index": indices.movie_index(ratings["movie_id"]),
        "week_index": weeks.index(ratings),
    }
    if "rating" in ratings:
        rows["rating"] = ratings["rating"].to_numpy(np.float32)
    if residual is not None:
        rows["residual"] = residual.astype(np.float32)
    return rows


def batches(rows: dict, batch_size: int, seed: int, *, groups: np.ndarray | None = None, first_step: int = 0):
    """Return endless shuffled batches: each epoch is a fresh permutation, each batch a pure function of seed and step.

    The rows are batched first, then gathered: shuffling them row by row costs three times the training step. The last
    incomplete batch of an epoch is left out, so that all batches have one shape; its rows come back in later epochs.

    Args:
        rows: {name: `[N, …]`}, the columns; a batch has them all if there are fewer than `batch_size`.
        groups: int `[num_groups + 1]`. If given, whole groups are shuffled, such as users with all of their ratings;
            the rows of group g are `groups[g]` to below `groups[g + 1]`. A batch then has few users.
        first_step: Where to begin, to continue a training that was interrupted.
    """
    from movierec.keras2 import tf  # here: nothing else in this module needs TensorFlow, which takes seconds to load

    def kept(column):  # in a variable: `tf.data` would copy a constant into its graph
        return column if isinstance(column, tf.Variable) else tf.Variable(column, trainable=False)

    with tf.device("CPU"):
        columns = {name: kept(column) for name, column in rows.items()}
        groups = None if groups is None else kept(groups)
    num_rows = next(iter(columns.values())).shape[0]
    batch_size = min(batch_size, num_rows)
    steps = num_rows // batch_size

    def shuffled(epoch):
        random = tf.stack([seed, epoch])
        if groups is None:
            return tf.random.experimental.stateless_shuffle(tf.range(num_rows), random)
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(groups) - 1), random)
        return tf.ragged.range(tf.gather(groups[:-1], order), tf.gather(groups[1:], order)).values

    def epoch_batches(epoch):
        order = shuffled(epoch)

        def batch(start):
            chosen = tf.slice(order, [start], [batch_size])
            return {name: tf.gather(column, chosen) for name, column in columns.items()}

        return tf.data.Dataset.range(0, steps * batch_size, batch_size).map(batch)

    epochs = tf.data.Dataset.counter(first_step // steps, dtype=tf.int32).flat_map(epoch_batches)
    return epochs.skip(first_step % steps).prefetch(2)
