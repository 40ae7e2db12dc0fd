# %% [markdown]
# # 09 · Exercises: people and films
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [09](../09_people_and_films.ipynb); the [solutions](../solutions/09_people_and_films.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec import evaluation
from movierec.baselines import Ease, FromContent, Popularity, about
from movierec.data import features, make_indices
from movierec.evaluation import groups
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/09.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Three films last 80, 100 and 120 minutes; of a fourth it is not known. What does a model get for the four? A list of four numbers.
#
# <details><summary>Hint</summary>Less the mean, by the standard deviation (of all three: divide by three), and unknown is the mean.</details>

# %%
minutes = pd.Series([80.0, 100.0, 120.0, np.nan])
standard = ((minutes - minutes.mean()) / minutes.std(ddof=0)).fillna(0).tolist()  # SOLUTION

# %%
right = ((minutes - minutes.mean()) / minutes.std(ddof=0)).fillna(0)
filled = minutes.fillna(0)
check(
    "1",
    standard,
    right.tolist(),
    mistakes=[
        (((minutes - minutes.mean()) / minutes.std()).fillna(0).tolist(), "That is the deviation with ddof=1."),
        (((filled - filled.mean()) / filled.std(ddof=0)).tolist(), "You took the unknown length to be 0 minutes."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# There are seven age groups, and each is compared with the others. The smallest plain p is .02. What is it after Holm's correction?
#
# <details><summary>Hint</summary>The smallest of m is multiplied by m.</details>

# %%
corrected = 7 * 0.02  # SOLUTION

# %%
check(
    "2",
    corrected,
    0.14,
    mistakes=[
        (0.02, "That is not corrected."),
        (0.02 / 7, "Divided: then everything would be sure."),
        (0.12, "That is for six."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# How many of the films have the word *love* in their title, and how many ratings in train has such a film in the mean? A tuple, the mean to one decimal.
#
# <details><summary>Hint</summary><code>about.title_words(data.movies)</code> has the column "word=love"; <code>value_counts</code> of train, and 0 for films without one.</details>

# %%
love = ...
# BEGIN SOLUTION
words = about.title_words(data.movies)
with_love = words.loc[words["word=love"] > 0, "movie_id"]
ratings_of = split.train["movie_id"].value_counts().reindex(with_love).fillna(0)
love = (len(with_love), round(float(ratings_of.mean()), 1))
# END SOLUTION

# %%
table = about.title_words(data.movies)
named = table.loc[table["word=love"] > 0, "movie_id"]
counted = split.train["movie_id"].value_counts().reindex(named)
check(
    "3",
    love,
    (len(named), round(float(counted.fillna(0).mean()), 1)),
    mistakes=[
        ((len(named), round(float(counted.mean()), 1)), "Films without a rating are films, too: they count as 0."),
        (
            (float(table["word=love"].sum()), round(float(counted.fillna(0).mean()), 1)),
            "A share is not a film: count those above 0.",
        ),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# By occupation: in which group of 20 users or more is NDCG@10 of popularity highest? Its name.
#
# <details><summary>Hint</summary><code>evaluation.evaluate_ranking(Popularity(…), split, indices)["ndcg@10"]</code>, then <code>groups.by_group</code>.</details>

# %%
indices = make_indices(split.train, data.movies)
occupation = data.users.set_index("user_id")["occupation"]
best = ...
# BEGIN SOLUTION
quality = evaluation.evaluate_ranking(Popularity(split.train, indices), split, indices)["ndcg@10"]
best = groups.by_group(quality, occupation).set_index("group")["mean"].idxmax()
# END SOLUTION

# %%
popular = evaluation.evaluate_ranking(Popularity(split.train, indices), split, indices)["ndcg@10"]
by_occupation = groups.by_group(popular, occupation).set_index("group")
check(
    "4",
    best,
    by_occupation["mean"].idxmax(),
    mistakes=[
        (popular.groupby(occupation).mean().idxmax(), "That group has fewer than 20 users."),
        (by_occupation["users"].idxmax(), "That is the largest group."),
        (by_occupation["mean"].idxmin(), "That is the lowest."),
    ],
)

# %% [markdown]
# And does it differ from the others, beyond luck? Look at `p_holm` before you explain why.
#
# ## 5 · Find the bug
#
# This function joins running times to the films, for a model. It runs, and the numbers stand beside the wrong films. Mend it.
#
# <details><summary>Hint</summary>In what order are the rows of <code>times</code>, and in what order must they be?</details>


# %%
def minutes_of(movie_ids, times):
    """Standardised minutes of each of `movie_ids`, 0 where `times` (movie_id, minutes) has none. [M]"""
    column = times["minutes"].reindex(range(len(movie_ids)))
    # BEGIN SOLUTION
    column = times.set_index("movie_id")["minutes"].reindex(movie_ids)
    # END SOLUTION
    return ((column - column.mean()) / column.std(ddof=0)).fillna(0).to_numpy()


# %%
wanted_ids = np.array([2, 5, 7, 9])
times = pd.DataFrame({"movie_id": [9, 2, 5], "minutes": [150.0, 90.0, 120.0]})
expected = features.table_features(times, "movie_id", wanted_ids).values[:, 0]
by_place = times["minutes"].reindex(range(4))
unmended = ((by_place - by_place.mean()) / by_place.std(ddof=0)).fillna(0).to_numpy()
yours = attempt(minutes_of, wanted_ids, times)
same = isinstance(yours, np.ndarray) and np.allclose(yours, unmended)
check("5", ... if same else np.round(yours, 4) if isinstance(yours, np.ndarray) else yours, expected.round(4))

# %% [markdown]
# ## 6 · Extend
#
# Write `continued(scores, content, is_rated, pull)`: the scores `[U, M]`, in which the columns of films without ratings are filled by a ridge regression from content `[M, d]`, as
# `FromContent` does.
#
# <details><summary>Hint</summary>Center content by the mean of the rated films, and scores by each user's mean over them; solve (XᵀX + pull · I) for d numbers a user.</details>

# %%
continued = ...


# BEGIN SOLUTION
def continued(scores, content, is_rated, pull):
    """A ridge regression from content to scores, for all users at once."""
    x = content - content[is_rated].mean(axis=0)
    mean = scores[:, is_rated].mean(axis=1, keepdims=True)
    warm = x[is_rated]
    taste = np.linalg.solve(
        warm.T @ warm + pull * np.eye(x.shape[1]), warm.T @ (scores[:, is_rated] - mean).T
    )  # [d, U]
    filled = scores.copy()
    filled[:, ~is_rated] = mean + (x[~is_rated] @ taste).T
    return filled


# END SOLUTION


# %%
hidden = groups.hide_movies(split, seed=7)
at = make_indices(hidden.split.train, data.movies)
content = features.movie_features(data.movies, at).values.astype(float)
is_rated = np.isin(at.movie_ids, hidden.split.train["movie_id"])
ease = Ease(hidden.split.train, at)
scores = ease(np.arange(4)).astype(float)
new = ~is_rated


# %%
def first(filled):
    """The filled columns of four users, rounded."""
    return np.round(filled[:, new], 3) if isinstance(filled, np.ndarray) else filled


yours = attempt(lambda: continued if continued is ... else continued(scores, content, is_rated, 10.0))
expected = FromContent(ease, content, is_rated, 10.0)(np.arange(4))
uncentred = np.linalg.solve(
    content[is_rated].T @ content[is_rated] + 10 * np.eye(content.shape[1]), content[is_rated].T @ scores[:, is_rated].T
)
check(
    "6",
    first(yours),
    first(expected.astype(float)),
    mistakes=[
        (first(scores), "Nothing is filled yet."),
        (
            np.round((content[new] @ uncentred).T, 3),
            "You did not center: then the pull is towards 0, not towards the mean.",
        ),
    ],
)
