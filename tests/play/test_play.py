"""The panels as a student uses them, and what they do without any widget."""

import numpy as np
import pandas as pd
import pytest

from movierec.play.parts import as_html
from movierec.play.recommend_panel import RecommendPanel
from movierec.play.visitor import Visitor, evening, recommended, search_titles


@pytest.fixture
def panel(fitted):
    return RecommendPanel(fitted, k=5)


def titles_of(panel):
    return panel.table["title"].tolist()


# ---- without widgets


def test_a_search_finds_parts_of_titles_in_any_case_the_most_rated_first():
    movies = pd.DataFrame(
        {
            "movie_id": [1, 2, 3, 4],
            "title": ["Alien 3 (1992)", "Alien (1979)", "Aliens (1986)", "Fargo (1996)"],
            "popularity": [10, 50, 40, 60],
        }
    )
    assert search_titles(movies, " aLIen ")["movie_id"].tolist() == [2, 3, 1]
    assert search_titles(movies, "alien", count=1)["movie_id"].tolist() == [2]
    assert search_titles(movies, "")["movie_id"].tolist() == [4, 2, 3, 1]
    assert search_titles(movies, "fagro")["movie_id"].tolist() == [4]  # a near spelling
    assert search_titles(movies, "(1979)")["movie_id"].tolist() == [2]  # text, not a pattern
    assert search_titles(movies, "xyzzy").empty


def test_a_visitor_rates_anew_and_forgets():
    visitor = Visitor()
    visitor.rate(10, 5.0)
    visitor.rate(20, 2.0)
    visitor.rate(10, 2.0)
    assert list(visitor.stars.items()) == [(20, 2.0), (10, 2.0)]  # the newest last
    visitor.forget(20)
    visitor.forget(20)
    assert visitor.stars == {10: 2.0}


def test_the_list_is_the_models_with_what_is_known_of_the_films(fitted):
    table = recommended(fitted, Visitor({10: 5.0}, ("Comedy",)), 4)
    expected = fitted.recommend_new({10: 5.0}, k=4, genres=("Comedy",), because=True)
    pd.testing.assert_frame_equal(table[expected.columns], expected)
    assert table.attrs["based_on"] == "stars and genres"
    films = fitted.movies.set_index("movie_id")
    assert table["genres"].tolist() == films["genres"][table["movie_id"]].tolist()


def test_an_evening_is_chosen_from_what_the_visitor_has_not_rated(fitted):
    rated = {int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids[:20]}
    films = evening(fitted, Visitor(rated), minutes=450)
    assert len(films) == 4 and films["minutes"].sum() <= 450
    assert not set(films["movie_id"]) & set(rated)


def test_a_table_is_text_whatever_a_title_looks_like():
    table = pd.DataFrame({"title": ["<script>alert('x')</script>"], "predicted_stars": [np.nan], "genres": ["A|B"]})
    columns = {"title": "Film & more", "predicted_stars": "Stars", "genres": "Genres"}
    page = as_html(table, columns, "<b>")
    assert "<script>" not in page and "&lt;script&gt;" in page and "Film &amp; more" in page and "&lt;b&gt;" in page
    assert "<td>–</td>" in page and "<td>A, B</td>" in page
    assert "4.3 ★" in as_html(table.assign(predicted_stars=4.28), columns, "")


# ---- the form


def test_a_fresh_panel_says_that_nothing_is_known(panel, fitted):
    assert repr(panel) == "RecommendPanel: find a film, give it stars, name genres, and see a list with reasons"
    assert "Nothing is known of you yet" in panel.list.value
    assert titles_of(panel) == fitted.recommend_new(k=5)["title"].tolist()


def test_a_student_finds_a_film_and_gives_it_stars(panel):
    before = titles_of(panel)
    panel.search.value = before[0]
    assert panel.matches.value == panel.table["movie_id"][0]  # the first match is chosen
    panel.star_buttons[-1].click()
    assert panel.visitor.stars == {panel.matches.value: 5.0}
    assert before[0] not in titles_of(panel) and titles_of(panel) != before
    assert "From the films that you rated" in panel.list.value and "because you" in panel.list.value
    assert panel.last_seconds > 0
    (row,) = panel.rated.children
    assert row.children[2].value == before[0] and row.children[0].value == 5.0


def test_stars_can_be_changed_and_taken_back(panel):
    before = titles_of(panel)
    panel.rate(10, 5.0)
    liked = panel.table["score"].tolist()
    panel.rated.children[0].children[0].value = 2.0
    assert panel.visitor.stars == {10: 2.0} and panel.table["score"].tolist() != liked
    panel.rated.children[0].children[1].click()
    assert panel.visitor.stars == {} and panel.rated.children == () and titles_of(panel) == before


def test_only_stars_of_the_data_set_can_be_given(panel):
    assert [button.description for button in panel.star_buttons] == ["2 ★", "5 ★"]  # the checkerboard has no others


def test_genres_and_length_change_the_list(panel):
    panel.genres.value = ("Comedy",)
    assert panel.visitor.genres == ("Comedy",) and "From the genres that you like" in panel.list.value
    panel.length.value = 3
    assert len(panel.table) == 3 and panel.list.value.count("<tr>") == 4


def test_a_search_that_finds_nothing_says_so_and_stars_need_a_film(panel):
    before = panel.list.value
    panel.search.value = "xyzzy"
    assert "No film has a title like that" in panel.message.value and panel.matches.options == ()
    panel.star_buttons[0].click()
    assert "Choose a film first" in panel.message.value
    assert panel.list.value == before and panel.visitor.stars == {}
    panel.search.value = "Film 3"
    assert panel.message.value == ""


def test_who_has_rated_nearly_all_gets_what_is_left(panel, fitted):
    for movie_id in fitted.indices.movie_ids[:-2]:
        panel.visitor.rate(int(movie_id), 5.0)
    panel.refresh()
    assert sorted(panel.table["movie_id"]) == fitted.indices.movie_ids[-2:].tolist()
    assert len(panel.playlist.table) == 2


def test_a_rating_that_cannot_be_is_refused_and_nothing_is_kept(panel):
    for movie_id, stars in ((9999, 5.0), (20, 3.7)):
        with pytest.raises(ValueError, match=f"got {movie_id}: {stars}"):
            panel.rate(movie_id, stars)
    panel.rate(20, 5.0)
    assert panel.visitor.stars == {20: 5.0}


def test_a_genre_that_no_candidate_has_need_not_be_excluded(fitted):
    rated = {int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids if movie_id % 40 in (30, 0)}  # all comedies
    films = evening(fitted, Visitor(rated), minutes=240, exclude=("Comedy",))
    assert len(films) == 2 and not films["genres"].str.contains("Comedy").any()


def test_what_the_model_refuses_is_a_message_and_not_a_traceback(panel):
    shown = panel.list.value
    panel.visitor.stars[9999] = 5.0
    panel.refresh()
    assert "movie_id 9999 is not in the catalogue" in panel.message.value and panel.list.value == shown


def test_the_evenings_sliders_move_it(panel):
    evening = panel.playlist
    assert repr(evening).startswith("PlaylistPanel: minutes")
    assert len(evening.table) == 3 and "3 films, 330 minutes" in evening.list.value
    evening.minutes.value = 120
    assert len(evening.table) == 1
    evening.include.value = "Comedy"
    assert evening.table["genres"].str.contains("Comedy").all()
    evening.include.value, evening.years.value, evening.minutes.value = "any", (1985, 1987), 600
    assert evening.table["year"].between(1985, 1987).all() and len(evening.table) == 5
    evening.exclude.value = "Drama"  # all of them are
    assert evening.table is None and "none of your" in evening.list.value


def test_an_evening_without_seen_films(panel):
    seen = panel.playlist.table["movie_id"][0]
    panel.rate(int(seen), 2.0)
    assert seen not in panel.playlist.table["movie_id"].tolist()
