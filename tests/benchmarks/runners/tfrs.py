"""Three TFRS tutorials, basic_retrieval, basic_ranking and multitask, as written; only the ratings come from the split.

Source: TensorFlow Recommenders 0.7, *Recommending movies: retrieval*, *Recommending movies: ranking* and *Multi-task
recommenders*. What is not to be copied of them is kept here: batches frozen by `cache`, candidates that repeat,
FactorizedTopK in training; and in multitask equal weights of two losses, of which one is a mean over the batch and the
other a sum.
"""

from movierec.keras2 import tf, tfrs

DIM = 32
EPOCHS = 3
LEARNING_RATE = 0.1  # of Adagrad


def fit(data, model):
    """The fitted tutorial model: "retrieval", "ranking" or "multitask"."""
    tf.keras.utils.set_random_seed(42)
    columns = {name: data.train[f"{name}_index"].astype(str).to_numpy(str) for name in ("user", "movie")}
    rows = {"user_id": columns["user"], "movie_title": columns["movie"]}
    if model != "retrieval":
        rows["user_rating"] = data.train["rating"].to_numpy("float32")
    ratings = tf.data.Dataset.from_tensor_slices(rows)
    ratings = ratings.shuffle(100_000, seed=42, reshuffle_each_iteration=False)
    if model == "ranking":
        fitted = MovielensModel(columns)
    else:
        movies = tf.data.Dataset.from_tensor_slices(data.movies["movie_index"].astype(str).to_numpy(str))
        fitted = (RetrievalModel if model == "retrieval" else MultitaskModel)(data, movies)
    batches = ratings.shuffle(100_000).batch(8192).cache()
    fitted.compile(optimizer=tf.keras.optimizers.Adagrad(learning_rate=LEARNING_RATE))
    fitted.fit(batches, epochs=EPOCHS, verbose=0)
    return fitted


def scores(fitted, data):
    """User vectors times movie vectors."""
    users, movies = (tf.constant([str(i) for i in range(size)]) for size in (data.num_users, data.num_movies))
    return fitted.user_model(users).numpy() @ fitted.movie_model(movies).numpy().T


def stars(fitted, data):
    """The predicted ratings; the tutorial does not clip them."""
    pairs = {"user_id": data.test["user_index"], "movie_title": data.test["movie_index"]}
    batches = tf.data.Dataset.from_tensor_slices({k: v.astype(str).to_numpy(str) for k, v in pairs.items()})
    predicted = fitted.predict(batches.batch(4096), verbose=0)
    return (predicted[-1] if isinstance(predicted, tuple) else predicted).ravel()


def _tower(names):
    return tf.keras.Sequential(
        [
            tf.keras.layers.StringLookup(vocabulary=sorted(set(names)), mask_token=None),
            tf.keras.layers.Embedding(len(set(names)) + 1, DIM),
        ]
    )


def _stars(*hidden):
    """A perceptron for the stars, and its task."""
    layers = [tf.keras.layers.Dense(units, activation="relu") for units in hidden]
    task = tfrs.tasks.Ranking(
        loss=tf.keras.losses.MeanSquaredError(), metrics=[tf.keras.metrics.RootMeanSquaredError()]
    )
    return tf.keras.Sequential([*layers, tf.keras.layers.Dense(1)]), task


class RetrievalModel(tfrs.Model):
    """Two towers, an in-batch softmax, and FactorizedTopK in every training step."""

    def __init__(self, data, movies):
        super().__init__()
        self.user_model = _tower(data.train["user_index"].astype(str))
        self.movie_model = _tower(data.movies["movie_index"].astype(str))
        metrics = tfrs.metrics.FactorizedTopK(candidates=movies.batch(128).map(self.movie_model))
        self.task = tfrs.tasks.Retrieval(metrics=metrics)

    def compute_loss(self, features, training=False):
        return self.task(self.user_model(features["user_id"]), self.movie_model(features["movie_title"]))


class MovielensModel(tfrs.models.Model):
    """Two embeddings and a perceptron 256-64-1 for the stars."""

    def __init__(self, columns):
        super().__init__()
        self.user_embeddings, self.movie_embeddings = _tower(columns["user"]), _tower(columns["movie"])
        self.ratings, self.task = _stars(256, 64)

    def call(self, features):
        vectors = [self.user_embeddings(features["user_id"]), self.movie_embeddings(features["movie_title"])]
        return self.ratings(tf.concat(vectors, axis=1))

    def compute_loss(self, features, training=False):
        features = dict(features)
        return self.task(labels=features.pop("user_rating"), predictions=self(features))


class MultitaskModel(RetrievalModel):
    """The two towers, and a perceptron 256-128-1 for the stars on their vectors; both losses have weight 1."""

    def __init__(self, data, movies):
        super().__init__(data, movies)
        self.ratings, self.rating_task = _stars(256, 128)

    def call(self, features):
        users, movies = self.user_model(features["user_id"]), self.movie_model(features["movie_title"])
        return users, movies, self.ratings(tf.concat([users, movies], axis=1))

    def compute_loss(self, features, training=False):
        users, movies, stars = self(features)
        rating_loss = self.rating_task(labels=features["user_rating"], predictions=stars)
        return rating_loss + self.task(users, movies)
