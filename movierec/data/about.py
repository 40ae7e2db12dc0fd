"""More that is known of films, as tables with movie_id for `fit_hybrid(…, about_movies=…)`: title words, tags, genome.

Taught in notebooks/11_people_and_films.
"""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from movierec.baselines import known_tags

FEWEST_MOVIES = 5  # with a word or a tag: of fewer nothing could be learned
LITTLE_WORDS = frozenset(
    ["an", "and", "at", "by", "de", "der", "des", "du", "for", "from", "il", "in", "is", "it", "la", "le", "les", "my"]
    + ["of", "on", "or", "the", "to", "with"]
)


def title_words(movies: pd.DataFrame, fewest: int = FEWEST_MOVIES) -> pd.DataFrame:
    """A column "word=…" for each word of the titles, shares of a title that sum to 1, beside movie_id.

    Args:
        movies: movie_id, title; a year in parentheses is no word, nor is a single letter or one of `LITTLE_WORDS`.
        fewest: movies whose title must have a word.

    Raises:
        ValueError: if `movies` lacks movie_id or title.
    """
    _check_columns(movies, "movies", ["movie_id", "title"])
    titles = movies["title"].fillna("").str.lower().str.replace(r"\(\d{4}\)", " ", regex=True)
    words = titles.str.findall(r"[^\W\d_]{2,}").map(lambda found: sorted(set(found) - LITTLE_WORDS))
    rows = words.explode().dropna()
    count = rows.value_counts()
    rows = rows[rows.map(count).to_numpy(int) >= fewest]
    table = pd.crosstab(rows.index, rows.to_numpy()).reindex(movies.index, fill_value=0)
    share = table / table.sum(axis=1).clip(lower=1).to_numpy()[:, None]
    return pd.concat([movies["movie_id"], share.add_prefix("word=")], axis=1).reset_index(drop=True)


def tag_table(tags: pd.DataFrame, train: pd.DataFrame, fewest: int = FEWEST_MOVIES) -> pd.DataFrame:
    """How often users gave each tag to each movie by the time of train, int; index movie_id, a column a tag.

    Only `known_tags` are counted, in lower case: the others are of the future.

    Args:
        tags: user_id, movie_id, tag, timestamp.
        train: user_id, timestamp.
        fewest: movies that must have a tag.
    """
    known = known_tags(tags, train).dropna(subset="tag")
    table = pd.crosstab(known["movie_id"], known["tag"].str.lower().rename("tag"))
    return table.loc[:, (table > 0).sum() >= fewest]


def content_vectors(table: pd.DataFrame, dim: int = 32, name: str = "content") -> pd.DataFrame:
    """Columns "name=1" to "name=dim" beside movie_id: the table's rows on its `dim` widest directions, length 1.

    The truncated singular value decomposition X ≈ U S Vᵀ of the rows; row i becomes u_i S, divided by its length. The
    cosine of two movies stays nearly what it was, with `dim` numbers a movie instead of a thousand. Fitted on all
    movies: no rating is looked at.

    Args:
        table: float `[movies, columns]`, index movie_id: tf-idf of tags, or the genome.
        dim: 1 to less than rows and columns.
        name: before the "=".

    Raises:
        ValueError: if `dim` is out of range, or a value is missing or infinite.

    Source: Deerwester et al. (1990), *Indexing by latent semantic analysis*.
    """
    values = table.to_numpy(np.float64)
    if not 1 <= dim < min(values.shape):
        raise ValueError(
            f"`dim` must be 1 to below {min(values.shape)}, the smaller side of {values.shape}; got {dim}."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"`table` must have finite numbers; {(~np.isfinite(values)).sum():,} are not. Try table.fillna(0)."
        )
    u, s, v = svds(csr_array(values), k=dim, v0=np.ones(min(values.shape)), solver="arpack")
    order = np.argsort(-s)
    sign = np.sign(v[order, abs(v[order]).argmax(axis=1)])  # of its largest weight, so that a run repeats
    vectors = u[:, order] * s[order] * sign
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.where(length > 1e-9 * s.max(), vectors / np.where(length > 0, length, 1), 0)
    found = pd.DataFrame(vectors, columns=[f"{name}={number}" for number in range(1, dim + 1)])
    return found.assign(movie_id=table.index.to_numpy())[["movie_id", *found]]


def _check_columns(table: pd.DataFrame, name: str, columns: list[str]) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"`{name}` needs {', '.join(columns)}; {', '.join(missing)} is missing. "
            f'`movierec.load("ml-100k").{name}` is such a table.'
        )
