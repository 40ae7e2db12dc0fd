# %% [markdown]
# # 08 · Exercises: who wins, and can we trust it?
#
# Write your answer where you find `...`. The cell after it says whether the answer is right, and if it is not, what to look at. Run all cells first:
# nothing is attempted yet, and nothing breaks. Back to [08](../08_evaluation.ipynb); the [solutions](../solutions/08_evaluation.ipynb).

# %%
import numpy as np
import pandas as pd
from scipy import stats

import movierec
from movierec.baselines import Ease, Popularity, burke, ladder
from movierec.data import make_indices
from movierec.evaluation import bootstrap_interval, evaluate_ranking
from movierec.keras2 import tf
from movierec.play import Quiz, attempt, check

data = movierec.load("ml-100k")
split = movierec.split_by_user_time(data.ratings)
indices = make_indices(split.train, data.movies)


def ndcg(scorer, part="validation"):
    """Mean NDCG@10 of a scorer."""
    return evaluate_ranking(scorer, split, indices, part)["ndcg@10"].mean()


# %% [markdown]
# ## Four questions first
#
# Click an answer. Each one has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/08.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# Four differences in NDCG with their 95 % intervals. For each of them: is the sign sure? A list of True and False.
#
# <details><summary>Hint</summary>Is zero inside?</details>

# %%
intervals = [(0.001, 0.012), (-0.003, 0.020), (-0.030, -0.002), (-0.001, 0.001)]
sure = [True, False, True, False]  # SOLUTION

# %%
signs = [np.sign(low) == np.sign(high) for low, high in intervals]
right = sure if sure is ... else [bool(mine == sign) for mine, sign in zip(sure, signs, strict=False)]
check(
    "1",
    right,
    [True] * 4,
    mistakes=[
        ([True, True, False, True], "An interval below zero is sure, too: sure to be worse."),
        ([True, False, True, True], "The mean is above zero, but the interval holds zero."),
        ([True, True, True, False], "A narrow interval that holds zero is still a tie."),
    ],
)

# %% [markdown]
# ## 2 · Find the bug
#
# A model that gives every film the *same* score has learned nothing, and this `hit` calls it perfect. Repair it: return the **chance** that the film is among
# the $k$ best if ties are broken at random.
#
# <details><summary>Hint</summary>Count the films that are better, and the films with the same score, this one included. How many of the tied ones still fit?</details>


# %%
def hit(scores, relevant, k):
    """The chance that the film with index `relevant` is among the k best."""
    better = (scores > scores[relevant]).sum()
    chance = float(better < k)
    # BEGIN SOLUTION
    tied = (scores == scores[relevant]).sum()
    chance = float(np.clip((k - better) / tied, 0, 1))
    # END SOLUTION
    return chance


# %%
draws = np.random.default_rng(0).random((4000, 30))
tables = [np.ones(30), np.arange(30.0), np.repeat([3.0, 2.0, 1.0], 10)]
truth = [(np.argsort(np.lexsort((row, -table)))[15] < 12) for table in tables for row in draws]
truth = np.reshape(truth, (3, -1)).mean(axis=1)  # by trying many orders
mine = [attempt(hit, table, 15, 12) for table in tables]
raised = [answer for answer in mine if isinstance(answer, Exception)]
check(
    "2",
    ... if mine == [1.0, 0.0, 1.0] else raised[0] if raised else np.array(mine),
    truth,
    tolerance=0.03,
    mistakes=[
        (np.array([0.0, 0.0, 0.0]), "To count all tied films as better is as wrong the other way."),
        (np.array([0.4, 0.0, 1.2]), "A chance is between 0 and 1."),
    ],
)

# %% [markdown]
# ## 3 · Change
#
# Write `random_hit_rate(n, R, k)`: the chance that a random order of $n$ films has at least one of the $R$ relevant films among its first $k$.
#
# <details><summary>Hint</summary>The chance of no hit: all $k$ come from the $n - R$ others. <code>scipy.stats.hypergeom</code>, or a product.</details>

# %%
random_hit_rate = ...


# BEGIN SOLUTION
def random_hit_rate(n, R, k):
    """One less the chance to draw k films of which none is relevant."""
    none = np.prod([(n - R - place) / (n - place) for place in range(k)])
    return float(1 - none)


# END SOLUTION


# %%
cases = [(1600, 5, 10), (101, 1, 10), (20, 12, 10)]
shuffles = np.random.default_rng(1)
truth = [np.mean([shuffles.permutation(n)[:R].min() < k for _ in range(4000)]) for n, R, k in cases]
answers = [attempt(random_hit_rate, *case) for case in cases]
raised = [answer for answer in answers if isinstance(answer, Exception)]
check(
    "3",
    ... if answers[0] is ... else raised[0] if raised else np.array(answers),
    np.array(truth),
    tolerance=0.03,
    mistakes=[
        (np.array([R * k / n for n, R, k in cases]), "That is the expected number of hits, not a chance."),
        (np.array([1 - (1 - k / n) ** R for n, R, k in cases]), "Nearly: a film cannot stand at two places."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# Choose λ of EASE from `GRID` in two ways, by NDCG@10 on validation. **Honest**: fit on train. **Leaky**: fit on train *and* validation. A tuple (honest, leaky).
#
# <details><summary>Hint</summary><code>max(GRID, key=lambda λ: ndcg(Ease(rows, indices, λ)))</code>, with two kinds of <code>rows</code>.</details>

# %%
GRID = [10, 100, 400, 2000]
chosen = ...
# BEGIN SOLUTION
everything = pd.concat([split.train, split.validation])
chosen = tuple(max(GRID, key=lambda λ: ndcg(Ease(rows, indices, λ))) for rows in (split.train, everything))
# END SOLUTION

# %%
space, found = {"regularisation": GRID}, []
for rows in (split.train, pd.concat([split.train, split.validation])):
    trials = ladder.tune(lambda regularisation, rows=rows: Ease(rows, indices, regularisation), ndcg, space)
    found.append(ladder.best_settings(trials)["regularisation"])
check(
    "4",
    chosen,
    tuple(found),
    mistakes=[
        (tuple(found[::-1]), "The other way round: honest first."),
        ((found[0], found[0]), "Is validation really in the rows of the leaky fit? It prefers to remember."),
        ((found[1], found[1]), "The honest fit must not see validation."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# This pipeline splits rows as in a tutorial. Repair it: no row of test may be in train, in the first epoch or in the second. Train should still get a new
# order in each epoch.
#
# <details><summary>Hint</summary>Fix the order before you split, and shuffle train again afterwards.</details>


# %%
def pipeline(rows, cut):
    """Train and test, as two `tf.data` pipelines of row numbers."""
    mixed = rows.shuffle(1000, seed=1)
    # BEGIN SOLUTION
    mixed = rows.shuffle(1000, seed=1, reshuffle_each_iteration=False)
    return mixed.take(cut).shuffle(cut, seed=2), mixed.skip(cut)
    # END SOLUTION
    return mixed.take(cut), mixed.skip(cut)


# %%
tf.random.set_seed(0)


def problems(make):
    """What is wrong with two epochs of the pipeline."""
    train, test = make(tf.data.Dataset.range(1000), 800)
    first, second, held = ([int(row) for row in part] for part in (train, train, test))
    found = {"leak": bool((set(first) | set(second)) & set(held)), "same order": first == second}
    found["sizes"] = (len(first), len(held)) != (800, 200)
    return sorted(name for name, bad in found.items() if bad)


state = attempt(problems, pipeline)
check(
    "5",
    ... if state == ["leak"] else state,  # as it was given
    [],
    mistakes=[
        (["same order"], "No leak any more, but each epoch has the same order: shuffle train once more."),
        (["leak", "sizes"], "Train must have 800 rows, and test 200."),
    ],
)

# %% [markdown]
# ## 6 · Change
#
# Type one of Burke's hybrids, a **cascade**: popularity chooses the 300 most rated films that a user has not seen, and EASE (λ = 400) puts them in order; all other
# films come after them. What is its NDCG@10 on validation?
#
# <details><summary>Hint</summary>A scorer that returns EASE's score, and <code>-1e9</code> for films that are not on the user's short list. Seen films must not take a place on it.</details>

# %%
ease, popular = Ease(split.train, indices, 400), Popularity(split.train, indices)
cascade_ndcg = ...
# BEGIN SOLUTION
seen = np.zeros((indices.num_users, indices.num_movies), bool)
seen[indices.user_index(split.train["user_id"]), indices.movie_index(split.train["movie_id"])] = True


def cascade(users):
    """EASE's scores on the short list of popularity."""
    unseen = np.where(seen[users], -np.inf, popular(users))
    short = np.argsort(-unseen, axis=1, kind="stable")[:, :300]
    scores = np.full(unseen.shape, -1e9)
    np.put_along_axis(scores, short, np.take_along_axis(ease(users), short, axis=1), axis=1)
    return scores


cascade_ndcg = ndcg(cascade)
# END SOLUTION

# %%
check(
    "6",
    cascade_ndcg,
    ndcg(burke.Cascade(split.train, indices, popular, ease, short_list=300)),
    tolerance=2e-4,
    mistakes=[
        (ndcg(ease), "That is EASE alone: does the short list leave anything out?"),
        (ndcg(popular), "That is popularity alone: EASE must put the short list in order."),
        (ndcg(burke.Cascade(split.train, indices, ease, popular, short_list=300)), "The two have changed places."),
    ],
)

# %% [markdown]
# ## 7 · Change
#
# **The luck of many trials.** Suppose that all settings of a model are equally good, NDCG@10 = 0.120, and that each trial measures it with an error: normal, with deviation 0.004. What
# value does the *best* trial have, on average, with 11 trials and with 40? A tuple.
#
# <details><summary>Hint</summary>Draw <code>rng.normal(0.120, 0.004, size=(20_000, trials))</code>, and take the largest of each row.</details>

# %%
rng = np.random.default_rng(0)
best_of = ...
# BEGIN SOLUTION
best_of = tuple(rng.normal(0.120, 0.004, size=(20_000, trials)).max(axis=1).mean() for trials in (11, 40))
# END SOLUTION

# %%
grid = np.linspace(0.09, 0.15, 20_001)
exact = []
for trials in (11, 40):
    below = stats.norm.cdf(grid, 0.120, 0.004) ** trials  # that all are below
    exact.append(float(np.sum((grid[1:] + grid[:-1]) / 2 * np.diff(below))))
check(
    "7",
    best_of,
    tuple(exact),
    tolerance=0.0003,
    mistakes=[
        ((0.120, 0.120), "That is the mean of all trials. Which one is reported?"),
        (tuple(exact[::-1]), "More trials, more luck: 11 first."),
    ],
)

# %% [markdown]
# ## 8 · Extend
#
# Write `paired_interval(first, second, rng)`: the 95 % interval of the mean difference, from 4,000 draws of *users* with replacement.
#
# <details><summary>Hint</summary>Draw users once for both models: <code>rng.integers(len(first), size=(4000, len(first)))</code>.</details>

# %%
paired_interval = ...


# BEGIN SOLUTION
def paired_interval(first, second, rng):
    """Low and high."""
    drawn = rng.integers(len(first), size=(4000, len(first)))
    return np.quantile((first - second)[drawn].mean(axis=1), [0.025, 0.975])


# END SOLUTION


# %%
rng = np.random.default_rng(2)
users = rng.normal(size=300)  # some are easy to serve, for both models
one, other = users + 0.1 + 0.05 * rng.normal(size=300), users + 0.05 * rng.normal(size=300)
unpaired = 1.96 * np.sqrt(one.var() / 300 + other.var() / 300)
check(
    "8",
    attempt(paired_interval, one, other, np.random.default_rng(1)),
    bootstrap_interval(one - other),
    tolerance=0.003,
    mistakes=[
        (
            np.array([0.1 - unpaired, 0.1 + unpaired]),
            "That draws the users of each model apart, so it measures how much users differ.",
        ),
    ],
)
