"""What would I recommend to you? A form: films with stars, genres, and a list that reacts.

Taught in notebooks/07_recommendations; `make app` shows it as a web page.
"""

import html
import time

import ipywidgets as widgets

from movierec.play.parts import LABEL, STYLE, WIDE, as_html
from movierec.play.visitor import Visitor, evening, recommended, search_titles
from movierec.recommend import MINUTES_PER_FILM

LIST = {"rank": "", "title": "Film", "genres": "Genres", "predicted_stars": "Expected", "because": "Why"}
EVENING = {"place": "", "title": "Film", "genres": "Genres", "why": "Choice", "minutes": "Minutes"}
BASED_ON = {
    "stars": "From the films that you rated",
    "genres": "From the genres that you like",
    "stars and genres": "From the films that you rated and the genres that you like",
    "popularity": "Nothing is known of you yet: what was liked most lately",
}


class RecommendPanel(widgets.VBox):
    """The form. Everything it does can be called: `rate`, `forget`, `visitor.genres`, `refresh`.

    Attributes:
        model: a `Hybrid`.
        visitor: what has been said so far.
        table: the list that is shown, as a DataFrame.
        last_seconds: from the last change to its list.
    """

    def __init__(self, model, k: int = 10):
        self.model, self.visitor, self.table, self.last_seconds = model, Visitor(), None, None
        self.search = widgets.Text(
            description="Find a film", placeholder="a part of its title", layout=WIDE, style=LABEL
        )
        self.matches = widgets.Select(description="Films", rows=6, layout=WIDE, style=LABEL)
        self.star_buttons = [self._star_button(stars) for stars in model.bias.levels]
        self.rated = widgets.VBox()
        self.genres = widgets.SelectMultiple(
            description="Genres", options=model.pipeline.genres, rows=6, layout=WIDE, style=LABEL
        )
        most = min(20, model.indices.num_movies)
        self.length = widgets.IntSlider(min(k, most), 1, most, description="Length", layout=WIDE, style=LABEL)
        self.message, self.list = widgets.HTML(), widgets.HTML()
        self.playlist = PlaylistPanel(self)
        self.search.observe(self._on_search, "value")
        self.genres.observe(self._on_genres, "value")
        self.length.observe(lambda _: self.refresh(), "value")
        stars = widgets.HBox([widgets.Label("Your stars", layout=widgets.Layout(width="7.2em")), *self.star_buttons])
        left = [
            widgets.HTML("<b>1. Rate some films that you know</b>"), self.search, self.matches, stars, self.rated,
            widgets.HTML("<b>2. Or name genres</b> (Ctrl or ⌘ for several)"), self.genres,
        ]  # fmt: skip
        tabs = widgets.Tab(
            [widgets.VBox([self.length, self.list]), self.playlist], titles=("Your list", "Your evening")
        )
        right = [widgets.HTML("<b>3. See what comes of it</b>"), self.message, tabs]
        columns = [widgets.VBox(left), widgets.VBox(right, layout=widgets.Layout(flex="1 1 30em", min_width="20em"))]
        wrap = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        super().__init__([widgets.HTML(STYLE), widgets.HBox(columns, layout=wrap)])
        self._on_search(None)
        somebody = Visitor({int(model.movies["movie_id"][0]): model.bias.scale[1]})
        recommended(model, somebody, 1)  # TensorFlow traces its graphs now, so that no click waits for it
        self.refresh()

    def __repr__(self) -> str:
        return "RecommendPanel: find a film, give it stars, name genres, and see a list with reasons"

    def rate(self, movie_id: int, stars: float) -> None:
        """Nothing; gives a film stars, or other stars, as a click does.

        Raises:
            ValueError: if the film is not in the catalogue, or there are no such stars.
        """
        levels = self.model.bias.levels
        if movie_id not in self.model.indices.movie_ids or stars not in levels:
            raise ValueError(f"a film of the catalogue takes {levels.tolist()} stars; got {movie_id!r}: {stars!r}.")
        self.visitor.rate(movie_id, stars)
        self._show_rated()
        self.refresh()

    def forget(self, movie_id: int) -> None:
        """Nothing; takes a film's stars back."""
        self.visitor.forget(movie_id)
        self._show_rated()
        self.refresh()

    def refresh(self) -> None:
        """Nothing; makes the list and the evening again."""
        started = time.perf_counter()
        try:
            self.table = recommended(self.model, self.visitor, self.length.value)
        except ValueError as error:
            self.message.value = f"<p>{html.escape(str(error))}</p>"
            return
        self.message.value = ""
        self.list.value = as_html(self.table, LIST, BASED_ON[self.table.attrs["based_on"]] + ":")
        self.last_seconds = time.perf_counter() - started
        self.playlist.refresh()

    def _star_button(self, stars: float) -> widgets.Button:
        button = widgets.Button(
            description=f"{stars:g} ★",
            tooltip=f"give the chosen film {stars:g} stars",
            layout=widgets.Layout(width="3.6em"),
        )
        button.on_click(lambda _: self._on_stars(float(stars)))
        return button

    def _on_stars(self, stars: float) -> None:
        if self.matches.value is None:
            self.message.value = "<b>Choose a film first</b>, on the left under its search."
        else:
            self.rate(self.matches.value, stars)

    def _on_search(self, _) -> None:
        found = search_titles(self.model.movies, self.search.value)
        self.matches.options = list(zip(found["title"], found["movie_id"].tolist(), strict=True))
        self.matches.index = 0 if len(found) else None
        self.message.value = "" if len(found) else "<b>No film has a title like that.</b> Try a single word of it."

    def _on_genres(self, change) -> None:
        self.visitor.genres = tuple(change["new"])
        self.refresh()

    def _show_rated(self) -> None:
        titles = self.model.movies.set_index("movie_id")["title"]
        self.rated.children = [
            self._rated_row(movie_id, titles[movie_id], stars) for movie_id, stars in self.visitor.stars.items()
        ]

    def _rated_row(self, movie_id: int, title: str, stars: float) -> widgets.HBox:
        options = [(f"{level:g} ★", float(level)) for level in self.model.bias.levels]
        choice = widgets.Dropdown(options=options, value=stars, layout=widgets.Layout(width="5em"))
        choice.observe(lambda change: self.rate(movie_id, change["new"]), "value")
        remove = widgets.Button(description="×", tooltip=f"forget {title}", layout=widgets.Layout(width="2.4em"))
        remove.on_click(lambda _: self.forget(movie_id))
        return widgets.HBox([choice, remove, widgets.Label(title)])


class PlaylistPanel(widgets.VBox):
    """Sliders for an evening of the same visitor.

    Attributes:
        table: the playlist that is shown, as a DataFrame; None if nothing is left.
    """

    def __init__(self, panel: RecommendPanel):
        self.panel, self.table = panel, None
        years = panel.model.movies["year"].dropna()
        first, last = (int(years.min()), int(years.max())) if len(years) else (1900, 2000)
        share = dict(min=0.0, max=1.0, step=0.1, layout=WIDE, style=LABEL)
        self.minutes = widgets.IntSlider(360, 120, 1440, 60, description="Minutes", layout=WIDE, style=LABEL)
        self.familiarity = widgets.FloatSlider(0.5, description="Well-known", **share)
        self.diversity = widgets.FloatSlider(0.3, description="Varied", **share)
        self.years = widgets.IntRangeSlider(
            value=(first, last),
            min=first,
            max=last,
            description="Years",
            layout=widgets.Layout(width="26em"),
            style=LABEL,
        )
        genres = panel.model.pipeline.genres
        self.include = widgets.Dropdown(options=["any", *genres], description="Genre", layout=WIDE, style=LABEL)
        self.exclude = widgets.Dropdown(options=["none", *genres], description="But no", layout=WIDE, style=LABEL)
        self.list = widgets.HTML()
        sliders = [self.minutes, self.familiarity, self.diversity, self.years, self.include, self.exclude]
        for slider in sliders:
            slider.observe(lambda _: self.refresh(), "value")
        super().__init__([*sliders, self.list])

    def __repr__(self) -> str:
        return "PlaylistPanel: minutes, well-known or hidden, varied or alike, years and genres of an evening"

    def refresh(self) -> None:
        """Nothing; makes the playlist again."""
        everything = self.years.value == (self.years.min, self.years.max)
        try:
            self.table = evening(
                self.panel.model, self.panel.visitor, minutes=self.minutes.value, familiarity=self.familiarity.value,
                diversity=self.diversity.value, years=None if everything else self.years.value,
                include=() if self.include.value == "any" else (self.include.value,),
                exclude=() if self.exclude.value == "none" else (self.exclude.value,),
            )  # fmt: skip
        except ValueError as error:
            self.table = None
            self.list.value = f"<p>{html.escape(str(error))}</p>"
            return
        total = f"{len(self.table)} films, {self.table['minutes'].sum():g} minutes"
        told = f"{total} (running times are not known: each counts {MINUTES_PER_FILM})"
        self.list.value = as_html(self.table, EVENING, told)
