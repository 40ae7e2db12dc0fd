"""What would I recommend to you? A form for notebooks: stars and genres in, a list and an evening out.

It is a view on `movierec.recommend.wishes`, as is the web page of `make app`. Taught in notebooks/07_recommendations.
"""

import math
import time

import ipywidgets as widgets

from movierec.play.parts import FIELD, GROWING, FilmSearch, Panel, as_html, columns, on_change, status
from movierec.recommend import BASED_ON, MINUTES_PER_FILM, Visitor, evening, recommended
from movierec.training import load_or_train as load_or_train  # the model of the course, handed on with its panel

MOST_BUTTONS = 10  # one for each number of stars; a slider for more
LIST = {"rank": "", "title": "Film", "genres": "Genres", "predicted_stars": "Expected", "because": "Why"}
EVENING = {"place": "", "title": "Film", "genres": "Genres", "why": "Choice", "minutes": "Minutes"}


class RecommendPanel(Panel):
    """The form: a search, stars, genres, a list and an evening; see `rate`, `forget` and `refresh` to use it by code.

    `visitor` is the `Visitor` as the form describes them, `table` the list, `last_seconds` the time of its last change.
    """

    purpose = "find a film, give it stars, name genres, and see a list with reasons"

    def __init__(self, model, k: int = 10):
        self.model, self.visitor = model, Visitor()
        self.films = FilmSearch(model.movies)
        self.search, self.matches = self.films.text, self.films.matches
        levels = list(map(float, model.levels))
        self.star_slider = self._star_slider(levels[-1]) if len(levels) > MOST_BUTTONS else None
        shown = [None] if self.star_slider else levels
        self.star_buttons = [self._star_button(stars) for stars in shown]
        self.rated = widgets.VBox()
        self.genres = widgets.SelectMultiple(description="Genres", options=model.pipeline.genres, rows=6, **FIELD)
        most = min(20, model.indices.num_movies)
        self.length = widgets.IntSlider(min(k, most), 1, most, description="Length", **FIELD)
        self.message, self.list = widgets.HTML(), widgets.HTML()
        self.playlist = PlaylistPanel(self)
        on_change(self._on_genres, self.genres)
        on_change(self.refresh, self.length)
        slider = [self.star_slider] if self.star_slider else []
        stars = widgets.HBox([widgets.Label("Your stars", layout={"width": "7.2em"}), *slider, *self.star_buttons])
        first = widgets.HTML("<b>1. Rate some films that you know</b>")
        second = widgets.HTML("<b>2. Or name genres</b> (Ctrl or ⌘ for several)")
        third = widgets.HTML("<b>3. See your recommendations</b>")
        left = widgets.VBox([first, self.films, stars, self.rated, second, self.genres])
        tabs = [widgets.VBox([self.length, self.list]), self.playlist]
        right = [third, self.message, widgets.Tab(tabs, titles=("Your list", "Your evening"))]
        super().__init__(columns(left, widgets.VBox(right, layout=GROWING)))
        somebody = Visitor({model.movies["movie_id"].tolist()[0]: model.levels[-1]})
        recommended(model, somebody, 1)  # TensorFlow traces its graphs now, so that no click waits for it
        self.refresh()

    def rate(self, movie_id: int | str, stars: float) -> None:
        """Give a film stars, as a click does; raise ValueError if it is not in the catalogue or has no such stars."""
        levels = self.model.levels
        is_level = levels[0] <= stars <= levels[-1] if self.star_slider else stars in levels
        if movie_id not in self.model.indices.movie_ids.tolist() or not is_level:
            takes = f"{levels[0]:g} to {levels[-1]:g}" if self.star_slider else levels.tolist()
            raise ValueError(f"a film of the catalogue takes {takes} stars; got {movie_id!r}: {stars!r}.")
        self.visitor.stars.pop(movie_id, None)
        self.visitor.stars[movie_id] = stars  # the newest
        self._show_rated()

    def forget(self, movie_id: int | str) -> None:
        """Take a film's stars back."""
        self.visitor.stars.pop(movie_id, None)
        self._show_rated()

    def refresh(self) -> None:
        """Make the list and the evening again."""
        started = time.perf_counter()
        try:
            self.table = recommended(self.model, self.visitor, self.length.value)
        except ValueError as error:
            self.message.value = status(str(error))
            return
        self.message.value = ""
        self.list.value = as_html(self.table, LIST, BASED_ON[self.table.attrs["based_on"]] + ":")
        self.last_seconds = time.perf_counter() - started
        self.playlist.refresh()

    def _star_slider(self, stars: float) -> widgets.FloatSlider:
        low, high = map(float, self.model.levels[[0, -1]])
        step = 10.0 ** math.floor(math.log10((high - low) / 20))  # 0.1 for 0 to 10
        look = {"readout_format": ".4g", "layout": {"width": "14em"}}
        return widgets.FloatSlider(stars, min=low, max=high, step=step, continuous_update=False, **look)

    def _star_button(self, stars: float | None) -> widgets.Button:
        """Return the button that gives so many stars; of None, those of the slider."""
        shown = "Give" if stars is None else f"{stars:g} ★"
        tooltip = f"give the chosen film {'these' if stars is None else f'{stars:g}'} stars"
        button = widgets.Button(description=shown, tooltip=tooltip, layout={"width": "3.6em"})

        def rate(_):
            if self.matches.value is None:
                self.films.message.value = "<b>Choose a film first</b>: search for a part of its title."
            else:
                self.rate(self.matches.value, self.star_slider.value if stars is None else stars)

        button.on_click(rate)
        return button

    def _on_genres(self) -> None:
        self.visitor.genres = tuple(self.genres.value)
        self.refresh()

    def _show_rated(self) -> None:
        self.rated.children = [self._rated_row(*rated) for rated in self.visitor.stars.items()]
        self.refresh()

    def _rated_row(self, movie_id: int | str, stars: float) -> widgets.HBox:
        title = self.model.movies.set_index("movie_id")["title"][movie_id]
        if self.star_slider:
            choice = self._star_slider(stars)
        else:
            options = [(f"{level:g} ★", float(level)) for level in self.model.levels]
            choice = widgets.Dropdown(options=options, value=stars, layout={"width": "5em"})
        choice.observe(lambda change: self.rate(movie_id, change["new"]), "value")
        remove = widgets.Button(description="×", tooltip=f"forget {title}", layout={"width": "2.4em"})
        remove.on_click(lambda _: self.forget(movie_id))
        return widgets.HBox([choice, remove, widgets.Label(title)])


class PlaylistPanel(Panel):
    """Sliders for an evening of the same visitor: a view on `evening`; `table` is None if no film is left."""

    purpose = "minutes, well-known or hidden, varied or alike, years and genres of an evening"

    def __init__(self, panel: RecommendPanel):
        self.panel = panel
        years = panel.model.movies["year"].dropna()
        first, last = (int(years.min()), int(years.max())) if len(years) else (1900, 2000)
        genres = panel.model.pipeline.genres
        share = {"min": 0.0, "max": 1.0, "step": 0.1, **FIELD}
        self.minutes = widgets.IntSlider(360, 120, 1440, 60, description="Minutes", **FIELD)
        self.familiarity = widgets.FloatSlider(0.5, description="Well-known", **share)
        self.diversity = widgets.FloatSlider(0.3, description="Varied", **share)
        self.years = widgets.IntRangeSlider(value=(first, last), min=first, max=last, description="Years", **FIELD)
        self.include = widgets.Dropdown(options=["any", *genres], description="Genre", **FIELD)
        self.exclude = widgets.Dropdown(options=["none", *genres], description="But no", **FIELD)
        self.list = widgets.HTML()
        sliders = [self.minutes, self.familiarity, self.diversity, self.years, self.include, self.exclude]
        on_change(self.refresh, *sliders)
        super().__init__(*sliders, self.list)

    def refresh(self) -> None:
        """Make the playlist again."""
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
            self.list.value = status(str(error))
            return
        total = f"{len(self.table)} films, {self.table['minutes'].sum():g} minutes"
        about = f"{total} (running times are not known: each film counts {MINUTES_PER_FILM})"
        self.list.value = as_html(self.table, EVENING, about)
