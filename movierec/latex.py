"""LaTeX from the recorded results: a macro for each number, a table for each one that tables.toml declares.

`build` reads report/results/ and writes report/generated/: numbers.tex, tables/*.tex and tables/provenance.tex.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from movierec.report import RESERVED, Result, is_number, read_rows, read_table, report_folder, require, write_file

SETTINGS = {"column", "header", "format", "unit", "best", "align"}  # of a column in tables.toml
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {character: "\\" + character for character in "&%$#_{}"}


def build(folder: Path | str | None = None) -> list[str]:
    """The names of the tables written to generated/tables/; generated/numbers.tex is written, too.

    Raises:
        FileNotFoundError: if main.tex uses what is not there; says what, and which notebook makes it.
        ValueError: if tables.toml lacks a table, or names an unknown column or setting.
    """
    folder = report_folder(folder)
    results, generated = folder / "results", folder / "generated"
    tex = re.sub(r"(?<!\\)%.*", "", (folder / "main.tex").read_text(encoding="utf-8"))  # without comments
    declared = tomllib.loads((folder / "tables.toml").read_text(encoding="utf-8"))
    numbers, figures = read_rows(results / "numbers.csv"), read_rows(results / "figures.csv")
    used = re.findall(r"\\input\{generated/tables/(\w+)(?:\.tex)?\}", tex)
    used = [name for name in used if name not in RESERVED]
    shown = re.findall(r"\\includegraphics(?:\[[^]]*\])?\{figures/(\w+)(?:\.pdf)?\}", tex)
    lacks = [f"number {name}" for name in _macros(tex) if name not in numbers]
    lacks += [f"table {name}" for name in used if not (results / f"{name}.csv").exists()]
    lacks += [f"figure {name}" for name in shown if not (folder / f"figures/{name}.pdf").exists()]
    if lacks:
        lines = "".join(f"\n  {what}: made by {_maker(folder, what.split()[1])}" for what in lacks)
        raise FileNotFoundError(
            f"report/main.tex uses {len(lacks)} results that are not there:{lines}\n"
            "Run those notebooks, then `python -m movierec.report record`."
        )
    undeclared = [name for name in used if name not in declared]
    require(not undeclared, f"tables.toml must declare every table of main.tex; {undeclared} missing.")

    lines = [
        f"\\newcommand{{\\{macro_name(name)}}}{{{_latex(row['value'], ',.' + row['digits'] + 'f')}}}"
        f"  % {row['unit'] or '-'}, {row['notebook']}\n"
        for name, row in numbers.items()
    ]
    write_file(generated / "numbers.tex", "% Generated from results/numbers.csv.\n" + "".join(lines))
    paths = {name: results / f"{name}.csv" for name in declared}
    tables = {name: read_table(path) for name, path in paths.items() if path.exists()}
    for name, (table, header) in tables.items():
        text = latex_table(name, table, declared[name])
        write_file(generated / f"tables/{name}.tex", f"% Generated from {header['notebook']}.\n{text}")
    makes = [(figures[name]["notebook"], rf"Fig.~\ref{{fig:{name}}}") for name in shown if name in figures]
    makes += [(tables[name][1]["notebook"], rf"Table~\ref{{tab:{name}}}") for name in used]
    makes += [(row["notebook"], "") for row in numbers.values()]
    write_file(generated / "tables/provenance.tex", _provenance(makes, tables.get("notebook_minutes")))
    return list(tables)


def macro_name(name: str) -> str:
    r"""The LaTeX macro of a number: `hybrid_rmse` -> `HybridRmse`."""
    return "".join(word.capitalize() for word in name.split("_"))


def latex_table(name: str, table: pd.DataFrame, columns: list[dict[str, str]]) -> str:
    """A booktabs table as tables.toml declares it, the best of a column in bold.

    Args:
        name: for messages.
        table: cells as text, as `read_table` returns them.
        columns: one dict a column: column, header; optional format (".3f"), unit, best ("min", "max"), align.

    Raises:
        ValueError: if a column or a setting is unknown, or `best` is something else or has no format.
    """
    rendered = []
    for spec in columns:
        column, unknown = spec.get("column"), sorted(set(spec) - SETTINGS)
        require(column in table, f"tables.toml: {name} has no column {column!r}; it has {list(table)}.")
        require(not unknown, f"tables.toml: {name} has unknown settings {unknown}; known: {sorted(SETTINGS)}.")
        choose = {"min": min, "max": max}.get(spec.get("best", "max"))
        require(
            choose and ("best" not in spec or "format" in spec),
            f'tables.toml: best of {column!r} in {name} must be "min" or "max", beside a format.',
        )
        numeric = [text for text in table[column] if "format" in spec and is_number(text)]
        best = _latex(choose(numeric, key=float), spec["format"]) if "best" in spec and numeric else None
        texts = [_latex(text, spec["format"]) if text in numeric else _escape(text) for text in table[column]]
        rendered.append([rf"\textbf{{{text}}}" if text == best else text for text in texts])
    align = "".join(spec.get("align", "r" if "format" in spec else "l") for spec in columns)
    header = [spec["header"] + (f" ({spec['unit']})" if "unit" in spec else "") for spec in columns]
    return _tabular(align, header, zip(*rendered, strict=True))


def _macros(tex: str) -> list[str]:
    """Names of the numbers that LaTeX uses: macros of two or more capitalised words, not its own."""
    macros = set(re.findall(r"\\((?!Declare|Require|Pass)[A-Z][a-z]+(?:[A-Z][a-z]*)+)(?![A-Za-z])", tex))
    macros -= {"BibTeX", "LaTeX", *re.findall(r"\\newcommand\*?\{?\\(\w+)", tex)}
    return sorted(re.sub(r"(?<!^)(?=[A-Z])", "_", macro).lower() for macro in macros)


def _maker(folder: Path, name: str) -> str:
    """The notebook that makes a result: as its last run says, else as the notebooks' source says."""
    path = folder / f"generated/results/{name}.csv"
    rows = read_rows(folder / "generated/results/numbers.csv") | read_rows(folder / "results/figures.csv")
    if name in rows or path.exists():
        return rows[name]["notebook"] if name in rows else read_table(path)[1]["notebook"]
    sources = sorted((folder.parent / "notebooks").glob("*.ipynb"))
    owners = [path.stem for path in sources if f'\\"{name}\\"' in path.read_text(encoding="utf-8")]
    return " or ".join(owners) or "no notebook that could be found"


def _provenance(makes: list[tuple[str, str]], minutes: Result | None) -> str:
    """A LaTeX table of what each notebook makes, and in how many minutes."""
    measured = {} if minutes is None else minutes[0].set_index("notebook")["minutes"].to_dict()
    rows = []
    for notebook in sorted({owner for owner, _ in makes}):
        what = ", ".join(what for owner, what in makes if owner == notebook and what) or "numbers in the text"
        took = _latex(measured[notebook], ".1f") if notebook in measured else "--"
        rows.append((rf"\texttt{{{_escape(notebook)}}}", what, took))
    return _tabular("l>{\\raggedright\\arraybackslash}p{3.1cm}r", ["Notebook", "Makes", "Minutes"], rows)


def _latex(text: str, spec: str) -> str:
    formatted = format(float(text), spec).replace(",", "{,}")
    return rf"\ensuremath{{-}}{formatted[1:]}" if formatted.startswith("-") else formatted


def _escape(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def _tabular(align: str, header: Any, rows: Any) -> str:
    head, *body = (" & ".join(row) + " \\\\\n" for row in (header, *rows))
    lines = f"\\toprule\n{head}\\midrule\n{''.join(body)}\\bottomrule\n"
    return f"\\begin{{tabular}}{{@{{}}{align}@{{}}}}\n{lines}\\end{{tabular}}\n"
