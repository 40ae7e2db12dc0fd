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
from movierec.play.exercises import truths

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)
weeks = features.make_weeks(split.train)
rows, held_out = (features.rating_rows(part, indices, weeks) for part in (split.train, split.validation))
tf.keras.utils.set_random_seed(0)


def rmse(guess, stars):
    """The root of the mean squared error, in stars."""
    return float(np.sqrt(np.mean((np.ravel(guess) - stars) ** 2)))


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
indices_of_three = [2, 0, -1]  # SOLUTION

# %%
pairs = pd.DataFrame({"movie_id": [10, 30, 20, 30], "user_id": 1})
check(
    "1",
    indices_of_three,
    make_indices(pairs).movie_index([30, 10, 99]),
    mistakes=[
        ([1, 0, -1], "In the order of the file 30 is second. Indices follow the sorted ids."),
        ([3, 1, -1], "Indices begin with 0."),
        ([2, 0, 3], "A movie that is not in train has no row of its own."),
    ],
)

# %% [markdown]
# ## 2 · Change
#
# **Train on the batches.** A first model of stars: one `Dense(1)` layer that reads the genres and the year of a movie, `about.values` with a row for each movie index.
# Write `train(inputs)`: it builds a `tf.keras.Sequential` model with this one layer, trains it for two epochs on `batches(rows, 256, seed=0)` and returns it. Each batch
# becomes a pair: the rows of `inputs` for its movies, and its ratings. Does the model beat the mean of all ratings on validation?
#
# <details><summary>Hint</summary><code>batches(…).map(lambda batch: (tf.gather(inputs, batch["movie_index"]), batch["rating"]))</code>; the pipeline has no end, so
# <code>fit</code> needs <code>steps_per_epoch</code>. The loss is "mse"; <code>tf.keras.optimizers.legacy.Adam(0.02)</code> is fast enough.</details>

# %%
about = features.movie_features(data.movies, indices)
train = ...


# BEGIN SOLUTION
def train(inputs):
    """Stars from the properties of a movie."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.legacy.Adam(0.02), "mse")
    pairs = batches(rows, 256, seed=0).map(lambda batch: (tf.gather(inputs, batch["movie_index"]), batch["rating"]))
    model.fit(pairs, epochs=2, steps_per_epoch=len(rows["rating"]) // 256, verbose=0)
    return model


# END SOLUTION


# %%
def what_is_wrong(train):
    """Say what a trained model lacks; nothing if it is as asked."""
    model = train(about.values)
    if model.count_params() != about.values.shape[1] + 1:
        return "The model has another number of weights than one Dense(1) layer on these columns."
    error = rmse(model(about.values[held_out["movie_index"]]), held_out["rating"])
    print(f"validation RMSE {error:.3f}; the mean of train: {rmse(rows['rating'].mean(), held_out['rating']):.3f}")
    return (
        ""
        if error < rmse(rows["rating"].mean(), held_out["rating"])
        else "It is no better than the mean: was it trained?"
    )


check("2", attempt(... if train is ... else what_is_wrong, train))

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
check("3", strangers, truths.strangers(movierec.split_by_time(data.ratings)))

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
check("4", tied, truths.tied_cuts(split))

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
everything = data.ratings.groupby("movie_id")["rating"].mean()
check("5", attempt(movie_means, split), truths.means_by_movie(split), unchanged=everything)

# %% [markdown]
# ## 6 · Change
#
# **What is the leak worth?** Use the means of exercise 5 as the only input of a `Dense(1)` layer: once the *leaky* ones, of all ratings, and once the *honest* ones, of
# the training part (3.5 stars for a movie without ratings). Train each for two epochs with `train` of exercise 2, or your own loop. `leak` is a list of the two RMSEs on validation,
# leaky first.
#
# <details><summary>Hint</summary><code>means.reindex(indices.movie_ids, fill_value=3.5).to_numpy("float32")[:, None]</code> is an input of one column.</details>

# %%
leak = ...
# BEGIN SOLUTION
leak = []
for part in (data.ratings, split.train):
    means = part.groupby("movie_id")["rating"].mean()
    column = means.reindex(indices.movie_ids, fill_value=3.5).to_numpy("float32")[:, None]
    model = train(column)
    leak.append(rmse(model(column[held_out["movie_index"]]), held_out["rating"]))
print([round(error, 3) for error in leak])
# END SOLUTION


# %%
def what_is_odd(leak):
    """Say which property two RMSEs lack."""
    leaky, honest = (float(error) for error in leak)
    if leaky > honest:
        return "The first one should be the leaky one: it knows the answers, so its error is smaller."
    if not 0.95 < leaky < honest < 1.12:
        return "An error is far from what a straight line reaches. More epochs? Is the input a column of float32?"
    return "" if honest - leaky > 0.005 else "The two are nearly equal: are the inputs really different?"


check("6", attempt(... if leak is ... else what_is_odd, leak))

# %% [markdown]
# ## 7 · Extend
#
# **Another task on the same batches.** Write `liked_model(inputs)`: a `Dense(1)` layer as in exercise 2, but trained to say whether a rating is 4 stars or more. The
# pipeline gives 1.0 or 0.0 instead of the stars, and the loss is `tf.keras.losses.BinaryCrossentropy(from_logits=True)`. The output is a number before the logistic function.
#
# <details><summary>Hint</summary><code>tf.cast(batch["rating"] >= 4, tf.float32)</code>; everything else stays.</details>

# %%
liked_model = ...


# BEGIN SOLUTION
def liked_model(inputs):
    """The log-odds that a movie is liked."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.legacy.Adam(0.02), tf.keras.losses.BinaryCrossentropy(from_logits=True))
    pairs = batches(rows, 256, seed=0).map(
        lambda batch: (tf.gather(inputs, batch["movie_index"]), tf.cast(batch["rating"] >= 4, tf.float32))
    )
    model.fit(pairs, epochs=2, steps_per_epoch=len(rows["rating"]) // 256, verbose=0)
    return model


# END SOLUTION


# %%
def what_fails(make):
    """Say what is wrong with a model of likes, from its outputs on the training rows."""
    out = np.ravel(make(about.values)(about.values[rows["movie_index"]]))
    is_liked = rows["rating"] > 3
    chance, share = 1 / (1 + np.exp(-out.astype(float))), is_liked.mean()
    if out.mean() > 2:
        return "The outputs look like stars, not like log-odds."
    if chance[is_liked].mean() <= chance[~is_liked].mean():
        return "Liked films do not get more than others. Is 1 the value for *liked*?"
    if abs(chance.mean() - share) > 0.05:
        return "On average the chance is far from the share of liked ratings. 4 stars are liked, too."
    log_loss = -np.log(np.where(is_liked, chance, 1 - chance)).mean()
    base = -share * np.log(share) - (1 - share) * np.log(1 - share)
    print(f"log loss {log_loss:.3f}; of the share alone: {base:.3f}")
    return "" if log_loss < base else "It is no better than the share of liked ratings: was it trained?"


check("7", attempt(... if liked_model is ... else what_fails, liked_model))
