"""Train one head once with the settings that a reader turned, and say beforehand how long it may take.

Taught in notebooks/06_training.
"""

import math
import time

from movierec import training  # loads TensorFlow when a training starts, and not before
from movierec.data import chosen
from movierec.play.runs import COURSE_LOSS, LOSSES, METRICS, SETTINGS, Run, default_settings


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
