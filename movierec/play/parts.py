"""What the panels share: one look, tables for the eye and for a screen reader, and the search for a film."""

import html

import ipywidgets as widgets
import pandas as pd

from movierec import plots, recommend

STYLE = """<style>
table.movierec {border-collapse: collapse; line-height: 1.4}
table.movierec caption {text-align: left; font-weight: bold; padding-bottom: .4em}
table.movierec th, table.movierec td {text-align: left; padding: .15em .8em .15em 0; vertical-align: top}
table.movierec tr {border-bottom: 1px solid rgba(128, 128, 128, .3)}
</style>"""
FIELD = {"layout": {"width": "22em"}, "style": {"description_width": "7em"}}  # of a widget with a label
GROWING = {"flex": "1 1 30em", "min_width": "20em"}  # of a column that takes the room that is left


class Panel(widgets.VBox):
    """A form with the look of the course; its repr, `purpose`, stands in a notebook that is read without a kernel."""

    purpose = ""

    def __init__(self, *rows):
        super().__init__([widgets.HTML(STYLE), *rows])

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.purpose}"

    def say(self, text: str) -> None:
        """Show a line in the panel's widget `says`."""
        self.says.value = status(text)


def status(text: str) -> str:
    """Return `text` as HTML that a screen reader announces; "" stays empty."""
    return f'<p role="status">{html.escape(text)}</p>' if text else ""


def columns(*boxes) -> widgets.HBox:
    """Return the widgets side by side; below each other where the window is narrow."""
    return widgets.HBox(boxes, layout={"flex_flow": "row wrap", "align_items": "flex-start"})


def on_change(action, *controls) -> None:
    """Call `action()` whenever the value of one of the widgets changes."""
    for control in controls:
        control.observe(lambda _: action(), "value")


def picture(fig, text: str) -> str:
    """Return a figure as HTML with an alternative text, and close it."""
    return plots.alt(fig, text)._repr_html_()


def as_html(table: pd.DataFrame, columns: dict[str, str], caption: str) -> str:
    """Return the `columns`, {column: heading}, as an HTML table; all that is in it is escaped."""

    def cell(row: dict, name: str) -> str:
        value = row[name]
        text = "–" if pd.isna(value) else f"{value:.1f} ★" if name == "predicted_stars" else str(value)
        return f"<td>{html.escape(text.replace('|', ', '))}</td>"

    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in columns.values())
    rows = "".join(f"<tr>{''.join(cell(row, name) for name in columns)}</tr>" for row in table.to_dict("records"))
    return (
        f'<table class="movierec"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def headings(table: pd.DataFrame) -> dict[str, str]:
    """Return {column: heading}, e.g. {"user_id": "User id"}."""
    return {name: name.replace("_", " ").capitalize() for name in table}


class FilmSearch(widgets.VBox):
    """A text field and the films that `search_titles` finds; `matches.value` is the movie_id of one, or None."""

    def __init__(self, movies: pd.DataFrame):
        self.movies = movies
        self.text = widgets.Text(description="Find a film", placeholder="a part of its title", **FIELD)
        self.matches = widgets.Select(description="Films", rows=6, **FIELD)
        self.message = widgets.HTML()
        on_change(self._search, self.text)
        super().__init__([self.text, self.matches, self.message])
        self._search()

    def _search(self) -> None:
        found = recommend.search_titles(self.movies, self.text.value)
        self.matches.options = list(zip(found["title"], found["movie_id"].tolist(), strict=True))
        self.matches.index = 0 if len(found) else None
        self.message.value = "" if len(found) else "<b>No film has a title like that.</b> Try a single word of it."
