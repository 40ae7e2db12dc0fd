"""Two tutorials of Keras RS 0.4, basic_ranking and DCN (Deep & Cross Networks), as written; on PyTorch.

Source: keras.io, *Basic ranking* and *Ranking with Deep and Cross Networks*. The ratings come from the split: as
written, four fifths of the second's test rows are in its train part. Batches that are drawn once are kept here, and
what is undone of a scale: the first trains on (stars - 1) / 4.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import keras_rs
import numpy as np
import pandas as pd

AGES = [18, 25, 35, 45, 50, 56]  # where a group of ages begins
ABOUT = ["age", "gender", "occupation", "zip_code"]
DENSE = {"basic_ranking": [256, 64], "dcn": [192, 192]}
DIM = {"basic_ranking": 32, "dcn": 8}
OPTIMIZER = {
    "basic_ranking": lambda: keras.optimizers.Adagrad(learning_rate=0.1),
    "dcn": lambda: keras.optimizers.AdamW(learning_rate=0.01),
}
TRAINING = {"basic_ranking": {"epochs": 5, "batch_size": 1000}, "dcn": {"epochs": 8, "batch_size": 8192}}


def fit(data, model, *, seed):
    """Return the trained network, what it is, and the columns that it reads of a user."""
    keras.utils.set_random_seed(seed)
    about = _about(data) if model == "dcn" else np.zeros((data.num_users, 0), int)
    sizes = [data.num_users, data.num_movies, *(1 + max(column) for column in about.T.tolist())]
    columns = [keras.Input((), dtype="int32") for _ in sizes]
    vectors = [keras.layers.Embedding(n, DIM[model])(column) for n, column in zip(sizes, columns, strict=True)]
    x = keras.layers.Concatenate()(vectors)
    if model == "dcn":
        x = keras_rs.layers.FeatureCross()(x)
    for units in DENSE[model]:
        x = keras.layers.Dense(units, activation="relu")(x)
    network = keras.Model(columns, keras.layers.Dense(1)(x))
    network.compile(optimizer=OPTIMIZER[model](), loss="mse")
    rows = data.train.sample(frac=1, random_state=seed)
    stars = rows["rating"].to_numpy("float32")
    target = (stars - 1) / 4 if model == "basic_ranking" else stars
    network.fit(_columns(rows, about), target, shuffle=False, verbose=0, **TRAINING[model])
    return network, model, about


def stars(fitted, data):
    """Return predicted stars; the tutorials do not clip them."""
    network, model, about = fitted
    predicted = network.predict(_columns(data.test, about), batch_size=4096, verbose=0).ravel()
    return 1 + 4 * predicted if model == "basic_ranking" else predicted


def _about(data):
    """Return a number for each user and column, 0 for a user who is not described."""
    about = data.users.set_index("user_index").reindex(range(data.num_users))
    about["age"] = np.digitize(about["age"], AGES)
    return np.stack([pd.factorize(about[name])[0] + 1 for name in ABOUT], axis=1)


def _columns(ratings, about):
    users = ratings["user_index"].to_numpy()
    return [users, ratings["movie_index"].to_numpy(), *about[users].T]
