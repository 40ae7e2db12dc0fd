# %% [markdown]
# # 04 · Exercises: vectors of users and movies
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [04](../04_embeddings.ipynb); the [solutions](../solutions/04_embeddings.ipynb).

# %%
import numpy as np

import movierec
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
quiz = Quiz("../exercises/questions/04.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# x = (1, −2, 0.5), y = (2, 1, 4), the mean is 3.5, b_u = 0.2, b_i = −0.1. What does matrix factorisation with biases predict?
#
# <details><summary>Hint</summary>μ + b_u + b_i + ⟨x, y⟩.</details>

# %%
predicted = 3.5 + 0.2 - 0.1 + (1 * 2 - 2 * 1 + 0.5 * 4)  # SOLUTION

# %%
check("1", predicted, 5.6, mistakes=[(2.0, "That is the dot product alone."), (3.6, "Those are the biases alone.")])

# %% [markdown]
# ## 2 · Recall
#
# 943 users, 1,682 movies, vectors of 32 numbers, and a bias for each. How many numbers are learned?
#
# <details><summary>Hint</summary>Each row has 32 + 1.</details>

# %%
numbers = (943 + 1682) * (32 + 1)  # SOLUTION

# %%
check(
    "2",
    numbers,
    (943 + 1682) * 33,
    mistakes=[
        ((943 + 1682) * 32, "The biases are missing."),
        (943 * 1682 * 32, "There is no vector for a pair; that is the point."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# One step of gradient descent on ½(r − ⟨x, y⟩)² for x, with learning rate 0.1: x = (1, 0), y = (2, 1), r = 4. What is the new x? A list.
#
# <details><summary>Hint</summary>The gradient for x is −(r − ⟨x, y⟩) · y.</details>

# %%
new_x = [1 + 0.1 * (4 - 2) * 2, 0 + 0.1 * (4 - 2) * 1]  # SOLUTION

# %%
check(
    "3",
    new_x,
    [1.4, 0.2],
    mistakes=[
        ([0.6, -0.2], "That goes uphill: the step is *against* the gradient."),
        ([1.2, 0.0], "That moved along x; the gradient points along y."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# Which of these four vectors is most *like* the first by cosine, and which has the largest *product* with it? A tuple of two rows, 1 to 3.
#
# <details><summary>Hint</summary>Divide by the lengths for one, not for the other.</details>

# %%
vectors = np.array([[1.0, 1.0], [0.5, 0.4], [4.0, 0.5], [-1.0, 1.0]])
nearest_and_largest = (1, 2)  # SOLUTION

# %%
products = vectors[1:] @ vectors[0]
cosines = products / np.linalg.norm(vectors[1:], axis=1)
check(
    "4",
    nearest_and_largest,
    (1 + int(cosines.argmax()), 1 + int(products.argmax())),
    mistakes=[
        ((2, 1), "The other way round: a long vector has large products without pointing the same way."),
        ((0, 1), "Rows are counted from 0, and row 0 is the film itself."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# A table of embeddings has one row for each movie *index*. This function gives it raw ids. On MovieLens-100K it even runs. Mend it.
#
# <details><summary>Hint</summary><code>indices.movie_index</code>.</details>


# %%
def vectors_of(table, movie_ids, indices):
    """The rows of these movies, float [n, dim]."""
    rows = np.asarray(movie_ids) % len(table)  # so that it does not crash (!)
    # BEGIN SOLUTION
    rows = indices.movie_index(np.asarray(movie_ids))
    # END SOLUTION
    return table[rows]


# %%
table = np.arange(2.0 * indices.num_movies).reshape(-1, 2)
yours = attempt(vectors_of, table, [1, 50, 1682], indices)
as_given = table[np.array([1, 50, 1682]) % len(table)]
untouched = not isinstance(yours, Exception) and np.array_equal(yours, as_given)
check("5", ... if untouched else yours, table[indices.movie_index(np.array([1, 50, 1682]))])

# %% [markdown]
# ## 6 · Extend
#
# Write `flatten(vectors)`: their projection on the two directions along which they spread most (PCA): centre the columns, then the singular value decomposition.
#
# <details><summary>Hint</summary><code>np.linalg.svd(centred, full_matrices=False)</code> returns u, s, vt; the coordinates are centred @ vt[:2].T.</details>

# %%
flatten = ...


# BEGIN SOLUTION
def flatten(vectors):
    """float [n, 2]."""
    centred = vectors - vectors.mean(axis=0)
    _, _, vt = np.linalg.svd(centred, full_matrices=False)
    return centred @ vt[:2].T


# END SOLUTION


# %%
cloud = rng.normal(size=(200, 5)) @ np.diag([5, 3, 1, 0.5, 0.1]) + 7
spread = np.linalg.svd(cloud - cloud.mean(axis=0), compute_uv=False)[:2]
yours = attempt(flatten, cloud)
yours = np.linalg.norm(yours, axis=0) if isinstance(yours, np.ndarray) else yours
raw = np.linalg.svd(cloud, full_matrices=False)
check(
    "6",
    yours,
    spread,
    mistakes=[
        (
            np.linalg.norm(cloud @ raw[2][:2].T, axis=0),
            "The columns are not centred: the first direction is only the mean.",
        )
    ],
)
