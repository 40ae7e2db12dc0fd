"""Turn the settings, predict, train and compare on one screen: `train`, and a panel that calls it.

Taught in notebooks/06_training.
"""

import html
import math
import re
import threading
import time

import ipywidgets as widgets
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from movierec import plots, training  # `training` loads TensorFlow when a training starts, and not before
from movierec.data import chosen
from movierec.play import runs as recorded
from movierec.play.parts import Panel, columns, on_change, picture, status
from movierec.play.runs import COURSE_LOSS, LOSSES, METRICS, NAMES, SETTINGS, Run, default_settings, shown

SECONDS_BETWEEN_PICTURES = 1.0  # drawing takes a fifth of a second, and the training waits for it
OVERLAID = 3  # runs whose curves are shown together
ONE_AT_A_TIME = threading.Lock()  # a second training would wait for the first, and nobody would see why
RUNNING: dict = {"stop": None}  # the `Stop` of the training that runs, whichever panel started it
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


def train(
    split, movies=None, users=None, *, loss=COURSE_LOSS["ranking"], predicted=None, on_epoch=None, stop=None, **settings
) -> Run:
    """Train one head with `fit_hybrid` and return it as a run; write nothing.

    A setting of `SETTINGS` that is left out is the course's; `predicted` is your guess of the best validation value;
    `on_epoch` gets each row of `Run.history`. Raise ValueError if a setting is unknown or out of range, or there is
    no validation part, and `training.Stopped` if it was stopped within its first epoch.
    """
    settings = default_settings(loss) | settings
    settings["hidden"] = tuple(settings["hidden"])
    unknown = sorted(settings.keys() - SETTINGS.keys() - {"loss"})
    if unknown:
        raise ValueError(f"a run has the settings {list(SETTINGS)}; got {unknown}.")
    if split.validation is None:
        raise ValueError("a run is judged on validation, and this split has none. Try movierec.split_by_user_time.")
    head, kind = LOSSES[loss]
    stop = stop or training.Stop()
    history = []
    started, cpu_started = time.perf_counter(), time.process_time()

    def keep(row):
        value = float(row[f"validation_{METRICS[head]}"])
        seconds = round(time.perf_counter() - started, 2)
        history.append({"epoch": row["epoch"], "loss": row[f"train_{head}_loss"], "value": value, "seconds": seconds})
        if on_epoch is not None:
            on_epoch(history[-1])

    keywords = {setting.keyword[head]: settings[name] for name, setting in SETTINGS.items()}
    training.fit_hybrid(split, movies, users, heads=(head,), on_epoch=keep, stop=stop, **keywords, **kind)
    cpu_seconds = round(time.process_time() - cpu_started, 1)
    return Run(settings, history, predicted, stop.asked, chosen(), len(split.train), cpu_seconds)


def expected_seconds(settings: dict, runs: list[Run]) -> float:
    """Return how long all epochs may take, judged by the most similar run of the same head; NaN without one."""
    similar = [run for run in runs if run.head == LOSSES[settings["loss"]][0] and len(run.history) > 1]
    if not similar:
        return math.nan

    def distance(run: Run) -> float:
        ratios = [settings[name] / run.settings[name] for name in ("dim", "batch")]
        return (run.settings["loss"] != settings["loss"]) + sum(abs(math.log2(ratio)) for ratio in ratios)

    run = min(reversed(similar), key=distance)  # of equals the newest: it was made on this machine
    first = run.history[0]["seconds"]
    per_epoch = (run.seconds - first) / (len(run.history) - 1)
    return max(first - per_epoch, 0.0) + settings["epochs"] * per_epoch


def draw_curves(fig, runs: list[Run], rivals: dict[str, float], epochs: int | None = None):
    """Draw validation's metric above the loss on train, by epoch, for runs of one head; return the figure.

    The best epoch of each run is marked; `rivals`, {name: value}, are horizontal lines. The horizontal axis ends at
    `epochs`, or with the longest run. `fig` is a Figure made without pyplot, whose figures belong to the cell that is
    running (this one is drawn in a thread), or a part of one.
    """
    if len({run.metric for run in runs}) != 1:
        raise ValueError(f"curves need runs of one head; got {sorted({run.head for run in runs}) or 'none'}.")
    above, below = axes = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    differing = recorded.compare_runs(runs) if len(runs) > 1 else _unusual(runs[0])
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
        f"{recorded.label(run, _unusual(run))}: best {run.best:.4f} in epoch {run.best_epoch}" for run in runs
    )
    beat = "".join(f"; {name} {value:.3f}" for name, value in rivals.items())
    return picture(fig, f"{NAMES[runs[0].head]} on validation and loss on train by epoch. {said}{beat}.")


def draw_panel(settings: dict, overlaid: dict[str, list[Run]], rivals: dict[str, dict]) -> Figure:
    """Draw the settings and the curves of both heads: what is seen of a panel where widgets do not run."""
    fig = Figure(figsize=(8, 3), layout="constrained")
    left, *right = fig.subfigures(1, 3, width_ratios=[1, 1.2, 1.2])
    ax = left.subplots()
    ax.set(xlim=(0, 1.05), ylim=(len(SETTINGS) + 1, -1))
    ax.set_axis_off()
    ax.text(0, -0.8, settings["loss"], fontsize=SMALL, fontweight="bold")
    for row, (name, setting) in enumerate(SETTINGS.items()):
        options = setting.options[LOSSES[settings["loss"]][0]]
        ax.text(0, row + 0.1, _name(setting, settings["loss"]), fontsize=SMALLER)
        ax.text(1, row + 0.1, shown(settings[name]), fontsize=SMALLER, ha="right")
        ax.plot([0, 1], [row + 0.35, row + 0.35], color="0.8", linewidth=2, linestyle="-")
        ax.plot(options.index(settings[name]) / (len(options) - 1), row + 0.35, "o", color=plots.COLOURS[0])
    for at, button in ((0.04, "Train"), (0.34, "Stop")):
        ax.text(at, len(SETTINGS) + 0.6, button, fontsize=SMALL, bbox={"boxstyle": "round", "facecolor": "0.92"})
    for part, (head, runs) in zip(right, overlaid.items(), strict=True):
        if runs:
            draw_curves(part, runs, rivals[head])
    return fig


MEANINGS = "".join(f"<dt>{one.label}</dt><dd>{html.escape(one.meaning)}</dd>" for one in SETTINGS.values())
MEANINGS = f"<details><summary>What the settings mean</summary><dl>{MEANINGS}</dl></details>"


class TrainPanel(Panel):
    """Sliders, a prediction, Train and Stop; the curves of three runs of each head, all runs, the response surface.

    `set`, `train`, `wait`, `choose` and `load` drive it by code. It trains in a thread of its own, so that cells can
    be run meanwhile. `run` is the last training of this panel, or None; it is added to `own_path`.
    """

    purpose = "loss, dimension, MLP, dropout, learning rate, batch, epochs, seed; predict, train, stop"

    def __init__(self, split, movies=None, users=None):
        self.data = (split, movies, users)
        self.run = self._thread = self._picked = self._frame = None
        self._unwritten, self._listed, self._filling = [], [], False
        self.buttons: dict[tuple, widgets.Button] = {}  # (learning rate, dimension) -> a cell of the surface
        self.rivals = {head: recorded.rivals(head, len(split.train)) for head in METRICS}
        self.overlaid = {head: self._usual_run(loss) for head, loss in COURSE_LOSS.items()}
        self.loss = widgets.Dropdown(options=list(LOSSES), description="What is trained, and its loss", layout=ROOM)
        self.sliders = {
            name: widgets.SelectionSlider(options=[""], tooltip=one.meaning, continuous_update=False, layout=ROOM)
            for name, one in SETTINGS.items()
        }
        self.predicted = widgets.Text(layout=ROOM)
        self.train_button = widgets.Button(description="Train", button_style="primary", layout={"width": "6em"})
        self.stop_button = widgets.Button(description="Stop", tooltip="the best epoch is kept", layout={"width": "5em"})
        self.stop_button.disabled = True
        self.progress = widgets.IntProgress(layout={"width": "auto", "height": "10px", "margin": "3px 0"})
        self.estimate, self.says, self.differs, self.surface_says = (widgets.HTML() for _ in range(4))
        self.curves = {head: widgets.HTML(layout={"flex": "1 1 13em", "max_width": "25em"}) for head in METRICS}
        self.all_runs = widgets.Select(description="All runs, best first: choose one to restore it", rows=8)
        self.surface = widgets.GridBox().add_class("movierec-surface")
        super().__init__(widgets.HTML(CSS), self._on_one_screen(), widgets.HTML(MEANINGS))
        self.add_class("movierec-train")
        self._draw("stars")
        self.set(default_settings())
        on_change(lambda: self._filling or self.set(default_settings(self.loss.value)), self.loss)
        on_change(lambda: self._filling or self._estimate(), *self.sliders.values())
        on_change(self._restore, self.all_runs)
        self.train_button.on_click(lambda _: self.train())
        self.stop_button.on_click(lambda _: self.stop())

    def _on_one_screen(self) -> widgets.HBox:
        two = {
            "grid_template_columns": "repeat(auto-fit, minmax(11em, 1fr))",
            "grid_gap": "2px 16px",
            "align_items": "flex-start",
        }
        settings = widgets.GridBox([*self.sliders.values(), self.predicted], layout=two)
        buttons = widgets.HBox([self.train_button, self.stop_button, self.estimate])
        left = [self.loss, settings, buttons, self.progress, self.says, self.differs, self.all_runs]
        right = [columns(*self.curves.values()), self.surface_says, self.surface]
        return columns(
            widgets.VBox(left, layout={"flex": "1 1 20em", "margin": "0 12px 0 0"}),
            widgets.VBox(right, layout={"flex": "2 1 33em"}),
        )

    def _repr_mimebundle_(self, **more):
        """Return the widget and a picture of it, which is shown on GitHub and on paper."""
        fig = draw_panel(self.settings(), {head: self.shown(head) for head in METRICS}, self.rivals)
        image = plots.alt(fig, repr(self))
        about = {"image/png": {"alt": image.text, "width": image.width}}
        return super()._repr_mimebundle_(**more) | {"image/png": image.png}, about

    def _usual_run(self, loss: str) -> list[Run]:
        return [run for run in self.runs if run.settings == default_settings(loss)][:1]

    @property
    def head(self) -> str:
        """The head that the chosen loss trains."""
        return LOSSES[self.loss.value][0]

    def settings(self) -> dict:
        """Return what is set, as `train` takes it."""
        return {"loss": self.loss.value} | {name: slider.value for name, slider in self.sliders.items()}

    def set(self, settings: dict) -> None:
        """Turn the sliders, to the course's settings by default; raise ValueError if one does not have the value."""
        settings = default_settings(settings.get("loss", self.loss.value)) | settings
        head = LOSSES[settings["loss"]][0]
        for name in settings.keys() - {"loss"}:
            options = SETTINGS[name].options[head] if name in SETTINGS else []
            if settings[name] not in options:
                can_be = f"can be {[shown(option) for option in options]}" if options else "is unknown"
                raise ValueError(f"`{name}` of {settings['loss']!r} {can_be}; got {settings[name]!r}.")
        asks = f"Predict first: {NAMES[head]}"
        if self.predicted.description != asks:
            self.predicted.description, self.predicted.value = asks, ""  # it was a prediction of the other metric
        self._filling = True
        self.loss.value = settings["loss"]
        for name, setting in SETTINGS.items():
            slider = self.sliders[name]
            slider.description = _name(setting, settings["loss"])
            slider.options = [(shown(value), value) for value in setting.options[head]]
            slider.value = settings[name]
        self.refresh()

    def train(self) -> None:
        """Start to train in a thread; see `wait`, `stop` and `run`."""
        self.run = self._thread = None
        text = self.predicted.value.strip().replace(",", ".")
        if not re.fullmatch(r"(\d*\.?\d+)?", text):
            self.say(f"The prediction must be a number such as 0.15, or empty; it is {self.predicted.value!r}.")
            return
        if not ONE_AT_A_TIME.acquire(blocking=False):
            self.stop_button.disabled = False  # the panel that started it may be gone with its cell
            self.say("Another training is running. Stop it here, or wait until it is done.")
            return
        try:
            RUNNING["stop"] = training.Stop()
            settings = self.settings()
            self.progress.value, self.progress.max = 0, settings["epochs"]
            self.train_button.disabled, self.stop_button.disabled = True, False
            self.predicted.value = self.differs.value = ""
            self.say("Preparing: the first epoch takes longest.")
            arguments = settings, float(text) if text else None
            self._thread = threading.Thread(target=self._work, args=arguments, daemon=True)
            self._thread.start()
        except BaseException:
            self._done()
            raise

    def stop(self) -> None:
        """End the training that runs, in this panel or another one, after its batch; its best epoch is kept."""
        if RUNNING["stop"] is not None:
            RUNNING["stop"].ask()
        self.say("Stopping after this batch.")

    def wait(self, timeout_seconds: float = 600) -> Run | None:
        """Return the run once it is over, or None if there is none; raise TimeoutError if it still trains then."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if self._thread.is_alive():
                raise TimeoutError(f"still training after {timeout_seconds:g} s; wait again, or stop().")
        return self.run

    def shown(self, head: str) -> list[Run]:
        """Return the runs whose curves are overlaid, the last one last."""
        picked = [self._picked] if self._picked and self._picked.head == head else []
        return (self.overlaid[head] + picked)[-OVERLAID:]

    def choose(self, run: Run) -> None:
        """Turn the sliders as in a run and overlay it, in the place of the one that was chosen before."""
        before, self._picked = self._picked, run
        try:
            self.set(run.settings)
            self.say(f"The sliders stand as in the run with {run.best:.4f}.")
        except ValueError as error:
            self._picked = before
            self.say(str(error))

    def load(self, learning_rate: float, dim: int) -> None:
        """Choose the run of a cell of the response surface."""
        self.choose(recorded.on_grid(self.runs, self.head)[learning_rate, dim])

    def refresh(self) -> None:
        """Read the recorded runs again; show the list, the surface, and the curves of this head."""
        last = self.shown(self.head)[-1:]
        runs = [run for run in self.runs if run.head == self.head]
        self._listed = sorted(runs, key=lambda run: run.best, reverse=self.head == "ranking")
        self._filling = True
        self.all_runs.options = [(_in_a_line(run), number) for number, run in enumerate(self._listed)]
        self.all_runs.index = self._listed.index(last[0]) if last and last[0] in self._listed else None
        self._filling = False
        self._estimate()
        self._show_surface(runs, last)
        self._draw(self.head)
        two = self.shown(self.head)[-2:]
        self.differs.value = status(recorded.difference(two[1], two[0], runs)) if len(two) == 2 else ""

    def _restore(self) -> None:
        if not self._filling and self.all_runs.value is not None:
            self.choose(self._listed[self.all_runs.value])

    def _draw(self, head: str, live: Run | None = None) -> None:
        runs, epochs = self.shown(head), None
        if live is not None:
            runs, epochs = [*runs, live][-OVERLAID:], live.settings["epochs"]
        self.curves[head].value = curves_as_html(runs, self.rivals[head], epochs) if runs else ""

    def _show_surface(self, runs: list[Run], last: list[Run]) -> None:
        grid = recorded.on_grid(runs, self.head)
        rates, dims = (sorted(set(values)) for values in zip(*grid, strict=True)) if grid else ((), ())
        if self._frame != (self.head, rates, dims):  # made again only if it must be: the cell in focus stays there
            self._frame = self.head, rates, dims
            self.buttons = {(rate, dim): self._cell(rate, dim) for rate in rates for dim in dims}
            cells = [widgets.Label("rate \\ dim"), *(widgets.Label(str(dim)) for dim in dims)]
            for rate in rates:
                cells += [widgets.Label(shown(rate)), *(self.buttons[rate, dim] for dim in dims)]
            self.surface.children = cells if grid else ()
            self.surface.layout.grid_template_columns = f"5em repeat({len(dims)}, minmax(0, 6em))"
        about = f"Best {NAMES[self.head]} by learning rate and dimension; ● is the last run. Choose a cell to load it."
        self.surface_says.value = f"<p>{about}</p>" if grid else ""
        best = sorted((run.best for run in grid.values()), reverse=self.head == "stars")  # the worst first
        for place, button in self.buttons.items():
            run = grid.get(place)
            here = "● " if last and place == (last[0].settings["learning_rate"], last[0].settings["dim"]) else ""
            button.disabled, button.description = run is None, here + (f"{run.best:.4f}" if run else "–")
            if run is not None:
                share = (run.best - best[0]) / (best[-1] - best[0]) if best[-1] != best[0] else 0.0
                colour = to_hex(SHADES(float(share)))
                button.style.button_color, button.style.text_color = colour, plots.text_on(colour)
                button.tooltip = f"learning rate {shown(place[0])}, dimension {place[1]}: {run.best:.4f}"

    def _cell(self, rate: float, dim: int) -> widgets.Button:
        button = widgets.Button(layout={"width": "auto", "height": "24px", "margin": "0"})
        button.on_click(lambda _: self.load(rate, dim))
        return button

    def _work(self, settings: dict, predicted: float | None) -> None:
        history, drawn_at = [], -math.inf
        head = LOSSES[settings["loss"]][0]

        def on_epoch(row):
            nonlocal drawn_at
            history.append(row)
            self.progress.value = row["epoch"]
            if row["seconds"] - drawn_at > SECONDS_BETWEEN_PICTURES:
                drawn_at = row["seconds"]
                self._draw(head, Run(settings, history))
            self.say(f"Epoch {row['epoch']} of at most {settings['epochs']}, {row['seconds']:.0f} s")

        try:
            self.run = run = train(*self.data, predicted=predicted, on_epoch=on_epoch, stop=RUNNING["stop"], **settings)
            known = any(run.repeats(other) for other in self.runs)
            again = " The same numbers as in a recorded run: a seed repeats itself." if known else ""
            self.say(self.summary() + again)
            if not known or predicted is not None:
                try:
                    recorded.append_run(run, recorded.own_path())
                except OSError as error:
                    self._unwritten.append(run)
                    self.say(f"{self.summary()} It could not be written, and is kept until the kernel ends. {error}")
            self.overlaid[head] = [*self.shown(head), run]
            self._picked = None
            self.refresh()
        except training.Stopped as stopped:
            self.say(str(stopped).capitalize())
        except Exception as error:  # nobody would see it otherwise: a thread has no cell to print it under
            self.say(f"{type(error).__name__}: {error}")
        finally:
            self._done()

    def _done(self) -> None:
        self.train_button.disabled, self.stop_button.disabled = False, True
        ONE_AT_A_TIME.release()

    @property
    def runs(self) -> list[Run]:
        """The shipped runs, then the reader's, oldest first."""
        return recorded.known_runs(len(self.data[0].train)) + self._unwritten

    def summary(self) -> str:
        """Return the last run in a sentence."""
        run = self.run
        if run is None:
            return "There is no run: nothing was trained here yet, or nothing was kept of it."
        ended = f"{'Stopped' if run.stopped else 'Over'} after {len(run.history)} epochs, {run.seconds:.0f} s"
        text = f"{ended}: {NAMES[run.head]} {run.best:.4f} in epoch {run.best_epoch}."
        if run.predicted is not None:
            text += f" You predicted {run.predicted:g}: {abs(run.best - run.predicted):.4f} off."
        return text

    def _estimate(self) -> None:
        seconds = expected_seconds(self.settings(), self.runs)
        about = f"<p>about {seconds:.0f} s or less</p>"
        self.estimate.value = "" if math.isnan(seconds) else about


def _name(setting, loss: str) -> str:
    units = setting.unit.split("; for lists, ")
    return f"{setting.label} ({units[0] if loss.startswith('stars') else units[-1]})"


def _in_a_line(run: Run) -> str:
    return f"{run.best:.4f}: {recorded.label(run, _unusual(run))}{', stopped' if run.stopped else ''}"


def _unusual(run: Run) -> list[str]:
    usual = default_settings(COURSE_LOSS[run.head])
    return [name for name in usual if run.settings[name] != usual[name]]
