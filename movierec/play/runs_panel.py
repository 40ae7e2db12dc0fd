"""Learning curves, a table of recorded runs, and the best value by learning rate and dimension: views on `runs`.

Taught in notebooks/06_training.
"""

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from movierec import plots
from movierec.play import runs as recorded
from movierec.play.parts import FIELD, Panel, as_html, on_change, picture
from movierec.play.runs import COURSE_LOSS, HINTS, SETTINGS, Run, shown

MOST_COMPARED = 4
ORDERS = {"best first": "best", "newest first": "run", "fastest first": "seconds", "smallest dimension first": "dim"}
HEADS = {"lists": "ranking", "stars": "stars"}
HEADINGS = {"loss": "Loss", **{name: setting.label for name, setting in SETTINGS.items()}, "metric": "Metric"}
HEADINGS |= {"best": "Best", "best_epoch": "In epoch", "seconds": "Seconds", "predicted": "Predicted"}
FORMATS = {"best": "{:.4f}", "seconds": "{:.0f}", "predicted": "{:g}"}
LINES = {"color": plots.COLOURS, "linestyle": plots.LINE_STYLES, "marker": plots.MARKERS}
SHADES = LinearSegmentedColormap.from_list("light to dark", ["#f2f6fb", "#1f5fa0"])  # the worst to the best button


def draw_curves(runs: list[Run], epochs: int | None = None) -> Figure:
    """Draw loss on train and metric on validation by epoch, a line for each run of one head; the best epoch is marked.

    The figure is made without pyplot, whose figures belong to the cell that is running: this one is drawn in a thread.
    The axis ends at `epochs`, or at the last epoch of the longest run.
    """
    if len({run.metric for run in runs}) != 1:
        raise ValueError(f"curves need runs of one head; got {sorted({run.head for run in runs}) or 'none'}.")
    fig = Figure(figsize=(5.2, 2.3), dpi=plots.SCREEN_DPI, layout="constrained")
    axes = fig.subplots(1, 2)
    differing = recorded.compare_runs(runs) if len(runs) > 1 else []
    names = [recorded.label(run, differing) for run in runs]
    for number, run in enumerate(runs):
        style = {name: values[number % len(values)] for name, values in LINES.items()}
        by_epoch = [row["epoch"] for row in run.history]
        name = f"{names[number]} ({number + 1})" if names.count(names[number]) > 1 else names[number]
        for ax, quantity in zip(axes, ("loss", "value"), strict=True):
            ax.plot(by_epoch, [row[quantity] for row in run.history], label=name, **style)
        axes[1].plot(run.best_epoch, run.best, marker="o", markersize=9, color=style["color"], fillstyle="none")
    axes[0].set_title("loss on train" if len({run.settings["loss"] for run in runs}) == 1 else "loss, each its own")
    axes[1].set_title(f"{runs[0].metric}, validation")
    for ax in axes:
        ax.set(xlabel="epoch", xlim=(0.5, max(epochs or 0, 2, *(len(run.history) for run in runs)) + 0.5))
        ax.xaxis.get_major_locator().set_params(integer=True)
    if len(runs) > 1:
        fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def curves_as_html(runs: list[Run], epochs: int | None = None) -> str:
    """Return `draw_curves` as HTML, with the best values in its alternative text."""
    said = "; ".join(f"{run.settings['loss']}: best {run.best:.4f} in epoch {run.best_epoch}" for run in runs)
    return picture(draw_curves(runs, epochs), f"Loss on train and {runs[0].metric} on validation by epoch. {said}.")


def _in_a_line(run: Run) -> str:
    usual = recorded.default_settings(COURSE_LOSS[run.head])
    other = recorded.label(run, [name for name in usual if run.settings[name] != usual[name]])
    return f"{run.best:.4f}: {other}{', stopped' if run.stopped else ''}"


class RunsView(Panel):
    """What the views on recorded runs share: the head, and the `TrainPanel` that is turned and listened to."""

    def __init__(self, panel, *rows):
        self.panel, self.table = panel, None
        self.says = widgets.HTML()
        self.head = widgets.Dropdown(options=HEADS, description="Head", **FIELD)
        on_change(self.refresh, self.head)
        super().__init__(self.head, *rows, self.says)
        panel.listeners.append(self.refresh)
        self.refresh()

    def turn(self, settings: dict, done: str) -> None:
        """Turn the panel's sliders and say `done`, or why it cannot be done."""
        try:
            self.panel.set(settings)
            self.say(done)
        except ValueError as error:
            self.say(str(error))


class RunTable(RunsView):
    """All runs of a head; two to four can be compared, see `table`, and the settings of any one can be restored."""

    purpose = "recorded runs, sorted; two to four compared; restore"

    def __init__(self, panel):
        self.runs = []
        self.order = widgets.Dropdown(options=ORDERS, description="Order", **FIELD)
        wide = FIELD | {"layout": {"width": "52em", "max_width": "100%"}}
        self.chosen = widgets.SelectMultiple(description="Runs", rows=10, **wide)
        tooltip = "turn the sliders as in the first chosen run"
        self.restore_button = widgets.Button(description="Restore", tooltip=tooltip)
        self.list, self.curves = widgets.HTML(), widgets.HTML()
        on_change(self.refresh, self.order)
        on_change(self._compare, self.chosen)
        self.restore_button.on_click(lambda _: self.restore())
        hint = widgets.HTML("Choose two to four runs (Ctrl or ⌘, or Shift with the arrow keys).")
        super().__init__(panel, self.order, hint, self.chosen, self.restore_button, self.list, self.curves)

    def refresh(self) -> None:
        """Read the runs again, in the order that is set; what is chosen stays chosen."""
        chosen = [self.runs[number] for number in self.chosen.value]
        self.runs = [run for run in self.panel.runs if run.head == self.head.value]
        ascending = {"best": self.head.value == "stars", "run": False}.get(self.order.value, True)
        table = recorded.runs_table(self.runs).reset_index()
        order = table.sort_values(self.order.value, ascending=ascending, kind="stable").index.tolist()
        self.chosen.options = [(_in_a_line(self.runs[number]), number) for number in order]
        self.chosen.value = tuple(number for number in order if self.runs[number] in chosen)
        self._compare()

    def restore(self) -> None:
        """Turn the sliders to the settings of the first chosen run."""
        if self.chosen.value:
            self.turn(self.runs[self.chosen.value[0]].settings, "The sliders stand as in that run.")

    def _compare(self) -> None:
        runs = [self.runs[number] for number in self.chosen.value]
        many = len(runs) > MOST_COMPARED
        self.restore_button.disabled = not runs
        self.say(f"{len(runs)} runs are too many; choose up to {MOST_COMPARED}." if many else "")
        self.table = recorded.compare_runs(runs) if 1 < len(runs) <= MOST_COMPARED else None
        self.curves.value = curves_as_html(runs) if runs and not many else ""
        self.list.value = ""
        if self.table is not None:
            show = {name: FORMATS[name].format if name in FORMATS else shown for name in self.table}
            text = {name: self.table[name].astype(object).map(show[name], na_action="ignore") for name in show}
            names = {name: HEADINGS[name] for name in show}
            self.list.value = as_html(pd.DataFrame(text), names, "Only the settings that differ are shown")


class ResponseSurface(RunsView):
    """The best value by learning rate and dimension: `buttons` {(learning_rate, dim): button}; a click loads both."""

    purpose = "the best value on validation by learning rate and dimension; click to load"

    def __init__(self, panel):
        self.buttons = {}
        self.grid = widgets.GridBox()
        super().__init__(panel, self.grid)

    def refresh(self) -> None:
        """Read the runs again."""
        head = self.head.value
        self.table, self.buttons = None, {}
        self.grid.children = ()
        try:
            self.table = recorded.surface(self.panel.runs, head)
        except ValueError as error:
            return self.say(str(error))
        about = f"Best {HINTS[head]}, on validation within the course's epochs"
        self.say(f"{about}: by learning rate (rows) and dimension (columns).")
        low, high = np.nanmin(self.table), np.nanmax(self.table)
        worst, best = (high, low) if head == "stars" else (low, high)
        cells = [widgets.Label("rate \\ dimension"), *(widgets.Label(str(dim)) for dim in self.table)]
        for rate, row in self.table.iterrows():
            cells.append(widgets.Label(shown(rate)))
            for dim, value in row.items():
                share = 0.0 if best == worst else (value - worst) / (best - worst)
                self.buttons[rate, dim] = self._button(rate, dim, value, share)
                cells.append(self.buttons[rate, dim])
        self.grid.children = cells
        self.grid.layout.grid_template_columns = f"10em repeat({self.table.shape[1]}, 6em)"

    def load(self, learning_rate: float, dim: int) -> None:
        """Turn the panel's sliders to these two and the course's other settings."""
        settings = {"loss": COURSE_LOSS[self.head.value], "learning_rate": learning_rate, "dim": dim}
        self.turn(settings, f"Loaded: learning rate {shown(learning_rate)}, dimension {dim}.")

    def _button(self, rate: float, dim: int, value: float, share: float) -> widgets.Button:
        if pd.isna(value):
            return widgets.Button(description="–", disabled=True, layout={"width": "6em"})
        background = to_hex(SHADES(float(share)))  # 0 for the worst value, 1 for the best
        tooltip = f"learning rate {shown(rate)}, dimension {dim}: {value:.4f}. Click to load"
        button = widgets.Button(description=f"{value:.4f}", tooltip=tooltip, layout={"width": "6em"})
        button.style.button_color, button.style.text_color = background, plots.text_on(background)
        button.on_click(lambda _: self.load(rate, dim))
        return button
