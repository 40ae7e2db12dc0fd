"""From ids, titles and stars to the k best films: retrieval, ranking, and what has been seen left out, in one graph.

What `Hybrid` asks for its lists is what `save` writes for servers: a `tf.Module` of a few functions with raw ids and
titles in and out. Taught in notebooks/07_recommendations and 10_serving.
"""

from typing import NamedTuple

import numpy as np

from movierec.baselines import Bias
from movierec.data import UNKNOWN, Indices
from movierec.keras2 import tf
from movierec.models import Entries, History, HybridModel

CANDIDATES = 100  # films that retrieval hands to ranking, or k if that is more
STARS_WEIGHT = 0.75  # of the expected stars in the final score; chosen on validation (notebook 07)
GENRE_WEIGHT = 0.5  # of log(1 / share) of a favourite genre in the score; chosen on validation (notebook 07)
POPULAR_DAYS = 14.0  # after which a rating counts 1/e as much, where nothing else is known; chosen on `by_time`
SECONDS_PER_DAY = 86_400
GENRE = "genre="


class People(NamedTuple):
    """Whom a list is for, each a history that need not be in train.

    Attributes:
        user_index: int32 `[U]`; UNKNOWN for a newcomer.
        bias: float32 `[U]`, what they give above the mean, in stars.
        entries: their histories.
        genre: int32 `[g]`, rows of the movie features that a newcomer likes; for a single person only.
        is_seen: bool `[U, num_movies]`, what is not recommended.
    """

    user_index: "tf.Tensor"
    bias: "tf.Tensor"
    entries: Entries
    genre: "tf.Tensor"
    is_seen: "tf.Tensor"


A_PERSON = People(  # the shapes of one
    tf.TensorSpec([1], tf.int32),
    tf.TensorSpec([1], tf.float32),
    Entries(*(tf.TensorSpec([None], kind) for kind in (tf.int32, tf.int32, tf.float32, tf.float32))),
    tf.TensorSpec([None], tf.int32),
    tf.TensorSpec([1, None], tf.bool),
)


class Pipeline(tf.Module):
    """The k best films of anybody, by two steps over the whole catalogue.

    retrieval  score_ui = ranking head: what comes next, + GENRE_WEIGHT · log(1 / share) of the rarest genre that a
               newcomer likes and the film has; the CANDIDATES best that are not seen go on
    ranking    score_ui + STARS_WEIGHT · stars_ui, with stars the expected stars, if that head is there

    With several models it is their mean in both steps. Weights are read when it is made, in part: make it after
    training. Somebody of whom nothing is known gets what was liked most in the last weeks of train.

    Args:
        models: `HybridModel`s with a ranking head, fitted on the same train part.
        indices, titles: of the catalogue; titles str `[num_movies]`.
        bias: as fitted on train.
        seen: user_id, movie_id, not to be recommended to that user.
    """

    def __init__(self, models: list[HybridModel], indices: Indices, titles: np.ndarray, bias: Bias, seen):
        super().__init__()
        # The layers stay in closures: Keras layers among the attributes would be saved in Keras's own, longer way.
        heads = [model.ranking for model in models]
        stars_heads = [model.stars for model in models if model.stars is not None]
        self.weights = [weight for head in heads + stars_heads for weight in head.weights]  # tracked, so saved
        self._heads, self._stars_heads = (lambda: heads), (lambda: stars_heads)
        first = models[0]
        self.num_users, self.num_movies = indices.num_users, indices.num_movies
        self.user_ids = tf.constant(indices.user_ids, tf.int64)
        self.movie_ids = tf.constant(indices.movie_ids, tf.int64)
        self.titles = tf.constant(list(map(str, titles)), tf.string)
        self.mean, self.damping, self.scale = bias.mean, float(bias.damping_user), bias.scale
        self.user_bias = tf.constant(bias.user, tf.float32)
        self.movie_bias = tf.constant(bias.movie, tf.float32)
        self.popular = tf.constant(popular_lately(first.past, bias))
        names = [] if "features" in first.settings.without else first.movie_features.names
        self.genres = genres = [name.removeprefix(GENRE) for name in names if name.startswith(GENRE)]
        self.genre_bonus = tf.constant(genre_bonus(first.movie_features.values, first.past))
        self.user_table, self.movie_table = _table(indices.user_ids), _table(indices.movie_ids)
        once, first_row, count = np.unique(np.asarray(titles, str), return_index=True, return_counts=True)
        unique, row = once[count == 1].tolist(), first_row[count == 1].tolist()  # a title of two films names neither
        self.title_table = _table(unique or [""], row or [UNKNOWN], tf.string)
        rows = [names.index(GENRE + genre) for genre in genres]
        self.genre_table = _table(genres or [""], rows or [UNKNOWN], tf.string)
        self.genre_of = dict(zip(rows, genres, strict=True)).__getitem__  # row of the features -> name
        seen_user, seen_movie = indices.user_index(seen["user_id"]), indices.movie_index(seen["movie_id"])
        in_catalogue = seen_movie != UNKNOWN  # without a table of movies, validation may have films that train lacks
        seen_user, seen_movie = seen_user[in_catalogue], seen_movie[in_catalogue]
        order = np.argsort(seen_user, kind="stable")
        self.seen_starts = tf.constant(np.searchsorted(seen_user[order], np.arange(self.num_users + 1)), tf.int32)
        self.seen_movie = tf.constant(seen_movie[order], tf.int32)
        everything = tf.range(self.num_movies)
        self.tables = [head.tables() for head in heads]
        self.stars_vectors = [tf.constant(head.movie(everything)) for head in stars_heads]
        vectors = np.concatenate([head.movie_vectors().numpy() for head in heads], axis=1)
        self.directions = tf.constant(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12))

    # ---- who

    def known(self, user_index) -> People:
        """Users of train `[U]`, with their histories there."""
        (head, *_), num_rows = self._heads(), tf.shape(user_index)[0]
        rows = tf.gather(self.seen_starts, user_index), tf.gather(self.seen_starts, user_index + 1)
        places = tf.ragged.range(*rows)
        pairs = tf.stack([tf.cast(places.value_rowids(), tf.int32), tf.gather(self.seen_movie, places.values)], axis=1)
        is_seen = tf.scatter_nd(pairs, tf.ones_like(pairs[:, 0]), [num_rows, self.num_movies]) > 0
        bias = tf.gather(self.user_bias, user_index)
        return People(user_index, bias, head.entries(user_index), tf.zeros([0], tf.int32), is_seen)

    def newcomer(self, movie, stars, genre) -> People:
        """Somebody with stars `[n]` for films `[n]`, all given at once, and favourite genres `[g]`."""
        none = tf.constant([UNKNOWN])
        person = self.after(none, movie, stars, tf.ones_like(movie, tf.bool))
        entries = person.entries._replace(age=tf.zeros_like(person.entries.age))
        return person._replace(entries=entries, genre=genre)

    def after(self, user_index, movie, stars, is_seen) -> People:
        """One user `[1]`, known or UNKNOWN, after new events: films `[n]` and stars `[n]`, NaN for watched without.

        A film that comes twice has the place of its last event and the stars that were given last. The new stars move
        b_u = Σ (r − μ − b_i) / (damping + n). `is_seen` `[n]`: whether the film shall not be recommended from now on.
        """
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
        starred = tf.where(tf.math.is_finite(above), place, UNKNOWN)  # to look at a film again takes no stars back
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

    # ---- what

    def retrieval(self, people: People):
        """The ranking head's score of every film, and the bonus of favourite genres, float32 `[U, num_movies]`."""
        who = people.entries, people.user_index, people.genre
        scores = [head.score_people(*who, tables) for head, tables in zip(self._heads(), self.tables, strict=True)]
        favourite = tf.reduce_max(tf.gather(self.genre_bonus, people.genre, axis=1), axis=1)  # -inf where none is named
        return tf.add_n(scores) / len(scores) + tf.maximum(favourite, 0.0)

    def stars(self, people: People, movie):
        """Expected stars, float32 `[U, N]`, of the films `[U, N]`, on the scale of train; NaN without that head."""
        heads = self._stars_heads()
        if not heads:
            return tf.fill(tf.shape(movie), np.float32(np.nan))
        is_known, row = people.user_index != UNKNOWN, tf.maximum(people.user_index, 0)
        expected = []
        for head, vectors in zip(heads, self.stars_vectors, strict=True):
            learned = tf.gather(head.user_bias, row) - tf.gather(self.user_bias, row)  # since the closed form
            bias = people.bias + tf.where(is_known, learned, 0.0)
            expected.append(head.stars_of_people(people.entries, people.user_index, bias, movie, vectors))
        return tf.clip_by_value(tf.add_n(expected) / len(expected), *self.scale)

    def lists(self, people: People, k):
        """The k best of each: film int32 `[U, k]`, UNKNOWN where there is none left; score and stars `[U, k]`."""
        k = _holds((k > 0) & (k <= self.num_movies), tf.convert_to_tensor(k), f"k must be 1 to {self.num_movies}")
        scores = self.retrieval(people)
        nothing = tf.size(people.entries.movie) + tf.size(people.genre) == 0  # the only one of whom nothing is known
        scores = tf.where(nothing, self.popular[None], scores)
        left = tf.where(people.is_seen, -np.inf, scores)
        score, movie = tf.math.top_k(left, tf.maximum(k, min(CANDIDATES, self.num_movies)))
        stars = self.stars(people, movie)
        if self._stars_heads():
            score += tf.where(nothing, 0.0, STARS_WEIGHT) * stars
        score, order = tf.math.top_k(score, k)
        movie, stars = tf.gather(movie, order, batch_dims=1), tf.gather(stars, order, batch_dims=1)
        return tf.where(tf.math.is_inf(score), UNKNOWN, movie), score, stars

    @tf.function(autograph=False, input_signature=[A_PERSON, tf.TensorSpec([None], tf.int32, "movie")])
    def shares(self, person: People, movie) -> dict:
        """What the scores of the films `[N]` are the sum of, for one person; see `RankingHead.shares`.

        And "bonus" `[g, N]` of the favourite genres; and "stars" `[N]`, what ranking adds, 0 without that head.
        """
        each = [head.shares(person.entries, person.user_index, person.genre, movie) for head in self._heads()]
        shares = {name: tf.add_n([one[name] for one in each]) / len(each) for name in each[0]}
        bonus = tf.gather(tf.gather(self.genre_bonus, movie), person.genre, axis=1)  # [N, g]
        is_largest = tf.cast(
            bonus == tf.reduce_max(bonus, axis=1, keepdims=True), tf.float32
        )  # the only one that counts
        shares["bonus"] = tf.transpose(bonus * tf.math.divide_no_nan(is_largest, tf.reduce_sum(is_largest, 1, True)))
        stars = self.stars(person, movie[None])[0]
        shares["stars"] = STARS_WEIGHT * stars if self._stars_heads() else tf.zeros_like(stars)
        return shares

    # ---- raw ids and titles in and out

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([None], tf.int64, "user_id"), tf.TensorSpec([], tf.int32, "k")]
    )
    def recommend(self, user_id, k):
        """The k best films of users of train: movie_id, title, score, predicted_stars, `[U, k]` each.

        Where somebody has no unseen film left, movie_id is UNKNOWN (-1) and the title empty.
        """
        index = _known(self.user_table.lookup(user_id), "every user_id must have ratings in train")
        return self._named(*self.lists(self.known(index), k))

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([], tf.int64, "user_id"),
            tf.TensorSpec([None], tf.int64, "movie_id"),
            tf.TensorSpec([None], tf.float32, "stars"),
            tf.TensorSpec([None], tf.bool, "is_seen"),
            tf.TensorSpec([], tf.int32, "k"),
        ],
    )
    def recommend_after(self, user_id, movie_id, stars, is_seen, k):
        """The same for one user, known or not, after new events; see `after`. `[1, k]` each."""
        person = self.after(self.user_table.lookup(user_id)[None], self._films(movie_id), stars, is_seen)
        return self._named(*self.lists(person, k))

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None], tf.int64, "movie_id"),
            tf.TensorSpec([None], tf.string, "title"),
            tf.TensorSpec([None], tf.float32, "stars"),
            tf.TensorSpec([None], tf.string, "genre"),
            tf.TensorSpec([], tf.int32, "k"),
        ],
    )
    def recommend_new(self, movie_id, title, stars, genre, k):
        """The k best films for a newcomer: `stars` first of the films named by id, then of those by title. `[1, k]`."""
        return self._named(*self.lists(self.new_person(movie_id, title, stars, genre), k))

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([], tf.int64, "movie_id"), tf.TensorSpec([], tf.int32, "k")]
    )
    def similar(self, movie_id, k):
        """The k films whose vectors in the ranking head point the same way: movie_id, title, score (cosine) `[k]`."""
        index = self._films(movie_id[None])
        cosine = tf.linalg.matvec(self.directions, tf.gather(self.directions, index[0]))
        score, movie = tf.math.top_k(tf.tensor_scatter_nd_update(cosine, index[:, None], [-np.inf]), k)
        movie = tf.where(tf.math.is_inf(score), UNKNOWN, movie)
        named = self._named(movie, score, score)
        return {name: named[name] for name in ("movie_id", "title", "score")}

    def new_person(self, movie_id, title, stars, genre) -> People:
        """A newcomer in raw ids, titles and names of genres; see `recommend_new`."""
        by_title = _known(self.title_table.lookup(title), "every title must be that of one film, as published")
        rows = _known(self.genre_table.lookup(genre), "every genre must be known to the model")
        return self.newcomer(tf.concat([self._films(movie_id), by_title], axis=0), stars, rows)

    def _films(self, movie_id):
        return _known(self.movie_table.lookup(movie_id), "every movie_id must be in the catalogue")

    def _named(self, movie, score, stars) -> dict:
        there, row = movie != UNKNOWN, tf.maximum(movie, 0)
        return {
            "movie_id": tf.where(there, tf.gather(self.movie_ids, row), UNKNOWN),
            "title": tf.where(there, tf.gather(self.titles, row), ""),
            "score": score,
            "predicted_stars": stars,
        }


def popular_lately(history: History, bias: Bias) -> np.ndarray:
    """Σ exp(−(T − t) / POPULAR_DAYS) over the ratings above the mean, T the end of train; float32 `[num_movies]`."""
    stars = history.residual + bias.mean + bias.user[history.user_index] + bias.movie[history.movie_index]
    days = (history.timestamp.max() - history.timestamp) / SECONDS_PER_DAY
    weight = np.where(stars > bias.mean, np.exp(-days / POPULAR_DAYS), 0)
    return np.bincount(history.movie_index, weight, minlength=history.num_movies).astype(np.float32)


def genre_bonus(features: np.ndarray, history: History) -> np.ndarray:
    """GENRE_WEIGHT · log(1 / share) where a film has the feature, else 0: float32 `[num_movies, num_features]`.

    `share` is that of the ratings in train whose film has it: who likes Westerns says more than who likes dramas.
    """
    has = features > 0
    share = has[history.movie_index].mean(axis=0).clip(1 / len(history.movie_index))
    return (GENRE_WEIGHT * has * np.log(1 / share)).astype(np.float32)


def _table(keys, values=None, key_type=tf.int64):
    """A lookup from keys to int32 rows; UNKNOWN for other keys."""
    values = range(len(keys)) if values is None else values
    pairs = tf.lookup.KeyValueTensorInitializer(keys, tf.constant(list(values), tf.int32), key_dtype=key_type)
    return tf.lookup.StaticHashTable(pairs, UNKNOWN)


def _known(index, message: str):
    """`index`, if nothing in it is UNKNOWN; else InvalidArgumentError with the message."""
    return _holds(index != UNKNOWN, index, message)


def _holds(condition, value, message: str):
    # Nothing may be done with the value before it is checked: TensorFlow runs side by side what does not wait.
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(condition), [message])]):
        return tf.identity(value)
