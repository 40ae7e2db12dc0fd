"""Turn the settings, predict, train and compare on one screen: a panel that calls `train`.

Taught in notebooks/06_training.
"""

import math
import re
import threading

import ipywidgets as widgets
from matplotlib.figure import Figure

from movierec import plots, training  # `training` loads TensorFlow when a training starts, and not before
from movierec.play import runs as recorded
from movierec.play.parts import Panel, columns, on_change, status
from movierec.play.run_once import expected_seconds, train
from movierec.play.run_views import CSS, MEANINGS, ROOM, Surface, curves_as_html, draw_curves, in_a_line, name_of
from movierec.play.runs import COURSE_LOSS, LOSSES, METRICS, NAMES, SETTINGS, Run, default_settings, shown

SECONDS_BETWEEN_PICTURES = 1.0  # drawing takes a fifth of a second, and the training waits for it
OVERLAID = 3  # runs whose curves are shown together
RUNNING: list = []  # the `Stop` of the training that runs, whichever panel started it; another one would wait for it


class TrainPanel(Panel):
    """Sliders, a prediction, Train and Stop; the curves of three runs of each head, all runs, the response surface.

    `set`, `train`, `wait`, `choose` and `load` drive it by code. It trains in a thread of its own, so that cells can
    be run meanwhile. `run` is the last training of this panel, or None; it is added to `own_path`.
    """

    purpose = "loss, dimension, MLP, dropout, learning rate, batch, epochs, seed; predict, train, stop"

    def __init__(self, split, movies=None, users=None):
        self.data = (split, movies, users)
        self.run = self._thread = None
        self._listed, self._filling = [], False
        self.rivals = {head: recorded.rivals(head, len(split.train)) for head in METRICS}
        usual = {head: default_settings(loss) for head, loss in COURSE_LOSS.items()}
        self.overlaid = {head: [run for run in self.runs if run.settings == usual[head]][:1] for head in METRICS}
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
        self.estimate, self.says, self.differs = (widgets.HTML() for _ in range(3))
        self.curves = {head: widgets.HTML(layout={"flex": "1 1 13em", "max_width": "25em"}) for head in METRICS}
        self.all_runs = widgets.Select(description="All runs, best first: choose one to restore it", rows=8)
        self.surface = Surface(self.load)
        super().__init__(widgets.HTML(CSS), self._on_one_screen(), widgets.HTML(MEANINGS))
        self.add_class("movierec-train")
        self._draw("stars")
        self.set(default_settings())
        on_change(lambda: self._filling or self.set(default_settings(self.loss.value)), self.loss)
        on_change(lambda: self._filling or self._estimate(), *self.sliders.values())
        on_change(lambda: self._filling or self.choose(self._listed[self.all_runs.value]), self.all_runs)
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
        left = widgets.VBox(left, layout={"flex": "1 1 20em", "margin": "0 12px 0 0"})
        return columns(left, widgets.VBox([columns(*self.curves.values()), self.surface], layout={"flex": "2 1 33em"}))

    def _repr_mimebundle_(self, **more):
        """Return the widget and a picture of its curves, which is shown on GitHub and on paper."""
        bundle, overlaid = super()._repr_mimebundle_(**more), self.overlaid[self.head]
        if not overlaid:
            return bundle, {}
        fig = Figure(figsize=(plots.COLUMN_WIDTH_IN, 3.6), layout="constrained")
        image = plots.alt(draw_curves(fig, overlaid, self.rivals[self.head]), repr(self), plots.PROJECTOR_DPI)
        return bundle | {"image/png": image.png}, {"image/png": {"alt": image.text, "width": image.width}}

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
            slider.description = name_of(setting, settings["loss"])
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
        if RUNNING:
            self.stop_button.disabled = False  # the panel that started it may be gone with its cell
            self.say("Another training is running. Stop it here, or wait until it is done.")
            return
        settings = self.settings()
        self.progress.value, self.progress.max = 0, settings["epochs"]
        self.train_button.disabled, self.stop_button.disabled = True, False
        self.predicted.value = self.differs.value = ""
        self.say("Preparing: the first epoch takes longest.")
        RUNNING.append(training.Stop())
        arguments = settings, float(text) if text else None
        self._thread = threading.Thread(target=self._work, args=arguments, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the training that runs, in this panel or another one, after its batch; its best epoch is kept."""
        for running in RUNNING:
            running.ask()
        self.say("Stopping after this batch.")

    def wait(self, timeout_seconds: float = 600) -> Run | None:
        """Return the run once it is over, or None if there is none; raise TimeoutError if it still trains then."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if self._thread.is_alive():
                raise TimeoutError(f"still training after {timeout_seconds:g} s; wait again, or stop().")
        return self.run

    def choose(self, run: Run) -> None:
        """Turn the sliders as in a run and overlay it."""
        try:
            self.set(run.settings)
        except ValueError as error:
            self.say(str(error))
            return
        self._overlay(run)
        self.say(f"The sliders stand as in the run with {run.best:.4f}.")

    def _overlay(self, run: Run) -> None:
        """Show a run's curve last, beside those of the two before it."""
        others = [other for other in self.overlaid[run.head] if other != run]
        self.overlaid[run.head] = [*others, run][-OVERLAID:]
        self.refresh()

    def load(self, learning_rate: float, dim: int) -> None:
        """Choose the run of a cell of the response surface."""
        self.choose(recorded.on_grid(self.runs, self.head)[learning_rate, dim])

    def refresh(self) -> None:
        """Read the recorded runs again; show the list, the surface, and the curves of this head."""
        overlaid = self.overlaid[self.head]
        runs = [run for run in self.runs if run.head == self.head]
        self._listed = sorted(runs, key=lambda run: run.best, reverse=self.head == "ranking")
        self._filling = True
        self.all_runs.options = [(in_a_line(run), number) for number, run in enumerate(self._listed)]
        shown = [number for number, run in enumerate(self._listed) if run in overlaid[-1:]]
        self.all_runs.index = shown[0] if shown else None
        self._filling = False
        self._estimate()
        self.surface.show(runs, self.head, overlaid[-1:])
        self._draw(self.head)
        self.differs.value = status(recorded.difference(*overlaid[:-3:-1], runs)) if len(overlaid) > 1 else ""

    def _draw(self, head: str, *live: Run) -> None:
        runs = [*self.overlaid[head], *live][-OVERLAID:]
        epochs = live[0].settings["epochs"] if live else None
        self.curves[head].value = curves_as_html(runs, self.rivals[head], epochs) if runs else ""

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
            self.run = run = train(*self.data, predicted=predicted, on_epoch=on_epoch, stop=RUNNING[0], **settings)
            known = any(run.repeats(other) for other in self.runs)
            again = " The same numbers as in a recorded run: a seed repeats itself." if known else ""
            self.say(self.summary() + again)
            if not known or predicted is not None:
                try:
                    recorded.append_run(run, recorded.own_path())
                except OSError as error:
                    self.say(f"{self.summary()} It could not be written: {error}")
            self._overlay(run)
        except training.Stopped as stopped:
            self.say(str(stopped).capitalize())
        except Exception as error:  # nobody would see it otherwise: a thread has no cell to print it under
            self.say(f"{type(error).__name__}: {error}")
        finally:
            self.train_button.disabled, self.stop_button.disabled = False, True
            RUNNING.clear()

    @property
    def runs(self) -> list[Run]:
        """The shipped runs, then the reader's, oldest first."""
        return recorded.known_runs(len(self.data[0].train))

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
        self.estimate.value = "" if math.isnan(seconds) else f"<p>about {seconds:.0f} s or less</p>"
