# %% [markdown]
# # 03 · Exercises: the floor
#
# Write your answer where you find `...`. The cell after it says whether it is right and, for the usual mistakes, why not. Run the notebook from top to bottom
# first: nothing is attempted yet, and nothing breaks. Back to [03](../03_baselines.ipynb); the [solutions](../solutions/03_baselines.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec.baselines import Bias, Ease, ItemKnn, Popularity
from movierec.data import make_indices
from movierec.evaluation import evaluate_ranking, evaluate_stars, metrics
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)
rng = np.random.default_rng(0)


def validation_ndcg(scorer):
    """Mean NDCG@10 on the validation part."""
    return evaluate_ranking(scorer, split, indices, part="validation", k=10)["ndcg@10"].mean()


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
# ## 2 · Change
#
# Popularity of **today**: fit it only on the newest 10,000 ratings of train, by `timestamp` (the order of rows with equal times does not matter). What is its NDCG@10 on validation?
#
# <details><summary>Hint</summary><code>split.train.nlargest(10_000, "timestamp")</code> is a smaller train part; the indices stay those of all.</details>

# %%
recent_ndcg = ...
# BEGIN SOLUTION
recent_ndcg = validation_ndcg(Popularity(split.train.nlargest(10_000, "timestamp"), indices))
# END SOLUTION

# %%
parts = {"newest": split.train.nlargest(10_000, "timestamp"), "oldest": split.train.nsmallest(10_000, "timestamp")}
of_part = {name: validation_ndcg(Popularity(part, indices)) for name, part in parts.items()}
check(
    "2",
    recent_ndcg,
    of_part["newest"],
    tolerance=1e-4,
    mistakes=[
        (validation_ndcg(Popularity(split.train, indices)), "That is popularity of all time."),
        (of_part["oldest"], "Those are the oldest ratings."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Fit the biases with `damping_movie` of 0.5, 5 and 50 (and `damping_user=5`). Which of the three has the smallest RMSE on validation?
#
# <details><summary>Hint</summary><code>evaluate_stars(Bias(…), split, part="validation").attrs["rmse"]</code></details>

# %%
best_damping = ...
# BEGIN SOLUTION
errors = {}
for damping in (0.5, 5, 50):
    model = Bias(split.train, indices, damping_movie=damping, damping_user=5)
    errors[damping] = evaluate_stars(model, split, part="validation").attrs["rmse"]
best_damping = min(errors, key=errors.get)
# END SOLUTION

# %%
measured = pd.Series(
    {
        value: evaluate_stars(
            Bias(split.train, indices, damping_movie=value, damping_user=5), split, "validation"
        ).attrs["rmse"]
        for value in (0.5, 5, 50)
    }
)
check(
    "3",
    best_damping,
    measured.idxmin(),
    mistakes=[(measured.idxmax(), "That one has the largest error: RMSE is better where it is lower.")],
)

# %% [markdown]
# ## 4 · Find the bug
#
# This item-kNN recommends to everybody what they have watched already: the films themselves get the largest similarity. Mend it.
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
answer = attempt(similarities, rated, 2)
untouched = not isinstance(answer, Exception) and (np.diag(answer) > 0.5).all()
check(
    "4",
    ... if untouched else answer,
    ItemKnn(toy, make_indices(toy), neighbours=6, shrinkage=2).similarity,
    tolerance=1e-5,
    mistakes=[(np.zeros((6, 6)), "Now no film is similar to any other.")],
)

# %% [markdown]
# ## 5 · Extend
#
# Write EASE: `ease(rated, price)` returns the weights B. With G = XᵀX, P = (G + λI)⁻¹: B_ij = −P_ij / P_jj, and zeros on the diagonal.
#
# <details><summary>Hint</summary><code>-P / np.diag(P)</code> divides each column by its own diagonal element.</details>

# %%
ease = ...


# BEGIN SOLUTION
def ease(rated, price):
    """float [movies, movies]."""
    p = np.linalg.inv(rated.T @ rated + price * np.eye(rated.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


# END SOLUTION


# %%
wanted = Ease.solve(rated, 5.0)
answer = attempt(ease, rated, 5.0)
no_rule = isinstance(answer, np.ndarray) and answer.shape == wanted.shape and np.abs(np.diag(answer)).max() > 1e-9
check(
    "5",
    np.diag(answer) if no_rule else answer,
    np.zeros(6) if no_rule else wanted,
    tolerance=1e-4,
    mistakes=[
        (np.diag(answer) if no_rule else None, "A film must not predict itself."),
        (wanted.T, "Rows were divided by the diagonal; divide the columns."),
        (-wanted, "The sign is missing."),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# Two baselines in one: write `blend(one, other, weight)`, a scorer. It gives each user `weight` times the scores of `one` plus `1 - weight` times those of `other`, after the
# scores of each model were divided by their largest value for that user. Does it beat both with EASE, item-kNN and a weight of one half?
#
# <details><summary>Hint</summary>Return a function of user_index; <code>scores / scores.max(axis=1, keepdims=True)</code>.</details>

# %%
blend = ...


# BEGIN SOLUTION
def blend(one, other, weight):
    """A scorer made of two."""

    def scorer(user_index):
        first, second = (scores / scores.max(axis=1, keepdims=True) for scores in (one(user_index), other(user_index)))
        return weight * first + (1 - weight) * second

    return scorer


# END SOLUTION


# %%
members = Ease(split.train, indices, 150), ItemKnn(split.train, indices, indices.num_movies, 1)
scorer = attempt(blend, *members, 0.25)
somebody = np.arange(5)
largest = [model(somebody).max(axis=1, keepdims=True) for model in members]
scaled = [model(somebody) / high for model, high in zip(members, largest, strict=True)]
check(
    "6",
    attempt(scorer, somebody) if callable(scorer) else scorer,
    0.25 * scaled[0] + 0.75 * scaled[1],
    tolerance=1e-4,
    mistakes=[
        (0.75 * scaled[0] + 0.25 * scaled[1], "The weight belongs to the first model."),
        (0.25 * members[0](somebody) + 0.75 * members[1](somebody), "The two models have two units: divide first."),
    ],
)
