"""Training runs, kept as lines of JSON, to read and compare, and the settings that a reader can turn.

The course ships runs in report/results/runs.jsonl; a reader's own are added to data/cache. Taught in
notebooks/06_training.
"""

import json
import warnings
from collections import namedtuple
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from movierec.data import COURSE, chosen, data_folder
from movierec.record import recorded, recorded_file

LOSSES = {  # name -> the head that it trains, and its keywords of `movierec.models.Settings`
    "stars: ordered choice": ("stars", {"ordinal": True}),
    "stars: squared error": ("stars", {"ordinal": False}),
    "lists: softmax over all films": ("ranking", {"sampled": False}),
    "lists: softmax over drawn films": ("ranking", {"sampled": True}),
}
METRICS = {"stars": "rmse", "ranking": "ndcg@10"}  # on validation
NAMES = {"stars": "RMSE (stars)", "ranking": "NDCG@10"}
RIVALS = {"stars": ("user and movie bias", "biased MF"), "ranking": ("popularity", "EASE")}  # lines to beat
COURSE_LOSS = {"stars": "stars: ordered choice", "ranking": "lists: softmax over all films"}

# What a reader can turn; for each head the values to choose from, the course's, and the argument of `fit_hybrid`.
Setting = namedtuple("Setting", "label unit meaning options default keyword")


def _each(*stars_and_ranking) -> dict:
    return dict(zip(METRICS, stars_and_ranking, strict=True))


DIMS = (4, 8, 16, 32, 64, 128)
LAYERS = ((), (16,), (64,), (64, 32))
SHARES = tuple(tenth / 10 for tenth in range(10))
SETTINGS = {
    "dim": Setting(
        "Dimension", "numbers", "the length of the vector of each film and each user",
        _each(DIMS, DIMS), _each(32, 64), _each("dim", "ranking_dim"),
    ),
    "hidden": Setting(
        "MLP", "units", "the hidden layers of the deep path; “none” leaves one linear layer",
        _each(LAYERS, LAYERS), _each((16,), (64,)), _each("hidden", "ranking_hidden"),
    ),
    "dropout": Setting(
        "Dropout", "share", "the share of the deep path's inputs that each step sets to 0",
        _each(SHARES, SHARES), _each(0.5, 0.6), _each("dropout", "ranking_dropout"),
    ),
    "learning_rate": Setting(
        "Learning rate", "Adam", "how far each step goes; if it is too high, steps jump over the best weights",
        _each((0.0005, 0.001, 0.002, 0.004, 0.01), (0.001, 0.002, 0.004, 0.008, 0.02)), _each(0.001, 0.004),
        _each("learning_rate", "ranking_learning_rate"),
    ),
    "batch": Setting(
        "Batch", "ratings; for lists, users", "what one step sees; a larger batch is faster, but takes fewer steps",
        _each((256, 512, 1024, 2048, 4096), (32, 64, 128, 256, 512)), _each(1024, 256),
        _each("batch_size", "users_per_batch"),
    ),
    "epochs": Setting(
        "Epochs", "at most", "passes over train (lists: ten each); training stops five epochs after the best one",
        _each(range(1, 41), range(1, 41)), _each(20, 30), _each("epochs", "epochs"),
    ),
    "seed": Setting(
        "Seed", "a number", "fixes everything that is random: the same seed gives the same run",
        _each(range(10), range(10)), _each(0, 0), _each("seed", "seed"),
    ),
}  # fmt: skip


def default_settings(loss: str = COURSE_LOSS["ranking"]) -> dict:
    """Return the course's settings for a loss of `LOSSES`; raise ValueError if there is no such loss."""
    if loss not in LOSSES:
        raise ValueError(f"`loss` must be one of {list(LOSSES)}; got {loss!r}.")
    head = LOSSES[loss][0]
    return {"loss": loss} | {name: setting.default[head] for name, setting in SETTINGS.items()}


def shown(value) -> str:
    """Return the value of a setting as a reader sees it: 64, 0.004, 64 + 32, none."""
    if isinstance(value, tuple):
        return " + ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Run:
    """One head as it was trained once.

    `settings` has "loss", a name of `LOSSES`, and a value for each of `SETTINGS`. `history` has one dict an epoch:
    epoch, loss (mean of its batches), value (validation), seconds (since the start). `predicted` is what was expected
    of `best` beforehand. Runs on another `dataset`, or with another `num_train` of ratings, cannot be compared.
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
        return LOSSES[self.settings["loss"]][0]

    @property
    def metric(self) -> str:
        return METRICS[self.head]

    @property
    def best(self) -> float:
        values = [row["value"] for row in self.history]
        return min(values) if self.head == "stars" else max(values)

    @property
    def best_epoch(self) -> int:
        return next(row["epoch"] for row in self.history if row["value"] == self.best)

    @property
    def seconds(self) -> float:
        return self.history[-1]["seconds"]

    def repeats(self, other: "Run") -> bool:
        """Return whether the other run has the same settings, data and numbers; the seconds may differ."""
        mine, theirs = ([(row["loss"], row["value"]) for row in run.history] for run in (self, other))
        data = (self.dataset, self.num_train) == (other.dataset, other.num_train)
        return data and (self.settings, mine) == (other.settings, theirs)

    def __repr__(self) -> str:
        return f"Run({self.settings['loss']}, {len(self.history)} epochs)"


def shipped_path() -> Path:
    """Return the file of the runs that come with the course."""
    return recorded_file("runs.jsonl")


def own_path() -> Path:
    """Return the file of the reader's runs on the data set that is chosen."""
    return data_folder() / "cache" / f"runs-{chosen()}.jsonl"


def read_runs(path: Path) -> list[Run]:
    """Return the runs of a file in their order, none if there is no file; warn of each line that is not a run."""
    runs = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            values["settings"]["hidden"] = tuple(values["settings"]["hidden"])
            run = Run(**values)
            if set(run.settings) != {"loss", *SETTINGS} or not run.history or not run.best + run.seconds >= 0:
                raise ValueError("settings or epochs are missing")
            runs.append(run)
        except (ValueError, TypeError, KeyError) as error:
            warnings.warn(f"{path}, line {number} is no run and is left out: {error}", stacklevel=2)
    return runs


def known_runs(num_train: int) -> list[Run]:
    """Return shipped and own runs on the data set that is chosen, with `num_train` ratings; oldest first."""
    runs = read_runs(shipped_path()) + read_runs(own_path())
    return [run for run in runs if (run.dataset, run.num_train) == (chosen(), num_train)]


def append_run(run: Run, path: Path) -> None:
    """Add a line to the file; make the file if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(asdict(run))}")  # on a line of its own, even if the line before was cut short


def label(run: Run, names) -> str:
    """Return the run's values of some settings, "Dimension 16, Seed 1"; "the course's settings" for none."""
    said = [run.settings["loss"]] if "loss" in names else []
    said += [f"{SETTINGS[name].label} {shown(run.settings[name])}" for name in SETTINGS if name in names]
    return ", ".join(said) or "the course's settings"


def difference(run: Run, other: Run, runs: list[Run]) -> str:
    """Say what differs between two runs of one head: settings, then results, with `runs` to judge what chance does."""
    before, now = other.settings, run.settings
    changed = [f"Loss “{now['loss']}” instead of “{before['loss']}”"] if now["loss"] != before["loss"] else []
    for name, setting in SETTINGS.items():
        if now[name] != before[name]:
            changed.append(f"{setting.label} {shown(now[name])} instead of {shown(before[name])}")
    gain = (run.best - other.best) * (-1 if run.head == "stars" else 1)
    text = f"{', '.join(changed) or 'The same settings'}: {NAMES[run.head]} {run.best:.4f}, "
    text += f"{abs(gain):.4f} {'better' if gain > 0 else 'worse'}" if gain else "exactly the same"
    same_epoch = run.best_epoch == other.best_epoch
    text += "." if same_epoch else f"; best epoch {run.best_epoch} instead of {other.best_epoch}."
    usual = default_settings(COURSE_LOSS[run.head])
    seeds = [each.best for each in runs if each.settings | {"seed": 0} == usual and not each.stopped]
    if gain and len(seeds) > 1 and abs(gain) <= max(seeds) - min(seeds):
        text += f" Another seed alone changes it by {max(seeds) - min(seeds):.4f}, so this difference may be chance."
    return text


def rivals(head: str, num_train: int) -> dict[str, float]:
    """Return the best validation value of the `RIVALS`, as tuned and recorded; {} on a split of other data."""
    if not any((run.dataset, run.num_train) == (chosen(), num_train) for run in read_runs(shipped_path())):
        return {}
    tuned = recorded("tuning_by_user_time")
    best = tuned[tuned["chosen"] & (tuned["fold"] == 0)].set_index("model")["value"]
    return {name: float(best[name]) for name in RIVALS[head]}


def on_grid(runs: list[Run], head: str) -> dict[tuple, Run]:
    """Return {(learning rate, dimension): run} of runs with the course's other settings, the newest of equals."""
    found = {}
    for run in runs:
        usual = default_settings(COURSE_LOSS[head]) | {name: run.settings[name] for name in ("dim", "learning_rate")}
        if run.settings == usual and not run.stopped:
            found[run.settings["learning_rate"], run.settings["dim"]] = run
    return found


def surface(runs: list[Run], head: str) -> pd.DataFrame:
    """Return the best value by learning rate (rows) and dimension (columns), all else as in the course."""
    found = {place: run.best for place, run in on_grid(runs, head).items()}
    if not found:
        raise ValueError(f"none of the {len(runs)} runs varies only dimension and learning rate of the {head} head.")
    return pd.Series(found).unstack().rename_axis(index="learning_rate", columns="dim")
