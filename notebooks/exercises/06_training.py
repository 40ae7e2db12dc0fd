# %% [markdown]
# # 06 · Exercises: training and comparing
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [06](../06_training.ipynb); the [solutions](../solutions/06_training.ipynb).

# %%
import numpy as np

from movierec.evaluation import bootstrap_interval
from movierec.play import Quiz, attempt, check

rng = np.random.default_rng(0)

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/06.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Validation RMSE by epoch is given below; patience is 2. Which epoch's weights are kept, and after which epoch does training stop? A tuple, epochs from 1.
#
# <details><summary>Hint</summary>Stop when the best is two epochs old.</details>

# %%
by_epoch = [1.00, 0.97, 0.95, 0.96, 0.955, 0.94, 0.93]
kept_and_stopped = (3, 5)  # SOLUTION

# %%
check(
    "1",
    kept_and_stopped,
    (3, 5),
    mistakes=[
        ((7, 7), "It would have got there, but patience ran out before."),
        ((3, 4), "That is a patience of 1."),
        ((5, 5), "The weights of the best epoch are kept, not those of the last."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# Three differences in NDCG with their 95 % intervals: which are sure? A list of True and False.
#
# <details><summary>Hint</summary>Is zero inside?</details>

# %%
intervals = [(0.001, 0.012), (-0.003, 0.020), (-0.030, -0.002)]
sure = [True, False, True]  # SOLUTION

# %%
check(
    "2",
    sure,
    [True, False, True],
    mistakes=[
        ([True, False, False], "The last one is sure, too: sure to be worse."),
        ([True, True, True], "The second interval holds zero."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Two models on eight users. What is the mean difference, and how many users does the first serve better? A tuple.
#
# <details><summary>Hint</summary>User by user: subtract first.</details>

# %%
first = np.array([0.2, 0.0, 0.5, 0.3, 0.1, 0.9, 0.0, 0.4])
second = np.array([0.1, 0.0, 0.4, 0.4, 0.0, 0.5, 0.1, 0.4])
mean_and_better = ((first - second).mean(), int((first > second).sum()))  # SOLUTION

# %%
difference = first - second
check(
    "3",
    mean_and_better,
    (difference.mean(), int((difference > 0).sum())),
    mistakes=[
        ((difference.mean(), int((difference >= 0).sum())), "A tie is not better."),
        ((-difference.mean(), int((difference < 0).sum())), "The other way round."),
    ],
)

# %% [markdown]
# ## 4 · Find the bug
#
# An epoch of four batches ended with these losses. A framework prints the last one as *the* loss of the epoch. What should it print?
#
# <details><summary>Hint</summary>The batches are equally large.</details>

# %%
losses = [0.9, 0.8, 0.7, 0.2]  # the last batch happened to be easy
loss_of_the_epoch = float(np.mean(losses))  # SOLUTION

# %%
check("4", loss_of_the_epoch, 0.65, mistakes=[(0.2, "That is the last batch's."), (2.6, "That is the sum.")])

# %% [markdown]
# ## 5 · Find the bug
#
# "Our model finds the film among the ten best in 90 % of all cases!" It was ranked among 100 *sampled* films. This model gives the right film a score that is better than
# that of 95 % of 1,682 films. In how many of 100 cases is it among the ten best when *all* films are ranked?
#
# <details><summary>Hint</summary>How many of 1,682 films are before it?</details>

# %%
cases = 0  # SOLUTION

# %%
check(
    "5",
    cases,
    0,
    mistakes=[
        (90, "That is what was claimed, among a hundred sampled films."),
        (95, "Better than 95 % of all is behind 84 films: is that among the ten best?"),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# Write `paired_interval(first, second, rng)`: the 95 % interval of the mean difference, from 4,000 samples of *users*, drawn with replacement.
#
# <details><summary>Hint</summary>Draw users, not values of each model for itself: <code>rng.integers(len(first), size=(4000, len(first)))</code>.</details>

# %%
paired_interval = ...


# BEGIN SOLUTION
def paired_interval(first, second, rng):
    """Low and high."""
    drawn = rng.integers(len(first), size=(4000, len(first)))
    return np.quantile((first - second)[drawn].mean(axis=1), [0.025, 0.975])


# END SOLUTION


# %%
users = rng.normal(size=300)  # some are easy to serve, for both models
one, other = users + 0.1 + 0.05 * rng.normal(size=300), users + 0.05 * rng.normal(size=300)
unpaired = 1.96 * np.sqrt(one.var() / 300 + other.var() / 300)
check(
    "6",
    attempt(paired_interval, one, other, np.random.default_rng(1)),
    bootstrap_interval(one - other),
    tolerance=0.003,
    mistakes=[
        (
            [0.1 - unpaired, 0.1 + unpaired],
            "That draws the models' users apart, and so measures how much users differ.",
        ),
    ],
)
