"""More that is known of films, as tables: words of titles for `fit_hybrid(…, about_movies=…)`, and tags.

Taught in notebooks/09_people_and_films.
"""

import pandas as pd
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

from movierec.data import has_time, seconds
from movierec.data.indices import PAIR, check_same_kind, published_ids
from movierec.data.tables import TAGS, check_has

FEWEST_MOVIES = 5  # with a word or a tag: of fewer a model learns nothing
LITTLE_WORDS = [
    "an", "and", "at", "by", "de", "der", "des", "du", "for", "from", "il", "in", "is", "it", "la", "le", "les", "my",
    "of", "on", "or", "the", "to", "with",
]  # fmt: skip


def title_words(movies: pd.DataFrame, fewest: int = FEWEST_MOVIES) -> pd.DataFrame:
    """Return a column "word=…" for each word of the titles, shares of a title that sum to 1, beside movie_id.

    A year in parentheses is no word, nor is a single letter, one of `LITTLE_WORDS`, or a word in less than `fewest`
    titles. ValueError if there is no word at all.
    """
    check_has(movies, "movies", ["movie_id", "title"], 'movierec.load("ml-100k").movies')
    titles = movies["title"].fillna("").str.replace(r"\(\d{4}\)", " ", regex=True)
    words = CountVectorizer(token_pattern=r"[^\W\d_]{2,}", stop_words=LITTLE_WORDS, binary=True)
    there = csr_array(words.fit_transform(titles))  # [movies, words], 0 or 1
    frequent = there.sum(axis=0) >= fewest
    kept = there[:, frequent].toarray()
    share = pd.DataFrame(kept / kept.sum(axis=1, keepdims=True).clip(1))
    share.columns = "word=" + words.get_feature_names_out()[frequent]
    return pd.concat([movies["movie_id"].reset_index(drop=True), share], axis=1)


def known_tags(tags: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `tags` that were given by the time of train: by each user, up to their last rating in it.

    For a user without a rating in train: up to the last one of all. So no tag of a user is newer than what the splits
    in time let a model know of them. A random split promises no such thing, with tags or without. All of them if the
    ratings have no times.
    """
    check_has(tags, "tags", TAGS, 'movierec.load("ml-latest-small").tags')
    for name in (name for name in PAIR if name in train):
        check_same_kind(published_ids(tags[name], "tags"), "tags", train[name], "train")
    if not has_time(train):
        return tags
    last = train.groupby("user_id")["timestamp"].max()
    limit = tags["user_id"].map(last).fillna(train["timestamp"].max())
    return tags[(seconds(tags["timestamp"], "timestamp in `tags`", is_part=True) <= limit).to_numpy()]


def tag_table(tags: pd.DataFrame, train: pd.DataFrame, fewest: int = FEWEST_MOVIES) -> pd.DataFrame:
    """Return how often users gave each tag to each movie by the time of train, int; index movie_id, a column a tag.

    Only `known_tags` are counted, in lower case, and of them those that `fewest` movies have."""
    known = known_tags(tags, train).dropna(subset="tag")
    table = pd.crosstab(known["movie_id"], known["tag"].str.lower().rename("tag"))
    return table.loc[:, (table > 0).sum() >= fewest]
