# %% [markdown]
# # 01 · Exercises: what is in the data
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [01](../01_exploration.ipynb); the [solutions](../solutions/01_exploration.ipynb).

# %%
import numpy as np

import movierec
from movierec.play import Quiz, attempt, check
from movierec.play.exercises import Verdict

data = movierec.load("ml-100k")
ratings = data.ratings


def judge(name, yours, truth, mistakes=(), tolerance=1e-6):
    """Say whether an answer is right; if not, give the reason, not the solution."""
    verdict = check(name, yours, truth, tolerance=tolerance)
    if verdict.state != "not yet" or isinstance(yours, Exception):
        return verdict
    reasons = [why for value, why in mistakes if check(name, yours, value, tolerance=tolerance).state == "right"]
    return Verdict(name, "not yet", (reasons or ["Not one of the usual slips: read the question again."])[0])


# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/01.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# 943 users, 1,682 movies, 100,000 ratings. Which share of all pairs is rated? A number from 0 to 1.
#
# <details><summary>Hint</summary>Ratings by pairs; how many pairs are there?</details>

# %%
density = 100_000 / (943 * 1682)  # SOLUTION

# %%
filled = ratings.pivot(index="user_id", columns="movie_id", values="rating").notna().to_numpy()
judge(
    "1",
    density,
    float(filled.mean()),
    mistakes=[
        (100 * float(filled.mean()), "That is in per cent."),
        (filled.sum() / sum(filled.shape), "A pair is a user *with* a movie: multiply, do not add."),
        (1 - float(filled.mean()), "That is the share of the empty cells."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# A movie has two ratings of 5 stars; the mean of all ratings is 3.5. What is its mean, damped by 10 ratings' worth of 3.5?
#
# <details><summary>Hint</summary>As if ten people had given it 3.5 as well.</details>

# %%
damped = (10 * 3.5 + 5 + 5) / (10 + 2)  # SOLUTION

# %%
judge(
    "2",
    damped,
    np.mean([5, 5] + 10 * [3.5]),
    mistakes=[
        (5.0, "That is the plain mean: two ratings, and the best film of all?"),
        ((3.5 + 5 + 5) / 3, "That is a damping of one rating."),
        (45 / 10, "Divide by all ratings, those of the damping and its own."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Which share of all ratings went to the 100 most rated movies?
#
# <details><summary>Hint</summary><code>value_counts()</code> is sorted.</details>

# %%
share_of_100 = ratings["movie_id"].value_counts().head(100).sum() / len(ratings)  # SOLUTION

# %%
counts = ratings["movie_id"].value_counts()
judge(
    "3",
    share_of_100,
    counts.head(100).sum() / len(ratings),
    mistakes=[
        (counts.head(100).sum(), "That is the number; the question was the share."),
        (100 / len(counts), "That is the share of the movies."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# How many users gave all of their ratings within one hour (3,600 seconds)?
#
# <details><summary>Hint</summary><code>groupby("user_id")["timestamp"].agg(["min", "max"])</code>.</details>

# %%
within_an_hour = ...
# BEGIN SOLUTION
times = ratings.groupby("user_id")["timestamp"].agg(["min", "max"])
within_an_hour = int((times["max"] - times["min"] < 3600).sum())
# END SOLUTION

# %%
span = ratings.groupby("user_id")["timestamp"].agg(np.ptp)
judge(
    "4",
    within_an_hour,
    int((span < 3600).sum()),
    tolerance=1e-3,
    mistakes=[
        (int((span < 60).sum()), "Timestamps are in seconds: an hour has 3,600."),
        (int((span < 86400).sum()), "That is within a day."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# A list of "the best films": the largest means first. It runs, and its first ten are films that a few people rated. Repair `best_films`: only films with at least
# `least` ratings compete.
#
# <details><summary>Hint</summary><code>agg(["mean", "count"])</code>, then keep the rows with enough.</details>


# %%
def best_films(ratings, least=50, k=10):
    """The movie_ids with the largest mean, best first; of equal ones the smaller id first."""
    table = ratings.groupby("movie_id")["rating"].agg(["mean", "count"])
    # BEGIN SOLUTION
    table = table[table["count"] >= least]
    # END SOLUTION
    return table.sort_values(["mean"], ascending=False, kind="stable").head(k).index.tolist()


# %%
table = ratings.groupby("movie_id")["rating"].agg(["mean", "count"]).sort_values("mean", ascending=False, kind="stable")
few = table.head(10).index.tolist()
yours = attempt(best_films, ratings)
judge(
    "5",
    ... if yours == few else yours,
    table[table["count"] >= 50].head(10).index.tolist(),
)

# %% [markdown]
# ## 6 · Extend
#
# Write `interval(values, rng)`: the 2.5 % and 97.5 % quantiles of the means of 2,000 samples drawn from `values` with replacement, each as large as `values`.
#
# <details><summary>Hint</summary><code>rng.choice(values, (2000, len(values)))</code> has one sample in each row.</details>

# %%
interval = ...


# BEGIN SOLUTION
def interval(values, rng):
    """The bootstrap interval of the mean."""
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


# END SOLUTION


# %%
fargo = ratings.loc[ratings["movie_id"] == 100, "rating"].to_numpy()[:200]
middle, half = fargo.mean(), 1.96 * fargo.std() / np.sqrt(len(fargo))
judge(
    "6",
    attempt(interval, fargo, np.random.default_rng(0)),
    [middle - half, middle + half],
    tolerance=0.01,
    mistakes=[
        (
            [middle - 1.96 * fargo.std(), middle + 1.96 * fargo.std()],
            "That is where single ratings lie; the mean of 200 is surer by a factor of √200.",
        ),
    ],
)

# %% [markdown]
# ## 7 · Change
#
# Which damping predicts best? Half of the ratings are `known`; the other half is `asked`, for movies with fewer than five known ratings. Compute the RMSE of the
# damped mean of the known ratings on the asked ones for the dampings 0, 1, 2, 5, 10 and 20. A list of six numbers.
#
# <details><summary>Hint</summary>(total + damping · mean) / (n + damping) for each asked rating; then the root of the mean squared difference to <code>asked["rating"]</code>.</details>

# %%
half = np.random.default_rng(0).random(len(ratings)) < 0.5
known = ratings[half].groupby("movie_id")["rating"].agg(["sum", "size"]).query("size < 5")
asked = ratings[~half & ratings["movie_id"].isin(known.index)]
total, n = known.loc[asked["movie_id"]].to_numpy().T  # of the movie of each asked rating
mean = ratings["rating"].mean()
six = ...
# BEGIN SOLUTION
six = []
for damping in (0, 1, 2, 5, 10, 20):
    predicted = (total + damping * mean) / (n + damping)
    six.append(np.sqrt(((asked["rating"] - predicted) ** 2).mean()))
print([round(float(error), 3) for error in six])
# END SOLUTION

# %%
stars_by_movie = ratings[half].groupby("movie_id")["rating"].apply(list)
guesses = asked["movie_id"].map(
    lambda movie: [np.mean(stars_by_movie[movie] + d * [mean]) for d in (0, 1, 2, 5, 10, 20)]
)
errors = np.array(guesses.tolist()) - asked["rating"].to_numpy()[:, None]
judge(
    "7",
    six,
    np.sqrt((errors**2).mean(axis=0)),
    mistakes=[
        ((errors**2).mean(axis=0), "That is the mean squared error; take its root."),
        (np.abs(errors).mean(axis=0), "That is the mean absolute error."),
    ],
)
