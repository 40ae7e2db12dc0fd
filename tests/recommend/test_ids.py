"""Ids of any kind, from the fit to the saved folder: text, -1, 0 and 2⁶², with the same lists as by number."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Indices
from movierec.evaluation import evaluate_ranking
from movierec.keras2 import tf
from movierec.play.recommend_panel import RecommendPanel
from movierec.recommend.questions import movie_of
from movierec.serving import Event, load_served

NAMES = {"user_id": lambda ids: "U" + ids.astype(str), "movie_id": lambda ids: ids.map("{:05d}".format)}  # in one order


def renamed(table, names=NAMES):
    return (
        None if table is None else table.assign(**{name: names[name](table[name]) for name in names if name in table})
    )


def fit(data, small, **more):
    split = movierec.split_by_user_time(data.ratings)
    return split, movierec.fit_hybrid(split, data.movies, data.users, seed=0, epochs=5, **small | more)


@pytest.fixture(scope="module")
def by_number(split, fitted):
    return split, fitted


@pytest.fixture(scope="module")
def by_text(checkerboard, small):
    """The same ratings; users are "U100" … "U139", movies "00010" … "00300"."""
    return fit(movierec.MovieLens(*map(renamed, checkerboard)), small)


def assert_same_but_for_names(table, other, names=NAMES):
    pd.testing.assert_frame_equal(table, renamed(other, {name: names[name] for name in names if name in other}))


def test_text_ids_change_no_number(by_number, by_text):
    (split, model), (text_split, text_model) = by_number, by_text
    assert text_model.indices.user_ids.tolist()[:2] == ["U100", "U101"]
    np.testing.assert_array_equal(model.predict(split.test), text_model.predict(text_split.test))
    assert_same_but_for_names(text_model.recommend("U101", because=True), model.recommend(101, because=True))
    assert_same_but_for_names(text_model.recommend(["U105", "U101"], k=30), model.recommend([105, 101], k=30))
    assert_same_but_for_names(text_model.similar("00020"), model.similar(20))
    pd.testing.assert_frame_equal(text_model.explain("00020", user_id="U101"), model.explain(20, user_id=101))
    pd.testing.assert_frame_equal(text_model.explain("Film 1", "U101"), model.explain("Film 1", 101))
    new, by_title = text_model.recommend_new({"00010": 5.0}, because=True), text_model.recommend_new({"Film 0": 5.0})
    assert new["movie_id"].tolist() == [f"{one:05d}" for one in model.recommend_new({10: 5.0})["movie_id"]]
    pd.testing.assert_frame_equal(new.drop(columns="because"), by_title)
    assert new["user_id"].isna().all()
    measured, other = (evaluate_ranking(m.score, s, m.indices) for s, m in (by_text, by_number))
    np.testing.assert_array_equal(measured["ndcg@10"], other["ndcg@10"])
    assert measured.index[0].startswith("U1")


def test_unknown_names_are_refused_in_the_words_of_the_caller(by_text):
    model = by_text[1]
    for ask, said in (
        (lambda: model.recommend([101]), r"user_id is text here, e.g. 'U100'; got \[101\]. Ask with the ids"),
        (lambda: model.recommend(["U101", "U7"]), r"1 of 2 are unknown, e.g. \['U7'\]"),
        (lambda: model.similar(20), r"movie_id is text here, e.g. '00010'; got \[20\]"),
        (lambda: model.similar("00007"), r"none of 30 titles is '00007'.*Nor is '00007' a movie_id"),
        (lambda: model.explain("Film 1", "U7"), r"1 of 1 are unknown, e.g. \['U7'\]"),
        (lambda: model.recommend_new({"00010": 5.0, "Film 0": 2.0}), "each film is rated once"),
    ):
        with pytest.raises(ValueError, match=said):
            ask()


def test_a_text_that_is_an_id_and_a_title_is_refused_unless_both_are_one_film():
    titles = {"1984": "Brazil (1985)", "Brazil": "1984 (1984)", "Heat": "Heat", "Heat (1995)": "Heat (1995)"}
    movies = pd.DataFrame({"movie_id": list(titles), "title": list(titles.values())})
    indices = Indices(movies["movie_id"].to_numpy(str), movies["movie_id"].to_numpy(str))

    def named(film):
        return movie_of(film, movies, indices)

    assert named("1984 (1984)") == "Brazil" and named("brazil") == "1984"
    assert [named(film) for film in ("Heat", "Heat (1995)", "heat (1995)")] == ["Heat", "Heat (1995)", "Heat (1995)"]
    with pytest.raises(
        ValueError,
        match=r"'1984' is the movie_id of 'Brazil \(1985\)' and .*. Write 'Brazil \(1985\)' or '1984 \(1984\)'.",
    ):
        named("1984")


def test_text_ids_are_saved_and_loaded_without_a_pickle(by_text, tmp_path):
    split, model = by_text
    model.save(tmp_path)
    again = movierec.load_model(tmp_path)
    pd.testing.assert_frame_equal(again.recommend(["U101"], k=30), model.recommend(["U101"], k=30))
    np.testing.assert_array_equal(again.predict(split.test), model.predict(split.test))
    pd.testing.assert_frame_equal(again.seen, model.seen, check_dtype=False)
    served = load_served(tmp_path)
    assert (served.user_type, served.movie_type) == (str, str) and served.has_user("U101") and not served.has_user(101)
    assert [row["movie_id"] for row in served.recommend("U101", 3)] == model.recommend("U101", 3)["movie_id"].tolist()
    assert [row["movie_id"] for row in served.similar("00020", 3)] == model.similar("00020", 3)["movie_id"].tolist()
    viewed = Event(user_id="U101", movie_id="00020", kind="view", time=0)
    assert "00020" not in [row["movie_id"] for row in served.recommend("U101", 30, (viewed,))]
    program = tf.saved_model.load(str(tmp_path / "1")).signatures["recommend"]
    answer = program(user_id=tf.constant(["U101"]), k=tf.constant(3))
    assert [one.decode() for one in answer["movie_id"][0].numpy()] == model.recommend("U101", 3)["movie_id"].tolist()


def test_the_form_takes_text_ids(by_text):
    panel = RecommendPanel(by_text[1])
    panel.films.text.value = "Film 0"
    panel.rate(panel.matches.value, 5.0)
    assert panel.visitor.stars == {"00010": 5.0} and "00010" not in panel.table["movie_id"].tolist()
    with pytest.raises(ValueError, match="got 10: 5.0"):
        panel.rate(10, 5.0)


FAR = {  # users -1, 0, … 37, 2⁶²; movies -1, 0, … 27, 2⁶²
    "user_id": lambda ids: (ids - 101).where(ids < 139, 2**62),
    "movie_id": lambda ids: (ids // 10 - 2).where(ids < 300, 2**62),
}


def test_any_whole_number_is_an_id(checkerboard, small, by_number):
    """-1 marks what is unknown inside; as a published id it is a film and a user like any other."""
    model = fit(movierec.MovieLens(*(renamed(table, FAR) for table in checkerboard)), small)[1]
    assert model.indices.movie_ids[[0, 1, -1]].tolist() == [-1, 0, 2**62]
    lists = model.recommend(model.indices.user_ids, k=30)
    assert_same_but_for_names(lists, by_number[1].recommend(by_number[1].indices.user_ids, k=30), FAR)
    assert {-1, 0, 2**62} < set(lists["movie_id"]) and (lists.groupby("user_id")["rank"].min() == 1).all()
    assert_same_but_for_names(model.similar(-1), by_number[1].similar(10), FAR)
    assert model.recommend_new({-1: 5.0})["rank"].tolist() == list(range(1, 11))
