"""The stars head's equations against numpy loops, with large random weights."""

import numpy as np
import pytest
from untrained import dense, randomise, untrained

from movierec.baselines import Bias
from movierec.data import make_indices, make_weeks, rating_rows
from movierec.keras2 import tf
from movierec.models.history import make_history
from movierec.models.sessions import NUM_SESSION_FEATURES, session_features
from movierec.models.stars import Thresholds

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

LISTS = {"most_pairs": 0, "most_raters": 3}  # movies 10 to 50 have 4, 3, 4, 3 and no ratings: two have no bag


def loop_tower(model, tower, row, without=None):
    """The vector of one row from the docstring's equation and the ratings themselves."""
    of_users, past = tower is model.stars.user, model.past
    vector = tower.features.numpy()[row] @ tower.feature.numpy()
    vector = vector + (tower.id.numpy()[row] if tower.id is not None else 0)
    pairs = zip(past.user_index, past.movie_index, past.residual, strict=True)
    rated = [(i, e) if of_users else (u, e) for u, i, e in pairs if (u if of_users else i) == row]
    others = [(j, e) for j, e in rated if j != without]
    has_bag = of_users or model.stars.in_movie_bag is None or len(rated) <= LISTS["most_raters"]
    if tower.watched is None or not others or not has_bag:
        return vector
    bag = sum(tower.watched.numpy()[j] for j, _ in others)
    if tower.starred is not None:
        bag = bag + sum(e * tower.starred.numpy()[j] for j, e in others)
    return vector + bag / np.sqrt(len(others))


@pytest.mark.parametrize("kind", [{}, LISTS], ids=["matrices", "lists"])
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("without", [(), "bag of movies", "bag of users", "explicit", "features"])
def test_towers_equal_a_slow_loop(tiny, tiny_indices, batch, kind, without, ids):
    """Asked for stars, a row has all of its bag; in training, all but the rating that is to be predicted.

    A film without a bag is its id and its features, and no rating is taken out of it.
    """
    model = build(tiny, tiny_indices, **kind, without=without, ids=ids)
    randomise(model.stars)
    user, movie = model.stars.user, model.stars.movie
    in_bag = {} if model.stars.in_movie_bag is None else {"in_movie_bag": tf.constant(model.stars.in_movie_bag)}
    trained, asked = model.stars.vectors(batch | in_bag, training=True), model.stars.vectors(batch)
    for row, (u, i) in enumerate(zip(batch["user_index"].numpy(), batch["movie_index"].numpy(), strict=True)):
        np.testing.assert_allclose(trained[0][row], loop_tower(model, user, u, without=i), atol=1e-5)
        np.testing.assert_allclose(trained[1][row], loop_tower(model, movie, i, without=u), atol=1e-5)
        np.testing.assert_allclose(asked[0][row], loop_tower(model, user, u), atol=1e-5)
        np.testing.assert_allclose(asked[1][row], loop_tower(model, movie, i), atol=1e-5)
    assert (user.id is not None, movie.id is not None) == (ids, ids or bool(kind))  # or a film would be nobody
    assert (user.watched is None, movie.watched is None) == (without == "bag of movies", without == "bag of users")
    assert (user.starred is None) == (without in ("bag of movies", "explicit"))
    assert (user.feature.shape[0] == 0) == (without == "features")
    if kind:
        assert in_bag["in_movie_bag"].numpy().tolist() == np.isin(model.past.movie_index, [1, 3]).tolist()


@pytest.mark.parametrize("kind", [{}, LISTS], ids=["matrices", "lists"])
def test_what_is_learned_from_a_rating_does_not_depend_on_its_own_residual(tiny, tiny_indices, batch, kind):
    """Equal weights, two histories that differ in one rating: it alone in a batch has the same loss and gradients."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    row = int(np.flatnonzero(history.movie_index == 1)[0])  # of a film that has a bag in both kinds
    residual = history.residual.copy()
    residual[row] = 9  # as if this rating had surprised by 9 stars
    model = build(tiny, tiny_indices, **kind)
    other = build(tiny, tiny_indices, history._replace(residual=residual), **kind)
    randomise(model.stars)
    other.stars.set_weights(model.stars.get_weights())
    one = {name: column[row : row + 1] for name, column in batch.items()}
    one |= {"in_movie_bag": tf.constant([True])} if kind else {}

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


def questions(week, rng):
    columns = {"user_index": [0, 5, 3], "movie_index": [4, 2, 0], "week_index": [week] * 3}
    columns = {name: tf.constant(column, tf.int32) for name, column in columns.items()}
    return columns | {"session": tf.constant(rng.normal(size=(3, NUM_SESSION_FEATURES)), tf.float32)}


@pytest.mark.parametrize("week", [0, 1, -1])
def test_four_paths_equal_a_slow_loop_and_their_sum_makes_the_stars(model, week):
    columns = questions(week, np.random.default_rng(0))
    paths = model.stars.paths(columns, *model.stars.vectors(columns))
    triples = zip([0, 5, 3], [4, 2, 0], columns["session"].numpy(), strict=True)
    expected = [loop_paths(model, u, i, week, session) for u, i, session in triples]
    assert list(paths) == ["bias", "dot", "deep", "session"]
    for name, path in paths.items():
        np.testing.assert_allclose(path, [of[name] for of in expected], atol=1e-4)
        assert np.abs(path).max() > 0.01  # no path is silent here
    total = np.array([sum(of.values()) for of in expected])
    thresholds = model.stars.thresholds
    more = 1 / (1 + np.exp(-thresholds.slope.numpy() * (total[:, None] - thresholds.cuts.numpy())))
    np.testing.assert_allclose(model.predict_stars(columns), 1 + more.sum(axis=1), atol=1e-4)


@pytest.mark.parametrize("part", ["dot", "deep", "session"])
def test_a_path_that_is_left_out_is_out_of_the_sum(tiny, tiny_indices, part):
    model = build(tiny, tiny_indices, without=part, ordinal=False)
    randomise(model.stars)
    columns = questions(0, np.random.default_rng(0))
    paths = model.stars.paths(columns, *model.stars.vectors(columns))
    assert part not in paths and len(paths) == 3
    np.testing.assert_allclose(model.predict_stars(columns), sum(paths.values()), atol=1e-5)
    moved = columns | {"session": columns["session"] + 1}
    same = np.allclose(model.predict_stars(moved), model.predict_stars(columns))
    assert same == (part == "session")  # nor does the network read a session that is left out


def test_before_its_first_step_the_stars_head_is_the_bias_baseline(checkerboard):
    indices = make_indices(checkerboard.ratings, checkerboard.movies)
    rows = rating_rows(checkerboard.ratings, indices, make_weeks(checkerboard.ratings))
    expected = Bias(checkerboard.ratings, indices).predict(checkerboard.ratings)
    for ordinal, off in ((False, 0.05), (True, 0.35)):  # cuts bend the sum a little, nearest to the ends
        fresh = build(checkerboard, indices, ordinal=ordinal)
        history = fresh.past
        columns = {name: rows[name] for name in ("user_index", "movie_index", "week_index")}
        columns["session"] = session_features(history, rows["user_index"], checkerboard.ratings["timestamp"].to_numpy())
        assert np.mean(np.abs(fresh.predict_stars(columns) - expected)) < off


# ---- the loss


def test_thresholds_give_the_expected_star_and_its_likelihood():
    levels = np.array([0.5, 1.0, 3.0])
    thresholds = Thresholds(levels)
    assert thresholds.cuts.numpy().tolist() == [0.75, 2.0] and thresholds.slope.numpy() == 2
    total, rating = np.array([0.1, 1.3, 5.0], np.float32), np.array([0.5, 3.0, 1.0], np.float32)
    more = 1 / (1 + np.exp(-2 * (total[:, None] - [0.75, 2.0])))  # P(r > .5), P(r > 1)
    chances = -np.diff(more, prepend=1, append=0)
    np.testing.assert_allclose(thresholds.expected(tf.constant(total)), chances @ levels, rtol=1e-5)
    yes = np.array([[False, False], [True, True], [True, False]])  # more than .5? more than 1?
    likelihood = np.where(yes, more, 1 - more)
    loss = thresholds.loss(tf.constant(total), tf.constant(rating))
    assert loss.numpy() == pytest.approx(-np.log(likelihood).sum(axis=1).mean(), rel=1e-5)
    far = thresholds.expected(tf.constant([-1e3, 1e3])).numpy()
    assert far.tolist() == pytest.approx([0.5, 3.0])  # never off the scale


@pytest.mark.parametrize("ordinal", [False, True])
def test_the_stars_loss_is_a_mean_and_its_penalties(tiny, tiny_indices, batch, ordinal):
    model = build(tiny, tiny_indices, ordinal=ordinal, stars_penalty=0.3, bias_penalty=0.7)
    randomise(model.stars)
    rows = list(
        zip(*(batch[name].numpy() for name in ("user_index", "movie_index", "week_index", "session")), strict=True)
    )
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
