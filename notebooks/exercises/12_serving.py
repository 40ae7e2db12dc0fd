# %% [markdown]
# # 12 · Exercises: serving
#
# Write your answer where you find `...`. The cell after it says whether the answer is right, and if it is not, what to look at. Run all cells first:
# nothing is attempted yet, and nothing breaks. Back to [12](../12_serving.ipynb); the [solutions](../solutions/12_serving.ipynb).

# %%
import numpy as np

from movierec.evaluation import top_k
from movierec.feedback import simulator
from movierec.keras2 import tf
from movierec.play import Quiz, attempt, check, load_or_train
from movierec.serving import explore

rng = np.random.default_rng(0)

# %% [markdown]
# ## Three questions first
#
# Click an answer. Each one has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/12.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# A model is saved over an older one. In which order must these happen, so that a crash between two steps always leaves a whole model? Give a list of the three letters.
#
# A: the older version is removed. B: the manifest is replaced, and names the new version. C: the files of the new version are written.
#
# <details><summary>Hint</summary>After each step, imagine that the power goes out. Which version does the manifest name, and are its files there?</details>

# %%
order = ["C", "B", "A"]  # SOLUTION


# %%
def first_crash(order):
    """Return the step after which the manifest names files that are not there; "" if there is none."""
    files, named = {"old"}, "old"
    if sorted(order) != ["A", "B", "C"]:
        return "all"
    for step in order:
        files = {"A": files - {"old"}, "B": files, "C": files | {"new"}}[step]
        named = "new" if step == "B" else named
        if named not in files:
            return step
    return ""


crash = "" if order is ... else attempt(first_crash, order)
reasons = [(step, f"After step {step} the manifest names files that are not there.") for step in "ABC"]
reasons += [("all", "Each of the three letters is needed once.")]
check("1", order if order is ... else crash, "", mistakes=reasons)

# %% [markdown]
# ## A small service
#
# The other exercises need a log. Here 300 users see lists of 5 of 15 films each. A click needs a look at the place, 1/p, and a liking, which depends on four features of user and film.

# %%
USERS, POOL, K, EPSILON = 300, 15, 5, 0.3
features = rng.normal(size=(USERS, POOL, 4))
features = features[np.arange(USERS)[:, None], np.argsort(-features[:, :, 0], axis=1)]
liking = 1 / (1 + np.exp(-(features @ np.array([1.0, -0.5, 0.8, 0.0]))))
look = simulator.examined(K)
challenger = top_k(features[:, :, 0] + features[:, :, 2], K)  # rows of the films that the challenger would show
visitor = rng.integers(USERS, size=8_000)
drawn = [explore(POOL, K, EPSILON, rng) for _ in visitor]
shown, propensity = (np.array(part) for part in zip(*drawn, strict=True))
click = (rng.random(shown.shape) < look * liking[visitor[:, None], shown]).astype(float)
target = (shown == challenger[visitor]).astype(float)
truth = (np.take_along_axis(liking, challenger, axis=1) * look).sum(axis=1).mean()
w = target / propensity
print("lists and places:", shown.shape, "| IPS:", round((w * click).sum(axis=1).mean(), 2), "| truth:", round(truth, 2))

# %% [markdown]
# ## 2 · Change
#
# **Another way to explore.** With probability ε, a place gets one of *all* `num` films, its own film among them (draw each place for itself). Write `propensity_of(is_own, num, epsilon)`:
# the probability of the film at its place, if it is the model's own film there, or another one.
#
# <details><summary>Hint</summary>The own film comes in two ways.</details>

# %%
propensity_of = ...


# BEGIN SOLUTION
def propensity_of(is_own, num, epsilon):
    """The chance of the film at its place."""
    return (1 - epsilon) * is_own + epsilon / num


# END SOLUTION

# %%
drawn_films = np.where(rng.random(200_000) < 0.3, rng.integers(8, size=200_000), 0)  # place 1, own film 0, 8 films
often = np.bincount(drawn_films, minlength=8) / len(drawn_films)
yours = attempt(lambda: np.array([propensity_of(True, 8, 0.3), propensity_of(False, 8, 0.3)]))
if isinstance(yours, np.ndarray):
    near = np.abs(yours - [often[0], often[1:].mean()]) < 0.003
    yours = "right" if near.all() else ("own" if near[1] else "other")
reasons = [
    ("own", "The own film comes more often than you say: it may also be drawn."),
    ("other", "How many films may be drawn?"),
]
check("2", propensity_of if propensity_of is ... else yours, "right", mistakes=reasons)

# %% [markdown]
# ## 3 · Change
#
# **Change the estimator.** Each place has its own mean weight. Write `snips_by_place(w, click)`, both `[lists, places]`: the self-normalised estimate at each place, added up over the places.
#
# <details><summary>Hint</summary>Σ w · click / Σ w, along the lists, for each place.</details>

# %%
snips_by_place = ...


# BEGIN SOLUTION
def snips_by_place(w, click):
    """The sum over places of Σ w · click / Σ w."""
    return ((w * click).sum(axis=0) / w.sum(axis=0)).sum()


# END SOLUTION

# %%
yours = attempt(snips_by_place, w, click)
if isinstance(yours, float | np.floating):
    tripled = attempt(snips_by_place, w * np.array([1, 3, 3, 3, 3]), click)  # a weight of a place must not matter
    near_truth = abs(yours - truth) < 0.25
    yours = "right" if near_truth and abs(tripled - yours) < 1e-9 else ("places" if near_truth else "far")
reasons = [("places", "Near the truth; but the places are not normalised one by one.")]
reasons += [("far", "That is far from the truth. Is the sum over places outside, and the sum over lists inside?")]
check("3", snips_by_place if snips_by_place is ... else yours, "right", mistakes=reasons)

# %% [markdown]
# ## 4 · Extend
#
# **Train a model of clicks.** A click has the probability `look * sigmoid(features @ theta)`. Write `train_clicks(x, look_of, click)`, with `x` `[rows, 4]`, which finds theta by gradient descent on the log loss
# of *all* impressions and returns it as an array `[4]`. The place must be in the model; else a good film at place 5 looks bad.
#
# <details><summary>Hint</summary>A <code>tf.Variable(tf.zeros(4))</code>, <code>tf.GradientTape</code>, 200 steps of <code>tf.keras.optimizers.Adam(0.05)</code>. The loss is −mean(click · log p + (1 − click) · log(1 − p)), with p clipped to 1e-6 … 1 − 1e-6.</details>

# %%
x = features[visitor[:, None], shown].reshape(-1, 4).astype(np.float32)
look_of = np.tile(look, len(visitor)).astype(np.float32)
clicked = click.ravel().astype(np.float32)
train_clicks = ...


# BEGIN SOLUTION
def train_clicks(x, look_of, click):
    """The theta of the click model."""
    theta, optimizer = tf.Variable(tf.zeros(4)), tf.keras.optimizers.Adam(0.05)
    for _ in range(200):
        with tf.GradientTape() as tape:
            p = tf.clip_by_value(look_of * tf.sigmoid(tf.linalg.matvec(x, theta)), 1e-6, 1 - 1e-6)
            loss = -tf.reduce_mean(click * tf.math.log(p) + (1 - click) * tf.math.log(1 - p))
        optimizer.apply_gradients([(tape.gradient(loss, theta), theta)])
    return theta.numpy()


# END SOLUTION

# %%
theta = ... if train_clicks is ... else attempt(train_clicks, x, look_of, clicked)
judged = theta
if isinstance(theta, np.ndarray):
    p = np.clip(look_of / (1 + np.exp(-x @ theta)), 1e-6, 1 - 1e-6)
    slope = ((clicked - p) / (1 - p) * (1 - p / look_of)) @ x / len(x)  # of the log likelihood
    judged = "right" if np.abs(slope).max() < 0.004 else "slope"
reasons = [("slope", "The loss still falls from your theta. More steps? Is the place in the probability?")]
check("4", judged, "right", mistakes=reasons)

# %% [markdown]
# ## 5 · Extend
#
# **Doubly robust.** Put your model of clicks and the weights together: for each list, what the model expects of the challenger's list, plus, at each place, the weight times the error of the model for the film that was shown.
# Write `doubly_robust(expected, guess, w, click)`, with `expected` `[lists]` and the rest `[lists, places]`; return the mean over lists and its standard error.
#
# <details><summary>Hint</summary>The error of the model is click − guess. The standard error is that of the mean over lists.</details>

# %%
doubly_robust = ...


# BEGIN SOLUTION
def doubly_robust(expected, guess, w, click):
    """Mean and standard error over lists."""
    worth = expected + (w * (click - guess)).sum(axis=1)
    return worth.mean(), worth.std(ddof=1) / np.sqrt(len(worth))


# END SOLUTION

# %%
learned = np.zeros(4) if not isinstance(theta, np.ndarray) else theta
model_of = 1 / (1 + np.exp(-(features @ learned)))
expected = (np.take_along_axis(model_of, challenger, axis=1) * look).sum(axis=1)[visitor]
guess = look * model_of[visitor[:, None], shown]
yours = attempt(doubly_robust, expected, guess, w, click)
if isinstance(yours, tuple):
    of_ips = (w * click).sum(axis=1).std() / np.sqrt(len(visitor))
    biased = attempt(doubly_robust, expected + 1, guess + np.eye(K)[0], w, click)  # a model that is wrong at place 1
    near = abs(yours[0] - truth) < 0.15 and yours[1] < 1.05 * of_ips
    yours = ("right" if abs(biased[0] - truth) < 0.3 else "model") if near else "far"
reasons = [("model", "With a wrong model your estimate is wrong, too: does the weighted error correct it?")]
reasons += [("far", "That is not near the truth, or its error is larger than that of IPS. Is the error click − guess?")]
check("5", doubly_robust if doubly_robust is ... else yours, "right", mistakes=reasons)

# %% [markdown]
# ## 6 · Find the bug
#
# A load test asks every 10 ms, and measures from the moment of *sending*. The service sleeps once for a second, and the test waits for it before it asks on.
# Repair `latency`: it should count from the moment at which a question was **due**.
#
# <details><summary>Hint</summary>Question n was due at 10 · n ms. While the service slept, a hundred questions were due, and people were waiting.</details>


# %%
def latency(due_ms, sent_ms, arrived_ms):
    """What a person who asked at `due_ms` has waited."""
    since_ms = sent_ms
    # BEGIN SOLUTION
    since_ms = due_ms
    # END SOLUTION
    return arrived_ms - since_ms


# %%
due = 10.0 * np.arange(300)
sent, arrived, free = np.zeros(300), np.zeros(300), 0.0
for n in range(300):
    sent[n] = max(due[n], free)
    free = arrived[n] = sent[n] + (1000.0 if n == 100 else 2.0)
yours = attempt(latency, due, sent, arrived)
print("nine tenths were answered within", *np.quantile(arrived - sent, [0.9]), "ms, says the load test")
if isinstance(yours, np.ndarray):
    slow = int((yours > 100).sum())  # people who waited longer than a tenth of a second
    yours = ... if slow == 1 else ("right" if 90 < slow < 130 and yours.min() >= 2 else "waiting")
reasons = [("waiting", "How long did the person wait in all, from the moment when the question was due to the answer?")]
check("6", yours, "right", mistakes=reasons)

# %% [markdown]
# ## 7 · Extend
#
# **Train vectors for an index.** EASE is no product of two vectors of a few numbers, so the notebook left it out of retrieval. Train vectors that include it: write `train_vectors(scores, dim)`, which returns `queries` `[users, dim]` and
# `films` `[movies, dim]` whose products order the films like `scores`. The hundred best by your products must hold at least 90 % of the hundred best by the scores, with 32 dimensions.
#
# <details><summary>Hint</summary>Two <code>tf.Variable</code>s and a squared error, by Adam; or, in closed form, the first 32 parts of <code>np.linalg.svd</code>. Take the mean of each user's scores off first.</details>

# %%
scores = load_or_train().score(np.arange(200))
train_vectors = ...


# BEGIN SOLUTION
def train_vectors(scores, dim):
    """Queries and films of the best approximation of this rank."""
    u, s, v = np.linalg.svd(scores - scores.mean(axis=1, keepdims=True), full_matrices=False)
    return u[:, :dim] * s[:dim], v[:dim].T


# END SOLUTION

# %%
yours = attempt(train_vectors, scores, 32)
if isinstance(yours, tuple):
    queries, films = yours
    lists = zip(top_k(scores, 100), top_k(np.asarray(queries @ films.T, np.float32), 100), strict=True)
    share = np.mean([np.isin(a, b).mean() for a, b in lists])
    print(f"found: {share:.2f} of the hundred best, with {queries.shape[1]} numbers a user")
    yours = "long" if queries.shape[1] > 32 else ("right" if share >= 0.9 else "few")
reasons = [
    ("long", "Use `dim` numbers for each user and film."),
    ("few", "Too few are found. Train longer, or take the means off first."),
]
check("7", train_vectors if train_vectors is ... else yours, "right", mistakes=reasons)
