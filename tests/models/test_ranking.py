"""The ranking head's equations against numpy loops, with large random weights."""

import numpy as np
import pytest
from untrained import dense, randomise, untrained

from movierec.baselines import Ease
from movierec.data import UNKNOWN, make_indices
from movierec.keras2 import tf
from movierec.models.history import Entries
from movierec.models.hybrid import DRAWN
from movierec.models.linear import LowRank

SMALL = dict(ranking_dim=4, ranking_hidden=(5,), ranking_dropout=0.0)


def build(data, indices, in_order=True, **settings):
    """A model with a ranking head only."""
    return untrained(data, indices, ("ranking",), in_order=in_order, **SMALL | settings)


@pytest.fixture(params=[True, False], ids=["in order", "not in order"])
def model(request, tiny, tiny_indices):
    model = build(tiny, tiny_indices, request.param)
    randomise(model.ranking)
    return model


def loop_weights(model, rows):
    """w of a user's ratings, `rows` of the history from the oldest: the docstring's fading."""
    ages = np.arange(len(rows))[::-1]
    return 0.15 + 0.85 * np.exp(-ages / 5) if model.ranking.in_order else np.ones(len(rows))


def loop_vector(model, user, rows, weights):
    """x_u from the docstring's equation, for some of the user's ratings."""
    head, past = model.ranking, model.past
    x = head.user_features.numpy()[user] @ head.user_feature.numpy()
    bag = np.zeros(4)
    for row, weight in zip(rows, weights, strict=True):
        movie = past.movie_index[row]
        watched = head.watched.numpy()[movie] + head.movie_features.numpy()[movie] @ head.watched_feature.numpy()
        bag = bag + weight * watched
        if head.starred is not None:
            bag = bag + weight * past.residual[row] * head.starred.numpy()[movie]
    return x + bag / np.sqrt(max((np.array(weights) ** 2).sum(), 1))


def loop_scores(model, user, rows, weights, linear=True):
    head, past = model.ranking, model.past
    x = loop_vector(model, user, rows, weights)
    query = x * ("dot" not in head.without)
    query = query + (dense(head.deep, x) if head.deep is not None else 0)
    scores = np.zeros(5)
    between = Ease.solve(past.matrices()[0], 300.0)
    for movie in range(5):
        y = head.movie_id.numpy()[movie] + head.movie_features.numpy()[movie] @ head.movie_feature.numpy()
        scores[movie] = head.movie_bias.numpy()[movie] + query @ y
        if linear and head.linear is not None:
            scores[movie] += 8 * np.dot(weights, between[past.movie_index[rows], movie])
    return scores


def rows_of(model, user):
    return np.flatnonzero(model.past.user_index == user)


@pytest.mark.parametrize("part", [None, "dot", "deep", "linear", "explicit", "order", "features"])
def test_scores_equal_a_slow_loop_over_the_whole_catalogue_also_without_a_part(tiny, tiny_indices, part):
    """And a newcomer has those of a user with the same history, less what is known of the user."""
    model = build(tiny, tiny_indices, **{"without": part} if part else {})
    randomise(model.ranking)
    users, head = [3, 0, 3, 5], model.ranking
    expected = [loop_scores(model, u, rows_of(model, u), loop_weights(model, rows_of(model, u))) for u in users]
    np.testing.assert_allclose(model.score(tf.constant(users)), expected, rtol=1e-4, atol=1e-4)
    there = {"deep": head.deep, "linear": head.linear, "explicit": head.starred}
    assert [name for name, layer in there.items() if layer is None] == ([part] if part in there else [])
    assert head.in_order == (part != "order") and (head.user_features.shape[1] == 0) == (part == "features")
    newcomer = head.score_people(head.entries(tf.constant([3])), tf.constant([UNKNOWN]), tf.constant([], tf.int32))
    head.user_feature.assign(tf.zeros_like(head.user_feature))
    np.testing.assert_allclose(newcomer, model.score(tf.constant([3])), rtol=1e-4, atol=1e-4)


def test_a_linear_path_needs_a_weight_and_keeps_its_strongest_directions_if_the_catalogue_is_large(
    tiny, tiny_indices, monkeypatch
):
    assert build(tiny, tiny_indices, linear_weight=0.0).ranking.linear is None
    whole = build(tiny, tiny_indices)
    monkeypatch.setattr("movierec.models.linear.MOST_LINEAR_MOVIES", 4)
    large = build(tiny, tiny_indices)
    assert isinstance(large.ranking.linear, LowRank)  # 200 directions of five films are all
    users = tf.constant([0, 3])
    np.testing.assert_allclose(large.score(users), whole.score(users), rtol=1e-4, atol=1e-4)
    fewer = build(tiny, tiny_indices, linear_rank=1)
    assert fewer.ranking.linear.matrix.shape == (5, 1)
    assert np.abs(fewer.score(users) - whole.score(users)).max() > 0.01


def test_a_users_own_vector_can_be_added_and_is_dropped_for_half_of_the_users_at_a_time(tiny, tiny_indices):
    assert build(tiny, tiny_indices).ranking.user_id is None
    head = build(tiny, tiny_indices, ids=True).ranking
    rest = tf.matmul(head.user_features, head.user_feature)
    np.testing.assert_allclose(head.known(tf.range(6)), head.user_id + rest, atol=1e-6)
    dropped = np.isclose(head.known(tf.zeros(400, tf.int32), training=True), rest[0], atol=1e-7).all(axis=1)
    assert 0.4 < dropped.mean() < 0.6


# ---- attention, shares, genres


def test_attention_reads_the_newest_films_that_are_not_hidden_in_their_order(tiny, tiny_indices, monkeypatch):
    """Two films are read: of user 2, whose newest of three is hidden, the first two; of user 4 the only one."""
    monkeypatch.setattr("movierec.models.ranking.ATTENTION", {"length": 2, "blocks": 1, "dropout": 0.0})
    head = build(tiny, tiny_indices, encoder="attention").ranking
    randomise(head)
    entries = head.entries(tf.constant([2, 4]))
    weight = tf.constant([1.0, 0.2, 0.0, 0.7])
    movie, residual = entries.movie.numpy(), entries.residual.numpy()
    vectors = head.watched_vectors().numpy()[movie] + residual[:, None] * head.starred.numpy()[movie]

    def last(vectors, is_film):
        vectors = tf.constant(np.stack(vectors)[None], tf.float32)
        return head.encoder(vectors, tf.zeros([1, 2], tf.int32), tf.constant([is_film]))[0, -1]

    found = head.bag(entries, weight, 2)
    np.testing.assert_allclose(found[0], last(vectors[:2], [True, True]), rtol=1e-4, atol=1e-5)
    alone = last([np.zeros(4, np.float32), vectors[3]], [False, True])
    np.testing.assert_allclose(found[1], alone, rtol=1e-4, atol=1e-5)
    other_order = Entries(*(tf.gather(column, [1, 0, 2, 3]) for column in entries))
    assert np.abs(found[0] - head.bag(other_order, tf.gather(weight, [1, 0, 2, 3]), 2)[0]).max() > 1e-3
    np.testing.assert_array_equal(head.bag(entries, 0 * weight, 2), np.zeros((2, 4)))  # nothing is read


@pytest.mark.parametrize(
    "settings", [{}, {"content_share": 0.4}, {"encoder": "attention"}, {"without": "order"}], ids=str
)
@pytest.mark.parametrize(("user", "genres"), [(2, []), (UNKNOWN, [1, 2])])
def test_the_shares_of_a_score_sum_to_it(tiny, tiny_indices, settings, user, genres):
    """For a known user and for a newcomer with the same history and two favourite genres."""
    head = build(tiny, tiny_indices, **settings).ranking
    randomise(head)
    entries, genre = head.entries(tf.constant([2])), tf.constant(genres, tf.int32)
    shares = head.shares(entries, tf.constant([user]), genre, tf.range(5))
    assert shares["dot"].shape == shares["linear"].shape == (len(entries.movie), 5)
    assert shares["genre"].shape == (len(genres), 5) and np.abs(shares["deep"]).max() > 0
    assert shares["dot"].numpy().any() == ("encoder" not in settings)
    total = sum(share.numpy().reshape(-1, 5).sum(axis=0) for share in shares.values())
    scores = head.score_people(entries, tf.constant([user]), genre)[0]
    np.testing.assert_allclose(total, scores, rtol=1e-4, atol=1e-4)


def test_a_favourite_genre_counts_as_one_film_of_which_only_the_genre_is_known(model):
    head, nothing = model.ranking, tf.constant([], tf.int32)
    entries = head.entries(nothing)
    expected = head.watched_feature.numpy()[[1, 2]].sum(axis=0) / np.sqrt(2)
    np.testing.assert_allclose(head.bag(entries, entries.age, 1, tf.constant([1, 2]))[0], expected, atol=1e-5)
    np.testing.assert_array_equal(head.bag(entries, entries.age, 1, nothing), np.zeros((1, 4)))


def test_before_its_first_step_the_ranking_without_a_linear_path_is_popularity(checkerboard):
    indices = make_indices(checkerboard.ratings, checkerboard.movies)
    scores = build(checkerboard, indices, without="linear").score(tf.constant([0, 5])).numpy()
    counts = checkerboard.ratings["movie_id"].value_counts().reindex(indices.movie_ids).to_numpy()
    np.testing.assert_allclose(scores, np.tile(np.log1p(counts), (2, 1)), atol=0.1)  # dot products near 0
    assert np.abs(scores[0] - scores[1]).max() > 0  # near 0, not 0


# ---- what is hidden, and the loss


def test_in_order_the_newest_are_hidden_and_the_nearest_weigh_most(tiny, tiny_indices):
    model, seen = build(tiny, tiny_indices), set()
    entries = model.ranking.entries(tf.range(6))
    row, age = entries.row.numpy(), entries.age.numpy()
    for seed in range(20):
        model.draws.at = seed, 0
        target, then = (found.numpy() for found in model.ranking.hide(entries, tf.constant(6)))
        for user in range(6):
            own = row == user
            hidden = int((target[own] > 0).sum())
            assert 1 <= hidden <= max(own.sum() - 1, 1)  # something is asked, and from something if there is any
            assert ((target > 0) == (age < hidden))[own].all()
            np.testing.assert_allclose(then[own][age[own] >= hidden], (age[own] - hidden)[age[own] >= hidden])
            asked = np.sort(target[own][target[own] > 0])[::-1]
            np.testing.assert_allclose(asked, np.exp(-np.arange(hidden) / 5), rtol=1e-5)
            seen.add((user, hidden))
    assert {(0, 1), (0, 2)} <= seen  # every moment of a life is drawn


def test_not_in_order_a_share_is_hidden_and_ages_stay(checkerboard):
    """Of 652 ratings a fifth: one deviation is .016."""
    head = build(checkerboard, make_indices(checkerboard.ratings), in_order=False, without="linear").ranking
    entries = head.entries(tf.range(40))
    target, then = head.hide(entries, tf.constant(40))
    assert set(np.unique(target)) == {0, 1} and np.mean(target) == pytest.approx(0.2, abs=0.05)
    np.testing.assert_array_equal(then, entries.age)


def _hide_the_newest(model, monkeypatch):
    """Of every user the newest rating is hidden, with weight 1, and of user 0 the newest two, the second with .5."""
    entries = model.ranking.entries(tf.range(6))
    row, age = entries.row.numpy(), entries.age.numpy()
    target = np.where(age == 0, 1.0, 0.0)
    target[(row == 0) & (age == 1)] = 0.5
    hidden = np.where(row == 0, 2, 1)
    then = np.maximum(age - hidden, 0)
    hide = tf.constant(target, tf.float32), tf.constant(then, tf.float32)
    monkeypatch.setattr(model.ranking, "hide", lambda *_: hide)
    return [2, 1, 1, 1, 1, 1]


def _rest(model, user, hidden):
    rows = rows_of(model, user)
    rest = rows[: len(rows) - hidden]
    return rows, rest, loop_weights(model, rest)


def test_the_loss_is_a_softmax_over_the_films_that_are_not_in_the_rest(model, monkeypatch):
    counts, losses, weights, lengths = _hide_the_newest(model, monkeypatch), [], [], []
    for user, hidden in enumerate(counts):
        rows, rest, fading = _rest(model, user, hidden)
        logits = loop_scores(model, user, rest, fading, linear=False)  # the linear path is solved, not trained
        allowed = [movie for movie in range(5) if movie not in model.past.movie_index[rest]]
        asked = dict(zip(model.past.movie_index[rows[::-1][:hidden]], (1.0, 0.5), strict=False))
        total = np.log(np.exp(logits[allowed]).sum())
        weights.append(np.sqrt(sum(asked.values())))
        losses.append(sum(w * (total - logits[movie]) for movie, w in asked.items()) / sum(asked.values()))
        lengths.append((loop_vector(model, user, rest, fading) ** 2).sum())
    y = (model.ranking.movie_vectors().numpy() ** 2).sum(axis=1)
    expected = np.average(losses, weights=weights) + 0.01 * (np.mean(lengths) + y.mean())
    loss = model.ranking_loss({"user_index": tf.range(6)})
    assert loss.numpy() == pytest.approx(expected, rel=1e-4)


def test_the_sampled_loss_is_a_softmax_over_the_batch_with_log_q_and_no_accidental_hits(
    tiny, tiny_indices, monkeypatch
):
    model = build(tiny, tiny_indices, sampled=True, ranking_penalty=0.0)
    randomise(model.ranking)
    counts = _hide_the_newest(model, monkeypatch)
    drawn = np.array([model.past.movie_index[rows_of(model, user)[-1]] for user in range(6)]).repeat(DRAWN)
    answer = tf.constant(drawn.reshape(6, DRAWN), tf.int32)
    monkeypatch.setattr(tf.random, "stateless_categorical", lambda *_, **__: answer)
    scores = []
    for user, hidden in enumerate(counts):
        _, rest, fading = _rest(model, user, hidden)
        scores += [loop_scores(model, user, rest, fading, linear=False)] * DRAWN
    share = np.array([4, 3, 4, 3]) / 14  # of train: what popularity counts
    logits = np.array(scores)[:, drawn] - np.log(share[drawn])
    losses = []
    for row in range(len(drawn)):
        allowed = [column for column in range(len(drawn)) if column == row or drawn[column] != drawn[row]]
        losses.append(-logits[row, row] + np.log(np.exp(logits[row, allowed]).sum()))
    loss = model.ranking_loss({"user_index": tf.range(6)})
    assert loss.numpy() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_batch_in_which_nothing_is_hidden_is_no_division_by_zero(tiny, tiny_indices, sampled):
    model = build(tiny, tiny_indices, in_order=False, hidden_share=0.0, sampled=sampled)
    assert np.isfinite(model.ranking_loss({"user_index": tf.range(6)}, training=True))


# ---- films known by their features alone


def test_with_a_content_share_unrated_films_have_neither_id_nor_bias_of_their_own(tiny, tiny_indices):
    head = build(tiny, tiny_indices, content_share=0.4).ranking
    assert head.rated.numpy()[:, 0].tolist() == [1, 1, 1, 1, 0]  # nobody rated film 50
    # Before training the bias is log(1 + n); of the unrated film, the mean of the others'. Counts: 4, 3, 4, 3.
    np.testing.assert_allclose(head.biases()[:, 0], np.log([5, 4, 5, 4, np.sqrt(20)]), rtol=1e-6)
    randomise(head)
    of_features = head.movie_features @ head.movie_feature
    np.testing.assert_allclose(head.movie_vectors(), of_features + head.rated * head.movie_id, atol=1e-5)
    of_features = head.usual_bias + head.movie_features @ head.feature_bias
    np.testing.assert_allclose(head.biases()[4], of_features[4], atol=1e-6)
    np.testing.assert_allclose(head.biases()[:4, 0], head.movie_bias[:4], atol=1e-6)
    drawn = []
    for step in range(200):  # in each, other films are known by features alone
        head.draws.at = 0, step
        drawn.append(head.own(training=True).numpy()[:, 0])
    assert np.array(drawn)[:, 4].max() == 0 and 0.5 < np.array(drawn)[:, :4].mean() < 0.7  # 1 - 0.4


def test_an_unrated_film_is_no_wrong_answer_with_a_content_share(tiny, tiny_indices, monkeypatch):
    losses = {}
    for share in (0.0, 1e-9):
        model = build(tiny, tiny_indices, content_share=share)
        _hide_the_newest(model, monkeypatch)
        for loud in (0.0, 9.0):  # a bias for the unrated film alone
            model.ranking.movie_bias.assign([*model.ranking.movie_bias[:4].numpy(), loud])
            if share:
                model.ranking.usual_bias.assign(loud)
            losses[share, loud] = model.ranking_loss({"user_index": tf.range(6)}).numpy()
    assert losses[0.0, 9.0] > losses[0.0, 0.0] + 1 and losses[1e-9, 9.0] == losses[1e-9, 0.0]
