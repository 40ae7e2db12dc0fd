"""`python -m movierec doctor`: what is missing; `python -m movierec train`: from ratings to a saved model."""

import sys

USAGE = """python -m movierec doctor                what is installed, what is missing, and how to mend it
python -m movierec train DATA FOLDER     from ratings to a saved model; --help says more"""


def main(arguments: list[str]) -> int:
    """The exit code of the command: 0 or 1; 2 if there is none of that name."""
    if arguments == ["doctor"]:
        from movierec.play import main as doctor

        return doctor()
    if arguments[:1] == ["train"]:
        from movierec.training import main as train

        return train(arguments[1:])
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
