# %% [markdown]
# # 10 · Exercises: self-attention
#
# Write your answer where you find `...`. The cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [10](../10_self_attention.ipynb); the [solutions](../solutions/10_self_attention.ipynb).

# %%
import numpy as np

import movierec
from movierec.baselines import Ease
from movierec.data import make_indices
from movierec.evaluation import evaluate_ranking
from movierec.models.attention import AttentionBlock
from movierec.play import Quiz, attempt, check
from movierec.play.exercises import attention as judge
from movierec.recommend import history_of

data = movierec.load("ml-100k")
split = movierec.split_leave_last(data.ratings)
indices = make_indices(split.train, data.movies)
history = history_of(split.train, indices)  # user by user, from the oldest film to the newest


def ndcg(scorer, split=split, indices=indices):
    """Return NDCG@10 on validation, where every film that comes next counts."""
    return evaluate_ranking(scorer, split, indices, "validation", liked_from=0)["ndcg@10"].mean()


# %% [markdown]
# Two exercises train small models: 300 users, one or two blocks, a few epochs. `train(...)` takes the settings of `movierec.fit_sequence`.

# %%
some = data.ratings[data.ratings["user_id"] <= 300]
small = movierec.split_leave_last(some)


def train(**settings):
    """Fit a small sequence model, always from the same seed."""
    standard = {"dim": 16, "blocks": 1, "length": 20, "epochs": 4, "learning_rate": 0.01}
    return movierec.fit_sequence(small, seed=0, **standard | settings)


# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/10.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# A place asks with the query (1, 2). The three places it may look at have the keys (2, 0), (0, 1), (1, 1). With dim 2, what are the three
# logits, before the softmax? A list.
#
# <details><summary>Hint</summary>Query times key, divided by √dim.</details>

# %%
logits = (np.array([[2, 0], [0, 1], [1, 1]]) @ [1, 2] / np.sqrt(2)).tolist()  # SOLUTION

# %%
check("1", logits, judge.logits([1, 2], [[2, 0], [0, 1], [1, 1]]))

# %% [markdown]
# ## 2 · Change
#
# The notebook lets EASE read the newest $n$ films. Let older films *fade* instead: a film with age $a$ (0 is the newest) counts $f^a$. Write
# `fading(f)`: it returns a scorer. Then choose $f$ on validation among those of `FADES`; `best_fade` is your answer.
#
# <details><summary>Hint</summary>Fill a matrix [users, movies] with <code>f ** history.age</code>, and multiply its rows with <code>ease.weights</code>.</details>

# %%
ease, FADES = Ease(split.train, indices), (1, 0.98, 0.95, 0.9, 0.8)
fading, best_fade = ..., ...


# BEGIN SOLUTION
def fading(f):
    """EASE that reads each film with the weight f to the power of its age."""
    rows = np.zeros((indices.num_users, indices.num_movies), np.float32)
    rows[history.user_index, history.movie_index] = f**history.age
    return lambda users: rows[users] @ ease.weights


values = {f: ndcg(fading(f)) for f in FADES}
best_fade = max(values, key=values.get)
# END SOLUTION

# %%
given = (FADES, history, ease.weights, ndcg)
check("2", attempt(... if fading is ... else judge.of_fading, fading, best_fade, *given))

# %% [markdown]
# ## 3 · Find the bug
#
# This attention has a wonderful train loss and useless lists. Repair it.
#
# <details><summary>Hint</summary>What does <code>np.tril</code> keep, and what must not be seen? Print <code>may_look</code> for three places.</details>


# %%
def causal_attention(query, key, value):
    """Return [places, dim]; no place looks into its future."""
    match = query @ key.T / np.sqrt(query.shape[1])
    may_look = np.triu(np.ones_like(match, dtype=bool))
    # BEGIN SOLUTION
    may_look = np.tril(np.ones_like(match, dtype=bool))
    # END SOLUTION
    weights = np.exp(match) * may_look
    return weights / weights.sum(axis=1, keepdims=True) @ value


# %%
check("3", attempt(judge.of_mask, causal_attention), unchanged="A place still sees its future.")

# %% [markdown]
# ## 4 · Change
#
# Does a model *without* tables of places and gaps know the order? Train one with `blocks=1` and one with `blocks=2`. Let each read its windows
# with all films but the newest in reverse order, and look at the scores. `sees_order` is your answer: for each number of blocks, do the
# scores change by more than .001?
#
# <details><summary>Hint</summary><code>model.score_next(film, gap)</code> takes windows; take users with a full window, and
# <code>np.concatenate([film[:, -2::-1], film[:, -1:]], axis=1)</code>.</details>

# %%
sees_order = ...
# BEGIN SOLUTION
sees_order = {}
for blocks in (1, 2):
    model = train(blocks=blocks, has_places=False, has_gaps=False)
    full = (model.film < model.indices.num_movies).all(axis=1)
    film, gap = model.film[full], model.gap[full]
    reverse = np.concatenate([film[:, -2::-1], film[:, -1:]], axis=1)
    change = np.abs(model.score_next(film, gap) - model.score_next(reverse, gap)).max()
    sees_order[blocks] = bool(change > 0.001)
# END SOLUTION

# %%
check("4", attempt(... if sees_order is ... else judge.of_order, sees_order, train))

# %% [markdown]
# ## 5 · Extend
#
# Write `GatedBlock(AttentionBlock)`, the block of eSASRec: before something is added to x, it is multiplied by a gate. The gates are two
# `Dense` layers with a sigmoid, `self.gates`; each reads the x that its result is added to. The class has all layers already (`gated=True`):
# write `call(self, x, is_film, training=False)`, without dropout.
#
# <details><summary>Hint</summary><code>mixed = self.attention(self.norms[0](x), is_film)</code>, then <code>self.gates[0](x) * mixed</code>; and the
# same with <code>self.narrow(self.wide(...))</code>.</details>

# %%
GatedBlock = ...


# BEGIN SOLUTION
class GatedBlock(AttentionBlock):
    """What is added is scaled by a gate."""

    def call(self, x, is_film, training=False):
        mixed = self.attention(self.norms[0](x), is_film)
        x = x + self.gates[0](x) * mixed
        hidden = self.narrow(self.wide(self.norms[1](x)))
        return x + self.gates[1](x) * hidden


# END SOLUTION

# %%
check("5", attempt(... if GatedBlock is ... else judge.of_gates, GatedBlock))

# %% [markdown]
# ## 6 · Change
#
# Which loss is best for 300 users? Train one model with each of `loss="softmax"`, `"sampled"` and `"bce"`, all else equal, and compare
# `model.history["validation_ndcg@10"].max()`. `best_loss` is your answer. Would you trust it for other data?
#
# <details><summary>Hint</summary>A loop over three names; <code>train(loss=name)</code>.</details>

# %%
best_loss = ...
# BEGIN SOLUTION
quality = {name: train(loss=name).history["validation_ndcg@10"].max() for name in ("softmax", "sampled", "bce")}
best_loss = max(quality, key=quality.get)
# END SOLUTION

# %%
check("6", attempt(... if best_loss is ... else judge.of_losses, best_loss, train))
