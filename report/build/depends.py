"""Print rules for make: on which files of the package each notebook depends, so that an edit reruns no other one.

Reads imports, runs nothing, and needs only the standard library: make calls it before the environment is there. A name
that a folder hands on (`from movierec.data import load`, the table of `lazy_loader.attach`) is followed to its module.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "movierec"


def path_of(module: str) -> Path | None:
    """Return the file of a dotted module name, or None if there is none."""
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def handed_on(path: Path) -> dict[str, str]:
    """Return {public name: module} of the `lazy_loader.attach` call in an `__init__.py`, if there is one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            return {name: module for module, names in ast.literal_eval(node.value).items() for name in names}
    return {}


def imported(code: str) -> set[Path]:
    """Return the package's files that a piece of code imports itself."""
    wanted = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            wanted |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            wanted |= {(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == PACKAGE:
            wanted.add((PACKAGE, node.attr))  # movierec.fit_hybrid(…)
    files = set()
    for module, name in wanted:
        if module.split(".")[0] != PACKAGE:
            continue
        parts = module.split(".")
        files |= {path_of(".".join(parts[: length + 1])) for length in range(len(parts))}
        public = handed_on(path_of(module)) if path_of(module) else {}
        files.add(path_of(f"{module}.{public.get(name, name)}"))
    return files - {None}


def reachable(code: str) -> set[Path]:
    """Return all of the package's files that a piece of code imports, directly or through others."""
    found = set()
    waiting = imported(code)
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= imported(path.read_text(encoding="utf-8")) - found
    return found


def code_of(notebook: Path) -> str:
    """Return the code cells of a notebook as one program, without IPython's own commands."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    return "\n".join("" if line.startswith(("%", "!")) else line for line in lines)


if __name__ == "__main__":
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files = sorted(path.relative_to(ROOT).as_posix() for path in reachable(code_of(notebook)))
        print(f"$(STAMPS)/{notebook.stem}.json: {' '.join(files)}")
