"""The saved model in another program.

Protected: it gives the same lists as the model that was saved, also of an ensemble and after weights changed; events
change lists. Folders that are not whole: tests/recommend/test_storage.py.
"""

import pytest

from movierec.recommend import Ensemble
from movierec.serving.events import Event
from movierec.serving.served import LocalService, load_served


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    fitted.save(folder)
    return folder


@pytest.fixture(scope="module")
def served(folder):
    return load_served(folder)


def event(movie_id, kind, stars=None, user_id=100):
    return Event(user_id=user_id, movie_id=movie_id, kind=kind, stars=stars, time=0)


def rows_of(table):
    """The rows of a table of `Hybrid` as the server has them."""
    return table.drop(columns="user_id", errors="ignore").to_dict("records")


def assert_equal(found, expected):
    assert [list(row) for row in found] == [list(row) for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)  # titles are compared as they are


def test_what_is_served_says_what_it_is(served, fitted):
    assert (served.num_users, served.num_movies, served.scale) == (40, 30, (2.0, 5.0))
    assert served.genres == ["Comedy", "Drama"] and served.manifest["seed"] == 0
    assert served.movies["title"].tolist() == fitted.movies["title"].tolist()
    assert served.has_user(100) and not served.has_user(9999)
    assert served.has_movie(10) and not served.has_movie(9999)
    assert served.find("film 4") == 50
    with pytest.raises(ValueError, match="None is near"):
        served.find("'; DROP TABLE movies; --")


def test_lists_are_those_of_the_model(served, fitted):
    for user_id in (100, 117):
        assert_equal(served.recommend(user_id, 7), rows_of(fitted.recommend([user_id], k=7)))
    stars = {10: 5.0, 20: 2.0}
    new = served.recommend_new(stars, ("Comedy",), 6)
    assert_equal(new, rows_of(fitted.recommend_new(stars, k=6, genres=("Comedy",))))
    assert_equal(served.recommend_new({}, (), 4), rows_of(fitted.recommend_new(k=4)))
    assert_equal(served.similar(50, 3), rows_of(fitted.similar(50, k=3)))


def test_a_list_reacts_to_each_kind_of_event(served):
    before = served.recommend(100, 30)
    first = before[0]["movie_id"]
    view, click, stars = (
        served.recommend(100, 30, [event(first, *kind)]) for kind in (("view",), ("click",), ("stars", 2.0))
    )
    assert first not in [row["movie_id"] for row in view + stars] and first in [row["movie_id"] for row in click]
    assert view != stars and len(view) == len(before) - 1
    assert served.recommend(100, 30, [event(9999, "view")]) == before  # a film that this model does not know
    all_but_one = [event(int(movie_id), "stars", 5.0) for movie_id in served.movies["movie_id"][1:]]
    assert [row["movie_id"] for row in served.recommend(9999, 10, all_but_one)] == [10]


def test_an_ensemble_is_served_as_it_answers_itself(fitted, once, tmp_path):
    together = Ensemble([fitted, once])
    together.save(tmp_path)
    served = load_served(tmp_path)
    assert_equal(served.recommend(100, 7), rows_of(together.recommend([100], k=7)))
    assert_equal(served.similar(50, 3), rows_of(together.similar(50, k=3)))


def test_without_stars_the_same_scores_make_the_list(fitted):
    alone = fitted.without_stars()
    assert (alone.score(range(5)) == fitted.score(range(5))).all()
    table = alone.recommend([100], k=5)
    assert (table["score"].diff().dropna() <= 0).all() and table["predicted_stars"].isna().all()
    with pytest.raises(ValueError, match="the stars head must be trained"):
        alone.predict(fitted.seen)


def test_a_service_in_another_process_is_asked_and_killed_and_leaves_its_log(folder, fitted, tmp_path):
    events = tmp_path / "log.db"
    with LocalService(folder, events, "--explore", 0.5, "--shadow", folder) as service:
        status, answer = service.ask("GET", "/recommend/100?k=5")
        click = {"user_id": 100, "movie_id": answer["movies"][0]["movie_id"], "kind": "click"}
        assert service.ask("POST", "/feedback", list_id=answer["list_id"], **click)[0] == 201
        service.kill()
        log = service.log("SELECT movie_id FROM impression WHERE propensity > 0 ORDER BY place")
        assert status == 200 and log["movie_id"].tolist() == [film["movie_id"] for film in answer["movies"]]
        assert service.log("SELECT place FROM event")["place"].tolist() == [1]
    with pytest.raises(RuntimeError, match="the service did not start"):
        LocalService(tmp_path / "nothing", events)
