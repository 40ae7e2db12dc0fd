# %% [markdown]
# # 03 · Exercises: the floor and the ruler
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [03](../03_baselines.ipynb); the [solutions](../solutions/03_baselines.ipynb).

# %%
import numpy as np

import movierec
from movierec import evaluation
from movierec.baselines import Popularity
from movierec.data import make_indices
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)
rng = np.random.default_rng(0)

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
# A list of three has a hit at rank 1 and at rank 3; two films are relevant. What is its NDCG@3?
#
# <details><summary>Hint</summary>A hit at rank r gains 1 / log₂(r + 1). The best possible list has its hits at 1 and 2.</details>

# %%
ndcg = (1 / np.log2(2) + 1 / np.log2(4)) / (1 / np.log2(2) + 1 / np.log2(3))  # SOLUTION

# %%
check(
    "1",
    ndcg,
    1.5 / (1 + 1 / np.log2(3)),
    mistakes=[
        (1.5, "That is DCG; divide it by that of the best list."),
        (2 / 3, "That is precision."),
        (1.0, "Only if the hits stood first."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# The same list: what are its precision and its recall? A tuple.
#
# <details><summary>Hint</summary>Of the list; of what is relevant.</details>

# %%
precision_and_recall = (2 / 3, 2 / 2)  # SOLUTION

# %%
check("2", precision_and_recall, (2 / 3, 1.0), mistakes=[((1.0, 2 / 3), "The other way round.")])

# %% [markdown]
# ## 3 · Change
#
# Popularity, `k=20` instead of 10: what is its catalogue coverage on test? (`evaluate_ranking(...).attrs["coverage"]`)
#
# <details><summary>Hint</summary><code>evaluation.evaluate_ranking(Popularity(split.train, indices), split, indices, k=20)</code>.</details>

# %%
coverage = ...
# BEGIN SOLUTION
table = evaluation.evaluate_ranking(Popularity(split.train, indices), split, indices, k=20)
coverage = table.attrs["coverage"]
# END SOLUTION

# %%
popularity = Popularity(split.train, indices)
covered = {k: evaluation.evaluate_ranking(popularity, split, indices, k=k).attrs["coverage"] for k in (10, 20)}
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
# ## 4 · Change
#
# How similar are *Star Wars* (movie_id 50) and *Return of the Jedi* (181), by the cosine of who rated them in train?
#
# <details><summary>Hint</summary>Sets of user_ids: how many are in both, by √(size · size).</details>

# %%
cosine = ...
# BEGIN SOLUTION
one, other = (set(split.train.loc[split.train["movie_id"] == movie_id, "user_id"]) for movie_id in (50, 181))
cosine = len(one & other) / np.sqrt(len(one) * len(other))
# END SOLUTION

# %%
who = [set(split.train.loc[split.train["movie_id"] == movie_id, "user_id"]) for movie_id in (50, 181)]
both = len(who[0] & who[1])
check(
    "4",
    cosine,
    both / np.sqrt(len(who[0]) * len(who[1])),
    mistakes=[
        (both / len(who[0] | who[1]), "That is Jaccard's: shared by all; cosine divides by the root of the product."),
        (both, "That is how many rated both."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
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
    "5",
    ... if answers == [True, True, True, True] else raised[0] if raised else answers,
    [False, True, False, True],
    mistakes=[
        ([False, False, False, False], "Counting all equal ones as better is as wrong the other way."),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# Write EASE: `ease(rated, regularisation)`. With G = XᵀX, P = (G + λI)⁻¹ and B_ij = −P_ij / P_jj, and zeros on the diagonal.
#
# <details><summary>Hint</summary><code>-P / np.diag(P)</code> divides each column by its own diagonal element.</details>

# %%
ease = ...


# BEGIN SOLUTION
def ease(rated, regularisation):
    """float [movies, movies]."""
    p = np.linalg.inv(rated.T @ rated + regularisation * np.eye(rated.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


# END SOLUTION


# %%
rated = (rng.random((30, 6)) < 0.4).astype(float)
p = np.linalg.inv(rated.T @ rated + 5 * np.eye(6))
wanted = -p / np.diag(p) * (1 - np.eye(6))
check(
    "6",
    attempt(ease, rated, 5),
    wanted,
    mistakes=[
        (-p / np.diag(p), "A film must not predict itself: zeros on the diagonal."),
        ((-p.T / np.diag(p)).T * (1 - np.eye(6)), "Rows were divided; divide the columns."),
    ],
)
