"""The command line: `python -m movierec COMMAND`; `--help` lists the commands, `COMMAND --help` their options.

    python -m movierec doctor                                        what is installed, what is missing, how to get it
    python -m movierec train ml-20m my-model --checkpoint kept       from ratings to a saved model
    python -m movierec train ratings.csv my-model --movies movies.csv --workers 2

TensorFlow is loaded by the commands that need it, so that `--help` answers at once. Taught in notebooks/10_serving.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import movierec
from movierec.data import chosen, data_folder
from movierec.training import workers

MEASURED = ("ndcg@10", "recall@10", "hit_rate@10")
LOCAL = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0; 1 if it failed, with the reason on stderr; 2 for a wrong call."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    try:
        return options.run(options, arguments)
    except (OSError, ValueError, workers.WorkerLost) as error:
        print(f"{type(error).__name__}:", *str(error).split(), file=sys.stderr)  # one line
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m movierec", description="The movierec course: its commands.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("doctor", _doctor, "Say what is installed, what is missing, and how to get it.")
    data = command("data", _data, "Fetch a MovieLens release, check it, and keep it in the data folder.")
    data.add_argument("name", nargs="?", default=chosen(), help="ml-100k … ml-32m; default: %(default)s")

    train = command("train", _train, "Train a model from ratings, measure it on the test part, and save it.")
    train.add_argument("data", help="ml-100k … ml-32m, or the path of a ratings.csv")
    train.add_argument("folder", help="where the model is saved")
    train.add_argument("--movies", help="the path of a movies.csv, beside a ratings.csv")
    train.add_argument("--checkpoint", help="a folder; the same command resumes there after a crash")
    train.add_argument("--workers", type=int, default=1, help="processes on this machine that share each batch")
    train.add_argument(
        "--trusted-network", action="store_true",
        help="with --workers: let TensorFlow's server be reached from outside, without a password, where this machine "
        "does not give the workers a network of their own (Linux does, to root or with user namespaces)",
    )  # fmt: skip
    train.add_argument("--epochs", type=int, default=80, help="at most this many for each head")
    train.add_argument("--patience", type=int, default=5, help="epochs without a better validation before stopping")
    train.add_argument("--seed", type=int, default=0)

    serve = command("serve", _serve, "Serve a saved model over HTTP; the page /docs explains the requests.")
    serve.add_argument("--model", help="folder of a saved model; default: the course's model, trained first if need be")
    events = data_folder() / "cache" / "events.db"
    serve.add_argument("--events", type=Path, default=events, help="file of what users did; default: %(default)s")
    serve.add_argument("--port", type=int, default=8000, help="0 takes any free port; default: %(default)s")
    serve.add_argument("--host", default=LOCAL, help="0.0.0.0 lets other machines in; there are no passwords")

    app = command("app", _app, "Open the recommendation form in the browser.")
    app.add_argument("--port", type=int, default=8866, help="default: %(default)s")
    return parser


def _doctor(options, arguments) -> int:
    from movierec.play import doctor

    return doctor.main()


def _data(options, arguments) -> int:
    print(movierec.load(options.name))
    return 0


def _serve(options, arguments) -> int:
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # TensorFlow reads them when it is loaded
        os.environ.setdefault(threads, "1")  # one list is too small to share: more threads take 1.3 times the CPU
    from movierec.serving.service import serve

    folder = _model_folder(options.model)
    with contextlib.suppress(KeyboardInterrupt):
        serve(folder, options.events, host=options.host, port=options.port)
    return 0


def _app(options, arguments) -> int:
    _model_folder(None)
    page = Path(__file__).parent / "play" / "app.ipynb"
    command = [sys.executable, "-m", "voila", str(page), f"--port={options.port}", f"--Voila.ip={LOCAL}"]
    return subprocess.call(command)


def _model_folder(folder: str | None) -> Path:
    """Return the folder as given; None stands for the course's model, which is trained now if there is none yet."""
    if folder is not None:
        return Path(folder)
    from movierec.training import load_or_train, model_folder

    load_or_train()
    return model_folder()


def _train(options, arguments) -> int:
    if options.workers > 1 and not workers.is_one_of_several():
        command = [sys.executable, "-m", "movierec", *arguments]
        return workers.launch(command, options.workers, options.trusted_network)
    train(options, workers.strategy(options.trusted_network))
    return 0


def train(options: argparse.Namespace, strategy) -> None:
    """Read, split per user in time, fit, save and measure; print one line for each step.

    Of several workers, the first one prints and saves.

    Args:
        options: data, folder, movies, checkpoint, epochs, patience, seed, as on the command line.
        strategy: of `workers.strategy()`; it must be made before TensorFlow runs its first operation.
    """
    from movierec.evaluation import evaluate_ranking
    from movierec.evaluation.metrics import rmse

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
        checkpoint=options.checkpoint, strategy=strategy, progress=workers.is_first() and sys.stderr.isatty(),
        on_epoch=lambda row: log.line("epoch", ", ".join(f"{name} {value:.4g}" for name, value in row.items())),
    )  # fmt: skip
    log.line("fitted", f"best epochs {model.best_epochs}")
    if not workers.is_first():
        return
    model.save(options.folder)
    log.line("saved", options.folder)
    log.line("stars", f"test RMSE {rmse(model.predict(split.test), split.test['rating']):.4f}")
    means = evaluate_ranking(model.score, split, model.indices)[list(MEASURED)].mean()
    log.line("lists", ", ".join(f"test {name} {value:.4f}" for name, value in means.items()))


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


if __name__ == "__main__":
    sys.exit(main())
