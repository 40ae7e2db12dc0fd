# %% [markdown]
# # 05 · Exercises: build on the hybrid
#
# Write your answer where you find `...`. The cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [05](../05_hybrid_model.ipynb); the [solutions](../solutions/05_hybrid_model.ipynb).

# %%
import numpy as np

import movierec
from movierec import models
from movierec.baselines import Popularity
from movierec.data import make_indices
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf, tfrs
from movierec.models import first_hybrid
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)
known = first_hybrid.make_known(split, indices, data.movies, data.users)
rows = first_hybrid.make_rows(split.train, indices, first_hybrid.places(split.train))
some = {name: tf.constant(column[::4000]) for name, column in rows.items()}  # a small batch


# %% [markdown]
# `losses_of` trains your model for a few epochs. The classes are those that you typed in notebook 05.


# %%
def made(model_class, **settings):
    """Return an untrained model, always from the same seed."""
    tf.keras.utils.set_random_seed(0)
    model = model_class(known, **settings)
    model(some)  # builds its layers
    return model


def losses_of(model, epochs=2):
    """Return the train loss after each epoch."""
    return first_hybrid.train(model, rows, epochs)["loss"].tolist()


# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/05.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# How many parameters does step 2 add to step 1, with vectors of 32 numbers? Use the shapes of `known.user_features` and
# `known.movie_features`.
#
# <details><summary>Hint</summary>Two Dense layers without bias; each has a row for every feature.</details>

# %%
added = 32 * (known.user_features.shape[1] + known.movie_features.shape[1])  # SOLUTION

# %%
per_row = known.user_features.shape[1] + known.movie_features.shape[1]
check(
    "1",
    added,
    made(models.WithFeatures).count_params() - made(models.MatrixFactorisation).count_params(),
    mistakes=[
        (per_row, "Each feature has a whole vector, not one number."),
        (32 * per_row + 64, "These layers have no bias."),
    ],
)

# %% [markdown]
# ## 2 · Change
#
# Write a class `LeaveOneOut(models.WithBag)` whose bag has everything that the user rated, also later, but not the movie that is asked for. Its
# `bag(batch)` returns float32 [batch, num_movies]. (`known.place` is infinite where a user has not rated a movie.)
#
# <details><summary>Hint</summary><code>tf.one_hot(batch["movie_index"], self.known.num_movies)</code> is 1 at the movie asked for.</details>

# %%
LeaveOneOut = ...


# BEGIN SOLUTION
class LeaveOneOut(models.WithBag):
    """The answer is out; the future is in."""

    def bag(self, batch):
        place = tf.gather(self.known.place, batch["user_index"])
        asked = tf.one_hot(batch["movie_index"], self.known.num_movies)
        return tf.cast(place < np.inf, tf.float32) * (1 - asked)


# END SOLUTION


# %%
def judge_bag(model_class):
    """Say what is wrong with the bag of a small batch; "" if nothing is."""
    bag = np.asarray(made(model_class).bag(some))
    all_rated = known.place.numpy()[some["user_index"]] < np.inf
    if bag[np.arange(len(bag)), some["movie_index"]].any():
        return "the answer is in the bag"
    return "" if bag.sum() == all_rated.sum() - len(bag) else "some other movies are missing or too many"


check("2", attempt(... if LeaveOneOut is ... else judge_bag, LeaveOneOut))

# %% [markdown]
# ## 3 · Change
#
# Write `Deeper(models.WithMLP)`: the same model, but `self.mlp` has two hidden layers, of 64 and 32 numbers. Before training it must predict what
# `models.WithBag` predicts. Then it is trained for two epochs.
#
# <details><summary>Hint</summary>Call <code>super().__init__(known, **settings)</code>, then put another <code>tf.keras.Sequential</code> into
# <code>self.mlp</code>; the last layer starts from zeros.</details>

# %%
Deeper = ...


# BEGIN SOLUTION
class Deeper(models.WithMLP):
    """Two hidden layers instead of one."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        self.mlp = tf.keras.Sequential()
        self.mlp.add(tf.keras.layers.Dropout(0.5))
        self.mlp.add(tf.keras.layers.Dense(64, activation="relu"))
        self.mlp.add(tf.keras.layers.Dense(32, activation="relu"))
        self.mlp.add(tf.keras.layers.Dense(1, kernel_initializer="zeros"))


# END SOLUTION


# %%
def judge_path(model_class, enough_weights):
    """Say whether a path of stars fails to start from zero, to have enough weights, or to learn; "" if not."""
    model = made(model_class)
    without = models.WithBag.stars(model, some, *model.vectors(some))
    if not np.allclose(model(some), without, atol=1e-6):
        return "the new path does not start at zero"
    if model.count_params() - made(models.WithBag).count_params() < enough_weights:
        return "there are fewer weights than these layers have"
    first, last = losses_of(model)
    return "" if last < first else "the loss does not fall"


deep_weights = 3 * 32 * 64 + 64 * 32
check("3", attempt(... if Deeper is ... else judge_path, Deeper, deep_weights))

# %% [markdown]
# ## 4 · Recall
#
# All scores are 0, and the batch has 256 rows, each with another movie. What is the loss of `tfrs.tasks.Retrieval`, as a mean over the rows?
#
# <details><summary>Hint</summary>Each of the 256 movies has the same share.</details>

# %%
loss_at_start = np.log(256)  # SOLUTION

# %%
task = tfrs.tasks.Retrieval(loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True))
at_start = float(task(tf.zeros([256, 4]), tf.zeros([256, 4])))
why = [(256 * at_start, "That is the sum over the rows, TFRS's default."), (1 / 256, "That is the share itself.")]
check("4", loss_at_start, at_start, mistakes=why, tolerance=1e-3)

# %% [markdown]
# ## 5 · Extend
#
# [`tfrs.layers.dcn.Cross`](https://www.tensorflow.org/recommenders/api_docs/python/tfrs/layers/dcn/Cross) multiplies its input with a linear
# function of itself. Write `WithCross(models.WithBag)`: its stars add a `Cross` layer on x and y, side by side, and then one `Dense` layer that
# starts from zeros. It is trained for two epochs.
#
# <details><summary>Hint</summary>Copy <code>models.WithMLP</code>; <code>self.cross = tfrs.layers.dcn.Cross()</code> keeps the shape.</details>

# %%
WithCross = ...


# BEGIN SOLUTION
class WithCross(models.WithBag):
    """Stars also get a cross layer on both vectors."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        self.cross = tfrs.layers.dcn.Cross()
        self.last = tf.keras.layers.Dense(1, kernel_initializer="zeros")

    def stars(self, batch, x, y, training=False):
        return super().stars(batch, x, y, training) + self.last(self.cross(tf.concat([x, y], axis=1)))


# END SOLUTION

# %%
cross_weights = 64 * 64 + 64
check("5", attempt(... if WithCross is ... else judge_path, WithCross, cross_weights))

# %% [markdown]
# ## 6 · Extend
#
# Write `masked(movies)`: how many entries of the batch's square matrix are masked because two rows have the same movie? The diagonal
# is never masked.
#
# <details><summary>Hint</summary>A movie that is there n times masks n² − n entries.</details>

# %%
masked = ...


# BEGIN SOLUTION
def masked(movies):
    """Pairs of different rows with the same movie."""
    _, count = np.unique(movies, return_counts=True)
    return int((count**2 - count).sum())


# END SOLUTION

# %%
batch = rows["movie_index"][:1024]
same = int((batch[:, None] == batch[None, :]).sum())
why = [(same, "The diagonal is counted, too."), ((same - 1024) // 2, "A pair is masked in both of its rows.")]
check("6", attempt(masked, batch), same - 1024, mistakes=why)

# %% [markdown]
# ## 7 · Extend
#
# Write `IdsOnly(models.TwoTowers)`: the vectors of users and movies are the rows of their tables and nothing else. It is trained for three
# epochs. Then compare: is its list better than popularity?
#
# <details><summary>Hint</summary>Two methods, each of which calls <code>models.MatrixFactorisation.user_vector(self, batch)</code> or its
# like.</details>

# %%
IdsOnly = ...


# BEGIN SOLUTION
class IdsOnly(models.TwoTowers):
    """Two tables, no features, no bag."""

    def user_vector(self, batch):
        return models.MatrixFactorisation.user_vector(self, batch)

    def movie_vector(self, movie_index):
        return models.MatrixFactorisation.movie_vector(self, movie_index)


# END SOLUTION


# %%
def ndcg(scorer):
    """Return NDCG@10 on validation."""
    return evaluate_ranking(scorer, split, indices, part="validation")["ndcg@10"].mean()


def judge_ids(model_class):
    """Say whether the vectors are not those of the tables, "" if they are; print how good the list is."""
    model = made(model_class)
    x, y = model.vectors(some)
    if not (np.allclose(x, model.user(some["user_index"])) and np.allclose(y, model.movie(some["movie_index"]))):
        return "a vector holds more than a row of a table"
    losses_of(model, epochs=3)
    better = ndcg(lambda users: first_hybrid.score(model, users)) > ndcg(Popularity(split.train, indices))
    print("better than popularity:", bool(better))
    return ""


check("7", attempt(... if IdsOnly is ... else judge_ids, IdsOnly))
