# %% [markdown]
# # 02 · Exercises: from files to batches
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [02](../02_preprocessing.ipynb); the [solutions](../solutions/02_preprocessing.ipynb).

# %%
import pandas as pd

import movierec
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/02.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Train has the movie_ids 10, 30, 20 and 30. Indices follow the ids in ascending order. Which indices have the movies 30, 10 and 99? A list; -1 for unknown.
#
# <details><summary>Hint</summary>Each id once, sorted: which place has 30?</details>

# %%
indices = [2, 0, -1]  # SOLUTION

# %%
check(
    "1",
    indices,
    [2, 0, -1],
    mistakes=[
        ([1, 0, -1], "In the order of the file 30 is second; indices follow the sorted ids."),
        ([3, 1, -1], "Indices begin with 0."),
        ([2, 0, 3], "A movie that is not in train has no row of its own."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# In which split may a test rating be *older* than train ratings of the same user: "by_user_time", "by_time", "leave_last" or "random5"?
#
# <details><summary>Hint</summary>Which one shuffles?</details>

# %%
shuffled = "random5"  # SOLUTION

# %%
check(
    "2",
    shuffled,
    "random5",
    mistakes=[
        ("by_user_time", "There each user's newest are held out; only *other* users' ratings may be newer."),
        ("by_time", "There nothing of the future is known at all."),
        ("leave_last", "There the newest one is held out."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# `movierec.split_by_time(data.ratings)`: how many users of its test part have no rating in its train part?
#
# <details><summary>Hint</summary><code>set(…unique()) - set(…unique())</code>.</details>

# %%
strangers = ...
# BEGIN SOLUTION
by_time = movierec.split_by_time(data.ratings)
strangers = len(set(by_time.test["user_id"].unique()) - set(by_time.train["user_id"].unique()))
# END SOLUTION

# %%
later = movierec.split_by_time(data.ratings)
in_test, in_train = (set(part["user_id"].unique()) for part in (later.test, later.train))
check(
    "3",
    strangers,
    len(in_test - in_train),
    mistakes=[
        (len(in_test), "Those are all users of test."),
        (len(in_test & in_train), "Those are known."),
        (len(in_train - in_test), "The other way round."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# Hold out twice as much: `test=0.2` in `split_by_user_time`. How many rows has the test part?
#
# <details><summary>Hint</summary>A keyword of the function; the parts are <code>.train</code>, <code>.validation</code>, <code>.test</code>.</details>

# %%
rows_of_test = len(movierec.split_by_user_time(data.ratings, test=0.2).test)  # SOLUTION

# %%
check(
    "4",
    rows_of_test,
    len(movierec.split_by_user_time(data.ratings, test=0.2).test),
    mistakes=[
        (20_000, "Each user's share is rounded for itself, so it is not exactly a fifth."),
        (len(split.test), "That is with the default."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# `movie_means` shall give each movie's mean, to train with. It looks at ratings that it must not know. Mend it.
#
# <details><summary>Hint</summary>Which part may be looked at?</details>


# %%
def movie_means(split):
    """The mean stars of each movie."""
    known = pd.concat([split.train, split.validation, split.test])
    # BEGIN SOLUTION
    known = split.train
    # END SOLUTION
    return known.groupby("movie_id")["rating"].mean()


# %%
leaky = pd.concat([split.train, split.validation, split.test]).groupby("movie_id")["rating"].mean()
yours = attempt(movie_means, split)
untouched = isinstance(yours, pd.Series) and yours.equals(leaky)
honest = pd.concat([split.train, split.validation]).groupby("movie_id")["rating"].mean()
check(
    "5",
    ... if untouched else yours,
    split.train.groupby("movie_id")["rating"].mean(),
    mistakes=[
        (honest, "Validation is for choosing, not for fitting."),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# Write `newest(ratings)`: of each user the row of the newest rating; of equal times the last in the file. A DataFrame, users ascending.
#
# <details><summary>Hint</summary>Sort by time, stable, then <code>groupby("user_id").tail(1)</code>.</details>

# %%
newest = ...


# BEGIN SOLUTION
def newest(ratings):
    """One row a user."""
    return ratings.sort_values("timestamp", kind="stable").groupby("user_id").tail(1).sort_values("user_id")


# END SOLUTION


# %%
some = data.ratings[data.ratings["user_id"] <= 50]
yours = attempt(newest, some)
in_time = some.sort_values("timestamp", kind="stable").groupby("user_id")["movie_id"]
check(
    "6",
    yours["movie_id"] if isinstance(yours, pd.DataFrame) else yours,
    in_time.last(),
    mistakes=[
        (in_time.first(), "Those are the oldest."),
        (some.loc[some.groupby("user_id")["timestamp"].idxmax(), "movie_id"], "Of equal times you took the first."),
    ],
)
