"""`python -m movierec doctor`: what is installed, what is missing, and how to mend it."""

import sys


def main(arguments: list[str]) -> int:
    """The exit code of the command: 0 or 1; 2 if there is none of that name."""
    if arguments == ["doctor"]:
        from movierec.doctor import main as doctor

        return doctor()
    print("python -m movierec doctor    what is installed, what is missing, and how to mend it", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
