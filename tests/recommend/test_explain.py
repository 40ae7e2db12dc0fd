"""Why a film: parts and sentence.

Protected: the parts sum to the score of every list, whatever is left out; the sentence names what is largest.
"""

import numpy as np
import pytest

import movierec
from movierec.recommend import Ensemble
from movierec.recommend.people import LARGE
from movierec.recommend.pipeline import STARS_WEIGHT

LIKED = {10: 5.0, 50: 5.0, 20: 2.0}


@pytest.mark.parametrize(("stars", "genres"), [(LIKED, ()), (LIKED, ("Comedy", "Drama")), ({}, ("Comedy",)), ({}, ())])
def test_the_parts_of_a_newcomers_films_sum_to_their_scores(fitted, stars, genres):
    table = fitted.recommend_new(stars, k=20, genres=genres)
    for movie_id, score in zip(table["movie_id"], table["score"], strict=True):
        parts = fitted.explain_new(movie_id, stars, genres=genres)
        assert parts["contribution"].sum() == pytest.approx(score, abs=1e-4)
        assert (parts["path"].tolist() == ["popularity"]) == (not stars and not genres)


def test_the_parts_of_a_known_users_film_sum_to_its_score_and_each_film_of_the_history_has_one(fitted, once, split):
    for model, k in ((fitted, 15), (Ensemble([fitted, once]), 3)):
        for row in model.recommend([100, 113], k=k).itertuples():
            assert model.explain(row.movie_id, row.user_id)["contribution"].sum() == pytest.approx(row.score, abs=1e-4)
    parts, own = fitted.explain(10, 101), split.train.loc[split.train["user_id"] == 101, "movie_id"]
    history = set(fitted.movies.set_index("movie_id")["title"][own])
    for path in ("dot", "linear"):
        assert set(parts.loc[parts["path"] == path, "because"]) == history
    assert set(parts.loc[~parts["path"].isin(["dot", "linear"]), "because"]) == {""}
    assert {"bias", "known", "deep", "stars"} <= set(parts["path"])
    assert np.isfinite(fitted.explain(int(own.iloc[0]), 101)["contribution"]).all()  # a film seen can be explained
    with pytest.raises(ValueError, match="1 of 1 are unknown, e.g. .9999.*explain_new"):
        fitted.explain(10, 9999)


# ---- in words


@pytest.mark.parametrize("stars", [LIKED, {10: 5.0, 20: 5.0, 30: 2.0, 40: 2.0}, {10: 2.0, 20: 2.0}], ids=str)
def test_the_words_of_a_reason_match_the_shares(fitted, stars):
    """ "You liked" names only films with large positive shares that were liked; "you watched" says that none was."""
    titles = fitted.movies.set_index("movie_id")["title"]
    liked = {titles[movie_id] for movie_id, value in stars.items() if value == 5.0}  # 2 is below the mean
    seen = set()
    for row in fitted.recommend_new(stars, k=30, because=True).itertuples():
        parts = fitted.explain_new(row.movie_id, stars)
        shares = parts[parts["path"].isin(["dot", "linear"])].groupby("because")["contribution"].sum()
        large = shares[(shares > 0) & (shares >= LARGE * shares.max())].sort_values(ascending=False).index
        named = [title for title in large if title in liked]
        verb, named = ("liked", named) if named else ("watched", list(large))
        assert row.because == (f"because you {verb} {' and '.join(named[:2])}" if named else "because many liked it")
        seen.add(row.because)
    assert len(seen) > 1


def test_a_genre_that_brings_more_than_any_film_is_the_reason(fitted):
    table = fitted.recommend_new({10: 5.0}, genres=("Comedy",), k=20, because=True)
    for row in table.itertuples():
        parts = fitted.explain_new(row.movie_id, {10: 5.0}, genres=("Comedy",))
        sums = parts.groupby("path")["contribution"].sum()
        assert (row.because == "because you like Comedy") == (sums["bonus"] > max(sums["dot"] + sums["linear"], 0))


def test_without_films_the_genre_is_the_reason_and_without_either_the_many(fitted):
    table = fitted.recommend_new(genres=("Comedy",), k=30, because=True)
    genres = fitted.movies.set_index("movie_id")["genres"][table["movie_id"]]
    for own, reason in zip(genres, table["because"], strict=True):
        assert reason == ("because you like Comedy" if "Comedy" in own else "because many liked it")
    assert set(fitted.recommend_new(k=5, because=True)["because"]) == {"because many liked it lately"}
    both, alone = fitted.recommend([100, 101], k=3, because=True), fitted.recommend([101], k=3, because=True)
    assert both["because"][3:].tolist() == alone["because"].tolist() and both["because"].notna().all()


OTHERS = [{"ids": True, "without": "deep"}, {"ordinal": False, "without": ("features", "explicit", "order", "linear")}]


@pytest.mark.parametrize("settings", OTHERS, ids=str)
def test_lists_and_their_parts_agree_with_both_heads_whatever_is_left_out(split, checkerboard, small, settings):
    model = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, epochs=1, **settings, **small)
    table = model.recommend(model.indices.user_ids[:5], k=4)
    stars = model.predict(table[["user_id", "movie_id"]])
    users, movies = model.indices.user_index(table["user_id"]), model.indices.movie_index(table["movie_id"])
    retrieved = model.score(np.arange(model.indices.num_users))[users, movies]
    np.testing.assert_allclose(table["score"], retrieved + STARS_WEIGHT * stars, atol=1e-4)
    for row in table.itertuples():
        sums = model.explain(row.movie_id, row.user_id).groupby("path")["contribution"].sum()
        assert sums.sum() == pytest.approx(row.score, abs=1e-4)
        assert not sums[sums.index.isin(model.model.settings.without)].any()
