"""The student's hybrid: small models, each of which adds one part to the one before.

They are typed in notebooks/05_hybrid_model, and a test holds the classes there equal to these. `HybridModel`, the
package's own, starts from the same parts and adds five more: notebooks/06_training.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from movierec.data import Indices, Split, features
from movierec.evaluation import metrics
from movierec.keras2 import tf, tfrs

DIM = 32  # numbers in a vector
BATCH_SIZE = 1024  # ratings a step
LEARNING_RATE = 0.003  # of Adam
PENALTY = 0.1  # on the squared lengths of the vectors, as in notebook 04


def table(rows: int, columns: int) -> tf.keras.layers.Embedding:
    """Return an embedding of small random numbers."""
    return tf.keras.layers.Embedding(rows, columns, tf.keras.initializers.RandomNormal(stddev=0.1))


def zeros(rows: int) -> tf.keras.layers.Embedding:
    """Return an embedding of one number a row, from 0: a bias."""
    return tf.keras.layers.Embedding(rows, 1, "zeros")


class Step(tfrs.Model):
    """What all steps do: two vectors, the loss of a task, a penalty on long vectors."""

    def __init__(self, known, dim=DIM, penalty=PENALTY):
        super().__init__()
        self.known, self.dim, self.penalty = known, dim, penalty

    def vectors(self, batch):
        """Return x and y, vectors of the users and the movies, [batch, dim] each."""
        return self.user_vector(batch), self.movie_vector(batch["movie_index"])

    def call(self, batch, training=False):
        """Predict stars, [batch, 1]."""
        return self.stars(batch, *self.vectors(batch), training)

    def compute_loss(self, batch, training=False):
        """Add a penalty on long vectors to the loss of the task."""
        x, y = self.vectors(batch)
        length = tf.reduce_mean(tf.reduce_sum(x**2 + y**2, axis=1))
        return self.task_loss(batch, x, y, training) + self.penalty * length


class MatrixFactorisation(Step):
    """Step 1. Stars are the mean, two biases and the dot product of two vectors."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        users, movies = known.num_users, known.num_movies
        self.user, self.movie = table(users, self.dim), table(movies, self.dim)
        self.user_bias, self.movie_bias = zeros(users), zeros(movies)
        self.stars_task = tfrs.tasks.Ranking(loss=tf.keras.losses.MeanSquaredError())

    def user_vector(self, batch):
        """Look up the row of each user, [batch, dim]."""
        return self.user(batch["user_index"])

    def movie_vector(self, movie_index):
        """Look up the row of each movie, [batch, dim]."""
        return self.movie(movie_index)

    def stars(self, batch, x, y, training=False):
        """Add up mean, biases and dot product, [batch, 1]."""
        bias = self.user_bias(batch["user_index"]) + self.movie_bias(batch["movie_index"])
        return self.known.mean + bias + tf.reduce_sum(x * y, axis=1, keepdims=True)

    def task_loss(self, batch, x, y, training):
        """Compare the predicted stars with those given."""
        stars = self.stars(batch, x, y, training)
        return self.stars_task(labels=batch["rating"][:, None], predictions=stars)


class WithFeatures(MatrixFactorisation):
    """Step 2. Both vectors also get what is known of the movie and of the user."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        self.about_user = tf.keras.layers.Dense(self.dim, use_bias=False)
        self.about_movie = tf.keras.layers.Dense(self.dim, use_bias=False)

    def user_vector(self, batch):
        """Add the vectors of age group, gender and occupation."""
        about = tf.gather(self.known.user_features, batch["user_index"])
        return super().user_vector(batch) + self.about_user(about)

    def movie_vector(self, movie_index):
        """Add the vectors of genres and year."""
        about = tf.gather(self.known.movie_features, movie_index)
        return super().movie_vector(movie_index) + self.about_movie(about)


class WithBag(WithFeatures):
    """Step 3. The user's vector also gets the bag: what they rated before this rating."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        self.watched = tf.keras.layers.Dense(self.dim, use_bias=False)

    def bag(self, batch):
        """Mark with 1 what each user rated before this row, [batch, num_movies]."""
        place = tf.gather(self.known.place, batch["user_index"])
        return tf.cast(place < batch["place"][:, None], tf.float32)

    def user_vector(self, batch):
        """Add the vectors of the watched movies, over the root of how many they are."""
        bag = self.bag(batch)
        count = tf.maximum(tf.reduce_sum(bag, axis=1, keepdims=True), 1)
        return super().user_vector(batch) + self.watched(bag) / tf.sqrt(count)


class WithMLP(WithBag):
    """Step 4. Stars also get a small network (MLP) on both vectors and their product."""

    def __init__(self, known, hidden=64, dropout=0.5, **settings):
        super().__init__(known, **settings)
        self.mlp = tf.keras.Sequential()
        self.mlp.add(tf.keras.layers.Dropout(dropout))
        self.mlp.add(tf.keras.layers.Dense(hidden, activation="relu"))
        self.mlp.add(tf.keras.layers.Dense(1, kernel_initializer="zeros"))

    def stars(self, batch, x, y, training=False):
        """Add what the network says of x, y and x ⊙ y."""
        deep = self.mlp(tf.concat([x, y, x * y], axis=1), training=training)
        return super().stars(batch, x, y, training) + deep


class WithPopularity(WithBag):
    """Step 5, the scores. One product is sharpness × ⟨x, y⟩ + the movie's popularity."""

    def __init__(self, known, sharpness=1.0, **settings):
        super().__init__(known, **settings)
        self.sharpness = sharpness
        self.popularity = zeros(known.num_movies)

    def query(self, x):
        """Put a 1 behind the user's vector, [batch, dim + 1]."""
        return tf.concat([self.sharpness * x, tf.ones_like(x[:, :1])], axis=1)

    def candidate(self, movie_index, y):
        """Put the popularity behind the movie's vector, [batch, dim + 1]."""
        return tf.concat([y, self.popularity(movie_index)], axis=1)


class TwoTowers(WithPopularity):
    """Step 5, the task. Which movie of the batch did this user rate?"""

    def __init__(self, known, logq=True, **settings):
        super().__init__(known, **settings)
        self.logq = logq
        softmax = tf.keras.losses.CategoricalCrossentropy(from_logits=True)  # its mean
        self.list_task = tfrs.tasks.Retrieval(loss=softmax, remove_accidental_hits=True)

    def task_loss(self, batch, x, y, training):
        """Ask for each row's own movie among all movies of the batch."""
        movie = batch["movie_index"]
        share = tf.gather(self.known.share, movie) if self.logq else None
        given = {"candidate_ids": movie, "candidate_sampling_probability": share}
        query, candidate = self.query(x), self.candidate(movie, y)
        return self.list_task(query, candidate, compute_metrics=False, **given)


class FirstHybrid(TwoTowers, WithMLP):
    """Step 6. Both tasks on the same vectors: loss = stars + weight × list."""

    def __init__(self, known, weight=0.5, sharpness=4.0, **settings):
        super().__init__(known, sharpness=sharpness, **settings)
        self.weight = weight

    def task_loss(self, batch, x, y, training):
        """Add the losses of both tasks."""
        stars = WithMLP.task_loss(self, batch, x, y, training)
        return stars + self.weight * TwoTowers.task_loss(self, batch, x, y, training)


def make_known(split: Split, indices: Indices, movies, users) -> SimpleNamespace:
    """Return what every model above may read, from train and from the tables of movies and users.

    `place` is float32 `[num_users, num_movies]`: 1, 2, 3, … in the order of time, infinite where a user has not rated a
    movie; ratings of one second share a place. `share` is each movie's part. Features that are missing are a zero.
    """
    user, movie = indices.user_index(split.train["user_id"]), indices.movie_index(split.train["movie_id"])
    place = np.full((indices.num_users, indices.num_movies), np.inf, np.float32)
    place[user, movie] = places(split.train)
    count = np.bincount(movie, minlength=indices.num_movies)
    sizes = {"num_users": indices.num_users, "num_movies": indices.num_movies}
    return SimpleNamespace(
        **sizes,
        mean=np.float32(split.train["rating"].mean()),
        user_features=_some(features.user_features(users, indices)),
        movie_features=_some(features.movie_features(movies, indices)),
        place=tf.constant(place),
        share=tf.constant((count / count.sum()).astype(np.float32)),
    )


def _some(known: features.Features) -> tf.Tensor:
    """Return the features of each row; a column of zeros if there are none, as a Dense layer needs one."""
    return tf.constant(known.values if known.values.shape[1] else np.zeros((len(known.values), 1), np.float32))


def places(ratings: pd.DataFrame) -> np.ndarray:
    """Return the place of each rating among its user's, from 1, float32 `[N]`; equal times share one."""
    return ratings.groupby("user_id")["timestamp"].rank("min").to_numpy(np.float32)


def make_rows(ratings: pd.DataFrame, indices: Indices, place: np.ndarray | None = None) -> dict:
    """Return the columns that a batch has; `place` is by default later than everything in train."""
    later = np.full(len(ratings), np.inf, np.float32)
    rows = {
        "user_index": indices.user_index(ratings["user_id"]),
        "movie_index": indices.movie_index(ratings["movie_id"]),
        "rating": ratings["rating"].to_numpy(np.float32),
    }
    return rows | {"place": later if place is None else place}


def train(model, rows: dict, epochs: int, seed=0, callbacks=(), learning_rate=LEARNING_RATE) -> pd.DataFrame:
    """Train with Adam on shuffled batches, an epoch in one execution; return Keras's history, one row an epoch."""
    steps = max(1, len(rows["rating"]) // BATCH_SIZE)
    model.compile(tf.keras.optimizers.legacy.Adam(learning_rate), steps_per_execution=steps)
    how = {"epochs": epochs, "steps_per_epoch": steps, "verbose": 0, "callbacks": list(callbacks)}
    log = model.fit(features.batches(rows, BATCH_SIZE, seed), **how)
    return pd.DataFrame(log.history, index=[epoch + 1 for epoch in log.epoch])


def rmse(model, ratings: pd.DataFrame, indices: Indices) -> float:
    """Return the error of the predicted stars on later ratings."""
    rows = make_rows(ratings, indices)
    stars = model({name: tf.constant(column) for name, column in rows.items()})
    return float(metrics.rmse(stars[:, 0], rows["rating"]))


def score(model: TwoTowers, user_index: np.ndarray) -> np.ndarray:
    """Return how well each movie fits on each user's list now, float32 `[U, num_movies]`."""
    later = tf.fill([len(user_index)], np.float32(np.inf))
    x = model.user_vector({"user_index": tf.constant(user_index), "place": later})
    movie = tf.range(model.known.num_movies)
    candidates = model.candidate(movie, model.movie_vector(movie))
    return tf.matmul(model.query(x), candidates, transpose_b=True).numpy()
