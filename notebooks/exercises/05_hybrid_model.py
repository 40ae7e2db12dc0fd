# %% [markdown]
# # 05 · Exercises: the paths of the hybrid
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [05](../05_hybrid_model.ipynb); the [solutions](../solutions/05_hybrid_model.ipynb).

# %%
import numpy as np

from movierec.models import Settings
from movierec.play import Quiz, attempt, check

rng = np.random.default_rng(0)
settings = Settings()

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
# Somebody rated four films, whose vectors (implicit and explicit together) are the rows below; all weights are 1. What is their bag?
#
# <details><summary>Hint</summary>The sum, divided by √4.</details>

# %%
rated = np.array([[1.0, 0.0], [1.0, 2.0], [0.0, 2.0], [2.0, 0.0]])
bag = rated.sum(axis=0) / np.sqrt(4)  # SOLUTION

# %%
check(
    "1",
    bag,
    [2.0, 2.0],
    mistakes=[
        ([1.0, 1.0], "That is the mean; with √n more films still say more."),
        ([4.0, 4.0], "That is the sum."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# In a history in order the weight of a rating is floor + (1 − floor) · exp(−age / fade). What are the weights of the newest rating and of one that is 10 ratings
# old? Use `settings.fade_floor` and `settings.fade_ratings`. A list.
#
# <details><summary>Hint</summary>The newest has age 0.</details>

# %%
weights = [1.0, settings.fade_floor + (1 - settings.fade_floor) * np.exp(-10 / settings.fade_ratings)]  # SOLUTION

# %%
floor, fade = settings.fade_floor, settings.fade_ratings
check(
    "2",
    weights,
    [1.0, floor + (1 - floor) * np.exp(-10 / fade)],
    mistakes=[
        ([1.0, np.exp(-10 / fade)], "The floor is missing: old films never fall silent."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Four films have the logits below; film 1 is already in the history. What share does the softmax give to film 2?
#
# <details><summary>Hint</summary>What is in the history is no answer: leave it out of the sum.</details>

# %%
logits = np.array([1.0, 3.0, 2.0, 0.0])
share = np.exp(2.0) / (np.exp(1.0) + np.exp(2.0) + np.exp(0.0))  # SOLUTION

# %%
e = np.exp(logits)
check(
    "3",
    share,
    e[2] / (e[0] + e[2] + e[3]),
    mistakes=[
        (e[2] / e.sum(), "Film 1 takes part in your sum, and it cannot be an answer."),
        (2.0 / 3.0, "Shares of the logits are no softmax: exponentials first."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# In-batch softmax: film A has 10 % of train's ratings, film B 0.1 %. Both have the score 2. What are their logits with the correction −log q? A list.
#
# <details><summary>Hint</summary>A rare film gets a larger logit: it is drawn as a wrong answer too rarely.</details>

# %%
corrected = [2 - np.log(0.1), 2 - np.log(0.001)]  # SOLUTION

# %%
check(
    "4",
    corrected,
    [2 - np.log(0.1), 2 - np.log(0.001)],
    mistakes=[
        ([2 + np.log(0.1), 2 + np.log(0.001)], "Subtract log q; log q is negative."),
        ([2 - 10, 2 - 0.1], "Shares, not per cent, and their logarithm."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# While training, the rating that is to be predicted must not be in the bag: the model would read the answer. This `bag_for` forgets to leave it out.
#
# <details><summary>Hint</summary>Take its vector off the sum, and one off the count.</details>


# %%
def bag_for(vectors, asked):
    """The bag of a history float [n, dim] when row `asked` is to be predicted."""
    kept = vectors
    # BEGIN SOLUTION
    kept = np.delete(vectors, asked, axis=0)
    # END SOLUTION
    return kept.sum(axis=0) / np.sqrt(len(kept))


# %%
history = rng.normal(size=(5, 3))
yours = attempt(bag_for, history, 2)
untouched = not isinstance(yours, Exception) and np.allclose(yours, history.sum(axis=0) / np.sqrt(5))
wanted = np.delete(history, 2, axis=0).sum(axis=0) / 2
check(
    "5",
    ... if untouched else yours,
    wanted,
    mistakes=[
        ((history.sum(axis=0) - history[2]) / np.sqrt(5), "The sum is right; the count is still five."),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# Write `expected_stars(total, cuts, slope)`: stars as an ordered choice from 1 to 5, P(r > k) = σ(slope · (total − cut_k)), and 1 + Σ_k P(r > k) is expected.
#
# <details><summary>Hint</summary>σ(x) = 1 / (1 + exp(−x)); there are four cuts.</details>

# %%
expected_stars = ...


# BEGIN SOLUTION
def expected_stars(total, cuts, slope):
    """Stars from 1 to 5."""
    return 1 + (1 / (1 + np.exp(-slope * (total - cuts)))).sum()


# END SOLUTION


# %%
cuts = np.array([1.5, 2.5, 3.5, 4.5])
answers = attempt(lambda f: ... if f is ... else [f(total, cuts, 2.0) for total in (0.0, 3.0, 9.0)], expected_stars)
wanted = [1 + (1 / (1 + np.exp(-2.0 * (total - cuts)))).sum() for total in (0.0, 3.0, 9.0)]
check("6", answers, wanted, mistakes=[([value - 1 for value in wanted], "One star is certain: begin with 1.")])

# %% [markdown]
# ## 7 · Find the bug
#
# A model is shown pairs: a film that was watched, and one drawn by luck as a wrong answer, a *negative*. They shall be new in each epoch. Here they are drawn once, and
# the model learns to hate the same few films for ever.
#
# <details><summary>Hint</summary>Draw as many rows as there are epochs.</details>


# %%
def negatives_by_epoch(num_epochs, num_pairs, num_movies, rng):
    """A wrong answer for each pair in each epoch, int [num_epochs, num_pairs]."""
    drawn = np.tile(rng.integers(num_movies, size=num_pairs), (num_epochs, 1))
    # BEGIN SOLUTION
    drawn = rng.integers(num_movies, size=(num_epochs, num_pairs))
    # END SOLUTION
    return drawn


# %%
yours = attempt(negatives_by_epoch, 5, 200, 1000, np.random.default_rng(0))
if not isinstance(yours, Exception):
    films = len(np.unique(yours))
    print("different films that were ever a wrong answer:", films)
    epochs = len({tuple(row) for row in np.asarray(yours).tolist()})
    yours = ... if epochs == 1 and np.shape(yours) == (5, 200) else [*np.shape(yours), epochs]
check("7", yours, [5, 200, 5], mistakes=[([200, 5, 200], "One row an epoch: turn the two sizes round.")])
