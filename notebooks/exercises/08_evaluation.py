# %% [markdown]
# # 08 · Exercises: who wins, and can we trust it?
#
# Write your answer where you find `...`. The cell after it says whether it is right and, for the usual mistakes, why not. Run the notebook from top to bottom
# first: nothing is attempted yet, and nothing breaks. Back to [08](../08_evaluation.ipynb); the [solutions](../solutions/08_evaluation.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec.baselines import Ease, Popularity
from movierec.data import make_indices
from movierec.evaluation import bootstrap_interval, evaluate_ranking
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)
rng = np.random.default_rng(0)


def test_ndcg(scorer):
    """Mean NDCG@10 on the test part."""
    return evaluate_ranking(scorer, split, indices, k=10)["ndcg@10"].mean()


# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/08.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Three differences in NDCG with their 95 % intervals: which are sure? A list of True and False.
#
# <details><summary>Hint</summary>Is zero inside?</details>

# %%
intervals = [(0.001, 0.012), (-0.003, 0.020), (-0.030, -0.002)]
sure = [True, False, True]  # SOLUTION

# %%
check(
    "1",
    sure,
    [low > 0 or high < 0 for low, high in intervals],
    mistakes=[
        ([True, False, False], "The last one is sure, too: sure to be worse."),
        ([True, True, True], "The second interval holds zero."),
    ],
)

# %% [markdown]
# ## 2 · Change
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
    "2",
    mean_and_better,
    (difference.mean(), int((difference > 0).sum())),
    mistakes=[
        ((difference.mean(), int((difference >= 0).sum())), "A tie is not better."),
        ((-difference.mean(), int((difference < 0).sum())), "The other way round."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Popularity, `k=20` instead of 10: what is its catalogue coverage on test? (`evaluate_ranking(...).attrs["coverage"]`)
#
# <details><summary>Hint</summary><code>evaluate_ranking(Popularity(split.train, indices), split, indices, k=20)</code>.</details>

# %%
coverage = ...
# BEGIN SOLUTION
table = evaluate_ranking(Popularity(split.train, indices), split, indices, k=20)
coverage = table.attrs["coverage"]
# END SOLUTION

# %%
popularity = Popularity(split.train, indices)
covered = {k: evaluate_ranking(popularity, split, indices, k=k).attrs["coverage"] for k in (10, 20)}
check(
    "3",
    coverage,
    covered[20],
    mistakes=[
        (covered[10], "That is with k = 10."),
        (20 / indices.num_movies, "All would have to see the same twenty; but what one has seen is left out."),
    ],
)

# %% [markdown]
# ## 4 · Find the bug
#
# A model that gives every film the *same* score has learned nothing. This `hit` calls it perfect. Mend it: of films with equal scores those with the smaller
# index come first.
#
# <details><summary>Hint</summary>Count the films that come before: a larger score, or an equal one and a smaller index.</details>


# %%
def hit(scores, relevant, k):
    """Whether the film with index `relevant` is among the k best."""
    before = (scores > scores[relevant]).sum()
    # BEGIN SOLUTION
    before = before + (scores[:relevant] == scores[relevant]).sum()
    # END SOLUTION
    return bool(before < k)


# %%
constant, mixed = np.ones(100), np.array([3.0, 1, 3, 2, 3])
answers = [
    attempt(hit, constant, 50, 10),
    attempt(hit, constant, 5, 10),
    attempt(hit, mixed, 4, 2),
    attempt(hit, mixed, 2, 2),
]
raised = [answer for answer in answers if isinstance(answer, Exception)]
check(
    "4",
    ... if answers == [True, True, True, True] else raised[0] if raised else answers,
    [False, True, False, True],
    mistakes=[
        ([False, False, False, False], "Counting all equal ones as better is as wrong the other way."),
    ],
)

# %% [markdown]
# ## 5 · Change
#
# "Our model finds the film among the ten best nearly always!" It was ranked among 100 **sampled** films. This model gives the right film a score that is better than
# that of 95 % of 1,682 films. How often (a share from 0 to 1) is the film among the ten best of the 100 sampled films and itself, and how often when *all* films are ranked? A tuple.
#
# <details><summary>Hint</summary>Each sampled film is better with probability .05: <code>rng.binomial(100, 0.05, size=200_000)</code> draws how many are, many times. In what share are they fewer than ten? And how many of 1,682 are better?</details>

# %%
shares = ...
# BEGIN SOLUTION
better_films = np.random.default_rng(1).binomial(100, 0.05, size=200_000)
shares = ((better_films < 10).mean(), 0.0)  # of all films, 84 are better
# END SOLUTION

# %%
better = rng.random((200_000, 100)) < 1 - 0.95
among_sampled = (better.sum(axis=1) < 10).mean()
among_all = float(0.05 * 1682 < 10)
check(
    "5",
    shares,
    (among_sampled, among_all),
    tolerance=0.003,
    mistakes=[
        (
            (0.95, among_all),
            "It is better than 95 % of the films; how often are fewer than ten of a hundred better than it?",
        ),
        ((among_sampled, among_sampled), "Of all films, 5 % are better: are they fewer than ten?"),
    ],
)

# %% [markdown]
# ## 6 · Change
#
# Build a leak: fit EASE (its default price) on train **and** test, and measure it on test. How many times its honest NDCG@10 does it reach?
#
# <details><summary>Hint</summary><code>pd.concat([split.train, split.test])</code> is the leaking train part; the split for measuring stays.</details>

# %%
times = ...
# BEGIN SOLUTION
cheat = Ease(pd.concat([split.train, split.test]), indices)
honest = Ease(split.train, indices)
times = test_ndcg(cheat) / test_ndcg(honest)
# END SOLUTION

# %%
parts = {"honest": [split.train], "test": [split.train, split.test], "validation": [split.train, split.validation]}
reached = {name: test_ndcg(Ease(pd.concat(part), indices)) for name, part in parts.items()}
check(
    "6",
    times,
    reached["test"] / reached["honest"],
    tolerance=1e-3,
    mistakes=[
        (reached["test"], "That is the NDCG@10 of the leaking model; divide it by the honest one."),
        (
            reached["validation"] / reached["honest"],
            "That is the validation part: no leak, as it is older than the test part.",
        ),
        (reached["honest"] / reached["test"], "The other way round."),
    ],
)

# %% [markdown]
# ## 7 · Extend
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
    "7",
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
