"""The world of clicks: what it is made of, who comes, and what a round brings."""

import numpy as np
import pandas as pd
import pytest

from movierec.feedback import simulator
from movierec.feedback.bandits import InOrder
from movierec.feedback.simulator import World


def test_a_click_is_even_at_three_and_a_half_stars_and_its_odds_grow_by_e_in_six_tenths():
    assert simulator.chance_of_click(3.5) == 0.5
    low, high = (simulator.chance_of_click(stars) for stars in (3.5, 4.1))
    np.testing.assert_allclose((high / (1 - high)) / (low / (1 - low)), np.e)
    np.testing.assert_allclose(simulator.examined(4), [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(simulator.examined(3, patience=2.0), [1, 1 / 4, 1 / 9])


def test_the_truth_is_the_stars_where_there_are_any(tiny, tiny_indices):
    indices, stars = tiny_indices, simulator.true_stars(tiny.ratings, tiny_indices)
    rows = indices.user_index(tiny.ratings["user_id"]), indices.movie_index(tiny.ratings["movie_id"])
    np.testing.assert_array_equal(stars[rows], tiny.ratings["rating"])
    assert stars.shape == (6, 5) and np.isfinite(stars).all() and stars.std() > 0.1


def test_offers_are_unseen_films_the_best_first_and_others_drawn(fitted):
    offered = simulator.offers(fitted, candidates=6, seed=1)
    assert offered.shape == (40, 6) and all(len(set(row)) == 6 for row in offered)
    seen = fitted.indices.user_index(fitted.seen["user_id"]), fitted.indices.movie_index(fitted.seen["movie_id"])
    scores = fitted.score(np.arange(40))
    scores[seen] = -np.inf
    assert np.isfinite(np.take_along_axis(scores, offered, axis=1)).all()  # none was seen
    np.testing.assert_array_equal(offered[:, :3], np.argsort(-scores, axis=1)[:, :3])
    assert (simulator.offers(fitted, 6, seed=2)[:, 3:] != offered[:, 3:]).any()
    with pytest.raises(ValueError, match="every user needs 31 unseen films; the fewest here are"):
        simulator.offers(fitted, candidates=31)


def test_features_are_what_the_hybrid_says_of_each_candidate(fitted, monkeypatch):
    """Also of a hybrid that was fitted with without="features": it knows no genres, but the films have them."""
    monkeypatch.setattr(fitted.pipeline, "genres", [])
    offered = simulator.offers(fitted, candidates=6)
    features, names = simulator.features_of(fitted, offered)
    assert features.shape == (40, 6, len(names)) and names == ["1", "score", "popularity", "stars", "Comedy", "Drama"]
    assert (features[..., 0] == 1).all()
    np.testing.assert_allclose([features[..., 1].mean(), features[..., 1].std()], [0, 1], atol=1e-5)
    ids = {"user_id": [fitted.indices.user_ids[7]], "movie_id": [fitted.indices.movie_ids[offered[7, 2]]]}
    np.testing.assert_allclose(features[7, 2, 3], fitted.predict(pd.DataFrame(ids))[0] - 3.5, atol=1e-5)
    genres = fitted.movies["genres"].iloc[offered[7, 2]]
    assert features[7, 2, 4:].tolist() == [float("Comedy" in genres), float("Drama" in genres)]


class Remembers(InOrder):
    """Shows by the first feature, and keeps what it was told."""

    told = ()

    def learn(self, x, clicks):
        self.told = (*self.told, (x.copy(), clicks.copy()))


def test_a_round_shows_a_list_draws_clicks_and_tells_the_policy():
    """Chances 1, 0 and 1; two places: the best list has the two sure films, 1 + 1/2 clicks. The policy shows 1, 0."""
    world, policy = World(np.array([[1.0, 0.0, 1.0]]), places=2, once=False), Remembers(0, 2)
    features = np.array([[[2.0], [3.0], [1.0]]])
    table = world.play(policy, features, rounds=400, seed=0)
    assert list(table) == ["user", "clicks", "expected", "best", "first", "regret"]
    assert (table["best"] == 1.5).all() and (table["expected"] == 0.5).all() and (table["regret"] == 1.0).all()
    assert (table["first"] == 1).all() and abs(table["clicks"].mean() - 0.5) < 0.1  # film 0 is seen every second time
    shown, clicks = policy.told[0]
    assert shown.tolist() == [[3.0], [2.0]] and not clicks[0]


def test_lists_that_are_shown_once_are_clicked_by_look_and_liking():
    """Two users, two films: user 0 likes film 0 always, user 1 film 1 by half; the second place is seen by half."""
    world = World(np.array([[1.0, 0.0], [0.0, 0.5]]), places=2)
    clicks = world.clicks(np.repeat([0, 1], 4000), np.tile([[0, 1]], (8000, 1)), seed=0)
    assert clicks[:4000].all(axis=0).tolist() == [True, False] and not clicks[4000:, 0].any()
    assert abs(clicks[4000:, 1].mean() - 0.25) < 0.03


def test_what_was_clicked_is_not_shown_again_and_not_wanted():
    world, policy = World(np.ones((1, 4)), places=1), Remembers(0, 1)
    table = world.play(policy, np.array([[[4.0], [3.0], [2.0], [1.0]]]), rounds=4, seed=0)
    assert table["first"].tolist() == [0, 1, 2, 3] and (table["regret"] == 0).all()
    assert (world.chance == 1).all()  # the next policy finds the world as it was
    with pytest.raises(ValueError, match="user 0 has watched all but 0 of the 4 candidates"):
        world.play(InOrder(0, 1), np.ones((1, 4, 1)), rounds=5, seed=0)


def test_two_policies_meet_the_same_visitors():
    world = World(np.full((5, 6), 0.5), places=2)
    features = np.random.default_rng(0).random((5, 6, 2))
    one, other = (world.play(InOrder(column, 2), features, 8, seed=3) for column in (0, 1))
    assert one["user"].tolist() == other["user"].tolist() and one["first"].tolist() != other["first"].tolist()
    assert world.play(InOrder(0, 2), features, 8, seed=4)["user"].tolist() != one["user"].tolist()


def test_bad_worlds_are_refused():
    for chance in (np.array([0.5]), np.array([[1.5]]), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="`chance` must be a table"):
            World(chance, places=1)
    for places in (0, 4):
        with pytest.raises(ValueError, match=f"`places` must be 1 to 3, the candidates of a user; got {places}"):
            World(np.ones((2, 3)), places=places)
    with pytest.raises(ValueError, match="`features` must have a row for each"):
        World(np.ones((2, 3)), places=1).play(InOrder(0, 1), np.ones((2, 4, 1)), 1, 0)
