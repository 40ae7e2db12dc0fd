"""A film that does not exist yet, on paper; and its panel."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Popularity
from movierec.data import make_indices
from movierec.play.new_film import NewFilm
from movierec.play.new_film_panel import NewFilmPanel


@pytest.fixture
def film(tiny):
    indices = make_indices(tiny.ratings, tiny.movies)
    return NewFilm(Popularity(tiny.ratings, indices), tiny.movies, tiny.ratings, indices)


def test_content_is_genres_and_years_in_steps_of_five(film):
    assert film.genres == ["Animation", "Comedy", "Crime"] and film.years == (1992, 1996)
    # The mean year is (1995 + 1992 + 1996 + 1995) / 4 = 1994.5, which is a film's without one.
    expected = [[1, 1, 0, 0.1], [1, 0, 0, -0.5], [0, 0, 1, 0.3], [0, 0, 1, 0.1], [0, 0, 0, 0]]
    np.testing.assert_allclose(film.content, expected)
    np.testing.assert_allclose(film.vector(("Crime",), 1997), [0, 0, 1, 0.5])


def test_the_nearest_film_is_the_one_with_that_content_and_ties_go_to_the_more_rated(film):
    assert film.near(("Crime",), 1996)["title"].tolist()[:2] == ["Fargo (1996)", "The Usual Suspects (1995)"]
    between = film.near(("Crime",), 1995, k=1)
    assert between["title"].tolist() == ["The Usual Suspects (1995)"] and between["ratings"].tolist() == [3]


def test_its_place_is_among_the_films_that_one_has_not_seen(film):
    # Popularity is 4, 3, 4, 3 for films 10 to 40; with nearly no slope a new film has their mean, 3.5.
    film.go_on.solved[:] = 0
    place = dict(zip(film.indices.user_ids.tolist(), film.ranks(("Crime",), 1996).tolist(), strict=True))
    # 1 has seen 10, 20, 30: only 40 (3) is left, below it. 3 lacks 10 (4), above. 8 lacks 20, 30 (4), 40; 9 all but 30.
    assert place == {1: 1, 2: 2, 3: 2, 5: 1, 8: 2, 9: 2}
    audience = film.audience(("Crime",), 1996, k=3)
    assert audience["place"].tolist() == [1, 1, 2] and audience["user_id"].tolist() == [1, 5, 2]


def test_a_film_needs_a_known_genre(film):
    for genres in ((), ("Western",)):
        with pytest.raises(ValueError, match="one genre or more of Animation, Comedy, Crime; got"):
            film.near(genres, 1990)


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
