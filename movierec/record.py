"""What a notebook hands to the report: numbers, tables and figures, each with its origin.

    report/results/                       recorded: tracked by git, the source of the paper and of the README
    report/generated/results/<notebook>/  fresh: what the last run of a notebook wrote, one file a result
    report/figures/                       the figures of the last run, as PDF

A result is a file of its own that is replaced as a whole, so notebooks that run side by side lose nothing.
`python -m report.build` compares the fresh results with the recorded ones, keeps them, and makes LaTeX of them.
"""

import io
import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from movierec.data import COURSE, MovieLens, chosen, fingerprint
from movierec.files import write_atomically
from movierec.origin import ORIGIN, commit, origin_of, recorded_file, report_folder, running_cell, tolerances_of

RESERVED = {"numbers", "figures", "provenance"}  # names that files of the report have already


def finding(sentence: str, holds: Any) -> None:
    """Print a sentence with its numbers, and whether it holds in this run: "loss 1.26 (leak) < 1.39: yes".

    The reader may have changed a setting, so "no" is no error; a `holds` that is not one truth value is a ValueError.
    """
    require(isinstance(holds, bool | np.bool_), f"finding {sentence!r} needs one truth value; found {holds!r}.")
    print(f"{sentence}: {'yes' if holds else 'no'}")


class Recorder:
    """The results of one notebook or script on their way to the report.

    A name is lowercase words joined by `_`, and belongs to one notebook; any other name is a ValueError. Results on
    another data set than the course's go to `generated/<data set>/`, and nothing is compared with them.

    Args:
        notebook: The file's name without its ending, "06_training"; or the path of a script, which has no cells.
        data: What the results are about; None for made data, which has no checksum.
    """

    def __init__(self, notebook: str, data: MovieLens | None = None) -> None:
        self.notebook = notebook
        self.checksum = "" if data is None else fingerprint(data)
        self.folder = report_folder()
        if chosen() != COURSE:
            self.folder = self.folder / "generated" / chosen()
        self._fresh = self.folder / "generated/results" / notebook.replace("/", "-")

    def __repr__(self) -> str:
        return f"Recorder({self.notebook!r})"

    def number(
        self, name: str, value: float, *, interval: tuple[float, float] | None = None, tolerance: float | None = None,
        unit: str | None = None, digits: int | None = None,
    ) -> None:  # fmt: skip
        r"""Record a finite number, which LaTeX has as a macro: `hybrid_rmse` becomes `\HybridRmse`.

        Args:
            name: Two words or more: whose, and what.
            interval: Ends of its 95 % interval, kept as `{name}_low` and `{name}_high`; `\HybridRmseInterval` is then
                the number with both. None for what is counted, timed or set.
            tolerance: How far a new run may be from the recorded one; `math.inf`, for seconds: never compared.
            unit, digits: In LaTeX: "stars"; after the point. These three: as `report/tolerances.toml` says if None, or
                0, "", and 0 digits for whole numbers, else 3.
        """
        _check_name(name, words=2)
        require(isinstance(value, Real), f"number {name!r} must be one; found {value!r}. `record.table` takes text.")
        form = {"tolerance": 0.0, "digits": 0 if isinstance(value, Integral) else 3, "unit": ""}
        form |= tolerances_of("numbers", name)
        given = {"tolerance": tolerance, "digits": digits, "unit": unit}
        form |= {key: one for key, one in given.items() if one is not None}
        require(form["tolerance"] >= 0, f"the tolerance of {name!r} must be 0 or more; found {form['tolerance']}.")
        values = {"value": value}
        if interval is not None:
            low, high = interval
            found = f"found {low} to {high}. Give its ends, not distances."
            require(low <= value <= high, f"the interval of {name!r} must hold {value}; {found}")
            values |= {"low": low, "high": high}
        row = dict(zip(values, _cells(values, f"number {name!r},"), strict=True))
        row |= {"tolerance": f"{form['tolerance']:.10g}", "digits": str(form["digits"]), "unit": form["unit"]}
        self._write(f"{name}.number.json", json.dumps({"name": name, **row, **self._origin()}))

    def numbers(self, table: pd.DataFrame, rows: dict[str, Any], columns=("mean", "low", "high")) -> None:
        """Record a number of each row, {its name: label}: the first of `columns`, and the others as its interval."""
        for name, row in rows.items():
            value, *ends = table.loc[row, list(columns)]
            self.number(name, value, interval=ends or None)

    def table(
        self, name: str, table: pd.DataFrame, *, tolerance: dict[str, float] | None = None,
        best: dict[str, list] | None = None,
    ) -> None:  # fmt: skip
        """Record a table without its index, as a CSV file whose first line is a comment in JSON.

        Args:
            table: Finite numbers and text; where nothing applies, the text "--". Its index must have no name.
            tolerance: Column -> how far a new run may be; `math.inf`: never compared. None: as
                `report/tolerances.toml` says, or 0 everywhere.
            best: Column -> first cells of the rows that lead in it by a test (`evaluation.leaders`): bold in print.
        """
        _check_name(name)
        tolerance = tolerances_of("tables", name) if tolerance is None else tolerance
        unknown = [column for column in {**tolerance, **(best or {})} if column not in table]
        require(not unknown, f"tolerances and leaders of {name!r} must name columns {list(table)}; found {unknown}.")
        lost = f"the index of {name!r} has a name and would be lost. Record table.reset_index()."
        require(table.index.name is None, lost)
        cells = pd.DataFrame({column: _cells(values, f"{name!r}, {column!r}, row") for column, values in table.items()})
        lead = {column: _cells(dict(enumerate(rows)), f"{name!r}, leader") for column, rows in (best or {}).items()}
        absent = sorted({row for rows in lead.values() for row in rows} - set(cells.iloc[:, 0]))
        require(not absent, f"leaders of {name!r} must be among its first cells; found {absent}.")
        header = {key: value for key, value in self._origin().items() if value} | {"tolerance": tolerance}
        header |= {"best": lead} if best else {}
        self._write(f"{name}.csv", f"# {json.dumps(header)}\n" + cells.to_csv(index=False, lineterminator="\n"))

    def figures(self) -> None:
        """Hand over every figure that `plots.show` showed under a name."""
        from movierec import plots

        for name, (fig, caption) in plots.SHOWN.items():
            self.figure(name, fig, caption)

    def figure(self, name: str, fig, alt: str) -> None:
        """Write a figure to figures/{name}.pdf, with its text and origin inside: the same bytes each time; close it.

        `alt` says what it shows, in a sentence or two, for readers who cannot see it.
        """
        from matplotlib import pyplot, rc_context  # here: reading results must not wait for it

        _check_name(name)
        alt, about = " ".join(alt.split()), self._origin()
        require(alt, f"alt text must say what the figure shows; found none for {name!r}.")
        metadata = {"Title": name, "Subject": alt, "Keywords": origin_of(about)}
        if "SOURCE_DATE_EPOCH" not in os.environ:
            metadata["CreationDate"] = None
        buffer = io.BytesIO()
        with rc_context({"pdf.fonttype": 42}):
            fig.savefig(buffer, format="pdf", metadata=metadata)
        pyplot.close(fig)
        self._write(f"{name}.figure.json", json.dumps({"name": name, "alt": alt, **about}))
        write_file(self.folder / f"figures/{name}.pdf", buffer.getvalue())

    def _origin(self) -> dict[str, str]:
        return dict(zip(ORIGIN, (self.notebook, running_cell(self.notebook), commit(), self.checksum), strict=True))

    def _write(self, file: str, text: str) -> None:
        for path in self._fresh.parent.glob(f"*/{file}"):
            advice = f"Choose another name in {self.notebook}, or, if it moved there, delete {path}."
            owner = f"{file.split('.')[0]!r} is recorded by {path.parent.name} already. {advice}"
            require(path.parent == self._fresh, owner)
        write_file(self._fresh / file, text)


def forget(notebook: str) -> None:
    """Delete the fresh results of a notebook that is about to run: it may write others."""
    shutil.rmtree(Recorder(notebook)._fresh, ignore_errors=True)


def recorded(name: str) -> pd.DataFrame:
    """Return a table of report/results, "--" as NaN: the way to show an experiment that takes too long to repeat.

    On another data set than the course's, it is the table that `make repeats` wrote for that one, if it did.
    """
    home = report_folder()
    own = home.glob(f"generated/{chosen()}/generated/results/*/{name}.csv") if chosen() != COURSE else ()
    path = next(iter(own), recorded_file(f"{name}.csv"))
    return pd.read_csv(path, skiprows=1, na_values="--", keep_default_na=False)


def read_table(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a table's cells as text, and what its first line says: notebook, commit, tolerance, …"""
    first, body = path.read_text(encoding="utf-8").split("\n", 1)
    return pd.read_csv(io.StringIO(body), dtype=str, keep_default_na=False), json.loads(first.removeprefix("#"))


def keep(name: str) -> None:
    """Make a fresh table the recorded one.

    A table that came out the same keeps the commit that first made it, unless that code was never committed ("+").
    """
    (fresh,) = report_folder().glob(f"generated/results/*/{name}.csv")
    kept = report_folder() / f"results/{name}.csv"
    if kept.exists():
        (old, said), (new, says) = read_table(kept), read_table(fresh)
        committed = not said.get("commit", "").endswith("+")
        if committed and old.equals(new) and said | {"commit": "", "data": ""} == says | {"commit": "", "data": ""}:
            return
    write_file(kept, fresh.read_bytes())


def write_file(path: Path, content: str | bytes) -> None:
    """Replace a file at once; leave it and its date alone if it has this content already."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


def require(holds: Any, message: str) -> None:
    """Raise ValueError with this message unless the condition holds."""
    if not holds:
        raise ValueError(message)


def _check_name(name: str, words: int = 1) -> None:
    must = f"a name must be {words} or more lowercase words joined by '_', such as 'hybrid_rmse'; found {name!r}"
    advice = "LaTeX macros have no digits: write them as words, 'random_five_rmse'."
    require(re.fullmatch("_".join(words * ["[a-z]+"]) + "(_[a-z]+)*", name), f"{must}. {advice}")
    require(name not in RESERVED, f"{name!r} is the name of a file of the report already. Choose another.")


def _cells(values: Mapping | pd.Series, where: str) -> list[str]:
    """Return values as text: whole numbers in full, others to ten digits, so that a second run is equal."""
    texts = []
    for key, value in values.items():
        is_number = isinstance(value, Real)
        holds = math.isfinite(value) if is_number else not (value is None or value is pd.NA or value is pd.NaT)
        advice = "Where nothing applies, write '--' into the table."
        require(holds, f"{where} {key} must be finite; found {value}. {advice}")
        texts.append(f"{value:.10g}" if is_number and not isinstance(value, Integral) else str(value))
    return texts
