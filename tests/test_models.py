"""The hybrid's equations against numpy loops, with the model's own weights."""

import numpy as np
import pytest

from movierec.baselines import Bias
from movierec.features import History, make_history, make_weeks, movie_features, rating_rows, user_features
from movierec.indices import make_indices
from movierec.keras2 import tf, tfrs
from movierec.models import EMBEDDING_STDDEV, HybridModel, Tower, multilayer_perceptron, shrink, small_random

SETTINGS = dict(dim=3, ranking_dim=4, hidden=(5,), dropout=0.0)


def _build(data, indices, history=None, **settings):
    bias = Bias(data.ratings, indices)
    return HybridModel(
        history or make_history(data.ratings, indices, bias),
        user_features(data.users, indices),
        movie_features(data.movies, indices),
        bias,
        make_weeks(data.ratings).count,
        **SETTINGS | settings,
    )


def _randomise(model, seed=0, scale=0.5):
    """Large weights everywhere, those that start at zero too: nothing is small enough to be overlooked."""
    rng = np.random.default_rng(seed)
    for head in (model.stars, model.ranking):
        head.set_weights([rng.normal(0, scale, weight.shape) for weight in head.get_weights()])
    return model


@pytest.fixture
def model(tiny, tiny_indices):
    tf.keras.utils.set_random_seed(0)
    return _randomise(_build(tiny, tiny_indices))


@pytest.fixture
def batch(tiny, tiny_indices):
    """All fourteen ratings as one batch; users and movies repeat in it."""
    residuals = Bias(tiny.ratings, tiny_indices).residuals(tiny.ratings)
    return {
        name: tf.constant(column)
        for name, column in rating_rows(tiny.ratings, tiny_indices, make_weeks(tiny.ratings), residuals).items()
    }


def _first(batch, count):
    return {name: column[:count] for name, column in batch.items()}


# ---- towers


def _loop_tower(tower, row, without=None):
    """The vector of one row, from the docstring's equation."""
    rated, residual, features = tower.rated.numpy()[row], tower.residual.numpy()[row], tower.features.numpy()[row]
    bag, count = np.zeros(tower.id.shape[1]), 0
    for j in range(len(rated)):
        if rated[j] and j != without:
            bag += tower.watched.numpy()[j] + residual[j] * tower.starred.numpy()[j]
            count += 1
    known = sum((share * vector for share, vector in zip(features, tower.feature.numpy(), strict=True)), np.zeros(1))
    return tower.id.numpy()[row] + known + bag / np.sqrt(max(count, 1))


@pytest.mark.parametrize("head", ["stars", "ranking"])
@pytest.mark.parametrize(("side", "rows"), [("user", [0, 5, 4, 0]), ("movie", [4, 0, 2, 2])])  # movie 4: nobody rated
def test_a_tower_equals_a_slow_loop(model, head, side, rows):
    tower = getattr(getattr(model, head), side)
    vectors = tower(tf.constant(rows))
    np.testing.assert_allclose(vectors, [_loop_tower(tower, row) for row in rows], atol=1e-5)


def test_a_tower_that_leaves_out_equals_a_slow_loop_without_that_rating(model, batch):
    user, movie = batch["user_index"], batch["movie_index"]
    x, y = model.stars.vectors(batch, training=True)
    for row, (u, i) in enumerate(zip(user.numpy(), movie.numpy(), strict=True)):
        np.testing.assert_allclose(x[row], _loop_tower(model.stars.user, u, without=i), atol=1e-5)
        np.testing.assert_allclose(y[row], _loop_tower(model.stars.movie, i, without=u), atol=1e-5)
    seen, _ = model.stars.vectors(batch, training=False)
    assert np.abs(seen - x).max() > 0.1  # outside training the rating is part of the history


def _with_another_answer(tiny, tiny_indices, batch):
    """The model's history and the batch if user 1 had surprised by 9 stars at movie 10, instead of what they did."""
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    residual = history.residual.copy()
    residual[0, 0] = 9
    other = dict(batch, residual=tf.tensor_scatter_nd_update(batch["residual"], [[0]], [9.0]))
    return History(history.rated, residual), other


def test_what_is_learned_from_a_rating_does_not_depend_on_its_own_residual(model, tiny, tiny_indices, batch):
    """Equal weights, two histories that differ in one rating: it alone in a batch has the same loss and gradients."""
    history, other_batch = _with_another_answer(tiny, tiny_indices, batch)
    other = _build(tiny, tiny_indices, history)
    for head in ("stars", "ranking"):
        getattr(other, head).set_weights(getattr(model, head).get_weights())

    def learned(of, rows):
        with tf.GradientTape() as tape:
            loss = of.stars_loss(_first(rows, 1), training=True)
        gradients = tape.gradient(loss, of.stars.trainable_variables)
        return [loss, *(tf.convert_to_tensor(gradient) for gradient in gradients)]

    for here, there in zip(learned(model, batch), learned(other, other_batch), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    user, movie = batch["user_index"][:1], batch["movie_index"][:1]
    x = model.ranking.user(user, movie, batch["residual"][:1])
    np.testing.assert_allclose(other.ranking.user(user, movie, other_batch["residual"][:1]), x, rtol=1e-4, atol=1e-5)
    # The bad case beside it: who does not leave the rating out reads the answer.
    assert np.abs(model.stars.user(user) - other.stars.user(user)).max() > 0.5
    assert np.abs(model.ranking.user(user) - other.ranking.user(user)).max() > 0.5


def test_a_users_other_ratings_are_seen_while_one_is_left_out(model, batch):
    """User 1 is in the batch three times; each row leaves out its own movie only."""
    rows = np.nonzero(batch["user_index"].numpy() == 0)[0]
    x = model.stars.user(batch["user_index"], batch["movie_index"], batch["residual"]).numpy()[rows]
    assert len(rows) == 3
    assert min(np.abs(x[0] - x[1]).max(), np.abs(x[1] - x[2]).max(), np.abs(x[0] - x[2]).max()) > 0.01


def test_a_newcomer_has_the_vector_of_a_user_with_that_history_less_id_and_features(model):
    tower = model.ranking.user
    rated, residual = tower.rated[:2], tower.residual[:2]
    rest = tower(tf.constant([0, 1])) - tower.id[:2] - tf.matmul(tower.features[:2], tower.feature)
    np.testing.assert_allclose(tower.newcomer(rated, residual), rest, atol=1e-5)


def test_shrink_divides_by_the_root_and_leaves_an_empty_bag_alone():
    shrunk = shrink(tf.constant([[6.0, 2.0], [0.0, 0.0]]), tf.constant([4.0, 0.0]))
    assert shrunk.numpy().tolist() == [[3, 1], [0, 0]]


def test_every_table_starts_small_and_unlike_the_others():
    """One initialiser for two tables of one shape would fill both alike: users would start equal to movies."""
    tf.keras.utils.set_random_seed(0)
    square = tf.eye(200)
    tower = Tower(square, square, square, 8, "square")
    tables = [tower.id, tower.feature, tower.watched, tower.starred]
    for i, table in enumerate(tables):
        assert np.std(table) == pytest.approx(EMBEDDING_STDDEV, rel=0.1)  # of 1,600 numbers: 2 % is one deviation
        for other in tables[i + 1 :]:
            assert abs(np.corrcoef(np.ravel(table), np.ravel(other))[0, 1]) < 0.1
    assert not np.array_equal(small_random()((3, 3)), small_random()((3, 3)))


# ---- stars


def _dense(network, row):
    """The MLP of one row: relu between layers, none at the end."""
    layers = [layer for layer in network.layers if layer.weights]
    for layer in layers:
        kernel, bias = (weight.numpy() for weight in layer.weights)
        row = row @ kernel + bias
        row = row if layer is layers[-1] else np.maximum(row, 0)
    return row


def _loop_paths(stars, u, i, w):
    x, y = _loop_tower(stars.user, u), _loop_tower(stars.movie, i)
    bias = stars.mean + stars.user_bias.numpy()[u] + stars.movie_bias.numpy()[i]
    dot = x @ y
    if w >= 0:
        bias += stars.week_bias.numpy()[w]
        dot += stars.week.numpy()[w] @ (x + y)
    return bias, dot, _dense(stars.deep, np.concatenate([x, y, x * y]))[0]


@pytest.mark.parametrize("week", [0, 1, -1])
def test_the_three_paths_equal_a_slow_loop_and_sum_to_the_prediction(model, week):
    users, movies = [0, 5, 3], [4, 2, 0]
    columns = {"user_index": users, "movie_index": movies, "week_index": [week] * 3}
    columns = {name: tf.constant(column, tf.int32) for name, column in columns.items()}
    paths = model.stars.paths(columns, *model.stars.vectors(columns))
    expected = np.array([_loop_paths(model.stars, u, i, week) for u, i in zip(users, movies, strict=True)])
    np.testing.assert_allclose(np.stack([paths["bias"], paths["dot"], paths["deep"]], axis=1), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict_stars(columns), expected.sum(axis=1), atol=1e-5)
    assert np.abs(expected).min() > 1e-3  # no path is silent here


def test_before_its_first_step_the_stars_head_is_the_bias_baseline(checkerboard):
    tf.keras.utils.set_random_seed(0)
    indices = make_indices(checkerboard.ratings, checkerboard.movies)
    fresh = _build(checkerboard, indices)
    rows = rating_rows(checkerboard.ratings, indices, make_weeks(checkerboard.ratings))
    predicted = fresh.predict_stars({name: rows[name] for name in ("user_index", "movie_index", "week_index")})
    expected = Bias(checkerboard.ratings, indices).predict(checkerboard.ratings)
    np.testing.assert_allclose(predicted, expected, atol=0.15)
    assert np.mean(np.abs(predicted - expected)) < 0.02


def test_the_deep_network_starts_silent():
    network = multilayer_perceptron(6, (4, 3), 2, dropout=0.1)
    assert network(tf.random.normal((5, 6))).numpy().tolist() == [[0, 0]] * 5
    assert [layer.units for layer in network.layers if layer.weights] == [4, 3, 2]
    assert [layer.units for layer in multilayer_perceptron(6, (), 1, 0.1).layers if hasattr(layer, "units")] == [1]


def test_the_stars_loss_is_a_mean_of_squares_and_its_penalties(tiny, tiny_indices, model, batch):
    model.stars_penalty, model.bias_penalty = 0.3, 0.7
    rows = list(zip(*(batch[name].numpy() for name in ("user_index", "movie_index", "week_index")), strict=True))
    predicted = np.array([sum(_loop_paths(model.stars, *row)) for row in rows])
    x = np.array([_loop_tower(model.stars.user, u) for u, _, _ in rows])
    y = np.array([_loop_tower(model.stars.movie, i) for _, i, _ in rows])
    biases = [model.stars.user_bias.numpy()[u] ** 2 + model.stars.movie_bias.numpy()[i] ** 2 for u, i, _ in rows]
    expected = np.mean((predicted - batch["rating"].numpy()) ** 2)
    expected += 0.3 * (np.mean((x**2).sum(axis=1)) + np.mean((y**2).sum(axis=1))) + 0.7 * np.mean(biases)
    assert model.stars_loss(batch).numpy() == pytest.approx(expected, rel=1e-5)
    twice = {name: tf.concat([column, column], 0) for name, column in batch.items()}
    assert model.stars_loss(twice).numpy() == pytest.approx(expected, rel=1e-5)  # a mean, not TFRS's sum


# ---- ranking


def _scores(model, users, movies):
    """score(u, i) = b_i + ⟨x + MLP(x), y⟩ by loops."""
    ranking = model.ranking
    x = [_loop_tower(ranking.user, u) for u in users]
    y = [_loop_tower(ranking.movie, i) for i in movies]
    bias = ranking.movie_bias.numpy()
    return np.array(
        [[bias[i] + (xu + _dense(ranking.deep, xu)) @ yi for i, yi in zip(movies, y, strict=True)] for xu in x]
    )


def test_scores_equal_a_slow_loop_over_the_whole_catalogue(model):
    scores = model.score(tf.constant([3, 0, 3]))
    np.testing.assert_allclose(scores, _scores(model, [3, 0, 3], range(5)), rtol=1e-4, atol=1e-4)


def test_the_ranking_loss_equals_a_softmax_by_hand_without_accidental_hits(model, batch, tiny):
    """Movies repeat in the batch: the same movie in another row is no wrong answer, and log q_i is subtracted."""
    model.ranking_penalty = 0.3
    users, movies = batch["user_index"].numpy(), batch["movie_index"].numpy()
    share = np.array([4, 3, 4, 3]) / 14  # of train: what popularity counts
    logits = _scores(model, users, movies) - np.log(share[movies])
    losses = []
    for row in range(14):
        allowed = [column for column in range(14) if column == row or movies[column] != movies[row]]
        losses.append(-logits[row, row] + np.log(np.exp(logits[row, allowed]).sum()))
    lengths = [
        np.mean([(_loop_tower(tower, index) ** 2).sum() for index in rows])
        for tower, rows in ((model.ranking.user, users), (model.ranking.movie, movies))
    ]
    expected = np.mean(losses) + 0.3 * sum(lengths)
    assert model.ranking_loss(batch).numpy() == pytest.approx(expected, rel=1e-4)
    uncorrected = np.mean([-logits[row, row] + np.log(np.exp(logits[row]).sum()) for row in range(14)])
    assert abs(uncorrected - np.mean(losses)) > 0.05  # the test would notice accidental hits


def test_the_loss_is_the_sum_of_the_two_heads(model, batch):
    expected = model.stars_loss(batch).numpy() + model.ranking_loss(batch).numpy()
    assert model.compute_loss(batch).numpy() == pytest.approx(expected, rel=1e-6)
    assert isinstance(model, tfrs.Model)
    model.trained_heads = ("ranking",)
    assert model.compute_loss(batch).numpy() == pytest.approx(model.ranking_loss(batch).numpy(), rel=1e-6)


def test_before_its_first_step_the_ranking_is_popularity(ml100k):
    tf.keras.utils.set_random_seed(0)
    indices = make_indices(ml100k.ratings, ml100k.movies)
    fresh = _build(ml100k, indices, ranking_dim=32, hidden=(16,))
    scores = fresh.score(tf.constant([0, 500])).numpy()
    counts = ml100k.ratings["movie_id"].value_counts().reindex(indices.movie_ids, fill_value=0).to_numpy()
    np.testing.assert_allclose(scores, np.tile(np.log1p(counts), (2, 1)), atol=0.5)  # dot products near 0
    for row in scores:
        assert np.corrcoef(np.argsort(np.argsort(row)), np.argsort(np.argsort(counts)))[0, 1] > 0.99
    assert np.abs(scores[0] - scores[1]).max() > 0  # near 0, not 0


def test_dropout_is_for_training_only(tiny, tiny_indices, batch):
    noisy = _randomise(_build(tiny, tiny_indices, dropout=0.9))
    assert noisy.compute_loss(batch).numpy() == noisy.compute_loss(batch).numpy()
    assert noisy.compute_loss(batch, training=True).numpy() != noisy.compute_loss(batch, training=True).numpy()


def test_settings_are_kept_for_saving(tiny, tiny_indices):
    model = _build(tiny, tiny_indices, hidden=[7, 2], stars_penalty=0.5)
    defaults = {"ranking_penalty": 0.03, "bias_penalty": 0.05}
    assert model.settings == SETTINGS | defaults | {"hidden": (7, 2), "stars_penalty": 0.5}
