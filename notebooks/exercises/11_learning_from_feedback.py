# %% [markdown]
# # 11 · Exercises: learning from feedback
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [11](../11_learning_from_feedback.ipynb); the [solutions](../solutions/11_learning_from_feedback.ipynb).

# %%
import numpy as np

from movierec.feedback import EpsilonGreedy, LinearBandit, LinUCB, off_policy, simulator
from movierec.play import Quiz, attempt, check

# %% [markdown]
# ## Three questions first
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
# A film in place 4 is looked at with chance 1/4, and clicked with chance 0.6 if it is looked at. Of a thousand lists that show it there, how many clicks are to be expected? And which chance of a click would a
# learner believe that takes every place for looked at? A tuple.
#
# <details><summary>Hint</summary>A click needs a look and a liking.</details>

# %%
expected = (1000 * 0.6 / 4, 0.6 / 4)  # SOLUTION

# %%
check(
    "1",
    expected,
    (150.0, 0.15),
    mistakes=[
        ((600.0, 0.6), "Only a quarter of the visitors look at place 4."),
        ((150.0, 0.6), "The naive learner sees 150 clicks in a thousand lists."),
        ((600.0, 0.15), "Of the thousand only 250 look."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# Three logged rounds: propensities 0.5, 0.25, 0.5; rewards 1, 0, 1. The new policy would show the same films with 0.25, 0.5, 1.0. What does IPS say, and what SNIPS? A tuple.
#
# <details><summary>Hint</summary>w = new / propensity. IPS divides by the number of rounds, SNIPS by the sum of w.</details>

# %%
answers = ((0.5 + 0 + 2) / 3, (0.5 + 0 + 2) / (0.5 + 2 + 2))  # SOLUTION

# %%
check(
    "2",
    answers,
    (2.5 / 3, 2.5 / 4.5),
    mistakes=[
        ((2.5 / 4.5, 2.5 / 3), "The other way round."),
        ((2 / 3, 2 / 3), "That is the mean reward of the log: what was earned, not what would be."),
        ((4.5 / 3, 1.0), "The rewards are missing."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# The world below has ten films without anything in common. Run LinUCB with α = 0, 0.2, 0.5, 1, 2 and 5, each with the seeds 0 to 9, and say which α has the smallest mean regret.
#
# <details><summary>Hint</summary><code>world.play(LinUCB(10, 1, alpha=alpha), features, 400, seed)["regret"].sum()</code></details>

# %%
world = simulator.World(np.linspace(0.2, 0.65, 10)[None], places=1, once=False)
features = np.eye(10)[None]
ALPHAS = (0, 0.2, 0.5, 1, 2, 5)
best_alpha = ...
# BEGIN SOLUTION
regret = {
    alpha: np.mean([world.play(LinUCB(10, 1, alpha=alpha), features, 400, seed)["regret"].sum() for seed in range(10)])
    for alpha in ALPHAS
}
best_alpha = min(regret, key=regret.get)
# END SOLUTION

# %%
regrets = [
    [world.play(LinUCB(10, 1, alpha=alpha), features, 400, seed)["regret"].sum() for seed in range(10)]
    for alpha in ALPHAS
]
mean = np.mean(regrets, axis=1)
check(
    "3",
    best_alpha,
    ALPHAS[int(mean.argmin())],
    mistakes=[
        (ALPHAS[int(mean.argmax())], "That has the largest regret."),
        (ALPHAS[int(np.argmin([one[0] for one in regrets]))], "That is the best with seed 0 alone."),
        (0, "α = 0 is greedy: it stays with the first film that was clicked."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# A service may explore for a while, and then stop. Play ε-greedy with ε = 0.3 for the first 100 of 400 visits, with seed 0, and greedy from then on, *with what was learned*. What is the regret of the last 300 visits? Use
# seed 0 for the first part, and 1 for the second.
#
# <details><summary>Hint</summary>One policy; <code>policy.epsilon = 0.0</code> between two calls of <code>world.play</code>.</details>

# %%
late_regret = ...
# BEGIN SOLUTION
policy = EpsilonGreedy(10, 1, epsilon=0.3)
world.play(policy, features, 100, 0)
policy.epsilon = 0.0
late_regret = world.play(policy, features, 300, 1)["regret"].sum()
# END SOLUTION


# %%
def late(start: float, then: float, keeps: bool = True) -> float:
    """The regret of the second part."""
    one = EpsilonGreedy(10, 1, epsilon=start)
    world.play(one, features, 100, 0)
    one = one if keeps else EpsilonGreedy(10, 1, epsilon=then)
    one.epsilon = then
    return world.play(one, features, 300, 1)["regret"].sum()


check(
    "4",
    late_regret,
    late(0.3, 0.0),
    mistakes=[
        (late(0.3, 0.3), "It went on exploring."),
        (late(0.3, 0.0, keeps=False), "A new policy has forgotten what the first learned."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# This estimator shall be doubly robust. It runs, and is off whenever the model is. Mend it.
#
# <details><summary>Hint</summary>Compare with the equation in the notebook: which expectation is taken off the reward?</details>


# %%
def robust(log, policy, expected):
    """Mean of Σ_a π · expected + w · (reward − expected of what was shown)."""
    w = policy[log.context, log.action] / log.propensity
    by_context = (policy * expected).sum(axis=1)[log.context]
    mended = by_context + w * (log.reward - by_context)
    # BEGIN SOLUTION
    mended = by_context + w * (log.reward - expected[log.context, log.action])
    # END SOLUTION
    return mended.mean()


# %%
rng = np.random.default_rng(0)
chance, logging, policy = rng.random((3, 4)), rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(4), 3)
log, model = off_policy.draw_log(logging, chance, 500, seed=0), rng.random((3, 4))
w = policy[log.context, log.action] / log.propensity
by_context = (policy * model).sum(axis=1)[log.context]
unmended = (by_context + w * (log.reward - by_context)).mean()
yours = attempt(robust, log, policy, model)
check(
    "5",
    ... if not isinstance(yours, Exception) and np.isclose(yours, unmended) else yours,
    off_policy.doubly_robust(log, policy, model).value,
    mistakes=[
        (off_policy.ips(log, policy).value, "That is IPS: the model is gone."),
        (by_context.mean(), "That is the direct method: the log's rewards are gone."),
    ],
)

# %% [markdown]
# ## 6 · Extend
#
# Write `decayed(policy, share)`: a learner that forgets. Before each list is learned, what A and b have beyond the start shrinks to `share` of it: A ← I + share · (A − I), b ← share · b. Your function gets a
# `LinearBandit` and returns nothing; it changes `policy.inverse` and `policy.b`.
#
# <details><summary>Hint</summary><code>np.linalg.inv(policy.inverse)</code> is A.</details>

# %%
decayed = ...


# BEGIN SOLUTION
def decayed(policy, share):
    """Forgets: A and b go back towards the start."""
    start = np.eye(len(policy.b))
    A = np.linalg.inv(policy.inverse)
    policy.inverse = np.linalg.inv(start + share * (A - start))
    policy.b = share * policy.b


# END SOLUTION


# %%
def after(change, share):
    """θ̂ of a learner that was changed, or what went wrong."""
    one = LinearBandit(2, 2)
    one.learn(np.array([[1.0, 0.5], [0.2, 2.0]]), np.array([True, False]), np.array([1.0, 0.5]))
    result = attempt(change, one, share)
    return result if result is ... or isinstance(result, Exception) else one.theta.round(6).tolist()


x = np.array([[1.0, 0.5], [0.1, 1.0]])  # with the looks
A, b = np.eye(2) + 0.5 * x.T @ x, 0.5 * x[0]
check(
    "6",
    after(decayed, 0.5),
    np.linalg.solve(A, b).round(6).tolist(),
    mistakes=[
        (
            np.linalg.solve(0.5 * (np.eye(2) + x.T @ x), b).round(6).tolist(),
            "The start is not to be forgotten: A − I shrinks.",
        ),
        (np.linalg.solve(A, x[0]).round(6).tolist(), "b shrinks, too."),
        (np.linalg.solve(np.eye(2) + x.T @ x, x[0]).round(6).tolist(), "Nothing was forgotten."),
    ],
)
