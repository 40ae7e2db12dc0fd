"""The panels of attention, bandit and new film show what their functions and models say."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import Popularity
from movierec.data import make_indices
from movierec.feedback import InOrder, LinUCB, World
from movierec.play import lesson_panels
from movierec.play.lesson_panels import AttentionPanel, BanditPanel, NewFilm, NewFilmPanel

# ---- attention


@pytest.fixture(scope="module")
def reader(checkerboard):
    """A recommender of two blocks, trained for three epochs on the checkerboard."""
    split = movierec.split_leave_last(checkerboard.ratings)
    settings = dict(length=8, dim=8, batch_size=16, learning_rate=0.01)
    return movierec.fit_sequence(split, checkerboard.movies, epochs=3, **settings)


@pytest.fixture(scope="module")
def titles(reader, checkerboard):
    return checkerboard.movies.set_index("movie_id")["title"].reindex(reader.indices.movie_ids).to_numpy(str)


def test_weights_are_those_of_the_newest_film_and_only_the_newest_films_are_drawn(reader, titles, monkeypatch):
    table = lesson_panels.attention_weights(reader, titles, 100, films=6)
    film, weights = reader.looks(100, 6)
    assert table["title"].tolist() == titles[film].tolist() and list(table) == ["title", "block 1", "block 2"]
    np.testing.assert_array_equal(table["block 2"], weights[1, -1])
    np.testing.assert_allclose(table[["block 1", "block 2"]].sum(), 1, atol=1e-5)
    monkeypatch.setattr(lesson_panels, "MOST_ROWS", 3)
    assert [len(ax.patches) for ax in lesson_panels.draw_weights(table).axes] == [3, 3]


def test_what_is_expected_has_the_film_that_came_even_if_it_is_not_among_the_first(reader, titles):
    chance, film = reader.expects(100, 5), reader.looks(100)[0]
    table = lesson_panels.expected_next(reader, titles, 100, films=5, k=1)
    assert table["title"].iloc[0] == titles[chance.argmax()] and table["rank"].iloc[0] == 1
    came = table[table["came"] == "it came"]
    assert came["title"].tolist() == [titles[film[5]]]
    assert came["rank"].iloc[0] == 1 + (chance > chance[film[5]]).sum()
    every = lesson_panels.expected_next(reader, titles, 100, films=len(film))
    assert len(every) == 5 and set(every["came"]) == {""}  # the newest film: none came after it


def test_the_panel_shows_another_moment_and_another_user(reader, checkerboard):
    panel = AttentionPanel(reader, checkerboard.movies, [100, 103])
    assert repr(panel) == "AttentionPanel: what one history looks at, what is expected next, and what came"
    assert panel.films.value == panel.films.max - 1 == 7 and (panel.expects["came"] == "it came").any()
    assert "<img" in panel.picture.value and "newest film" in panel.picture.value and "it came" in panel.list.value
    before = panel.picture.value
    panel.films.value = 2
    assert len(panel.looks) == 2 and panel.picture.value != before
    panel.user.value = 103
    assert panel.films.value == 7
    pd.testing.assert_frame_equal(panel.looks, lesson_panels.attention_weights(reader, panel.titles, 103, 7))


# ---- bandit


def test_run_plays_what_is_chosen_beside_one_fixed_order_and_each_run_is_a_row():
    features = np.random.default_rng(0).normal(size=(30, 20, 3))
    panel = BanditPanel(World(1 / (1 + np.exp(-features @ [1.0, 0.0, -2.0])), places=2), features, rounds=60)
    assert repr(panel) == "BanditPanel: how a policy explores, what it misses, and a table of all runs"
    panel.policy.value, panel.amount.value, panel.seed.value = "LinUCB", 0.5, 3
    panel.run_button.click()
    mine = panel.world.play(LinUCB(3, 2, alpha=0.5), features, 60, 3)
    fixed = panel.world.play(InOrder(1, 2), features, 60, 3)
    np.testing.assert_array_equal(panel.curves["LinUCB"], mine["regret"].cumsum())
    np.testing.assert_array_equal(panel.curves["one fixed order"], fixed["regret"].cumsum())
    clicks, regret = round(mine["clicks"].mean(), 3), round(mine["regret"].sum(), 1)
    assert panel.runs.iloc[0].tolist() == ["LinUCB", "0.5", "known", 3, clicks, regret]
    assert "LinUCB" in panel.list.value and "Regret by visits" in panel.picture.value
    panel.run()
    panel.knows_places.value, panel.policy.value = False, "greedy"
    panel.run()
    assert panel.runs["regret"].tolist()[:2] == [regret, regret]  # the same seed is the same run
    assert panel.runs[["amount", "places"]].iloc[2].tolist() == ["–", "not known"]


def test_each_policy_is_made_with_its_amount():
    made = {name: lesson_panels.make_policy(name, 4, 2, 0.25, knows_places=False) for name in lesson_panels.POLICIES}
    assert {name: type(policy) for name, policy in made.items()} == lesson_panels.POLICIES
    assert (made["ε-greedy"].epsilon, made["LinUCB"].alpha, made["Thompson sampling"].width) == (0.25, 0.25, 0.25)
    assert not any(policy.knows_places for policy in made.values())
    with pytest.raises(ValueError, match="must be one of greedy, ε-greedy, LinUCB, Thompson sampling; got 'best'"):
        lesson_panels.make_policy("best", 4, 2, 0.1)


# ---- new film


@pytest.fixture
def film(tiny):
    indices = make_indices(tiny.ratings, tiny.movies)
    return NewFilm(Popularity(tiny.ratings, indices), tiny.movies, tiny.ratings, indices)


@pytest.mark.parametrize("dtype", ["object", "string", "string[pyarrow]"])
def test_content_is_genres_and_years_in_steps_of_five(tiny, dtype):
    """Film 50 has no genres: there must be no column "", however pandas stores texts."""
    indices, movies = make_indices(tiny.ratings, tiny.movies), tiny.movies.astype({"genres": dtype})
    film = NewFilm(Popularity(tiny.ratings, indices), movies, tiny.ratings, indices)
    assert film.genres == ["Animation", "Comedy", "Crime"] and film.years == (1992, 1996)
    # The mean year is (1995 + 1992 + 1996 + 1995) / 4 = 1994.5, which is a film's without one.
    expected = [[1, 1, 0, 0.1], [1, 0, 0, -0.5], [0, 0, 1, 0.3], [0, 0, 1, 0.1], [0, 0, 0, 0]]
    np.testing.assert_allclose(film.content, expected)
    np.testing.assert_allclose(film.vector(("Crime",), 1997), [0, 0, 1, 0.5])


def test_the_nearest_film_has_that_content_and_the_place_is_among_the_films_that_the_user_has_not_seen(film):
    assert film.near(("Crime",), 1996)["title"].tolist()[:2] == ["Fargo (1996)", "The Usual Suspects (1995)"]
    nearest = film.near(("Crime",), 1995, k=1)
    assert nearest["title"].tolist() == ["The Usual Suspects (1995)"] and nearest["ratings"].tolist() == [3]
    for genres in ((), ("Western",)):
        with pytest.raises(ValueError, match="one genre or more of Animation, Comedy, Crime; got"):
            film.near(genres, 1990)
    # Popularity is 4, 3, 4, 3 for films 10 to 40; with nearly no slope a new film has their mean, 3.5.
    film.from_content.solved[:] = 0
    place = dict(zip(film.indices.user_ids.tolist(), film.ranks(("Crime",), 1996).tolist(), strict=True))
    # 1 has seen 10, 20, 30: only 40 (3) is left, below it. 3 lacks 10 (4), above. 8 lacks 20, 30 (4), 40; 9 all but 30.
    assert place == {1: 1, 2: 2, 3: 2, 5: 1, 8: 2, 9: 2}
    audience = film.audience(("Crime",), 1996, k=3)
    assert audience["place"].tolist() == [1, 1, 2] and audience["user_id"].tolist() == [1, 5, 2]


def test_a_student_describes_a_film_and_sees_who_would_get_it(film, tiny):
    panel = NewFilmPanel(film, tiny.users)
    assert repr(panel) == "NewFilmPanel: choose genres and a year; see the films like it, and who would get it"
    assert panel.summary() == "Animation, 1996"
    panel.genres.value, panel.year.value = ("Crime",), 1995
    assert panel.summary() == "Crime, 1995"
    pd.testing.assert_frame_equal(panel.near, film.near(("Crime",), 1995))
    assert "The Usual Suspects (1995)" in panel.like.value and "Known films like it" in panel.like.value
    assert list(panel.audience) == ["user_id", "place", "age", "gender", "occupation"]
    shown = panel.like.value
    panel.genres.value = ()
    assert "Choose one genre or more" in panel.message.value and panel.like.value == shown
    panel.genres.value = ("Comedy",)
    assert "of 6 people" in panel.message.value
