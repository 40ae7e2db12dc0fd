# %% [markdown]
# # 07 · Exercises: recommendations
#
# Write your answer where you find `...`. The cell after it says whether the answer is right, and if it is not, what to look at. Run all cells first:
# nothing is attempted yet, and nothing breaks. Back to [07](../07_recommendations.ipynb); the [solutions](../solutions/07_recommendations.ipynb).

# %%
import numpy as np

import movierec
from movierec import evaluation
from movierec.baselines import Popularity
from movierec.keras2 import tf
from movierec.play import Quiz, attempt, check, load_or_train
from movierec.recommend import CANDIDATES, gains

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
model = load_or_train()
indices, USER = model.indices, 42

# %% [markdown]
# ## Three questions first
#
# Click an answer. Each one has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/07.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Five films have these scores, and two of them have been seen. Which row is recommended first?
#
# <details><summary>Hint</summary>Remove the seen films first. Then look for the largest score.</details>

# %%
scores = np.array([2.0, 5.0, 4.0, 1.0, 3.0])
seen = np.array([False, True, False, False, True])
first = 2  # SOLUTION

# %%
best = evaluation.top_k(scores[None] - 100 * seen, 1)[0, 0]
check(
    "1",
    first if first is ... else first == best,
    True,
    mistakes=[(False, "Is the film unseen? And did you give its row, counted from 0, and not its score?")],
)

# %% [markdown]
# ## 2 · Change
#
# **Another retrieval.** Retrieve the hundred candidates by popularity instead of the ranking head. What is recall@100 on the *validation* part, as a mean over users?
#
# <details><summary>Hint</summary><code>Popularity(split.train, indices)</code> is a scorer, and <code>evaluate_ranking(…, part="validation", k=100)</code> measures it.</details>

# %%
recall = ...
# BEGIN SOLUTION
table = evaluation.evaluate_ranking(Popularity(split.train, indices), split, indices, part="validation", k=100)
recall = table["recall@100"].mean()
# END SOLUTION

# %%
by_popularity = Popularity(split.train, indices)
measured = {
    (part, k): evaluation.evaluate_ranking(by_popularity, split, indices, part=part, k=k)[f"recall@{k}"].mean()
    for part, k in (("validation", CANDIDATES), ("test", CANDIDATES), ("validation", 10))
}
is_near = [recall is not ... and abs(recall - value) < 1e-6 for value in measured.values()]
reasons = [(1, "You measured the test part."), (2, "You counted ten candidates, not a hundred.")]
reasons += [(-1, "Is it the mean over users of the column recall@100, by popularity?")]
check("2", recall if recall is ... else (is_near.index(True) if any(is_near) else -1), 0, mistakes=reasons)

# %% [markdown]
# The next two exercises train something. Both use the candidates of every user who liked at least one of them in the validation part:
# the score, the expected stars, and whether the film was liked, each as an array of users × candidates.

# %%
everybody = np.arange(indices.num_users)
candidates = evaluation.recommend_top_k(model.score, everybody, split.train, indices, CANDIDATES)
stars = model.pipeline.stars(model.pipeline.known(tf.constant(everybody)), candidates).numpy()
retrieved = np.take_along_axis(model.score(everybody), candidates, axis=1)
good = split.validation[split.validation["rating"] >= 4]
is_liked = np.zeros((indices.num_users, indices.num_movies), np.float32)
is_liked[indices.user_index(good["user_id"]), indices.movie_index(good["movie_id"])] = 1
is_liked = np.take_along_axis(is_liked, candidates, axis=1)
found = is_liked.sum(axis=1) > 0
retrieved, stars, is_liked = retrieved[found], stars[found], is_liked[found]
both = np.stack([retrieved, stars], axis=2)
relative = both - both.mean(axis=1, keepdims=True)  # compared with the user's other candidates
print("users and candidates:", is_liked.shape)

# %% [markdown]
# ## 3 · Change
#
# **Train the weight of the stars.** The notebook tried seven weights. Let gradient descent find one: minimise the mean over users of the softmax cross-entropy between `is_liked` (divided by its sum in each row) and
# the final scores `retrieved + weight * stars`. Write `train_weight()`, which returns the trained weight as a number.
#
# <details><summary>Hint</summary>A <code>tf.Variable(0.0)</code>, <code>tf.nn.softmax_cross_entropy_with_logits</code>, a <code>tf.GradientTape</code>, and 200 steps of <code>tf.keras.optimizers.Adam(0.05)</code>.</details>

# %%
train_weight = ...


# BEGIN SOLUTION
def train_weight(steps=200):
    """The weight of the stars that minimises the cross-entropy."""
    weight, optimizer = tf.Variable(0.0), tf.keras.optimizers.Adam(0.05)
    target = is_liked / is_liked.sum(axis=1, keepdims=True)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            logits = retrieved + weight * stars
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, logits))
        optimizer.apply_gradients([(tape.gradient(loss, weight), weight)])
    return float(weight)


# END SOLUTION


# %%
def slope(weight):
    """The derivative of the loss at a weight: liked stars less expected stars, with the sign turned."""
    chance = np.exp(retrieved + weight * stars - (retrieved + weight * stars).max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    return ((chance - is_liked / is_liked.sum(axis=1, keepdims=True)) * stars).sum(axis=1).mean()


yours = attempt(train_weight)
judged = abs(slope(float(yours))) < 0.01 if isinstance(yours, float | np.floating) else yours
why = "The loss still falls in one direction at your weight. More steps? Is the target divided by its sum?"
check("3", judged, True, mistakes=[(False, why)])

# %% [markdown]
# ## 4 · Extend
#
# **Train a ranker.** Replace the formula by a small network. Build and train a `tf.keras.Sequential` model on the two numbers of each candidate in `relative`, with `is_liked` as the answer.
# They are the score and the stars, less their means over the candidates of the same user: a score can only be compared within one user.
# Train with the first three quarters of the users only. The network must order the candidates of the other users better than the stars alone; the check also says whether it
# beats the formula `retrieved + 0.75 * stars`.
#
# <details><summary>Hint</summary>Flatten the rows of the first users to [rows, 2]. Use <code>Dense(8, activation="relu")</code>, <code>Dense(1)</code> and the loss
# <code>tf.keras.losses.BinaryCrossentropy(from_logits=True)</code>.</details>

# %%
ranker = ...
first_users = len(is_liked) * 3 // 4
# BEGIN SOLUTION
x, y = relative[:first_users].reshape(-1, 2), is_liked[:first_users].reshape(-1, 1)
ranker = tf.keras.Sequential([tf.keras.layers.Dense(8, activation="relu"), tf.keras.layers.Dense(1)])
ranker.compile(tf.keras.optimizers.Adam(0.01), tf.keras.losses.BinaryCrossentropy(from_logits=True))
fitted = ranker.fit(x, y, batch_size=512, epochs=3, verbose=0)
# END SOLUTION


# %%
def auc_of(scores):
    """The mean AUC among the candidates of the users that were not trained on."""
    liked = is_liked[first_users:]
    return evaluation.metrics.auc(scores, liked > 0, liked.sum(axis=1).astype(int)).mean()


def judge(network):
    """What is wrong with a network, or "learned"."""
    rows = relative[first_users:].astype(np.float32)
    out = np.asarray(network(rows.reshape(-1, 2)))
    if out.size != rows.shape[0] * rows.shape[1]:
        return "shape"
    mine = auc_of(out.reshape(rows.shape[:2]))
    formula = auc_of((retrieved + 0.75 * stars)[first_users:])
    print("as good as the formula, or less than .02 below:", bool(mine > formula - 0.02))
    return "learned" if mine > auc_of(stars[first_users:]) else "reversed" if mine < 0.5 else "little"


reasons = [
    ("shape", "The network must return one number for each row of two."),
    ("reversed", "It prefers films that were not liked. Did you train on `relative`?"),
]
reasons += [("little", "It does not order better than the stars alone. More epochs, or a larger learning rate?")]
check("4", ... if ranker is ... else attempt(judge, ranker), "learned", mistakes=reasons)

# %% [markdown]
# ## 5 · Change
#
# **Another rule for genres.** Somebody names two genres. In the package, films with *one* of them come first. Write `most_first(genres)`: the whole catalogue as a list of `movie_id`, where films with both genres
# come first, then those with one, then the others; within each of the three groups in the order of `recommend_new`.
#
# <details><summary>Hint</summary><code>model.recommend_new(genres=genres, k=indices.num_movies)</code>, the <code>genres</code> of <code>model.movies</code>, and a stable sort.</details>

# %%
most_first = ...


# BEGIN SOLUTION
def most_first(genres):
    """All films, those with the most of the named genres first."""
    films = model.recommend_new(genres=genres, k=indices.num_movies).merge(model.movies[["movie_id", "genres"]])
    films["named"] = sum(films["genres"].str.contains(genre, regex=False).astype(int) for genre in genres)
    return films.sort_values("named", ascending=False, kind="stable")["movie_id"].tolist()


# END SOLUTION


# %%
def judge_order(order, genres):
    """Which property the order breaks, or "holds"."""
    place = model.recommend_new(genres=genres, k=indices.num_movies).set_index("movie_id")["rank"]
    if sorted(order) != sorted(place.index):
        return "films"
    of = model.movies.set_index("movie_id")["genres"][order]
    named = of.str.split("|").map(set(genres).intersection).map(len).to_numpy()
    rank = place[order].to_numpy()
    falls = (np.diff(named) <= 0).all()
    return "holds" if falls and (np.diff(rank)[np.diff(named) == 0] > 0).all() else "order" if falls else "groups"


wishes = ("Film-Noir", "Mystery")
yours = attempt(most_first, wishes)
judged = judge_order(yours, wishes) if isinstance(yours, list) else yours
reasons = [
    ("films", "Each film of the catalogue must come once."),
    ("groups", "A film with fewer of the genres comes too early."),
]
reasons += [("order", "Within a group the order of recommend_new is lost: is your sort stable?")]
check("5", judged, "holds", mistakes=reasons)

# %% [markdown]
# ## 6 · Find the bug
#
# This function should leave out the films that have been seen. It runs, and it is wrong. Correct it.
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


# %%
row = indices.user_index([USER])
own_seen = model.seen.loc[model.seen["user_id"] == USER, "movie_id"].tolist()
wanted = evaluation.recommend_top_k(model.score, row, model.seen, indices, 5)[0]
yours = attempt(best_unseen, model.score(row)[0], own_seen, indices)
returned = yours if isinstance(yours, list) else []
state = (
    "seen" if set(returned) & set(own_seen) else "other" if returned != indices.movie_ids[wanted].tolist() else "right"
)
reasons = [("other", "All films are unseen, but they are not the five best.")]
check("6", yours if isinstance(yours, Exception) else state, "right", mistakes=reasons, unchanged="seen")

# %% [markdown]
# ## 7 · Extend
#
# Write `mmr(relevance, vectors, weight, k)`: the rows of k films, chosen one after another. The first has the largest relevance. Each next one has the largest
# (1 − weight) · relevance − weight · (largest cosine to those chosen). Vectors have length 1.
#
# <details><summary>Hint</summary><code>vectors @ vectors[chosen].T</code> has the cosines, <code>.max(axis=1)</code> the largest. A chosen film must not be chosen again.</details>

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
def judge_mmr(rows, relevance, vectors, weight):
    """What is wrong with the chosen rows, by the package's gains, or "right"."""
    if len(set(rows)) < len(rows):
        return "twice"
    for number in range(1, len(rows)):
        gain = gains(list(rows[:number]), relevance, vectors, diversity=weight)
        gain[list(rows[:number])] = -np.inf
        if rows[number] != gain.argmax():
            return "alike" if list(rows) == np.argsort(-relevance)[: len(rows)].tolist() else "gain"
    return "right" if rows[0] == relevance.argmax() else "first"


rng = np.random.default_rng(0)
toy = rng.normal(size=(30, 3))
toy /= np.linalg.norm(toy, axis=1, keepdims=True)
worth = rng.random(30)
yours = attempt(mmr, worth, toy, 0.5, 6)
reasons = [("twice", "A film was chosen again."), ("alike", "That is the order of relevance: the weight does nothing.")]
reasons += [
    ("first", "The first film has the largest relevance."),
    ("gain", "A later film does not have the largest gain."),
]
judged = judge_mmr([int(row) for row in yours], worth, toy, 0.5) if isinstance(yours, list | np.ndarray) else yours
check("7", judged, "right", mistakes=reasons)
