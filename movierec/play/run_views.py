"""What is seen of training runs: curves, the response surface, and lines of a list.

Taught in notebooks/06_training.
"""

import html

import ipywidgets as widgets
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from movierec import plots
from movierec.play import runs as recorded
from movierec.play.parts import picture
from movierec.play.runs import COURSE_LOSS, NAMES, SETTINGS, Run, default_settings, shown

TITLES = {"stars": "Stars: lower is better", "ranking": "Lists: higher is better"}
SHADES = LinearSegmentedColormap.from_list("light to dark", ["#f2f6fb", "#1f5fa0"])  # the worst to the best value
SMALL, SMALLER = 8, 7  # points
ROOM = {"width": "auto", "margin": "0"}
CSS = """<style>
.movierec-train .widget-inline-hbox {flex-wrap: wrap; height: auto; width: auto; min-width: 0; margin: 0 0 2px}
.movierec-train .widget-inline-hbox > .widget-label {order: 1; flex: 1; width: auto; min-width: 0; text-align: left}
.movierec-train .widget-readout {order: 2; flex: none; width: auto; min-width: 0; margin: 0; text-align: right}
.movierec-train .slider-container {order: 3; flex: 0 0 calc(100% - 18px); min-width: 0; margin: 0 9px}
.movierec-train select, .movierec-train input {order: 3; flex: 1 0 100%; min-width: 0}
.movierec-train .widget-dropdown > select, .movierec-train input {height: 26px}
.movierec-train img {width: 100%; height: auto}
.movierec-train p, .movierec-train dd {margin: 0; line-height: 1.35}
.movierec-train .widget-button {padding: 0 2px}
.movierec-train .movierec-surface .widget-label {text-align: center; margin: 0}
</style>"""
MEANINGS = "".join(f"<dt>{one.label}</dt><dd>{html.escape(one.meaning)}</dd>" for one in SETTINGS.values())
MEANINGS = f"<details><summary>What the settings mean</summary><dl>{MEANINGS}</dl></details>"


def draw_curves(fig, runs: list[Run], rivals: dict[str, float], epochs: int | None = None):
    """Draw validation's metric above the loss on train, by epoch, for runs of one head; return the figure.

    The best epoch of each run is marked; `rivals`, {name: value}, are horizontal lines. The horizontal axis ends at
    `epochs`, or with the longest run. `fig` is a Figure made without pyplot, whose figures belong to the cell that is
    running (this one is drawn in a thread), or a part of one.
    """
    if len({run.metric for run in runs}) != 1:
        raise ValueError(f"curves need runs of one head; got {sorted({run.head for run in runs}) or 'none'}.")
    above, below = axes = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    differing = unusual(runs[0])
    if len(runs) > 1:
        differing = [name for name in runs[0].settings if len({run.settings[name] for run in runs}) > 1]
    last = max(epochs or 0, 2, *(len(run.history) for run in runs))
    for number, run in enumerate(runs):
        style = {"color": plots.COLOURS[number], "linestyle": plots.LINE_STYLES[number], "linewidth": 1.3}
        by_epoch = [row["epoch"] for row in run.history]
        name = f"{run.best:.4f}  {recorded.label(run, differing)}"
        above.plot(by_epoch, [row["value"] for row in run.history], label=name, **style)
        above.plot(run.best_epoch, run.best, marker="o", markersize=6, color=style["color"])
        below.plot(by_epoch, [row["loss"] for row in run.history], **style)
    for name, value in rivals.items():
        above.axhline(value, color="0.35", linestyle=":", linewidth=1)
        above.text(last + 0.4, value, f"{name} {value:.3f}", fontsize=SMALLER, color="0.25", ha="right", va="bottom")
    above.margins(y=0.12)
    above.set_title(TITLES[runs[0].head], fontsize=SMALL, fontweight="bold", loc="left")
    above.set_ylabel(NAMES[runs[0].head], fontsize=SMALLER)
    below.set_ylabel("loss on train", fontsize=SMALLER)
    below.set_xlabel("epoch", fontsize=SMALLER)
    below.set_xlim(0.5, last + 0.5)
    below.xaxis.get_major_locator().set_params(integer=True)
    for ax in axes:
        ax.tick_params(labelsize=SMALLER)
        ax.grid(visible=True, color="0.88", linewidth=0.5)
        ax.spines[["top", "right"]].set_visible(False)
    fig.legend(*above.get_legend_handles_labels(), loc="outside lower left", fontsize=SMALLER, frameon=False)
    return fig


def curves_as_html(runs: list[Run], rivals: dict[str, float], epochs: int | None = None) -> str:
    """Return `draw_curves` as HTML, with the best values in its alternative text."""
    fig = draw_curves(Figure(figsize=(2.8, 2.8), layout="constrained"), runs, rivals, epochs)
    said = "; ".join(
        f"{recorded.label(run, unusual(run))}: best {run.best:.4f} in epoch {run.best_epoch}" for run in runs
    )
    beat = "".join(f"; {name} {value:.3f}" for name, value in rivals.items())
    return picture(fig, f"{NAMES[runs[0].head]} on validation and loss on train by epoch. {said}{beat}.")


class Surface(widgets.VBox):
    """Best values by learning rate and dimension, as `buttons` that call `load(learning_rate, dim)`."""

    def __init__(self, load):
        self.buttons: dict[tuple, widgets.Button] = {}  # (learning rate, dimension) -> its cell
        self._load, self._frame = load, None
        self.says, self.grid = widgets.HTML(), widgets.GridBox()
        super().__init__([self.says, self.grid])
        self.add_class("movierec-surface")

    def show(self, runs: list[Run], head: str, last: list[Run]) -> None:
        """Show the runs of a head; mark the place of the last one."""
        grid = recorded.on_grid(runs, head)
        rates, dims = (sorted({place[which] for place in grid}) for which in (0, 1))
        if self._frame != (head, rates, dims):  # made again only if it must be: the cell in focus stays there
            self._frame = head, rates, dims
            self.buttons = {(rate, dim): self._button(rate, dim) for rate in rates for dim in dims}
            rows = [[widgets.Label("rate \\ dim"), *(widgets.Label(str(dim)) for dim in dims)]]
            rows += [[widgets.Label(shown(rate)), *(self.buttons[rate, dim] for dim in dims)] for rate in rates]
            self.grid.children = sum(rows, []) if grid else ()
            self.grid.layout.grid_template_columns = f"5em repeat({len(dims)}, minmax(0, 6em))"
        about = f"Best {NAMES[head]} by learning rate and dimension; ● is the last run. Choose a cell to load it."
        self.says.value = f"<p>{about}</p>" if grid else ""
        best = sorted((run.best for run in grid.values()), reverse=head == "stars")  # the worst first
        here = [(run.settings["learning_rate"], run.settings["dim"]) for run in last]
        for place, button in self.buttons.items():
            value, colour = "–", "white"
            if place in grid:
                value = f"{grid[place].best:.4f}"
                colour = to_hex(SHADES(float((grid[place].best - best[0]) / ((best[-1] - best[0]) or 1))))
            button.disabled, button.description = place not in grid, f"{'● ' if place in here else ''}{value}"
            button.style.button_color, button.style.text_color = colour, plots.text_on(colour)
            button.tooltip = f"learning rate {shown(place[0])}, dimension {place[1]}: {value}"

    def _button(self, rate: float, dim: int) -> widgets.Button:
        button = widgets.Button(layout={"width": "auto", "height": "24px", "margin": "0"})
        button.on_click(lambda _: self._load(rate, dim))
        return button


def name_of(setting, loss: str) -> str:
    """Return the label of a setting with its unit, as a loss has it."""
    units = setting.unit.split("; for lists, ")
    return f"{setting.label} ({units[0] if loss.startswith('stars') else units[-1]})"


def in_a_line(run: Run) -> str:
    """Return a run as a line of a list: its best value, and where it leaves the course's settings."""
    return f"{run.best:.4f}: {recorded.label(run, unusual(run))}{', stopped' if run.stopped else ''}"


def unusual(run: Run) -> list[str]:
    """Return the names of the settings that are not the course's."""
    usual = default_settings(COURSE_LOSS[run.head])
    return [name for name in usual if run.settings[name] != usual[name]]
