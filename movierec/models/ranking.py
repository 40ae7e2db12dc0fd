"""Which films next: the history of a user in, a score for every film of the catalogue out.

Built piece by piece in notebooks/05_hybrid_model.
"""

from typing import NamedTuple

import numpy as np

from movierec.baselines import Ease
from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models.attention import AttentionEncoder
from movierec.models.bags import Lists, sparse
from movierec.models.history import Entries, History
from movierec.models.layers import Draws, Dropout, multilayer_perceptron, small_random, start_at
from movierec.models.settings import MOST_LINEAR_MOVIES, Settings

ATTENTION = {"length": 50, "blocks": 2, "dropout": 0.3}  # of the encoder; as notebook 08 has it


class Tables(NamedTuple):
    """What scoring reads of all films, made of the weights: once, if they do not change.

    Attributes:
        watched: float32 `[num_movies, dim]`, a film as part of a history.
        candidates: float32 `[num_movies, dim + 1]`, a film as an answer, and its bias.
    """

    watched: "tf.Tensor"
    candidates: "tf.Tensor"


class RankingHead(tf.keras.layers.Layer):
    """The score of every movie as the sum of four paths: bias + dot + deep + linear.

    bias   = b_i                       starts at log(1 + n_i): before its first step the head is popularity
    dot    = ⟨x_u, y_i⟩                matrix factorisation; x_u from the user's history, so that it works for anybody
    deep   = ⟨MLP(x_u), y_i⟩           what a sum of vectors cannot say
    linear = c · Σ_j w_uj B_ji         EASE, solved in closed form, on the same weighted history

    x_u = Σ_j w_uj (watched_j + e_uj · starred_j) / √(Σ_j w_uj²) + Σ_f features_uf · f,  or, by attention,
    x_u = the last h of `AttentionEncoder` over (watched_j + e_uj · starred_j) + Σ_f features_uf · f
    y_i = id_i + Σ_g features_ig · g,   watched_j = id'_j + Σ_g features_jg · g'

    with e_uj the residual. If the history is in order, what comes next depends most on what came last: w fades with
    the number of newer ratings, w = floor + (1 − floor) · exp(−age / fade). Else all weights are 1.

    With `content_share`, id_i and b_i are 0 for films that nobody rated, and in each step of training for a random
    share of the others; b + Σ_g features_ig · b_g takes the bias's place. So features learn to speak alone.

    Args:
        history, lists: what each user rated, see `History`; the same as tensors.
        user_features, movie_features: float32 `[rows, num_features]`.
        settings: see `Settings`.
        draws: for dropout, and for what is hidden.

    Source: Liang et al. (2018) for the softmax over the catalogue from a history; Steck (2019) for the linear path;
    Choi et al. (2021), *Session-aware linear item-item models*, for weights that fade; Volkovs, Yu and Poutanen (2017),
    *DropoutNet*, for ids that are left out so that new films can be ranked.
    """

    def __init__(self, history: History, lists: Lists, user_features, movie_features, settings: Settings, draws: Draws):
        super().__init__(name="ranking")
        self.settings, self.without, self.num_movies = settings, settings.without, history.num_movies
        self.in_order = history.in_order and "order" not in settings.without
        self.user_features, self.movie_features = user_features, movie_features
        self.lists, self.draws = lists, draws
        self.place, self.id_place = draws.new_place(), draws.new_place()
        dim, dropout = settings.ranking_dim, settings.ranking_dropout
        num_features = movie_features.shape[1]

        def table(name, rows):
            return self.add_weight(f"ranking_{name}", (rows, dim), initializer=small_random(draws))

        count = np.bincount(history.movie_index, minlength=self.num_movies)
        self.movie_bias = self.add_weight("movie_bias", count.shape, initializer=start_at(np.log1p(count)))
        self.movie_id, self.movie_feature = table("movie_id", self.num_movies), table("movie_feature", num_features)
        self.watched, self.watched_feature = table("watched", self.num_movies), table("watched_feature", num_features)
        self.starred = None if "explicit" in self.without else table("starred", self.num_movies)
        self.user_feature = table("user_feature", user_features.shape[1])
        self.user_id = table("user_id", history.num_users) if settings.ids else None
        self.encoder = None
        if settings.encoder == "attention":
            self.encoder = AttentionEncoder(dim=dim, draws=draws, has_gaps=False, **ATTENTION)
        self.dropout = Dropout(dropout, draws)
        self.deep = None
        if "deep" not in self.without:
            self.deep = multilayer_perceptron(dim, settings.ranking_hidden, dim, dropout, draws)
        self.linear = None
        if "linear" not in self.without and settings.linear_weight and self.num_movies <= MOST_LINEAR_MOVIES:
            self.linear = tf.constant(Ease.solve(history.matrices()[0], settings.linear_regularisation))  # B
        self.rated = None  # where all films speak for themselves
        if settings.content_share:
            self.rated = tf.constant((count > 0)[:, None], tf.float32)
            usual = np.log1p(count[count > 0]).mean()  # b
            self.usual_bias = self.add_weight("usual_bias", (), initializer=start_at(usual))
            self.feature_bias = self.add_weight("feature_bias", (num_features, 1), initializer="zeros")
            self.own_place = draws.new_place()

    # ---- from a history to a vector

    def entries(self, user_index) -> Entries:
        """All ratings of the users `[batch]`."""
        return self.lists.entries(user_index)

    def fade(self, age):
        """w of each entry, float32 `[E]`."""
        if not self.in_order:
            return tf.ones_like(age)
        floor = self.settings.fade_floor
        return floor + (1 - floor) * tf.exp(-age / self.settings.fade_ratings)

    def tables(self) -> Tables:
        """Of the weights of the moment."""
        return Tables(self.watched_vectors(), self.candidates(self.movie_vectors()))

    def watched_vectors(self):
        """watched, float32 `[num_movies, dim]`."""
        return self.watched + self.movie_features @ self.watched_feature

    def bag(self, entries: Entries, weight, num_rows, genre=None, tables: Tables | None = None, training=False):
        """Σ_j w_j (watched_j + e_j · starred_j) / √(Σ_j w_j²), float32 `[num_rows, dim]`; 0 for an empty history.

        `genre`: rows of the features that a newcomer says they like; each counts as one film of which only the genre
        is known.
        """
        watched = self.watched_vectors() if tables is None else tables.watched
        if self.encoder is not None:
            return self._attend(entries, weight > 0, num_rows, genre, watched, training)
        bag = tf.sparse.sparse_dense_matmul(sparse(entries, weight, num_rows, self.num_movies), watched)
        if self.starred is not None:
            explicit = sparse(entries, weight * entries.residual, num_rows, self.num_movies)
            bag += tf.sparse.sparse_dense_matmul(explicit, self.starred)
        square = tf.math.unsorted_segment_sum(weight**2, entries.row, num_rows)
        if genre is not None:
            bag += tf.reduce_sum(tf.gather(self.watched_feature, genre), axis=0)
            square += tf.cast(tf.size(genre), tf.float32)
        return bag / tf.sqrt(tf.maximum(square, 1.0))[:, None]

    def _attend(self, entries: Entries, is_read, num_rows, genre, watched, training):
        """The same by attention over the newest of the entries that are read, bool `[E]`, in their order."""
        length = self.encoder.length
        count = tf.cumsum(tf.cast(is_read, tf.int32))
        newer = tf.gather(tf.math.unsorted_segment_max(count, entries.row, num_rows), entries.row) - count
        rows = tf.where(is_read & (newer < length))[:, 0]  # of the entries
        cells = tf.stack([tf.gather(entries.row, rows), length - 1 - tf.gather(newer, rows)], axis=1)
        movie = tf.gather(entries.movie, rows)
        vectors = tf.gather(watched, movie)
        if self.starred is not None:
            vectors += tf.gather(entries.residual, rows)[:, None] * tf.gather(self.starred, movie)
        vectors = tf.scatter_nd(cells, vectors, [num_rows, length, vectors.shape[1]])
        is_film = tf.scatter_nd(cells, tf.ones_like(movie), [num_rows, length]) > 0
        last = self.encoder(vectors, tf.zeros_like(is_film, tf.int32), is_film, training=training)[:, -1]
        last *= tf.cast(is_film[:, -1:], tf.float32)  # 0 for an empty history
        if genre is not None:
            favourites = tf.reduce_sum(tf.gather(self.watched_feature, genre), axis=0)
            last += favourites / tf.sqrt(tf.maximum(tf.cast(tf.size(genre), tf.float32), 1.0))
        return last

    def known(self, user_index, training=False):
        """What x_u has besides the history, float32 `[batch, dim]`; 0 for newcomers (UNKNOWN)."""
        is_known, row = tf.cast(user_index != UNKNOWN, tf.float32)[:, None], tf.maximum(user_index, 0)
        vectors = tf.gather(self.user_features, row) @ self.user_feature
        if self.user_id is None:
            return is_known * vectors
        # For half of the users at a time, or the id would learn their films by heart.
        kept = self.draws.uniform(self.id_place, tf.stack([tf.size(user_index), 1])) < 0.5 if training else True
        return is_known * (vectors + tf.cast(kept, tf.float32) * tf.gather(self.user_id, row))

    # ---- from a vector to scores

    def queries(self, x, training=False):
        """float32 `[batch, dim + 1]`: x + MLP(x), and 1, which meets the bias."""
        x = self.dropout(x, training=training)
        dot = 0 * x if "dot" in self.without else x
        deep = 0 * x if self.deep is None else self.deep(x, training=training)
        return tf.concat([dot + deep, tf.ones_like(x[:, :1])], axis=1)

    def own(self, training=False):
        """1 for the films that speak by id and bias of their own, 0 for those by features; None: all are the former."""
        if self.rated is None or not training:
            return self.rated
        kept = self.draws.uniform(self.own_place, tf.shape(self.rated)) >= self.settings.content_share
        return self.rated * tf.cast(kept, tf.float32)  # [num_movies, 1]

    def movie_vectors(self, own=None):
        """y, float32 `[num_movies, dim]`; `own`: of `own()`, if it was drawn."""
        own = self.own() if own is None else own
        ids = self.movie_id if own is None else own * self.movie_id
        return ids + self.movie_features @ self.movie_feature

    def biases(self, own=None):
        """b, float32 `[num_movies, 1]`."""
        own = self.own() if own is None else own
        if own is None:
            return self.movie_bias[:, None]
        of_features = self.usual_bias + self.movie_features @ self.feature_bias
        return own * self.movie_bias[:, None] + (1 - own) * of_features

    def candidates(self, vectors, own=None):
        """float32 `[num_movies, dim + 1]` from y; the last column is the movie's bias."""
        return tf.concat([vectors, self.biases(own)], axis=1)

    def scores(self, x, entries: Entries, weight, tables: Tables):
        """All paths: float32 `[batch, num_movies]`, from x `[batch, dim]` and the entries it was made of."""
        scores = tf.matmul(self.queries(x), tables.candidates, transpose_b=True)
        if self.linear is None:
            return scores
        history = sparse(entries, weight, tf.shape(x)[0], self.num_movies)
        return scores + self.settings.linear_weight * tf.sparse.sparse_dense_matmul(history, self.linear)

    def call(self, user_index):
        """float32 `[batch, num_movies]`: every movie's score for each user."""
        return self.score_people(self.entries(user_index), user_index)

    def score_people(self, entries: Entries, user_index, genre=None, tables: Tables | None = None):
        """The same from histories that need not be in train; `user_index` `[batch]` is UNKNOWN for newcomers.

        `genre`: see `bag`. `tables`: if they were made before.
        """
        weight, tables = self.fade(entries.age), tables or self.tables()
        x = self.bag(entries, weight, tf.shape(user_index)[0], genre, tables) + self.known(user_index)
        return self.scores(x, entries, weight, tables)

    def shares(self, entries: Entries, user_index, genre, movie) -> dict:
        """What `score_people` sums for one person `[1]` and the films `[N]`: the share of each path.

        dot and linear are sums over the history, so each of its films has a share; the perceptron's stays whole. What
        attention makes of a history does, too: it is in "known", and "dot" is 0.

        Returns:
            float32 "bias", "known", "deep" `[N]`; "genre" `[g, N]`; "dot", "linear" `[entries, N]`.
        """
        weight = self.fade(entries.age)
        known = self.known(user_index)
        x = self.bag(entries, weight, 1, genre) + known
        y = tf.gather(self.movie_vectors(), movie)  # [N, dim]
        rated = tf.gather(self.watched_vectors(), entries.movie)
        if self.starred is not None:
            rated += entries.residual[:, None] * tf.gather(self.starred, entries.movie)
        length = tf.sqrt(tf.maximum(tf.reduce_sum(weight**2) + tf.cast(tf.size(genre), tf.float32), 1.0))
        dot = tf.zeros_like(y) if "dot" in self.without else y
        if self.encoder is not None:  # beside it, genres are averaged alone
            length = tf.sqrt(tf.maximum(tf.cast(tf.size(genre), tf.float32), 1.0))
            known, rated = (
                x - tf.reduce_sum(tf.gather(self.watched_feature, genre), axis=0) / length,
                tf.zeros_like(rated),
            )
        shares = {
            "bias": tf.gather(self.biases()[:, 0], movie),
            "known": tf.linalg.matvec(dot, known[0]),
            "genre": tf.gather(self.watched_feature, genre) @ tf.transpose(dot) / length,
            "dot": weight[:, None] * (rated @ tf.transpose(dot)) / length,
            "linear": tf.zeros([tf.size(weight), tf.size(movie)]),
            "deep": tf.zeros_like(y[:, 0]) if self.deep is None else tf.linalg.matvec(y, self.deep(x)[0]),
        }
        if self.linear is not None:
            pairs = tf.gather(tf.gather(self.linear, entries.movie), movie, axis=1)
            shares["linear"] = self.settings.linear_weight * weight[:, None] * pairs
        return shares

    # ---- what is asked while training

    def hide(self, entries: Entries, num_rows):
        """Which ratings to hide while training: what a user is asked, from the rest.

        In order: a moment in the user's life; hidden is what came after, the nearer the heavier. Else a random share.

        Returns:
            target float32 `[E]`, the weight of each hidden rating, 0 where it is not hidden; and the age `[E]` that a
            rating has at that moment.
        """
        if not self.in_order:
            hidden = self.draws.uniform(self.place, tf.shape(entries.age)) < self.settings.hidden_share
            return tf.cast(hidden, tf.float32), entries.age
        newest = tf.math.unsorted_segment_max(entries.age, entries.row, num_rows)  # ratings less one
        hidden = (
            tf.floor(self.draws.uniform(self.place, tf.stack([num_rows])) * newest) + 1
        )  # so many of the newest; 1 of 1
        age = entries.age - tf.gather(hidden, entries.row)
        return tf.where(age < 0, tf.exp((age + 1) / self.settings.ahead_ratings), 0.0), tf.maximum(age, 0.0)
