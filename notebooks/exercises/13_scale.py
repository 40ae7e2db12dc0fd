# %% [markdown]
# # 13 · Exercises: scale
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [13](../13_scale.ipynb); the [solutions](../solutions/13_scale.ipynb).

# %%
import functools

import numpy as np
from scipy.stats import rankdata

import movierec
from movierec.baselines import Ease
from movierec.baselines.popularity_and_bias import rated_matrix
from movierec.data import batches, make_indices
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf, tfrs
from movierec.models import Entries, LowRank
from movierec.play import Quiz, attempt, check
from movierec.training import OPTIMIZERS

# %% [markdown]
# ## Questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/13.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# Below, a matrix factorisation learns made ratings of 300 users and 200 films. `fit` trains it and returns the RMSE on ratings that were
# held out. The same settings give the same number.

# %%
USERS, FILMS, RATINGS = 300, 200, 20_000
rng = np.random.default_rng(0)
u, i = rng.integers(USERS, size=RATINGS), rng.integers(FILMS, size=RATINGS)
a, b = rng.normal(size=(USERS, 2)), rng.normal(size=(FILMS, 2))
e = (a[u] * b[i]).sum(axis=1) + 0.5 * rng.normal(size=RATINGS)
columns = {"u": u.astype(np.int32), "i": i.astype(np.int32), "e": e.astype(np.float32)}
train = {name: column[:16_000] for name, column in columns.items()}
held_out = {name: tf.constant(column[16_000:]) for name, column in columns.items()}


class Factorisation(tfrs.Model):
    """loss = mean ((e − ⟨p_u, q_i⟩)² + .01 (|p_u|² + |q_i|²))."""

    def __init__(self, num_rows=FILMS):
        super().__init__()
        start = np.random.default_rng(1).normal(0, 0.1, (USERS + num_rows, 8)).astype(np.float32)
        self.p, self.q = tf.Variable(start[:USERS]), tf.Variable(start[USERS:])

    def film(self, index):
        """The vectors of films, [batch, 8]."""
        return tf.gather(self.q, index)

    def call(self, batch):
        return tf.reduce_sum(tf.gather(self.p, batch["u"]) * self.film(batch["i"]), axis=1)

    def compute_loss(self, batch, training=False):
        p, q = tf.gather(self.p, batch["u"]), self.film(batch["i"])
        square = (batch["e"] - tf.reduce_sum(p * q, axis=1)) ** 2
        return tf.reduce_mean(square + 0.01 * tf.reduce_sum(p**2 + q**2, axis=1))


@functools.cache  # it remembers what it has trained
def fit(model=None, optimizer="lazy_adam", rate=0.02, epochs=6):
    """Train the model; return its RMSE on the ratings that were held out."""
    model, steps = model or Factorisation(), len(train["u"]) // 256
    model.compile(OPTIMIZERS[optimizer](rate), steps_per_execution=steps)
    model.fit(batches(train, 256, seed=0), epochs=epochs, steps_per_epoch=steps, verbose=0)
    return float(np.sqrt(np.mean((model(held_out) - held_out["e"]) ** 2)))


# %% [markdown]
# ## 1 · Recall
#
# A catalogue has 62,000 films. How many GB (10⁹ bytes) has EASE's matrix in float32, and how many have its 200 strongest directions? A tuple.
#
# <details><summary>Hint</summary>A number has four bytes; the matrix has a number for each pair of films.</details>

# %%
gigabytes = (62_000**2 * 4 / 1e9, 62_000 * 200 * 4 / 1e9)  # SOLUTION

# %%
matrix = np.dtype(np.float32).itemsize * 6.2**2 / 10
check(
    "1",
    gigabytes,
    (matrix, matrix / 310),
    mistakes=[
        ((2 * matrix, matrix / 155), "That is float64."),
        ((matrix / 4, matrix / 1240), "Those are numbers, not bytes."),
        ((matrix, matrix / 310 * 200), "The directions are films × 200 numbers."),
    ],
)

# %% [markdown]
# ## 2 · Change
#
# Write `lazy_momentum(w, m, rows, g, rate)`: SGD with momentum 0.9 for the rows of a batch. It changes `w` and `m` in place: $m \leftarrow .9\,m - \eta\,g$, then $w \leftarrow w + m$,
# for these rows only. Each row is named once.
#
# <details><summary>Hint</summary>As <code>lazy_adam</code> in the notebook, with one moment.</details>

# %%
lazy_momentum = ...


# BEGIN SOLUTION
def lazy_momentum(w, m, rows, g, rate):
    """Move the rows of a batch by their momentum."""
    m[rows] = 0.9 * m[rows] - rate * g
    w[rows] += m[rows]


# END SOLUTION


# %%
def after_three_steps(step):
    """The table after three steps: rows 0 to 2 are in every batch, row 3 in none."""
    w, m = np.ones((4, 2)), np.full((4, 2), 0.5) * [[0], [0], [0], [1]]
    for number in range(3):
        step(w, m, [0, 1, 2], np.full((3, 2), 1.0 + number), 0.1)
    return w


dense, sgd = tf.Variable(tf.ones([3, 2], tf.float64)), tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9)
for number in range(3):  # where all rows are in the batch, lazy and dense are the same
    sgd.apply_gradients([(tf.fill([3, 2], tf.constant(1.0 + number, tf.float64)), dense)])
expected = np.vstack([dense.numpy(), np.ones((1, 2))])
everything = expected + 0.5 * sum(0.9**k for k in (1, 2, 3)) * np.array([[0], [0], [0], [1]])
yours = ... if lazy_momentum is ... else attempt(after_three_steps, lazy_momentum)
check(
    "2",
    yours,
    expected,
    mistakes=[
        (everything, "Row 3 moved: its old momentum counts only when it is looked up."),
        (2 - expected, "The sign: the table moves against the gradient."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Train with `lazy_adam` and with `adam`, each with the learning rates .005, .02 and .08. The lowest RMSE of each optimiser, as a list of two numbers.
#
# <details><summary>Hint</summary><code>min(fit(optimizer="adam", rate=rate) for rate in …)</code></details>

# %%
RATES = (0.005, 0.02, 0.08)
lowest = [min(fit(optimizer=name, rate=rate) for rate in RATES) for name in ("lazy_adam", "adam")]  # SOLUTION

# %%
tried = np.zeros((2, 3))
if lowest is not ...:
    tried = np.array([[fit(optimizer=o, rate=r) for r in RATES] for o in ("lazy_adam", "adam")])
check(
    "3",
    lowest,
    tried.min(axis=1),
    tolerance=1e-3,
    mistakes=[
        (tried.min(axis=1)[::-1], "The first number is that of lazy Adam."),
        (tried[:, 1], "That is one rate for both; each may have its own."),
        (tried.max(axis=1), "A lower RMSE is better."),
    ],
)

# %% [markdown]
# ## 4 · Find the bug
#
# This step of SGD is right if a batch names each row once. Popular films are named several times, and then it is wrong. Repair it: gradients of the same row add up.
#
# <details><summary>Hint</summary><code>w[[0, 0]] -= 1</code> subtracts 1 from row 0 once. See <code>np.subtract.at</code>.</details>


# %%
def sgd_step(w, rows, g, rate):
    """Move the rows of a batch against their gradients, [len(rows), dim]; return the table."""
    w = w.copy()
    change = rate * g
    # BEGIN SOLUTION
    np.subtract.at(w, rows, change)
    return w
    # END SOLUTION
    w[rows] -= change
    return w


# %%
def three_rows(step):
    """A batch that names row 2 three times and row 0 once."""
    return step(np.zeros((3, 2)), np.array([2, 0, 2, 2]), np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]]), 0.5)


yours, one_hot = attempt(three_rows, sgd_step), np.eye(3)[[2, 0, 2, 2]]
summed = three_rows(lambda w, rows, g, rate: w - rate * one_hot.T @ g)
last = three_rows(lambda w, rows, g, rate: w - rate * np.array([g[1], 0 * g[1], g[3]]))
untouched = not isinstance(yours, Exception) and np.array_equal(yours, last)
mean = three_rows(lambda w, rows, g, rate: w - rate * (one_hot / one_hot.sum(axis=0).clip(1)).T @ g)
check(
    "4", ... if untouched else yours, summed, mistakes=[(mean, "That is their mean. The gradient of a sum is a sum.")]
)

# %% [markdown]
# ## 5 · Change
#
# Which is the smallest of the numbers 5, 10, 20, 50 and 100 of directions that keeps 95 % of the NDCG@10 of EASE on validation, for the first 300 users of MovieLens-100K?
# `Ease.directions(rated, 100, rank)` returns F and the diagonal of F Fᵀ.
#
# <details><summary>Hint</summary><code>g = f @ f.T; b = g / (1 − own)</code>, with zeros on the diagonal; then <code>ndcg(b)</code>.</details>

# %%
ratings = movierec.load("ml-100k").ratings
split = movierec.split_by_user_time(ratings[ratings["user_id"] <= 300])
indices = make_indices(split.train)
rated = rated_matrix(split.train, indices)
RANKS = [5, 10, 20, 50, 100]


def ndcg(b):
    """NDCG@10 on validation of EASE with the weights b."""
    return evaluate_ranking(lambda user: rated[user] @ b, split, indices, "validation")["ndcg@10"].mean()


smallest = ...
# BEGIN SOLUTION
whole = ndcg(Ease.solve(rated, 100))
for smallest in RANKS:
    f, own = Ease.directions(rated, 100, smallest)
    b = f @ f.T / (1 - own)
    np.fill_diagonal(b, 0)
    if ndcg(b) >= 0.95 * whole:
        break
# END SOLUTION


# %%
def of_package(rank):
    """NDCG@10 of the package's own linear path with so many directions."""
    user, film = (column.astype(np.int32) for column in rated.nonzero())
    nothing = np.zeros(len(user), np.float32)
    path = LowRank(*map(tf.constant, Ease.directions(rated, 100, rank)))
    scores = path.sums(Entries(user, film, nothing, nothing), tf.constant(nothing + 1), indices.num_users).numpy()
    return evaluate_ranking(lambda user: scores[user], split, indices, "validation")["ndcg@10"].mean()


shares = np.ones(len(RANKS))
if smallest is not ...:
    shares = np.array([of_package(rank) for rank in RANKS]) / ndcg(Ease.solve(rated, 100))
check(
    "5",
    smallest,
    RANKS[(shares >= 0.95).argmax()],
    mistakes=[
        (RANKS[shares.argmax()], "That is the best number. A smaller one keeps enough."),
        (RANKS[(shares >= 0.5).argmax()], "That keeps half. Is the diagonal of your matrix zero?"),
        (100, "A smaller number is enough."),
    ],
)

# %% [markdown]
# ## 6 · Change
#
# A table that is too large can have fewer rows than films: film $i$ uses row $i \bmod n$, and films share rows (*hashing*). Write the class `Hashed(num_rows)`, a `Factorisation` with
# so many rows of films, and train it with 200, 100 and 20 rows. The three RMSE, as a list.
#
# <details><summary>Hint</summary>Overwrite <code>film</code>; <code>index % self.num_rows</code>.</details>

# %%
hashed = ...
# BEGIN SOLUTION


class Hashed(Factorisation):
    """Films share rows of a smaller table."""

    def __init__(self, num_rows):
        super().__init__(num_rows)
        self.num_rows = num_rows

    def film(self, index):
        return super().film(index % self.num_rows)


hashed = [fit(Hashed(num_rows)) for num_rows in (200, 100, 20)]
# END SOLUTION


# %%
def rmse_of_rows(row_of_film):
    """The same with a table that says which row each film has."""
    model = Factorisation(int(row_of_film.max()) + 1)
    model.film = lambda index: tf.gather(model.q, tf.gather(tf.constant(row_of_film), index))
    return fit(model)


films, expected, blocks = np.arange(FILMS), [], []
if hashed is not ...:
    expected = [rmse_of_rows(np.resize(np.arange(n), FILMS)) for n in (200, 100, 20)]
    blocks = [rmse_of_rows(films // (FILMS // n)) for n in (200, 100, 20)]
check(
    "6",
    hashed,
    expected,
    tolerance=2e-3,
    mistakes=[
        (expected[::-1], "The first number is that of 200 rows."),
        (blocks, "Neighbours share a row there: use the remainder, not the quotient."),
    ],
)

# %% [markdown]
# ## 7 · Extend
#
# Write `rank(scores, own)`: the place of a film with the score `own` among all `scores` (its own is among them), by counting, without sorting. Films with equal scores share
# the mean of their places, so that a constant model gets no advantage.
#
# <details><summary>Hint</summary>How many are higher, and how many are equal? Of three equal ones after two higher ones, the places are 3, 4 and 5.</details>

# %%
rank = ...


# BEGIN SOLUTION
def rank(scores, own):
    """1 is the best; equal scores share the mean of their places."""
    return (scores > own).sum() + ((scores == own).sum() + 1) / 2


# END SOLUTION

# %%
scores = np.array([0.5, 0.9, 0.5, 0.1, 0.5, 0.9])
yours = ... if rank is ... else attempt(lambda: [float(rank(scores, own)) for own in scores])
places = {how: rankdata(-scores, how) for how in ("average", "min", "max", "ordinal")}
check(
    "7",
    yours,
    places["average"],
    mistakes=[
        (places["min"], "That is the best of their places: a constant model would be first everywhere."),
        (places["max"], "That is the worst of their places."),
        (places["average"] - 1, "Places begin with 1."),
    ],
)
