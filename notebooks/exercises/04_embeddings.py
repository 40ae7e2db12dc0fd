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
from movierec.play.exercises import Verdict

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
# Everything below uses the first 150 users, so that training takes a moment. This is the model of the notebook.

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
        small = tf.keras.initializers.RandomNormal(stddev=0.1, seed=0)
        self.user = tf.keras.layers.Embedding(indices.num_users, dim, small)
        self.movie = tf.keras.layers.Embedding(indices.num_movies, dim, small)
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
    """Train; return the RMSE on validation at the end."""
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(0.01))
    steps = len(train["rating"]) // 256
    model.fit(batches(train, 256, 0), epochs=epochs, steps_per_epoch=steps, verbose=0)
    return metrics.rmse(model(held_out)[:, 0], held_out["rating"])


def judge(name, yours, truth, mistakes=(), tolerance=1e-3):
    """Say whether an answer is right; if not, give the reason, not the solution."""
    verdict = check(name, yours, truth, tolerance=tolerance)
    if verdict.state != "not yet" or isinstance(yours, Exception):
        return verdict
    reasons = [why for value, why in mistakes if check(name, yours, value, tolerance=tolerance).state == "right"]
    return Verdict(name, "not yet", (reasons or ["Not one of the usual slips: read the question again."])[0])


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
products = vectors[1:] @ vectors[0]
by_cosine = 1 + int((products / np.linalg.norm(vectors[1:], axis=1)).argmax())
by_product = 1 + int(products.argmax())
judge(
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
judge(
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
# Train three models with the penalties 0, 0.1 and 1 for 8 epochs each. A list of the three RMSEs on validation that `fit` returns. Which one over-fits, and
# which one underfits?
#
# <details><summary>Hint</summary><code>fit(MatrixFactorisation(penalty=…))</code></details>

# %%
three = ...
# BEGIN SOLUTION
three = [fit(MatrixFactorisation(penalty=penalty)) for penalty in (0, 0.1, 1)]
# END SOLUTION

# %%
trained = [fit(MatrixFactorisation(penalty=penalty)) for penalty in (0, 0.1, 1)] if three is not ... else []
judge(
    "3",
    three,
    trained,
    tolerance=0.003,
    mistakes=[
        (trained[::-1], "In the order of the question: 0 first."),
        (3 * trained[1:2], "All three have the default penalty: hand yours to the model."),
        (3 * trained[:1], "None of the three has a penalty."),
    ],
)

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


judge(
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
# A table of embeddings has one row for each movie *index*. This function looks up raw ids. With MovieLens-100K it runs without an error. Repair it.
#
# <details><summary>Hint</summary><code>indices.movie_index</code>.</details>


# %%
def vectors_of(table, movie_ids):
    """The rows of these movies, float [n, dim]."""
    rows = np.asarray(movie_ids) % len(table)  # so that it does not crash
    # BEGIN SOLUTION
    rows = indices.movie_index(np.asarray(movie_ids))
    # END SOLUTION
    return table[rows]


# %%
table = np.arange(2.0 * indices.num_movies).reshape(-1, 2)
some = np.array([1, 50, 1682])
yours = attempt(vectors_of, table, some)
as_given = np.array_equal(yours, table[some % len(table)]) if isinstance(yours, np.ndarray) else False
judge("5", ... if as_given else yours, np.stack([table[np.flatnonzero(indices.movie_ids == i)[0]] for i in some]))

# %% [markdown]
# ## 6 · Extend
#
# Write `one_step(model, optimizer, batch)`: one training step without `fit`. Compute the loss under a `GradientTape`, the gradients of
# `model.trainable_variables`, and apply them.
#
# <details><summary>Hint</summary><code>optimizer.apply_gradients(zip(gradients, variables))</code>; the loss is <code>model.compute_loss(batch, training=True)</code>.</details>

# %%
one_step = ...


# BEGIN SOLUTION
def one_step(model, optimizer, batch):
    """Change the model's weights once."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, training=True)
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


# END SOLUTION


# %%
def distance_from_keras(step):
    """How far the weights are from those that Keras has after the same two steps."""
    ours, theirs = MatrixFactorisation(), MatrixFactorisation()
    theirs.compile(optimizer=tf.keras.optimizers.legacy.SGD(0.5))
    optimizer = tf.keras.optimizers.legacy.SGD(0.5)
    for batch in batches(train, 256, 0).take(2):
        ours(batch), theirs(batch)
        step(ours, optimizer, batch)
        theirs.train_step(batch)
    return max(float(abs(a - b).numpy().max()) for a, b in zip(ours.weights, theirs.weights, strict=True))


judge(
    "6",
    ... if one_step is ... else attempt(distance_from_keras, one_step),
    0.0,
    tolerance=1e-5,
    mistakes=[(attempt(distance_from_keras, lambda *_: None), "The weights did not change: apply the gradients.")],
)

# %% [markdown]
# ## 7 · Extend
#
# Write `nearest(vectors, row, k)`: the rows of the k vectors with the largest cosine to `vectors[row]`, nearest first, without `row` itself.
#
# <details><summary>Hint</summary>Divide each vector by <code>np.linalg.norm(vectors, axis=1, keepdims=True)</code>, then multiply.</details>

# %%
nearest = ...


# BEGIN SOLUTION
def nearest(vectors, row, k):
    """int [k]."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit[row]
    cosine[row] = -np.inf
    return np.argsort(-cosine)[:k]


# END SOLUTION


# %%
cloud = np.random.default_rng(0).normal(size=(50, 4)) * np.linspace(0.1, 3, 50)[:, None]
angles = np.arccos(np.clip(cloud @ cloud[7] / np.linalg.norm(cloud, axis=1) / np.linalg.norm(cloud[7]), -1, 1))
judge(
    "7",
    attempt(nearest, cloud, 7, 5),
    np.argsort(angles)[1:6],
    mistakes=[
        (np.argsort(angles)[:5], "A movie is not its own neighbour."),
        (np.argsort(angles)[::-1][:5], "Those are the farthest."),
        (
            np.argsort(-np.where(np.arange(50) == 7, -np.inf, cloud @ cloud[7]))[:5],
            "That is the dot product: long vectors win.",
        ),
        (np.argsort(-(cloud @ cloud[7]))[:5], "That is the dot product, with the movie itself."),
    ],
)
