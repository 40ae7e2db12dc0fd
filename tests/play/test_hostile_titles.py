"""A title is text: in no panel, table or drawing is it HTML, a script, or a formula.

Protected: a catalogue that somebody else wrote runs nothing in a reader's notebook and breaks no drawing.
"""

from html.parser import HTMLParser

import pytest

import movierec
from movierec.baselines import Ease
from movierec.play import AttentionPanel, NewFilm, NewFilmPanel, RecommendPanel
from movierec.recommend import Hybrid

TITLES = [
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(2)</script>",
    "Cash $\\frac{1$",  # as a formula this is an error
    "$x^2$ & $y_1$",
    "\u202eright to left\u202c \u200f",
]


@pytest.fixture(scope="module")
def movies(checkerboard):
    """The films of the checkerboard; the first five of each of its two kinds have the titles above."""
    movies = checkerboard.movies.copy()
    for _, group in movies.groupby("genres"):
        movies.loc[group.index[: len(TITLES)], "title"] = TITLES
    return movies


@pytest.fixture(scope="module")
def hostile(fitted, movies):
    known = fitted.movies["movie_id"].map(movies.set_index("movie_id")["title"])
    about = fitted.movies.assign(title=known)[["movie_id", "title", "genres", "year"]]
    return Hybrid(fitted.model, fitted.indices, about, fitted.weeks, fitted.bias, fitted.seen, fitted.scale)


class _Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, [name for name, _ in attributes if name.startswith("on")], dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


def assert_text(*widgets_of_html):
    """No tag but those of the panel; at least one of the titles is there, letter by letter."""
    words = []
    for widget in widgets_of_html:
        page = _Tags(widget.value)
        assert not [tag for tag, handlers, _ in page.found if handlers or tag == "script"]
        pictures = [attributes for tag, _, attributes in page.found if tag == "img"]
        assert all(one["src"].startswith("data:image/png;base64,") for one in pictures)
        words += page.words + [one["alt"] for one in pictures]
    text = "\n".join(words).replace("|", ", ")
    assert [title for title in TITLES if title in text]


def test_of_the_form_and_its_evening(hostile):
    panel = RecommendPanel(hostile)
    for index in range(3):
        panel.rate(int(hostile.movies["movie_id"][hostile.movies["title"] == TITLES[index]].iloc[0]), 5)
    panel.search.value = "onerror"
    assert_text(panel.list, panel.playlist.list)


def test_of_attention(movies, checkerboard):
    """Beside a bar, too, a title is no formula."""
    split = movierec.split_leave_last(checkerboard.ratings)
    reader = movierec.fit_sequence(split, movies, epochs=1, length=8, dim=8, batch_size=16)
    panel = AttentionPanel(reader, movies, reader.indices.user_ids[:5])
    for user_id in panel.user.options:
        panel.user.value = user_id
        assert_text(panel.list, panel.picture)


def test_of_the_film_that_does_not_exist(hostile, movies, split, checkerboard):
    every = movies.assign(title=[TITLES[row % len(TITLES)] for row in range(len(movies))])
    film = NewFilm(Ease(split.train, hostile.indices), every, split.train, hostile.indices)
    panel = NewFilmPanel(film, checkerboard.users[["user_id"]])
    assert_text(panel.like)
