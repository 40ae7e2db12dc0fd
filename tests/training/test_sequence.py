"""The recommender of the next film: it learns an order, says the same twice, and refuses what it cannot know."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import MarkovChain
from movierec.evaluation import evaluate_ranking

DAY, FILMS = 86_400, 12
SMALL = dict(length=6, dim=8, blocks=1, dropout=0.0, batch_size=16, learning_rate=0.03, patience=3)


@pytest.fixture(scope="module")
def rings():
    """60 users walk round a ring of 12 films, one a day: even users step by one film, odd ones by five.

    What comes next depends on the last two films: after film 0 it is 1 or 5, by where the user came from. Each walks 8
    films from a place of their own, so no film is more popular than another by much.
    """
    rows = []
    for user in range(60):
        step = 1 if user % 2 == 0 else 5
        rows += [(user, (user // 2 + step * day) % FILMS, 3.0, DAY * day) for day in range(8)]
    table = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    return movierec.split_leave_last(table)


@pytest.fixture(scope="module")
def walker(rings):
    return movierec.fit_sequence(rings, seed=0, epochs=40, **SMALL | {"patience": 10})


def hit_rate(scorer, split, indices, part="test"):
    ranked = evaluate_ranking(getattr(scorer, "score", scorer), split, indices, part=part, k=1, liked_from=0)
    return ranked["hit_rate@1"].mean()


def test_it_learns_what_a_chain_of_one_film_cannot(rings, walker):
    """The film before says whose step it is. From one film, two answers are equally good, so half are right.

    Without reading the validation film, the test film is two steps away.
    """
    past = pd.concat([rings.train, rings.validation])
    assert hit_rate(walker.reading(past), rings, walker.indices) > 0.7
    assert 0.4 < hit_rate(MarkovChain(past, walker.indices), rings, walker.indices) < 0.6
    assert hit_rate(walker, rings, walker.indices, "validation") > 0.7
    assert hit_rate(walker, rings, walker.indices) < 0.3


def test_the_best_epoch_is_kept_and_the_same_seed_says_the_same(rings, walker):
    history = walker.history
    assert list(history) == ["epoch", "train_sequence_loss", "validation_ndcg@10"]
    assert history["validation_ndcg@10"].idxmax() + 1 == walker.best_epochs["sequence"]
    assert history["train_sequence_loss"].iloc[-1] < history["train_sequence_loss"].iloc[0] / 2
    settings = SMALL | {"epochs": 3}
    one, again, other = (movierec.fit_sequence(rings, seed=seed, **settings).score(np.arange(60)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3


def test_a_history_can_be_read_whole_or_up_to_a_film(walker, rings):
    film, weights = walker.looks(3)
    expected = rings.train[rings.train["user_id"] == 3].sort_values("timestamp")["movie_id"].tolist()
    assert walker.indices.movie_ids[film].tolist() == expected and weights.shape == (1, 6, 6)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-5)
    assert not np.triu(weights[0], 1).any()
    film, gap = walker.read_of(3, films=2)
    assert film[0, 4:].tolist() == walker.film[3, :2].tolist() and gap[0, 4:].tolist() == walker.gap[3, :2].tolist()
    assert (film[0, :4] == FILMS).all()
    few, weights = walker.looks(3, films=2)
    assert len(few) == 2 and weights.shape == (1, 2, 2)
    chance = walker.expects(3, films=2)
    scores = walker.score_next(film, gap)[0]
    left = np.setdiff1d(np.arange(FILMS), few)
    np.testing.assert_allclose(chance[left], np.exp(scores[left]) / np.exp(scores[left]).sum(), rtol=1e-4)
    assert not chance[few].any()
    with pytest.raises(ValueError, match="user_id 77 must be known"):
        walker.looks(77)
    for films in (0, 7):
        with pytest.raises(ValueError, match=f"`films` must be 1 to 6, what is read of user_id 3; got {films}"):
            walker.expects(3, films=films)


def test_it_is_a_scorer_of_known_and_of_new_histories(walker):
    scores = walker.score(np.array([4, 0]))
    assert scores.shape == (2, FILMS) and scores.dtype == np.float32
    np.testing.assert_allclose(walker.score_next(walker.film[[0]], walker.gap[[0]])[0], scores[1], atol=1e-5)
    assert walker.score_next(walker.film[:0], walker.gap[:0]).shape == (0, FILMS)
    assert repr(walker) == "SequenceRecommender(60 users, 12 movies)"
    for wrong in (-1, 60):  # -1, an unknown user, must not be the last one
        with pytest.raises(ValueError, match=rf"`user_index` must be rows of the scores, 0 to 59; got \[{wrong}\]"):
            walker.score(np.array([wrong]))


@pytest.mark.parametrize("column", ["user_id", "movie_id"])
def test_a_history_of_unknown_users_or_films_cannot_be_read(walker, rings, column):
    says = f"every {column} must be known from train; 1 are not, e.g. .1000.*fit again"
    with pytest.raises(ValueError, match=says):
        walker.reading(rings.test.assign(**{column: 1000}))


@pytest.mark.parametrize("loss", ["softmax", "bce"])
def test_movies_may_be_described_and_films_nobody_rated_have_a_score(split, checkerboard, loss):
    """Without a validation part all epochs are trained."""
    alone = movierec.Split(split.train, None, split.test, split.in_time)
    found = movierec.fit_sequence(alone, checkerboard.movies, loss=loss, epochs=2, **SMALL)
    assert found.model.sequence.movie_features.shape[1] > 0
    assert np.isfinite(found.score(np.arange(40))).all()
    assert found.best_epochs == {"sequence": 2} and list(found.history) == ["epoch", "train_sequence_loss"]


def test_bad_settings_are_refused(rings):
    for name in ("length", "dim", "blocks", "epochs", "patience", "batch_size", "learning_rate"):
        with pytest.raises(ValueError, match=f"`{name}` must be above 0, got 0"):
            movierec.fit_sequence(rings, **{name: 0})
    others = {
        "`loss` must be one of softmax, bce; got 'hinge'": {"loss": "hinge"},
        "`dropout` must be a share": {"dropout": 1.0},
        "`penalty` must be 0 or more": {"penalty": -1},
    }
    for says, setting in others.items():
        with pytest.raises(ValueError, match=says):
            movierec.fit_sequence(rings, **setting)
    for bad in (movierec.Split(rings.train, None, rings.test), rings.train):
        with pytest.raises(ValueError, match="must be a Split in time.*split_leave_last"):
            movierec.fit_sequence(bad)
    timeless = movierec.Split(*(part.drop(columns="timestamp") for part in (rings.train, rings.validation, rings.test)))
    with pytest.raises(ValueError, match="Its ratings have no times: fit_hybrid.split. needs none"):
        movierec.fit_sequence(timeless)
