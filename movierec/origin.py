"""Where results are kept, and where each is from: its notebook, cell and commit, and the checksum of its data."""

import contextlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import platformdirs

ROOT = Path(__file__).resolve().parents[1]  # of a checkout
ORIGIN = ["notebook", "cell", "commit", "data"]
_runs_of_code: dict[str, dict[str, int]] = {}  # source of a cell -> {request that ran it: its number from 0}


def in_checkout() -> bool:
    """Return whether the package lies in a checkout of the course, not among installed packages."""
    return (ROOT / "report").is_dir() and (ROOT / "notebooks").is_dir()


def report_folder() -> Path:
    """Return the report's folder: the environment's MOVIEREC_REPORT, else `report/` of this checkout.

    Where the package is installed without the course, it is a folder of the user: never one beside the package.
    """
    if given := os.environ.get("MOVIEREC_REPORT"):
        return Path(given)
    home = ROOT if in_checkout() else Path(platformdirs.user_data_dir("movierec", appauthor=False))
    return home / "report"


def tolerances_of(kind: str, name: str) -> dict[str, Any]:
    """Return what report/tolerances.toml says of a number (tolerance, unit, digits) or of a table's columns."""
    path = report_folder() / "tolerances.toml"
    said = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return said.get(kind, {}).get(name, {})


def recorded_file(name: str) -> Path:
    """Return a file of report/results; of a package without the course around it, the copy that its wheel brought."""
    path = report_folder() / "results" / name
    if in_checkout() or path.exists() or os.environ.get("MOVIEREC_REPORT"):
        return path
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("movierec") or ():
            if file.match(f"share/movierec/results/{name}"):
                return Path(file.locate())
    return path


def commit() -> str:
    """Return seven digits of the checkout's commit, with "+" if code or notebooks differ from it, else "unknown"."""
    paths = ["movierec", "notebooks/*.ipynb", "tests/benchmarks"]
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", *paths]
    try:
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    head = re.search(r"^# branch\.oid ([0-9a-f]{7})", said, re.MULTILINE)
    if not head or not in_checkout():  # an installed package may lie in somebody's own repository
        return "unknown"
    return head[1] + ("+" if re.search(r"^[^#]", said, re.MULTILINE) else "")


def running_cell(notebook: str) -> str:
    """Return the number of the running cell, as in `In [12]` after "restart and run all"; "" outside the notebook.

    JupyterLab sends a cell's id with its code. nbval and nbclient send the code alone: the cell is the one with this
    source; where several cells are equal, the first run is the first of them, the second run the second.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}
    path = ROOT / f"notebooks/{notebook}.ipynb"
    if "header" not in request or not path.exists():
        return ""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    asked, code = request.get("metadata", {}).get("cellId"), request["content"]["code"]
    by_id = [number for number, cell in enumerate(cells, start=1) if asked and cell.get("id") == asked]
    equal = by_id or [number for number, cell in enumerate(cells, start=1) if "".join(cell["source"]) == code]
    runs = _runs_of_code.setdefault(code, {})
    run = runs.setdefault(request["header"]["msg_id"], len(runs))
    return str(equal[run % len(equal)]) if equal else ""


def origin_of(row: dict[str, Any]) -> str:
    """Return a result's origin in a line: "06_training, cell 30, commit 2c473a5, data f40682aea0f2"."""
    return ", ".join([row["notebook"], *(f"{what} {row[what]}" for what in ORIGIN[1:] if row.get(what))])
