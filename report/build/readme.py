"""Recorded results for readers of web pages: README.md, docs/*.md and report/results/README.md.

The first two have them between marks: tables between `table: name` and `/table`, numbers between `=name` and `/`, and
the last cell, minutes, of each notebook's row. report/results/README.md has every declared table, with its origin.
"""

import re
from pathlib import Path

from movierec.origin import origin_of
from movierec.record import report_folder, require, write_file
from report.build.results import Results, command, read_recorded
from report.build.tables import Columns, Style, cells, declared_tables, header, rounded

STYLE = Style(
    text=lambda text: "–" if text == "--" else text.replace("|", r"\|"),
    number=lambda text: text.replace("-", "−"),
    bold=lambda text: f"**{text}**",
    interval=lambda ends: f" [{ends}]",
)
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)
NUMBER = re.compile(r"(<!-- =(\w+) -->)[^<]*(<!-- / -->)")
NOTEBOOK_ROW = re.compile(r"^(\|.*\(notebooks/(\w+)\.ipynb\).*\| )[^|]*( \|)$", re.MULTILINE)
ABOUT = """# Results

The recorded tables that the report shows, and those that it has no room for. Written by
`python -m report.build readme`; do not edit. `x [l, h]` is a mean with its 95 % interval. **Bold** is the best of a
column and each row that cannot be told from it: the interval of the difference, user by user, holds zero.
[The report](../main.tex) says what they mean.
"""


def write() -> None:
    """Write all pages of this checkout.

    Raises:
        ValueError: No page has a table; or see `updated`.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    require(
        any(TABLE.search(text) for text in texts.values()),
        "README.md or a page of docs/ must have a line '<!-- table: main_results -->' and a line '<!-- /table -->'.",
    )
    for page, text in texts.items():
        page.write_text(updated(text), encoding="utf-8")
    write_file(report_folder() / "results/README.md", results_page())


def pages() -> list[Path]:
    """Return the pages of this checkout that people write, and that show recorded results."""
    home = report_folder().parent
    return [home / "README.md", *sorted(home.glob("docs/*.md"))]


def updated(text: str) -> str:
    """Return a page's `text` with what is recorded.

    Raises:
        ValueError: A table, a number or a notebook in the text is not recorded.
    """
    results, declared = _recorded_and_declared()
    timed, _ = results.tables["notebook_minutes"]
    minutes = dict(zip(timed["notebook"], timed["minutes"], strict=True))

    def with_number(mark: re.Match) -> str:
        known = results.numbers
        require(mark[2] in known, f"{mark[2]} is not a recorded number; report/results/numbers.csv has {len(known)}.")
        return mark[1] + rounded(known[mark[2]]["value"], f",.{known[mark[2]]['digits']}f", STYLE) + mark[3]

    def with_minutes(row: re.Match) -> str:
        require(row[2] in minutes, f"{row[2]} has no recorded minutes; `make record` after `make` writes them.")
        return f"{row[1]}{float(minutes[row[2]]):.1f}{row[3]}"

    text = TABLE.sub(lambda mark: mark[1] + _markdown_table(mark[2], results, declared) + mark[3], text)
    return NOTEBOOK_ROW.sub(with_minutes, NUMBER.sub(with_number, text))


def results_page() -> str:
    """Return report/results/README.md: each declared table that is recorded, with its origin and its command."""
    results, declared = _recorded_and_declared()
    parts = [ABOUT]
    for name in declared:
        if name in results.tables:
            says = results.tables[name][1]
            table = _markdown_table(name, results, declared)
            how = f"[{name}.csv]({name}.csv), `{command(says['notebook'])}`: {origin_of(says)}"
            parts.append(f"\n## {name.replace('_', ' ')}\n\n{table}\n{how}\n")
    return "".join(parts)


def _recorded_and_declared() -> tuple[Results, dict[str, Columns]]:
    return read_recorded(report_folder()), declared_tables(report_folder())


def _markdown_table(name: str, results: Results, declared: dict[str, Columns]) -> str:
    require(
        name in declared and name in results.tables,
        f"{name} must be declared in report/tables.toml and recorded in report/results/{name}.csv.",
    )
    (table, says), columns = results.tables[name], declared[name]
    lines = [header(columns, STYLE), ["--:" if "format" in spec else "---" for spec in columns]]
    lines += cells(name, table, columns, says.get("best", {}), STYLE)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
