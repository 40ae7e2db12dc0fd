"""Recommend by what a movie is about: genres, decade, tags and title words, which need no rating of the movie.

Taught in notebooks/08_evaluation and 09_people_and_films.
"""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from movierec.baselines.popularity_and_bias import Bias, check_not_negative, check_positive
from movierec.data import UNKNOWN, Indices, check_same_kind, genre_flags, has_time, published_ids, seconds
from movierec.data.indices import PAIR
from movierec.data.tables import TAGS, check_has
from movierec.evaluation import Scorer
from movierec.evaluation.metrics import unit_rows

FEWEST_MOVIES = 5  # with a word or a tag: of fewer a model learns nothing
LITTLE_WORDS = [
    "an", "and", "at", "by", "de", "der", "des", "du", "for", "from", "il", "in", "is", "it", "la", "le", "les", "my",
    "of", "on", "or", "the", "to", "with",
]  # fmt: skip
MOVIES_LIKE = 'movierec.load("ml-100k").movies'
TAGS_LIKE = 'movierec.load("ml-latest-small").tags'  # ML-100K has no tags


def genre_matrix(movies: pd.DataFrame, indices: Indices) -> np.ndarray:
    """Return 1 where a movie of `indices` has the genre, 0 elsewhere, genres in alphabetical order. `[M, genres]`."""
    return genre_flags(_described(movies, indices, ["genres"])["genres"]).to_numpy(float)


def title_words(movies: pd.DataFrame, fewest: int = FEWEST_MOVIES) -> pd.DataFrame:
    """Return a column "word=…" for each word of the titles, shares of a title that sum to 1, beside movie_id.

    A year in parentheses is no word, nor is a single letter, one of `LITTLE_WORDS`, or a word in less than `fewest`
    titles. ValueError if there is no word at all.
    """
    check_has(movies, "movies", ["movie_id", "title"], MOVIES_LIKE)
    titles = movies["title"].fillna("").str.replace(r"\(\d{4}\)", " ", regex=True)
    words = CountVectorizer(token_pattern=r"[^\W\d_]{2,}", stop_words=LITTLE_WORDS, binary=True)
    there = csr_array(words.fit_transform(titles))  # [movies, words], 0 or 1
    frequent = there.sum(axis=0) >= fewest
    share = pd.DataFrame(normalize(there[:, frequent].toarray(), "l1"))
    share.columns = "word=" + words.get_feature_names_out()[frequent]
    return pd.concat([movies["movie_id"].reset_index(drop=True), share], axis=1)


def known_tags(tags: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `tags` that each user gave up to their last rating in train; all if ratings have no times.

    For a user without a rating in train: up to the last one of all. So no tag is newer than what the splits in time let
    a model know of its user; a random split promises no such thing, with tags or without.
    """
    check_has(tags, "tags", TAGS, TAGS_LIKE)
    for name in (name for name in PAIR if name in train):
        check_same_kind(published_ids(tags[name], "tags"), "tags", train[name], "train")
    if not has_time(train):
        return tags
    last = train.groupby("user_id")["timestamp"].max()
    limit = tags["user_id"].map(last).fillna(train["timestamp"].max())
    return tags[(seconds(tags["timestamp"], "timestamp in `tags`", is_part=True) <= limit).to_numpy()]


def tag_table(tags: pd.DataFrame, train: pd.DataFrame, fewest: int = FEWEST_MOVIES) -> pd.DataFrame:
    """Return how often users gave each tag to each movie by the time of train, int; index movie_id, a column a tag.

    Only `known_tags` count, in lower case, and of them those that `fewest` movies have.
    """
    known = known_tags(tags, train).dropna(subset="tag")
    table = pd.crosstab(known["movie_id"], known["tag"].str.lower().rename("tag"))
    return table.loc[:, (table > 0).sum() >= fewest]


def describe(movies: pd.DataFrame, indices: Indices, tags: pd.DataFrame | None = None) -> pd.DataFrame:
    """Count how often each term is said of each movie: genres and decade once, a tag once a user. `[M, terms]`.

    `movies` has movie_id, genres ("Action|Crime") and year (NA where it is not known); `tags` movie_id and tag, counted
    in lower case; None where the data set has none.
    """
    known = _described(movies, indices, ["genres", "year"])
    year = pd.to_numeric(known["year"], errors="coerce").astype("float64")
    decade = pd.get_dummies((year // 10 * 10).map(lambda y: f"decade={y:.0f}", na_action="ignore"))
    parts = [genre_flags(known["genres"]).add_prefix("genre="), decade]
    if tags is not None and len(tags):
        check_has(tags, "tags", ["movie_id", "tag"], TAGS_LIKE)
        tags = tags.dropna(subset="tag")
        place = indices.movie_index(tags["movie_id"])
        said = pd.crosstab(place[place != UNKNOWN], "tag=" + tags["tag"][place != UNKNOWN].str.lower().to_numpy())
        parts.append(said.reindex(range(indices.num_movies), fill_value=0).set_axis(known.index))
    return pd.concat(parts, axis=1).astype(float)


def tf_idf(terms: np.ndarray) -> np.ndarray:
    """Return term counts `[M, terms]` as vectors of length 1: (1 + log count) · log(M / movies that have the term).

    A term that all movies have weighs 0 (scikit-learn's `TfidfTransformer` adds 1 to the logarithm); a movie without
    terms is the vector 0. Source: Salton and Buckley (1988).
    """
    frequency = np.where(terms > 0, 1 + np.log(np.maximum(terms, 1)), 0)
    rarity = np.log(len(terms) / np.maximum((terms > 0).sum(axis=0), 1))
    return unit_rows(frequency * rarity)


class ContentBased:
    """score(u, i) = cos(profile_u, v_i), v_i the tf-idf vector of movie i: movies like those the user watched.

    profile_u = Σ_{i rated by u} max(1 + w · residual_ui, 0) v_i: Rocchio's rule, in which a movie counts more if
    it got more stars than the biases expect; w is `stars_weight`, 0 or more. No other user matters, so a movie without
    a rating can be recommended. `movies` and `tags` are as of `describe`; only `known_tags` are read.

    `vectors` is float64 `[num_movies, terms]`, `profiles` float64 `[num_users, terms]`.

    Source: Pazzani and Billsus (2007), *Content-based recommendation systems*; Rocchio (1971).
    """

    def __init__(self, train, indices: Indices, movies, tags: pd.DataFrame | None = None, stars_weight: float = 0.0):
        check_not_negative(stars_weight=stars_weight)
        tags = None if tags is None else known_tags(tags, train)
        self.vectors = tf_idf(describe(movies, indices, tags).to_numpy())
        weight = np.ones(len(train))
        if stars_weight:
            weight = np.maximum(1 + stars_weight * Bias(train, indices).residuals(train), 0)
        self.profiles = np.zeros((indices.num_users, self.vectors.shape[1]))
        watched = self.vectors[indices.movie_index(train["movie_id"])]
        np.add.at(self.profiles, indices.user_index(train["user_id"]), weight[:, None] * watched)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return (unit_rows(self.profiles[user_index]) @ self.vectors.T).astype(np.float32)


class FromContent:
    """score(u, i) of a movie i without ratings = Σ_j score(u, j) W_ji, over the movies j that have some.

    W is the ridge regression from what is known of a movie, x_j, to its score; it is the same for all users:
    score(u, i) = s̄_u + (x_i − x̄) (XᵀX + λ I)⁻¹ Xᵀ (s_u − s̄_u), with the rows of X the centred x_j. If the scorer is a
    product of vectors, this is the ridge regression from content to a movie's vector. `content`, float
    `[num_movies, d]`, is e.g. `movie_features(…).values`; `is_rated`, bool `[num_movies]`, says which have ratings in
    train; `regularisation` λ > 0 is in movies.

    Source: Gantner et al. (2010), *Learning attribute-to-feature mappings for cold-start recommendations*.
    """

    def __init__(self, scorer: Scorer, content: np.ndarray, is_rated: np.ndarray, regularisation: float = 10):
        check_positive(regularisation=regularisation)
        if len(content) != len(is_rated) or not is_rated.any():
            raise ValueError(
                f"`content` and `is_rated` have one row a movie, one of them rated at least; found {len(content):,} "
                f"rows, {len(is_rated):,} and {int(np.sum(is_rated)):,} rated. Try make_indices(train, movies)."
            )
        self.scorer = scorer
        self.content = np.asarray(content, float)
        self.is_rated = np.asarray(is_rated, bool)
        self.mean = self.content[self.is_rated].mean(axis=0)  # x̄
        x = self.content[self.is_rated] - self.mean
        self.solved = np.linalg.solve(x.T @ x + regularisation * np.eye(x.shape[1]), x.T).T  # X (XᵀX + λ I)⁻¹

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        scores = np.array(self.scorer(user_index), np.float32)
        scores[:, ~self.is_rated] = self.of(self.content[~self.is_rated], scores)
        return scores

    def of(self, content: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return float32 `[U, N]`: scores of new movies with content `[N, d]`, from the scorer's `[U, num_movies]`."""
        rated = scores[:, self.is_rated]
        mean = rated.mean(axis=1, keepdims=True)
        weights = self.solved @ (np.asarray(content, float) - self.mean).T  # W [rated, N]
        return (mean + (rated - mean) @ weights).astype(np.float32)


def _described(movies: pd.DataFrame, indices: Indices, columns: list[str]) -> pd.DataFrame:
    """Return the rows of `movies` in the order of `indices`; NA for a movie that it lacks."""
    check_has(movies, "movies", ["movie_id", *columns], MOVIES_LIKE)
    ids = published_ids(movies["movie_id"], "movies")
    check_same_kind(ids, "movies", indices.movie_ids, "train")
    return movies[~ids.duplicated()].set_index(ids[~ids.duplicated()]).reindex(indices.movie_ids)
