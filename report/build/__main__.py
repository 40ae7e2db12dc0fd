"""Build the report from its results: `python -m report.build build`, `check`, `record`, `readme` or `picture`."""

import argparse
import sys

from report.build import drift, latex, readme
from report.build.results import record_minutes


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0; or 1 if something moved, is missing, or is wrong."""
    parser = argparse.ArgumentParser(prog="python -m report.build", description=__doc__.split(":")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write LaTeX from the recorded results")
    build.add_argument("--mine", action="store_true", help="from your own last run, with what differs marked")
    check = commands.add_parser("check", help="list what moved between the recorded results and the last run's")
    check.add_argument("--all", action="store_true", help="fail also for results that could not be compared")
    commands.add_parser("record", help="keep the last run's results as the recorded ones")
    commands.add_parser("readme", help="write what README.md, docs/ and report/results/README.md show of the results")
    commands.add_parser("picture", help="draw the picture of README.md from the recorded results")
    options = parser.parse_args(arguments)
    try:
        record_minutes()
        if options.command == "build":
            print(f"build: {latex.build(mine=options.mine)}")
        elif options.command == "record":
            print(f"record: {len(drift.record())} results")
        elif options.command == "readme":
            readme.write()
        elif options.command == "picture":
            readme.write_picture()
        else:
            rows = drift.check()
            print(drift.format_drift(rows))
            return int("moved" in set(rows["status"]) or (options.all and len(rows) > 0))
    except (FileNotFoundError, ValueError) as error:
        print(f"report.build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
