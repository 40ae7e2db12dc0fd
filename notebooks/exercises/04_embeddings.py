# %% [markdown]
# # 04 · Exercises: vectors of users and movies
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [04](../04_embeddings.ipynb); the [solutions](../solutions/04_embeddings.ipynb).

# %%
import numpy as np

import movierec
from movierec.data import batches, features, make_indices
from movierec.evaluation import metrics
from movierec.keras2 import tf, tfrs
from movierec.play import Quiz, attempt, check
from movierec.training import LazyAdam

# %% [markdown]
# ## Four questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/04.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# Everything below uses the first 150 users, so that training takes a moment. These are the two models of the notebook in one.

# %%
data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings[data.ratings["user_id"] <= 150])
indices = make_indices(split.train, data.movies)
weeks = features.make_weeks(split.train)
train, held_out = (features.rating_rows(part, indices, weeks) for part in (split.train, split.validation))
mean_stars = float(split.train["rating"].mean())
tf.config.experimental.enable_op_determinism()


class MatrixFactorisation(tfrs.Model):
    """Stars: mean + biases + user · movie, with a penalty on long vectors."""

    def __init__(self, dim=8, penalty=0.1):
        super().__init__()
        tf.keras.utils.set_random_seed(0)
        self.penalty = penalty
        first, second = (tf.keras.initializers.RandomNormal(stddev=0.1, seed=seed) for seed in (0, 1))
        self.user = tf.keras.layers.Embedding(indices.num_users, dim, first)
        self.movie = tf.keras.layers.Embedding(indices.num_movies, dim, second)
        self.user_bias = tf.keras.layers.Embedding(indices.num_users, 1, "zeros")
        self.movie_bias = tf.keras.layers.Embedding(indices.num_movies, 1, "zeros")
        self.task = tfrs.tasks.Ranking(tf.keras.losses.MeanSquaredError())

    def call(self, batch):
        user, movie = self.user(batch["user_index"]), self.movie(batch["movie_index"])
        bias = self.user_bias(batch["user_index"]) + self.movie_bias(batch["movie_index"])
        return mean_stars + bias + tf.reduce_sum(user * movie, axis=1, keepdims=True)

    def compute_loss(self, batch, training=False):
        user, movie = self.user(batch["user_index"]), self.movie(batch["movie_index"])
        lengths = tf.reduce_mean(tf.reduce_sum(user**2 + movie**2, axis=1))
        return self.task(batch["rating"][:, None], self(batch)) + self.penalty * lengths


# %%
def fit(model, epochs=8):
    """Train; return the RMSE on the training part and on validation at the end."""
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(0.01))
    steps = len(train["rating"]) // 256
    model.fit(batches(train, 256, 0), epochs=epochs, steps_per_epoch=steps, verbose=0)
    return tuple(metrics.rmse(model(part)[:, 0], part["rating"]) for part in (train, held_out))


# %% [markdown]
# ## 1 · Recall
#
# `vectors` has three movies. Which of the rows 1 and 2 is nearest to row 0 by cosine, and which has the larger dot product with row 0? A tuple of two row
# numbers.
#
# <details><summary>Hint</summary>The cosine divides by both lengths; the dot product does not.</details>

# %%
vectors = np.array([[1.0, 1.0], [0.5, 0.4], [4.0, 0.5]])
nearest_and_largest = (1, 2)  # SOLUTION

# %%
lengths = np.linalg.norm(vectors, axis=1)
by_product, by_cosine = (1 + int((vectors[1:] @ vectors[0] / scale).argmax()) for scale in (1, lengths[1:]))
check(
    "1",
    nearest_and_largest,
    (by_cosine, by_product),
    mistakes=[
        (
            (by_product, by_cosine),
            "The other way round: a long vector has large products without pointing the same way.",
        ),
        ((by_product, by_product), "The length counts in a product, not in a cosine."),
        ((by_cosine, by_cosine), "The length counts in a product."),
    ],
)

# %% [markdown]
# ## 2 · Change
#
# How many numbers does `MatrixFactorisation(dim=16)` learn? Compute it from `indices`, or ask the model for its weights.
#
# <details><summary>Hint</summary>Each user and each movie has a vector and a bias. A layer has its weights after its first call.</details>

# %%
numbers = (indices.num_users + indices.num_movies) * 17  # SOLUTION

# %%
asked = MatrixFactorisation(dim=16)
asked(held_out)
without = sum(int(tf.size(table.embeddings)) for table in (asked.user, asked.movie))
check(
    "2",
    numbers,
    sum(int(tf.size(weight)) for weight in asked.trainable_variables),
    mistakes=[
        (without, "The biases are missing."),
        (
            indices.num_users * indices.num_movies * 16,
            "There is no vector for a pair of user and movie; that is the point.",
        ),
        (indices.num_users + indices.num_movies, "These are the rows; each has many numbers."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Train three models with the penalties 0, 0.1 and 1 for 8 epochs each. A list of the three pairs that `fit` returns: the RMSE on the training part and on validation.
# Which one overfits most?
#
# <details><summary>Hint</summary><code>fit(MatrixFactorisation(penalty=…))</code></details>

# %%
three = ...
# BEGIN SOLUTION
three = [fit(MatrixFactorisation(penalty=penalty)) for penalty in (0, 0.1, 1)]
print([(round(float(a), 3), round(float(b), 3)) for a, b in three])
# END SOLUTION


# %%
def what_is_odd(three):
    """Say what three pairs of errors lack."""
    pairs = np.asarray(three, float)
    if pairs.shape != (3, 2):
        return "Three pairs were asked for: train and validation, for each penalty."
    if (np.diff(pairs[:, 0]) <= 0).all():
        return "In the order of the question: 0 first."
    if np.ptp(pairs[:, 0]) < 0.05:
        return "The three models are nearly equal: hand your penalty to each model."
    if (np.diff(pairs[:, 0]) < 0).any():
        return "A larger penalty cannot fit the training part better. Was each model trained for eight epochs?"
    return "" if (pairs[:, 0] < pairs[:, 1]).all() else "The error on train comes first in each pair."


check("3", attempt(... if three is ... else what_is_odd, three))

# %% [markdown]
# ## 4 · Change
#
# The penalty is on the vectors only. Write the class `PenalisedBiases`, which adds `penalty` times the mean of `user_bias² + movie_bias²` over the batch.
#
# <details><summary>Hint</summary>Call <code>super().compute_loss(batch, training)</code> and add to it; a bias is [batch, 1].</details>

# %%
PenalisedBiases = ...


# BEGIN SOLUTION
class PenalisedBiases(MatrixFactorisation):
    """The biases are penalised, too."""

    def compute_loss(self, batch, training=False):
        user, movie = self.user_bias(batch["user_index"]), self.movie_bias(batch["movie_index"])
        return super().compute_loss(batch, training) + self.penalty * tf.reduce_mean(user**2 + movie**2)


# END SOLUTION


# %%
def added(make):
    """What the class adds to the loss, by the penalty, if all biases are 2 for users and 3 for movies."""
    losses = []
    for kind in (make, MatrixFactorisation):
        model = kind(penalty=0.5)
        model(held_out)
        model.user_bias.embeddings.assign(tf.fill(model.user_bias.embeddings.shape, 2.0))
        model.movie_bias.embeddings.assign(tf.fill(model.movie_bias.embeddings.shape, 3.0))
        losses.append(float(model.compute_loss(held_out)))
    return (losses[0] - losses[1]) / 0.5


check(
    "4",
    ... if PenalisedBiases is ... else attempt(added, PenalisedBiases),
    2.0**2 + 3.0**2,
    mistakes=[
        (0.0, "The loss did not change: is compute_loss overridden, and does it return the sum?"),
        (2.0**2, "The biases of the movies are missing."),
        (3.0**2, "The biases of the users are missing."),
        (2.0 + 3.0, "Squares are missing: a negative bias must cost, too."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# Somebody wrote `call` in a shorter way. It runs, `fit` runs, and the result is far too bad. Repair `predict`.
#
# <details><summary>Hint</summary>Print the shapes. What is [256, 1] plus [256]?</details>


# %%
def predict(user, movie, bias):
    """The stars, float [batch, 1], from vectors [batch, dim] and biases [batch, 1]."""
    product = tf.reduce_sum(user * movie, axis=1)
    # BEGIN SOLUTION
    product = tf.reduce_sum(user * movie, axis=1, keepdims=True)
    # END SOLUTION
    return mean_stars + bias + product


# %%
class Shorter(MatrixFactorisation):
    """The model, with `predict`."""

    def call(self, batch):
        user, movie = self.user(batch["user_index"]), self.movie(batch["movie_index"])
        return predict(user, movie, self.user_bias(batch["user_index"]) + self.movie_bias(batch["movie_index"]))


def shape_or_error(rows=7):
    """The shape of the stars of a few rows, or after training how far the validation RMSE is from that of the original."""
    few = {name: column[:rows] for name, column in held_out.items()}
    shape = tuple(Shorter()(few).shape)
    return list(shape) if shape != (rows, 1) else round(float(fit(Shorter())[1] - fit(MatrixFactorisation())[1]), 3)


check(
    "5",
    attempt(shape_or_error),
    0.0,
    unchanged=[7, 7],
    tolerance=1e-3,
    mistakes=[([7], "Now the result has no second axis: the task compares it with stars of [batch, 1].")],
)

# %% [markdown]
# ## 6 · Change
#
# **Which rows move?** Write `moved_rows(optimizer)`: make a `tf.keras.layers.Embedding(8, 2)` and train it with two steps. The first looks up the rows 1 and 2, the second
# row 5; the loss is the sum of the squares of what was looked up. Return the rows that the *second* step changed, as a list. Try SGD, Adam and `LazyAdam`.
#
# <details><summary>Hint</summary>Copy the table with <code>.numpy()</code> before the second step. <code>optimizer.apply_gradients([(gradient, layer.embeddings)])</code>.</details>

# %%
moved_rows = ...


# BEGIN SOLUTION
def moved_rows(optimizer):
    """The rows that the second of two steps changes."""
    layer = tf.keras.layers.Embedding(8, 2)
    for looked_up in ([1, 2], [5]):
        before = layer(tf.range(8)).numpy()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(tf.constant(looked_up)) ** 2)
        optimizer.apply_gradients([(tape.gradient(loss, layer.embeddings), layer.embeddings)])
    return np.flatnonzero((layer.embeddings.numpy() != before).any(axis=1)).tolist()


# END SOLUTION


# %%
def what_moves(rows_of):
    """Say which optimiser moves rows that it cannot move, or none."""
    legacy = tf.keras.optimizers.legacy
    rows = {make.__name__: set(map(int, rows_of(make(0.1)))) for make in (legacy.SGD, legacy.Adam, LazyAdam)}
    print("; ".join(f"{name} moves {sorted(moved)}" for name, moved in rows.items()))
    if not all(rows.values()):
        return "An optimiser moves no row: are the gradients applied before you compare?"
    if len(rows["SGD"]) > 1 or len(rows["LazyAdam"]) > 1:
        return "SGD and lazy Adam move only what the second step looked up. Compare with the table before that step."
    return "" if rows["Adam"] > rows["SGD"] else "Adam has a memory: is it the same optimiser in both steps?"


check("6", attempt(... if moved_rows is ... else what_moves, moved_rows))

# %% [markdown]
# ## 7 · Extend
#
# **A newcomer.** The model is trained. A new user has rated a few movies. Write `newcomer(model, movie_index, stars)`: train only a vector and a bias for this user, and leave
# the tables as they are. Minimise the mean of the squared errors plus `model.penalty` times the squared length of the vector. Return the vector, [8], and the bias, a number.
#
# <details><summary>Hint</summary>Two <code>tf.Variable</code>s; <code>model.movie(movie_index)</code> and <code>model.movie_bias(movie_index)[:, 0]</code> are what the tables give. 500 steps of
# <code>tf.keras.optimizers.legacy.Adam(0.05)</code>.</details>

# %%
newcomer = ...


# BEGIN SOLUTION
def newcomer(model, movie_index, stars, steps=500):
    """A vector and a bias for somebody who is in no table."""
    vectors, biases = model.movie(movie_index), model.movie_bias(movie_index)[:, 0]
    vector, bias = tf.Variable(tf.zeros(vectors.shape[1])), tf.Variable(0.0)
    optimizer = tf.keras.optimizers.legacy.Adam(0.05)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            error = stars - (mean_stars + bias + biases + tf.linalg.matvec(vectors, vector))
            loss = tf.reduce_mean(error**2) + model.penalty * tf.reduce_sum(vector**2)
        optimizer.apply_gradients(zip(tape.gradient(loss, [vector, bias]), [vector, bias], strict=True))
    return vector.numpy(), float(bias)


# END SOLUTION


# %%
def what_is_left(train_newcomer):
    """Say whether the loss still falls, and whether a table has moved."""
    model = MatrixFactorisation()
    fit(model)
    own = train["user_index"] == 3
    movies, stars = train["movie_index"][own], train["rating"][own]
    before = [weight.numpy() for weight in model.weights]
    vector, bias = train_newcomer(model, movies, stars)
    if any((weight.numpy() != old).any() for weight, old in zip(model.weights, before, strict=True)):
        return "A table of the model has changed. Train the new vector and bias only."
    q, known = model.movie(movies).numpy(), mean_stars + model.movie_bias(movies).numpy()[:, 0]
    error = stars - known - bias - q @ np.asarray(vector)
    slopes = [
        abs(2 * error.mean()),
        np.abs(-2 * q.T @ error / len(error) + 2 * model.penalty * np.asarray(vector)).max(),
    ]
    print(f"RMSE on the ratings of the newcomer: {np.sqrt((error**2).mean()):.2f}")
    if slopes[0] > 0.01:
        return (
            "The loss still falls along the bias. Is the bias trained, and is the mean of all stars in the prediction?"
        )
    return "" if slopes[1] < 0.01 else "The loss still falls along the vector. More steps? Is the penalty in the loss?"


check("7", attempt(... if newcomer is ... else what_is_left, newcomer))
