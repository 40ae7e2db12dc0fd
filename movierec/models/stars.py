"""The stars head: the sum of biases, a dot product of two towers, a network, and the minutes around the rating.

Built piece by piece in notebooks/04_embeddings and 05_hybrid_model.
"""

import numpy as np

from movierec.baselines import Bias
from movierec.data import UNKNOWN, order_by_user_and_time
from movierec.keras2 import tf
from movierec.models.history import Bags, Entries, History, sums
from movierec.models.layers import Draws, Thresholds, multilayer_perceptron, small_random, start_at
from movierec.models.settings import Settings

SESSION_SECONDS = (5.0, 60.0, 300.0, 3600.0)  # a page of films, a minute, five minutes, an hour
SESSION_DAMPINGS = (1.0, 4.0)  # ratings' worth of pull towards 0
NUM_SESSION_FEATURES = len(SESSION_SECONDS) * len(SESSION_DAMPINGS)
MOST_LEVELS = 101  # different stars of which each has a threshold; with more of them, as many in equal steps
ROWS_AT_ONCE = 1_000_000  # of a history; 100 bytes each meanwhile
FORGOTTEN = 800.0  # exp(−800) is 0 in float64


class Tower(tf.keras.layers.Layer):
    """The vector of each user (or movie): its features, what it rated (or who rated it), and optionally its id.

    v(r) = Σ_f features_rf · f + Σ_j (rated_rj · watched_j + residual_rj · starred_j) / √n_r + id_r

    with f, id, watched and starred learned vectors, and n_r the number of ratings of row r. The sum over the ratings is
    the *bag*: one part implicit (that it was rated at all), one explicit (how far above expectation). While training,
    the rating to be predicted is left out of the bag; otherwise the model would read the answer there.

    Args:
        features: float32 `[rows, num_features]`.
        rated: `Matrix` or `Lists` of `others` columns, by user or by movie; None leaves the bag out.
        has_id, is_explicit: False leaves out the id, or the residuals in the bag.

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

    def call(self, rows, left_out=None, residual=None):
        """Return float32 `[batch, dim]` for int `[batch]`.

        Args:
            left_out, residual: `[batch]`, the rating that each row must not see, UNKNOWN where the bag does not have
                it; None: all are seen.
        """
        if self.watched is None:
            return self.known(rows)
        unique, back = tf.unique(rows)  # a user who is in the batch ten times has one bag
        bag, count = (tf.gather(sums, back) for sums in self.rated.sums(unique, self.watched, self.starred))
        if left_out is not None:
            is_in, left_out = tf.cast(left_out != UNKNOWN, tf.float32), tf.maximum(left_out, 0)
            answer = tf.gather(self.watched, left_out)
            if self.starred is not None:
                answer += residual[:, None] * tf.gather(self.starred, left_out)
            bag, count = bag - is_in[:, None] * answer, count - is_in
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


class StarsHead(tf.keras.layers.Layer):
    """Stars from the sum of four paths, f = bias + dot + deep + session; `Thresholds` turns f into stars.

    bias    = μ + b_u + b_i + b_w
    dot     = ⟨x_u, y_i⟩ + ⟨t_w, x_u + y_i⟩    x, y the towers' vectors, t the week's: matrix factorisation
    deep    = MLP([x_u, y_i, x_u ⊙ y_i, s])    interactions that a product cannot express
    session = ⟨a, s⟩                           s from the stars of the same minutes, see `session_features`

    Biases start at the closed form of `bias`: before its first step the head is that baseline, up to small random
    numbers. Without a week (index -1) its two terms are 0. Features are float32 `[rows, num_features]`.
    """

    def __init__(
        self, bags: Bags, user_features, movie_features, bias: Bias, num_weeks: int, settings: Settings,
        draws: Draws,
    ):  # fmt: skip
        super().__init__(name="stars")
        self.mean = bias.mean
        self.without = settings.without
        self.rater_index = bags.rater_index
        dim, is_explicit = settings.dim, "explicit" not in self.without
        movies = None if "bag of movies" in self.without else bags.by_user
        users = None if "bag of users" in self.without else bags.by_movie
        self.user = Tower(user_features, movies, len(bias.movie), dim, "user", settings.ids, is_explicit, draws)
        raters = bags.by_movie.rated.shape[1]
        self.movie = Tower(movie_features, users, raters, dim, "movie", settings.ids, is_explicit, draws)
        self.user_bias = self.add_weight("user_bias", bias.user.shape, initializer=start_at(bias.user))
        self.movie_bias = self.add_weight("movie_bias", bias.movie.shape, initializer=start_at(bias.movie))
        num_weeks = max(num_weeks, 1)  # without times, a row that nobody reads
        self.week_bias = self.add_weight("week_bias", (num_weeks,), initializer="zeros")
        self.week = self.add_weight("week", (num_weeks, dim), initializer=small_random(draws))
        self.session = self.add_weight("session", (NUM_SESSION_FEATURES, 1), initializer="zeros")
        self.deep = multilayer_perceptron(3 * dim + NUM_SESSION_FEATURES, settings.hidden, 1, settings.dropout, draws)
        levels = bias.levels if len(bias.levels) <= MOST_LEVELS else np.linspace(*bias.scale, MOST_LEVELS)
        self.thresholds = Thresholds(levels) if settings.ordinal else None

    def vectors(self, batch, training=False):
        """Return x and y of each row, float32 `[batch, dim]` each; in training without the rating to be predicted."""
        user, movie = batch["user_index"], batch["movie_index"]
        if not training:
            return self.user(user), self.movie(movie)
        rater = user if self.rater_index is None else tf.gather(self.rater_index, user)
        return self.user(user, movie, batch["residual"]), self.movie(movie, rater, batch["residual"])

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

        `user_index`, `user_bias` `[U]`: the index is UNKNOWN for newcomers; `vectors`: y of all movies.
        """
        per_person = tf.shape(movie)[1]
        x = tf.repeat(self.user.of_people(entries, user_index), per_person, axis=0)
        films = tf.reshape(movie, [-1])
        rows = {"movie_index": films, "week_index": tf.fill(tf.shape(films), UNKNOWN)}
        rows["session"] = tf.zeros([tf.size(films), NUM_SESSION_FEATURES])
        y = tf.gather(vectors, films)
        paths = self.paths(rows, x, y, user_bias=tf.repeat(user_bias, per_person))
        return tf.reshape(self.expected(paths), tf.shape(movie))


# ---- sessions


def session_features(history: History, user_index=None, timestamp=None, dtype=np.float32) -> np.ndarray:
    """Return the mean residual of the user's other ratings of the same minutes, weighted by nearness in time, in stars.

    s(u, t) = Σ_j k(t, t_j) e_uj / (d + Σ_j k(t, t_j)),  k(t, t') = exp(−|t − t'| / τ)

    `[Q, NUM_SESSION_FEATURES]`, a column for each τ of `SESSION_SECONDS` and d of `SESSION_DAMPINGS`: a user whose last
    films were a disappointment is likely to be strict with the next. If in order, only ratings before t count.

    Args:
        user_index, timestamp: int `[Q]` and float Unix seconds `[Q]` of the ratings to predict; a row without a user
            (UNKNOWN) or a time (NaN) has zeros. None: the history's own ratings, each without itself.
        dtype: float16 takes half of the memory, and is off by .001 stars at most.
    """
    if user_index is None and len(history.user_index) > ROWS_AT_ONCE:
        blocks = list(history.blocks(ROWS_AT_ONCE))
        if len(blocks) > 1:
            return np.concatenate([session_features(block, dtype=dtype) for block in blocks])
    user = history.user_index
    time = history.timestamp
    residual = history.residual
    num_ratings = 0  # rows that come before those asked for
    if user_index is not None:
        ends = [np.min(user_index, initial=history.num_users), np.max(user_index, initial=-1) + 1]
        start, end = np.searchsorted(user, np.array(ends, user.dtype))
        rows = start + np.flatnonzero(np.isin(user[start:end], user_index))
        num_ratings = len(rows)
        user = np.concatenate([user[rows], user_index])
        time = np.concatenate([time[rows], np.where(np.asarray(user_index) == UNKNOWN, np.nan, timestamp)])
        residual = np.concatenate([residual[rows], np.zeros(len(user_index))])  # a question adds nothing
    order = order_by_user_and_time(user, time)  # of the same second: ratings before questions
    is_rating = order < num_ratings if user_index is not None else np.ones(len(order), bool)
    residual = residual[order].astype(float)
    shift = -residual.min(initial=0)  # makes all values 0 or more, as the logarithms below need
    signals = is_rating * (residual + shift), is_rating.astype(float)
    gap = np.full(len(order) + 1, np.inf)  # seconds since the row before; infinite at a user's first row
    same_user = np.flatnonzero(np.diff(user[order]) == 0) + 1
    gap[same_user] = time[order][same_user] - time[order][same_user - 1]
    gap[np.isnan(gap)] = np.inf
    wanted = order >= num_ratings
    features = np.empty((len(order) - num_ratings, len(SESSION_SECONDS), len(SESSION_DAMPINGS)), dtype)
    for place, seconds in enumerate(SESSION_SECONDS):
        totals = [_decayed_sums(gap[:-1] / seconds, signal) for signal in signals]
        if not history.in_order:  # the same from the other end
            for total, signal in zip(totals, signals, strict=True):
                total += _decayed_sums(gap[:0:-1] / seconds, signal[::-1])[::-1]
        shifted, count = (total[wanted] for total in totals)
        means = [(shifted - shift * count) / (damping + count) for damping in SESSION_DAMPINGS]
        features[order[wanted] - num_ratings, place] = np.stack(means, axis=1)
    return features.reshape(-1, NUM_SESSION_FEATURES)


def _decayed_sums(decay: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return S_n = exp(−decay_n) · (S_{n−1} + values_{n−1}), float64 `[N]`, for values of 0 or more; S_0 is 0.

    S_n = Σ_{j<n} exp(T_j − T_n) values_j, T the cumulated decay; summed as logarithms, because exp(T) overflows.
    """
    total = np.cumsum(np.minimum(decay, FORGOTTEN))
    with np.errstate(divide="ignore"):
        log_sums = np.logaddexp.accumulate(total + np.log(values)) - total  # up to row n, with it
    sums = np.zeros(len(values))
    sums[1:] = np.exp(log_sums[:-1] - decay[1:])
    return sums
