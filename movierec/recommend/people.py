"""The users that a list is made for: their histories, known or new, and what in them speaks for a film.

Taught in notebooks/07_recommendations.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.data import UNKNOWN, Indices
from movierec.keras2 import tf
from movierec.models import Entries, History, Lists
from movierec.scale import Scale

GENRE_WEIGHT = 0.5  # of log(1 / share) of a favourite genre in the score; chosen on validation
POPULAR_DAYS = 14.0  # after which a rating counts 1/e as much, where nothing else is known; chosen on `by_time`
SECONDS_PER_DAY = 86_400
MOST_NAMED = 2  # films of the history in a reason
LARGE = 0.5  # of the largest share: a film with less is not named
COLUMNS = ["user_id", "rank", "movie_id", "title", "score", "predicted_stars"]  # of lists
CLOSE = 1e-3  # stars; equal ones may differ by rounding


class People(NamedTuple):
    """A batch of users, each given by their history. They need not be in the training data."""

    user_index: "tf.Tensor"  # int32 [U]; UNKNOWN for a newcomer
    bias: "tf.Tensor"  # float32 [U], what they give above the mean, in stars
    entries: Entries  # their histories
    genre: "tf.Tensor"  # int32 [g], rows of the movie features that a newcomer likes; for a single person only
    is_seen: "tf.Tensor"  # bool [U, num_movies], what is not recommended


A_PERSON = People(  # the shapes of one
    tf.TensorSpec([1], tf.int32),
    tf.TensorSpec([1], tf.float32),
    Entries(*(tf.TensorSpec([None], kind) for kind in (tf.int32, tf.int32, tf.float32, tf.float32))),
    tf.TensorSpec([None], tf.int32),
    tf.TensorSpec([1, None], tf.bool),
)


class Histories(tf.Module):
    """The histories of users, as a `Pipeline` reads them.

    Args:
        indices, bias: As fitted on train; scale: That of the stars that are given and predicted.
        seen: user_id, movie_id, not to be recommended to that user.
        lists: The ratings of the users of train.

    What grows with the ratings is kept in variables: a SavedModel would write constants into its program, which can
    hold 2 GB at most.
    """

    def __init__(self, indices: Indices, bias: Bias, seen, lists: Lists, scale: Scale):
        super().__init__()
        self.history = [tf.Variable(part, trainable=False) for part in lists]  # the same memory
        self.num_movies = indices.num_movies
        self.mean = bias.mean
        self.damping = float(bias.damping_user)
        self.limits = bias.scale
        self.scale = scale
        self.user_bias = tf.constant(bias.user, tf.float32)
        self.movie_bias = tf.constant(bias.movie, tf.float32)
        seen_user, seen_movie = indices.user_index(seen["user_id"]), indices.movie_index(seen["movie_id"])
        in_catalogue = seen_movie != UNKNOWN  # without a table of movies, validation may have films that train lacks
        seen_user, seen_movie = seen_user[in_catalogue], seen_movie[in_catalogue]
        order = np.argsort(seen_user, kind="stable")
        self.seen_starts = tf.constant(np.searchsorted(seen_user[order], np.arange(indices.num_users + 1)), tf.int32)
        self.seen_movie = tf.Variable(seen_movie[order], dtype=tf.int32, trainable=False)

    def known(self, user_index) -> People:
        """Return users of train `[U]` with their histories there."""
        places = tf.ragged.range(tf.gather(self.seen_starts, user_index), tf.gather(self.seen_starts, user_index + 1))
        pairs = tf.stack([tf.cast(places.value_rowids(), tf.int32), tf.gather(self.seen_movie, places.values)], axis=1)
        is_seen = tf.scatter_nd(pairs, tf.ones_like(pairs[:, 0]), [tf.shape(user_index)[0], self.num_movies]) > 0
        bias, no_genre = tf.gather(self.user_bias, user_index), tf.zeros([0], tf.int32)
        return People(user_index, bias, Lists(*self.history).entries(user_index), no_genre, is_seen)

    def newcomer(self, movie, stars, genre) -> People:
        """Return a newcomer with stars `[n]` for films `[n]`, all given at once, and favourite genres `[g]`."""
        person = self.after(tf.constant([UNKNOWN]), movie, stars, tf.ones_like(movie, tf.bool))
        entries = person.entries._replace(age=tf.zeros_like(person.entries.age))
        return person._replace(entries=entries, genre=genre)

    def after(self, user_index, movie, stars, is_seen) -> People:
        """Return one user `[1]`, known or UNKNOWN, after new events: films `[n]` and stars `[n]`, NaN for only watched.

        A film that comes twice has the place of its last event and the stars that were given last. The new stars move
        b_u = Σ (r − μ − b_i) / (damping + n). `is_seen` `[n]`: whether the film is not recommended from now on.
        Where no ratings of train differ, stars say only that the film was watched.
        """
        low, high = self.limits
        stars = self.scale.mapped(stars) if low < high else 0 * stars + low
        past, is_known = self.known(tf.maximum(user_index, 0)), user_index[0] != UNKNOWN
        was_here = tf.fill([tf.size(past.entries.movie)], is_known)
        old_movie = tf.boolean_mask(past.entries.movie, was_here)
        old_bias = tf.where(is_known, past.bias, 0.0)
        old_above = tf.boolean_mask(past.entries.residual, was_here) + old_bias  # r − μ − b_i
        new_above = stars - self.mean - tf.gather(self.movie_bias, movie)
        movies, above = tf.concat([old_movie, movie], axis=0), tf.concat([old_above, new_above], axis=0)
        place = tf.range(tf.size(movies))
        last = tf.math.unsorted_segment_max(place, movies, self.num_movies)
        is_last = tf.gather(last, movies) == place
        starred = tf.where(tf.math.is_finite(above), place, UNKNOWN)  # watching a film again takes no stars back
        starred = tf.gather(tf.math.unsorted_segment_max(starred, movies, self.num_movies), movies)
        above = tf.where(starred < 0, above, tf.gather(above, tf.maximum(starred, 0)))
        movies, above = tf.boolean_mask(movies, is_last), tf.boolean_mask(above, is_last)
        has_stars = tf.math.is_finite(above)
        total = tf.reduce_sum(tf.where(has_stars, above, 0.0))
        bias = total / (self.damping + tf.reduce_sum(tf.cast(has_stars, tf.float32)))
        bias = tf.where(tf.reduce_any(tf.math.is_finite(stars)), bias, old_bias)  # [1]
        age = tf.cast(tf.range(tf.size(movies))[::-1], tf.float32)
        entries = Entries(tf.zeros_like(movies), movies, tf.where(has_stars, above - bias, 0.0), age)
        newly = tf.scatter_nd(movie[:, None], tf.cast(is_seen, tf.int32), [self.num_movies]) > 0
        return People(user_index, bias, entries, past.genre, (past.is_seen & is_known) | newly[None])


def popular_lately(history: History, bias: Bias) -> np.ndarray:
    """Return Σ exp(−(T − t) / POPULAR_DAYS) over ratings above the mean, T the end of train; float32 `[num_movies]`.

    Where no ratings differ, the sum is over all of them.
    """
    stars = history.residual + bias.mean + bias.user[history.user_index] + bias.movie[history.movie_index]
    days = (history.timestamp.max() - history.timestamp) / SECONDS_PER_DAY
    weight = np.where((stars > bias.mean) | (len(bias.levels) == 1), np.exp(-days / POPULAR_DAYS), 0)
    return np.bincount(history.movie_index, weight, minlength=history.num_movies).astype(np.float32)


def genre_bonus(features: np.ndarray, history: History) -> np.ndarray:
    """Return GENRE_WEIGHT · log(1 / share) where a film has the feature, else 0: float32 `[num_movies, num_features]`.

    `share` is that of the ratings in train whose film has it: liking Westerns says more than liking dramas.
    """
    has = features > 0
    share = has[history.movie_index].mean(axis=0).clip(1 / len(history.movie_index))
    return (GENRE_WEIGHT * has * np.log(1 / share)).astype(np.float32)


def table_of_lists(columns: dict, user_id) -> pd.DataFrame:
    """Return lists `[U, k]` (of `similar`, `[k]`) as rows, without the places where nothing is left."""
    k = columns["movie_id"].shape[-1]
    flat = {name: values.ravel() for name, values in columns.items()}
    rank = np.arange(flat["title"].size) % k + 1
    texts = {name: pd.array([text.decode() for text in flat[name]], "str") for name in flat if flat[name].dtype == "O"}
    table = pd.DataFrame(flat | texts | {"user_id": user_id, "rank": rank})
    return table[~np.isneginf(flat["score"])][[name for name in COLUMNS if name in table]].reset_index(drop=True)


# ---- why a film


def explain(hybrid, pipeline, person: People, movie_id: int | str) -> pd.DataFrame:
    """Return the parts of one film's score for one user, as in `Pipeline.lists`; of an ensemble, the mean of each part.

    The dot product and the linear path are sums over the history, so each film of it has a share; the perceptron's part
    stays whole.

    dot_j = w_j ⟨watched_j + e_j · starred_j, y_i⟩ / √(Σ w²)      linear_j = c · w_j B_ji

    Returns:
        DataFrame path ("bias", "known", "genre", "bonus", "dot", "linear", "deep", "stars"; or "popularity" alone, for
        a user of whom nothing is known), because (the film or genre, or ""), contribution: they sum to the score.
    """
    movie = hybrid.indices.movie_index([movie_id])
    if _is_unknown(person):
        contribution = float(pipeline.popular[movie[0]])
        return pd.DataFrame({"path": ["popularity"], "because": [""], "contribution": [contribution]})
    tables = []
    for path, share in pipeline.shares(person, movie).items():
        names, values = _names(hybrid, pipeline, person, path), np.atleast_1d(share.numpy()[..., 0])
        tables.append(pd.DataFrame({"path": path, "because": names, "contribution": values}))
    return pd.concat([table for table in tables if len(table)], ignore_index=True).astype({"contribution": float})


def reasons(hybrid, pipeline, person: People, movie_ids) -> list[str]:
    """Return what speaks for each film, in words: "because you liked Toy Story (1995) and Aladdin (1992)".

    Named is the favourite genre if it brings more than any film of the history. Else the films with the largest shares
    are named, at most MOST_NAMED: positive shares, and at least LARGE times the largest. Liked are films with stars
    above the mean of all, and not below the middle of the user's own; if none of them was, "you watched" is said. If no
    share is positive, many people liked the film.
    """
    movie_ids = np.asarray(movie_ids)
    verb = "liked" if len(hybrid.bias.levels) > 1 else "watched"
    times = hybrid.model.past.timestamp
    lately = " lately" if times.min() < times.max() else ""
    if _is_unknown(person) or not movie_ids.size:
        return [f"because many {verb} it{lately}"] * len(movie_ids)
    shares = pipeline.shares(person, hybrid.indices.movie_index(movie_ids))
    from_films = (shares["dot"] + shares["linear"]).numpy().T  # [N, entries]
    from_genres = shares["bonus"].numpy().T  # [N, g]
    titles, genres = (_names(hybrid, pipeline, person, path) for path in ("dot", "genre"))
    bias = hybrid.bias.movie[person.entries.movie.numpy()] + float(person.bias[0])
    above = person.entries.residual.numpy() + bias  # stars above the mean of all
    liked = (above > 0) & (above > np.percentile(above, 50, method="lower") - CLOSE) if len(above) else above > 0
    found = []
    for film, genre in zip(from_films, from_genres, strict=True):
        least = LARGE * max(film, default=0)
        large = [row for row in np.argsort(-film, kind="stable") if film[row] > 0 and film[row] >= least]
        best = [row for row in large if liked[row]][:MOST_NAMED] or large[:MOST_NAMED]
        if (genre > 0).any() and genre.max() > max(film, default=0):
            found.append(f"because you like {genres[int(genre.argmax())]}")
        elif best:
            did = "liked" if liked[best].all() else "watched"
            found.append(f"because you {did} {' and '.join(titles[row] for row in best)}")
        else:
            found.append(f"because many {verb} it")
    return found


def _is_unknown(person: People) -> bool:
    return not person.entries.movie.shape[0] and not person.genre.shape[0]


def _names(hybrid, pipeline, person: People, path: str) -> list[str]:
    """Return what the shares of a path come from, in words; [""] where it has only one."""
    if path in ("dot", "linear"):
        return hybrid.movies["title"].to_numpy()[person.entries.movie.numpy()].tolist()
    return [pipeline.genre_of(row) for row in person.genre.numpy()] if path in ("genre", "bonus") else [""]
