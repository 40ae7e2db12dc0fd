"""The hybrid: matrix factorisation and a deep network in one `tfrs.Model`, for stars and for ranking.

Built piece by piece in notebooks/04_embeddings and notebooks/05_hybrid_model.
"""

import numpy as np

from movierec.baselines import Bias
from movierec.features import Features, History
from movierec.keras2 import tf, tfrs

HEADS = ("stars", "ranking")
EMBEDDING_STDDEV = 0.05  # small: at the start every dot product is near 0 and the biases speak alone


def small_random():
    """A fresh initialiser for each table: one shared by two tables of the same shape would fill both alike."""
    return tf.keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV)


def start_at(values: np.ndarray):
    """An initialiser that fills a weight with `values`."""
    return tf.keras.initializers.Constant(values.astype(np.float32))


class Tower(tf.keras.layers.Layer):
    """The vector of each user (or movie): who they are, what is known of them, and what they rated.

    v(r) = id_r + Σ_f features_rf · f + Σ_j (rated_rj · watched_j + residual_rj · starred_j) / √n_r

    with id, f, watched and starred learned vectors, and n_r the number of ratings of row r. The sum over what the row
    rated is its *bag*: one part implicit (that it was rated at all), one explicit (how much better than expected).
    While training, the rating to be predicted is left out of the bag, else the model would read the answer there.

    Args:
        features: float32 `[rows, num_features]`.
        rated, residual: float32 `[rows, others]`: the history, or its transpose for movies.
        dim: length of every vector.

    Source: SVD++ (Koren 2008) for the bag and its 1/√n; factorisation machines (Rendle 2010) for summing features.
    """

    def __init__(self, features, rated, residual, dim: int, name: str):
        super().__init__(name=name)
        self.features, self.rated, self.residual = features, rated, residual
        (rows, others), num_features = rated.shape, features.shape[1]

        def table(table_name, length):
            return self.add_weight(f"{name}_{table_name}", (length, dim), initializer=small_random())

        self.id = table("id", rows)
        self.feature = table("feature", num_features)
        self.watched = table("watched", others)
        self.starred = table("starred", others)

    def call(self, rows, left_out=None, residual=None):
        """float32 `[batch, dim]` for int `[batch]`; `left_out`, `residual` `[batch]`: what each row must not see."""
        unique, back = tf.unique(rows)  # a user who is in the batch ten times has one bag
        rated = tf.gather(self.rated, unique)  # [unique, others]
        bag = tf.gather(self.bag(rated, tf.gather(self.residual, unique)), back)  # [batch, dim]
        count = tf.gather(tf.reduce_sum(rated, axis=1), back)
        if left_out is not None:
            bag -= tf.gather(self.watched, left_out) + residual[:, None] * tf.gather(self.starred, left_out)
            count -= 1
        return tf.gather(self.id, rows) + tf.gather(self.features, rows) @ self.feature + shrink(bag, count)

    def bag(self, rated, residual):
        """Σ_j rated_j · watched_j + residual_j · starred_j. float32 `[batch, dim]` for two `[batch, others]`."""
        return rated @ self.watched + residual @ self.starred

    def newcomer(self, rated, residual):
        """The vector of somebody who was not there in training, from their history alone: no id, no features."""
        return shrink(self.bag(rated, residual), tf.reduce_sum(rated, axis=1))


def shrink(bag, count):
    """bag / √count, and 0 for an empty bag. float32 `[batch, dim]`."""
    return bag / tf.sqrt(tf.maximum(count, 1.0))[:, None]


def multilayer_perceptron(inputs: int, hidden: tuple, outputs: int, dropout: float):
    """Dense layers with dropout before each; the last starts at zero, so the network adds nothing until it learns."""
    layers = []
    for units in hidden:
        layers += [tf.keras.layers.Dropout(dropout), tf.keras.layers.Dense(units, activation="relu")]
    layers += [tf.keras.layers.Dropout(dropout), tf.keras.layers.Dense(outputs, kernel_initializer="zeros")]
    network = tf.keras.Sequential(layers)
    network.build((None, inputs))
    return network


class StarsHead(tf.keras.layers.Layer):
    """Stars as the sum of three paths: r̂ = bias + dot + deep.

    bias = μ + b_u + b_i + b_w
    dot  = ⟨x_u, y_i⟩ + ⟨t_w, x_u + y_i⟩       x, y the towers' vectors, t the week's: matrix factorisation
    deep = MLP([x_u, y_i, x_u ⊙ y_i])          what a product cannot say

    Biases start at the closed form of `Bias`: before its first step the head is that baseline, up to small random
    numbers. Without a week (index -1) its two terms are 0.
    """

    def __init__(self, user_tower: Tower, movie_tower: Tower, bias: Bias, num_weeks: int, dim: int, hidden, dropout):
        super().__init__(name="stars")
        self.mean = bias.mean
        self.user, self.movie = user_tower, movie_tower
        self.user_bias = self.add_weight("user_bias", bias.user.shape, initializer=start_at(bias.user))
        self.movie_bias = self.add_weight("movie_bias", bias.movie.shape, initializer=start_at(bias.movie))
        self.week_bias = self.add_weight("week_bias", (num_weeks,), initializer="zeros")
        self.week = self.add_weight("week", (num_weeks, dim), initializer=small_random())
        self.deep = multilayer_perceptron(3 * dim, hidden, 1, dropout)

    def vectors(self, batch, training=False):
        """x and y of each row, float32 `[batch, dim]` each; in training without the rating to be predicted."""
        user, movie = batch["user_index"], batch["movie_index"]
        if training:
            return self.user(user, movie, batch["residual"]), self.movie(movie, user, batch["residual"])
        return self.user(user), self.movie(movie)

    def paths(self, batch, x, y, training=False) -> dict:
        """{"bias", "dot", "deep"}: float32 `[batch]` each, in stars; their sum is the prediction."""
        has_week = tf.cast(batch["week_index"] >= 0, tf.float32)
        week = tf.maximum(batch["week_index"], 0)
        bias = tf.gather(self.user_bias, batch["user_index"]) + tf.gather(self.movie_bias, batch["movie_index"])
        t = tf.gather(self.week, week) * has_week[:, None]
        deep = self.deep(tf.concat([x, y, x * y], axis=1), training=training)  # [batch, 1]
        return {
            "bias": self.mean + bias + tf.gather(self.week_bias, week) * has_week,
            "dot": tf.reduce_sum(x * y + t * (x + y), axis=1),
            "deep": tf.squeeze(deep, axis=1),
        }

    def call(self, batch):
        """float32 stars `[batch]`, not yet clipped to the scale."""
        return tf.add_n(list(self.paths(batch, *self.vectors(batch)).values()))


class RankingHead(tf.keras.layers.Layer):
    """score(u, i) = b_i + ⟨x_u + MLP(x_u), y_i⟩: two towers whose product ranks the whole catalogue at once.

    b_i starts at log(1 + n_i): before its first step the model is the popularity baseline.

    Source: the two-tower retrieval model of Yi et al. (2019), with SVD++'s bag on the user's side.
    """

    def __init__(self, user_tower: Tower, movie_tower: Tower, dim: int, hidden, dropout: float):
        super().__init__(name="ranking")
        self.user, self.movie = user_tower, movie_tower
        ratings_per_movie = movie_tower.rated.numpy().sum(axis=1)
        start = start_at(np.log1p(ratings_per_movie))
        self.movie_bias = self.add_weight("movie_bias", ratings_per_movie.shape, initializer=start)
        self.dropout = tf.keras.layers.Dropout(dropout)
        self.deep = multilayer_perceptron(dim, hidden, dim, dropout)

    def queries(self, x, training=False):
        """float32 `[batch, dim + 1]` from the user tower's x `[batch, dim]`; the last column, 1, meets the bias."""
        x = self.dropout(x, training=training)
        return tf.concat([x + self.deep(x, training=training), tf.ones_like(x[:, :1])], axis=1)

    def candidates(self, movie_index):
        """float32 `[batch, dim + 1]`; the last column is the movie's bias."""
        bias = tf.gather(self.movie_bias, movie_index)
        return tf.concat([self.movie(movie_index), bias[:, None]], axis=1)


class HybridModel(tfrs.Model):
    """Two heads on one history: stars by squared error, ranking by a softmax over the movies of the batch.

    loss = mean (r − r̂)² + mean −log softmax_i(score(u, i) − log q_i) + penalties

    The softmax runs over the batch's movies; popular ones are there more often, and subtracting log q_i, the logarithm
    of a movie's share of train, corrects for it. The penalty is the mean squared length of the towers' vectors.

    Args:
        history: rated and residual, float32 `[num_users, num_movies]`.
        user_features, movie_features: what is known of each.
        bias: μ, b_u and b_i to start from.
        num_weeks: rows of the week table.
        dim, ranking_dim: length of the vectors in the two heads.
        hidden: units of each hidden layer of the MLPs; () for none.
        dropout: share of the MLP's inputs set to 0 while training; half of it in the ranking head.
        stars_penalty, ranking_penalty, bias_penalty: weights of the mean squared lengths.
    """

    def __init__(
        self,
        history: History,
        user_features: Features,
        movie_features: Features,
        bias: Bias,
        num_weeks: int,
        dim: int = 16,
        ranking_dim: int = 32,
        hidden: tuple = (16,),
        dropout: float = 0.5,
        stars_penalty: float = 0.02,
        ranking_penalty: float = 0.03,
        bias_penalty: float = 0.05,
    ):
        super().__init__()
        self.rating_history, self.user_features, self.movie_features = history, user_features, movie_features
        self.settings = dict(
            dim=dim, ranking_dim=ranking_dim, hidden=tuple(hidden), dropout=dropout, stars_penalty=stars_penalty,
            ranking_penalty=ranking_penalty, bias_penalty=bias_penalty,
        )  # fmt: skip
        self.stars_penalty, self.ranking_penalty, self.bias_penalty = stars_penalty, ranking_penalty, bias_penalty
        rated, residual = tf.constant(history.rated), tf.constant(history.residual)
        by_user = (tf.constant(user_features.values), rated, residual)
        by_movie = (tf.constant(movie_features.values), tf.transpose(rated), tf.transpose(residual))

        def towers(length, head):
            return Tower(*by_user, length, f"{head}_user"), Tower(*by_movie, length, f"{head}_movie")

        self.stars = StarsHead(*towers(dim, "stars"), bias, num_weeks, dim, hidden, dropout)
        self.ranking = RankingHead(*towers(ranking_dim, "ranking"), ranking_dim, hidden, dropout / 2)
        self.share = tf.constant(history.rated.sum(axis=0) / history.rated.sum(), tf.float32)  # q_i [num_movies]
        # TFRS sums the retrieval loss over the batch and reports the last batch's: both made means here.
        self.stars_task = tfrs.tasks.Ranking(
            loss=tf.keras.losses.MeanSquaredError(), loss_metrics=[tf.keras.metrics.Mean("stars_loss")]
        )
        self.ranking_task = tfrs.tasks.Retrieval(
            loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True),
            loss_metrics=[tf.keras.metrics.Mean("ranking_loss")],
            remove_accidental_hits=True,
        )

        self.train_only(HEADS)
        index = tf.TensorSpec([None], tf.int32)
        columns = {name: index for name in ("user_index", "movie_index", "week_index")}
        self.predict_stars = tf.function(self.stars, input_signature=[columns])
        self.score = tf.function(self.score_users, input_signature=[index])

    def train_only(self, heads: tuple) -> None:
        """Leaves the other heads as they are in training, and their loss out; before `compile`."""
        self.trained_heads = tuple(heads)
        for head in HEADS:
            getattr(self, head).trainable = head in heads

    def compute_loss(self, batch, training=False):
        """The loss of one batch of rows user_index, movie_index, week_index, rating, residual, each `[batch]`."""
        losses = {"stars": self.stars_loss, "ranking": self.ranking_loss}
        return tf.add_n([losses[head](batch, training) for head in self.trained_heads])

    def stars_loss(self, batch, training=False):
        """Mean squared error in stars², and the penalty on vectors and biases."""
        x, y = self.stars.vectors(batch, training)
        predicted = tf.add_n(list(self.stars.paths(batch, x, y, training).values()))
        user_bias = tf.gather(self.stars.user_bias, batch["user_index"])
        movie_bias = tf.gather(self.stars.movie_bias, batch["movie_index"])
        penalty = self.stars_penalty * (mean_squared_length(x) + mean_squared_length(y))
        penalty += self.bias_penalty * tf.reduce_mean(user_bias**2 + movie_bias**2)
        return self.stars_task(labels=batch["rating"][:, None], predictions=predicted[:, None]) + penalty

    def ranking_loss(self, batch, training=False):
        """Cross-entropy in nats of the watched movie among the batch's movies, and the penalty on vectors."""
        user, movie = batch["user_index"], batch["movie_index"]
        x = self.ranking.user(user, movie, batch["residual"]) if training else self.ranking.user(user)
        queries, candidates = self.ranking.queries(x, training), self.ranking.candidates(movie)
        loss = self.ranking_task(
            query_embeddings=queries,
            candidate_embeddings=candidates,
            candidate_sampling_probability=tf.gather(self.share, movie),
            candidate_ids=movie,
        )
        return loss + self.ranking_penalty * (mean_squared_length(x) + mean_squared_length(candidates[:, :-1]))

    def score_users(self, user_index):
        """float32 `[users, num_movies]`: every movie's score for each user."""
        return self.score_vectors(self.ranking.user(user_index))

    def score_vectors(self, x):
        """float32 `[users, num_movies]` from vectors of the ranking head's user tower `[users, ranking_dim]`."""
        every_movie = tf.range(tf.shape(self.share)[0])
        return tf.matmul(self.ranking.queries(x), self.ranking.candidates(every_movie), transpose_b=True)


def mean_squared_length(vectors):
    """mean over rows of Σ_d v_d². A scalar."""
    return tf.reduce_mean(tf.reduce_sum(vectors**2, axis=1))
