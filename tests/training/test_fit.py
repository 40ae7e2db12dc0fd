"""Training on a few hundred ratings: what is kept, what is repeated to the bit, what is learned, what stops it."""

import random

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import Bias, Ease, Popularity
from movierec.data import Split, batches
from movierec.evaluation import evaluate_ranking, metrics
from movierec.keras2 import tf
from movierec.training import OPTIMIZERS, Stop, Stopped
from movierec.training import fit as training
from movierec.training.recipes import held_out


@pytest.fixture(scope="module")
def short(small):
    return small | {"epochs": 2}


@pytest.fixture(scope="module")
def noise():
    """Stars at random: there is nothing to learn, so that every epoch after the first few makes validation worse."""
    rng = np.random.default_rng(0)
    films = np.concatenate([rng.permutation(20) for _ in range(30)])
    ratings = pd.DataFrame({"user_id": np.arange(600) // 20, "movie_id": films, "timestamp": np.arange(600) % 20})
    return movierec.split_by_user_time(ratings.assign(rating=rng.integers(1, 6, 600).astype("float32")), 0.2, 0.2)


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


def test_each_head_stops_after_its_patience_with_the_weights_of_its_best_epoch(stopped, noise):
    """Measured again, the model returned has the best value of each column, which is not the last."""
    for head, best in stopped.best_epochs.items():
        assert stopped.history[f"train_{head}_loss"].count() == best + 3 < 30
    rmse, ndcg = stopped.history["validation_rmse"], stopped.history["validation_ndcg@10"]
    assert stopped.best_epochs == {"stars": rmse.idxmin() + 1, "ranking": ndcg.idxmax() + 1}
    assert rmse.min() < rmse.dropna().iloc[-1] - 0.01 and ndcg.max() > ndcg.dropna().iloc[-1] + 0.001
    measured = metrics.rmse(stopped.predict(noise.validation), noise.validation["rating"])
    assert measured == pytest.approx(rmse.min(), abs=1e-9)
    ranked = evaluate_ranking(stopped.score, noise, stopped.indices, part="validation")
    assert ranked["ndcg@10"].mean() == pytest.approx(ndcg.max(), abs=1e-9)


# ---- the same seed


def test_the_same_seed_gives_the_same_model_to_the_bit_and_leaves_no_trace(once, split, checkerboard, short, tmp_path):
    """Equal weights after other random draws, with another test part, and with a callback that looks on.

    Any of Keras may, such as TensorBoard: the film vectors are in the file that its projector reads.
    """
    np.random.rand(5)
    tf.random.normal((5,))
    strange = split.test.assign(user_id=7, movie_id=np.arange(44), rating=1.0)
    other = Split(split.train, split.validation, strange, split.in_time)
    states = np.random.get_state()[1].tolist(), random.getstate()
    board = tf.keras.callbacks.TensorBoard(tmp_path, embeddings_freq=1, histogram_freq=1)
    fit = dict(seed=3, progress=True, callbacks=[board], **short)
    again = movierec.fit_hybrid(other, checkerboard.movies, checkerboard.users, **fit)
    assert _same(once, again, split) == (True, True)
    pd.testing.assert_frame_equal(once.history, again.history, check_exact=True)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states
    tf.random.normal((5,))  # with deterministic kernels still on, it would ask for a seed
    events = list((tmp_path / "train").glob("events.out.tfevents.*"))
    assert len(events) == 2 and all(path.stat().st_size > 1000 for path in events)
    name = "ranking/ranking_movie_id/.ATTRIBUTES/VARIABLE_VALUE"
    vectors = tf.train.load_checkpoint(tmp_path / "train" / "keras_embedding.ckpt-1").get_tensor(name)
    assert vectors.shape == (30, 8) and (tmp_path / "projector_config.pbtxt").exists()


# ---- learning


@pytest.mark.parametrize("name", ["fitted", "listed"])
def test_it_learns_the_checkerboard_which_biases_and_popularity_cannot(name, request, split, once):
    """Each user has about three liked movies left, one or two of them held out; the other eleven are of no interest."""
    model, actual = request.getfixturevalue(name), split.test["rating"]
    columns = ["train_stars_loss", "validation_rmse", "train_ranking_loss", "validation_ndcg@10"]
    assert list(model.history) == ["epoch", *columns] and model.fit_seconds > 0
    # Before anything is learned, cross-entropy among up to 30 films is below log(30) = 3.4.
    assert 2.5 < model.history["train_ranking_loss"].iloc[0] < 3.5
    losses = model.history["train_stars_loss"].dropna().tolist()
    assert losses[-1] < losses[0] and once.history["train_stars_loss"][0] != losses[0]  # another seed
    assert metrics.rmse(model.bias.predict(split.test), actual) > 1
    assert metrics.rmse(model.predict(split.test), actual) < 0.5
    popularity = Popularity(split.train, model.indices)
    floor, ours = (
        evaluate_ranking(scorer, split, model.indices, k=3, liked_from=5)["ndcg@3"].mean()
        for scorer in (popularity, model.score)
    )
    assert ours > 0.5 > 2 * floor
    scores, is_own = model.score(np.arange(40)), np.arange(30) % 2 == np.arange(40)[:, None] % 2
    assert (scores.mean(axis=1, where=is_own) > scores.mean(axis=1, where=~is_own)).all()


# ---- attention in place of the bag


def test_a_hybrid_that_reads_by_attention_learns_answers_everybody_and_is_loaded_to_the_bit(
    split, checkerboard, small, tmp_path
):
    asked = small | {"heads": ("ranking",), "encoder": "attention"}
    model = movierec.fit_hybrid(split, checkerboard.movies, seed=0, epochs=5, **asked)
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


def test_lists_and_matrices_are_two_ways_to_the_same_model(split, checkerboard, small, monkeypatch):
    """With a bag for each film, the same batches, and an optimiser that does not tell a sum from a product."""
    settings = small | dict(heads=("stars",), epochs=1, ids=True, optimizer="adam", batch_size=64)
    matrices = movierec.fit_hybrid(split, checkerboard.movies, **settings)
    recipe = training.stars_recipe

    def one_rating_a_group(*asked):
        found = recipe(*asked)
        return found | {"groups": np.arange(len(found["rows"]["rating"]) + 1)}

    monkeypatch.setattr(training, "stars_recipe", one_rating_a_group)
    settings |= {"batch_size": 8, "most_pairs": 0}  # a step of lists has eight times as many ratings
    lists = movierec.fit_hybrid(split, checkerboard.movies, **settings)
    assert lists.model.stars.rater_index is not None and matrices.model.stars.rater_index is None
    for here, there in zip(lists.model.stars.get_weights(), matrices.model.stars.get_weights(), strict=True):
        np.testing.assert_allclose(here, there, atol=2e-4)
    np.testing.assert_allclose(lists.predict(split.test), matrices.predict(split.test), atol=1e-3)
    assert metrics.rmse(lists.predict(split.test), lists.bias.predict(split.test)) > 0.1  # it has learned something


def test_batches_of_lists_are_users_with_all_of_their_ratings(listed, split):
    """564 ratings of 40 users in 8 batches of 64: the 8 ends of batches part at most 8 users."""
    recipe, past = training.stars_recipe(listed, split.train, 8), listed.model.past
    rows = recipe["rows"] | {"place": np.arange(564)}
    epoch = batches(rows, recipe["batch_size"], 0, groups=recipe["groups"]).take(8).as_numpy_iterator()
    places = [batch["place"] for batch in epoch]
    assert [len(batch) for batch in places] == [64] * 8 and len(np.unique(places)) == 512
    batches_of = np.bincount(np.concatenate([np.unique(past.user_index[batch]) for batch in places]), minlength=40)
    assert batches_of.max() <= 2 and (batches_of == 2).sum() <= 8
    np.testing.assert_array_equal(rows["movie_index"], past.movie_index)
    np.testing.assert_array_equal(rows["residual"], past.residual)


# ---- the ways in


def test_without_tables_and_with_batches_larger_than_train(plain, split):
    assert plain.model.movie_features.names == plain.model.user_features.names == []
    assert plain.recommend([100], k=3)["title"].str.startswith("movie ").all()
    assert np.isfinite(plain.predict(split.test)).all()
    assert len(plain.history) == 1 and np.isfinite(plain.history).all(axis=None)


def test_a_linear_path_that_harms_the_lists_of_validation_is_left_out(split, small, monkeypatch, tmp_path):
    """What EASE has learned from films that tell nothing of each other is noise; here it tells the opposite."""
    asked = {"heads": ("ranking",), "epochs": 1} | small
    solve = Ease.solve
    monkeypatch.setattr(Ease, "solve", lambda x, regularisation: -20 * solve(x, regularisation))
    with pytest.warns(UserWarning, match=r"The linear path \(EASE\) is left out: with it, NDCG@10 of validation is"):
        model = movierec.fit_hybrid(split, **asked)
    without = movierec.fit_hybrid(split, linear_weight=0, **asked)
    model.save(tmp_path / "model")
    everybody = np.arange(model.indices.num_users)
    for found in (model, movierec.load_model(tmp_path / "model")):
        assert found.model.ranking.linear is None
        assert np.array_equal(found.score(everybody), without.score(everybody))
    wanted = movierec.fit_hybrid(split, linear_weight=8.0, **asked)  # who asks for it gets it
    assert wanted.model.ranking.linear is not None
    monkeypatch.setattr("movierec.training.recipes.bootstrap_interval", lambda values: (-1.0, 0.1))  # not surely worse
    assert movierec.fit_hybrid(split, **asked).model.ranking.linear is not None


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


@pytest.mark.parametrize("in_time", ["user", None])
def test_without_validation_the_epochs_are_found_on_a_tenth_of_train_and_all_of_train_is_learned(in_time, noise, small):
    """On noise the first epochs are the best; on all of train the model then has the weights of so many epochs."""
    alone = Split(noise.train, None, noise.test, in_time)
    settings = small | {"heads": ("stars",), "learning_rate": 0.03, "dim": 16, "stars_penalty": 0.0, "patience": 2}
    model = movierec.fit_hybrid(alone, epochs=20, **settings)
    held = held_out(alone)
    assert len(held.validation) == {"user": 30, None: 36}[in_time]  # of 30 users with 12 ratings each, 1; of 360, 36
    asked = pd.concat([held.train, held.validation]).sort_index()
    pd.testing.assert_frame_equal(asked, alone.train.sort_index())
    best = movierec.fit_hybrid(held, epochs=20, **settings).best_epochs["stars"]
    assert 1 <= best < 18 and model.best_epochs == {"stars": best} and len(model.history) == best
    told = movierec.fit_hybrid(alone, stars_epochs=best, **settings)
    assert np.array_equal(model.predict(alone.test), told.predict(alone.test))


def test_where_a_tenth_cannot_judge_the_epochs_are_those_of_movielens_100k(small):
    """Nobody has ten ratings, so nothing can be held out."""
    rows = [(user, film, 1.0 + (user + film) % 5, day) for user in range(6) for day, film in enumerate(range(4))]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    alone = Split(ratings[ratings["timestamp"] < 3], None, ratings[ratings["timestamp"] == 3], "user")
    assert movierec.fit_hybrid(alone, heads=("stars",), **small).best_epochs == {"stars": 7}


def test_a_split_that_is_not_in_time_is_asked_what_is_missing(once, split, checkerboard, short):
    """Here with another optimiser, and a movie that nobody rated: it is in the catalogue."""
    assert once.model.past.in_order and once.model.ranking.in_order
    new = pd.DataFrame({"movie_id": [999], "title": ["New (1994)"], "year": [1994], "genres": ["Comedy|Drama"]})
    movies = pd.concat([checkerboard.movies, new], ignore_index=True)
    settings = short | {"heads": ("ranking",), "optimizer": "adagrad", "epochs": 1}
    model = movierec.fit_hybrid(Split(split.train, split.validation, split.test), movies, **settings)
    assert not model.model.past.in_order
    everything = model.recommend([100], k=31)
    assert 999 in everything["movie_id"].tolist() and np.isfinite(everything["score"]).all()
    for fit, name in ((once, "lazy_adam"), (model, "adagrad")):
        assert type(fit.model.optimizer) is OPTIMIZERS[name]
        assert fit.model.optimizer.learning_rate.numpy() == np.float32(0.01)
    assert list(model.best_epochs) == ["ranking"] and model.model.stars is None
    assert list(model.history) == ["epoch", "train_ranking_loss", "validation_ndcg@10"]


def test_a_cut_at_one_moment_leaves_recency_out_of_the_lists_alone(checkerboard, short, tmp_path):
    """The session path of the stars goes on reading earlier ratings only; a saved model remembers both."""
    by_time = movierec.split_by_time(checkerboard.ratings)
    settings = short | {"linear_weight": 8.0}  # kept, whether it helps or not
    ordered = movierec.fit_hybrid(by_time, recency_for=("user", "everyone"), **settings)
    rested = movierec.fit_hybrid(by_time, **settings)
    rested.save(tmp_path / "rested")
    for model, reads_order in ((ordered, True), (rested, False), (movierec.load_model(tmp_path / "rested"), False)):
        assert model.model.past.in_order and model.model.ranking.in_order is reads_order
    assert _same(ordered, rested, by_time) == (True, False)


def test_the_stars_head_may_keep_an_average_of_its_weights(split, small):
    """a₂ = s a₁ + (1 − s) w₂, and a₁ = w₁; see `BestEpoch`."""
    alone = Split(split.train, None, split.test)

    def weights(stars_epochs, averaged):
        settings = small | {"heads": ("stars",), "stars_epochs": stars_epochs, "stars_averaged": averaged}
        return movierec.fit_hybrid(alone, **settings).model.stars.get_weights()

    for first, second, average in zip(weights(1, 0.75), weights(2, 0), weights(2, 0.75), strict=True):
        np.testing.assert_allclose(average, 0.75 * first + 0.25 * second, rtol=1e-4, atol=1e-6)


def test_user_biases_start_at_the_damping_that_was_asked_for(split, small):
    settings = small | {"heads": ("stars",), "batch_size": 10_000}
    model = movierec.fit_hybrid(split, epochs=1, user_damping=20, **settings)
    expected = Bias(split.train, model.indices, damping_user=20)
    np.testing.assert_allclose(model.bias.user, expected.user)
    np.testing.assert_allclose(model.model.past.residual.sum(), expected.residuals(split.train).sum(), rtol=1e-4)
    moved = model.model.stars.user_bias.numpy() - expected.user
    assert 0 < np.abs(moved).max() < 0.02  # by the one step of its one batch


def test_a_training_that_is_stopped_keeps_its_best_epoch_and_each_epoch_is_told(split, once, checkerboard, short):
    """Asked in the ranking head's first epoch: the stars head is that of `once`, the other has one epoch."""
    stop, rows = Stop(), []

    def after_three_epochs(row):
        rows.append(row)
        if len(rows) == 3:
            stop.ask()

    settings = short | dict(seed=3, on_epoch=after_three_epochs, stop=stop)
    model = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, **settings)
    assert _same(model, once, split) == (True, False)
    assert model.history.count().tolist() == [2, 2, 2, 1, 1] and model.best_epochs["ranking"] == 1
    of_once = once.history.to_dict("records")
    assert [rows[0] | rows[2], of_once[1] | rows[1]] == of_once
    with pytest.raises(Stopped, match="before the first epoch of the stars head was over; nothing is kept"):
        movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, **settings)


def test_an_ensemble_has_a_member_for_each_seed(split, once, checkerboard, short):
    both = movierec.fit_ensemble(split, checkerboard.movies, checkerboard.users, seeds=(4, 3), **short)
    assert len(both.members) == 2 and _same(both.members[1], once, split) == (True, True)
    assert _same(both.members[0], once, split) == (False, False)
    with pytest.raises(ValueError, match="`seeds` is empty"):
        movierec.fit_ensemble(split, seeds=())


# ---- what stops it


@pytest.mark.parametrize(("head", "setting"), [("stars", "learning_rate"), ("ranking", "ranking_learning_rate")])
def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_try(split, short, head, setting):
    says = rf"must be finite; that of the {head} head is (nan|inf) in epoch 1, by batch \d+\. Use a smaller `{setting}`"
    with pytest.raises(ValueError, match=says):
        movierec.fit_hybrid(split, heads=(head,), **short | {setting: 1e30})


ABOVE_ZERO = ["epochs", "patience", "batch_size", "learning_rate", "stars_epochs", "ranking_epochs", "checkpoint_steps"]


def test_what_cannot_be_trained_is_refused_with_what_can(checkerboard, split, short):
    with pytest.raises(ValueError, match=r"must be a Split, got DataFrame. Try movierec.split_by_user_time"):
        movierec.fit_hybrid(checkerboard.ratings)
    with pytest.raises(ValueError, match="`optimizer` must be one of adam, lazy_adam, adagrad; got 'Adam'"):
        movierec.fit_hybrid(split, optimizer="Adam")
    for heads in ((), ("rating",), ("stars", "lists"), "stars"):
        with pytest.raises(ValueError, match=r"`heads` must be some of \('stars', 'ranking'\)") as error:
            movierec.fit_hybrid(split, heads=heads, **short)
        assert repr(heads) in str(error.value)
    with pytest.raises(ValueError, match="`dimension` is not a setting"):
        movierec.fit_hybrid(split, dimension=8, **short)
    for name in [*ABOVE_ZERO, "users_per_batch", "ranking_learning_rate"]:
        for value in (0, -1, float("nan")):
            with pytest.raises(ValueError, match=f"`{name}` must be above 0, got {value}"):
                movierec.fit_hybrid(split, **short | {name: value})


def test_a_head_that_was_not_trained_does_not_answer(split, short):
    short = short | {"epochs": 1}
    stars_only = movierec.fit_hybrid(split, heads=("stars",), **short)
    assert list(stars_only.history) == ["epoch", "train_stars_loss", "validation_rmse"]
    assert len(stars_only.predict(split.test)) == len(split.test) and stars_only.model.ranking is None
    user, movie = split.train[["user_id", "movie_id"]].iloc[0]
    for ask, what in {"recommend": [user], "recommend_new": {movie: 5.0}, "similar": movie}.items():
        with pytest.raises(ValueError, match=r"the ranking head must be trained .*\['stars'\] only"):
            getattr(stars_only, ask)(what)
    lists_only = movierec.fit_hybrid(split, heads=("ranking",), linear_weight=8.0, **short)
    assert len(lists_only.recommend([user], k=2)) == 2
    with pytest.raises(ValueError, match="the stars head must be trained"):
        lists_only.predict(split.test)


def test_a_validation_part_in_which_nothing_is_liked_is_refused_before_training(split, short):
    parts = split.train, split.validation, split.test
    low = Split(*(part.assign(rating=part["rating"].clip(upper=3)) for part in parts))
    strangers = split.validation.assign(user_id=split.validation["user_id"] + 1000)
    new = Split(split.train, strangers, split.test)
    says = f"{strangers['user_id'].nunique()} users have {len(strangers)} ratings in validation, but none"
    for bad, settings, match in ((low, {"liked_from": 5}, "no user of validation"), (new, {}, says)):
        with pytest.raises(ValueError, match=match):  # and before the other head is trained
            movierec.fit_hybrid(bad, on_epoch=pytest.fail, **short | settings)
    fit = short | {"heads": ("ranking",), "epochs": 1}
    assert movierec.fit_hybrid(low, liked_from=3, **fit).best_epochs == {"ranking": 1}


# ---- ratings without times


def test_without_times_the_order_of_the_rows_teaches_nothing(checkerboard, short):
    """Sorted by stars, a file would say that what came last is liked best."""
    ratings = checkerboard.ratings.drop(columns="timestamp")
    models = []
    for file in (ratings.sort_values("rating"), ratings.sample(frac=1, random_state=0)):
        with pytest.warns(UserWarning, match="no times, or all the same one"):
            split = movierec.split_by_user_time(file)
        models.append(movierec.fit_hybrid(split, checkerboard.movies, **short | {"epochs": 1}))
    asked = split.test.assign(timestamp=1_387_670_400)
    one, other = (model.predict(asked) for model in models)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, models[0].predict(split.test[["user_id", "movie_id"]]))  # at any time
    users = ratings["user_id"].unique()
    one, other = (model.recommend(users)["movie_id"] for model in models)
    assert one.tolist() == other.tolist()
    assert not models[0].model.past.in_order and models[0].weeks.count == 0
