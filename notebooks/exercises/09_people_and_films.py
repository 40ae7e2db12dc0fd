# %% [markdown]
# # 09 · Exercises: people and films
#
# Write your answer where you find `...`. The cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [09](../09_people_and_films.ipynb); the [solutions](../solutions/09_people_and_films.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec.baselines import Ease, FromContent, rated_matrix, title_words
from movierec.data import features, make_indices, make_movielens
from movierec.evaluation import groups
from movierec.play import Quiz, attempt, check
from movierec.play.exercises import truths_of_films as truths

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)

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
# Demographics are tested for four numbers of known ratings and for two models: eight comparisons. The smallest plain p is .004. What is it
# after Holm's correction?
#
# <details><summary>Hint</summary>The smallest of m is multiplied by m.</details>

# %%
corrected = 8 * 0.004  # SOLUTION

# %%
check("1", corrected, truths.smallest_of(0.004, comparisons=8))

# %% [markdown]
# ## 2 · Change
#
# Write a list for everybody in which each person counts the same number of ratings: take at most the first 20 train ratings (in time) of each
# person, and count. `capped` is a float array `[num_movies]`.
#
# <details><summary>Hint</summary>Sort <code>split.train</code> by <code>timestamp</code> (stable), then <code>groupby("user_id").head(20)</code>;
# <code>rated_matrix(rows, indices).sum(axis=0)</code> counts.</details>

# %%
capped = ...
# BEGIN SOLUTION
rows = split.train.sort_values("timestamp", kind="stable").groupby("user_id").head(20)
capped = np.asarray(rated_matrix(rows, indices).sum(axis=0))
# END SOLUTION

# %%
check("2", capped, truths.capped_counts(split.train, indices, most=20))

# %% [markdown]
# What does this list change in the gap between women and men? Measure it with `groups.by_group`, before you explain it.
#
# ## 3 · Change
#
# Write `continued(scores, content, is_rated, penalty)`: the scores `[U, M]`, in which the columns of films without ratings are filled by a ridge
# regression from content `[M, d]`, as `FromContent` does.
#
# <details><summary>Hint</summary>Center content by the mean of the rated films, and scores by each user's mean over them; solve (XᵀX + penalty · I) for d numbers a user.</details>

# %%
continued = ...


# BEGIN SOLUTION
def continued(scores, content, is_rated, penalty):
    """Fill the films without ratings by a ridge regression from content to scores, for all users at once."""
    x = content - content[is_rated].mean(axis=0)
    mean = scores[:, is_rated].mean(axis=1, keepdims=True)
    warm = x[is_rated]
    taste = np.linalg.solve(warm.T @ warm + penalty * np.eye(x.shape[1]), warm.T @ (scores[:, is_rated] - mean).T)
    filled = scores.copy()
    filled[:, ~is_rated] = mean + (x[~is_rated] @ taste).T
    return filled


# END SOLUTION


# %%
hidden = groups.hide_movies(split, seed=7)
at = make_indices(hidden.split.train, data.movies)
content = (features.movie_features(data.movies, at).values > 0).astype(float)
is_rated = np.isin(at.movie_ids, hidden.split.train["movie_id"])
ease = Ease(hidden.split.train, at)
scores = ease(np.arange(4)).astype(float)
yours = attempt(lambda: continued if continued is ... else continued(scores, content, is_rated, 10.0))
check("3", yours, truths.filled(scores, content, is_rated, 10.0))

# %% [markdown]
# ## 4 · Change
#
# Choose the penalty of `FromContent` for the words of the titles alone. Try 1, 10, 100 and 1,000 on this hidden set. Which has the highest mean
# NDCG@10 among the hidden films (`groups.evaluate_hidden`)?
#
# <details><summary>Hint</summary><code>groups.evaluate_hidden(FromContent(ease, words, is_rated, penalty), hidden, at)["ndcg@10"].mean()</code>.</details>

# %%
words = (features.table_features(title_words(data.movies), "movie_id", at.movie_ids).values > 0).astype(float)
best_penalty = ...
# BEGIN SOLUTION
found = {}
for penalty in (1, 10, 100, 1000):
    scorer = FromContent(ease, words, is_rated, penalty)
    found[penalty] = groups.evaluate_hidden(scorer, hidden, at)["ndcg@10"].mean()
best_penalty = max(found, key=found.get)
# END SOLUTION

# %%
check("4", best_penalty, truths.best_penalty(ease, words, is_rated, hidden, at, (1, 10, 100, 1000)))

# %% [markdown]
# ## 5 · Extend
#
# On small made data, train the ranking head twice without the hidden films: with `content_share=0` and with `content_share=0.5`. Both times use
# `heads=("ranking",)`, `ranking_epochs=6` and `seed=0`. `aucs` is a tuple: the mean AUC among the hidden films of both models.
#
# <details><summary>Hint</summary><code>movierec.fit_hybrid(short, made.movies, heads=…, content_share=…)</code>, then
# <code>groups.evaluate_hidden(model.score, new, model.indices)["auc"].mean()</code>.</details>

# %%
made = make_movielens(200, 150, 6_000)
new = groups.hide_movies(movierec.split_by_user_time(made.ratings), share=0.2, seed=0)
short = movierec.Split(new.split.train, None, new.split.test, new.split.in_time)
aucs = ...
# BEGIN SOLUTION
aucs = []
for share in (0.0, 0.5):
    settings = {"heads": ("ranking",), "ranking_epochs": 6, "seed": 0, "content_share": share}
    model = movierec.fit_hybrid(short, made.movies, **settings)
    aucs.append(groups.evaluate_hidden(model.score, new, model.indices)["auc"].mean())
aucs = tuple(aucs)
# END SOLUTION

# %%
check("5", aucs, truths.aucs_of_shares(short, made.movies, new, (0.0, 0.5), epochs=6))

# %% [markdown]
# ## 6 · Find the bug
#
# This function joins running times to the films, for a model. It runs, and the numbers stand beside the wrong films. Repair it.
#
# <details><summary>Hint</summary>In what order are the rows of <code>times</code>, and in what order must they be?</details>


# %%
def minutes_of(movie_ids, times):
    """Return standardised minutes of each of `movie_ids`, 0 where `times` (movie_id, minutes) has none. [M]"""
    column = times["minutes"].reindex(range(len(movie_ids)))
    # BEGIN SOLUTION
    column = times.set_index("movie_id")["minutes"].reindex(movie_ids)
    # END SOLUTION
    return ((column - column.mean()) / column.std(ddof=0)).fillna(0).to_numpy()


# %%
wanted_ids = np.array([2, 5, 7, 9])
times = pd.DataFrame({"movie_id": [9, 2, 5], "minutes": [150.0, 90.0, 120.0]})
as_handed_out = [1.2247, -1.2247, 0.0, 0.0]
yours = attempt(lambda: np.round(minutes_of(wanted_ids, times), 4))
expected = np.round(features.table_features(times, "movie_id", wanted_ids).values[:, 0], 4)
check("6", yours, expected, unchanged=as_handed_out)
