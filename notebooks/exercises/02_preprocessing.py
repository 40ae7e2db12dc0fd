# %% [markdown]
# # 02 · Exercises: from files to batches
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [02](../02_preprocessing.ipynb); the [solutions](../solutions/02_preprocessing.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec.data import batches, features, make_indices
from movierec.keras2 import tf
from movierec.play import Quiz, attempt, check
from movierec.play.exercises import Verdict

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)


def judge(name, yours, truth, mistakes=(), tolerance=1e-6):
    """Say whether an answer is right; if not, give the reason, not the solution."""
    verdict = check(name, yours, truth, tolerance=tolerance)
    if verdict.state != "not yet" or isinstance(yours, Exception):
        return verdict
    reasons = [why for value, why in mistakes if check(name, yours, value, tolerance=tolerance).state == "right"]
    return Verdict(name, "not yet", (reasons or ["Not one of the usual slips: read the question again."])[0])


# %% [markdown]
# ## Four questions first
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
judge(
    "1",
    indices,
    pd.Index(sorted({10, 30, 20})).get_indexer([30, 10, 99]),
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
rules = {"by_user_time": split, "by_time": movierec.split_by_time(data.ratings)}
rules |= {"leave_last": movierec.split_leave_last(data.ratings), "random5": movierec.split_random5(data.ratings)[0]}
judge(
    "2",
    shuffled,
    next(name for name, rule in rules.items() if rule.in_time is None),
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
judge(
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
# For which share of the users does the cut between *training* and *validation* lie inside one second? A number from 0 to 1.
#
# <details><summary>Hint</summary>The newest training time and the oldest validation time of each user, by <code>groupby("user_id")["timestamp"]</code>.</details>

# %%
tied = ...
# BEGIN SOLUTION
newest_train = split.train.groupby("user_id")["timestamp"].max()
oldest_validation = split.validation.groupby("user_id")["timestamp"].min()
tied = (newest_train == oldest_validation).mean()
# END SOLUTION

# %%
moments = {name: getattr(split, name).groupby("user_id")["timestamp"] for name in ("train", "validation", "test")}
both = split.train.merge(split.validation, on=["user_id", "timestamp"])["user_id"].nunique()
judge(
    "4",
    tied,
    both / split.train["user_id"].nunique(),
    tolerance=1e-4,
    mistakes=[
        ((moments["validation"].max() == moments["test"].min()).mean(), "That is the cut between validation and test."),
        (
            (moments["train"].max() == moments["test"].min()).mean(),
            "That is the cut between training and test: all of validation in one second.",
        ),
        (both, "That is the number of users; the question was the share."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# `movie_means` gives each movie's mean stars, as an input of a model. It looks at ratings that it must not know. Repair it.
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
judge(
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
judge(
    "6",
    yours["movie_id"] if isinstance(yours, pd.DataFrame) else yours,
    in_time.last(),
    mistakes=[
        (in_time.first(), "Those are the oldest."),
        (some.loc[some.groupby("user_id")["timestamp"].idxmax(), "movie_id"], "Of equal times you took the first."),
    ],
)

# %% [markdown]
# ## 7 · Change
#
# Change the pipeline. Write `with_liked(pipeline)`: the same batches with one more column, `liked`, a float32 that is 1 for 4 stars or more, else 0. A later model could
# learn this instead of the stars.
#
# <details><summary>Hint</summary><code>pipeline.map(function)</code>, where the function gets a dict and returns a larger one; <code>tf.cast(…, tf.float32)</code>.</details>

# %%
indices = make_indices(split.train, data.movies)
rows = features.rating_rows(split.train, indices, features.make_weeks(split.train))
with_liked = ...


# BEGIN SOLUTION
def with_liked(pipeline):
    """The batches with the column `liked`."""
    return pipeline.map(lambda batch: {**batch, "liked": tf.cast(batch["rating"] >= 4, tf.float32)})


# END SOLUTION


# %%
def first_batch(function):
    """The liked column of the first batch, and the stars beside it."""
    batch = next(iter(function(batches(rows, 512, seed=1))))
    tf.debugging.assert_type(batch["liked"], tf.float32)
    return np.stack([batch["liked"].numpy(), batch["rating"].numpy()])


plain = next(iter(batches(rows, 512, seed=1)))["rating"].numpy()
judge(
    "7",
    ... if with_liked is ... else attempt(first_batch, with_liked),
    np.stack([np.isin(plain, [4.0, 5.0]).astype(np.float32), plain]),
    mistakes=[
        (np.stack([plain == 5.0, plain]).astype(np.float32), "4 stars are relevant, too."),
        (np.stack([plain, plain]), "That is the column of stars."),
    ],
)
