"""Vectors, neighbours and maps are what the ranking head has; attention weights are what the self-attention has."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.play import model_panels
from movierec.play.model_panels import AttentionPanel, EmbeddingExplorer, film_vectors, nearest_films, untrained

MF = "matrix factorisation"


@pytest.mark.parametrize("heads", [("stars", "ranking"), ("ranking",)])
def test_before_training_the_network_is_the_one_that_fit_hybrid_began_with(heads, small, split, checkerboard):
    """A fit with steps of nearly zero ends where it began; a student's own seed is left alone."""
    steps = small | {"learning_rate": 1e-12, "ranking_learning_rate": 1e-12}
    model = movierec.fit_hybrid(split, checkerboard.movies, heads=heads, seed=5, epochs=1, **steps)
    state = np.random.get_state()[1].copy()
    before = untrained(model)
    np.testing.assert_allclose(film_vectors(before)[MF], film_vectors(model.model)[MF], atol=1e-7)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_the_halves_are_those_of_the_ranking_head(fitted):
    head, before = fitted.model.ranking, untrained(fitted)
    vectors = film_vectors(fitted.model)[MF]
    np.testing.assert_array_equal(vectors, head.movie_vectors().numpy())
    assert vectors.shape == (30, 8) and np.abs(vectors - film_vectors(before)[MF]).max() > 0.01
    rated = head.watched_vectors().numpy()[3]
    np.testing.assert_allclose(film_vectors(fitted.model)["deep"][3], head.deep(rated[None]).numpy()[0], atol=1e-6)
    assert not film_vectors(before)["deep"].any()  # its last layer starts at zero


def test_neighbours_point_the_same_way_and_a_map_has_the_two_widest_directions_and_one_sign():
    vectors = np.array([[1.0, 0], [2, 0.1], [0, 1], [-1, 0], [0, 0], [3, 0.2]])
    often = np.arange(6) < 5
    assert nearest_films(vectors, 0, often, k=2).tolist() == [1, 2]
    assert nearest_films(vectors, 0, ~often, k=2).tolist() == [5]
    assert nearest_films(vectors, 4, often).tolist() == []  # it has no direction
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 2)) * [5, 1] @ rng.normal(size=(2, 6)) + 3
    flat = model_panels.flattened(vectors)
    np.testing.assert_allclose(flat.std(axis=0), 1)
    np.testing.assert_allclose(flat[:, 0] @ flat[:, 1], 0, atol=1e-9)
    assert (flat[np.abs(flat).argmax(axis=0), [0, 1]] > 0).all()
    np.testing.assert_allclose(np.abs(model_panels.flattened(-vectors)), np.abs(flat), atol=1e-9)


def test_a_student_finds_a_film_and_its_neighbours(fitted):
    explorer = EmbeddingExplorer(fitted)
    assert repr(explorer) == "EmbeddingExplorer: films on a map; by half, before and after training; neighbours"
    first = explorer.table
    assert list(first) == ["before training", MF, "deep"]
    title = fitted.movies["title"].iloc[7]
    explorer.search.value = title
    assert explorer.matches.label == title and f"Nearest to {title}" in explorer.list.value
    assert not explorer.table.equals(first)
    maps = {explorer.map.value}
    explorer.trained.value = False
    maps.add(explorer.map.value)
    for colour in ("year", "popularity"):
        explorer.colour.value = colour
        maps.add(explorer.map.value)
    assert len(maps) == 4 and all(page.startswith("<img alt=") for page in maps)
    shown = explorer.map.value
    explorer.search.value = "xyzzy"
    assert "No film has a title like that" in explorer.films.message.value and explorer.map.value == shown


def test_what_is_not_there_is_refused_and_a_model_without_a_deep_path_has_one_map(fitted, split, checkerboard, small):
    with pytest.raises(ValueError, match="movie_id 9999 is not in the catalogue of 30"):
        model_panels.neighbour_table(fitted, untrained(fitted), 9999)
    model = movierec.fit_hybrid(split, checkerboard.movies, heads=("ranking",), without=("deep",), epochs=1, **small)
    assert list(EmbeddingExplorer(model).table) == ["before training", MF]


@pytest.fixture(scope="module")
def reader(checkerboard):
    split = movierec.split_leave_last(checkerboard.ratings)
    settings = dict(length=8, dim=8, batch_size=16, learning_rate=0.01)
    return movierec.fit_sequence(split, checkerboard.movies, epochs=3, **settings)


@pytest.fixture(scope="module")
def titles(reader, checkerboard):
    return checkerboard.movies.set_index("movie_id")["title"].reindex(reader.indices.movie_ids).to_numpy(str)


def test_weights_are_those_of_the_newest_film_and_only_the_newest_films_are_drawn(reader, titles, monkeypatch):
    table = model_panels.attention_weights(reader, titles, 100, films=6)
    film, weights = reader.looks(100, 6)
    assert table["title"].tolist() == titles[film].tolist() and list(table) == ["title", "block 1", "block 2"]
    np.testing.assert_array_equal(table["block 2"], weights[1, -1])
    np.testing.assert_allclose(table[["block 1", "block 2"]].sum(), 1, atol=1e-5)
    monkeypatch.setattr(model_panels, "MOST_ROWS", 3)
    assert [len(ax.patches) for ax in model_panels._draw_weights(table).axes] == [3, 3]


def test_what_is_expected_has_the_film_that_came_even_if_it_is_not_among_the_first(reader, titles):
    chance, film = reader.expects(100, 5), reader.looks(100)[0]
    table = model_panels.expected_next(reader, titles, 100, films=5, k=1)
    assert table["title"].iloc[0] == titles[chance.argmax()] and table["rank"].iloc[0] == 1
    came = table[table["came"] == "it came"]
    assert came["title"].tolist() == [titles[film[5]]]
    assert came["rank"].iloc[0] == 1 + (chance > chance[film[5]]).sum()
    every = model_panels.expected_next(reader, titles, 100, films=len(film))
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
    pd.testing.assert_frame_equal(panel.looks, model_panels.attention_weights(reader, panel.titles, 103, 7))
