"""The command line: `python -m movierec COMMAND`; `--help` lists the commands, `COMMAND --help` their options.

    python -m movierec doctor                                        what is installed, what is missing, how to get it
    python -m movierec train ml-20m my-model --checkpoint kept       from ratings to a saved model
    python -m movierec train ratings.csv my-model --movies movies.csv --split leave_last --workers 2

TensorFlow is loaded by the commands that need it, so that `--help` answers at once. Taught in notebooks/12_serving.
"""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import warnings
from pathlib import Path

from movierec.training import workers

LOCAL = "127.0.0.1"
COMMAND = [sys.executable, "-m", "movierec"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    It is 0; 1 if the command failed, with the reason in one line on stderr; 2 for a wrong call; 130 or 143 if it was
    ended by SIGINT (Ctrl-C) or SIGTERM. Warnings are lines on stderr, too.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: _say("Note", message)
            with workers.ended_by_signals():
                options = _parser().parse_args(arguments)
            with contextlib.nullcontext() if options.run is _serve else workers.ended_by_signals():  # it has its own
                return options.run(options, arguments)
    except (OSError, ValueError, MemoryError, workers.WorkerLost) as error:
        _say(type(error).__name__, error)
        return 1
    except workers.Ended as end:
        print(f"Ended by {signal.Signals(end.code - 128).name}.", file=sys.stderr)
        return end.code


def _say(kind: str, message) -> None:
    """Print a message on stderr in one line, with its advice in options of this command line."""
    from movierec.training import command

    if workers.is_first() or kind != "Note":
        print(f"{kind}:", *command.in_options(str(message)).split(), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    from movierec.data import chosen, data_folder  # takes long enough for a Ctrl-C

    parser = argparse.ArgumentParser(prog="python -m movierec", description="The movierec course: its commands.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("doctor", _doctor, "Say what is installed, what is missing, and how to get it.")
    data = command("data", _data, "Fetch a MovieLens release, check it, and keep it in the data folder.")
    data.add_argument("name", nargs="?", default=chosen(), help="ml-100k … ml-32m; default: %(default)s")
    train = command("train", _train, "Train a model from ratings, save it, and measure it on the test part.")
    _add_train_options(train)
    events = data_folder() / "cache" / "events.db"
    serve = command("serve", _serve, "Serve a saved model over HTTP: a page at /; /docs explains the requests.")
    serve.add_argument("--no-page", action="store_true", help="answer programs only, with half the memory")
    serve.set_defaults(opens=False)
    _add_service_options(serve, events)
    app = command("app", _serve, "The same, and open the page in the browser.")
    app.set_defaults(no_page=False, opens=True)
    _add_service_options(app, events)
    forget = command("forget", _forget, "Delete everything that a user did from the event store, to the last byte.")
    forget.add_argument("user_id")
    forget.add_argument("--events", type=Path, default=events, help="file of what users did; default: %(default)s")
    return parser


def _add_service_options(service: argparse.ArgumentParser, events: Path) -> None:
    add = service.add_argument
    add("--model", help="folder of a saved model; default: the course's model, trained first if need be")
    add("--events", type=Path, default=events, help="file of what users did and were shown; default: %(default)s")
    add("--port", type=int, default=8000, help="0 takes any free port; default: %(default)s")
    add("--host", default=LOCAL, help="0.0.0.0 lets other machines in; give a token then")
    named = "a host by which it is asked, beside its address; may be repeated"
    add("--name", action="append", default=[], help=named)
    secret = "what every request must bring; better set MOVIEREC_TOKEN, which nobody sees in the list of processes"
    add("--token", help=secret)
    share = "share of the lists that are drawn at random from more candidates, below 1; default: %(default)s"
    part = _number(float, "a share from 0 to below 1", lambda number: 0 <= number < 1)
    add("--explore", type=part, default=0.0, help=share)
    second = "folder of a second model, whose lists for the same users are logged and shown to nobody"
    add("--shadow", metavar="FOLDER", help=second)


def _add_train_options(train: argparse.ArgumentParser) -> None:
    add = train.add_argument
    count = _number(int, "1 or more", lambda number: number >= 1)
    share = _number(float, "a share from 0 to below 0.5", lambda number: 0 <= number < 0.5)
    rate = _number(float, "a number above 0", lambda number: 0 < number < float("inf"))
    add("data", help="ml-100k … ml-32m, or the path of your own file of ratings, e.g. ratings.csv")
    add("folder", help="where the model is saved")
    for name in ("movies", "users", "tags"):
        add(f"--{name}", help=f"the path of your own file of {name}, beside one of ratings")
    scale = "the fewest and the most stars of your own ratings, e.g. 0 10; default: as they look"
    add("--scale", type=float, nargs=2, metavar=("LOW", "HIGH"), help=scale)
    splits = ("by_user_time", "by_time", "leave_last", "random")
    split = "what is tested: each user's newest ratings, everybody's newest, each user's last one, or any; "
    add("--split", choices=splits, default=splits[0], help=f"{split}default: %(default)s")
    add("--validation", type=share, default=0.1, help="share of the ratings by which epochs are judged")
    add("--test", type=share, default=0.1, help="share of the ratings that is measured at the end")
    add("--liked-from", type=float, metavar="STARS", help="a film counts as liked from here on; default: 4 of 5 stars")
    heads = "stars to predict ratings, ranking for lists; default: both"
    add("--heads", nargs="+", choices=("stars", "ranking"), default=["stars", "ranking"], help=heads)
    add("--checkpoint", metavar="FOLDER", help="a folder; the same command resumes there after a crash")
    add("--workers", type=count, default=1, help="processes on this machine that share each batch")
    trusted = (
        "with --workers, where this machine has no network of their own for them (Linux has, for root or with user "
        "namespaces): let anybody in your network reach TensorFlow's server, which asks for no password"
    )
    add("--trusted-network", action="store_true", help=trusted)
    add("--epochs", type=count, default=80, help="at most this many for each head; default: %(default)s")
    patience = "epochs without a better validation before stopping; default: %(default)s"
    add("--patience", type=count, default=5, help=patience)
    add("--learning-rate", type=rate, help="of the stars head; default: .001")
    add("--ranking-learning-rate", type=rate, help="of the ranking head; default: .004")
    add("--seed", type=_number(int, "0 or more", lambda number: number >= 0), default=0)


def _doctor(options, arguments) -> int:
    from movierec.play import doctor

    return doctor.main()


def _data(options, arguments) -> int:
    import movierec

    print(movierec.load(options.name))
    return 0


def _serve(options, arguments) -> int:
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # TensorFlow reads them when it is loaded
        os.environ.setdefault(threads, "1")  # one list is too small to share: more threads take 1.3 times the CPU
    from movierec.serving.service import serve

    folder = _model_folder(options.model)
    with contextlib.suppress(KeyboardInterrupt):
        token = options.token or os.environ.get("MOVIEREC_TOKEN") or None
        where = {"host": options.host, "port": options.port, "names": tuple(options.name), "token": token}
        shows = {"page": not options.no_page, "opens": options.opens}
        serve(folder, options.events, explore=options.explore, shadow=options.shadow, **shows, **where)
    return 0


def _forget(options, arguments) -> int:
    from movierec.serving import EventStore

    if not options.events.exists():
        raise FileNotFoundError(f"{options.events} must be an event store; there is none. Name yours: --events PATH.")
    kinds = {options.user_id}  # 42 and "42" are different users, of different models
    with contextlib.suppress(ValueError):
        kinds |= {int(options.user_id)} if -(2**63) <= int(options.user_id) < 2**63 else set()
    with EventStore(options.events) as store:
        count, shown = (sum(column) for column in zip(*map(store.forget, kinds), strict=True))
        found = f"{count:,} events and {shown:,} impressions of user {options.user_id} were deleted"
        print(f"{found}, {len(store):,} events of others are kept")
    print("what a model has learned from them stays until it is trained again without them")
    return 0


def _model_folder(folder: str | None) -> Path:
    """Return the folder as given; None stands for the course's model, which is trained now if there is none yet."""
    if folder is not None:
        return Path(folder)
    from movierec.training import load_or_train, model_folder

    with workers.ended_by_signals():
        load_or_train()
    return model_folder()


def _train(options, arguments) -> int:
    from movierec.training import command

    options.saved = False
    launches = options.workers > 1 and not workers.is_one_of_several()
    try:
        if not launches:
            return command.train(options, workers.strategy(options.trusted_network))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the first worker says them
            command.prepare(options)  # here, where the internet can be reached, and errors are said once
        return workers.launch([*COMMAND, *arguments], options.workers, options.trusted_network)
    except workers.Ended as end:
        if not workers.is_one_of_several():  # else the launcher says it
            print(_farewell(options, arguments, end.code), file=sys.stderr)
        return end.code


def _farewell(options, arguments: list[str], code: int) -> str:
    """Return what is kept of a training that was ended by a signal, and how to go on, in one line."""
    by = f"Ended by {signal.Signals(code - 128).name}"
    if options.saved:
        return f"{by}; the model is saved in {options.folder}, only its measurement is missing."
    again = shlex.join([*COMMAND, *arguments])
    if options.checkpoint:
        return f"{by}; the same command resumes at the last checkpoint: {again}"
    folder = shlex.quote(f"{options.folder.rstrip('/')}-checkpoint")
    how = "A training with --checkpoint can be resumed by the same command"
    return f"{by}; nothing is kept. {how}: {again} --checkpoint {folder}"


def _number(kind, must: str, holds):
    """Return a reader of options that are numbers of a kind, int or float, for which `holds` holds."""

    def number(text: str):
        if not holds(value := kind(text)):
            raise argparse.ArgumentTypeError(f"must be {must}, got {text}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
