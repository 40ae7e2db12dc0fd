# %% [markdown]
# # 12 · Exercises: serving
#
# Write your answer where you find `...`; the cell after it says whether it is right, and if not, why perhaps. Run from top to bottom first:
# nothing is attempted yet, and nothing breaks. Back to [12](../12_serving.ipynb); the [solutions](../solutions/12_serving.ipynb).

# %%
import tempfile

import numpy as np

from movierec.keras2 import tf
from movierec.play import Quiz, attempt, check, load_or_train

model = load_or_train()
with tempfile.TemporaryDirectory() as folder:
    model.save(folder)
    program = tf.saved_model.load(f"{folder}/1")
rng = np.random.default_rng(0)

# %% [markdown]
# ## Three questions first
#
# Click an answer: each has its reason, the wrong ones too.

# %%
quiz = Quiz("../exercises/questions/12.toml")
# BEGIN SOLUTION
print(quiz.answers())
# END SOLUTION
quiz

# %% [markdown]
# ## 1 · Recall
#
# A model is saved over an older one. In which order must these happen, so that whoever is interrupted keeps a whole model? A list of the three letters.
#
# A: the older version is removed. B: the manifest is replaced. C: the files of the new version are written.
#
# <details><summary>Hint</summary>After each step, imagine that the power goes out. Which model does the manifest name, and is it whole?</details>

# %%
order = ["C", "B", "A"]  # SOLUTION

# %%
check(
    "1",
    order,
    ["C", "B", "A"],
    mistakes=[
        (["B", "C", "A"], "After B the manifest names files that are not there yet."),
        (["A", "C", "B"], "After A there is no model at all."),
        (["C", "A", "B"], "After A the manifest names files that are gone."),
    ],
)

# %% [markdown]
# ## 2 · Recall
#
# Which status belongs to which question? A dictionary from "unknown user", "k of 0", "a body of 10 MB" and "feedback kept" to 201, 404, 413 or 422.
#
# <details><summary>Hint</summary>Not found; not valid; too large; created.</details>

# %%
statuses = {"unknown user": 404, "k of 0": 422, "a body of 10 MB": 413, "feedback kept": 201}  # SOLUTION

# %%
NAMES = ["unknown user", "k of 0", "a body of 10 MB", "feedback kept"]
yours = statuses if statuses is ... else attempt(lambda: [statuses[name] for name in NAMES])
check(
    "2",
    yours,
    [404, 422, 413, 201],
    mistakes=[([422, 404, 413, 201], "A k of 0 is a question that makes no sense; a user can be missing.")],
)

# %% [markdown]
# ## 3 · Change
#
# Ask the saved program (`program.signatures["recommend_after"]`) for the best 5 films of user 42 after a *view* of *Fargo* (movie_id 100). Their movie_ids, as a list.
#
# <details><summary>Hint</summary>It takes <code>user_id</code> (int64), <code>movie_id</code> (int64 [n]), <code>stars</code> (float32 [n], NaN for none), <code>is_seen</code> (bool [n]) and <code>k</code>; each as <code>tf.constant(value, type)</code>.</details>

# %%
after_view = ...
# BEGIN SOLUTION
answer = program.signatures["recommend_after"](
    user_id=tf.constant(42, tf.int64),
    movie_id=tf.constant([100], tf.int64),
    stars=tf.constant([np.nan], tf.float32),
    is_seen=tf.constant([True]),
    k=tf.constant(5),
)
after_view = answer["movie_id"][0].numpy().tolist()
# END SOLUTION

# %%
seen, unseen, five_stars = (
    model.pipeline.recommend_after(
        tf.constant(42, tf.int64),
        tf.constant([100], tf.int64),
        tf.constant([stars], tf.float32),
        tf.constant([is_seen]),
        5,
    )
    for stars, is_seen in ((np.nan, True), (np.nan, False), (5.0, True))
)
check(
    "3",
    after_view,
    seen["movie_id"][0].numpy(),
    mistakes=[
        (unseen["movie_id"][0].numpy(), "That is after a click: a film that was viewed is seen."),
        (five_stars["movie_id"][0].numpy(), "That is after five stars; a view has NaN."),
    ],
)

# %% [markdown]
# ## 4 · Change
#
# A thousand latencies, in ms. What is the 99th percentile?
#
# <details><summary>Hint</summary><code>np.quantile</code>.</details>

# %%
latencies = np.concatenate([rng.gamma(4, 1, 980), rng.gamma(4, 25, 20)])
slowest_of_a_hundred = np.quantile(latencies, 0.99)  # SOLUTION

# %%
check(
    "4",
    slowest_of_a_hundred,
    np.quantile(latencies, 0.99),
    mistakes=[
        (latencies.mean(), "That is the mean: it hides the tail."),
        (latencies.max(), "That is the worst of a thousand."),
        (np.quantile(latencies, 0.01), "That is the fastest of a hundred."),
    ],
)

# %% [markdown]
# ## 5 · Find the bug
#
# A load test asks every 10 ms, and measures from the moment of *sending*. The service sleeps once for a second, and the test waits for it before it asks on.
# Mend `latency`: it shall count from the moment at which a question was **due**.
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
untouched = not isinstance(yours, Exception) and np.array_equal(yours, arrived - sent)
print("nine tenths were answered within", *np.quantile(arrived - sent, [0.9]), "ms, says the load test")
check(
    "5",
    ... if untouched else yours,
    arrived - due,
    mistakes=[(sent - due, "That is how long a question waited to be sent; the answer took its time, too.")],
)

# %% [markdown]
# ## 6 · Extend
#
# Write `longer(vectors)`: one more column, √(max|v|² − |v|²), so that for every query q, with a 0 appended, the *nearest* vector is the one with the largest product.
#
# <details><summary>Hint</summary>|q − v|² = |q|² − 2⟨q, v⟩ + |v|². What does the new column make of |v|²?</details>

# %%
longer = ...


# BEGIN SOLUTION
def longer(vectors):
    """float [N, dim + 1]: all of the same length."""
    square = (vectors**2).sum(axis=1)
    return np.column_stack([vectors, np.sqrt(square.max() - square)])


# END SOLUTION


# %%
vectors, queries = rng.normal(size=(500, 4)) * rng.pareto(2, size=(500, 1)), rng.normal(size=(50, 4))
yours = attempt(longer, vectors)
if isinstance(yours, np.ndarray) and yours.shape == (500, 5):
    distance = ((np.pad(queries, ((0, 0), (0, 1)))[:, None] - yours[None]) ** 2).sum(axis=2)
    yours = distance.argmin(axis=1)
plain = ((queries[:, None] - vectors[None]) ** 2).sum(axis=2).argmin(axis=1)
check(
    "6", yours, (queries @ vectors.T).argmax(axis=1), mistakes=[(plain, "That is the nearest without the new column.")]
)
