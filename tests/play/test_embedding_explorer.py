"""Vectors before and after training, their neighbours and their map are what the ranking head has."""

import numpy as np
import pytest

import movierec
from movierec.play import embedding_explorer as space
from movierec.play.embedding_explorer import EmbeddingExplorer, film_vectors, nearest_films, untrained

MF = "matrix factorisation"


@pytest.mark.parametrize("heads", [("stars", "ranking"), ("ranking",)])
def test_before_training_the_network_is_the_one_that_fit_hybrid_began_with(heads, small, split, checkerboard):
    """A fit with steps of nearly zero ends where it began; a student's own seed is left alone."""
    steps = small | {"learning_rate": 1e-12, "ranking_learning_rate": 1e-12}
    model = movierec.fit_hybrid(split, checkerboard.movies, heads=heads, seed=5, epochs=1, **steps)
    state = np.random.get_state()[1].copy()
    before = untrained(model)
    np.testing.assert_allclose(film_vectors(before, MF), film_vectors(model.model, MF), atol=1e-7)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_the_halves_are_those_of_the_ranking_head(fitted):
    head, before = fitted.model.ranking, untrained(fitted)
    vectors = film_vectors(fitted.model, MF)
    np.testing.assert_array_equal(vectors, head.movie_vectors().numpy())
    assert vectors.shape == (30, 8) and np.abs(vectors - film_vectors(before, MF)).max() > 0.01
    rated = head.watched_vectors().numpy()[3]
    np.testing.assert_allclose(film_vectors(fitted.model, "deep")[3], head.deep(rated[None]).numpy()[0], atol=1e-6)
    assert not film_vectors(before, "deep").any()  # its last layer starts at zero


def test_neighbours_point_the_same_way_and_are_rated_often():
    vectors = np.array([[1.0, 0], [2, 0.1], [0, 1], [-1, 0], [0, 0], [3, 0.2]])
    often = np.array([True, True, True, True, True, False])
    assert nearest_films(vectors, 0, often, k=2).tolist() == [1, 2]
    assert nearest_films(vectors, 0, ~often, k=2).tolist() == [5]
    assert nearest_films(vectors, 4, often).tolist() == []  # it has no direction


def test_a_map_has_the_two_widest_directions_and_one_sign():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 2)) * [5, 1] @ rng.normal(size=(2, 6)) + 3
    flat = space.flattened(vectors)
    np.testing.assert_allclose(flat.std(axis=0), 1)
    np.testing.assert_allclose(flat[:, 0] @ flat[:, 1], 0, atol=1e-9)
    assert (flat[np.abs(flat).argmax(axis=0), [0, 1]] > 0).all()
    np.testing.assert_allclose(np.abs(space.flattened(-vectors)), np.abs(flat), atol=1e-9)


def test_the_checkerboards_films_lie_near_those_of_their_colour_after_training(fitted):
    odd = fitted.indices.movie_ids // 10 % 2
    shares = []
    for network in (untrained(fitted), fitted.model):
        vectors = film_vectors(network, MF)
        near = np.array([nearest_films(vectors, index, np.ones(30, bool), 5) for index in range(30)])
        shares.append((odd[near] == odd[:, None]).mean())
    assert shares[1] > shares[0] + 0.2


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
    with pytest.raises(ValueError, match="`coloured_by` must be one of"):
        space.draw_maps(space.both_halves(fitted.model), fitted.movies, "stars")
    with pytest.raises(ValueError, match="movie_id 9999 is not in the catalogue of 30"):
        space.neighbour_table(fitted, untrained(fitted), 9999)
    with pytest.raises(ValueError, match=r"`half` must be one of \('matrix factorisation', 'deep'\); got 'left'"):
        film_vectors(fitted.model, "left")
    model = movierec.fit_hybrid(split, checkerboard.movies, heads=("ranking",), without=("deep",), epochs=1, **small)
    assert list(EmbeddingExplorer(model).table) == ["before training", MF]
    with pytest.raises(ValueError, match="no deep path"):
        film_vectors(model.model, "deep")
