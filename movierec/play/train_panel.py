"""Turn the settings, predict, train, and watch the curves: `train`, and a panel that calls it.

Taught in notebooks/06_training.
"""

import math
import re
import threading
import time

import ipywidgets as widgets

from movierec import training  # loads TensorFlow when a training starts, and not before
from movierec.data import chosen
from movierec.play import runs as recorded
from movierec.play.parts import FIELD, GROWING, Panel, columns, on_change
from movierec.play.runs import COURSE_LOSS, HINTS, LOSSES, METRICS, SETTINGS, Run, default_settings, shown
from movierec.play.runs_panel import curves_as_html

SECONDS_BETWEEN_PICTURES = 1.0  # drawing takes a fifth of a second, and the training waits for it
ONE_AT_A_TIME = threading.Lock()  # a second training would wait for the first, and nobody would see why
RUNNING: dict = {"stop": None}  # the `Stop` of the training that runs, whichever panel started it


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


class TrainPanel(Panel):
    """Sliders, a prediction, Train and Stop, and curves that grow; `set`, `train` and `wait` drive it by code.

    It trains in a thread of its own, so that cells can be run meanwhile. `run` is the last training of this panel, or
    None; it is added to `own_path`. The `listeners`, functions () -> None, are called after each run.
    """

    purpose = "loss, dimension, MLP, dropout, learning rate, batch, epochs, seed; predict, train, stop"

    def __init__(self, split, movies=None, users=None):
        self.data = (split, movies, users)
        self.run = self._thread = None
        self.listeners, self._unwritten = [], []
        self.loss = widgets.Dropdown(options=list(LOSSES), description="Loss", **FIELD)
        self.sliders = {
            name: widgets.SelectionSlider(options=[""], description=one.label, continuous_update=False, **FIELD)
            for name, one in SETTINGS.items()
        }
        self.meanings = {name: widgets.HTML() for name in SETTINGS}
        self.predicted = widgets.Text(description="Predict first", **FIELD)
        self.train_button = widgets.Button(description="Train", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", disabled=True, tooltip="the best epoch is kept")
        self.progress = widgets.IntProgress(description="Epochs", min=0, max=1, **FIELD)
        self.estimate, self.says, self.curves = (widgets.HTML() for _ in range(3))
        left = [self.loss, *(w for name in SETTINGS for w in (self.sliders[name], self.meanings[name]))]
        buttons = widgets.HBox([self.train_button, self.stop_button])
        right = [self.predicted, self.estimate, buttons, self.progress, self.says, self.curves]
        super().__init__(columns(widgets.VBox(left), widgets.VBox(right, layout=GROWING)))
        self.set(default_settings())
        on_change(lambda: self.set(default_settings(self.loss.value)), self.loss)
        on_change(self._estimate, *self.sliders.values())
        self.train_button.on_click(lambda _: self.train())
        self.stop_button.on_click(lambda _: self.stop())

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
        if self.predicted.placeholder != HINTS[head]:
            self.predicted.value = ""  # it was a prediction of the other metric
        self.predicted.placeholder = HINTS[head]
        self.loss.value = settings["loss"]
        for name, setting in SETTINGS.items():
            self.sliders[name].options = [(shown(value), value) for value in setting.options[head]]
            self.sliders[name].value = settings[name]
            first, *_, last = map(shown, setting.options[head])
            self.meanings[name].value = f"<small>{setting.meaning} ({setting.unit}, {first} to {last})</small>"
        self._estimate()

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
            self.predicted.value = self.curves.value = ""
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

    def _work(self, settings: dict, predicted: float | None) -> None:
        history, drawn_at = [], -math.inf

        def on_epoch(row):
            nonlocal drawn_at
            history.append(row)
            self.progress.value = row["epoch"]
            if row["seconds"] - drawn_at > SECONDS_BETWEEN_PICTURES:
                drawn_at = row["seconds"]
                self.curves.value = curves_as_html([Run(settings, history)], settings["epochs"])
            self.say(f"Epoch {row['epoch']}, {row['seconds']:.0f} s")

        try:
            self.run = run = train(*self.data, predicted=predicted, on_epoch=on_epoch, stop=RUNNING["stop"], **settings)
            known = any(run.repeats(other) for other in self.runs)
            self.curves.value = curves_as_html([run])
            again = " The same numbers as in a recorded run: a seed repeats itself." if known else ""
            self.say(self.summary() + again)
            if not known or predicted is not None:
                try:
                    recorded.append_run(run, recorded.own_path())
                except OSError as error:
                    self._unwritten.append(run)
                    self.say(f"{self.summary()} It could not be written, and is kept until the kernel ends. {error}")
                self._estimate()
            for listener in self.listeners:
                listener()
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
    def runs(self) -> list[Run]:  # shipped ones, then the reader's, oldest first
        return recorded.known_runs(len(self.data[0].train)) + self._unwritten

    def summary(self) -> str:
        """Return the last run in a sentence."""
        run = self.run
        if run is None:
            return "There is no run: nothing was trained here yet, or nothing was kept of it."
        ended = f"{'Stopped' if run.stopped else 'Over'} after {len(run.history)} epochs, {run.seconds:.0f} s"
        text = f"{ended}: {run.metric} {run.best:.4f} in epoch {run.best_epoch}."
        if run.predicted is not None:
            text += f" You predicted {run.predicted:g}: {abs(run.best - run.predicted):.4f} off."
        return text

    def _estimate(self) -> None:
        seconds = expected_seconds(self.settings(), self.runs)
        about = f"<p>About {seconds:.0f} s for all epochs, judged by a recorded run; less if it stops early.</p>"
        self.estimate.value = "" if math.isnan(seconds) else about
