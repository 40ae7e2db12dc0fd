"""The stars head's equations against numpy loops, with large random weights."""

import numpy as np
import pytest
from untrained import randomise, untrained

from movierec.baselines import Bias
from movierec.data import make_indices, make_weeks, rating_rows
from movierec.keras2 import tf
from movierec.models.history import NUM_SESSION_FEATURES, make_history, session_features
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


def loop_tower(tower, row, without=None):
    """The vector of one row, from the docstring's equation."""
    vector = tower.features.numpy()[row] @ tower.feature.numpy()
    if tower.id is not None:
        vector = vector + tower.id.numpy()[row]
    if tower.rated is None:
        return vector
    rated, residual = (matrix.numpy()[row] for matrix in tower.rated)
    others = [j for j in np.flatnonzero(rated) if j != without]
    if not others:
        return vector
    bag = sum(tower.watched.numpy()[j] for j in others)
    if tower.starred is not None:
        bag = bag + sum(residual[j] * tower.starred.numpy()[j] for j in others)
    return vector + bag / np.sqrt(len(others))


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("without", [(), "bag of movies", "bag of users", "explicit", "features"])
def test_towers_equal_a_slow_loop(tiny, tiny_indices, batch, without, ids):
    model = build(tiny, tiny_indices, without=without, ids=ids)
    randomise(model.stars)
    x, y = model.stars.vectors(batch, training=True)  # without the rating asked for
    seen, _ = model.stars.vectors(batch)
    for row, (u, i) in enumerate(zip(batch["user_index"].numpy(), batch["movie_index"].numpy(), strict=True)):
        np.testing.assert_allclose(x[row], loop_tower(model.stars.user, u, without=i), atol=1e-5)
        np.testing.assert_allclose(y[row], loop_tower(model.stars.movie, i, without=u), atol=1e-5)
        np.testing.assert_allclose(seen[row], loop_tower(model.stars.user, u), atol=1e-5)
    user, movie = model.stars.user, model.stars.movie
    assert (user.id is not None) == (movie.id is not None) == ids
    assert (user.watched is None, movie.watched is None) == (without == "bag of movies", without == "bag of users")
    assert (user.starred is None) == (without in ("bag of movies", "explicit"))
    assert (model.stars.user.feature.shape[0] == 0) == (without == "features")


def test_what_is_learned_from_a_rating_does_not_depend_on_its_own_residual(model, tiny, tiny_indices, batch):
    """Equal weights, two histories that differ in one rating: it alone in a batch has the same loss and gradients."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    residual = history.residual.copy()
    residual[0] = 9  # as if the first rating had surprised by 9 stars
    other = build(tiny, tiny_indices, history._replace(residual=residual))
    other.stars.set_weights(model.stars.get_weights())
    first = {name: column[:1] for name, column in batch.items()}

    def learned(of, own_residual):
        rows = first | {"residual": tf.constant([own_residual], tf.float32)}
        with tf.GradientTape() as tape:
            loss = of.stars_loss(rows, training=True)
        return [loss, *(tf.convert_to_tensor(g) for g in tape.gradient(loss, of.stars.trainable_variables))]

    for here, there in zip(learned(model, history.residual[0]), learned(other, 9), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    user = first["user_index"]  # the bad case beside it: who does not leave the rating out reads the answer
    assert np.abs(model.stars.user(user) - other.stars.user(user)).max() > 0.5


def test_a_users_other_ratings_are_seen_while_one_is_left_out(model, batch):
    rows = np.nonzero(batch["user_index"].numpy() == 0)[0]
    x = model.stars.user(batch["user_index"], batch["movie_index"], batch["residual"]).numpy()[rows]
    assert len(rows) == 3
    assert min(np.abs(x[0] - x[1]).max(), np.abs(x[1] - x[2]).max(), np.abs(x[0] - x[2]).max()) > 0.01


# ---- histories that are too large for a matrix


# Movies 10 to 50 have 4, 3, 4, 3 and no ratings: the first and the third have no bag.
AS_LISTS = {"most_pairs": 0, "most_raters": 3}


def loop_of_lists(tower, history, row, of_users, without=None):
    """The vector of one row from the docstring's equation and the ratings themselves; no bag for more than 3 raters."""
    vector = tower.features.numpy()[row] @ tower.feature.numpy()
    vector = vector + (tower.id.numpy()[row] if tower.id is not None else 0)
    pairs = zip(history.user_index, history.movie_index, history.residual, strict=True)
    rated = [(i, e) if of_users else (u, e) for u, i, e in pairs if (u if of_users else i) == row]
    others = [(j, e) for j, e in rated if j != without]
    if tower.watched is None or not others or (not of_users and len(rated) > 3):
        return vector
    bag = sum(tower.watched.numpy()[j] for j, _ in others)
    if tower.starred is not None:
        bag = bag + sum(e * tower.starred.numpy()[j] for j, e in others)
    return vector + bag / np.sqrt(len(others))


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("without", [(), "bag of movies", "bag of users", "explicit", "features"])
def test_towers_on_lists_equal_a_slow_loop(tiny, tiny_indices, batch, without, ids):
    """Asked for stars, a film has all of its bag; in training, all but the rating that is to be predicted."""
    model = build(tiny, tiny_indices, **AS_LISTS, without=without, ids=ids)
    randomise(model.stars)
    user, movie, past = model.stars.user, model.stars.movie, model.past
    rows = batch | {"in_movie_bag": tf.constant(model.stars.in_movie_bag)}
    trained, asked = model.stars.vectors(rows, training=True), model.stars.vectors(batch)
    for row, (u, i) in enumerate(zip(batch["user_index"].numpy(), batch["movie_index"].numpy(), strict=True)):
        np.testing.assert_allclose(trained[0][row], loop_of_lists(user, past, u, True, without=i), atol=1e-5)
        np.testing.assert_allclose(trained[1][row], loop_of_lists(movie, past, i, False, without=u), atol=1e-5)
        np.testing.assert_allclose(asked[0][row], loop_of_lists(user, past, u, True), atol=1e-5)
        np.testing.assert_allclose(asked[1][row], loop_of_lists(movie, past, i, False), atol=1e-5)
    assert (user.id is not None, movie.id is not None) == (ids, True)  # or a film without a bag would be nobody
    assert (user.watched is None, movie.watched is None) == (without == "bag of movies", without == "bag of users")
    assert model.stars.in_movie_bag.tolist() == np.isin(past.movie_index, [1, 3]).tolist()


def test_a_film_without_a_bag_is_its_id_and_its_features(tiny, tiny_indices):
    model = build(tiny, tiny_indices, **AS_LISTS)
    randomise(model.stars)
    movie = model.stars.movie
    alone = movie.features.numpy() @ movie.feature.numpy() + movie.id.numpy()
    apart = np.abs(movie(tf.range(5)).numpy() - alone).max(axis=1)
    assert (apart < 1e-6).tolist() == [True, False, True, False, True]  # the last: nobody rated it
    assert apart[[1, 3]].min() > 0.1


def test_a_film_without_a_bag_has_no_rating_taken_out_of_it(tiny, tiny_indices, batch):
    """The bad case beside it: without `in_movie_bag` the answer, with its sign turned, would be all of the bag."""
    model = build(tiny, tiny_indices, **AS_LISTS)
    randomise(model.stars)
    user, movie = batch["user_index"], batch["movie_index"]
    has_none = ~model.stars.in_movie_bag
    asked = model.stars.movie(movie).numpy()[has_none]
    right = model.stars.movie(movie, user, batch["residual"], tf.constant(~has_none)).numpy()[has_none]
    wrong = model.stars.movie(movie, user, batch["residual"]).numpy()[has_none]
    np.testing.assert_allclose(right, asked, atol=1e-6)
    assert np.abs(wrong - asked).max(axis=1).min() > 0.1


def test_on_lists_too_nothing_is_learned_from_a_ratings_own_residual(tiny, tiny_indices, batch):
    """A rating of the second film, which has a bag: see the test of matrices above."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    row = int(np.flatnonzero(history.movie_index == 1)[0])
    residual = history.residual.copy()
    residual[row] = 9
    model, other = (
        build(tiny, tiny_indices, **AS_LISTS),
        build(tiny, tiny_indices, history._replace(residual=residual), **AS_LISTS),
    )
    randomise(model.stars)
    other.stars.set_weights(model.stars.get_weights())
    one = {name: column[row : row + 1] for name, column in batch.items()} | {"in_movie_bag": tf.constant([True])}

    def learned(of, own_residual):
        rows = one | {"residual": tf.constant([own_residual], tf.float32)}
        with tf.GradientTape() as tape:
            loss = of.stars_loss(rows, training=True)
        return [loss, *(tf.convert_to_tensor(g) for g in tape.gradient(loss, of.stars.trainable_variables))]

    model.draws.at = other.draws.at = 0, 0
    for here, there in zip(learned(model, history.residual[row]), learned(other, 9), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    for tower, index in (("user", "user_index"), ("movie", "movie_index")):  # who leaves nothing out reads the answer
        seen = [getattr(of.stars, tower)(one[index]).numpy() for of in (model, other)]
        assert np.abs(seen[0] - seen[1]).max() > 0.5


# ---- paths


def dense(network, row):
    """The MLP of one row: relu between layers, none at the end."""
    layers = [layer for layer in network.layers if layer.weights]
    for layer in layers:
        kernel, bias = (weight.numpy() for weight in layer.weights)
        row = row @ kernel + bias
        row = row if layer is layers[-1] else np.maximum(row, 0)
    return row


def loop_paths(stars, u, i, w, session):
    x, y = loop_tower(stars.user, u), loop_tower(stars.movie, i)
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
    expected = [loop_paths(model.stars, u, i, week, session) for u, i, session in triples]
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
    tf.keras.utils.set_random_seed(0)
    indices = make_indices(checkerboard.ratings, checkerboard.movies)
    rows = rating_rows(checkerboard.ratings, indices, make_weeks(checkerboard.ratings))
    expected = Bias(checkerboard.ratings, indices).predict(checkerboard.ratings)
    for ordinal, off in ((False, 0.02), (True, 0.35)):  # cuts bend the sum a little, nearest to the ends
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
    total = np.array([sum(loop_paths(model.stars, *row).values()) for row in rows])
    rating = batch["rating"].numpy()
    if ordinal:
        expected = model.stars.thresholds.loss(tf.constant(total, tf.float32), batch["rating"]).numpy()
    else:
        expected = np.mean((total - rating) ** 2)
    x = np.array([loop_tower(model.stars.user, row[0]) for row in rows])
    y = np.array([loop_tower(model.stars.movie, row[1]) for row in rows])
    biases = [model.stars.user_bias.numpy()[row[0]] ** 2 + model.stars.movie_bias.numpy()[row[1]] ** 2 for row in rows]
    expected += 0.3 * (np.mean((x**2).sum(axis=1)) + np.mean((y**2).sum(axis=1))) + 0.7 * np.mean(biases)
    assert model.stars_loss(batch).numpy() == pytest.approx(expected, rel=1e-4)
    twice = {name: tf.concat([column, column], 0) for name, column in batch.items()}
    assert model.stars_loss(twice).numpy() == pytest.approx(expected, rel=1e-4)  # a mean, not TFRS's sum


def test_dropout_is_for_training_only(tiny, tiny_indices, batch):
    noisy = build(tiny, tiny_indices, dropout=0.9)
    randomise(noisy.stars)
    assert noisy.stars_loss(batch).numpy() == noisy.stars_loss(batch).numpy()
    dropped = []
    for step in (0, 0, 1):
        noisy.draws.at = 0, step
        dropped.append(noisy.stars_loss(batch, training=True).numpy())
    assert dropped[0] == dropped[1] != dropped[2] and noisy.stars_loss(batch).numpy() not in dropped
