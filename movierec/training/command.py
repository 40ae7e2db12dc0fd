"""The command `python -m movierec train`: from ratings to a model that is saved and measured.

What can be known is checked before anything is trained; the model is saved before it is measured. Taught in
notebooks/13_scale.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

import movierec
from movierec import data, scale
from movierec.files import check_writable
from movierec.training import workers

MEASURED = ("ndcg@10", "recall@10", "hit_rate@10")
BATCHES = {"batch_size": 1024, "users_per_batch": 256}  # made a multiple of the workers
RATES = ("learning_rate", "ranking_learning_rate")
GIVEN = (*RATES, "scale", "liked_from")  # to `fit_hybrid`, which has defaults
OF_OWN_FILES = ("movies", "users", "tags", "scale")


def train(options: argparse.Namespace, strategy) -> int:
    """Read, split, fit, save and measure; print one line for each step, and return the exit code.

    Of several workers, the first one prints and saves. `options.saved` is set once the model is on disk.

    Args:
        options: as on the command line.
        strategy: of `workers.strategy()`; it must be made before TensorFlow runs its first operation.
    """
    from movierec.evaluation import evaluate_ranking
    from movierec.evaluation.metrics import rmse

    log = _Log(workers.is_first())
    split, movies, users = prepare(options, log)
    replicas = 1 if strategy is None else strategy.num_replicas_in_sync
    given = {name: getattr(options, name) for name in GIVEN if getattr(options, name) is not None}
    model = movierec.fit_hybrid(
        split, movies, users, seed=options.seed, epochs=options.epochs, patience=options.patience,
        heads=tuple(options.heads), **given,
        **{name: size // replicas * replicas for name, size in BATCHES.items()},
        checkpoint=options.checkpoint, strategy=strategy, progress=workers.is_first() and sys.stderr.isatty(),
        on_epoch=lambda row: log.line("epoch", ", ".join(f"{name} {value:.4g}" for name, value in row.items())),
    )  # fmt: skip
    log.line("fitted", f"best epochs {model.best_epochs}")
    if not workers.is_first():
        return 0
    model.save(options.folder)
    options.saved = True
    log.line("saved", options.folder)
    try:
        if "stars" in model.best_epochs:
            log.line("stars", f"test RMSE {rmse(model.predict(split.test), split.test['rating']):.4f}")
        if "ranking" in model.best_epochs and not _unmeasurable(split, "test", options):
            least = scale.liked_from(split.train, split.test, given=options.liked_from)
            measured = evaluate_ranking(model.score, split, model.indices, liked_from=least)
            means = measured[list(MEASURED)].mean()
            log.line("lists", ", ".join(f"test {name} {value:.4f}" for name, value in means.items()))
    except Exception as error:  # whatever it is, the model is there
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(f"The model is saved in {options.folder}, but could not be measured. {reason}", file=sys.stderr)
        return 1
    return 0


def prepare(options: argparse.Namespace, log: "_Log | None" = None) -> tuple:
    """Return the split, movies and users that the options name, once all that can be known before training holds.

    Raises:
        OSError: if a folder cannot be written, or the disk has no room for the model.
        ValueError: if an option does not fit the others, or the data cannot be split or measured as asked.
    """
    from movierec.models import Settings, rank_of

    log = log or _Log(False)
    folder, checkpoint = Path(options.folder), Path(options.checkpoint) if options.checkpoint else None
    if checkpoint and folder.absolute() == checkpoint.absolute():
        raise ValueError(f"the model and the checkpoints need two folders; {folder} is named for both.")
    for place in filter(None, (folder, checkpoint)):
        check_writable(place)
    tables = _tables(options)
    log.line("read", tables)
    split = SPLITS[options.split](tables.ratings, options)
    log.line("split", split)
    users, films = (split.train[name].nunique() for name in ("user_id", "movie_id"))
    kept = rank_of(films, Settings()) or min(users, films)
    check_writable(folder, 4 * films * kept + 4 * len(split.train))  # the largest parts of a saved model
    _check_measurable(split, options)
    return split, tables.movies, tables.users


def in_options(text: str) -> str:
    """Return a message of the library with its advice in options of the command line instead of Python."""
    for call, option in ADVICE:
        text = re.sub(call, option, text)
    return text


def _tables(options) -> data.MovieLens:
    """Return the tables of a file, if there is one or the name is like that of a file; else of a MovieLens release."""
    given = {name: getattr(options, name) for name in OF_OWN_FILES if getattr(options, name)}
    path = Path(options.data).expanduser()
    if path.is_file() or path.suffix or os.path.dirname(options.data):
        return movierec.read(options.data, **given)
    if given:
        names = ", ".join(f"--{name}" for name in given)
        raise ValueError(f"{names} is for files of your own; {options.data} brings its own. Leave it out.")
    return movierec.load(options.data)


def _random(ratings: pd.DataFrame, options) -> data.Split:
    row = np.random.default_rng(0).permutation(len(ratings))
    in_test = row < options.test * len(ratings)
    in_validation = ~in_test & (row < (options.test + options.validation) * len(ratings))
    validation = ratings[in_validation] if in_validation.any() else None
    return data.Split(ratings[~in_test & ~in_validation], validation, ratings[in_test])


SPLITS = {
    "by_user_time": lambda ratings, options: data.split_by_user_time(ratings, options.validation, options.test),
    "by_time": lambda ratings, options: data.split_by_time(ratings, options.validation, options.test),
    "leave_last": lambda ratings, options: data.split_leave_last(ratings),
    "random": _random,
}
OPTIONS = (
    "movies", "users", "tags", "split", "test", "validation", "liked_from", "scale", "heads", "checkpoint", "workers",
    "epochs", "patience", "seed", *RATES,
)  # fmt: skip
ADVICE = [
    (rf"`?(?:movierec\.)?split_({'|'.join(SPLITS)})(?:\([^()]*\))?`?", r"--split \1"),
    (r"`?(?:movierec\.)?split_random5(?:\([^()]*\))?`?", "--split random"),
    (r"(?:(?:movierec\.)?(?:read|fit_hybrid)\(…, )?scale=\(([^,()]+), ([^,()]+)\)\)?", r"--scale \1 \2"),
    (r"liked_from=(\S+)\.", r"--liked-from \1."),
    (r"fit_hybrid\(…, checkpoint=folder\)", "--checkpoint FOLDER"),
    (r'movierec\.load\("([^"]+)"\)\?', r"\1?"),
    (r'movierec\.read\("ratings\.csv", "movies\.csv"\)', "train ratings.csv my-model --movies movies.csv"),
    (r"Use the ranking head", "Use --heads ranking"),
    (r'heads=\("stars", "ranking"\)', "--heads stars ranking"),
    *((rf"`{name}`", f"--{name.replace('_', '-')}") for name in OPTIONS),
]


def _unmeasurable(split: data.Split, part: str, options) -> str:
    """Return why lists cannot be measured on a part of the split; "" if they can be."""
    from movierec.evaluation import relevant_users

    table = getattr(split, part)
    least = scale.liked_from(split.train, table, given=options.liked_from)
    try:
        relevant_users(table, data.make_indices(split.train), least, part)
    except ValueError as error:
        return str(error)
    return ""


def _check_measurable(split: data.Split, options) -> None:
    """Raise ValueError if validation cannot judge lists; say it if test cannot, for the model is as good without."""
    if "ranking" not in options.heads:
        return
    if split.validation is not None and (reason := _unmeasurable(split, "validation", options)):
        raise ValueError(f"lists cannot be judged while training, {reason} Or train --heads stars.")
    if reason := _unmeasurable(split, "test", options):
        data.say(f"the lists will not be measured, {reason} The model is trained and saved all the same.")


class _Log:
    """Lines with the seconds since the start (wall, and CPU of all threads) and the largest memory so far."""

    def __init__(self, is_shown: bool):
        self.is_shown = is_shown
        self.start = time.perf_counter()

    def line(self, step: str, text) -> None:
        """Print one line, unless another worker prints."""
        if self.is_shown:
            wall = time.perf_counter() - self.start
            used = f"{wall:7.1f} s  {time.process_time():7.1f} CPU s  {_peak_gb():5.2f} GB"
            print(f"{used}  {step:6}  {text}", flush=True)


def _peak_gb() -> float:
    """Return the largest memory that this process has had, in GB; NaN on Windows, which has no `resource`."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)  # in bytes there, in kB elsewhere
