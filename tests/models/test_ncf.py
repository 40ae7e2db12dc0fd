"""Neural collaborative filtering: the equation by hand, whom the negatives belong to, what is learned and repeated."""

import random

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import Popularity
from movierec.data import make_indices, movie_features, user_features
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf, tfrs
from movierec.models.ncf import USERS_PER_BLOCK, DeepHybrid, FusedModel, NeuMF, draw_epoch, draw_negatives

SMALL = dict(dim=2, hidden=(8,), dropout=0.0, learning_rate=0.02, batch_size=128, epochs=8)
EVERYBODY = np.arange(40)


@pytest.fixture(scope="module")
def indices(split, checkerboard):
    return make_indices(split.train, checkerboard.movies)


@pytest.fixture(scope="module")
def neumf(split, indices):
    return NeuMF(split.train, indices, seed=3, **SMALL)


@pytest.fixture(scope="module")
def hybrid(split, indices, checkerboard):
    return DeepHybrid(split.train, indices, checkerboard.movies, checkerboard.users, seed=3, **SMALL)


def _known(rows, width):
    return np.random.default_rng(rows).random((rows, width), np.float32)


READS = {
    "learned": None,
    "given": (_known(3, 2), _known(4, 5)),
    "one side": (_known(3, 0), _known(4, 5)),
    "nothing": (_known(3, 0), _known(4, 0)),
}


def _build(read, hidden=(4, 2), penalty=0.0):
    """Three users, four movies, large weights everywhere: nothing is small enough to be overlooked."""
    model = FusedModel(3, 4, read, 3, hidden, 0.0, penalty)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.7, weight.shape) for weight in model.get_weights()])
    return model


def _vectors(model, u, i):
    return [np.asarray(table)[row] for table, row in ((model.p, u), (model.q, i), (model.a, u), (model.b, i))]


def _logit(model, u, i):
    """The docstring's equation for one pair."""
    p, q, a, b = _vectors(model, u, i)
    x = np.concatenate([a, b])
    for layer in model.mlp.layers:
        if layer.weights:
            kernel, bias = (weight.numpy() for weight in layer.weights)
            x = np.maximum(x @ kernel + bias, 0)
    w, c = (weight.numpy() for weight in model.fuse.weights)
    return (np.concatenate([p * q, x]) @ w + c)[0]


# ---- the equation


@pytest.mark.parametrize("hidden", [(4, 2), ()])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_scores_equal_a_slow_loop_over_the_whole_catalogue(read, hidden):
    model = _build(read, hidden)
    expected = [[_logit(model, u, i) for i in range(4)] for u in (2, 0, 2)]
    np.testing.assert_allclose(model.score(tf.constant([2, 0, 2])), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("read", "learned"), [("learned", 4), ("given", 2)])
def test_the_loss_is_cross_entropy_by_hand_and_the_lengths_of_what_is_learned(read, learned):
    model = _build(READS[read], penalty=0.3)
    pairs = [(0, 1, 1), (0, 3, 0), (2, 1, 0)]
    logits = np.array([_logit(model, u, i) for u, i, _ in pairs])
    right = 1 / (1 + np.exp(-np.where([label for *_, label in pairs], logits, -logits)))  # of what is so
    lengths = np.mean([[(v**2).sum() for v in _vectors(model, u, i)] for u, i, _ in pairs], axis=0)
    expected = -np.log(right).mean() + 0.3 * lengths[:learned].sum()
    columns = zip(*pairs, strict=True)
    batch = dict(zip(("user_index", "movie_index", "label"), map(tf.constant, columns), strict=True))
    assert model.compute_loss(batch).numpy() == pytest.approx(expected, rel=1e-5)
    assert isinstance(model, tfrs.Model)


# ---- negatives


def test_negatives_are_what_that_user_has_not_rated_each_equally_often():
    """User 0 has movies 1 and 3 left, user 1 only 2, user 2 all five. 6,000 draws: one deviation is 1 % or less."""
    rated = np.array([[1, 0, 1, 0, 1], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
    user = np.tile([2, 0, 1, 0], 1500)  # not in order: each row's movies must be its own user's
    drawn = draw_negatives(rated, user, 2, np.random.default_rng(0))
    assert drawn.shape == (6000, 2)
    for u, left in ((0, [1, 3]), (1, [2]), (2, [0, 1, 2, 3, 4])):
        movies, counts = np.unique(drawn[user == u], return_counts=True)
        assert movies.tolist() == left
        np.testing.assert_allclose(counts / counts.sum(), 1 / len(left), atol=0.03)


def test_an_epoch_has_every_rating_once_and_its_negatives_beside_it():
    rated = np.random.default_rng(1).random((7, 30)) < 0.4
    rows = draw_epoch(rated, 3, np.random.default_rng(0))
    positive = rows["label"] == 1
    assert rows["label"].dtype == np.float32
    assert np.array_equal(rated[rows["user_index"], rows["movie_index"]], positive)
    pairs = set(zip(rows["user_index"][positive], rows["movie_index"][positive], strict=True))
    assert len(pairs) == positive.sum() == rated.sum()
    assert np.bincount(rows["user_index"]).tolist() == (4 * rated.sum(axis=1)).tolist()


def test_each_epoch_has_its_own_batches_and_negatives(tiny, tiny_indices, monkeypatch):
    """14 ratings with one negative each are 28 rows: two batches of 10 an epoch, and eight rows that come another time.

    A step of the optimiser for each batch; a batch may be larger than the epoch.
    """
    seen, train_step = [], FusedModel.train_step

    def watched(model, batch):
        tf.py_function(lambda *columns: seen.append(np.stack(columns)), list(batch.values()), [])
        return train_step(model, batch)

    monkeypatch.setattr(FusedModel, "train_step", watched)
    model = NeuMF(tiny.ratings, tiny_indices, epochs=3, negatives=1, batch_size=10).model
    assert model.optimizer.iterations.numpy() == len(seen) == 6
    assert {batch.shape for batch in seen} == {(3, 10)}
    epochs = [np.concatenate(seen[start : start + 2], axis=1) for start in (0, 2, 4)]
    assert len({epoch.tobytes() for epoch in epochs}) == 3
    seen.clear()
    NeuMF(tiny.ratings, tiny_indices, epochs=1, negatives=1, batch_size=999)
    assert [batch.shape for batch in seen] == [(3, 28)]


def test_a_user_of_the_whole_catalogue_is_left_out_of_training(tiny):
    """With user 77, who knows all films, and without: the others' vectors get the same steps, 77's none at all."""
    everything = pd.DataFrame({"user_id": 77, "movie_id": [10, 20, 30, 40, 50]})
    train = pd.concat([tiny.ratings[["user_id", "movie_id"]], everything])
    indices = make_indices(train)
    settings = dict(dim=2, hidden=(2,), epochs=2, dropout=0.0, penalty=0.0)
    model, without = (NeuMF(ratings, indices, **settings)(np.arange(7)) for ratings in (train, tiny.ratings))
    np.testing.assert_array_equal(model, without)  # in `without` 77 has no rating, so no step either
    with pytest.raises(ValueError, match=r"all 1 users rated all 5 movies of `indices`\. Use make_indices\(train, "):
        NeuMF(everything, make_indices(everything))


# ---- what is fitted


@pytest.mark.parametrize("name", ["neumf", "hybrid"])
def test_it_is_a_scorer_and_learns_the_checkerboard_which_popularity_cannot(name, request, split, indices):
    """Each user has about five liked movies left, three of them held out; the other eleven are of no interest."""
    model = request.getfixturevalue(name)
    scores = model(EVERYBODY)  # in two blocks, of two sizes
    assert USERS_PER_BLOCK < 40 and scores.shape == (40, 30) and scores.dtype == np.float32
    np.testing.assert_allclose(model(np.array([39, 5, 5])), scores[[39, 5, 5]], rtol=1e-5, atol=1e-6)
    assert model(np.array([], np.int32)).shape == (0, 30)
    held_out = movierec.Split(split.train, None, pd.concat([split.validation, split.test]))
    floor, ours = (
        evaluate_ranking(scorer, held_out, indices, k=3, liked_from=5)["ndcg@3"].mean()
        for scorer in (Popularity(split.train, indices), model)
    )
    assert ours > 0.4 > 2 * floor


def test_the_same_seed_gives_the_same_scores_to_the_bit_and_leaves_no_trace(neumf, split, indices, capfd):
    """Whatever ran before. Stars and timestamps are not looked at; nothing is printed."""
    np.random.rand(5)
    tf.random.normal((5,))
    states = np.random.get_state()[1].tolist(), random.getstate()
    pairs = split.train[["user_id", "movie_id"]]
    np.testing.assert_array_equal(NeuMF(pairs, indices, seed=3, **SMALL)(EVERYBODY), neumf(EVERYBODY))
    assert np.abs(NeuMF(pairs, indices, seed=4, **SMALL)(EVERYBODY) - neumf(EVERYBODY)).max() > 0.01
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states
    tf.random.normal((5,))  # with deterministic kernels still on, it would ask for a seed
    assert capfd.readouterr() == ("", "")


def test_the_deep_hybrid_reads_the_features_of_the_course_and_either_table_may_be_none(
    hybrid, split, checkerboard, indices
):
    np.testing.assert_array_equal(hybrid.model.a, user_features(checkerboard.users, indices).values)
    np.testing.assert_array_equal(hybrid.model.b, movie_features(checkerboard.movies, indices).values)
    scores = DeepHybrid(split.train, indices, **SMALL | {"epochs": 1})(EVERYBODY)
    assert np.isfinite(scores).all() and scores.std() > 0


# ---- what stops it


def test_settings_have_a_range(tiny, tiny_indices):
    above_zero = dict.fromkeys(["dim", "negatives", "epochs", "learning_rate", "batch_size"], (0, -1, float("nan")))
    refused = {
        "`{}` must be above 0, got": above_zero,
        r"`hidden` must be units of each layer.*e\.g\. \(32, 16\); got": {"hidden": ((4, 0), 16, (2.5,))},
        "`dropout` must be a share, 0 to below 1, `penalty` 0 or more; got": {"dropout": (1.0,), "penalty": (-1,)},
    }
    for says, settings in refused.items():
        for name, value in ((name, value) for name, values in settings.items() for value in values):
            with pytest.raises(ValueError, match=says.replace("{}", name)) as error:
                NeuMF(tiny.ratings, tiny_indices, **{name: value})
            assert str(value) in str(error.value)


def test_a_rating_outside_the_indices_is_refused(tiny):
    """Index -1 would be the last user's row: somebody else's rating."""
    few = make_indices(tiny.ratings[tiny.ratings["user_id"] != 9])
    with pytest.raises(ValueError, match=r"every user and movie of train must be in `ind.*; 1 of 14 .*\[\[9, 30\]\]"):
        NeuMF(tiny.ratings, few)


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_try(split, indices):
    with pytest.raises(ValueError, match="loss must be finite; in epoch 2 it is nan. Lower the learning_rate"):
        NeuMF(split.train, indices, learning_rate=1e30, epochs=3)  # one step an epoch
