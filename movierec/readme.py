"""Recorded results for those who read pages, not papers: `python -m movierec.readme` writes both pages.

README.md has them between marks: tables between `table: name` and `/table`, numbers between `=name` and `/`, and the
last cell, minutes, of each notebook's row. report/results/README.md has every table, with its origin.
"""

import re
from pathlib import Path

from movierec import results
from movierec.printed import Style, cells, declared_tables, header, rounded

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

The recorded tables that the report shows, and those that it has no room for. Written by `python -m movierec.readme`; do
not edit. `x [l, h]` is a mean with its 95 % interval. **Bold** is the best of a column and each row that cannot be told
from it: the interval of the difference, user by user, holds zero. [The report](../main.tex) says what they mean.
"""


def updated(text: str, folder: Path | None = None) -> str:
    """The README `text` with what is recorded in `folder`/results.

    Raises:
        ValueError: if a table, a number or a notebook in the text is not recorded, or no table is in it.
    """
    folder = results.report_folder(folder)
    if not TABLE.search(text):
        raise ValueError(
            "README.md must have a line '<!-- table: main_results -->' and a line '<!-- /table -->'; one is missing."
        )
    minutes = results.read_table(folder / "results/notebook_minutes.csv")[0].set_index("notebook")["minutes"]
    numbers = results.read_rows(folder / "results/numbers.csv")

    def with_number(mark: re.Match) -> str:
        if mark[2] not in numbers:
            raise ValueError(f"{mark[2]} is not a recorded number; report/results/numbers.csv has {len(numbers)}.")
        row = numbers[mark[2]]
        return mark[1] + rounded(row["value"], f",.{row['digits']}f", STYLE) + mark[3]

    def with_minutes(row: re.Match) -> str:
        if row[2] not in minutes:
            raise ValueError(f"{row[2]} has no recorded minutes; `make record` after `make` writes them.")
        return f"{row[1]}{float(minutes[row[2]]):.1f}{row[3]}"

    text = TABLE.sub(lambda mark: mark[1] + markdown_table(mark[2], folder) + mark[3], text)
    return NOTEBOOK_ROW.sub(with_minutes, NUMBER.sub(with_number, text))


def markdown_table(name: str, folder: Path) -> str:
    """A recorded table as tables.toml declares it.

    Raises:
        ValueError: if it is not declared or not recorded.
    """
    declared, path = declared_tables(folder), folder / f"results/{name}.csv"
    if name not in declared or not path.exists():
        raise ValueError(f"{name} must be declared in report/tables.toml and recorded in report/results/{name}.csv.")
    table, says = results.read_table(path)
    columns = declared[name]
    lines = [header(columns, STYLE), ["--:" if "format" in spec else "---" for spec in columns]]
    lines += cells(name, table, columns, says.get("best", {}), STYLE)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def results_page(folder: Path | None = None) -> str:
    """report/results/README.md: each declared table that is recorded, and who makes it."""
    folder = results.report_folder(folder)
    parts = [ABOUT]
    for name in declared_tables(folder):
        path = folder / f"results/{name}.csv"
        if path.exists():
            says = results.read_table(path)[1]
            how = f"`{results.command(says['notebook'])}`: {results.origin_of(says)}"
            parts.append(
                f"\n## {name.replace('_', ' ')}\n\n{markdown_table(name, folder)}\n[{name}.csv]({name}.csv), {how}\n"
            )
    return "".join(parts)


if __name__ == "__main__":
    path = results.ROOT / "README.md"
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
    results.write_file(results.ROOT / "report/results/README.md", results_page())
