# %% [markdown]
# # 11 · Exercises: learning from feedback
#
# Write your answer where you find `...`. The cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [11](../11_learning_from_feedback.ipynb); the [solutions](../solutions/11_learning_from_feedback.ipynb).

# %%
import numpy as np

from movierec.feedback import RidgeBandit, World, off_policy, policy_gradient, softmax_policy
from movierec.play import Quiz, attempt, check

# %% [markdown]
# A small world: 60 users, 20 candidates each, four numbers a candidate. Chances of a click are not quite linear in them.

# %%
rng = np.random.default_rng(0)
features = rng.normal(size=(60, 20, 4))
chance = 1 / (1 + np.exp(1.5 - features @ [1.5, -1.0, 0.5, 0.0]))
world = World(chance, places=4, once=False)
logging = softmax_policy(np.array([0.5, 0.5, 0.0, 0.0]), features)
target = softmax_policy(np.array([1.0, -0.5, 0.0, 0.0]), features)

# %% [markdown]
# ## Four questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/11.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Three logged rounds: propensities 0.5, 0.25 and 0.5; rewards 1, 0 and 1. The target would show the same films with probability 0.25, 0.5 and 1.
# What do IPS and SNIPS estimate? Answer with a tuple.
#
# <details><summary>Hint</summary>w = target / propensity. IPS divides by the number of rounds, SNIPS by the sum of w.</details>

# %%
answers = ((0.5 + 0 + 2) / 3, (0.5 + 0 + 2) / (0.5 + 2 + 2))  # SOLUTION

# %%
three = [1, 0, 1], [0.5, 0.25, 0.5], [0.25, 0.5, 1.0]
right = off_policy.ips(*three).value, off_policy.snips(*three).value
check(
    "1",
    answers,
    right,
    mistakes=[
        (right[::-1], "It is the other way round."),
        ((2 / 3, 2 / 3), "That is the mean reward of the log: what was earned, not what the target would earn."),
        ((1.5, 1.0), "The rewards are missing."),
    ],
)

# %% [markdown]
# ## 2 · Change
#
# Write the bandit `EpsilonGreedy(RidgeBandit)`. Its `slate` is that of `RidgeBandit`, but each place goes, with probability `epsilon`, to another
# candidate that is left, drawn at random. No candidate may be in a list twice. Play it, and compare its regret with greedy.
#
# <details><summary>Hint</summary><code>super().slate(x, left, rng)</code>, then <code>np.setdiff1d(np.flatnonzero(left), slate)</code> are the
# others, and <code>rng.choice(others, n, replace=False)</code> draws n of them.</details>

# %%
EpsilonGreedy = ...


# BEGIN SOLUTION
class EpsilonGreedy(RidgeBandit):
    """Greedy, but each place goes to any other candidate with probability epsilon."""

    def __init__(self, dim, looks, epsilon=0.1, **settings):
        super().__init__(dim, looks, **settings)
        self.epsilon = epsilon

    def slate(self, x, left, rng):
        slate = super().slate(x, left, rng)
        explores = rng.random(len(slate)) < self.epsilon
        others = np.setdiff1d(np.flatnonzero(left), slate)
        slate[explores] = rng.choice(others, explores.sum(), replace=False)
        return slate


for make in (RidgeBandit, EpsilonGreedy):
    visits = world.play(make(4, world.looks), features, 1000, seed=0)
    print(make.__name__, round(visits["regret"].sum()))
# END SOLUTION


# %%
def judge_epsilon(bandit_class):
    """Say what the lists of the class look like."""
    policy, rng = bandit_class(1, np.ones(2), epsilon=0.3), np.random.default_rng(0)
    policy.b[:] = 1
    x, left = np.arange(8.0)[:, None], np.array([True] * 7 + [False])
    lists = np.array([policy.slate(x, left, rng) for _ in range(3000)])
    changed = (lists != [6, 5]).mean(axis=0)
    if (lists == 7).any():
        return "a list has a film that is not left"
    if (lists[:, 0] == lists[:, 1]).any():
        return "a list has a film twice"
    if not np.allclose(changed, 0.3, atol=0.03):
        return f"with epsilon = 0.3, {changed[0]:.0%} of the first and {changed[1]:.0%} of the second places explore"
    return "" if set(lists.ravel()) == set(range(7)) else "some candidates are never explored"


check("2", attempt(... if EpsilonGreedy is ... else judge_epsilon, EpsilonGreedy))

# %% [markdown]
# ## 3 · Change
#
# In `steep`, we do not know how likely a user looks at each place. Estimate it: four numbers, the first is 1. You may show lists and see the clicks:
# `steep.clicks(users, slates, seed)`. Each of your 20,000 visits may have other users and other lists of four candidates.
#
# <details><summary>Hint</summary>If lists are shuffled, or drawn at random, all places have the same films on average.</details>

# %%
steep = World(chance, places=4, patience=2.0, once=False)
best_four = np.argsort(-chance, axis=1)[:, :4]  # sorted lists
looks = ...
# BEGIN SOLUTION
users = rng.integers(0, 60, 20_000)
clicked = steep.clicks(users, rng.permuted(best_four[users], axis=1), seed=1).mean(axis=0)
looks = clicked / clicked[0]
# END SOLUTION


# %%
def judge_looks(looks):
    """Say whether the looks are estimated well, and what they may come from."""
    looks = np.asarray(looks, float)
    if looks.shape != (4,) or not np.isclose(looks[0], 1):
        return "four numbers are asked for, the first is 1: divide by the first click rate"
    if np.array_equal(looks, steep.looks):
        return "read from the world, which no service can do"
    if np.allclose(looks, world.looks, atol=0.03):
        return "the convention 1/p, which does not hold in this world"
    if np.allclose(looks, steep.looks, atol=0.025):
        return ""
    return "too small: were the lists sorted?" if looks[1] < steep.looks[1] else "too large: are there enough visits?"


check("3", attempt(... if looks is ... else judge_looks, looks))

# %% [markdown]
# ## 4 · Change
#
# Large weights make IPS vary. Write `clipped_ips(reward, propensity, target, most)`: IPS whose weights are at most `most`; return one number. Then
# estimate from a hundred logs (`off_policy.draw_log(logging, chance, 500, seed)`) with `most=2`. Is it `"too low"`, `"right"` or `"too high"` on
# average? Answer with `on_average`.
#
# <details><summary>Hint</summary><code>np.minimum(w, most)</code>. The truth is <code>off_policy.true_value(target, chance)</code>.</details>

# %%
clipped_ips = ...
on_average = ...


# BEGIN SOLUTION
def clipped_ips(reward, propensity, target, most):
    return (np.minimum(target / propensity, most) * reward).mean()


estimates = []
for seed in range(100):
    log = off_policy.draw_log(logging, chance, 500, seed)
    estimates.append(clipped_ips(log.reward, log.propensity, target[log.context, log.action], 2))
print(np.mean(estimates), off_policy.true_value(target, chance))
on_average = "too low"
# END SOLUTION

# %%
one = off_policy.draw_log(logging, chance, 500, seed=0)
given = one.reward, one.propensity, target[one.context, one.action]
w = off_policy.weights(*given[1:])
check(
    "4a",
    attempt(clipped_ips, *given, 2),
    off_policy.ips(given[0], np.ones_like(w), np.where(w > 2, 2, w)).value,
    mistakes=[
        (off_policy.ips(*given).value, "Nothing is clipped."),
        ((w * given[0])[w <= 2].mean(), "Rounds with large weights stay in the log; only their weight is cut."),
        (np.minimum(w * given[0], 2).sum() / np.minimum(w, 2).sum(), "That is clipped SNIPS: divide by the rounds."),
    ],
)

# %%
drift = w[w > 2].sum() - 2 * (w > 2).sum()  # the weight that is cut off
check("4b", on_average, ("too high", "right", "too low")[1 + int(np.sign(drift))])

# %% [markdown]
# ## 5 · Find the bug
#
# This estimator is meant to be doubly robust. It runs, and it is wrong whenever the model is. Find the error.
#
# <details><summary>Hint</summary>Compare it with the equation in the notebook: what is taken off the reward?</details>


# %%
def robust(log, policy, model):
    """Return the mean of what the model expects, corrected by what it got wrong."""
    w = policy[log.context, log.action] / log.propensity
    expected = (policy * model).sum(axis=1)[log.context]
    corrected = expected + w * (log.reward - expected)
    # BEGIN SOLUTION
    corrected = expected + w * (log.reward - model[log.context, log.action])
    # END SOLUTION
    return corrected.mean()


# %%
model = np.random.default_rng(1).random(chance.shape)
at = one.context, one.action
expected = (target * model).sum(axis=1)[one.context]
check(
    "5",
    attempt(robust, one, target, model),
    off_policy.doubly_robust(*given, model[at], expected).value,
    mistakes=[
        (off_policy.ips(*given).value, "That is IPS: the model is gone."),
        (expected.mean(), "That is the direct method: the rewards of the log are gone."),
    ],
    unchanged=(expected + w * (one.reward - expected)).mean(),
)

# %% [markdown]
# ## 6 · Change
#
# REINFORCE may take a **baseline** off each reward: the weighted gradient stays right on average, because $E[w\,\nabla \log \pi] = 0$, and it varies
# less. Write `with_baseline(theta, x, log)`: the gradient of `policy_gradient` for rewards less their mean in the log. Use no clipping
# (`most=np.inf`). Then climb sixty steps of 0.5 times your gradient from $\theta = 0$, with the log below.
#
# <details><summary>Hint</summary><code>log._replace(reward=...)</code> makes a log with other rewards.</details>

# %%
log = off_policy.draw_log(logging, chance, 2000, seed=5)
with_baseline = ...


# BEGIN SOLUTION
def with_baseline(theta, x, log):
    return policy_gradient(theta, x, log._replace(reward=log.reward - log.reward.mean()), most=np.inf)


theta = np.zeros(4)
for _ in range(60):
    theta += 0.5 * with_baseline(theta, features, log)
print("true value:", round(off_policy.true_value(softmax_policy(theta, features), chance), 3))
# END SOLUTION


# %%
def judge_baseline(gradient):
    """Say what a gradient does for rewards that are all alike, on average, and from log to log."""
    alike = log._replace(reward=np.ones(len(log.reward)))
    if np.abs(gradient(np.zeros(4), features, alike)).max() > 1e-9:
        return "if all rewards are alike, nothing can be learned; yours climbs"
    logs = [off_policy.draw_log(logging, chance, 200, seed) for seed in range(200)]
    mine, plain = (np.array([f(np.zeros(4), features, one) for one in logs]) for f in (gradient, policy_gradient))
    if np.abs(mine.mean(axis=0) - plain.mean(axis=0)).max() > 0.02:
        return "on average it is another gradient: is the baseline weighted, too?"
    return "" if mine.std() < plain.std() else "it varies more than without a baseline"


check("6", attempt(... if with_baseline is ... else judge_baseline, with_baseline))

# %% [markdown]
# ## 7 · Extend
#
# A list has $K$ places. If each is drawn from $\pi$, a film is in the list with chance $1-(1-\pi)^K$. Write `top_k_gradient(theta, x, log, places)`,
# the slope of the clicks if a film earns its reward once it is in the list (Chen et al. 2019). No clipping.
#
# <details><summary>Hint</summary>By the chain rule, each round's weight gets one more factor: the slope of 1 − (1 − π)^K by π.</details>

# %%
top_k_gradient = ...


# BEGIN SOLUTION
def top_k_gradient(theta, x, log, places):
    shown = softmax_policy(theta, x)[log.context, log.action]
    factor = places * (1 - shown) ** (places - 1)
    return policy_gradient(theta, x, log._replace(reward=factor * log.reward), most=np.inf)


# END SOLUTION


# %%
def in_list(theta, places):
    """Return the clicks if each film earns its chance once it is in the list."""
    return ((1 - (1 - softmax_policy(theta, features)) ** places) * chance).sum(axis=1).mean()


def judge_top_k(gradient, places=3, step=1e-6):
    """Compare the gradient of a log that has every film once with the slope of `in_list`."""
    context, action = np.divmod(np.arange(chance.size), chance.shape[1])
    every = off_policy.Log(context, action, np.full(chance.size, 1 / chance.shape[1]), chance.ravel())
    theta = np.array([0.3, -0.2, 0.1, 0.4])
    slope = [(in_list(theta + d, places) - in_list(theta - d, places)) / (2 * step) for d in step * np.eye(4)]
    yours = np.asarray(gradient(theta, features, every, places))
    if np.allclose(yours, slope, atol=1e-5):
        return ""
    plain = policy_gradient(theta, features, every, most=np.inf)
    if np.allclose(yours, plain) or np.allclose(yours, places * plain):
        return "the slope of one place: what is surely in the list must count less"
    return "not the slope of the clicks of a list"


check("7", attempt(... if top_k_gradient is ... else judge_top_k, top_k_gradient))
