"""Exact against a full sort; approximate against exact."""

import numpy as np
import pytest

from movierec.recommend.nearest import Nearest


@pytest.fixture
def vectors():
    """2,000 in 20 groups, some much longer than others, as popular films are."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 8))
    vectors = centres[rng.integers(20, size=2000)] + 0.5 * rng.normal(size=(2000, 8))
    return np.column_stack([vectors, np.log1p(10 * rng.pareto(1, size=2000))]).astype(np.float32)


@pytest.fixture
def queries():
    rng = np.random.default_rng(1)
    return np.column_stack([rng.normal(size=(50, 8)), np.ones(50)]).astype(np.float32)


def test_the_exact_search_is_a_full_sort(vectors, queries, monkeypatch):
    products = queries @ vectors.T
    expected = np.argsort(-products, axis=1, kind="stable")[:, :7]
    monkeypatch.setattr("movierec.recommend.nearest.QUERIES_PER_BLOCK", 8)
    assert Nearest(vectors).is_exact
    index, found = Nearest(vectors).search(queries, 7)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(found, np.take_along_axis(products, expected, axis=1), rtol=1e-4)
    monkeypatch.setattr("movierec.recommend.nearest.EXACT_UP_TO", 1999)  # the number of vectors chooses
    assert not Nearest(vectors).is_exact and Nearest(vectors, exact=True).is_exact


def test_the_graph_finds_nearly_all_and_its_products_are_products(vectors, queries):
    exact, graph = Nearest(vectors, exact=True), Nearest(vectors, exact=False)
    best, _ = exact.search(queries, 20)
    found, products = graph.search(queries, 20)
    recall = np.mean([np.isin(row, other).mean() for row, other in zip(best, found, strict=True)])
    assert recall > 0.95
    np.testing.assert_allclose(products, np.einsum("qd,qkd->qk", queries, vectors[found]), rtol=1e-4)
    assert (np.diff(products, axis=1) <= 1e-4).all()  # best first


def test_equal_vectors_that_the_graph_does_not_find_are_said_to_be_missing():
    index, products = Nearest(np.ones((3000, 4), np.float32), exact=False).search(np.ones((1, 4), np.float32), 500)
    assert (np.isneginf(products) == (index < 0)).all() and (products[index >= 0] == 4).all()


def test_what_cannot_be_searched_is_refused(vectors, queries):
    search = Nearest(vectors).search
    for k in (0, 2.5, "3"):
        with pytest.raises(ValueError, match=rf"k must be a whole number, 1 to 2,000 \(the vectors\); got {k!r}"):
            search(queries, k)
    assert search(queries[:2], 2001)[0].shape == (2, 2000)  # all there are
    with pytest.raises(ValueError, match=r"`queries` must be \[Q, 9\] like the vectors; got \(50, 8\)"):
        search(queries[:, :8], 3)
    with pytest.raises(ValueError, match="`queries` must be finite numbers"):
        search(np.full((1, 9), np.nan), 3)
    for wrong in (vectors[0], np.where(vectors > 2, np.nan, vectors)):
        with pytest.raises(ValueError, match=r"`vectors` must be finite numbers \[N, dim\]"):
            Nearest(wrong)
