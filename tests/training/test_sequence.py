"""The recommender of the next film: it learns an order, says the same twice, and refuses what it cannot know."""

import pickle

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import MarkovChain
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf
from movierec.serving.served import load_served

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
    """The film before says whose step it is. From one film, two answers are equally good, so half are right."""
    past = pd.concat([rings.train, rings.validation])
    assert hit_rate(walker, rings, walker.indices) > 0.7
    assert 0.4 < hit_rate(MarkovChain(past, walker.indices), rings, walker.indices) < 0.6
    assert hit_rate(walker, rings, walker.indices, "validation") > 0.7


def test_it_reads_all_that_comes_before_what_is_asked_for_and_nobody_needs_to_say_so(rings, walker):
    """Without the validation film, the test film is two steps away; with it, validation would be known."""
    users = np.arange(60)
    past = pd.concat([rings.train, rings.validation])
    np.testing.assert_array_equal(walker.score(users), walker.reading(past).score(users))
    old = walker.reading(rings.train)
    assert np.abs(old.score(users) - walker.score(users)).max() > 0.1
    assert hit_rate(lambda rows: old.score(rows), rings, walker.indices) < 0.3  # a plain function is taken as it is
    for reader in (walker, old):
        assert hit_rate(reader, rings, walker.indices) == hit_rate(walker.reading(past), rings, walker.indices) > 0.7
        assert hit_rate(reader, rings, walker.indices, "validation") > 0.7


def test_a_validation_film_that_train_does_not_know_is_not_read(rings):
    strange = rings.validation.assign(movie_id=rings.validation["movie_id"].where(rings.validation["user_id"] != 3, 99))
    split = movierec.Split(rings.train, strange, rings.test, "user")
    model = movierec.fit_sequence(split, epochs=1, **SMALL)
    assert len(model.looks(3)[0]) == 6 and len(model.past.movie_index) == len(rings.train) + 59
    assert hit_rate(model, split, model.indices) >= 0


def test_its_lists_are_the_best_films_that_are_not_in_the_history(walker, rings):
    table = walker.recommend([7, 3, 7], k=3)
    assert list(table) == ["user_id", "rank", "movie_id", "title", "score"]
    assert table["user_id"].tolist() == [7] * 3 + [3] * 3 + [7] * 3 and table["rank"].tolist() == [1, 2, 3] * 3
    np.testing.assert_array_equal(table[:3].to_numpy(), table[6:].to_numpy())
    seen = pd.concat([rings.train, rings.validation]).query("user_id == 7")["movie_id"]
    scores = pd.Series(walker.score(np.array([7]))[0], walker.indices.movie_ids).drop(seen)
    assert table["movie_id"][:3].tolist() == scores.nlargest(3).index.tolist()
    assert table["title"][0] == f"movie {table['movie_id'][0]}"
    assert len(walker.recommend(7, k=FILMS)) == FILMS - len(seen)
    with pytest.raises(ValueError, match=r"every user must have ratings in train; 1 of 2 are unknown, e.g. \[77\]"):
        walker.recommend([3, 77])


# ---- on disk


@pytest.fixture
def saved(walker, tmp_path):
    walker.save(tmp_path / "walker")
    return tmp_path / "walker"


def test_a_loaded_model_gives_the_same_lists_to_the_bit(walker, saved, split, checkerboard, tmp_path):
    users = np.arange(60)
    for again in (movierec.load_model(saved), pickle.loads(pickle.dumps(walker))):
        np.testing.assert_array_equal(again.score(users), walker.score(users))
        pd.testing.assert_frame_equal(again.recommend([3, 0]), walker.recommend([3, 0]), check_exact=True)
        np.testing.assert_array_equal(again.looks(3)[1], walker.looks(3)[1])
        pd.testing.assert_frame_equal(again.history, walker.history, check_exact=True)
        assert (again.best_epochs, again.settings) == (walker.best_epochs, walker.settings)
        assert again.movies["title"].tolist() == walker.movies["title"].tolist()
    settings = SMALL | {"blocks": 2, "gated": True, "has_gaps": False, "loss": "sampled"}
    model = movierec.fit_sequence(split, checkerboard.movies, epochs=1, **settings)
    model.save(tmp_path / "described")
    again = movierec.load_model(tmp_path / "described")
    pd.testing.assert_frame_equal(again.recommend([100], 5), model.recommend([100], 5), check_exact=True)
    pd.testing.assert_frame_equal(again.movies, model.movies)
    assert again.settings == model.settings and again.settings["gated"]


def test_it_is_not_served_as_a_hybrid_and_what_is_changed_or_no_number_is_refused(walker, saved, tmp_path):
    """Reader and writer are those of every model: tests/recommend/test_storage.py."""
    with pytest.raises(ValueError, match="It holds what fit_sequence returned, which movierec.load_model"):
        load_served(saved)
    arrays = saved / "1" / "assets.extra" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(ValueError, match="arrays.npz was cut short, changed, added or taken away"):
        movierec.load_model(saved)
    broken = pickle.loads(pickle.dumps(walker))
    bias = broken.model.sequence.movie_bias
    bias.assign(tf.fill(bias.shape, np.nan))
    with pytest.raises(ValueError, match="must be finite.*Nothing was saved"):
        broken.save(tmp_path / "broken")
    assert not (tmp_path / "broken").exists()


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
    walker = walker.reading(rings.train)
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
    with pytest.raises(ValueError, match="1 of 1 are unknown, e.g. .77"):
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


def test_a_history_of_unknown_users_or_films_cannot_be_read(walker, rings):
    for column in ("user_id", "movie_id"):
        with pytest.raises(
            ValueError, match=f"every {column} must be known from train; 1 are not, e.g. .1000.*fit again"
        ):
            walker.reading(rings.test.assign(**{column: 1000}))


@pytest.mark.parametrize("loss", ["softmax", "sampled", "bce"])
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
        "`loss` must be one of softmax, sampled, bce; got 'hinge'": {"loss": "hinge"},
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
