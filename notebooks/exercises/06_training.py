# %% [markdown]
# # 06 · Exercises: train it well
#
# Write your answer where you find `...`. The cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [06](../06_training.ipynb); the [solutions](../solutions/06_training.ipynb).

# %%
import numpy as np
import pandas as pd

import movierec
from movierec.data import batches, make_indices
from movierec.evaluation import metrics
from movierec.keras2 import tf
from movierec.models import first_hybrid
from movierec.play import Quiz, check
from movierec.play.exercises import truths

# %% [markdown]
# ## Questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/06.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# Everything below trains the stars model of notebook 05, on the first 150 users only, so that an epoch takes a moment. `fit` returns the
# model and its history, with the RMSE on validation after each epoch. The same seed gives the same numbers. So `fit` keeps what it has
# trained, and the same training is not done twice.

# %%
data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings[data.ratings["user_id"] <= 150])
indices = make_indices(split.train, data.movies)
known = first_hybrid.make_known(split, indices, data.movies, data.users)
rows = first_hybrid.make_rows(split.train, indices, first_hybrid.places(split.train))
held_out = first_hybrid.make_rows(split.validation, indices)
tf.config.experimental.enable_op_determinism()


def rmse_of(model, rows):
    """RMSE of a model on rows, in stars."""
    return metrics.rmse(model({name: tf.constant(rows[name]) for name in rows})[:, 0], rows["rating"])


class Measure(tf.keras.callbacks.Callback):
    """After each epoch: RMSE on validation."""

    def on_epoch_end(self, epoch, logs):
        logs["validation_rmse"] = rmse_of(self.model, held_out)


# %%
trained = {}  # settings: what `fit` returned


def fit(epochs=6, learning_rate=0.005, batch=256, seed=0, callbacks=(), **settings):
    """Train `first_hybrid.WithMLP`; return the model and its history, one row an epoch."""
    key = (epochs, learning_rate, batch, seed, *sorted(settings.items()))
    if key in trained and not callbacks:
        return trained[key]
    tf.keras.utils.set_random_seed(seed)
    model = first_hybrid.WithMLP(known, **settings)
    steps = len(rows["rating"]) // batch
    model.compile(tf.keras.optimizers.legacy.Adam(learning_rate), steps_per_execution=steps)
    how = {"epochs": epochs, "steps_per_epoch": steps, "verbose": 0}
    log = model.fit(batches(rows, batch, seed), callbacks=[Measure(), *callbacks], **how)
    found = model, pd.DataFrame(log.history)
    if not callbacks:
        trained[key] = found
    return found


# %% [markdown]
# ## 1 · Recall
#
# The next cell has the RMSE on validation after each epoch. Training stops early with a patience of 2. Which epoch's weights are kept,
# and after which epoch does training stop? Answer with a tuple of two numbers; the first epoch is 1.
#
# <details><summary>Hint</summary>Stop when the best epoch is two epochs old.</details>

# %%
by_epoch = [1.00, 0.97, 0.95, 0.96, 0.955, 0.94, 0.93]
kept_and_stopped = (3, 5)  # SOLUTION


# %%
def stop_early(values, patience):
    """The best epoch so far, and the epoch after which it is `patience` epochs old."""
    for epoch in range(1, len(values) + 1):
        best = 1 + int(np.argmin(values[:epoch]))
        if epoch - best == patience:
            break
    return best, epoch


check(
    "1",
    kept_and_stopped,
    stop_early(by_epoch, patience=2),
    mistakes=[
        (stop_early(by_epoch, patience=len(by_epoch)), "Training would have got there, but the patience ran out before."),
        (stop_early(by_epoch, patience=1), "That is a patience of 1."),
        (2 * stop_early(by_epoch, patience=2)[1:], "The best epoch is kept, not the last one."),
    ],
)

# %% [markdown]
# ## 2 · Change
#
# Train with the learning rates .0005, .005 and .05, for six epochs each. Answer with a list: the best RMSE on validation in each run.
#
# <details><summary>Hint</summary><code>fit(learning_rate=…)[1]["validation_rmse"].min()</code></details>

# %%
rates = (0.0005, 0.005, 0.05)
best = [fit(learning_rate=rate)[1]["validation_rmse"].min() for rate in rates]  # SOLUTION

# %%
check("2", best, "" if best is ... else truths.lowest_errors(fit, rates))

# %% [markdown]
# ## 3 · Find the bug
#
# When training ends, this callback should put the weights of the best epoch back. It runs, but afterwards the model still has the weights of
# the last epoch. Repair it.
#
# <details><summary>Hint</summary>A list of variables does not copy their numbers. Which method of a Keras model returns copies?</details>


# %%
class KeepBest(tf.keras.callbacks.Callback):
    """Restore the weights of the epoch that is best on validation."""

    best = np.inf

    def on_epoch_end(self, epoch, logs):
        if logs["validation_rmse"] < self.best:
            self.best = logs["validation_rmse"]
            self.weights = self.model.weights
            # BEGIN SOLUTION
            self.weights = self.model.get_weights()
            # END SOLUTION

    def on_train_end(self, logs=None):
        for variable, value in zip(self.model.weights, self.weights, strict=True):
            variable.assign(value)


# %%
model, history = fit(penalty=0.0, dropout=0.0, callbacks=[KeepBest()])
now, by_epoch = rmse_of(model, held_out), history["validation_rmse"].to_numpy()
does = "another epoch" if np.isclose(now, by_epoch[-1]) else "no epoch at all"
does = "the best epoch" if np.isclose(now, by_epoch.min()) else does
check(
    "3",
    does,
    "the best epoch",
    unchanged="another epoch",
    mistakes=[("no epoch at all", "The weights are those of no epoch: are all of them copied, and put back in order?")],
)

# %% [markdown]
# ## 4 · Change
#
# Write a callback that halves the learning rate after every epoch. Keras keeps the rate in the variable
# `self.model.optimizer.learning_rate`.
#
# <details><summary>Hint</summary><code>rate.assign(value)</code> sets a variable, <code>rate.numpy()</code> reads it.</details>

# %%
Halve = ...


# BEGIN SOLUTION
class Halve(tf.keras.callbacks.Callback):
    """Half the learning rate after every epoch."""

    def on_epoch_end(self, epoch, logs=None):
        rate = self.model.optimizer.learning_rate
        rate.assign(rate.numpy() / 2)


# END SOLUTION


# %%
def rate_after(callback, epochs):
    """The learning rate that is left of .008 after so many epochs."""
    return float(fit(epochs, learning_rate=0.008, callbacks=[callback])[0].optimizer.learning_rate.numpy())


check(
    "4",
    ... if Halve is ... else [rate_after(Halve(), epochs) for epochs in (1, 3)],
    0.008 * np.array([2.0**-1, 2.0**-3]),
    mistakes=[
        ([0.008, 0.008], "The rate of the optimiser is as before: was the variable set?"),
        ([0.004, 0.004], "It is halved once only."),
    ],
)

# %% [markdown]
# ## 5 · Change
#
# Train ten epochs with a dropout of 0, and ten with a dropout of .5. How far does the RMSE on validation rise from the best epoch to the
# last one? Answer with a list of two numbers.
#
# <details><summary>Hint</summary>The last value less the smallest one.</details>

# %%
rises = ...
# BEGIN SOLUTION
rises = []
for dropout in (0.0, 0.5):
    history = fit(epochs=10, dropout=dropout)[1]["validation_rmse"]
    rises.append(history.iloc[-1] - history.min())
# END SOLUTION

# %%
check("5", rises, "" if rises is ... else truths.rises(fit, 10, (0.0, 0.5)))

# %% [markdown]
# ## 6 · Change
#
# Train two runs of two epochs, one with batches of 64 ratings and one with batches of 1,024. How many steps does the optimiser take in each
# run? Answer with a list of two numbers.
#
# <details><summary>Hint</summary><code>model.optimizer.iterations</code> counts them; or divide.</details>

# %%
steps = ...
# BEGIN SOLUTION
steps = [int(fit(2, batch=batch)[0].optimizer.iterations.numpy()) for batch in (64, 1024)]
# END SOLUTION

# %%
an_epoch = [len(rows["rating"]) // batch for batch in (64, 1024)]
check(
    "6",
    steps,
    [2 * number for number in an_epoch],
    mistakes=[
        (an_epoch, "That is one epoch."),
        (
            [2 * -(-len(rows["rating"]) // batch) for batch in (64, 1024)],
            "The last batch, which is not full, is left out.",
        ),
    ],
)

# %% [markdown]
# ## 7 · Extend
#
# Is dimension 16 better than dimension 32, or only luckier? Train both with the seeds 0, 1 and 2, and take the best RMSE on validation of each
# of the six runs. Answer with a tuple of two numbers. The first: how much lower is the mean with dimension 16 than with 32? The second: half of
# the 95 % interval of this difference. It is 2.776 · √((s₁² + s₂²) / 3), where s₁ and s₂ are the standard deviations over the three seeds of
# each dimension (`ddof=1`).
#
# <details><summary>Hint</summary>Collect the six best values in an array of two rows; <code>mean(axis=1)</code> and <code>std(axis=1, ddof=1)</code>.</details>

# %%
lower_and_half = ...
# BEGIN SOLUTION
found = [[fit(dim=dim, seed=seed)[1]["validation_rmse"].min() for seed in range(3)] for dim in (32, 16)]
means, deviations = np.mean(found, axis=1), np.std(found, axis=1, ddof=1)
lower_and_half = (means[0] - means[1], 2.776 * np.sqrt((deviations**2).sum() / 3))
# END SOLUTION

# %%
check("7", lower_and_half, "" if lower_and_half is ... else truths.gain_over_seeds(fit, (32, 16), (0, 1, 2)))
