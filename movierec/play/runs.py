"""Training runs to keep, read and compare: `run = train(split, data.movies, data.users, loss=…, dim=16)`.

A run is one head, trained with the settings of `SETTINGS`, and one line of JSON. Runs of our own are shipped in
report/results/runs.jsonl; a reader's are added to data/cache. Played with in notebooks/06_training.
"""

import json
import math
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from movierec.data import COURSE, chosen, data_folder
from movierec.play.knobs import COURSE_LOSS, LOSSES, METRICS, SETTINGS, default_settings, shown
from movierec.record import report_folder


@dataclass(frozen=True)
class Run:
    """One head as it was trained once.

    Attributes:
        settings: "loss" and the names of `SETTINGS`.
        history: one dict an epoch: epoch, loss (mean of its batches), value (validation), seconds (since the start).
        predicted: what was expected of `best` beforehand, or None.
        stopped: whether somebody stopped it.
        dataset: its name; as `MOVIEREC_DATASET` has it.
        num_train: ratings in train: runs on other data cannot be compared.
        cpu_seconds: of the whole process while it was trained.
    """

    settings: dict
    history: list = field(repr=False)
    predicted: float | None = None
    stopped: bool = False
    dataset: str = COURSE
    num_train: int = 0
    cpu_seconds: float = 0.0

    @property
    def head(self) -> str:
        """ "stars" or "ranking"."""
        return LOSSES[self.settings["loss"]][0]

    @property
    def metric(self) -> str:
        """What `value` is: "rmse" in stars, or "ndcg@10"."""
        return METRICS[self.head]

    @property
    def best(self) -> float:
        """The best value on validation."""
        values = [row["value"] for row in self.history]
        return min(values) if self.head == "stars" else max(values)

    @property
    def best_epoch(self) -> int:
        """When that was."""
        return next(row["epoch"] for row in self.history if row["value"] == self.best)

    @property
    def seconds(self) -> float:
        """Wall time until its last epoch was over."""
        return self.history[-1]["seconds"]

    def repeats(self, other: "Run") -> bool:
        """Whether the settings, the data and every number are those of the other run; the seconds may differ."""
        mine, theirs = ([(row["loss"], row["value"]) for row in run.history] for run in (self, other))
        data = (self.dataset, self.num_train) == (other.dataset, other.num_train)
        return data and (self.settings, mine) == (other.settings, theirs)

    def __repr__(self) -> str:
        return f"Run({self.settings['loss']}, {len(self.history)} epochs)"


# ---- training


def train(
    split,
    movies=None,
    users=None,
    *,
    loss: str = COURSE_LOSS["ranking"],
    predicted=None,
    on_epoch=None,
    stop=None,
    **settings,
) -> Run:
    """One head trained as `fit_hybrid` does it, as a run; nothing is written.

    Args:
        split: with a validation part, on which it is judged.
        movies, users: as of `fit_hybrid`.
        loss: of `LOSSES`.
        predicted: your guess of the best validation value.
        on_epoch: called after each epoch with its row of `Run.history`.
        stop: as of `fit_hybrid`.
        **settings: of `SETTINGS`; what is left out is the course's.

    Raises:
        ValueError: if a setting is unknown or out of range, or there is no validation part.
        training.Stopped: if it was stopped within its first epoch.
    """
    from movierec.training import Stop, fit_hybrid  # here: who only reads runs does not wait for TensorFlow

    settings = default_settings(loss) | settings
    settings["hidden"] = tuple(settings["hidden"])
    unknown = [name for name in settings if name not in SETTINGS and name != "loss"]
    if unknown:
        raise ValueError(f"a run has the settings {list(SETTINGS)}; got {unknown}.")
    if split.validation is None:
        raise ValueError("a run is judged on validation, and this split has none. Try movierec.split_by_user_time.")
    head, kind = LOSSES[loss]
    history, started, cpu = [], time.perf_counter(), time.process_time()
    stop = stop or Stop()

    def told(row):
        value = float(row[f"validation_{METRICS[head]}"])
        seconds = round(time.perf_counter() - started, 2)
        history.append({"epoch": row["epoch"], "loss": row[f"train_{head}_loss"], "value": value, "seconds": seconds})
        if on_epoch is not None:
            on_epoch(history[-1])

    keywords = {SETTINGS[name].keyword[head]: settings[name] for name in SETTINGS}
    fit_hybrid(split, movies, users, heads=(head,), on_epoch=told, stop=stop, **keywords, **kind)
    used = round(time.process_time() - cpu, 1)
    return Run(settings, history, predicted, stop.asked, chosen(), len(split.train), used)


def expected_seconds(settings: dict, runs: list[Run]) -> float:
    """How long all epochs of `settings` may take, from the nearest run of the same head; NaN if there is none.

    Own runs come last in `runs` and count like others: what is near is what has a similar amount of work.
    """
    head = LOSSES[settings["loss"]][0]

    def far(run: Run) -> float:
        sizes = [(_size(settings[name]), _size(run.settings[name])) for name in ("dim", "hidden", "batch")]
        other_loss = run.settings["loss"] != settings["loss"]
        return other_loss + sum(abs(math.log2(one / other)) for one, other in sizes)

    near = [run for run in runs if run.head == head and len(run.history) > 1]  # also of stopped ones
    if not near:
        return math.nan
    run = min(reversed(near), key=far)  # of two that are as near the newer one: it knows this machine
    first, last = run.history[0]["seconds"], run.history[-1]["seconds"]
    per_epoch = (last - first) / (len(run.history) - 1)
    return max(first - per_epoch, 0.0) + settings["epochs"] * per_epoch


def _size(value) -> float:
    return 1 + sum(value) if isinstance(value, tuple | list) else value


# ---- files


def shipped_path() -> Path:
    """The runs that come with the course."""
    return report_folder() / "results/runs.jsonl"


def own_path() -> Path:
    """The reader's runs on the data set of the moment."""
    return data_folder() / "cache" / f"runs-{chosen()}.jsonl"


def read_runs(path: Path) -> list[Run]:
    """The runs of a file, in its order; none if there is no file.

    Warns:
        UserWarning: of lines that are no run, such as the last one if the machine went down; they are left out.
    """
    if not path.exists():
        return []
    runs = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            values["settings"]["hidden"] = tuple(values["settings"]["hidden"])
            run = Run(**values)
            if set(run.settings) != {"loss", *SETTINGS} or not run.history or not run.seconds >= 0:
                raise ValueError("settings or epochs are missing")
            float(run.best)
        except (ValueError, TypeError, KeyError) as error:
            warnings.warn(f"{path}, line {number} is no run and is left out: {error}", stacklevel=2)
        else:
            runs.append(run)
    return runs


def known_runs(num_train: int | None = None) -> list[Run]:
    """Shipped and own runs on the data set of the moment, oldest first; if given, with a train part of this size."""
    runs = read_runs(shipped_path()) + read_runs(own_path())
    return [run for run in runs if run.dataset == chosen() and num_train in (None, run.num_train)]


def append_run(run: Run, path: Path) -> None:
    """Nothing; adds a line to the file, which is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(run))
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # the line before was cut short: it must not take this one with it
                line = "\n" + line
        file.write((line + "\n").encode())


# ---- comparing


def runs_table(runs: list[Run]) -> pd.DataFrame:
    """One row a run: its settings, best value, epoch, seconds, what was predicted."""
    rows = [
        run.settings
        | {"metric": run.metric, "best": run.best, "best_epoch": run.best_epoch, "seconds": run.seconds}
        | {"predicted": run.predicted}
        for run in runs
    ]
    table = pd.DataFrame(rows, columns=["loss", *SETTINGS, "metric", "best", "best_epoch", "seconds", "predicted"])
    return table.astype({"predicted": float}).rename_axis("run")


def compare_runs(runs: list[Run]) -> pd.DataFrame:
    """The same, of the settings only those in which the runs differ.

    Raises:
        ValueError: if there are fewer than two.
    """
    if len(runs) < 2:
        raise ValueError(f"a comparison needs two runs or more; got {len(runs)}.")
    table = runs_table(runs)
    same = [name for name in ("loss", *SETTINGS) if table[name].map(repr).nunique() == 1]
    return table.drop(columns=same)


def label(run: Run, names) -> str:
    """A run by some of its settings: "dimension 16, seed 1"; "the course's settings" for none."""
    said = [str(run.settings["loss"])] if "loss" in names else []
    said += [f"{SETTINGS[name].label} {shown(run.settings[name])}" for name in SETTINGS if name in names]
    return ", ".join(said) or "the course's settings"


def in_a_line(run: Run) -> str:
    """The best value, and what is not as in the course: "0.1652: Dimension 16"."""
    usual = default_settings(COURSE_LOSS[run.head])
    told = label(run, [name for name in usual if run.settings[name] != usual[name]])
    return f"{run.best:.4f}: {told}{', stopped' if run.stopped else ''}"


def surface(runs: list[Run], head: str) -> pd.DataFrame:
    """The best value by learning rate (rows) and dimension (columns), all else at the course's settings; none stopped.

    Raises:
        ValueError: if no run has them.
    """
    found = {}
    for run in runs:
        usual = default_settings(COURSE_LOSS[head]) | {name: run.settings[name] for name in ("dim", "learning_rate")}
        if run.settings == usual and not run.stopped:
            found[run.settings["learning_rate"], run.settings["dim"]] = run.best
    if not found:
        raise ValueError(f"none of the {len(runs)} runs varies only dimension and learning rate of the {head} head.")
    return pd.Series(found).unstack().rename_axis(index="learning_rate", columns="dim")
