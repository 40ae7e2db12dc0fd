"""Describe a film that nobody has seen, and see what it is like and who would get it: a view on `play.new_film`.

Taught in notebooks/11_people_and_films.
"""

import ipywidgets as widgets
import numpy as np
import pandas as pd

from movierec.play.new_film import NewFilm
from movierec.play.parts import LABEL, STYLE, WIDE, as_html


class NewFilmPanel(widgets.VBox):
    """Choose genres and a year: the films that are like it, and the people in whose lists it would stand highest.

    Attributes:
        film: a `NewFilm`.
        users: user_id and what is known of them; may be None.
        genres, year: the widgets.
        near, audience: the tables that are shown.
    """

    def __init__(self, film: NewFilm, users: pd.DataFrame | None = None):
        self.film, self.users, self.near, self.audience = film, users, None, None
        self.genres = widgets.SelectMultiple(
            options=film.genres, value=film.genres[:1], rows=8, description="Genres", layout=WIDE, style=LABEL
        )
        first, last = film.years
        self.year = widgets.IntSlider(last, first, last, description="Year", layout=WIDE, style=LABEL)
        self.message, self.like, self.people = widgets.HTML(), widgets.HTML(), widgets.HTML()
        for widget in (self.genres, self.year):
            widget.observe(lambda _: self._show(), "value")
        wrap = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        left = widgets.VBox([self.genres, self.year, self.message])
        super().__init__([widgets.HTML(STYLE), widgets.HBox([left, self.like, self.people], layout=wrap)])
        self._show()

    def __repr__(self) -> str:
        return "NewFilmPanel: choose genres and a year; see the films like it, and who would get it"

    def summary(self) -> str:
        """What is chosen, in words."""
        return f"{', '.join(self.genres.value)}, {self.year.value}"

    def _show(self) -> None:
        if not self.genres.value:
            self.message.value = "<b>Choose one genre or more.</b>"
            return
        chosen = tuple(self.genres.value), self.year.value
        place = self.film.ranks(*chosen)
        in_ten = int(np.sum(place <= 10))
        self.message.value = (
            f"In the first ten of <b>{in_ten:,}</b> of {len(place):,} people; median place {int(np.median(place)):,}."
        )
        self.near = self.film.near(*chosen)
        self.audience = self.film.audience(*chosen, self.users)
        self.like.value = as_html(self.near, {name: name.capitalize() for name in self.near}, "Known films like it")
        names = {name: name.replace("_", " ").capitalize() for name in self.audience}
        self.people.value = as_html(self.audience, names, "Who would get it first")
