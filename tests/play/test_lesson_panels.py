"""The panels of leaks, bandit and new film show what their functions and models say."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Popularity, chosen
from movierec.feedback import InOrder, LinUCB, World
from movierec.play import BanditPanel, LeakageLab, NewFilm, NewFilmPanel
from movierec.play.lesson_panels import MODELS, OPTIONS, WHY, Laboratory, Protocol
from movierec.play.runs import shipped_path


def test_run_plays_what_is_chosen_beside_one_fixed_order_and_each_run_is_a_row():
    features = np.random.default_rng(0).normal(size=(30, 20, 3))
    panel = BanditPanel(World(1 / (1 + np.exp(-features @ [1.0, 0.0, -2.0])), places=2), features, rounds=60)
    assert repr(panel) == "BanditPanel: how a policy explores, what it misses, and a table of all runs"
    panel.policy.value, panel.amount.value, panel.seed.value = "LinUCB", 0.5, 3
    panel.run_button.click()
    mine = panel.world.play(LinUCB(3, panel.world.looks, alpha=0.5), features, 60, 3)
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
    panel.policy.value = "Thompson sampling"
    panel.run()
    assert panel.runs["policy"].tolist()[3:] == ["Thompson sampling"]


@pytest.fixture(params=["object", "string", "string[pyarrow]"])
def film(request, tiny, tiny_indices):
    movies = tiny.movies.astype({"genres": request.param})
    return NewFilm(Popularity(tiny.ratings, tiny_indices), movies, tiny.ratings, tiny_indices)


def test_content_is_genres_and_years_in_steps_of_five(film):
    """Film 50 has no genres: there must be no column "", however pandas stores texts."""
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
    assert (panel.genres.value, panel.year.value) == (("Animation",), 1996)
    panel.genres.value, panel.year.value = ("Crime",), 1995
    pd.testing.assert_frame_equal(panel.near, film.near(("Crime",), 1995))
    assert "The Usual Suspects (1995)" in panel.like.value and "Known films like it" in panel.like.value
    assert list(panel.audience) == ["user_id", "place", "age", "gender", "occupation"]
    shown = panel.like.value
    panel.genres.value = ()
    assert "Choose one genre or more" in panel.message.value and panel.like.value == shown
    panel.genres.value = ("Comedy",)
    assert "of 6 people" in panel.message.value


def test_the_laboratory_repeats_the_broken_rulers_of_notebook_08(ml100k):
    recorded = pd.read_csv(shipped_path().with_name("broken_rulers.csv"), comment="#", index_col="model")
    laboratory = Laboratory(ml100k, chosen("by_user_time"))
    for column, switched in {
        "honest": {},
        "test in train": {"learned_from": "train and test"},
        "random split": {"split": "at random"},
    }.items():
        for model in MODELS:
            assert laboratory.ndcg(model, Protocol(**switched)) == pytest.approx(recorded.loc[model, column], abs=0.001)
    flattering = Protocol(*(options[1] for options in OPTIONS.values()))._replace(seen="left out")
    assert laboratory.ndcg("EASE", flattering) > 0.9  # nearly perfect, and worth nothing
    sampled = Protocol(ranked="100 sampled")
    assert laboratory.ndcg("EASE", sampled._replace(seen="kept")) < 0.1 < laboratory.ndcg("EASE", sampled)


def test_a_student_switches_a_leak_on_predicts_and_measures(checkerboard):
    lab = LeakageLab(checkerboard)
    assert set(WHY) == {options[1] for options in OPTIONS.values()}
    with pytest.raises(ValueError, match=r"`model` must be one of \('popularity'"):
        lab.laboratory.ndcg("hybrid")
    with pytest.raises(ValueError, match=r"`seen` must be one of \('left out', 'kept'\); got 'hidden'"):
        lab.laboratory.ndcg("EASE", Protocol(seen="hidden"))
    assert repr(lab) == "LeakageLab: five switches of a protocol; predict, measure, read why"
    assert Protocol() == ("each user's newest", "train", "train", "left out", "all films")
    lab.predictions["stays"].click()
    assert lab.table.loc[0, ["protocol", "verdict"]].tolist() == ["honest", "stays: right"]
    assert "this is the honest number" in lab.says.value
    lab.switches["learned_from"].value = "train and test"
    assert lab.says.value == ""
    lab.model.value = "EASE"
    lab.predictions["falls"].click()
    assert lab.table.loc[1, ["protocol", "model", "verdict"]].tolist() == ["train and test", "EASE", "falls: no"]
    assert lab.table.loc[1, "times"] == pytest.approx(lab.table.loc[1, "ndcg"] / lab.laboratory.ndcg("EASE"))
    assert WHY["train and test"] in lab.says.value
    assert lab.measure() == lab.table.loc[1, "ndcg"] and lab.table.loc[2, "verdict"] == "–"
    assert lab.list.value.count("<tr>") == 4
