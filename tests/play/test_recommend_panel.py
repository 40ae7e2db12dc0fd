"""Tables are escaped, and the form does what the functions of `movierec.recommend.wishes` do."""

import numpy as np
import pandas as pd
import pytest

from movierec.play.parts import as_html
from movierec.play.recommend_panel import RecommendPanel
from movierec.recommend import Hybrid


@pytest.fixture
def panel(fitted):
    return RecommendPanel(fitted, k=5)


def test_a_table_is_text_whatever_a_title_looks_like():
    table = pd.DataFrame({"title": ["<script>alert('x')</script>"], "predicted_stars": [np.nan], "genres": ["A|B"]})
    names = {"title": "Film & more", "predicted_stars": "Stars", "genres": "Genres"}
    page = as_html(table, names, "<b>")
    assert "<script>" not in page and "&lt;script&gt;" in page and "Film &amp; more" in page and "&lt;b&gt;" in page
    assert "<td>–</td>" in page and "<td>A, B</td>" in page
    assert "4.3 ★" in as_html(table.assign(predicted_stars=4.28), names, "")


def test_a_student_finds_a_film_gives_it_stars_changes_them_and_takes_them_back(panel, fitted):
    assert repr(panel) == "RecommendPanel: find a film, give it stars, name genres, and see a list with reasons"
    assert "Nothing is known of you yet" in panel.list.value
    before = panel.table["title"].tolist()
    assert before == fitted.recommend_new(k=5)["title"].tolist()
    assert [button.description for button in panel.star_buttons] == ["2 ★", "5 ★"]  # the checkerboard has no others
    panel.search.value = "xyzzy"
    assert "No film has a title like that" in panel.films.message.value and panel.matches.options == ()
    panel.star_buttons[0].click()
    assert "Choose a film first" in panel.films.message.value and panel.visitor.stars == {}
    panel.search.value = before[0]
    assert panel.films.message.value == ""
    film = panel.matches.value
    assert film == panel.table["movie_id"][0]  # the first match is chosen
    panel.star_buttons[-1].click()
    assert panel.visitor.stars == {film: 5.0} and before[0] not in panel.table["title"].tolist()
    assert "From the films that you rated" in panel.list.value and "because you" in panel.list.value
    assert film not in panel.playlist.table["movie_id"].tolist() and panel.last_seconds > 0
    liked = panel.table["score"].tolist()
    (row,) = panel.rated.children
    stars, remove, title = row.children
    assert title.value == before[0] and stars.value == 5.0
    stars.value = 2.0
    assert panel.visitor.stars == {film: 2.0} and panel.table["score"].tolist() != liked
    other = panel.table["movie_id"][0]
    panel.rate(other, 5.0)
    panel.rate(film, 5.0)
    assert list(panel.visitor.stars) == [other, film]  # rated again: now it is the newest
    panel.forget(other)
    remove = panel.rated.children[0].children[1]
    remove.click()
    assert panel.visitor.stars == {} and panel.rated.children == () and panel.table["title"].tolist() == before


def test_genres_and_length_change_the_list_and_what_is_refused_is_a_message(panel):
    panel.genres.value = ("Comedy",)
    assert panel.visitor.genres == ("Comedy",) and "From the genres that you like" in panel.list.value
    panel.length.value = 3
    assert len(panel.table) == 3 and panel.list.value.count("<tr>") == 4
    for movie_id, stars in ((9999, 5.0), (20, 3.7)):
        with pytest.raises(ValueError, match=f"got {movie_id}: {stars}"):
            panel.rate(movie_id, stars)
    shown = panel.list.value
    panel.visitor.stars[9999] = 5.0
    panel.refresh()
    assert "movie_id 9999 is not in the catalogue" in panel.message.value and panel.list.value == shown


def test_the_evenings_sliders_move_it_and_a_visitor_who_has_rated_nearly_all_gets_the_rest(panel, fitted):
    form = panel.playlist
    assert repr(form).startswith("PlaylistPanel: minutes")
    assert len(form.table) == 3 and "3 films, 330 minutes" in form.list.value
    form.minutes.value = 120
    assert len(form.table) == 1
    form.include.value = "Comedy"
    assert form.table["genres"].str.contains("Comedy").all()
    form.include.value, form.years.value, form.minutes.value = "any", (1985, 1987), 600
    assert form.table["year"].between(1985, 1987).all() and len(form.table) == 5
    form.exclude.value = "Drama"  # all films have this genre
    assert form.table is None and "none of the" in form.list.value
    form.exclude.value, form.years.value = "none", (form.years.min, form.years.max)
    panel.visitor.stars = {int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids[:-2]}
    panel.refresh()
    assert sorted(panel.table["movie_id"]) == fitted.indices.movie_ids[-2:].tolist() and len(form.table) == 2


def test_more_than_ten_numbers_of_stars_are_a_slider(fitted, monkeypatch):
    """Decimal ratings made a button each: 397 of them."""
    levels = np.round(np.arange(2, 5.01, 0.25), 5)
    monkeypatch.setattr(Hybrid, "levels", levels)
    panel = RecommendPanel(fitted, k=5)
    slider, (button,) = panel.star_slider, panel.star_buttons
    assert (slider.min, slider.max, slider.value, slider.step) == (2.0, 5.0, 5.0, 0.1)  # (5 - 2) / 20 = .15, rounded
    panel.matches.index = 0
    film = panel.matches.value
    slider.value = 3.7
    button.click()
    assert panel.visitor.stars == {film: 3.7} and "From the films that you rated" in panel.list.value
    choice = panel.rated.children[0].children[0]
    choice.value = 2.5
    assert panel.visitor.stars == {film: 2.5}
    with pytest.raises(ValueError, match=f"takes 2 to 5 stars; got {film}: 5.5"):
        panel.rate(film, 5.5)
    assert RecommendPanel(fitted, k=5).star_slider is not None
    monkeypatch.setattr(Hybrid, "levels", levels[:10])
    assert len(RecommendPanel(fitted, k=5).star_buttons) == 10


def test_a_visitor_who_has_rated_every_film_is_told_so(panel, fitted):
    panel.visitor.stars = {int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids}
    panel.refresh()
    assert panel.table.empty and "you have rated every film" in panel.playlist.list.value
