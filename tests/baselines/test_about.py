"""Title words and tags, on tables small enough to write the answer beside them."""

import pandas as pd
import pytest

from movierec.baselines.about import known_tags, tag_table, title_words

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
