# %% [markdown]
# # 10 · Exercises: self-attention
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [10](../10_self_attention.ipynb); the [solutions](../solutions/10_self_attention.ipynb).

# %%
import numpy as np

import movierec
from movierec import evaluation
from movierec.baselines import MarkovChain
from movierec.data import make_indices
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_leave_last(data.ratings)

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/10.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# A place asks with the query (1, 2). The three places it may look at have the keys (2, 0), (0, 1), (1, 1). With dim 2, what are the three logits,
# before the softmax? A list.
#
# <details><summary>Hint</summary>Query times key, divided by √dim.</details>

# %%
logits = (np.array([[2, 0], [0, 1], [1, 1]]) @ [1, 2] / np.sqrt(2)).tolist()  # SOLUTION

# %%
products = np.array([2.0, 2.0, 3.0])
check(
    "1",
    logits,
    (products / np.sqrt(2)).tolist(),
    mistakes=[
        (products.tolist(), "Those are the products; divide by √dim."),
        ((products / 2).tolist(), "You divided by dim, not by its root."),
        ((np.exp(products / np.sqrt(2)) / np.exp(products / np.sqrt(2)).sum()).tolist(), "That is after the softmax."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# A window has 5 films, with no empty place, and one more came after the newest of them. How many of the 25 attention weights may be other than 0, and how many questions does the
# window ask? A tuple.
#
# <details><summary>Hint</summary>Place 0 looks at itself, place 1 at two, …; and each place asks for its next film.</details>

# %%
counted = (15, 5)  # SOLUTION

# %%
check(
    "2",
    counted,
    (15, 5),
    mistakes=[
        ((25, 5), "Places do not look into their future."),
        ((10, 5), "Each place may look at itself, too."),
        ((15, 1), "Every place asks, not the newest alone."),
        ((15, 4), "What came after the newest film is asked for, too."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# `MarkovChain(..., damping=d)`: choose $d$ on **validation** among 0, 10, 100, 1000 and 10000, by NDCG@10 of all films that come next. Your answer is the best $d$.
#
# <details><summary>Hint</summary><code>evaluation.evaluate_ranking(chain, split, indices, part="validation", liked_from=0)["ndcg@10"].mean()</code>, in a loop.</details>

# %%
indices = make_indices(split.train, data.movies)
best_damping = ...
# BEGIN SOLUTION
quality = {}
for damping in (0, 10, 100, 1000, 10_000):
    chain = MarkovChain(split.train, indices, damping=damping)
    ranked = evaluation.evaluate_ranking(chain, split, indices, part="validation", liked_from=0)
    quality[damping] = ranked["ndcg@10"].mean()
best_damping = max(quality, key=quality.get)
# END SOLUTION


# %%
def chosen(part, liked_from=0):
    """The damping that is best on a part."""
    values = {}
    for damping in (0, 10, 100, 1000, 10_000):
        chain = MarkovChain(split.train, indices, damping=damping)
        ranked = evaluation.evaluate_ranking(chain, split, indices, part=part, liked_from=liked_from)
        values[damping] = ranked["ndcg@10"].mean()
    return max(values, key=values.get)


check(
    "3",
    best_damping,
    chosen("validation"),
    mistakes=[
        (chosen("test"), "That is the best on test: it was not to be looked at."),
        (chosen("validation", 4), "That counts only films of four stars and more; here all that come next count."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# Somebody claims that the newest film is enough. Let the chain read the film *before* the newest one instead: by how much does its NDCG@10 on validation fall? A number, above 0 if it
# falls.
#
# <details><summary>Hint</summary>A chain has <code>newest</code>, the film that it reads of each user. <code>split.train</code> without each user's newest row gives another one.</details>

# %%
fall = ...
# BEGIN SOLUTION
chain = MarkovChain(split.train, indices)
ordered = split.train.sort_values(["user_id", "timestamp"], kind="stable")
without_newest = ordered[ordered["user_id"].duplicated(keep="last")]
earlier = MarkovChain(split.train, indices)
earlier.newest = MarkovChain(without_newest, indices).newest
values = [
    evaluation.evaluate_ranking(one, split, indices, part="validation", liked_from=0)["ndcg@10"].mean()
    for one in (chain, earlier)
]
fall = values[0] - values[1]
# END SOLUTION

# %%
rows = split.train.sort_values(["user_id", "timestamp"], kind="stable")
before = rows[rows["user_id"].duplicated(keep="last")].groupby("user_id").tail(1)
one, other = MarkovChain(split.train, indices), MarkovChain(split.train, indices)
other.newest = other.newest.copy()
other.newest[indices.user_index(before["user_id"])] = indices.movie_index(before["movie_id"])
mean = [
    evaluation.evaluate_ranking(chain, split, indices, part="validation", liked_from=0)["ndcg@10"].mean()
    for chain in (one, other)
]
check(
    "4",
    fall,
    mean[0] - mean[1],
    mistakes=[(mean[1] - mean[0], "The other way round."), (mean[1], "That is what is left, not the fall.")],
    tolerance=1e-4,
)

# %% [markdown]
# ## 5 · Find the bug
#
# This attention has a wonderful train loss and useless lists. Mend it.
#
# <details><summary>Hint</summary>What does <code>np.tril</code> keep, and what must not be seen? Print <code>may_look</code> for three places.</details>


# %%
def causal_attention(query, key, value):
    """Output [places, dim]; no place looks into its future."""
    match = query @ key.T / np.sqrt(query.shape[1])
    may_look = np.triu(np.ones_like(match, dtype=bool))
    # BEGIN SOLUTION
    may_look = np.tril(np.ones_like(match, dtype=bool))
    # END SOLUTION
    weights = np.exp(match) * may_look
    return weights / weights.sum(axis=1, keepdims=True) @ value


# %%
rng = np.random.default_rng(0)
q, k, v = rng.normal(size=(3, 4, 2))
look = np.exp(q @ k.T / np.sqrt(2))


def averaged(may_look):
    """The mean of the values with these places allowed."""
    weights = look * may_look
    return weights / weights.sum(axis=1, keepdims=True) @ v


square = np.ones((4, 4))
yours = attempt(causal_attention, q, k, v)
unmended = not isinstance(yours, Exception) and np.allclose(yours, averaged(np.triu(square)))
check(
    "5",
    ... if unmended else yours,
    averaged(np.tril(square)),
    mistakes=[
        (averaged(square), "Now every place sees everything."),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# The chain of the notebook knows one film. Write `two_films(chain, users)`: the mean of the chain's rows for the newest film and the one before, for those users that `previous` names; the newest
# weighs 2, the one before 1. It must be a scorer: rows of `users`, a column for each film.
#
# <details><summary>Hint</summary><code>chain.chance[chain.newest[users]]</code> are the rows of the newest; <code>chain.chance[previous[users]]</code> those of the film before.</details>

# %%
previous = one.newest.copy()
previous[indices.user_index(before["user_id"])] = indices.movie_index(before["movie_id"])
two_films = ...


# BEGIN SOLUTION
def two_films(chain, users):
    """(2 · newest + 1 · the one before) / 3."""
    return (2 * chain.chance[chain.newest[users]] + chain.chance[previous[users]]) / 3


# END SOLUTION


# %%
users = np.array([3, 0, 7])
newest, earlier_rows = one.chance[one.newest[users]], one.chance[previous[users]]
check(
    "6",
    attempt(two_films, one, users),
    (2 * newest + earlier_rows) / 3,
    mistakes=[
        ((newest + earlier_rows) / 2, "The newest weighs twice as much."),
        (2 * newest + earlier_rows, "Right but for the sum of the weights; a mean divides by 3."),
        ((newest + 2 * earlier_rows) / 3, "You weighed the older film more."),
    ],
    tolerance=1e-5,
)
