"""Two heads in one model: which is there, which is trained, which loss a batch has."""

import numpy as np
import pytest
from untrained import randomise, untrained

from movierec.baselines import Bias
from movierec.data import make_weeks, rating_rows
from movierec.keras2 import tf, tfrs
from movierec.models.history import make_history
from movierec.models.stars import session_features

SMALL = dict(dim=3, ranking_dim=4, hidden=(5,), ranking_hidden=(5,), dropout=0.0, ranking_dropout=0.0)


@pytest.fixture
def model(tiny, tiny_indices):
    return untrained(tiny, tiny_indices, ("stars", "ranking"), **SMALL)


@pytest.fixture
def ratings(tiny, tiny_indices):
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))
    by_user = tiny.ratings.sort_values(["user_id", "timestamp"])
    rows = rating_rows(by_user, tiny_indices, make_weeks(tiny.ratings), history.residual)
    rows["session"] = session_features(history)
    return {name: tf.constant(column) for name, column in rows.items()}


def test_the_batch_decides_whose_loss_it_is(model, ratings):
    users = {"user_index": tf.range(6)}
    assert isinstance(model, tfrs.Model)
    assert model.compute_loss(ratings).numpy() == model.stars_loss(ratings).numpy()
    assert model.compute_loss(users).numpy() == model.ranking_loss(users).numpy()


def test_a_head_that_is_not_asked_for_is_not_built(tiny, tiny_indices):
    stars, lists = (untrained(tiny, tiny_indices, (head,), **SMALL) for head in ("stars", "ranking"))
    assert stars.ranking is None and stars.score is None and stars.stars is not None
    assert lists.stars is None and lists.predict_stars is None and lists.ranking is not None


@pytest.mark.parametrize("trained", ["stars", "ranking"])
def test_training_one_head_leaves_the_other_as_it_is(model, ratings, trained):
    def weights(head):
        return np.concatenate([weight.ravel() for weight in getattr(model, head).get_weights()])

    before = {head: weights(head) for head in ("stars", "ranking")}
    model.train_only((trained,))
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(0.1))
    batch = ratings if trained == "stars" else {"user_index": tf.range(6)}
    model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert [head for head in before if not np.array_equal(before[head], weights(head))] == [trained]


def test_dropout_is_for_training_only_and_another_in_each_step(tiny, tiny_indices, ratings):
    model = untrained(tiny, tiny_indices, ("stars", "ranking"), dropout=0.9, ranking_dropout=0.9)
    randomise(model)
    for batch in (ratings, {"user_index": tf.range(6)}):
        dropped = []
        for step in (0, 0, 1):
            with model.draws.at_step(step):
                dropped.append(model.compute_loss(batch, training=True).numpy())
        calm = [model.compute_loss(batch).numpy() for _ in range(2)]
        assert dropped[0] == dropped[1] != dropped[2] and calm[0] == calm[1] not in dropped
