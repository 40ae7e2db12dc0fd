"""From ratings to a saved model in one command: `python -m movierec train DATA FOLDER`.

    python -m movierec train ml-20m my-model --checkpoint my-checkpoint
    python -m movierec train ratings.csv my-model --movies movies.csv --workers 2

Reads, splits per user in time, fits, measures on the test part and saves; a line for each, with seconds. Taught in
notebooks/10_serving.
"""

import argparse
import sys
import time

from movierec.training import workers

MEASURED = ("ndcg@10", "recall@10", "hit_rate@10")


def main(arguments: list[str]) -> int:
    """The exit code: 0; 1 if a worker was lost; 2 if the command is not understood."""
    options = _parser().parse_args(arguments)
    if options.workers > 1 and not workers.is_one_of_several():
        command = [sys.executable, "-m", "movierec", "train", *arguments]
        return workers.launch(command, options.workers)
    try:
        train(options, workers.strategy())
    except (OSError, ValueError, workers.WorkerLost) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m movierec train", description=__doc__.splitlines()[0])
    parser.add_argument("data", help="ml-100k … ml-32m, or the path of a ratings.csv")
    parser.add_argument("folder", help="where the model is saved")
    parser.add_argument("--movies", help="the path of a movies.csv, beside a ratings.csv")
    parser.add_argument("--checkpoint", help="a folder: who is killed and asks again goes on there")
    parser.add_argument("--workers", type=int, default=1, help="processes on this machine that share each batch")
    parser.add_argument("--epochs", type=int, default=80, help="at most so many of each head")
    parser.add_argument("--patience", type=int, default=5, help="epochs without a better validation before stopping")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def train(options: argparse.Namespace, strategy) -> None:
    """Nothing; the model is in `options.folder`, and the lines are printed by the first of several workers."""
    import movierec  # TensorFlow comes with fit_hybrid, and must not before the strategy
    from movierec.evaluation import evaluate_ranks, held_out_ranks, rmse

    log = _Log(workers.is_first())
    own = options.data.endswith(".csv")
    data = movierec.read(options.data, options.movies) if own else movierec.load(options.data)
    log.line("read", data)
    split = movierec.split_by_user_time(data.ratings)
    movies, users = data.movies, data.users
    del data  # the split has its own rows
    log.line("split", split)
    model = movierec.fit_hybrid(
        split, movies, users, seed=options.seed, epochs=options.epochs, patience=options.patience,
        checkpoint=options.checkpoint, strategy=strategy, progress=workers.is_first() and sys.stdout.isatty(),
        on_epoch=lambda row: log.line("epoch", ", ".join(f"{name} {value:.4g}" for name, value in row.items())),
    )  # fmt: skip
    log.line("fitted", f"best epochs {model.best_epochs}")
    if not workers.is_first():
        return
    model.save(options.folder)
    log.line("saved", options.folder)
    log.line("stars", f"test RMSE {rmse(model.predict(split.test), split.test['rating']):.4f}")
    liked = split.test[split.test["rating"] >= 4]
    ranks = held_out_ranks(model.score, liked, model.seen, model.indices, progress=sys.stderr.isatty())
    means = evaluate_ranks(ranks, liked, model.indices)[list(MEASURED)].mean()
    log.line("lists", ", ".join(f"test {name} {value:.4f}" for name, value in means.items()))


class _Log:
    """Lines with the seconds since the start, of the wall and of all processors, and the most memory so far."""

    def __init__(self, is_shown: bool):
        self.is_shown, self.start = is_shown, time.perf_counter()

    def line(self, what: str, text) -> None:
        """Nothing; a line is printed."""
        if self.is_shown:
            wall, cpu = time.perf_counter() - self.start, time.process_time()
            print(f"{wall:7.1f} s  {cpu:7.1f} CPU s  {_peak_gb():5.2f} GB  {what:6}  {text}", flush=True)


def _peak_gb() -> float:
    """The most memory that this process has had; NaN on Windows, which has another way to ask."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)  # in bytes there, else in kB
