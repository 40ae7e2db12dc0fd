"""The ranking head: the history of a user in, a score for every film of the catalogue out.

Built piece by piece in notebooks/05_hybrid_model.
"""

from typing import NamedTuple

import numpy as np

from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models.attention import AttentionEncoder
from movierec.models.history import Entries, History, Lists, rated_vectors, weighted_sums
from movierec.models.layers import Draws, Dropout, multilayer_perceptron, small_random, start_at
from movierec.models.linear import make_linear
from movierec.models.settings import Settings

ATTENTION = {"length": 50, "blocks": 2, "dropout": 0.3}  # of the encoder, as in notebook 10


class Tables(NamedTuple):
    """What scoring reads of all films: computed from the weights, and only once if they do not change."""

    watched: tf.Tensor  # float32 [num_movies, dim], a film as part of a history
    candidates: tf.Tensor  # float32 [num_movies, dim + 1], a film as an answer, and its bias


class RankingHead(tf.keras.layers.Layer):
    """The score of every movie as the sum of four paths: bias + dot + deep + linear.

    bias   = b_i                       starts at log(1 + n_i): before its first step the head is popularity
    dot    = ⟨x_u, y_i⟩                matrix factorisation; x_u comes from the history, so it works for anybody
    deep   = ⟨MLP(x_u), y_i⟩           interactions that a sum of vectors cannot express
    linear = c · Σ_j w_uj B_ji         EASE, solved in closed form, on the same weighted history

    x_u = Σ_j w_uj (watched_j + e_uj · starred_j) / √(Σ_j w_uj²) + Σ_f features_uf · f,  or, by attention,
    x_u = the last h of `AttentionEncoder` over (watched_j + e_uj · starred_j) + Σ_f features_uf · f
    y_i = id_i + Σ_g features_ig · g,   watched_j = id'_j + Σ_g features_jg · g'

    with e_uj the residual. If the history is in order, what comes next depends most on what came last: w fades with
    the number of newer ratings, w = floor + (1 − floor) · exp(−age / fade). Otherwise all weights are 1. `linear`: B,
    if it was solved before, see `make_linear`; it takes 4 · num_movies² bytes at most, 0.4 GB for 10,000 films. Beyond,
    and with `linear_rank`, only the strongest directions of EASE are kept.

    With `content_share`, id_i and b_i are 0 for films that nobody rated, and in each step of training for a random
    share of the others; b + Σ_g features_ig · b_g replaces the bias, so that the features learn to predict alone.

    Source: Liang et al. (2018) for the softmax over the catalogue from a history; Steck (2019) for the linear path;
    Choi et al. (2021), *Session-aware linear item-item models*, for weights that fade; Volkovs, Yu and Poutanen (2017),
    *DropoutNet*, for ids that are left out so that new films can be ranked.
    """

    def __init__(
        self, history: History, lists: Lists, user_features, movie_features, settings: Settings, draws: Draws,
        linear=None,
    ):  # fmt: skip
        super().__init__(name="ranking")
        self.settings, self.without = settings, settings.without
        self.in_order = history.in_order and not {"order", "recency"} & set(settings.without)
        self.user_features, self.movie_features = user_features, movie_features
        self.lists = lists
        self.entries = lists.entries  # of users [batch]: all of their ratings
        self.draws = draws
        self.place, self.id_place = draws.new_place(), draws.new_place()
        dim, dropout, hidden = settings.ranking_dim, settings.ranking_dropout, settings.ranking_hidden
        self.num_movies, num_features = movie_features.shape

        def table(name, rows):
            return self.add_weight(f"ranking_{name}", (rows, dim), initializer=small_random(draws))

        count = np.bincount(history.movie_index, minlength=self.num_movies)
        self.movie_bias = self.add_weight("movie_bias", count.shape, initializer=start_at(np.log1p(count)))
        self.movie_id, self.movie_feature = table("movie_id", self.num_movies), table("movie_feature", num_features)
        self.watched, self.watched_feature = table("watched", self.num_movies), table("watched_feature", num_features)
        self.starred = None if "explicit" in self.without else table("starred", self.num_movies)
        self.user_feature = table("user_feature", user_features.shape[1])
        self.user_id = table("user_id", history.num_users) if settings.ids else None
        encoder = {"dim": dim, "draws": draws, "has_gaps": False, **ATTENTION}
        self.encoder = AttentionEncoder(**encoder) if settings.encoder == "attention" else None
        self.dropout = Dropout(dropout, draws)
        self.deep = None if "deep" in self.without else multilayer_perceptron(dim, hidden, dim, dropout, draws)
        self.linear = None
        if "linear" not in self.without and settings.linear_weight:
            self.linear = make_linear(history, lists, settings, linear)  # B
        self.rated = None  # where no film relies on its features alone
        if settings.content_share:
            self.rated = tf.constant((count > 0)[:, None], tf.float32)
            usual = np.log1p(count[count > 0]).mean()  # b
            self.usual_bias = self.add_weight("usual_bias", (), initializer=start_at(usual))
            self.feature_bias = self.add_weight("feature_bias", (num_features, 1), initializer="zeros")
            self.own_place = draws.new_place()

    def fade(self, age):
        """Return w of each entry, float32 `[E]`."""
        if not self.in_order:
            return tf.ones_like(age)
        floor = self.settings.fade_floor
        return floor + (1 - floor) * tf.exp(-age / self.settings.fade_ratings)

    def tables(self) -> Tables:
        """Return the tables that follow from the current weights."""
        return Tables(self.watched_vectors(), self.candidates(self.movie_vectors()))

    def watched_vectors(self):
        """Return watched, float32 `[num_movies, dim]`."""
        return self.watched + self.movie_features @ self.watched_feature

    def bag(self, entries: Entries, weight, num_rows, genre=None, tables: Tables | None = None, training=False):
        """Return Σ_j w_j (watched_j + e_j · starred_j) / √(Σ_j w_j²), float32 `[num_rows, dim]`; 0 if nothing is rated.

        `genre`: rows of the features that a newcomer likes; each counts as one film of which only the genre is known.
        """
        watched = self.watched_vectors() if tables is None else tables.watched
        if self.encoder is not None:
            return self._attend(entries, weight > 0, num_rows, genre, watched, training)
        bag = weighted_sums(entries, weight, num_rows, watched, training)
        if self.starred is not None:
            bag += weighted_sums(entries, weight * entries.residual, num_rows, self.starred, training)
        square = tf.math.unsorted_segment_sum(weight**2, entries.row, num_rows)
        if genre is not None:
            bag += tf.reduce_sum(tf.gather(self.watched_feature, genre), axis=0)
            square += tf.cast(tf.size(genre), tf.float32)
        return bag / tf.sqrt(tf.maximum(square, 1.0))[:, None]

    def _favourites(self, genre):
        length = tf.sqrt(tf.maximum(tf.cast(tf.size(genre), tf.float32), 1.0))
        return tf.reduce_sum(tf.gather(self.watched_feature, genre), axis=0) / length

    def _attend(self, entries: Entries, is_read, num_rows, genre, watched, training):
        """Return the same by attention over the newest entries that are read, bool `[E]`, in their order."""
        length = self.encoder.length
        count = tf.cumsum(tf.cast(is_read, tf.int32))
        newer = tf.gather(tf.math.unsorted_segment_max(count, entries.row, num_rows), entries.row) - count
        rows = tf.where(is_read & (newer < length))[:, 0]  # of the entries
        read = Entries(*(tf.gather(column, rows) for column in entries))
        cells = tf.stack([read.row, length - 1 - tf.gather(newer, rows)], axis=1)
        vectors = tf.scatter_nd(cells, rated_vectors(read, watched, self.starred), [num_rows, length, watched.shape[1]])
        is_film = tf.scatter_nd(cells, tf.ones_like(read.movie), [num_rows, length]) > 0
        last = self.encoder(vectors, tf.zeros_like(is_film, tf.int32), is_film, training=training)[:, -1]
        last *= tf.cast(is_film[:, -1:], tf.float32)  # 0 for an empty history
        return last if genre is None else last + self._favourites(genre)

    def known(self, user_index, training=False):
        """Return the part of x_u that is not from the history, float32 `[batch, dim]`; 0 for newcomers (UNKNOWN)."""
        is_known, row = tf.cast(user_index != UNKNOWN, tf.float32)[:, None], tf.maximum(user_index, 0)
        vectors = tf.gather(self.user_features, row) @ self.user_feature
        if self.user_id is None:
            return is_known * vectors
        # Dropped for half of the users in each step, or the id would memorise their films.
        kept = self.draws.uniform(self.id_place, tf.stack([tf.size(user_index), 1])) < 0.5 if training else True
        return is_known * (vectors + tf.cast(kept, tf.float32) * tf.gather(self.user_id, row))

    def queries(self, x, training=False):
        """Return float32 `[batch, dim + 1]`: x + MLP(x), and 1, the factor of the bias."""
        x = self.dropout(x, training=training)
        dot = 0 * x if "dot" in self.without else x
        deep = 0 * x if self.deep is None else self.deep(x, training=training)
        return tf.concat([dot + deep, tf.ones_like(x[:, :1])], axis=1)

    def own(self, training=False):
        """Return 1 for films with an id and a bias of their own, 0 for those by features; None: all have their own."""
        if self.rated is None or not training:
            return self.rated
        kept = self.draws.uniform(self.own_place, tf.shape(self.rated)) >= self.settings.content_share
        return self.rated * tf.cast(kept, tf.float32)  # [num_movies, 1]

    def movie_vectors(self, own=None):
        """Return y, float32 `[num_movies, dim]`; `own`: what `own` has drawn."""
        own = self.rated if own is None else own
        ids = self.movie_id if own is None else own * self.movie_id
        return ids + self.movie_features @ self.movie_feature

    def biases(self, own=None):
        """Return b, float32 `[num_movies, 1]`."""
        own = self.rated if own is None else own
        if own is None:
            return self.movie_bias[:, None]
        of_features = self.usual_bias + self.movie_features @ self.feature_bias
        return own * self.movie_bias[:, None] + (1 - own) * of_features

    def candidates(self, vectors, own=None):
        """Return float32 `[num_movies, dim + 1]` from y; the last column is the movie's bias."""
        return tf.concat([vectors, self.biases(own)], axis=1)

    def scores(self, x, entries: Entries, weight, tables: Tables):
        """Return the sum of all paths, float32 `[batch, num_movies]`, from x `[batch, dim]` and its entries."""
        scores = tf.matmul(self.queries(x), tables.candidates, transpose_b=True)
        if self.linear is None:
            return scores
        linear = weighted_sums(entries, weight, tf.shape(x)[0], self.linear)
        return scores + self.settings.linear_weight * linear

    def call(self, user_index):
        """Return the score of every movie for each user, float32 `[batch, num_movies]`."""
        return self.score_people(self.entries(user_index), user_index)

    def score_people(self, entries: Entries, user_index, genre=None, tables: Tables | None = None):
        """Return the same for histories that need not be in train; `user_index` is UNKNOWN for newcomers; see `bag`."""
        weight, tables = self.fade(entries.age), tables or self.tables()
        x = self.bag(entries, weight, tf.shape(user_index)[0], genre, tables) + self.known(user_index)
        return self.scores(x, entries, weight, tables)

    def shares(self, entries: Entries, user_index, genre, movie) -> dict:
        """Return the terms that `score_people` adds up for one person `[1]` and the films `[N]`, float32.

        "bias", "known", "deep" `[N]`; "genre" `[g, N]`; "dot" and "linear" `[entries, N]`, sums over the history. What
        attention makes of a history has no such shares: it is in "known", and "dot" is 0.
        """
        weight, known = self.fade(entries.age), self.known(user_index)
        x = self.bag(entries, weight, 1, genre) + known
        y = tf.gather(self.movie_vectors(), movie)  # [N, dim]
        rated = rated_vectors(entries, self.watched_vectors(), self.starred)
        square = tf.reduce_sum(weight**2)
        if self.encoder is not None:  # beside it, genres are averaged alone
            known = x - self._favourites(genre)
            rated, square = tf.zeros_like(rated), 0.0
        length = tf.sqrt(tf.maximum(square + tf.cast(tf.size(genre), tf.float32), 1.0))
        dot = tf.zeros_like(y) if "dot" in self.without else y
        shares = {
            "bias": tf.gather(self.biases()[:, 0], movie),
            "known": tf.linalg.matvec(dot, known[0]),
            "genre": tf.gather(self.watched_feature, genre) @ tf.transpose(dot) / length,
            "dot": weight[:, None] * (rated @ tf.transpose(dot)) / length,
            "linear": tf.zeros([tf.size(weight), tf.size(movie)]),
            "deep": tf.zeros_like(y[:, 0]) if self.deep is None else tf.linalg.matvec(y, self.deep(x)[0]),
        }
        if self.linear is not None:
            each = entries._replace(row=tf.range(tf.size(weight)))  # a row for each film of the history
            pairs = weighted_sums(each, tf.ones_like(weight), tf.size(weight), self.linear)
            shares["linear"] = self.settings.linear_weight * weight[:, None] * tf.gather(pairs, movie, axis=1)
        return shares

    def hide(self, entries: Entries, num_rows):
        """Return the weight of each rating that a step of training hides and predicts, 0 for the rest, float32 `[E]`.

        In order, everything after a random moment is hidden, and the nearer to it, the heavier; also return the age
        `[E]` of each rating at that moment. Otherwise a random share is hidden.
        """
        if not self.in_order:
            hidden = self.draws.uniform(self.place, tf.shape(entries.age)) < self.settings.hidden_share
            return tf.cast(hidden, tf.float32), entries.age
        newest = tf.math.unsorted_segment_max(entries.age, entries.row, num_rows)  # ratings less one
        drawn = self.draws.uniform(self.place, tf.stack([num_rows]))
        hidden = tf.floor(drawn * newest) + 1  # how many of the newest are hidden; 1 of 1
        age = entries.age - tf.gather(hidden, entries.row)
        return tf.where(age < 0, tf.exp((age + 1) / self.settings.ahead_ratings), 0.0), tf.maximum(age, 0.0)
