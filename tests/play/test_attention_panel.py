"""Attention weights are what the self-attention has, and what is expected next has the film that came."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.play import attention_panel
from movierec.play.attention_panel import AttentionPanel


@pytest.fixture(scope="module")
def reader(checkerboard):
    split = movierec.split_leave_last(checkerboard.ratings)
    settings = dict(length=8, dim=8, batch_size=16, learning_rate=0.01)
    return movierec.fit_sequence(split, checkerboard.movies, epochs=3, **settings)


@pytest.fixture(scope="module")
def titles(reader, checkerboard):
    return checkerboard.movies.set_index("movie_id")["title"].reindex(reader.indices.movie_ids).to_numpy(str)


def test_weights_are_those_of_the_newest_film_and_only_the_newest_films_are_drawn(reader, titles, monkeypatch):
    table = attention_panel.attention_weights(reader, titles, 100, films=6)
    film, weights = reader.looks(100, 6)
    assert table["title"].tolist() == titles[film].tolist() and list(table) == ["title", "block 1", "block 2"]
    np.testing.assert_array_equal(table["block 2"], weights[1, -1])
    np.testing.assert_allclose(table[["block 1", "block 2"]].sum(), 1, atol=1e-5)
    monkeypatch.setattr(attention_panel, "MOST_ROWS", 3)
    assert [len(ax.patches) for ax in attention_panel._draw_weights(table).axes] == [3, 3]


def test_what_is_expected_has_the_film_that_came_even_if_it_is_not_among_the_first(reader, titles):
    chance, film = reader.expects(100, 5), reader.looks(100)[0]
    table = attention_panel.expected_next(reader, titles, 100, films=5, k=1)
    assert table["title"].iloc[0] == titles[chance.argmax()] and table["rank"].iloc[0] == 1
    came = table[table["came"] == "it came"]
    assert came["title"].tolist() == [titles[film[5]]]
    assert came["rank"].iloc[0] == 1 + (chance > chance[film[5]]).sum()
    every = attention_panel.expected_next(reader, titles, 100, films=len(film))
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
    pd.testing.assert_frame_equal(panel.looks, attention_panel.attention_weights(reader, panel.titles, 103, 7))
