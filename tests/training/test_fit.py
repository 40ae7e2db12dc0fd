"""Training on a few hundred ratings: what is kept, what is repeated to the bit, what is learned, what stops it."""

import re

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import Popularity
from movierec.data import Split
from movierec.evaluation import full_ranking as evaluation
from movierec.evaluation import metrics
from movierec.keras2 import tf
from movierec.training import fit as training
from movierec.training.optimizers import OPTIMIZERS


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
    return movierec.fit_hybrid(noise, epochs=30, patience=3, **settings | {"ranking_learning_rate": 0.03})


def _same(model, other, split):
    """Whether two models predict and score alike, to the last bit: (stars, ranking)."""
    users = np.arange(model.indices.num_users)
    stars = np.array_equal(model.predict(split.test), other.predict(split.test))
    return stars, np.array_equal(model.score(users), other.score(users))


# ---- early stopping


def test_each_head_stops_when_it_has_not_improved_for_a_while(stopped):
    epochs = stopped.history["epoch"].tolist()
    assert epochs == list(range(1, len(epochs) + 1))
    for head, best in stopped.best_epochs.items():
        assert stopped.history[f"train_{head}_loss"].count() == best + 3 < 30


def test_each_head_has_the_weights_of_its_best_epoch(stopped, noise):
    """Measured again, the model returned has the best value of each column, which is not the last."""
    rmse, ndcg = stopped.history["validation_rmse"], stopped.history["validation_ndcg@10"]
    assert stopped.best_epochs == {"stars": rmse.idxmin() + 1, "ranking": ndcg.idxmax() + 1}
    assert rmse.min() < rmse.dropna().iloc[-1] - 0.01 and ndcg.max() > ndcg.dropna().iloc[-1] + 0.001
    measured = metrics.rmse(stopped.predict(noise.validation), noise.validation["rating"])
    assert measured == pytest.approx(rmse.min(), abs=1e-9)
    ranked = evaluation.evaluate_ranking(stopped.score, noise, stopped.indices, part="validation")
    assert ranked["ndcg@10"].mean() == pytest.approx(ndcg.max(), abs=1e-9)


def test_history_has_the_mean_losses_and_both_measures_of_each_epoch(once):
    assert list(once.history) == [
        *["epoch", "train_stars_loss", "validation_rmse", "train_ranking_loss", "validation_ndcg@10"]
    ]
    assert len(once.history) == 2
    assert once.history["train_stars_loss"].is_monotonic_decreasing
    # Before anything is learned, cross-entropy among up to 30 films is below log(30) = 3.4.
    assert 2.5 < once.history["train_ranking_loss"].iloc[0] < 3.5
    assert once.fit_seconds > 0


def test_test_is_not_touched(once, split, checkerboard, short):
    """Another test part, with other users, movies and stars: the same model to the bit."""
    strange = split.test.assign(user_id=7, movie_id=np.arange(44), rating=1.0)
    other = Split(split.train, split.validation, strange, split.in_time)
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
    def told(num_rows, batch_size, rng):
        raise RuntimeError(f"{num_rows} rows, {batch_size} a batch, drawn {rng.integers(10**9)}")

    monkeypatch.setattr("movierec.training.fit.shuffled", told)
    drawn = np.random.default_rng([17, 1]).integers(10**9)  # of the first epoch
    with pytest.raises(RuntimeError, match=f"564 rows, 64 a batch, drawn {drawn}"):
        movierec.fit_hybrid(split, seed=17, **short)


def test_another_machine_is_near(once):
    """Measured on x86 with AVX2; other processors add up in another order, so they may be off by as much as said."""
    assert once.history["validation_rmse"].min() == pytest.approx(0.106, abs=0.03)
    assert once.history["validation_ndcg@10"].max() == pytest.approx(0.5, abs=0.08)


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


# ---- attention in place of the bag


def test_a_hybrid_that_reads_by_attention_learns_answers_everybody_and_is_loaded_to_the_bit(
    split, checkerboard, small, tmp_path
):
    asked = small | {"heads": ("ranking",), "encoder": "attention"}
    model = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=0, epochs=5, **asked)
    losses = model.history["train_ranking_loss"]
    assert losses.iloc[-1] < losses.iloc[0] - 0.1
    model.save(tmp_path)
    again = movierec.load_model(tmp_path)
    np.testing.assert_array_equal(again.score(np.arange(40)), model.score(np.arange(40)))
    newcomer = {10: 5.0, 30: 5.0}
    other_order = model.recommend_new(dict(reversed(newcomer.items())), k=5)
    assert np.abs(model.recommend_new(newcomer, k=5)["score"] - other_order["score"]).max() > 1e-6  # order is read
    first = model.recommend([100], k=1).iloc[0]
    parts = model.explain(first["title"], user_id=100)
    np.testing.assert_allclose(parts["contribution"].sum(), first["score"], rtol=1e-4)
    assert parts.loc[parts["path"] == "dot", "contribution"].abs().max() == 0  # it has no share for each film


# ---- histories that are too large for a matrix


def test_on_lists_it_learns_the_checkerboard_too(listed, split):
    """Measured: RMSE 0.22, of the biases 1.43; NDCG@3 0.60."""
    assert listed.model.stars.in_movie_bag.mean() == pytest.approx(0.5, abs=0.2)  # films with a bag, and without
    actual = split.test["rating"]
    assert (
        metrics.rmse(listed.bias.predict(split.test), actual) > 1 > 2 * metrics.rmse(listed.predict(split.test), actual)
    )
    popularity = Popularity(split.train, listed.indices)
    floor, ours = (
        evaluation.evaluate_ranking(scorer, split, listed.indices, k=3, liked_from=5)["ndcg@3"].mean()
        for scorer in (popularity, listed.score)
    )
    assert ours > 0.5 > 2 * floor


def test_lists_and_matrices_are_two_ways_to_the_same_model(split, checkerboard, small, monkeypatch):
    """With a bag for each film, the same batches, and an optimiser that does not tell a sum from a product."""
    settings = small | dict(heads=("stars",), epochs=1, ids=True, optimizer="adam", batch_size=64)
    matrices = movierec.fit_hybrid(split, checkerboard.movies, **settings)
    monkeypatch.setattr(training, "shuffled_groups", lambda starts, size, rng: training.shuffled(starts[-1], size, rng))
    settings |= {"batch_size": 8, "most_pairs": 0}  # a step of lists has eight times as many ratings
    lists = movierec.fit_hybrid(split, checkerboard.movies, **settings)
    assert lists.model.stars.in_movie_bag.all() and matrices.model.stars.in_movie_bag is None
    for here, there in zip(lists.model.stars.get_weights(), matrices.model.stars.get_weights(), strict=True):
        np.testing.assert_allclose(here, there, atol=2e-4)
    np.testing.assert_allclose(lists.predict(split.test), matrices.predict(split.test), atol=1e-3)
    assert metrics.rmse(lists.predict(split.test), lists.bias.predict(split.test)) > 0.1  # it has learned something


def test_batches_of_lists_are_users_with_all_of_their_ratings(listed, split):
    """564 ratings of 40 users in 8 batches of 64: the 7 cuts between them part at most 8 users, the last included."""
    recipe = training.stars_recipe(listed, split, 8, optimizer="adam", learning_rate=0.1, epochs=1, quality=None)
    order, past = recipe.order(np.random.default_rng(0)), listed.model.past
    assert order.shape == (8, 64)
    batches_of = np.bincount(np.concatenate([np.unique(past.user_index[rows]) for rows in order]), minlength=40)
    assert batches_of.max() <= 2 and (batches_of == 2).sum() <= 8
    ratings = np.bincount(past.movie_index, minlength=30)
    np.testing.assert_array_equal(recipe.columns["in_movie_bag"], ratings[past.movie_index] <= 19)
    np.testing.assert_array_equal(recipe.columns["movie_index"], past.movie_index)
    np.testing.assert_array_equal(recipe.columns["residual"], past.residual)


# ---- who looks on, and which optimiser


def test_a_bar_for_each_epoch_if_it_is_asked_for(split, short, capsys):
    fit = dict(heads=("stars",), optimizer="adagrad") | short
    silent = movierec.fit_hybrid(split, **fit)
    assert capsys.readouterr() == ("", "")
    shown = movierec.fit_hybrid(split, progress=True, **fit)
    out, error = capsys.readouterr()
    bars = re.findall(r"(\w+, epoch \d+): +0%.*?0.00/512", error)  # 8 batches of 64 ratings
    assert out == "" and bars == ["stars, epoch 1", "stars, epoch 2"] and "rating/s" in error
    np.testing.assert_array_equal(shown.predict(split.test), silent.predict(split.test))


def test_the_optimiser_is_the_one_that_is_named(once, split, short):
    assert type(once.model.optimizer) is OPTIMIZERS["lazy_adam"]
    model = movierec.fit_hybrid(split, heads=("ranking",), optimizer="adagrad", **short | {"epochs": 1}).model
    assert type(model.optimizer) is OPTIMIZERS["adagrad"]
    assert model.optimizer.learning_rate.numpy() == np.float32(0.01) == once.model.optimizer.learning_rate.numpy()


@pytest.mark.parametrize("optimizer", ["sgd", "Adam", "", None])
def test_an_unknown_optimiser_is_refused_with_the_list(split, optimizer):
    with pytest.raises(ValueError, match="`optimizer` must be one of adam, lazy_adam, adagrad; got ") as error:
        movierec.fit_hybrid(split, optimizer=optimizer)
    assert repr(optimizer) in str(error.value)


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
    assert one_two.history.count().tolist() == [2, 1, 2] and len(one_one.history) == 1
    assert one_two.best_epochs == {"stars": 1, "ranking": 2}
    assert _same(one_two, one_one, split) == (True, False)
    assert one_two.seen.equals(split.train[["user_id", "movie_id"]].reset_index(drop=True))


def test_one_head_can_be_trained_alone(split, checkerboard, short):
    stars = movierec.fit_hybrid(split, checkerboard.movies, heads=("stars",), **short)
    assert list(stars.best_epochs) == ["stars"]
    assert "train_ranking_loss" not in stars.history
    actual = split.validation["rating"]
    assert stars.history["validation_rmse"].min() < metrics.rmse(stars.bias.predict(split.validation), actual) - 0.5
    assert stars.model.ranking is None


def test_a_split_in_time_is_asked_what_comes_next_and_another_what_is_missing(once, split, short):
    missing = Split(split.train, split.validation, split.test)
    assert once.model.past.in_order and once.model.ranking.in_order
    assert not movierec.fit_hybrid(missing, **short).model.past.in_order
    assert not movierec.fit_hybrid(split, without="order", **short).model.past.in_order


def test_each_epoch_is_told_when_it_is_over(split, short):
    rows = []
    model = movierec.fit_hybrid(split, on_epoch=rows.append, **short)
    stars, ranking = rows[:2], rows[2:]
    expected = model.history.to_dict("records")
    assert [a | b for a, b in zip(stars, ranking, strict=True)] == expected


def test_a_training_that_is_stopped_keeps_its_best_epoch(split, short):
    stop, rows = training.Stop(), []

    def after_two_epochs(row):
        rows.append(row)
        if len(rows) == 2:
            stop.ask()

    settings = short | {"heads": ("ranking",)}
    model = movierec.fit_hybrid(split, on_epoch=after_two_epochs, stop=stop, **settings | {"epochs": 50})
    two_epochs = movierec.fit_hybrid(split, **settings)
    assert len(rows) == len(model.history) == 2
    pd.testing.assert_frame_equal(model.history, two_epochs.history)
    np.testing.assert_array_equal(model.score(np.arange(5)), two_epochs.score(np.arange(5)))


def test_a_training_that_is_stopped_at_once_says_that_nothing_is_kept(split, short):
    stop = training.Stop()
    stop.ask()
    with pytest.raises(training.Stopped, match="before the first epoch of the stars head was over; nothing is kept"):
        movierec.fit_hybrid(split, stop=stop, **short)
    fresh = training.Stop()
    with pytest.raises(training.Stopped, match="first epoch of the ranking head"):
        movierec.fit_hybrid(split, stop=fresh, on_epoch=lambda row: fresh.ask(), **short)


def test_what_is_kept_of_the_ranking_head_is_the_average_over_epochs(split, short, monkeypatch):
    """Without averaging the head ends elsewhere; after one epoch there is nothing to average."""

    def fit(averaged, epochs):
        monkeypatch.setattr("movierec.training.fit.AVERAGED", averaged)
        alone = Split(split.train, None, split.test, split.in_time)
        model = movierec.fit_hybrid(alone, heads=("ranking",), **short | {"ranking_epochs": epochs})
        return model.model.ranking.get_weights()

    first, last, mixed = fit(0.0, 1), fit(0.0, 2), fit(0.25, 2)
    for a, b, c in zip(first, last, mixed, strict=True):
        np.testing.assert_allclose(c, 0.25 * a + 0.75 * b, atol=1e-6)
    assert max(np.abs(a - b).max(initial=0) for a, b in zip(first, last, strict=True)) > 1e-3


def test_an_ensemble_has_a_member_for_each_seed(split, checkerboard, short):
    both = movierec.fit_ensemble(split, checkerboard.movies, checkerboard.users, seeds=(3, 4), **short)
    alone = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=4, **short)
    assert len(both.members) == 2 and _same(both.members[1], alone, split) == (True, True)
    with pytest.raises(ValueError, match="`seeds` is empty"):
        movierec.fit_ensemble(split, seeds=())


# ---- what stops it


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_try(split, short):
    settings = {"stars": "learning_rate", "ranking": "ranking_learning_rate"}
    for head, setting in settings.items():
        with pytest.raises(ValueError, match=f"the loss must be finite; that of the {head} head is") as error:
            movierec.fit_hybrid(split, heads=(head,), **short | {setting: 1e30})
        assert f"Use a smaller `{setting}`" in str(error.value)
        assert re.search(r"is (nan|inf) in epoch 1, batch \d+ of \d+\.", str(error.value))


def test_what_is_not_a_split_is_refused_with_the_call_that_makes_one(checkerboard):
    with pytest.raises(ValueError, match=r"must be a Split, got DataFrame. Try movierec.split_by_user_time"):
        movierec.fit_hybrid(checkerboard.ratings)


@pytest.mark.parametrize(
    "name",
    [
        *["epochs", "patience", "batch_size", "learning_rate", "stars_epochs", "ranking_epochs"],
        *["users_per_batch", "ranking_learning_rate", "checkpoint_steps"],
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
    with pytest.raises(ValueError, match="`dimension` is not a setting"):
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
