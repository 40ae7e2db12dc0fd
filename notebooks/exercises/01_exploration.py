# %% [markdown]
# # 01 · Exercises: what is in the data
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [01](../01_exploration.ipynb); the [solutions](../solutions/01_exploration.ipynb).

# %%
import numpy as np

import movierec
from movierec.play import Quiz, attempt, check
from movierec.play.exercises import truths

data = movierec.load("ml-100k")
ratings = data.ratings

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
check("1", density, truths.filled_share(ratings))

# %% [markdown]
# ## 2 · Recall
#
# A movie has two ratings of 5 stars; the mean of all ratings is 3.5. What is its mean, damped by 10 ratings' worth of 3.5?
#
# <details><summary>Hint</summary>As if ten people had given it 3.5 as well.</details>

# %%
damped = (10 * 3.5 + 5 + 5) / (10 + 2)  # SOLUTION

# %%
check("2", damped, truths.damped_mean([5, 5], mean=3.5, damping=10))

# %% [markdown]
# ## 3 · Change
#
# Which share of all ratings went to the 100 most rated movies?
#
# <details><summary>Hint</summary><code>value_counts()</code> is sorted.</details>

# %%
share_of_100 = ratings["movie_id"].value_counts().head(100).sum() / len(ratings)  # SOLUTION

# %%
check("3", share_of_100, truths.share_of_top(ratings, 100))

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
check("4", within_an_hour, truths.users_within(ratings, seconds=3600))

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
as_given = [814, 1122, 1189, 1201, 1293, 1467, 1500, 1536, 1599, 1653]  # films with three ratings at most
check("5", attempt(best_films, ratings), truths.best_means(ratings, least=50, k=10), unchanged=as_given)

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
one = attempt(interval, fargo, np.random.default_rng(0))
middle, half = fargo.mean(), 1.96 * fargo.std() / np.sqrt(len(fargo))
check(
    "6",
    one,
    [middle - half, middle + half],
    tolerance=0.02,
    mistakes=[
        (
            [middle - 1.96 * fargo.std(), middle + 1.96 * fargo.std()],
            "That is where single ratings lie. The mean of 200 is surer by a factor of √200.",
        ),
        ([middle + half, middle - half], "The lower end first."),
        ([middle, half], "Give the two ends, not the middle and the width."),
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
check("7", six, truths.damping_errors(known, asked, mean, (0, 1, 2, 5, 10, 20)))
