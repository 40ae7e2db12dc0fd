"""The stars head: the sum of biases, a dot product of two towers, a network, and the minutes around the rating.

Built piece by piece in notebooks/04_embeddings and 05_hybrid_model.
"""

import numpy as np

from movierec.baselines import Bias
from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models.history import Bags, Entries, sums
from movierec.models.layers import Draws, multilayer_perceptron, small_random, start_at
from movierec.models.sessions import NUM_SESSION_FEATURES
from movierec.models.settings import Settings


class Tower(tf.keras.layers.Layer):
    """The vector of each user (or movie): its features, what it rated (or who rated it), and optionally its id.

    v(r) = Σ_f features_rf · f + Σ_j (rated_rj · watched_j + residual_rj · starred_j) / √n_r + id_r

    with f, id, watched and starred learned vectors, and n_r the number of ratings of row r. The sum over the ratings is
    the *bag*: one part implicit (that it was rated at all), one explicit (how far above expectation). While training,
    the rating to be predicted is left out of the bag; otherwise the model would read the answer there.

    Args:
        features: float32 `[rows, num_features]`.
        rated: `Matrix` or `Lists`, by user or by movie. None leaves the bag out.
        others: how many could be in a bag.
        dim: length of every vector.
        has_id, is_explicit: False leaves out the id, or the residuals in the bag.
        draws: of the initial weights.

    Source: SVD++ (Koren 2008) for the bag and its 1/√n; factorisation machines (Rendle 2010) for summing features.
    """

    def __init__(
        self, features, rated, others: int, dim: int, name: str, has_id=True, is_explicit=True,
        draws: Draws | None = None,
    ):  # fmt: skip
        super().__init__(name=name)
        self.features = features
        self.rated = rated
        rows, num_features = features.shape
        draws = draws or Draws()

        def table(table_name, length):
            return self.add_weight(f"{name}_{table_name}", (length, dim), initializer=small_random(draws))

        self.feature = table("feature", num_features)
        self.id = table("id", rows) if has_id else None
        self.watched = table("watched", others) if rated is not None else None
        self.starred = table("starred", others) if rated is not None and is_explicit else None

    def call(self, rows, left_out=None, residual=None, is_in=None):
        """Return float32 `[batch, dim]` for int `[batch]`.

        Args:
            left_out, residual: `[batch]`, the rating that each row must not see; None: all are seen.
            is_in: bool `[batch]`, whether the bag has that rating at all; None: yes.
        """
        if self.watched is None:
            return self.known(rows)
        unique, back = tf.unique(rows)  # a user who is in the batch ten times has one bag
        bag, count = (tf.gather(sums, back) for sums in self.rated.sums(unique, self.watched, self.starred))
        if left_out is not None:
            answer = tf.gather(self.watched, left_out)
            if self.starred is not None:
                answer += residual[:, None] * tf.gather(self.starred, left_out)
            there = 1.0 if is_in is None else tf.cast(is_in, tf.float32)
            bag, count = bag - (answer if is_in is None else there[:, None] * answer), count - there
        return self.known(rows) + bag / tf.sqrt(tf.maximum(count, 1.0))[:, None]

    def known(self, rows):
        """Return the features and the id of each row, float32 `[batch, dim]`; 0 where UNKNOWN."""
        is_known, rows = tf.cast(rows != UNKNOWN, tf.float32)[:, None], tf.maximum(rows, 0)
        vectors = tf.gather(self.features, rows) @ self.feature
        return is_known * (vectors if self.id is None else vectors + tf.gather(self.id, rows))

    def of_people(self, entries: Entries, rows):
        """Return float32 `[batch, dim]` from histories that need not be in train; `rows` `[batch]` may be UNKNOWN."""
        if self.watched is None:
            return self.known(rows)
        bag, count = sums(entries, tf.shape(rows)[0], self.watched, self.starred)
        return self.known(rows) + bag / tf.sqrt(tf.maximum(count, 1.0))[:, None]


class Thresholds(tf.keras.layers.Layer):
    """Stars as an ordered choice: P(r > level_k) = σ(a · (f − c_k)), with f the sum of the paths.

    The prediction is the expected star, level_1 + Σ_k (level_{k+1} − level_k) · P(r > level_k).

    Args:
        levels: the different stars in train, ascending `[K]`; the cuts c start halfway between them.

    Source: Koren and Sill (2011), *OrdRec*.
    """

    def __init__(self, levels: np.ndarray):
        super().__init__(name="thresholds")
        self.levels = tf.constant(levels, tf.float32)
        halfway = (levels[1:] + levels[:-1]) / 2
        self.cuts = self.add_weight("cuts", halfway.shape, initializer=start_at(halfway))
        self.slope = self.add_weight("slope", (), initializer=start_at(np.array(2.0)))  # a

    def logits(self, total):
        """Return a · (f − c), float32 `[batch, K − 1]`."""
        return self.slope * (total[:, None] - self.cuts)

    def expected(self, total):
        """Return the expected stars, float32 `[batch]`."""
        return self.levels[0] + tf.linalg.matvec(tf.sigmoid(self.logits(total)), self.levels[1:] - self.levels[:-1])

    def loss(self, total, rating):
        """Return the mean over the batch of −log likelihood of the K − 1 answers to "more than level k?", in nats."""
        above = tf.cast(rating[:, None] > self.levels[:-1], tf.float32)
        loss = tf.nn.sigmoid_cross_entropy_with_logits(above, self.logits(total))
        return tf.reduce_mean(tf.reduce_sum(loss, axis=1))


class StarsHead(tf.keras.layers.Layer):
    """Stars from the sum of four paths, f = bias + dot + deep + session; `Thresholds` turns f into stars.

    bias    = μ + b_u + b_i + b_w
    dot     = ⟨x_u, y_i⟩ + ⟨t_w, x_u + y_i⟩    x, y the towers' vectors, t the week's: matrix factorisation
    deep    = MLP([x_u, y_i, x_u ⊙ y_i, s])    interactions that a product cannot express
    session = ⟨a, s⟩                           s from the stars of the same minutes, see `session_features`

    Biases start at the closed form of `Bias`: before its first step the head is that baseline, up to small random
    numbers. Without a week (index -1) its two terms are 0.

    Args:
        bags: the ratings of each user and of each movie.
        user_features, movie_features: float32 `[rows, num_features]`.
        bias: the baseline to start from.
        num_weeks: rows of the week table.
        settings: see `Settings`.
        draws: of the initial weights and dropout.
    """

    def __init__(
        self, bags: Bags, user_features, movie_features, bias: Bias, num_weeks: int, settings: Settings,
        draws: Draws,
    ):  # fmt: skip
        super().__init__(name="stars")
        self.mean = bias.mean
        self.without = settings.without
        self.in_movie_bag = bags.in_movie_bag
        dim = settings.dim
        is_explicit = "explicit" not in settings.without
        num_users, num_movies = len(bias.user), len(bias.movie)
        movies = None if "bag of movies" in self.without else bags.by_user
        users = None if "bag of users" in self.without else bags.by_movie
        movie_id = settings.ids or bags.in_movie_bag is not None
        self.user = Tower(user_features, movies, num_movies, dim, "user", settings.ids, is_explicit, draws)
        self.movie = Tower(movie_features, users, num_users, dim, "movie", movie_id, is_explicit, draws)
        self.user_bias = self.add_weight("user_bias", bias.user.shape, initializer=start_at(bias.user))
        self.movie_bias = self.add_weight("movie_bias", bias.movie.shape, initializer=start_at(bias.movie))
        self.week_bias = self.add_weight("week_bias", (num_weeks,), initializer="zeros")
        self.week = self.add_weight("week", (num_weeks, dim), initializer=small_random(draws))
        self.session = self.add_weight("session", (NUM_SESSION_FEATURES, 1), initializer="zeros")
        self.deep = multilayer_perceptron(3 * dim + NUM_SESSION_FEATURES, settings.hidden, 1, settings.dropout, draws)
        self.thresholds = Thresholds(bias.levels) if settings.ordinal else None

    def vectors(self, batch, training=False):
        """Return x and y of each row, float32 `[batch, dim]` each; in training without the rating to be predicted."""
        user, movie = batch["user_index"], batch["movie_index"]
        if not training:
            return self.user(user), self.movie(movie)
        residual = batch["residual"]
        return self.user(user, movie, residual), self.movie(movie, user, residual, batch.get("in_movie_bag"))

    def paths(self, batch, x, y, training=False, user_bias=None) -> dict:
        """Return "bias", "dot", "deep", "session", float32 `[batch]` each, on the scale of stars, less those left out.

        `user_bias`: b_u, float32 `[batch]`; None: those of the users of train.
        """
        if user_bias is None:
            user_bias = tf.gather(self.user_bias, batch["user_index"])
        has_week = tf.cast(batch["week_index"] != UNKNOWN, tf.float32)
        week = tf.maximum(batch["week_index"], 0)
        bias = user_bias + tf.gather(self.movie_bias, batch["movie_index"])
        t = tf.gather(self.week, week) * has_week[:, None]
        session = batch["session"] if "session" not in self.without else tf.zeros_like(batch["session"])
        deep = self.deep(tf.concat([x, y, x * y, session], axis=1), training=training)  # [batch, 1]
        paths = {
            "bias": self.mean + bias + tf.gather(self.week_bias, week) * has_week,
            "dot": tf.reduce_sum(x * y + t * (x + y), axis=1),
            "deep": tf.squeeze(deep, axis=1),
            "session": tf.squeeze(session @ self.session, axis=1),
        }
        return {name: path for name, path in paths.items() if name not in self.without}

    def call(self, batch):
        """Return stars, float32 `[batch]`, not yet clipped to the scale."""
        return self.expected(self.paths(batch, *self.vectors(batch)))

    def expected(self, paths: dict):
        """Return the stars that the paths add up to, float32 `[batch]`."""
        total = tf.add_n(list(paths.values()))
        return self.thresholds.expected(total) if self.thresholds else total

    def stars_of_people(self, entries: Entries, user_index, user_bias, movie, vectors):
        """Return stars, float32 `[U, N]`, of films `[U, N]` for histories that need not be in train, at no known time.

        Args:
            user_index, user_bias: `[U]`; the index is UNKNOWN for newcomers.
            vectors: y of all movies, `[num_movies, dim]`.
        """
        per_person = tf.shape(movie)[1]
        x = tf.repeat(self.user.of_people(entries, user_index), per_person, axis=0)
        films = tf.reshape(movie, [-1])
        rows = {"movie_index": films, "week_index": tf.fill(tf.shape(films), UNKNOWN)}
        rows["session"] = tf.zeros([tf.size(films), NUM_SESSION_FEATURES])
        y = tf.gather(vectors, films)
        paths = self.paths(rows, x, y, user_bias=tf.repeat(user_bias, per_person))
        return tf.reshape(self.expected(paths), tf.shape(movie))
