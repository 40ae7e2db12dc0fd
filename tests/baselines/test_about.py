"""Title words, tags and content vectors, on tables small enough to write the answer beside them."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines.about import content_vectors, known_tags, tag_table, title_words

MOVIES = pd.DataFrame(
    {
        "movie_id": [7, 3, 9, 4],
        "title": ["The Love Story (1990)", "Love, Love (1994)", None, "Murder at 1600 (1997)"],
    },
    index=[5, 6, 7, 8],
)


def test_words_are_shares_of_a_title_without_little_words_numbers_and_the_year():
    words = title_words(MOVIES, fewest=1)
    assert list(words) == ["movie_id", "word=love", "word=murder", "word=story"]
    assert words["movie_id"].tolist() == [7, 3, 9, 4] and words.index.tolist() == [0, 1, 2, 3]
    # "the", "at" and 1600 are no words; a word that is there twice is one word; no title is no word.
    assert words.iloc[:, 1:].to_numpy().tolist() == [[0.5, 0, 0.5], [1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_a_word_of_few_titles_is_none_and_the_others_share_the_title():
    words = title_words(MOVIES, fewest=2)
    assert list(words) == ["movie_id", "word=love"] and words["word=love"].tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="`movies` needs movie_id, title; `title` is missing"):
        title_words(MOVIES[["movie_id"]])


def test_tags_are_counted_up_to_the_last_rating_in_train():
    train = pd.DataFrame({"user_id": [1, 2], "timestamp": [100, 200]})
    tags = pd.DataFrame(
        [(1, 5, "Noir", 90), (1, 6, "noir", 100), (1, 6, "noir", 101), (2, 6, "noir", 150), (2, 5, "slow", 1)],
        columns=["user_id", "movie_id", "tag", "timestamp"],
    )
    table = tag_table(tags, train, fewest=1)
    assert table.index.tolist() == [5, 6] and list(table) == ["noir", "slow"]
    assert table.to_numpy().tolist() == [[1, 1], [2, 0]]  # user 1's tag of second 101 is of the future
    assert list(tag_table(tags, train, fewest=2)) == ["noir"]
    strangers = tags.assign(user_id=9)  # without a rating in train: up to the last one of all, second 100
    assert known_tags(strangers, train.assign(timestamp=[50, 100]))["timestamp"].tolist() == [90, 100, 1]
    with pytest.raises(ValueError, match="`tags` needs user_id, .*; `tag` is missing"):
        known_tags(tags.drop(columns="tag"), train)


def test_vectors_keep_the_cosines_of_the_best_approximation_in_so_many_dimensions():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(12, 7)), index=np.arange(100, 112))
    vectors = content_vectors(table, 3, "tag")
    assert list(vectors) == ["movie_id", "tag=1", "tag=2", "tag=3"]
    assert vectors["movie_id"].tolist() == list(table.index)
    u, s, vt = np.linalg.svd(table.to_numpy(), full_matrices=False)  # NumPy's, of all dimensions
    best = (u[:, :3] * s[:3]) @ vt[:3]  # Eckart and Young: of rank 3, the nearest
    length = np.linalg.norm(best, axis=1)
    ours = vectors.iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(ours @ ours.T, best @ best.T / np.outer(length, length), atol=1e-8)
    assert content_vectors(table, 3, "tag").equals(vectors)  # its signs, too


def test_a_film_without_tags_is_the_vector_zero():
    table = pd.DataFrame([[1.0, 2, 0], [0, 0, 0], [2, 1, 1], [0, 1, 3]], index=[1, 2, 3, 4])
    vectors = content_vectors(table, 2).set_index("movie_id")
    assert vectors.loc[2].tolist() == [0, 0]
    np.testing.assert_allclose((vectors.loc[[1, 3, 4]] ** 2).sum(axis=1), 1)


def test_a_dimension_out_of_range_and_holes_are_refused():
    for dim in (0, 3, 4):
        with pytest.raises(ValueError, match=r"`dim` must be 1 to below 3, the smaller side of \(4, 3\)"):
            content_vectors(pd.DataFrame(np.eye(4, 3)), dim)
    with pytest.raises(ValueError, match=r"finite numbers; 1 are not. Try table.fillna\(0\)"):
        content_vectors(pd.DataFrame([[1.0, np.nan], [0, 1], [1, 1]]), 1)
