# %% [markdown]
# # 03 · Exercises: the floor
#
# Write your answer where you find `...`. The cell after it says whether it is right and, for the usual mistakes, why not. Run the notebook from top to bottom
# first: nothing is attempted yet, and nothing breaks. Back to [03](../03_baselines.ipynb); the [solutions](../solutions/03_baselines.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec.baselines import Bias, Ease, ItemKnn
from movierec.data import make_indices
from movierec.evaluation import evaluate_stars, metrics
from movierec.keras2 import tf
from movierec.play import Quiz, attempt, check
from movierec.play.exercises import truths

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)
movie_index = indices.movie_index(split.train["movie_id"])  # of each training rating
counts = np.bincount(movie_index, minlength=indices.num_movies)
rng = np.random.default_rng(0)
tf.keras.utils.set_random_seed(0)

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/03.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# A list of three has hits at ranks 1 and 3. The user has two relevant films. What are its recall@3 and its NDCG@3? A tuple.
#
# <details><summary>Hint</summary>A hit at rank r is worth 1 / log₂(r + 1). The best possible list has its hits at ranks 1 and 2.</details>

# %%
recall_and_ndcg = (2 / 2, (1 / np.log2(2) + 1 / np.log2(4)) / (1 / np.log2(2) + 1 / np.log2(3)))  # SOLUTION

# %%
hits, relevant = np.array([[True, False, True]]), np.array([2])
by_package = [float(metric(hits, relevant)[0]) for metric in (metrics.recall, metrics.ndcg, metrics.precision)]
check(
    "1",
    recall_and_ndcg,
    tuple(by_package[:2]),
    mistakes=[
        ((by_package[0], 1.5), "The second number is only the sum: divide it by the sum of the best list."),
        ((by_package[2], by_package[1]), "The first number is the precision: what share of the list is relevant."),
        ((by_package[0], 1.0), "NDCG is 1 only if the hits are on top."),
    ],
)

# %% [markdown]
# ## 2 · Extend
#
# **Popularity, learned.** A model without any input has one number for each movie, a `tf.Variable` of zeros. Write `learn_scores(counts)`: train the numbers so that their
# softmax gives the share of each movie in `counts`, and return them as an array. The loss is the cross-entropy, minus the sum of share · log softmax. 300 steps of
# `tf.keras.optimizers.legacy.Adam(0.1)` are enough. Which order of the movies comes out?
#
# <details><summary>Hint</summary><code>tf.nn.softmax_cross_entropy_with_logits(shares, scores)</code> under a <code>tf.GradientTape</code>.</details>

# %%
learn_scores = ...


# BEGIN SOLUTION
def learn_scores(counts, steps=300):
    """A score for each movie whose softmax is the movie's share."""
    shares = tf.constant(counts / counts.sum(), tf.float32)
    scores, optimizer = tf.Variable(tf.zeros(len(counts))), tf.keras.optimizers.legacy.Adam(0.1)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.nn.softmax_cross_entropy_with_logits(shares, scores)
        optimizer.apply_gradients([(tape.gradient(loss, scores), scores)])
    return scores.numpy()


# END SOLUTION


# %%
def what_is_wrong(learn):
    """Say what learned scores lack."""
    scores = np.asarray(learn(counts), float)
    if scores.shape != counts.shape:
        return "Give one score for each movie."
    chance = np.exp(scores - scores.max())
    wrong = np.abs(chance / chance.sum() - counts / counts.sum()).sum() / 2
    if np.corrcoef(scores, counts)[0, 1] < 0:
        return "The popular movies have the lowest scores: the sign of the loss is turned."
    if np.allclose(scores, scores[0]):
        return "All scores are still equal. Are the gradients applied?"
    return "" if wrong < 0.02 else "The softmax of the scores is not yet the shares. More steps? Are shares a sum of 1?"


check("2", attempt(... if learn_scores is ... else what_is_wrong, learn_scores))

# %% [markdown]
# ## 3 · Change
#
# The notebook did not tune the damping. Fit the biases with `damping_movie` of 0.5, 2, 10 and 50 (and `damping_user=5`). A list of the four RMSEs on validation.
# Which one is best?
#
# <details><summary>Hint</summary><code>evaluate_stars(Bias(…), split, part="validation").attrs["rmse"]</code></details>

# %%
four = ...
# BEGIN SOLUTION
four = []
for damping in (0.5, 2, 10, 50):
    model = Bias(split.train, indices, damping_movie=damping, damping_user=5)
    four.append(evaluate_stars(model, split, part="validation").attrs["rmse"])
print([round(error, 3) for error in four])
# END SOLUTION

# %%
check("3", four, truths.bias_errors(split, indices, (0.5, 2, 10, 50)))

# %% [markdown]
# ## 4 · Find the bug
#
# This item-kNN recommends to everybody what they have watched already: the films themselves get the largest similarity. Repair it.
#
# <details><summary>Hint</summary>How similar is a film to itself, and may it say so?</details>


# %%
def similarities(rated, shrinkage):
    """Similarity of each pair of columns of a 0/1 table, float [movies, movies]."""
    together = rated.T @ rated
    count = np.diag(together)
    similarity = together / (np.sqrt(np.outer(count, count)) + shrinkage)
    # BEGIN SOLUTION
    np.fill_diagonal(similarity, 0)
    # END SOLUTION
    return similarity


# %%
rated = (rng.random((40, 6)) < 0.4).astype(int)
user, movie = np.nonzero(rated)
toy = pd.DataFrame({"user_id": user, "movie_id": movie})
right = ItemKnn(toy, make_indices(toy), neighbours=6, shrinkage=2).similarity
ones = rated.sum(axis=0)
check(
    "4",
    attempt(similarities, rated, 2),
    right,
    tolerance=1e-5,
    unchanged=right + np.diag(ones / (ones + 2)),
    mistakes=[
        (np.zeros((6, 6)), "Now no film is similar to any other."),
        (right + np.eye(6), "A film must not be similar to itself at all: 0, not 1."),
    ],
)

# %% [markdown]
# ## 5 · Change
#
# **A bias, learned.** Write `learn_biases(damping)`: minimise the *sum* over all training ratings of (r − μ − b_i)², plus `damping` times the sum of b_i², by gradient
# descent, and return the biases of the movies as an array. Is this the damped mean of the notebook?
#
# <details><summary>Hint</summary><code>tf.Variable(tf.zeros(indices.num_movies))</code>, <code>tf.gather(biases, movie_index)</code>, and 300 steps of
# <code>tf.keras.optimizers.legacy.Adam(0.05)</code>.</details>

# %%
above = tf.constant(split.train["rating"] - split.train["rating"].mean(), tf.float32)  # r − μ
learn_biases = ...


# BEGIN SOLUTION
def learn_biases(damping, steps=300):
    """Biases of the movies by gradient descent."""
    biases, optimizer = tf.Variable(tf.zeros(indices.num_movies)), tf.keras.optimizers.legacy.Adam(0.05)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            errors = above - tf.gather(biases, movie_index)
            loss = tf.reduce_sum(errors**2) + damping * tf.reduce_sum(biases**2)
        gradient = tf.convert_to_tensor(tape.gradient(loss, biases))
        optimizer.apply_gradients([(gradient, biases)])
    return biases.numpy()


# END SOLUTION

# %%
plain = Bias(split.train, indices, damping_movie=0, damping_user=5).movie
check(
    "5",
    attempt(learn_biases, 10.0),
    Bias(split.train, indices, damping_movie=10, damping_user=5).movie,
    tolerance=0.02,
    mistakes=[
        (plain, "Those are the plain means: the price on the biases is missing."),
        (np.zeros(indices.num_movies), "All are near 0: is the error averaged, while the price is a sum?"),
    ],
)

# %% [markdown]
# ## 6 · Change
#
# **A layer that may not copy.** A `Dense` layer from all films to all films learns "you watched Alien, so you watched Alien". Write `ZeroDiagonal`, a
# `tf.keras.constraints.Constraint`: Keras calls it with the weights after each step, and it returns them with zeros on the diagonal. The check trains a layer with it.
#
# <details><summary>Hint</summary>Its method is <code>__call__(self, w)</code>; <code>tf.linalg.set_diag(w, tf.zeros(len(w)))</code>.</details>

# %%
ZeroDiagonal = ...


# BEGIN SOLUTION
class ZeroDiagonal(tf.keras.constraints.Constraint):
    """Weights without a diagonal."""

    def __call__(self, w):
        return tf.linalg.set_diag(w, tf.zeros(w.shape[0], w.dtype))


# END SOLUTION


# %%
def trained(constraint):
    """The weights of a Dense layer that gives back who watched what, trained with a constraint."""
    tf.keras.utils.set_random_seed(0)
    layer = tf.keras.layers.Dense(6, use_bias=False, kernel_constraint=constraint)
    model = tf.keras.Sequential([layer])
    model.compile(tf.keras.optimizers.legacy.Adam(0.02), "mse")
    model.fit(rated.astype("float32"), rated.astype("float32"), batch_size=40, epochs=200, verbose=0)
    return layer.kernel.numpy()


def what_is_odd(constraint):
    """Say what is wrong with the weights of a layer that was trained with it."""
    free, yours = trained(None), trained(constraint())
    print(
        f"mean weight on the diagonal: {np.diag(free).mean():.2f} without the rule, {np.diag(yours).mean():.2f} with it"
    )
    if np.abs(np.diag(yours)).max() > 1e-6:
        return "The diagonal is not zero."
    return "" if np.abs(yours).sum() > 1 else "Nothing is left: only the diagonal must be zero."


check("6", attempt(... if ZeroDiagonal is ... else what_is_odd, ZeroDiagonal))

# %% [markdown]
# ## 7 · Extend
#
# **EASE by gradient descent.** Write `learn_ease(rated, price)`: minimise ‖X − XB‖² + λ‖B‖², where B has zeros on the diagonal *in every step*, and return B as an array.
# No formula with an inverse.
#
# <details><summary>Hint</summary>A <code>tf.Variable</code> times a mask, <code>1 - tf.eye(n)</code>, inside the loss; 600 steps of
# <code>tf.keras.optimizers.legacy.Adam(0.02)</code>.</details>

# %%
learn_ease = ...


# BEGIN SOLUTION
def learn_ease(rated, price, steps=600):
    """float [movies, movies]."""
    x, n = tf.constant(rated, tf.float32), rated.shape[1]
    weights, mask, optimizer = tf.Variable(tf.zeros((n, n))), 1 - tf.eye(n), tf.keras.optimizers.legacy.Adam(0.02)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            b = weights * mask
            loss = tf.reduce_sum((x - x @ b) ** 2) + price * tf.reduce_sum(b**2)
        optimizer.apply_gradients([(tape.gradient(loss, weights), weights)])
    return (weights * mask).numpy()


# END SOLUTION

# %%
wanted = Ease.solve(rated, 5.0)
without_rule = np.linalg.solve(rated.T @ rated + 5.0 * np.eye(6), rated.T @ rated)
check(
    "7",
    attempt(learn_ease, rated, 5.0),
    wanted,
    tolerance=0.01,
    mistakes=[
        (without_rule, "A film predicts itself: mask the diagonal inside the loss."),
        (without_rule * (1 - np.eye(6)), "The diagonal was removed after training. Mask it in every step."),
        (wanted.T, "Rows and columns are exchanged: X is on the left of B."),
        (Ease.solve(rated, 1e-6), "The price is missing."),
    ],
)
