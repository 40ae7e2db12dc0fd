# %% [markdown]
# # 07 · Exercises: recommendations
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [07](../07_recommendations.ipynb); the [solutions](../solutions/07_recommendations.ipynb).

# %%
import numpy as np

import movierec
from movierec.play import Quiz, attempt, check, load_or_train
from movierec.recommend import STARS_WEIGHT

data = movierec.load("ml-100k")
model = load_or_train()
USER = 42

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/07.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Five films have these scores, and two of them have been seen. Which row of the table is recommended first?
#
# <details><summary>Hint</summary>Strike out first, then look for the largest.</details>

# %%
scores = np.array([2.0, 5.0, 4.0, 1.0, 3.0])
seen = np.array([False, True, False, False, True])
first = 2  # SOLUTION

# %%
check(
    "1",
    first,
    int(np.argmax(np.where(seen, -np.inf, scores))),
    mistakes=[
        (1, "That film has been seen: the most frequent bug of recommenders."),
        (4.0, "That is its score; the question was its row."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# Retrieval gives film A a score of 6.0 and film B 5.5. The stars head expects 3 stars for A and 4 for B. What is each film's final score, with the
# course's `STARS_WEIGHT`? Give both as a tuple.
#
# <details><summary>Hint</summary><code>score + STARS_WEIGHT * stars</code>, for each.</details>

# %%
finals = (6.0 + STARS_WEIGHT * 3, 5.5 + STARS_WEIGHT * 4)  # SOLUTION

# %%
check(
    "2",
    finals,
    (6.0 + STARS_WEIGHT * 3, 5.5 + STARS_WEIGHT * 4),
    mistakes=[
        ((9.0, 9.5), "You added the stars with a weight of 1."),
        ((6.0, 5.5), "Those are the scores of retrieval alone."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# A newcomer gives *Fargo* 5 stars; another gives it 1 star. Both get a list of 10. Which titles are in the first list and not in the second? A set.
#
# <details><summary>Hint</summary><code>set(first["title"]) - set(second["title"])</code>.</details>

# %%
lost = ...
# BEGIN SOLUTION
loved = model.recommend_new({"Fargo (1996)": 5}, k=10)
hated = model.recommend_new({"Fargo (1996)": 1}, k=10)
lost = set(loved["title"]) - set(hated["title"])
# END SOLUTION

# %%
lists = [set(model.recommend_new({"Fargo (1996)": stars}, k=10)["title"]) for stars in (5, 1)]
check(
    "3",
    lost,
    lists[0] - lists[1],
    mistakes=[(lists[1] - lists[0], "The other way round."), (lists[0] & lists[1], "Those are in both.")],
)

# %% [markdown]
# ## 4 · Change
#
# Which film of user 42's history has the largest share, dot and linear together, in the score of *Amadeus*? Its title.
#
# <details><summary>Hint</summary><code>model.explain("Amadeus (1984)", USER)</code>; keep the paths "dot" and "linear", then group by <code>because</code>.</details>

# %%
reason = ...
# BEGIN SOLUTION
parts = model.explain("Amadeus (1984)", USER)
from_history = parts[parts["path"].isin(["dot", "linear"])]
reason = from_history.groupby("because")["contribution"].sum().idxmax()
# END SOLUTION

# %%
every = model.explain("Amadeus (1984)", USER)
by_film = every[every["path"].isin(["dot", "linear"])].groupby("because")["contribution"].sum()
only_dot = every[every["path"] == "dot"].groupby("because")["contribution"].sum()
check(
    "4",
    reason,
    by_film.idxmax(),
    mistakes=[
        (only_dot.idxmax(), "That is the largest share of the dot product alone."),
        (by_film.idxmin(), "That film speaks against it most."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# This function shall leave out what has been seen. It runs, and it is wrong. Mend it.
#
# <details><summary>Hint</summary>What is a <code>movie_id</code>, and what is a column of <code>scores</code>?</details>


# %%
def best_unseen(scores, seen_movie_ids, indices, k=5):
    """The movie_ids of the k best films that are not in `seen_movie_ids`."""
    scores, columns = scores.copy(), np.array(seen_movie_ids)
    # BEGIN SOLUTION
    columns = indices.movie_index(columns)
    # END SOLUTION
    scores[columns] = -np.inf
    return indices.movie_ids[np.argsort(-scores)[:k]].tolist()


# %% [markdown]
# It stood so in a real project. What does it strike out?

# %%
own_scores = model.score(model.indices.user_index([USER]))[0]
own_seen = model.seen.loc[model.seen["user_id"] == USER, "movie_id"].tolist()
wanted = model.indices.movie_ids[
    [i for i in np.argsort(-own_scores) if model.indices.movie_ids[i] not in set(own_seen)][:5]
].tolist()
struck = own_scores.copy()
struck[own_seen] = -np.inf
unmended = model.indices.movie_ids[np.argsort(-struck)[:5]].tolist()
yours = attempt(best_unseen, own_scores, own_seen, model.indices)
check("5", ... if yours == unmended else yours, wanted)

# %% [markdown]
# ## 6 · Extend
#
# Write `mmr(relevance, vectors, weight, k)`: the rows of k films, chosen one by one, each with the largest
# (1 − weight) · relevance − weight · (largest cosine to those chosen); the first by relevance alone. Vectors have length 1.
#
# <details><summary>Hint</summary><code>vectors @ vectors[chosen].T</code> has the cosines; <code>.max(axis=1)</code> the largest; what is chosen must not come again.</details>

# %%
mmr = ...


# BEGIN SOLUTION
def mmr(relevance, vectors, weight, k):
    """Maximal marginal relevance, greedily."""
    chosen = [int(np.argmax(relevance))]
    while len(chosen) < k:
        gain = (1 - weight) * relevance - weight * (vectors @ vectors[chosen].T).max(axis=1)
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    return chosen


# END SOLUTION


# %%
relevance, angles = np.array([1.0, 0.9, 0.8, 0.2]), np.array([0.0, 0.1, 1.2, 2.6])
vectors = np.column_stack([np.cos(angles), np.sin(angles)])
yours = attempt(mmr, relevance, vectors, 0.5, 3)
check(
    "6",
    yours,
    [0, 3, 2],
    mistakes=[
        ([0, 1, 2], "That is the order of relevance: does the weight do anything?"),
        ([0, 0, 0], "A film that is chosen must not be chosen again."),
    ],
)
