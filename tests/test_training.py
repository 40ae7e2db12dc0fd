"""Training on a few hundred ratings: what is kept, what is repeated to the bit, what is learned, what stops it."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec import evaluation, metrics
from movierec.baselines import Popularity
from movierec.keras2 import tf
from movierec.splits import Split


@pytest.fixture(scope="module")
def short(small):
    return small | {"epochs": 2}


@pytest.fixture(scope="module")
def noise():
    """Stars at random: there is nothing to learn, so that every epoch after the first few makes validation worse."""
    rng = np.random.default_rng(0)
    rows = [
        (user, movie, rng.integers(1, 6), day) for user in range(30) for day, movie in enumerate(rng.permutation(20))
    ]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"]).astype({"rating": "float32"})
    return movierec.split_by_user_time(ratings, 0.2, 0.2)


@pytest.fixture(scope="module")
def stopped(noise, small):
    settings = small | dict(dim=16, ranking_dim=16, learning_rate=0.03, stars_penalty=0.0, ranking_penalty=0.0)
    return movierec.fit_hybrid(noise, epochs=30, patience=3, **settings)


def _same(model, other, split):
    """Whether two models predict and score alike, to the last bit: (stars, ranking)."""
    users = np.arange(model.indices.num_users)
    stars = np.array_equal(model.predict(split.test), other.predict(split.test))
    return stars, np.array_equal(model.score(users), other.score(users))


# ---- early stopping


def test_training_stops_when_no_head_has_improved_for_a_while(stopped):
    epochs = stopped.history["epoch"].tolist()
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) == max(stopped.best_epochs.values()) + 3 < 30


def test_each_head_has_the_weights_of_its_best_epoch(stopped, noise):
    """Measured again, the model returned has the best value of each column, which is not the last."""
    rmse, ndcg = stopped.history["validation_rmse"], stopped.history["validation_ndcg@10"]
    assert stopped.best_epochs == {"stars": rmse.idxmin() + 1, "ranking": ndcg.idxmax() + 1}
    assert rmse.min() < rmse.iloc[-1] - 0.01 and ndcg.max() > ndcg.iloc[-1] + 0.001
    measured = metrics.rmse(stopped.predict(noise.validation), noise.validation["rating"])
    assert measured == pytest.approx(rmse.min(), abs=1e-9)
    ranked = evaluation.evaluate_ranking(stopped.score, noise, stopped.indices, part="validation")
    assert ranked["ndcg@10"].mean() == pytest.approx(ndcg.max(), abs=1e-9)


def test_history_has_the_mean_losses_and_both_measures_of_each_epoch(once):
    assert list(once.history) == [
        *["epoch", "train_stars_loss", "train_ranking_loss", "validation_rmse", "validation_ndcg@10"]
    ]
    assert len(once.history) == 2
    assert once.history["train_stars_loss"].is_monotonic_decreasing
    # Before anything is learned, cross-entropy among 64 candidates is near log(64) = 4.16.
    assert once.history["train_ranking_loss"].iloc[0] == pytest.approx(np.log(64), abs=0.4)
    assert once.fit_seconds > 0


def test_test_is_not_touched(once, split, checkerboard, short):
    """Another test part, with other users, movies and stars: the same model to the bit."""
    other = Split(split.train, split.validation, split.test.assign(user_id=7, movie_id=np.arange(44), rating=1.0))
    again = movierec.fit_hybrid(other, checkerboard.movies, checkerboard.users, seed=3, **short)
    assert _same(once, again, split) == (True, True)


# ---- the same seed


def test_the_same_seed_gives_the_same_model_to_the_bit_whatever_ran_before(once, split, checkerboard, short):
    np.random.rand(5)
    tf.random.normal((5,))
    again = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=3, **short)
    assert _same(once, again, split) == (True, True)
    pd.testing.assert_frame_equal(once.history, again.history, check_exact=True)
    pd.testing.assert_frame_equal(once.recommend([100, 101]), again.recommend([100, 101]), check_exact=True)


def test_another_seed_gives_another_model(once, split, checkerboard, short):
    other = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=4, **short)
    assert _same(once, other, split) == (False, False)


def test_the_seed_is_that_of_the_batches_too(split, short, monkeypatch):
    def told(rows, batch_size, seed):
        raise RuntimeError(f"{len(rows['rating'])} rows, {batch_size} a batch, seed {seed}")

    monkeypatch.setattr("movierec.features.batches", told)
    with pytest.raises(RuntimeError, match="564 rows, 64 a batch, seed 17"):
        movierec.fit_hybrid(split, seed=17, **short)


# ---- learning


def test_it_learns_the_checkerboards_stars_which_biases_cannot(fitted, split):
    actual = split.test["rating"]
    assert metrics.rmse(fitted.bias.predict(split.test), actual) > 1
    assert metrics.rmse(fitted.predict(split.test), actual) < 0.5


def test_it_learns_the_checkerboards_lists_which_popularity_cannot(fitted, split):
    """Each user has about three liked movies left, one or two of them held out; the other eleven are of no interest."""
    popularity = Popularity(split.train, fitted.indices)
    floor, ours = (
        evaluation.evaluate_ranking(scorer, split, fitted.indices, k=3, liked_from=5)["ndcg@3"].mean()
        for scorer in (popularity, fitted.score)
    )
    assert ours > 0.5 > 2 * floor
    movie = np.arange(30)
    scores = fitted.score(np.arange(40))
    own = np.array(
        [scores[user, movie % 2 == user % 2].mean() - scores[user, movie % 2 != user % 2].mean() for user in range(40)]
    )
    assert (own > 0).all()


# ---- the ways in


def test_without_tables_of_movies_and_users(plain, split):
    assert plain.model.movie_features.names == plain.model.user_features.names == []
    assert plain.movies["title"].tolist()[:2] == ["movie 10", "movie 20"]
    assert np.isfinite(plain.predict(split.test)).all()
    assert plain.recommend([100], k=3)["title"].str.startswith("movie ").all()


def test_a_batch_may_be_larger_than_train(plain):
    assert len(plain.history) == 1 and np.isfinite(plain.history).all(axis=None)


def test_a_movie_without_ratings_is_in_the_catalogue(split, checkerboard, short):
    new = pd.DataFrame({"movie_id": [999], "title": ["New (1994)"], "year": [1994], "genres": ["Comedy|Drama"]})
    model = movierec.fit_hybrid(split, pd.concat([checkerboard.movies, new], ignore_index=True), None, **short)
    assert model.indices.num_movies == 31
    everything = model.recommend([100], k=31)
    assert 999 in everything["movie_id"].tolist()
    assert np.isfinite(everything["score"]).all()


def test_without_validation_each_head_keeps_the_epoch_it_is_told(split, checkerboard, small):
    alone = Split(split.train, None, split.test)
    settings = small | {"patience": 1}
    one_two = movierec.fit_hybrid(alone, checkerboard.movies, stars_epochs=1, ranking_epochs=2, **settings)
    one_one = movierec.fit_hybrid(alone, checkerboard.movies, stars_epochs=1, ranking_epochs=1, **settings)
    assert list(one_two.history) == ["epoch", "train_stars_loss", "train_ranking_loss"]
    assert (len(one_two.history), len(one_one.history)) == (2, 1)
    assert one_two.best_epochs == {"stars": 1, "ranking": 2}
    assert _same(one_two, one_one, split) == (True, False)
    assert one_two.seen.equals(split.train[["user_id", "movie_id"]])


def test_one_head_can_be_trained_alone(split, checkerboard, short):
    stars = movierec.fit_hybrid(split, checkerboard.movies, heads=("stars",), **short)
    assert list(stars.best_epochs) == ["stars"]
    assert "train_ranking_loss" not in stars.history
    actual = split.validation["rating"]
    assert stars.history["validation_rmse"].min() < metrics.rmse(stars.bias.predict(split.validation), actual) - 0.5
    # The other head is where it started: at popularity.
    counts = split.train["movie_id"].value_counts().reindex(stars.indices.movie_ids).to_numpy()
    np.testing.assert_allclose(stars.model.score(tf.constant([0]))[0], np.log1p(counts), atol=0.2)


# ---- what stops it


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_try(split, short):
    with pytest.raises(ValueError, match="loss must be finite; in epoch 1") as error:
        movierec.fit_hybrid(split, **short | {"learning_rate": 1e30})
    assert "smaller learning_rate" in str(error.value)
    assert "nan" in str(error.value) or "inf" in str(error.value)


def test_what_is_not_a_split_is_refused_with_the_call_that_makes_one(checkerboard):
    with pytest.raises(ValueError, match=r"must be a Split, got DataFrame. Try movierec.split_by_user_time"):
        movierec.fit_hybrid(checkerboard.ratings)


@pytest.mark.parametrize(
    "name",
    [
        *["epochs", "patience", "batch_size", "learning_rate", "stars_epochs", "ranking_epochs"],
        *["dim", "ranking_dim"],  # 0 would end the process, inside TensorFlow
    ],
)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_settings_must_be_above_zero(split, name, value, short):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0, got {value}"):
        movierec.fit_hybrid(split, **short | {name: value})


@pytest.mark.parametrize("heads", [(), ("rating",), ("stars", "lists"), "stars"])
def test_heads_must_be_known(split, heads, short):
    with pytest.raises(ValueError, match=r"`heads` must be some of \('stars', 'ranking'\)") as error:
        movierec.fit_hybrid(split, heads=heads, **short)
    assert repr(heads) in str(error.value)


def test_an_unknown_setting_is_refused(split, short):
    with pytest.raises(TypeError, match="dimension"):
        movierec.fit_hybrid(split, dimension=8, **short)


def test_a_head_that_was_not_trained_does_not_answer(split, checkerboard):
    stars_only = movierec.fit_hybrid(split, heads=("stars",), epochs=1)
    assert list(stars_only.history) == ["epoch", "train_stars_loss", "validation_rmse"]
    assert len(stars_only.predict(split.test)) == len(split.test)
    user, movie = split.train[["user_id", "movie_id"]].iloc[0]
    for ask in (
        lambda: stars_only.recommend([user]),
        lambda: stars_only.recommend_new({movie: 5.0}),
        lambda: stars_only.similar(movie),
    ):
        with pytest.raises(ValueError, match=r"the ranking head must be trained .*\['stars'\] only"):
            ask()
    lists_only = movierec.fit_hybrid(split, heads=("ranking",), epochs=1)
    assert len(lists_only.recommend([user], k=2)) == 2
    with pytest.raises(ValueError, match="the stars head must be trained"):
        lists_only.predict(split.test)
    with pytest.raises(ValueError, match="`heads` must be some of"):
        movierec.fit_hybrid(split, heads=("star",))


def test_relevance_on_validation_can_be_set_for_other_scales(split):
    low = movierec.Split(
        *(part.assign(rating=part["rating"].clip(upper=3)) for part in (split.train, split.validation, split.test))
    )
    with pytest.raises(ValueError, match="no user of validation"):
        movierec.fit_hybrid(low, epochs=1)
    assert movierec.fit_hybrid(low, epochs=1, liked_from=3).best_epochs == {"stars": 1, "ranking": 1}
