"""Recorded runs to sort, compare and restore, and the best value by dimension and learning rate: views on `runs`.

Taught in notebooks/06_training.
"""

import html

import ipywidgets as widgets
import numpy as np
import pandas as pd

from movierec import plots
from movierec.play import runs as book
from movierec.play.curves import as_picture
from movierec.play.knobs import COURSE_LOSS, METRICS, SETTINGS, shown
from movierec.play.parts import LABEL, STYLE, WIDE, as_html

MOST_COMPARED = 4
SORTED_BY = {"best first": "best", "newest first": "run", "fastest first": "seconds", "smallest dimension first": "dim"}
HEADS = {"lists": "ranking", "stars": "stars"}
LIGHT, DARK = (0xF2, 0xF6, 0xFB), (0x1F, 0x5F, 0xA0)  # of the surface's worst and best button


def _recorded(panel) -> list[book.Run]:
    return book.known_runs() if panel is None else panel.runs


class RunTable(widgets.VBox):
    """All runs of a head; two to four can be laid over each other, and any one's settings taken up again.

    Attributes:
        panel: a `TrainPanel`, whose runs are shown, and which "Restore" turns; or None.
        head, order, chosen: the widgets.
        table: what is compared, as a DataFrame; None if fewer than two are chosen.
    """

    def __init__(self, panel=None):
        self.panel, self.table, self.runs = panel, None, []
        self.head = widgets.Dropdown(options=HEADS, description="Runs of", layout=WIDE, style=LABEL)
        self.order = widgets.Dropdown(options=SORTED_BY, description="Order", layout=WIDE, style=LABEL)
        self.chosen = widgets.SelectMultiple(
            description="Runs", rows=10, layout=widgets.Layout(width="52em", max_width="100%"), style=LABEL
        )
        self.restore_button = widgets.Button(
            description="Restore", disabled=True, tooltip="turn the sliders to the first chosen run's settings"
        )
        self.says, self.list, self.curves = widgets.HTML(), widgets.HTML(), widgets.HTML()
        for widget in (self.head, self.order):
            widget.observe(lambda _: self.refresh(), "value")
        self.chosen.observe(lambda _: self._compare(), "value")
        self.restore_button.on_click(lambda _: self.restore())
        hint = widgets.HTML("Choose two to four runs (Ctrl or ⌘, or Shift with the arrow keys).")
        rows = [widgets.HBox([self.head, self.order], layout=widgets.Layout(flex_flow="row wrap")), hint, self.chosen]
        super().__init__([widgets.HTML(STYLE), *rows, self.restore_button, self.says, self.list, self.curves])
        if panel is not None:
            panel.listeners.append(self.refresh)
        self.refresh()

    def __repr__(self) -> str:
        return "RunTable: recorded runs, sorted; two to four compared; restore"

    def refresh(self) -> None:
        """Nothing; reads the runs again, in the order that is set."""
        chosen = [self.runs[number] for number in self.chosen.value]  # they stay chosen, wherever they are now
        self.runs = [run for run in _recorded(self.panel) if run.head == self.head.value]
        table = book.runs_table(self.runs).reset_index()
        best_is_low = self.head.value == "stars"
        ascending = {"best": best_is_low, "run": False}.get(self.order.value, True)
        order = table.sort_values(self.order.value, ascending=ascending, kind="stable").index
        self.chosen.options = [(book.in_a_line(self.runs[number]), int(number)) for number in order]
        self.chosen.value = tuple(int(number) for number in order if self.runs[number] in chosen)
        self._compare()

    def select(self, *numbers: int) -> None:
        """Nothing; chooses the runs with these places in the order that is shown, from 0, as clicks do."""
        self.chosen.index = numbers

    def restore(self) -> None:
        """Nothing; the panel's sliders take the settings of the first chosen run."""
        if self.panel is not None and self.chosen.value:
            run = self.runs[self.chosen.value[0]]
            try:
                self.panel.set(run.settings)
                self._say("The sliders stand as in that run.")
            except ValueError as error:
                self._say(str(error))

    def _compare(self) -> None:
        numbers = self.chosen.value
        self.restore_button.disabled = self.panel is None or not numbers
        self.table, self.list.value, self.curves.value = None, "", ""
        self._say("")
        if len(numbers) > MOST_COMPARED:
            self._say(f"{len(numbers)} runs are too many for the eye; choose up to {MOST_COMPARED}.")
        elif numbers:
            runs = [self.runs[number] for number in numbers]
            self.curves.value = as_picture(runs)
            if len(runs) > 1:
                self.table = book.compare_runs(runs)
                self.list.value = as_html(_for_reading(self.table), *_headings(self.table))

    def _say(self, text: str) -> None:
        self.says.value = f'<p role="status">{html.escape(text)}</p>' if text else ""


def _for_reading(table: pd.DataFrame) -> pd.DataFrame:
    formats = {"best": "{:.4f}", "seconds": "{:.0f}", "predicted": "{:g}"}
    told = table.copy().astype(object)
    for name in told:
        if name in formats:
            told[name] = [None if pd.isna(value) else formats[name].format(value) for value in table[name]]
        elif name in SETTINGS:
            told[name] = [shown(value) for value in table[name]]
    return told.where(told.notna(), None)


def _headings(table: pd.DataFrame) -> tuple[dict, str]:
    names = {"loss": "Loss", "metric": "Metric", "best": "Best", "best_epoch": "In epoch", "seconds": "Seconds"}
    names |= {name: setting.label for name, setting in SETTINGS.items()} | {"predicted": "Predicted"}
    return {name: names[name] for name in table}, "Only what differs is shown of the settings"


class ResponseSurface(widgets.VBox):
    """The best value on validation by learning rate and dimension, a button each: the darker the better.

    A click turns the panel's sliders to it.

    Attributes:
        panel: a `TrainPanel`, or None.
        head: the widget that says of which head.
        table: the values, a DataFrame.
        buttons: {(learning_rate, dim): button}.
    """

    def __init__(self, panel=None):
        self.panel, self.table, self.buttons = panel, None, {}
        self.head = widgets.Dropdown(options=HEADS, description="Head", layout=WIDE, style=LABEL)
        self.says, self.grid = widgets.HTML(), widgets.GridBox()
        self.head.observe(lambda _: self.refresh(), "value")
        super().__init__([self.head, self.says, self.grid])
        if panel is not None:
            panel.listeners.append(self.refresh)
        self.refresh()

    def __repr__(self) -> str:
        return "ResponseSurface: the best value on validation by learning rate and dimension; click to load"

    def refresh(self) -> None:
        """Nothing; reads the runs again."""
        head = self.head.value
        try:
            self.table = book.surface(_recorded(self.panel), head)
        except ValueError as error:
            self.table, self.buttons, self.grid.children = None, {}, ()
            self._say(str(error))
            return
        better = "lower" if head == "stars" else "higher"
        metric = f"Best {METRICS[head]} on validation within the course's epochs, {better} is better"
        self._say(f"{metric}: by learning rate (rows) and dimension (columns).")
        low, high = np.nanmin(self.table), np.nanmax(self.table)
        worst, best = (high, low) if head == "stars" else (low, high)
        self.buttons = {}
        cells = [widgets.Label("rate \\ dimension"), *(widgets.Label(str(dim)) for dim in self.table)]
        for rate, row in self.table.iterrows():
            cells.append(widgets.Label(shown(rate)))
            for dim, value in row.items():
                share = 0.0 if best == worst or pd.isna(value) else (value - worst) / (best - worst)
                self.buttons[rate, dim] = self._button(rate, dim, value, share)
                cells.append(self.buttons[rate, dim])
        self.grid.children = cells
        self.grid.layout.grid_template_columns = f"10em repeat({self.table.shape[1]}, 6em)"

    def load(self, learning_rate: float, dim: int) -> None:
        """Nothing; turns the panel's sliders to these two and the course's other settings."""
        if self.panel is None:
            self._say("There is no panel to load it into: ResponseSurface(panel) has one.")
            return
        try:
            loss = COURSE_LOSS[self.head.value]
            self.panel.set({"loss": loss, "learning_rate": learning_rate, "dim": dim})
            self._say(f"Loaded: learning rate {shown(learning_rate)}, dimension {dim}.")
        except ValueError as error:
            self._say(str(error))

    def _button(self, rate: float, dim: int, value: float, share: float) -> widgets.Button:
        if pd.isna(value):
            return widgets.Button(description="–", disabled=True, layout=widgets.Layout(width="6em"))
        background, text = colours_of(share)
        button = widgets.Button(
            description=f"{value:.4f}",
            tooltip=f"learning rate {shown(rate)}, dimension {dim}: {value:.4f}. Click to load",
            layout=widgets.Layout(width="6em"),
            style={"button_color": background, "text_color": text},
        )
        button.on_click(lambda _: self.load(rate, dim))
        return button

    def _say(self, text: str) -> None:
        self.says.value = f'<p role="status">{html.escape(text)}</p>'


def colours_of(share: float) -> tuple[str, str]:
    """The background of a button, the darker the better, and the colour of the number on it.

    Args:
        share: 0 for the worst value, 1 for the best.
    """
    channels = (round(light + share * (dark - light)) for light, dark in zip(LIGHT, DARK, strict=True))
    background = "#" + "".join(f"{channel:02x}" for channel in channels)
    return background, plots.text_on(background)
