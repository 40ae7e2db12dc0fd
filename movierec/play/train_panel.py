"""Turn the settings, predict, train, and watch: sliders over `movierec.play.runs.train`.

Taught in notebooks/06_training.
"""

import html
import math
import threading

import ipywidgets as widgets

from movierec.play import runs as book
from movierec.play.curves import as_picture
from movierec.play.knobs import LOSSES, METRICS, SETTINGS, UNITS, default_settings, shown
from movierec.play.parts import LABEL, STYLE, WIDE
from movierec.training import Stop, Stopped

SECONDS_BETWEEN_PICTURES = 1.0  # a picture takes a fifth of a second, which the training waits for
ONE_AT_A_TIME = threading.Lock()  # a second training would wait, and nobody would know for what


RUNNING = {"stop": Stop()}  # of the training that runs, whichever panel started it


class TrainPanel(widgets.VBox):
    """Sliders, a prediction, Train and Stop, and curves that grow. All it does can be called: `set`, `train`, `wait`.

    It trains in a thread of its own, so cells can be run meanwhile. A run that is not known yet is added to `own_path`.

    Attributes:
        loss, sliders: what is turned.
        run: what the last training here brought, or None.
        listeners: functions () -> None that are called after each run.
    """

    def __init__(self, split, movies=None, users=None):
        self.data, self.run, self.listeners, self._unwritten = (split, movies, users), None, [], []
        self.loss = widgets.Dropdown(options=list(LOSSES), description="Loss", layout=WIDE, style=LABEL)
        self.sliders = {name: self._slider(name) for name in SETTINGS}
        self.meanings = {name: widgets.HTML() for name in SETTINGS}
        self.predicted = widgets.Text(description="Predict first", layout=WIDE, style=LABEL)
        self.estimate, self.says, self.curves = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.train_button = widgets.Button(
            description="Train", button_style="primary", tooltip="train with these settings"
        )
        self.stop_button = widgets.Button(
            description="Stop", disabled=True, tooltip="end the training after its batch; the best epoch is kept"
        )
        self.progress = widgets.IntProgress(description="Epochs", min=0, max=1, layout=WIDE, style=LABEL)
        self.loss.observe(lambda _: self.set(default_settings(self.loss.value)), "value")
        for slider in self.sliders.values():
            slider.observe(lambda _: self._estimate(), "value")
        self.train_button.on_click(lambda _: self.train())
        self.stop_button.on_click(lambda _: self.stop())
        meanings = [
            widgets.VBox([slider, meaning])
            for slider, meaning in zip(self.sliders.values(), self.meanings.values(), strict=True)
        ]
        left = [self.loss, *meanings]
        right = [self.predicted, self.estimate, widgets.HBox([self.train_button, self.stop_button])]
        right += [self.progress, self.says, self.curves]
        wrap = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        columns = [widgets.VBox(left), widgets.VBox(right, layout=widgets.Layout(flex="1 1 30em", min_width="20em"))]
        super().__init__([widgets.HTML(STYLE), widgets.HBox(columns, layout=wrap)])
        self._thread = None
        self.set(default_settings())

    def __repr__(self) -> str:
        return "TrainPanel: loss, dimension, MLP, dropout, learning rate, batch, epochs, seed; predict, train, stop"

    def settings(self) -> dict:
        """What is set, as `movierec.play.runs.train` takes it."""
        return {"loss": self.loss.value} | {name: slider.value for name, slider in self.sliders.items()}

    def set(self, settings: dict) -> None:
        """Nothing; turns the sliders, as "Restore" of a table of runs does. What is left out is the course's.

        Raises:
            ValueError: if a value is none of a slider's; no slider is turned then.
        """
        settings = default_settings(settings.get("loss", self.loss.value)) | settings
        head = LOSSES[settings["loss"]][0]
        for name, value in settings.items():
            if name != "loss" and (name not in SETTINGS or value not in SETTINGS[name].options[head]):
                options = (
                    f"can be {[shown(o) for o in SETTINGS[name].options[head]]}" if name in SETTINGS else "is unknown"
                )
                raise ValueError(f"`{name}` of {settings['loss']!r} {options}; got {value!r}.")
        if METRICS[head] not in self.predicted.placeholder:
            self.predicted.value = ""  # it was one of another metric
        self.loss.value = settings["loss"]
        for name, slider in self.sliders.items():
            options = [(shown(value), value) for value in SETTINGS[name].options[head]]
            if list(slider.options) != options:
                slider.options = options
            slider.value = settings[name]
            setting, values = SETTINGS[name], SETTINGS[name].options[head]
            told = f"{setting.meaning} ({setting.unit}, {shown(values[0])} to {shown(values[-1])})"
            self.meanings[name].value = f"<small>{told}</small>"
        low_high = "lower" if head == "stars" else "higher"
        self.predicted.placeholder = f"{METRICS[head]} ({UNITS[head]}), {low_high} is better"
        self._estimate()

    def train(self) -> None:
        """Nothing; starts to train in a thread. See `wait`, `stop` and `run`."""
        self.run, self._thread = None, None
        try:
            predicted = _number(self.predicted.value)
        except ValueError:
            self._say(f"The prediction must be a number such as 0.15, or nothing; it is {self.predicted.value!r}.")
            return
        if not ONE_AT_A_TIME.acquire(blocking=False):
            self.stop_button.disabled = False  # the panel that started it may be gone with its cell
            self._say("Another training is running. Stop it here, or wait until it is done.")
            return
        try:
            settings, RUNNING["stop"] = self.settings(), Stop()
            self.progress.value, self.progress.max = 0, settings["epochs"]
            self.train_button.disabled, self.stop_button.disabled = True, False
            self.predicted.value = self.curves.value = ""
            self._say("Preparing: the first epoch takes longest.")
            self._thread = threading.Thread(target=self._work, args=(settings, predicted), daemon=True)
            self._thread.start()
        except BaseException:
            self._done()
            raise

    def stop(self) -> None:
        """Nothing; the training that runs, here or in another panel, ends within a batch; its best epoch is kept."""
        RUNNING["stop"].ask()
        self._say("Stopping after this batch.")

    def wait(self, timeout_seconds: float = 600) -> book.Run | None:
        """The run, once it is over; None if nothing came of it.

        Raises:
            TimeoutError: if it takes longer; it goes on meanwhile.
        """
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if self._thread.is_alive():
                raise TimeoutError(f"still training after {timeout_seconds:g} s; wait again, or stop().")
        return self.run

    def _work(self, settings: dict, predicted: float | None) -> None:
        history, drawn = [], [-math.inf]

        def on_epoch(row):
            history.append(row)
            self.progress.value = row["epoch"]
            if row["seconds"] - drawn[-1] > SECONDS_BETWEEN_PICTURES:
                drawn.append(row["seconds"])
                self.curves.value = as_picture([book.Run(settings, history)], settings["epochs"])
            self._say(f"Epoch {row['epoch']}, {row['seconds']:.0f} s")

        try:
            run = book.train(*self.data, predicted=predicted, on_epoch=on_epoch, stop=RUNNING["stop"], **settings)
            known = any(run.repeats(other) for other in self.runs)
            self.curves.value, self.run = as_picture([run]), run
            self._say(
                self.summary() + (" The same numbers as in a recorded run: a seed repeats itself." if known else "")
            )
            if not known or predicted is not None:
                self._keep(run)
            for listener in self.listeners:
                listener()
        except Stopped as stopped:
            self._say(str(stopped).capitalize())
        except Exception as error:  # nobody else would see what goes wrong in a thread
            self._say(f"{type(error).__name__}: {error}")
        finally:
            self._done()

    def _keep(self, run: book.Run) -> None:
        try:
            book.append_run(run, book.own_path())
        except OSError as error:
            self._unwritten.append(run)
            self._say(f"{self.summary()} It could not be written, and is kept until the kernel ends. {error}")
        self._estimate()

    def _done(self) -> None:
        self.train_button.disabled, self.stop_button.disabled = False, True
        ONE_AT_A_TIME.release()

    @property
    def runs(self) -> list[book.Run]:
        """Shipped runs, then the reader's, oldest first, on this data."""
        return book.known_runs(len(self.data[0].train)) + self._unwritten

    def summary(self) -> str:
        """The last run in a sentence."""
        if self.run is None:
            return "There is no run: nothing was trained here yet, or nothing was kept of it."
        run = self.run
        ended = "stopped" if run.stopped else "over"
        told = f"{ended} after {len(run.history)} epochs, {run.seconds:.0f} s: {run.metric} {run.best:.4f}"
        told += f" in epoch {run.best_epoch}."
        if run.predicted is not None:
            told += f" You predicted {run.predicted:g}: {abs(run.best - run.predicted):.4f} off."
        return told[0].upper() + told[1:]

    def _slider(self, name: str) -> widgets.SelectionSlider:
        setting, head = SETTINGS[name], LOSSES[self.loss.value][0]
        options = [(shown(value), value) for value in setting.options[head]]
        return widgets.SelectionSlider(
            options=options, value=setting.default[head], description=setting.label, layout=WIDE, style=LABEL,
            continuous_update=False,
        )  # fmt: skip

    def _estimate(self) -> None:
        seconds = book.expected_seconds(self.settings(), self.runs)
        told = f"<p>About {seconds:.0f} s for all epochs, judging by a recorded run; less if it stops before.</p>"
        self.estimate.value = "" if math.isnan(seconds) else told

    def _say(self, text: str) -> None:
        self.says.value = f'<p role="status">{html.escape(text)}</p>'


def _number(text: str) -> float | None:
    """A prediction as it is typed, with a comma too; None for nothing.

    Raises:
        ValueError: if it is no finite number.
    """
    if not text.strip():
        return None
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(text)
    return value
