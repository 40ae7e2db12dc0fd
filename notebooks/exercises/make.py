"""Exercises from one master: a student's notebook and its solution, made and run by `make exercises`.

A master, 07_recommendations.py beside this file, is a notebook as text in cells of "# %%". Its markers are those of
otter-grader: the solution stands between "# BEGIN SOLUTION" and "# END SOLUTION", or on a line that ends in
"# SOLUTION". The student finds `...` in a line's place, and nothing in a block's: such a cell begins `answer = ...`.
"""

import ast
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^( *)# BEGIN SOLUTION\n(.*?)^ *# END SOLUTION\n?", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^( *\w+(?:, \w+)* = |( *)return |( *)).*?  # SOLUTION$", re.MULTILINE)
CELL_SECONDS = 300  # at most


def student(source: str) -> str:
    """A cell's source as the student finds it: `...` in the place of a line, nothing in that of a block."""
    source = BLOCK.sub("", source)
    return LINE.sub(lambda found: f"{found[1]}...  # your answer", source).rstrip("\n")


def solution(source: str) -> str:
    """A cell's source with the solution, the markers taken out."""
    source = re.sub(r"^ *# (BEGIN|END) SOLUTION\n?", "", source, flags=re.MULTILINE)
    return re.sub(r"  # SOLUTION$", "", source, flags=re.MULTILINE).rstrip("\n")


def make(master: Path) -> dict[Path, nbformat.NotebookNode]:
    """{where: notebook} of the student's notebook and of the solution, not yet run.

    Raises:
        ValueError: if the master has no solution, or a marker without its other half.
    """
    text = master.read_text(encoding="utf-8")
    if text.count("# BEGIN SOLUTION") != text.count("# END SOLUTION"):
        raise ValueError(f"{master.name}: every # BEGIN SOLUTION needs its # END SOLUTION.")
    if "# SOLUTION" not in text and "# BEGIN SOLUTION" not in text:
        raise ValueError(
            f"{master.name} has no solution; mark it with # SOLUTION or # BEGIN SOLUTION … # END SOLUTION."
        )
    made = {}
    for folder, as_read in (("exercises", student), ("solutions", solution)):
        notebook = jupytext.reads(text, fmt="py:percent")
        for number, cell in enumerate(notebook.cells):
            cell.id, cell.metadata = f"cell-{number}", {}
            if cell.cell_type == "code":
                cell.source = as_read(cell.source)
                _check_python(cell.source, f"{master.name}, cell {number}, for {folder}")
        if folder == "solutions":
            notebook.cells[0].source = notebook.cells[0].source.replace(" · Exercises", " · Solutions", 1)
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        notebook.nbformat_minor = 5
        made[FOLDER / folder / f"{master.stem}.ipynb"] = notebook
    return made


def _check_python(source: str, where: str) -> None:
    try:
        ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"{where}: not Python any more ({error}). A # SOLUTION must be a whole line.") from error


def run(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Run the notebook and write it to `path` with its outputs."""
    NotebookClient(
        notebook, timeout=CELL_SECONDS, record_timing=False, resources={"metadata": {"path": path.parent}}
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main(names: list[str]) -> int:
    """The exit code, 0; makes the exercises that are named, e.g. "07", or all."""
    for master in sorted((FOLDER / "exercises").glob("[0-9][0-9]_*.py")):
        if not names or any(master.stem.startswith(name) for name in names):
            for path, notebook in make(master).items():
                run(path, notebook)
                print(path.relative_to(FOLDER.parent), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
