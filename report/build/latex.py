"""LaTeX from the recorded results: a macro for each number, a table for each one that tables.toml declares.

`build` writes report/generated/numbers.tex, alt.tex, tables/*.tex and tables/provenance.tex; from a reader's own run,
the same into report/generated/mine/, with every number that differs marked.
"""

import re
from pathlib import Path

from movierec.data import COURSE, chosen
from movierec.origin import origin_of
from movierec.record import RESERVED, report_folder, require, write_file
from report.build.results import (
    Columns,
    Results,
    Row,
    Style,
    cells,
    command,
    declared_tables,
    header,
    read_fresh,
    read_recorded,
    rounded,
)

INTERVAL = "_interval"  # of a macro: the number with the ends of its interval
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {character: "\\" + character for character in "&%$#_{}"}
LATEX |= {"±": r"$\pm$", "×": r"$\times$", "µ": r"$\mu$", "ε": r"$\varepsilon$", "λ": r"$\lambda$", "–": "--"}


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(LATEX.get(character, character) for character in text)


STYLE = Style(
    text=escape,
    number=lambda text: re.sub(r"^-", r"\\ensuremath{-}", text.replace(",", "{,}")),
    bold=lambda text: rf"\textbf{{{text}}}",
    interval=lambda ends: rf"\,{{\scriptsize[{ends}]}}",
)
FIGURE = re.compile(r"\\plotted\{(\w+)\}")
TABLE = re.compile(r"\\input\{generated/tables/(\w+)(?:\.tex)?\}")


def build(*, mine: bool = False) -> str:
    """Write the report's LaTeX, and return in a line what was written.

    With `mine` it is made from the last run where that has a result, else from the recorded ones; into generated/mine/,
    a folder that LaTeX can be run in, with every number that prints differently in a shaded box.

    Raises:
        FileNotFoundError: main.tex uses results that are not there; the message says which, and what makes them.
        ValueError: tables.toml lacks a table, or does not fit it (see `cells`); or `mine` is asked of another data set.
    """
    require(
        not mine or chosen() == COURSE,
        f"the report is about {COURSE}; MOVIEREC_DATASET is {chosen()!r}, whose results are in "
        f"report/generated/{chosen()}/generated/results. Without it, `make report RESULTS=mine` builds the paper.",
    )
    folder = report_folder()
    target = folder / "generated/mine" if mine else folder
    tex = re.sub(r"(?<!\\)%.*", "", (folder / "main.tex").read_text(encoding="utf-8"))  # without comments
    declared = declared_tables(folder)
    used, shown = [name for name in TABLE.findall(tex) if name not in RESERVED], FIGURE.findall(tex)
    recorded, fresh = read_recorded(folder), read_fresh(folder)
    results = _with_fresh(recorded, fresh) if mine else recorded
    _require_all(folder, tex, (results, recorded, fresh), used, shown)
    undeclared = [name for name in used if name not in declared]
    require(not undeclared, f"tables.toml must declare every table of main.tex; {undeclared} missing.")

    numbers = _numbers_tex(results, recorded)
    tables = _tables_tex(results, recorded, declared, used if mine else [*declared])
    moved = [line for line in numbers.splitlines() if r"\moved{" in line and "Interval}" not in line]  # counted once
    count = len(moved) + sum(text.count(r"\moved{") for text in tables.values())
    if mine:
        numbers += f"\\newcommand{{\\Moved}}{{{count:,}}}\n"
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
        f"{count} numbers print differently from the recorded ones, shaded in mine.pdf; "
        f"{len(old)} results are the recorded ones, because your last run has not made them"
    )


def macros(tex: str) -> list[str]:
    """Return the names of the numbers that LaTeX text uses: macros of two or more capitalised words."""
    found = set(re.findall(r"\\((?!Declare|Require|Pass)[A-Z][a-z]+(?:[A-Z][a-z]*)+)(?![A-Za-z])", tex))
    found -= {"BibTeX", "LaTeX", "IfFileExists", *re.findall(r"\\newcommand\*?\{?\\(\w+)", tex)}
    return sorted(re.sub(r"(?<!^)(?=[A-Z])", "_", macro).lower() for macro in found)


def _marked(text: str, was: str) -> str:
    """Return the text, marked if it prints differently from what was recorded."""
    return text if text == was else rf"\moved{{{text}}}{{{was or 'not recorded'}}}"


def _marked_rows(rows: list[list[str]], were: list[list[str]]) -> list[list[str]]:
    """Mark row by row; a row is found by its first cell, or by its place where first cells repeat."""
    by_name = {row[0]: row for row in were}
    found = by_name if len(by_name) == len(were) else dict(enumerate(were))
    pairs = [(row, found.get(row[0] if found is by_name else place, [""] * len(row))) for place, row in enumerate(rows)]
    return [[_marked(*both) for both in zip(row, was, strict=True)] for row, was in pairs]


def _with_fresh(recorded: Results, fresh: Results) -> Results:
    """Return the fresh results, and the recorded ones where there is no fresh one."""
    ends = {f"{name}_{end}" for name in fresh.numbers for end in ("low", "high")}  # not beside another's value
    numbers = {name: row for name, row in recorded.numbers.items() if name not in ends} | fresh.numbers
    return Results(dict(sorted(numbers.items())), recorded.figures | fresh.figures, recorded.tables | fresh.tables)


def _numbers(rows: dict[str, Row]) -> dict[str, tuple[str, str]]:
    """Return name -> (LaTeX, a comment); a number that has an interval is there once more, with both ends."""
    printed = {}
    for name, row in rows.items():
        form = f",.{row['digits']}f"
        about = f"{row['unit'] or '-'}; {origin_of(row)}"
        printed[name] = rounded(row["value"], form, STYLE), about
        ends = [rows.get(f"{name}_{end}") for end in ("low", "high")]
        if all(ends):
            low, high = (rounded(end["value"], form, STYLE) for end in ends)
            printed[name + INTERVAL] = f"{printed[name][0]} [{low}, {high}]", about
    return printed


def _numbers_tex(results: Results, recorded: Results) -> str:
    """Return a macro for each number."""
    old, lines = _numbers(recorded.numbers), ["% From results/numbers.csv.\n"]
    for name, (text, about) in _numbers(results.numbers).items():
        macro = "".join(word.capitalize() for word in name.split("_"))
        lines.append(f"\\newcommand{{\\{macro}}}{{{_marked(text, old.get(name, ('', ''))[0])}}}  % {about}\n")
    return "".join(lines)


def _tables_tex(results: Results, recorded: Results, declared: dict[str, Columns], names: list[str]) -> dict[str, str]:
    tables = {}
    for name in [name for name in names if name in results.tables]:
        (table, says), (old, said) = results.tables[name], recorded.tables.get(name, (None, {}))
        rows = cells(name, table, declared[name], says.get("best", {}), STYLE)
        try:
            were = [] if old is None else cells(name, old, declared[name], said.get("best", {}), STYLE)
        except ValueError:  # recorded before a column or a test was added: nothing to compare with
            were = []
        tables[name] = f"% {origin_of(says)}\n" + _tabular(declared[name], _marked_rows(rows, were))
    return tables


def _require_all(folder: Path, tex: str, known: tuple[Results, ...], used: list[str], shown: list[str]) -> None:
    """Raise FileNotFoundError unless the first of the known results and the figures have all that the text uses."""
    results = known[0]
    lacks = [("number", name) for name in macros(tex) if name not in _numbers(results.numbers)]
    lacks += [("table", name) for name in used if name not in results.tables]
    lacks += [("figure", name) for name in shown if not (folder / f"figures/{name}.pdf").exists()]
    if lacks:
        lines = "".join(f"\n  {kind} {name}: {_maker(folder, known, name)}" for kind, name in lacks)
        raise FileNotFoundError(
            f"report/main.tex uses {len(lacks)} results that are not there:{lines}\n"
            "Run that, then `make record`; or take recorded results back with `git restore report/results`."
        )


def _maker(folder: Path, known: tuple[Results, ...], name: str) -> str:
    """Return what makes a result, and how: as its last run says, else as the notebooks' source says."""
    name = name.removesuffix(INTERVAL)
    for results in reversed(known):
        tables = {table: says for table, (_, says) in results.tables.items()}
        if row := (results.numbers | results.figures | tables).get(name):
            return f"made by {origin_of(row)}; {command(row['notebook'])}"
    sources = sorted(folder.parent.glob("notebooks/*.ipynb"))
    owners = [path.stem for path in sources if f'\\"{name}\\"' in path.read_text(encoding="utf-8")]
    made = " or ".join(f"{owner}; {command(owner)}" for owner in owners)
    return f"made by {made or 'no notebook that could be found'}"


def _alt(figures: dict[str, Row]) -> str:
    """Return what each figure shows, in words for readers who cannot see it: a macro `alt@name`."""
    lines = [
        f"\\expandafter\\def\\csname alt@{name}\\endcsname{{{escape(row.get('alt', ''))}}}\n"
        for name, row in figures.items()
    ]
    return "% From results/figures.csv.\n" + "".join(lines)


def _provenance(results: Results, shown: list[str], used: list[str]) -> str:
    """Return a LaTeX table: each figure and table, its notebook and cell, the command that makes it, and seconds."""
    seconds = {}
    if "notebook_minutes" in results.tables:
        timed = results.tables["notebook_minutes"][0]
        seconds = {row["notebook"]: f"{60 * float(row['minutes']):.0f}" for _, row in timed.iterrows()}
    makes = [(rf"Fig.~\ref{{fig:{name}}}", results.figures.get(name)) for name in shown]
    makes += [(rf"Table~\ref{{tab:{name}}}", results.tables[name][1]) for name in used]
    rows = []
    for what, origin in makes:
        owner = origin["notebook"] if origin else "--"
        cell = f" [{origin['cell']}]" if origin and origin.get("cell") else ""
        made = rf"\texttt{{{escape(command(owner))}}}" if origin else "--"
        who = escape(owner.split("_")[0] if cell else Path(owner).stem) + cell
        rows.append([what, who, made, seconds.get(owner, "--")])
    columns = [{"header": head} for head in ("What", "Notebook [cell]", "Command")]
    return _tabular([*columns, {"header": "Seconds", "align": "r"}], rows)


def _copy(folder: Path, target: Path, shown: list[str]) -> None:
    """Copy what LaTeX needs besides, so that it can be run in `target`."""
    for name in ("main.tex", "references.bib"):
        write_file(target / name, (folder / name).read_bytes())
    for name in shown:
        write_file(target / f"figures/{name}.pdf", (folder / f"figures/{name}.pdf").read_bytes())


def _tabular(columns: Columns, rows: list[list[str]]) -> str:
    align = "".join(spec.get("align", "r" if "format" in spec else "l") for spec in columns)
    head, *body = (" & ".join(row) + " \\\\\n" for row in (header(columns, STYLE), *rows))
    lines = f"\\toprule\n{head}\\midrule\n{''.join(body)}\\bottomrule\n"
    return f"\\begin{{tabular}}{{@{{}}{align}@{{}}}}\n{lines}\\end{{tabular}}\n"
