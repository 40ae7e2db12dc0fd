"""The stars head and the session features: their equations against slow loops; and two heads in one model."""

import numpy as np
import pytest
from untrained import dense, randomise, untrained

from movierec.baselines import Bias
from movierec.data import UNKNOWN, make_indices, make_weeks, rating_rows
from movierec.keras2 import tf, tfrs
from movierec.models import stars
from movierec.models.history import History, make_history
from movierec.models.stars import NUM_SESSION_FEATURES, SESSION_DAMPINGS, SESSION_SECONDS, session_features

SMALL = dict(dim=3, hidden=(5,), dropout=0.0)


def build(data, indices, history=None, **settings):
    """A model with a stars head only."""
    return untrained(data, indices, ("stars",), history=history, **SMALL | settings)


@pytest.fixture
def model(tiny, tiny_indices):
    model = build(tiny, tiny_indices)
    randomise(model.stars)
    return model


@pytest.fixture
def batch(tiny, tiny_indices):
    """All fourteen ratings as one batch, in the order of the history; users and movies repeat in it."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    by_user = tiny.ratings.sort_values(["user_id", "timestamp"])
    rows = rating_rows(by_user, tiny_indices, make_weeks(tiny.ratings), history.residual)
    rows["session"] = np.random.default_rng(1).normal(size=(14, NUM_SESSION_FEATURES)).astype(np.float32)
    return {name: tf.constant(column) for name, column in rows.items()}


# ---- towers

LISTS = {"most_pairs": 0, "most_raters": 3}  # three of the users stand for the raters of a movie


def loop_tower(model, tower, row, without=None):
    """The vector of one row from the docstring's equation and the ratings themselves."""
    of_users, past = tower is model.stars.user, model.past
    vector = tower.features.numpy()[row] @ tower.feature.numpy()
    vector = vector + (tower.id.numpy()[row] if tower.id is not None else 0)
    pairs = zip(past.user_index, past.movie_index, past.residual, strict=True)
    rated = [(i, e) if of_users else (u, e) for u, i, e in pairs if (u if of_users else i) == row]
    others = [(j, e) for j, e in rated if j != without]
    if not of_users and (rater := model.stars.rater_index) is not None:
        others = [(rater[j], e) for j, e in others if rater[j] != UNKNOWN]
    if tower.watched is None or not others:
        return vector
    bag = sum(tower.watched.numpy()[j] for j, _ in others)
    if tower.starred is not None:
        bag = bag + sum(e * tower.starred.numpy()[j] for j, e in others)
    return vector + bag / np.sqrt(len(others))


@pytest.mark.parametrize("kind", [{}, LISTS], ids=["matrices", "lists"])
@pytest.mark.parametrize(
    ("without", "ids"),
    [
        ((), False),
        ((), True),
        ("bag of movies", False),
        ("bag of users", True),
        ("explicit", False),
        ("features", True),
    ],
)
def test_towers_equal_a_slow_loop(tiny, tiny_indices, batch, kind, without, ids):
    """Asked for stars, a row has all of its bag; in training, all but the rating that is to be predicted.

    With lists, the bag of a film has the ratings of some users only, and no other rating is taken out of it.
    """
    model = build(tiny, tiny_indices, **kind, without=without, ids=ids)
    randomise(model.stars)
    user, movie = model.stars.user, model.stars.movie
    trained, asked = model.stars.vectors(batch, training=True), model.stars.vectors(batch)
    for row, (u, i) in enumerate(zip(batch["user_index"].numpy(), batch["movie_index"].numpy(), strict=True)):
        np.testing.assert_allclose(trained[0][row], loop_tower(model, user, u, without=i), atol=1e-5)
        np.testing.assert_allclose(trained[1][row], loop_tower(model, movie, i, without=u), atol=1e-5)
        np.testing.assert_allclose(asked[0][row], loop_tower(model, user, u), atol=1e-5)
        np.testing.assert_allclose(asked[1][row], loop_tower(model, movie, i), atol=1e-5)
    assert (user.id is not None, movie.id is not None) == (ids, ids)
    assert (user.watched is None, movie.watched is None) == (without == "bag of movies", without == "bag of users")
    assert (user.starred is None) == (without in ("bag of movies", "explicit"))
    assert (user.feature.shape[0] == 0) == (without == "features")
    if kind:
        assert (model.stars.rater_index != UNKNOWN).sum() == 3


@pytest.mark.parametrize("kind", [{}, LISTS], ids=["matrices", "lists"])
def test_what_is_learned_from_a_rating_does_not_depend_on_its_own_residual(tiny, tiny_indices, batch, kind):
    """Equal weights, two histories that differ in one rating: it alone in a batch has the same loss and gradients."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    row = int(np.flatnonzero(history.movie_index == 1)[0])
    residual = history.residual.copy()
    residual[row] = 9  # as if this rating had surprised by 9 stars
    model = build(tiny, tiny_indices, **kind)
    other = build(tiny, tiny_indices, history._replace(residual=residual), **kind)
    randomise(model.stars)
    other.stars.set_weights(model.stars.get_weights())
    one = {name: column[row : row + 1] for name, column in batch.items()}

    def learned(of, own_residual):
        rows = one | {"residual": tf.constant([own_residual], tf.float32)}
        with tf.GradientTape() as tape:
            loss = of.stars_loss(rows, training=True)
        return [loss, *(tf.convert_to_tensor(g) for g in tape.gradient(loss, of.stars.trainable_variables))]

    for here, there in zip(learned(model, history.residual[row]), learned(other, 9), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    for tower, index in (("user", "user_index"), ("movie", "movie_index")):  # with the rating left in, they differ
        seen = [getattr(of.stars, tower)(one[index]).numpy() for of in (model, other)]
        assert np.abs(seen[0] - seen[1]).max() > 0.5


# ---- paths


def loop_paths(model, u, i, w, session):
    stars = model.stars
    x, y = loop_tower(model, stars.user, u), loop_tower(model, stars.movie, i)
    bias = stars.mean + stars.user_bias.numpy()[u] + stars.movie_bias.numpy()[i]
    dot = x @ y
    if w >= 0:
        bias += stars.week_bias.numpy()[w]
        dot += stars.week.numpy()[w] @ (x + y)
    deep = dense(stars.deep, np.concatenate([x, y, x * y, session]))[0]
    return {"bias": bias, "dot": dot, "deep": deep, "session": session @ stars.session.numpy()[:, 0]}


def questions(week):
    columns = {"user_index": [0, 5, 3], "movie_index": [4, 2, 0], "week_index": [week] * 3}
    session = np.random.default_rng(0).normal(size=(3, NUM_SESSION_FEATURES)).astype(np.float32)
    return {name: tf.constant(column, tf.int32) for name, column in columns.items()} | {"session": tf.constant(session)}


@pytest.mark.parametrize(("week", "part"), [(0, None), (1, None), (-1, None), (0, "dot"), (0, "deep"), (0, "session")])
def test_paths_equal_a_slow_loop_and_their_sum_makes_the_stars_also_without_one(tiny, tiny_indices, week, part):
    model = build(tiny, tiny_indices, **{"without": part, "ordinal": False} if part else {})
    randomise(model.stars)
    columns = questions(week)
    paths = model.stars.paths(columns, *model.stars.vectors(columns))
    assert list(paths) == [name for name in ("bias", "dot", "deep", "session") if name != part]
    triples = zip([0, 5, 3], [4, 2, 0], columns["session"].numpy() * (part != "session"), strict=True)
    expected = [loop_paths(model, u, i, week, session) for u, i, session in triples]
    for name, path in paths.items():
        np.testing.assert_allclose(path, [of[name] for of in expected], atol=1e-4)
        assert np.abs(path).max() > 0.01  # no path is silent here
    total = np.array([sum(of[name] for name in paths) for of in expected])
    if not part:
        thresholds = model.stars.thresholds
        total = 1 + (1 / (1 + np.exp(-thresholds.slope.numpy() * (total[:, None] - thresholds.cuts.numpy())))).sum(
            axis=1
        )
    np.testing.assert_allclose(model.predict_stars(columns), total, atol=1e-4)


def test_before_its_first_step_the_stars_head_is_the_bias_baseline(checkerboard):
    indices = make_indices(checkerboard.ratings, checkerboard.movies)
    rows = rating_rows(checkerboard.ratings, indices, make_weeks(checkerboard.ratings))
    expected = Bias(checkerboard.ratings, indices).predict(checkerboard.ratings)
    columns = {name: rows[name] for name in ("user_index", "movie_index", "week_index")}
    columns["session"] = np.ones((len(expected), NUM_SESSION_FEATURES), np.float32)  # without a weight yet
    for ordinal, off in ((False, 0.05), (True, 0.35)):  # cuts bend the sum a little, nearest to the ends
        fresh = build(checkerboard, indices, ordinal=ordinal)
        assert np.mean(np.abs(fresh.predict_stars(columns) - expected)) < off


@pytest.mark.parametrize("ordinal", [False, True])
def test_the_stars_loss_is_a_mean_and_its_penalties(tiny, tiny_indices, batch, ordinal):
    model = build(tiny, tiny_indices, ordinal=ordinal, stars_penalty=0.3, bias_penalty=0.7)
    randomise(model.stars)
    names = "user_index", "movie_index", "week_index", "session"
    rows = list(zip(*(batch[name].numpy() for name in names), strict=True))
    total = np.array([sum(loop_paths(model, *row).values()) for row in rows])
    rating = batch["rating"].numpy()
    if ordinal:
        expected = model.stars.thresholds.loss(tf.constant(total, tf.float32), batch["rating"]).numpy()
    else:
        expected = np.mean((total - rating) ** 2)
    x = np.array([loop_tower(model, model.stars.user, row[0]) for row in rows])
    y = np.array([loop_tower(model, model.stars.movie, row[1]) for row in rows])
    biases = [model.stars.user_bias.numpy()[row[0]] ** 2 + model.stars.movie_bias.numpy()[row[1]] ** 2 for row in rows]
    expected += 0.3 * (np.mean((x**2).sum(axis=1)) + np.mean((y**2).sum(axis=1))) + 0.7 * np.mean(biases)
    assert model.stars_loss(batch).numpy() == pytest.approx(expected, rel=1e-4)
    twice = {name: tf.concat([column, column], 0) for name, column in batch.items()}
    assert model.stars_loss(twice).numpy() == pytest.approx(expected, rel=1e-4)  # a mean, not TFRS's sum


# ---- two heads in one model


@pytest.mark.parametrize("trained", ["stars", "ranking"])
def test_the_batch_decides_whose_loss_it_is_and_training_one_head_leaves_the_other(tiny, tiny_indices, batch, trained):
    model = untrained(tiny, tiny_indices, ("stars", "ranking"), **SMALL, ranking_dim=4, ranking_hidden=(5,))
    users = {"user_index": tf.range(6)}
    assert isinstance(model, tfrs.Model)
    assert model.compute_loss(batch).numpy() == model.stars_loss(batch).numpy()
    assert model.compute_loss(users).numpy() == model.ranking_loss(users).numpy()

    def weights(head):
        return np.concatenate([weight.ravel() for weight in getattr(model, head).get_weights()])

    before = {head: weights(head) for head in ("stars", "ranking")}
    model.train_only((trained,))
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(0.1))
    model.fit(tf.data.Dataset.from_tensors(batch if trained == "stars" else users), verbose=0)
    assert [head for head in before if not np.array_equal(before[head], weights(head))] == [trained]


# ---- sessions


@pytest.fixture(params=[False, True], ids=["both sides", "in order"])
def busy(request):
    """Four users; the first rates in bursts, with ties, the last but once."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 400, 30))
    users = np.repeat([0, 1, 2, 3], [16, 8, 5, 1])
    time = np.concatenate([np.sort(seconds[users == user]) for user in range(4)])
    time[3:6] = time[3]
    residual = rng.normal(size=30).astype(np.float32)
    return History(users.astype(np.int32), np.arange(30, dtype=np.int32), residual, time, 4, 30, request.param)


def loop_session(history, others, gaps):
    """The docstring's sum over the rows `others`, `gaps` seconds away."""
    found = []
    for seconds in SESSION_SECONDS:
        k = np.exp(-np.abs(gaps) / seconds)
        found += [(k * history.residual[others]).sum() / (damping + k.sum()) for damping in SESSION_DAMPINGS]
    return found


def test_own_ratings_see_the_others_and_not_themselves(busy):
    features = session_features(busy)
    assert features.shape == (30, NUM_SESSION_FEATURES) and features.dtype == np.float32
    for row in range(30):
        others = np.flatnonzero(busy.user_index == busy.user_index[row])
        others = others[others < row] if busy.in_order else others[others != row]
        expected = loop_session(busy, others, busy.timestamp[others] - busy.timestamp[row])
        np.testing.assert_allclose(features[row], expected, atol=1e-6)
    assert not features[29].any()  # of a user with one rating there is nothing to see


def test_questions_see_all_ratings_or_those_until_now(busy):
    users, times = np.array([0, 2, 0, 1, 3]), busy.timestamp[[4, 26, 10, 20, 29]] + np.array([0, 3, -1, 500, 0.5])
    features = session_features(busy, users, times)
    for row, (user, time) in enumerate(zip(users, times, strict=True)):
        others = np.flatnonzero((busy.user_index == user) & ((busy.timestamp <= time) | (not busy.in_order)))
        np.testing.assert_allclose(features[row], loop_session(busy, others, busy.timestamp[others] - time), atol=1e-6)
    np.testing.assert_array_equal(session_features(busy, users[2:3], times[2:3]), features[2:3])
    times = np.array([5.0, np.nan, 1e9, busy.timestamp[3]])  # no user, no time, a time far from all ratings
    features = session_features(busy, np.array([UNKNOWN, 0, 0, 0]), times)
    assert not features[:3].any() and features[3].any()
    assert session_features(busy, np.array([], int), np.array([])).shape == (0, NUM_SESSION_FEATURES)


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
def test_a_large_history_is_read_in_blocks_of_whole_users(tiny, tiny_indices, monkeypatch, rows):
    """Users 1, 2, 3, 5, 8, 9 have 3, 3, 3, 3, 1, 1 ratings."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    at_once = session_features(history)
    sizes = [len(block.user_index) for block in history.blocks(rows)]
    assert sizes == {1: [3, 3, 3, 3, 1, 1], 2: [3, 3, 3, 3, 2], 5: [6, 6, 2], 100: [14]}[rows]
    monkeypatch.setattr(stars, "ROWS_AT_ONCE", rows)
    np.testing.assert_allclose(session_features(history), at_once, atol=1e-6)


def test_gaps_of_years_between_bursts_do_not_blur_them():
    """The sum is one of logarithms of e^(time / 5 s), over 60 million seconds of time here; float16 is off by .001."""
    rng = np.random.default_rng(3)
    burst, n = 6, 600
    time = np.repeat(np.arange(n // burst) * 600_000, burst) + np.tile(np.arange(burst) * 3, n // burst)
    residual = rng.normal(size=n).astype(np.float32)
    history = History(np.zeros(n, np.int32), np.arange(n, dtype=np.int32), residual, time, 1, n, False)
    found = session_features(history)
    for row in (0, 7, n - 1):
        others = np.setdiff1d(np.arange(n), [row])
        np.testing.assert_allclose(found[row], loop_session(history, others, time[others] - time[row]), atol=1e-6)
    np.testing.assert_allclose(session_features(history, dtype=np.float16), found, atol=1e-3)
