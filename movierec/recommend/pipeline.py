"""From ids, titles and stars to the k best films, in one graph: what `Hybrid` asks is what `save` writes for servers.

Taught in notebooks/07_recommendations and 12_serving.
"""

import copy
import dataclasses
from collections.abc import Callable

import numpy as np

from movierec.baselines import Bias
from movierec.data import UNKNOWN, Indices, is_text
from movierec.keras2 import not_pickled, tf
from movierec.models import FewUsers, HybridModel, LowRank
from movierec.recommend.people import A_PERSON, Histories, People, genre_bonus, popular_lately
from movierec.scale import Scale

CANDIDATES = 100  # films that retrieval hands to ranking, or k if that is more
STARS_WEIGHT = 0.75  # of the expected stars in the final score; chosen on validation (notebook 07)
GENRE = "genre="
# What a program outside Python sends, besides ids:
TITLES, GENRES = (tf.TensorSpec([None], tf.string, name) for name in ("title", "genre"))
STARS = tf.TensorSpec([None], tf.float32, "stars")
IS_SEEN = tf.TensorSpec([None], tf.bool, "is_seen")
K = tf.TensorSpec([], tf.int32, "k")
BEHIND = 1e3  # taken from the score of a film that comes after all others; scores are within ±100


def graph(*signature):
    """Return the decorator of a method that is traced once, with these shapes and types, whatever is asked."""
    return tf.function(autograph=False, input_signature=signature)


class Pipeline(Histories):
    """The k best films of anybody, by two steps over the whole catalogue.

    * Retrieval: score_ui = ranking head: what comes next, + GENRE_WEIGHT · log(1 / share) of the rarest genre that a
      newcomer likes and the film has; the CANDIDATES best that are not seen go on.
    * Ranking: score_ui + STARS_WEIGHT · stars_ui, with stars the expected stars, if that head is there.

    With several models it is their mean in both steps. Of a newcomer who named genres and rated nothing, all films of
    these genres come before all others. A user of whom nothing is known gets what was liked most in the last weeks of
    train. Part of the weights is copied; `is_current` says whether they have changed since.

    Args:
        models: `HybridModel`s with a ranking head, fitted on the same train part; the others as of `Histories`.
        titles: str `[num_movies]`.
    """

    __reduce__ = __copy__ = __deepcopy__ = not_pickled(
        "Pickle the model that it belongs to; or write that with model.save(folder), and open it in the other process "
        "with movierec.load_model(folder)."
    )

    def __init__(self, models: list[HybridModel], indices: Indices, titles: np.ndarray, bias: Bias, seen, scale: Scale):
        first = models[0]
        super().__init__(indices, bias, seen, first.ranking.lists, scale)
        heads = [self._with_saved_linear(model.ranking, number) for number, model in enumerate(models)]
        stars_heads = [model.stars for model in models if model.stars is not None]
        # The layers stay in closures: Keras layers among the attributes would be saved in Keras's own, longer way.
        self._heads = lambda: heads
        self._stars_heads = lambda: stars_heads
        self.weights = {  # tracked, so saved
            f"{head.name}_{number}": head.weights
            for number, model in enumerate(models)
            for head in (model.ranking, model.stars)
            if head is not None
        }
        self.is_current = _change_detector([weight for weights in self.weights.values() for weight in weights])
        ids = indices.user_ids, indices.movie_ids
        self.user_type, self.movie_type = (tf.string if is_text(one) else tf.int64 for one in ids)
        self.movie_ids = tf.constant(indices.movie_ids, self.movie_type)
        self.titles = tf.constant(list(map(str, titles)), tf.string)
        self.popular = tf.constant(popular_lately(first.past, bias))
        names = [] if "features" in first.settings.without else first.movie_features.names
        self.genres = genres = [name.removeprefix(GENRE) for name in names if name.startswith(GENRE)]
        self.genre_bonus = tf.constant(genre_bonus(first.movie_features.values, first.past))
        self.has_feature = tf.constant(first.movie_features.values > 0)  # bool [num_movies, num_features]
        self.user_table = _table(indices.user_ids, range(indices.num_users), self.user_type)
        self.movie_table = _table(indices.movie_ids, range(indices.num_movies), self.movie_type)
        once, first_row, count = np.unique(np.asarray(titles, str), return_index=True, return_counts=True)
        self.title_table = _table(once[count == 1], first_row[count == 1])  # a title of two films names neither
        rows = [names.index(GENRE + genre) for genre in genres]
        self.genre_table = _table(genres, rows)
        self.genre_of = dict(zip(rows, genres, strict=True)).__getitem__  # row of the features -> name
        self.tables = [head.tables() for head in heads]
        self.stars_vectors = [tf.constant(head.movie(tf.range(self.num_movies))) for head in stars_heads]
        vectors = np.concatenate([head.movie_vectors().numpy() for head in heads], axis=1)
        self.directions = tf.constant(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12))
        user, users = (tf.TensorSpec(shape, self.user_type, "user_id") for shape in ([], [None]))
        movie, movies = (tf.TensorSpec(shape, self.movie_type, "movie_id") for shape in ([], [None]))
        self.recommend = graph(users, K)(self.recommend)
        self.recommend_after = graph(user, movies, STARS, IS_SEEN, K)(self.recommend_after)
        self.recommend_new = graph(movies, TITLES, STARS, GENRES, K)(self.recommend_new)
        self.new_person = graph(movies, TITLES, STARS, GENRES)(self.new_person)
        self.similar = graph(movie, K)(self.similar)

    def _with_saved_linear(self, head, number: int):
        """Return the head with B, or its stand-in, as a variable: a SavedModel would write out a constant."""
        if head.linear is None:
            return head
        linear, head = head.linear, copy.copy(head)
        if isinstance(linear, FewUsers | LowRank):
            own, matrix = (tf.Variable(part, trainable=False) for part in (linear.own, linear.matrix))
            setattr(self, f"linear_own_{number}", own)
            linear = dataclasses.replace(linear, matrix=matrix, own=own)
        else:
            matrix = linear = tf.Variable(linear, trainable=False)  # the same memory
        setattr(self, f"linear_{number}", matrix)
        vars(head)["linear"] = linear  # not by Keras, which would count it among the weights of the head
        return head

    # ---- scores and lists

    def retrieval(self, people: People):
        """Return the ranking head's score of every film and the bonus of genres, float32 `[U, num_movies]`."""
        who = people.entries, people.user_index, people.genre
        scores = [head.score_people(*who, tables) for head, tables in zip(self._heads(), self.tables, strict=True)]
        favourite = tf.reduce_max(tf.gather(self.genre_bonus, people.genre, axis=1), axis=1)  # -inf where none is named
        return tf.add_n(scores) / len(scores) + tf.maximum(favourite, 0.0)

    def stars(self, people: People, movie):
        """Return the expected stars of films `[U, N]`, `[U, N]`, on the models' scale; NaN without that head."""
        heads = self._stars_heads()
        if not heads:
            return tf.fill(tf.shape(movie), np.float32(np.nan))
        is_known, row = people.user_index != UNKNOWN, tf.maximum(people.user_index, 0)
        expected = []
        for head, vectors in zip(heads, self.stars_vectors, strict=True):
            learned = tf.gather(head.user_bias, row) - tf.gather(self.user_bias, row)  # since the closed form
            bias = people.bias + tf.where(is_known, learned, 0.0)
            expected.append(head.stars_of_people(people.entries, people.user_index, bias, movie, vectors))
        return tf.clip_by_value(tf.add_n(expected) / len(expected), *self.limits)

    def lists(self, people: People, k):
        """Return the k best of each: film int32 `[U, k]`, UNKNOWN where none is left; score and stars `[U, k]`."""
        k = tf.minimum(_holds(k > 0, tf.convert_to_tensor(k), "k must be 1 or more"), self.num_movies)
        scores = self.retrieval(people)
        nothing = tf.size(people.entries.movie) + tf.size(people.genre) == 0  # the only one of whom nothing is known
        scores = tf.where(nothing, self.popular[None], scores)
        behind = self._behind(people)
        left = tf.where(people.is_seen, -np.inf, scores)
        _, movie = tf.math.top_k(left - behind, tf.maximum(k, min(CANDIDATES, self.num_movies)))
        stars = self.stars(people, movie)
        score = tf.gather(left, movie, batch_dims=1)
        if self._stars_heads():
            score += tf.where(nothing, 0.0, STARS_WEIGHT) * stars
        _, order = tf.math.top_k(score - tf.gather(behind, movie), k)
        score, movie, stars = (tf.gather(column, order, batch_dims=1) for column in (score, movie, stars))
        return tf.where(tf.math.is_inf(score), UNKNOWN, movie), score, stars

    def _behind(self, people: People):
        """Return BEHIND where genres are all that is known and the film has none of them, else 0: `[num_movies]`."""
        only_genres = (tf.size(people.entries.movie) == 0) & (tf.size(people.genre) > 0)
        has_one = tf.reduce_any(tf.gather(self.has_feature, people.genre, axis=1), axis=1)
        return tf.where(only_genres & ~has_one, BEHIND, 0.0)

    @graph(A_PERSON, tf.TensorSpec([None], tf.int32, "movie"))
    def shares(self, person: People, movie) -> dict:
        """Return what the scores of the films `[N]` are the sum of, for one person: {path: share}.

        See `RankingHead.shares`; and "bonus" `[g, N]` of the favourite genres; and "stars" `[N]`, 0 without that head.
        """
        each = [head.shares(person.entries, person.user_index, person.genre, movie) for head in self._heads()]
        shares = {name: tf.add_n([one[name] for one in each]) / len(each) for name in each[0]}
        bonus = tf.gather(tf.gather(self.genre_bonus, movie), person.genre, axis=1)  # [N, g]
        largest = tf.reduce_max(bonus, axis=1, keepdims=True)
        is_largest = tf.cast(bonus == largest, tf.float32)  # the only one that counts
        shares["bonus"] = tf.transpose(bonus * tf.math.divide_no_nan(is_largest, tf.reduce_sum(is_largest, 1, True)))
        stars = self.stars(person, movie[None])[0]
        shares["stars"] = STARS_WEIGHT * stars if self._stars_heads() else tf.zeros_like(stars)
        return shares

    # ---- ids and titles as published, in and out; traced in `__init__`, which knows the type of the ids

    def recommend(self, user_id, k):
        """Return the k best films of users of train: movie_id, title, score, predicted_stars, `[U, k]` each.

        Where no unseen film is left, the score is -inf, and the movie_id beside it means nothing: any may be a film's.
        """
        index = _known(self.user_table.lookup(user_id), "every user_id must have ratings in train")
        return self._named(*self.lists(self.known(index), k))

    def recommend_after(self, user_id, movie_id, stars, is_seen, k):
        """Return the same for one user, known or not, after new events; see `after`. `[1, k]` each."""
        person = self.after(self.user_table.lookup(user_id)[None], self._films(movie_id), stars, is_seen)
        return self._named(*self.lists(person, k))

    def recommend_new(self, movie_id, title, stars, genre, k):
        """Return the same for a newcomer: `stars` first of the films named by id, then of those by title. `[1, k]`."""
        return self._named(*self.lists(self.new_person(movie_id, title, stars, genre), k))

    def similar(self, movie_id, k):
        """Return the k films whose ranking vectors point the same way: movie_id, title, score (cosine) `[k]`."""
        index = self._films(movie_id[None])
        cosine = tf.linalg.matvec(self.directions, tf.gather(self.directions, index[0]))
        others = tf.tensor_scatter_nd_update(cosine, index[:, None], [-np.inf])
        score, movie = tf.math.top_k(others, tf.minimum(k, self.num_movies))
        movie = tf.where(tf.math.is_inf(score), UNKNOWN, movie)
        named = self._named(movie, score, score)
        return {name: named[name] for name in ("movie_id", "title", "score")}

    def new_person(self, movie_id, title, stars, genre) -> People:
        """Return a newcomer given in raw ids, titles and names of genres; see `recommend_new`."""
        by_title = _known(self.title_table.lookup(title), "every title must be that of one film, as published")
        rows = _known(self.genre_table.lookup(genre), "every genre must be known to the model")
        return self.newcomer(tf.concat([self._films(movie_id), by_title], axis=0), stars, rows)

    def _films(self, movie_id):
        return _known(self.movie_table.lookup(movie_id), "every movie_id must be in the catalogue")

    def _named(self, movie, score, stars) -> dict:
        there, row = movie != UNKNOWN, tf.maximum(movie, 0)
        nobody = "" if self.movie_type == tf.string else np.int64(UNKNOWN)
        return {
            "movie_id": tf.where(there, tf.gather(self.movie_ids, row), nobody),
            "title": tf.where(there, tf.gather(self.titles, row), ""),
            "score": score,
            "predicted_stars": self.scale.outside(stars),
        }


def _change_detector(weights: list) -> Callable[[], bool]:
    """Return a function that says whether all weights are as they are now, by their 64-bit fingerprints."""

    @tf.function(autograph=False)
    def fingerprints():
        flat = [tf.reshape(tf.bitcast(weight, tf.uint8), [1, -1]) for weight in weights]
        return tf.concat([tf.fingerprint(one) for one in flat], axis=0)

    before = fingerprints().numpy()
    return lambda: np.array_equal(before, fingerprints())


def _table(keys, rows, key_type=tf.string):
    """Return a lookup from keys to int32 rows; UNKNOWN for other keys."""
    keys, rows = list(keys) or [""], list(rows) or [UNKNOWN]  # TensorFlow refuses an empty table
    pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(keys, key_type), tf.constant(rows, tf.int32))
    return tf.lookup.StaticHashTable(pairs, UNKNOWN)


def _known(index, message: str):
    return _holds(index != UNKNOWN, index, message)


def _holds(condition, value, message: str):
    """Return the value, which waits for the check: otherwise TensorFlow runs both side by side."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(condition), [message])]):
        return tf.identity(value)
