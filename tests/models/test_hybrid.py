"""Two heads in one model: which is there, which is trained, which loss a batch has."""

import numpy as np
import pytest
from untrained import untrained

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
