"""Numbers, tables and figures on their way from the notebooks to the report, with their origin.

report/results/*.csv             recorded: tracked by git, the source of all LaTeX
report/generated/results/*.csv   fresh: written by notebooks as a side effect of being run
report/generated/**/*.tex        LaTeX made from the recorded results by `movierec.latex.build`
report/generated/mine/           the same from your own last run, with every number that differs marked
report/figures/*.pdf             written by notebooks; figures.csv says by which

python -m movierec.report build [--mine]  LaTeX; or what is missing, and which notebook makes it
python -m movierec.report check [--all]   what moved between recorded and fresh (exit code 1)
python -m movierec.report record          keep the fresh results as the recorded ones
"""

import argparse
import functools
import io
import json
import math
import os
import re
import sys
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from movierec.data import COURSE, chosen, fingerprint
from movierec.drift import check, forget, record, told
from movierec.results import (
    FIGURES,
    NUMBERS,
    ORIGIN,
    RESERVED,
    as_csv,
    commit,
    is_number,
    origin_of,
    read_rows,
    read_table,
    report_folder,
    require,
    running_cell,
    write_file,
    write_rows,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from movierec.data import MovieLens
    from movierec.plots import Picture

__all__ = ["Recorder", "check", "forget", "main", "read_rows", "read_table", "record", "report_folder"]


class Recorder:
    """What one notebook writes for the report; `record = movierec.report.Recorder("06_training", data)`.

    Every result says the notebook, the cell, the commit and the checksum of the data that it is from.

    The report is about the course's data set. What is measured on another, see `datasets.chosen`, is written beside it,
    into `generated/<data set>/`, and nothing is compared with it.

    Args:
        notebook: its file name without the ending; or the path of a script.
        data: what it is about; None for made data.
        folder: the report's folder; else the environment's MOVIEREC_REPORT; else `report/` of this checkout.
    """

    def __init__(self, notebook: str, data: "MovieLens | None" = None, *, folder: Path | str | None = None) -> None:
        self.notebook, self.data, self.folder = notebook, data, report_folder(folder)
        if chosen() != COURSE:
            self.folder = self.folder / "generated" / chosen()

    def __repr__(self) -> str:
        return f"Recorder({self.notebook!r})"

    def finding(self, sentence: str, holds: Any) -> None:
        """Nothing; prints whether what the text says holds in this run: "more users, better lists: yes".

        It stops nobody who turned a setting or took other data, and who finds something else. Where nothing was
        changed, nbval compares the line with the stored one.

        Args:
            sentence: the finding, without numbers that another run may change.
            holds: True or False, NumPy's too; not a table with one cell.

        Raises:
            ValueError: if `holds` is anything else.
        """
        require(
            isinstance(holds, bool | np.bool_),
            f"finding {sentence!r} needs one truth value; found {holds!r}.",
        )
        print(f"{sentence}: {'yes' if holds else 'no'}")

    def number(
        self,
        name: str,
        value: float,
        *,
        interval: tuple[float, float] | None = None,
        tolerance: float = 0.0,
        unit: str = "",
        digits: int | None = None,
    ) -> None:
        r"""Nothing; writes one fresh number, in LaTeX a macro: `hybrid_rmse` becomes `\HybridRmse`.

        Args:
            name: two or more words of lowercase letters joined by `_`.
            value: finite.
            interval: the ends of its 95 % interval, kept as `{name}_low` and `{name}_high`; `\HybridRmseInterval` is
                then the number with them. None: it was counted or timed, not estimated.
            tolerance: how far a new run may be from the recorded one; `math.inf`, for seconds: not compared.
            unit: said in the LaTeX source, e.g. "stars".
            digits: after the point in LaTeX; 0 for whole numbers, else 3.

        Raises:
            ValueError: if the name makes no macro, another notebook has it, the value is not finite, or the interval
                does not hold it.
        """
        _check_name(name, words=2)
        require(tolerance >= 0, f"the tolerance of {name!r} must be 0 or more; found {tolerance}.")
        digits = digits if digits is not None else 0 if isinstance(value, Integral) else 3
        values = {name: value}
        if interval is not None:
            low, high = interval
            require(
                low <= value <= high,
                f"the interval of {name!r} must hold it; found {value} outside {low} to {high}. "
                "Give the ends of the interval, not their distances.",
            )
            values |= {f"{name}_low": low, f"{name}_high": high}
        else:
            self._drop("numbers.csv", NUMBERS, [f"{name}_low", f"{name}_high"])  # of a run that had an interval
        cells = {key: _cell(each, f"number {key!r}") for key, each in values.items()}
        for key, text in cells.items():
            require(is_number(text), f"number {key!r} must be one; found {text!r}. `record.table` takes text.")
            self._upsert("numbers.csv", NUMBERS, key, text, f"{tolerance:.10g}", str(digits), unit)

    def table(
        self,
        name: str,
        table: pd.DataFrame,
        *,
        tolerance: dict[str, float] | None = None,
        best: dict[str, list] | None = None,
    ) -> None:
        """Nothing; writes one fresh table without its index; its first line says where it is from.

        Args:
            name: lowercase letters and `_`.
            table: finite numbers and text; where a figure does not apply, the text "--".
            tolerance: column -> how far a new run may be; `math.inf`: not compared.
            best: column -> the rows, by their first cell, that a test says lead in it, as `comparison.leaders` returns
                them: they are what the report sets in bold.

        Raises:
            ValueError: if a cell is missing or infinite, a tolerance has no column, a leader no row, or the index has
                a name.
        """
        _check_name(name)
        unknown = [column for column in {**(tolerance or {}), **(best or {})} if column not in table]
        require(
            not unknown, f"tolerances and leaders of {name!r} must name its columns {list(table)}; found {unknown}."
        )
        require(
            table.index.name is None,
            f"the index of {name!r} is dropped, but it has a name: {table.index.name!r}. Record `table.reset_index()`.",
        )
        path = self.folder / f"generated/results/{name}.csv"
        self._check_owner(name, read_table(path)[1]["notebook"] if path.exists() else self.notebook, path)
        rows = [
            [
                _cell(value, f"table {name!r}, row {number}, column {column!r}")
                for column, value in zip(table, row, strict=True)
            ]
            for number, row in enumerate(table.itertuples(index=False))
        ]
        lead = {
            column: [_cell(model, f"a leader of {name!r}") for model in models]
            for column, models in (best or {}).items()
        }
        nobody = sorted({model for models in lead.values() for model in models} - {row[0] for row in rows})
        require(not nobody, f"leaders of {name!r} must be among its first cells; found {nobody}.")
        header = {**{key: value for key, value in self._origin().items() if value}, "tolerance": tolerance or {}}
        header |= {"best": lead} if best else {}
        write_file(path, f"# {json.dumps(header)}\n" + as_csv([list(table), *rows]))

    def figure(self, name: str, fig: "Figure", alt: str) -> "Picture":
        """The figure as a picture with words, as `plots.alt`; make it the last line of a cell.

        It is written to figures/{name}.pdf, too, the same bytes each time, with the words and its origin in it.

        Args:
            name: lowercase letters and `_`.
            fig: a Matplotlib figure, which is closed.
            alt: what it shows, in a sentence or two, for those who cannot see it.

        Raises:
            ValueError: if the name is taken by another notebook, or there are no words.
        """
        import matplotlib  # here: who only reads results does not wait for it

        from movierec import plots

        _check_name(name)
        picture = plots.alt(fig, alt)
        origin = self._origin()
        metadata = {"Title": name, "Subject": picture.text, "Keywords": origin_of(origin)}
        if "SOURCE_DATE_EPOCH" not in os.environ:
            metadata["CreationDate"] = None
        buffer = io.BytesIO()
        with matplotlib.rc_context({"pdf.fonttype": 42}):
            fig.savefig(buffer, format="pdf", metadata=metadata)
        self._upsert("figures.csv", FIGURES, name, picture.text)
        write_file(self.folder / f"figures/{name}.pdf", buffer.getvalue())
        return picture

    @functools.cached_property
    def _checksum(self) -> str:
        return fingerprint(self.data) if self.data is not None else ""

    def _origin(self) -> dict[str, str]:
        return dict(zip(ORIGIN, (self.notebook, running_cell(self.notebook), commit(), self._checksum), strict=True))

    def _upsert(self, file: str, fields: list[str], name: str, *values: str) -> None:
        path = self.folder / "generated/results" / file
        rows = read_rows(path)
        self._check_owner(name, rows.get(name, {}).get("notebook", self.notebook), path)
        rows[name] = dict(zip(fields, (name, *values, *self._origin().values()), strict=True))
        write_rows(path, fields, rows)

    def _drop(self, file: str, fields: list[str], names: list[str]) -> None:
        path = self.folder / "generated/results" / file
        rows = read_rows(path)
        left = {name: row for name, row in rows.items() if name not in names or row["notebook"] != self.notebook}
        if len(left) < len(rows):
            write_rows(path, fields, left)

    def _check_owner(self, name: str, owner: str, path: Path) -> None:
        require(
            owner == self.notebook,
            f"{name!r} is recorded by {owner} already. "
            f"Choose another name in {self.notebook}, or, if it moved there, delete it from {path}.",
        )


def main(arguments: list[str] | None = None) -> int:
    """The exit code of `python -m movierec.report`: 0, or 1 if something moved or is missing."""
    parser = argparse.ArgumentParser(prog="python -m movierec.report", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["build", "check", "record"])
    parser.add_argument("--all", action="store_true", help="check: what was not compared fails, too")
    parser.add_argument("--mine", action="store_true", help="build: from your own last run, what differs is marked")
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            from movierec.latex import build  # here: who only records does without it

            print(f"build: {build(mine=options.mine)}")
            return 0
        if options.command == "record":
            print(f"record: {len(record())} results")
            return 0
        rows = check()
    except (FileNotFoundError, ValueError) as error:
        print(f"movierec.report: {error}", file=sys.stderr)
        return 1
    print(told(rows))
    moved = rows["status"] == "moved"
    return int(moved.any() or (options.all and len(rows) > 0))


def _check_name(name: str, words: int = 1) -> None:
    require(
        re.fullmatch(r"[a-z]+(_[a-z]+)*", name),
        "a name must be lowercase letters, words joined by '_'; "
        f"found {name!r}. LaTeX macros have no digits: write them as words, e.g. 'random_five_rmse'.",
    )
    require(
        name.count("_") + 1 >= words,
        f"a number's name must have two words, whose and what; found "
        f"{name!r}, which may be a macro of LaTeX itself. Use e.g. 'hybrid_rmse'.",
    )
    require(name not in RESERVED, f"{name!r} is the name of a file of the report already. Choose another.")


def _cell(value: Any, where: str) -> str:
    """A value as text: whole numbers in full, others to ten digits, so a rerun is equal."""
    missing = value is None or value is pd.NA or value is pd.NaT
    require(
        not missing and not (isinstance(value, Real) and not math.isfinite(value)),
        f"{where} must be finite; found {value}. Where nothing applies, write '--' into the table.",
    )
    return f"{value:.10g}" if isinstance(value, Real) and not isinstance(value, Integral) else str(value)


if __name__ == "__main__":
    sys.exit(main())
