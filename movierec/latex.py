"""LaTeX from the recorded results: a macro for each number, a table for each one that tables.toml declares.

`build` reads report/results/ and writes report/generated/: numbers.tex, alt.tex, tables/*.tex, tables/provenance.tex.
From a reader's own run it writes the same to generated/mine/, with every number that differs marked.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from movierec.data import COURSE, chosen
from movierec.printed import Style, cells, declared_tables, header, rounded
from movierec.results import (
    RESERVED,
    Result,
    command,
    origin_of,
    read_rows,
    read_table,
    report_folder,
    require,
    write_file,
)

INTERVAL = "_interval"  # of a macro: the number with the ends of its interval
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {character: "\\" + character for character in "&%$#_{}"}
LATEX |= {"±": r"$\pm$", "×": r"$\times$", "µ": r"$\mu$", "ε": r"$\varepsilon$", "λ": r"$\lambda$", "–": "--"}


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(LATEX.get(character, character) for character in text)


STYLE = Style(
    text=escape,
    number=lambda text: re.sub(r"^-", r"\\ensuremath{-}", text.replace(",", "{,}")),
    bold=lambda text: rf"\textbf{{{text}}}",
    interval=lambda ends: rf"\,{{\scriptsize[{ends}]}}",
)
FIGURE = re.compile(r"\\plotted\{(\w+)\}")
TABLE = re.compile(r"\\input\{generated/tables/(\w+)(?:\.tex)?\}")


def build(folder: Path | str | None = None, *, mine: bool = False) -> str:
    """What was written, in a line.

    Args:
        folder: the report's; None: this checkout's.
        mine: from the last run where it has a result, else from the recorded ones; into generated/mine/, a folder of
            its own that LaTeX can be run in, with every number that prints differently in a shaded box.

    Raises:
        FileNotFoundError: if main.tex uses what is not there; says what, and which notebook makes it.
        ValueError: if tables.toml lacks a table, or names an unknown column or setting; if a column is to have its
            best in bold and no test says which that is; or if `mine` is asked of another data set than the report's.
    """
    require(
        not mine or chosen() == COURSE,
        f"the report is about {COURSE}; MOVIEREC_DATASET is {chosen()!r}, whose results are in "
        f"report/generated/{chosen()}/generated/results. Without it, `make report RESULTS=mine` builds the paper.",
    )
    folder = report_folder(folder)
    target = folder / "generated/mine" if mine else folder
    tex = re.sub(r"(?<!\\)%.*", "", (folder / "main.tex").read_text(encoding="utf-8"))  # without comments
    declared = declared_tables(folder)
    used, shown = [name for name in TABLE.findall(tex) if name not in RESERVED], FIGURE.findall(tex)
    recorded, fresh = _Results(folder / "results"), _Results(folder / "generated/results")
    results = recorded.under(fresh) if mine else recorded
    _require_all(folder, tex, results, used, shown)
    undeclared = [name for name in used if name not in declared]
    require(not undeclared, f"tables.toml must declare every table of main.tex; {undeclared} missing.")

    moved = _Moved(recorded)
    numbers, tables = _numbers_tex(results, moved), _tables_tex(results, declared, used if mine else [*declared], moved)
    if mine:
        numbers += f"\\newcommand{{\\Moved}}{{{moved.count:,}}}\n"
        _copy(folder, target, shown)
    write_file(target / "generated/numbers.tex", numbers)
    for name, text in tables.items():
        write_file(target / f"generated/tables/{name}.tex", text)
    write_file(target / "generated/alt.tex", _alt(results.figures))
    write_file(target / "generated/tables/provenance.tex", _provenance(results, shown, used))
    if not mine:
        return f"{len(results.numbers)} numbers, {len(tables)} tables"
    old = sorted({*recorded.tables, *recorded.numbers} - {*fresh.tables, *fresh.numbers})
    return (
        f"{moved.count} numbers print differently from the recorded ones, shaded in mine.pdf; "
        f"{len(old)} results are the recorded ones, because your last run has not made them"
    )


def macro_name(name: str) -> str:
    r"""The LaTeX macro of a number: `hybrid_rmse` -> `HybridRmse`."""
    return "".join(word.capitalize() for word in name.split("_"))


class _Results:
    """Numbers, tables and figures of a folder of results."""

    def __init__(self, folder: Path) -> None:
        self.numbers, self.figures = read_rows(folder / "numbers.csv"), read_rows(folder / "figures.csv")
        paths = sorted(folder.glob("*.csv"))
        self.tables: dict[str, Result] = {path.stem: read_table(path) for path in paths if path.stem not in RESERVED}

    def under(self, others: "_Results") -> "_Results":
        """These, with what the others have in its place."""
        both = object.__new__(_Results)
        ends = {f"{name}_{end}" for name in others.numbers for end in ("low", "high")}  # not beside another's value
        mine = {name: row for name, row in self.numbers.items() if name not in ends}
        both.numbers, both.figures = dict(sorted((mine | others.numbers).items())), self.figures | others.figures
        both.tables = self.tables | others.tables
        return both


class _Moved:
    """Marks what prints differently from what was recorded, and counts it."""

    def __init__(self, recorded: _Results) -> None:
        self.recorded, self.count = recorded, 0

    def marked(self, text: str, was: str) -> str:
        if text == was:
            return text
        self.count += 1
        return rf"\moved{{{text}}}{{{was or 'not recorded'}}}"

    def compared(self, rows: list[list[str]], were: list[list[str]]) -> list[list[str]]:
        """Row by row; a row is found by its first cell, or by its place where first cells repeat."""
        by_name = {row[0]: row for row in were}
        by_place = len(by_name) < len(were)
        marked = []
        for place, row in enumerate(rows):
            was = (were[place] if place < len(were) else None) if by_place else by_name.get(row[0])
            marked.append([self.marked(*both) for both in zip(row, was or [""] * len(row), strict=True)])
        return marked


def _numbers_tex(results: _Results, moved: _Moved) -> str:
    """A macro for each number; where an end of an interval moved, that is counted once."""
    recorded, lines = _numbers(moved.recorded.numbers), ["% From results/numbers.csv.\n"]
    for name, (text, about) in _numbers(results.numbers).items():
        was, count = recorded.get(name, ("", ""))[0], moved.count
        lines.append(f"\\newcommand{{\\{macro_name(name)}}}{{{moved.marked(text, was)}}}  % {about}\n")
        moved.count = count if name.endswith(INTERVAL) else moved.count
    return "".join(lines)


def _tables_tex(results: _Results, declared: dict, names: list[str], moved: _Moved) -> dict[str, str]:
    """name -> LaTeX of each of the tables that is there."""
    tables = {}
    for name in [name for name in names if name in results.tables]:
        (table, says), (old, said) = results.tables[name], moved.recorded.tables.get(name, (None, {}))
        rows = cells(name, table, declared[name], says.get("best", {}), STYLE)
        try:
            were = [] if old is None else cells(name, old, declared[name], said.get("best", {}), STYLE)
        except ValueError:  # recorded before a column or a test was added: nothing to compare with
            were = []
        tables[name] = f"% {origin_of(says)}\n" + _tabular(declared[name], moved.compared(rows, were))
    return tables


def _require_all(folder: Path, tex: str, results: _Results, used: list[str], shown: list[str]) -> None:
    lacks = [("number", name) for name in _macros(tex) if name not in _numbers(results.numbers)]
    lacks += [("table", name) for name in used if name not in results.tables]
    lacks += [("figure", name) for name in shown if not (folder / f"figures/{name}.pdf").exists()]
    if lacks:
        lines = "".join(f"\n  {kind} {name}: {_maker(folder, name)}" for kind, name in lacks)
        raise FileNotFoundError(
            f"report/main.tex uses {len(lacks)} results that are not there:{lines}\n"
            "Run that, then `make record`; or take recorded results back with `git restore report/results`."
        )


def _numbers(rows: dict[str, dict[str, str]]) -> dict[str, tuple[str, str]]:
    """name -> (LaTeX, what the source says of it); a number that has an interval is there once more, with its ends."""
    macros = {}
    for name, row in rows.items():
        form = ",." + row["digits"] + "f"
        about = f"{row['unit'] or '-'}; {origin_of(row)}"
        macros[name] = rounded(row["value"], form, STYLE), about
        ends = [rows.get(f"{name}_{end}") for end in ("low", "high")]
        if all(ends):
            low, high = (rounded(end["value"], form, STYLE) for end in ends)
            macros[name + INTERVAL] = f"{macros[name][0]} [{low}, {high}]", about
    return macros


def _macros(tex: str) -> list[str]:
    """Names of the numbers that LaTeX uses: macros of two or more capitalised words, not its own."""
    macros = set(re.findall(r"\\((?!Declare|Require|Pass)[A-Z][a-z]+(?:[A-Z][a-z]*)+)(?![A-Za-z])", tex))
    macros -= {"BibTeX", "LaTeX", "IfFileExists", *re.findall(r"\\newcommand\*?\{?\\(\w+)", tex)}
    return sorted(re.sub(r"(?<!^)(?=[A-Z])", "_", macro).lower() for macro in macros)


def _maker(folder: Path, name: str) -> str:
    """Who makes a result, and how: as its last run says, else as the notebooks' source says."""
    name = name.removesuffix(INTERVAL)
    known = {}
    for results in (folder / "results", folder / "generated/results"):
        known |= read_rows(results / "numbers.csv") | read_rows(results / "figures.csv")
        path = results / f"{name}.csv"
        known |= {name: read_table(path)[1]} if path.exists() else {}
    if name in known:
        return f"made by {origin_of(known[name])}; {command(known[name]['notebook'])}"
    sources = sorted((folder.parent / "notebooks").glob("*.ipynb"))
    owners = [path.stem for path in sources if f'\\"{name}\\"' in path.read_text(encoding="utf-8")]
    made = " or ".join(f"{owner}; {command(owner)}" for owner in owners)
    return f"made by {made or 'no notebook that could be found'}"


def _alt(figures: dict[str, dict[str, str]]) -> str:
    """What each figure shows, in words, for those who cannot see it: a macro `alt@name`."""
    lines = [
        f"\\expandafter\\def\\csname alt@{name}\\endcsname{{{escape(row.get('alt', ''))}}}\n"
        for name, row in figures.items()
    ]
    return "% From results/figures.csv.\n" + "".join(lines)


def _provenance(results: _Results, shown: list[str], used: list[str]) -> str:
    """A LaTeX table: each figure and table, its notebook and cell, the command that makes it, and the seconds."""
    minutes = results.tables["notebook_minutes"][0] if "notebook_minutes" in results.tables else None
    seconds = {} if minutes is None else {row["notebook"]: 60 * float(row["minutes"]) for _, row in minutes.iterrows()}
    makes = [(rf"Fig.~\ref{{fig:{name}}}", results.figures.get(name)) for name in shown]
    makes += [(rf"Table~\ref{{tab:{name}}}", results.tables[name][1]) for name in used]
    rows = []
    for what, origin in makes:
        owner = origin["notebook"] if origin else "--"
        cell = f" [{origin['cell']}]" if origin and origin.get("cell") else ""
        took = f"{seconds[owner]:.0f}" if owner in seconds else "--"
        made = rf"\texttt{{{escape(command(owner))}}}" if origin else "--"
        rows.append([what, escape(owner.split("_")[0] if cell else Path(owner).stem) + cell, made, took])
    columns = [{"header": head} for head in ("What", "Notebook [cell]", "Command")]
    return _tabular([*columns, {"header": "Seconds", "align": "r"}], rows)


def _copy(folder: Path, target: Path, shown: list[str]) -> None:
    """What LaTeX needs besides, so that it can be run in `target`."""
    for name in ("main.tex", "references.bib"):
        write_file(target / name, (folder / name).read_bytes())
    for name in shown:
        path = target / f"figures/{name}.pdf"
        if not path.exists() or path.read_bytes() != (folder / f"figures/{name}.pdf").read_bytes():
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / f"figures/{name}.pdf", path)


def _tabular(columns: list[dict[str, Any]], rows: list[list[str]]) -> str:
    align = "".join(spec.get("align", "r" if "format" in spec else "l") for spec in columns)
    head, *body = (" & ".join(row) + " \\\\\n" for row in (header(columns, STYLE), *rows))
    lines = f"\\toprule\n{head}\\midrule\n{''.join(body)}\\bottomrule\n"
    return f"\\begin{{tabular}}{{@{{}}{align}@{{}}}}\n{lines}\\end{{tabular}}\n"
