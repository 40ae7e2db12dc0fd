"""A map of the films as the model sees them: views on `movierec.play.space`.

Taught in notebooks/07_recommendations.
"""

import ipywidgets as widgets

from movierec import plots
from movierec.play import space
from movierec.play.parts import LABEL, STYLE, WIDE, as_html
from movierec.play.visitor import search_titles


class EmbeddingExplorer(widgets.VBox):
    """Find a film, see what lies near it: in the MF half beside the deep half, before and after training.

    Attributes:
        model: a `Hybrid` with a ranking head; of an `Ensemble`, its first member is shown.
        search, matches, trained, colour, genre: the widgets.
        table: the neighbours that are shown, as a DataFrame.
    """

    def __init__(self, model):
        self.model, self.before, self.table = model, space.untrained(model), None
        self.search = widgets.Text(
            description="Find a film", placeholder="a part of its title", layout=WIDE, style=LABEL
        )
        self.matches = widgets.Select(description="Films", rows=6, layout=WIDE, style=LABEL)
        self.trained = widgets.Dropdown(
            options={"after training": True, "before training": False}, description="Map", layout=WIDE, style=LABEL
        )
        self.colour = widgets.Dropdown(options=space.COLOURED_BY, description="Colour", layout=WIDE, style=LABEL)
        genres = list(model.pipeline.genres) or ["no genre"]
        self.genre = widgets.Dropdown(options=genres, description="Genre", layout=WIDE, style=LABEL)
        self.message, self.map, self.list = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.search.observe(lambda _: self._on_search(), "value")
        self.matches.observe(lambda _: self._show_neighbours(), "value")
        for widget in (self.matches, self.trained, self.colour, self.genre):
            widget.observe(lambda _: self._show_map(), "value")
        left = [self.search, self.matches, self.trained, self.colour, self.genre, self.message]
        wrap = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        super().__init__([widgets.HTML(STYLE), widgets.HBox([widgets.VBox(left), self.list], layout=wrap), self.map])
        self._on_search()

    def __repr__(self) -> str:
        return "EmbeddingExplorer: films on a map; by half, before and after training; neighbours"

    def choose(self, title: str) -> None:
        """Nothing; looks for a title and shows its best match, as typing does."""
        self.search.value = title

    def _on_search(self) -> None:
        found = search_titles(self.model.movies, self.search.value)
        self.message.value = "" if len(found) else "<b>No film has a title like that.</b> Try a single word of it."
        if len(found):
            self.matches.options = list(zip(found["title"], found["movie_id"].tolist(), strict=True))
            self.matches.index = 0

    def _show_neighbours(self) -> None:
        if self.matches.value is None:
            return
        self.table = space.neighbour_table(self.model, self.before, self.matches.value)
        names = {name: name.capitalize() for name in self.table}
        self.list.value = as_html(self.table, names, f"Nearest to {self.matches.label}")

    def _show_map(self) -> None:
        if self.matches.value is None:
            return
        network = self.model.members[0].model if self.trained.value else self.before
        index = int(self.model.indices.movie_index(self.matches.value))
        fig = space.draw_maps(space.both_halves(network), self.model.movies, self.colour.value, self.genre.value, index)
        text = f"Maps of all films, coloured by {self.colour.value}, with {self.matches.label} and what lies near it."
        self.map.value = plots.alt(fig, text)._repr_html_()
