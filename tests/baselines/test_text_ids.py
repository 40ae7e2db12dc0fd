"""Every baseline, split and measure answers with text ids as with numbers."""

import numpy as np
import pytest

import movierec
from movierec.baselines import known_tags, ladder, tag_table
from movierec.data import MovieLens, fingerprint
from movierec.evaluation import evaluate_ranking, evaluate_stars, held_out_ranks
from movierec.evaluation.groups import hide_movies

SPLITS = ["split_by_user_time", "split_leave_last", "split_stratified"]


@pytest.fixture(scope="module")
def both():
    """A table by number, and the same with users "U00000001" … and movies "00000001" …, in the same order."""
    data = movierec.data.make_movielens(60, 210, 2000)

    def named(table):
        names = {name: start + table[name].map("{:08d}".format) for name, start in IDS.items() if name in table}
        return table.assign(**names)

    IDS = {"user_id": "U", "movie_id": ""}
    return data, MovieLens(*(table if table is None else named(table) for table in data))


@pytest.mark.parametrize("how", SPLITS)
def test_splits_do_not_depend_on_the_kind_of_id(both, how):
    number, text = (getattr(movierec, how)(data.ratings) for data in both)
    for part in ("train", "validation", "test"):
        a, b = getattr(number, part), getattr(text, part)
        assert (a is None) == (b is None) and (a is None or a.index.tolist() == b.index.tolist())
    assert number.cold().equals(text.cold())


def test_baselines_and_measures_do_not_depend_on_the_kind_of_id(both):
    splits = [movierec.split_by_user_time(data.ratings) for data in both]
    problems = [ladder.Problem(split.train, data) for split, data in zip(splits, both, strict=True)]
    for name in ladder.RECOMMENDERS:
        fitted = [problem.fit(name) for problem in problems]
        asked = list(zip(fitted, splits, [problem.indices for problem in problems], strict=True))
        if name in ladder.STAR_PREDICTORS:
            np.testing.assert_array_equal(*(evaluate_stars(*one[:2]) for one in asked))
        if name in ladder.RANKERS:
            found = [evaluate_ranking(*one)["ndcg@10"] for one in asked]
            np.testing.assert_array_equal(*found, err_msg=name)
    assert found[1].index[0].startswith("U")
    train, indices = splits[1].train, problems[1].indices
    with pytest.raises(ValueError, match=r"\[\['U\d{8}', '\d{8}'\]"):  # errors name text ids
        held_out_ranks(lambda user: np.zeros((len(user), indices.num_movies)), train, train, indices)


def test_hidden_movies_tags_and_the_fingerprint(both):
    number, text = (hide_movies(movierec.split_by_user_time(data.ratings)) for data in both)
    assert [f"{one:08d}" for one in number.movie_ids] == text.movie_ids.tolist()
    assert fingerprint(both[1]) == fingerprint(both[1]._replace(ratings=both[1].ratings.sample(frac=1, random_state=0)))
    assert fingerprint(both[1]) != fingerprint(both[0])
    tags = both[1].ratings[["user_id", "movie_id", "timestamp"]].head(9).assign(tag="slow")
    assert len(known_tags(tags, both[1].ratings)) == 9 and len(tag_table(tags, both[1].ratings, 1)) > 0
    with pytest.raises(ValueError, match="user_id must be of one kind .* text, .* in `tags`, but whole"):
        known_tags(tags, both[0].ratings)
