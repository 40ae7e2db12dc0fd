"""The numbers on the front page, from the recorded results: `python -m movierec.readme` writes them into README.md.

Generated are the table between the `results` marks, the numbers between `=name` marks, and the last cell, minutes, of
each notebook's row.
"""

import re
from pathlib import Path

from movierec import report

RESULT_COLUMNS = {"rmse": ".3f", "ndcg@10": ".3f", "recall@20": ".3f", "coverage": ".3f"}
HEADER = "| model | RMSE (stars) | NDCG@10 | Recall@20 | coverage |\n|---|--:|--:|--:|--:|\n"
MARKS = re.compile(r"(<!-- results[^>]*-->\n).*?(<!-- /results -->)", re.DOTALL)
NUMBER = re.compile(r"(<!-- =(\w+) -->)[^<]*(<!-- / -->)")
NOTEBOOK_ROW = re.compile(r"^(\|.*\(notebooks/(\w+)\.ipynb\).*\| )[^|]*( \|)$", re.MULTILINE)


def updated(text: str, folder: Path | None = None) -> str:
    """The README `text` with the numbers that are recorded in `folder`/results.

    Raises:
        ValueError: if the marks are missing, or a number or a notebook in the text is not recorded.
    """
    results = report.report_folder(folder) / "results"
    if not MARKS.search(text):
        raise ValueError(
            "README.md must have a line '<!-- results … -->' and a line '<!-- /results -->'; one is missing."
        )
    table, _ = report.read_table(results / "main_results.csv")
    minutes = report.read_table(results / "notebook_minutes.csv")[0].set_index("notebook")["minutes"]

    def cell(value: str, form: str) -> str:
        return "–" if value == "--" else format(float(value), form)

    rows = [
        [row["model"], *(cell(row[column], form) for column, form in RESULT_COLUMNS.items())]
        for _, row in table.iterrows()
    ]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    text = MARKS.sub(lambda marks: marks[1] + HEADER + lines + marks[2], text)

    numbers = report.read_rows(results / "numbers.csv")

    def with_number(mark: re.Match) -> str:
        if mark[2] not in numbers:
            raise ValueError(f"{mark[2]} is not a recorded number; report/results/numbers.csv has {len(numbers)}.")
        row = numbers[mark[2]]
        return mark[1] + format(float(row["value"]), f",.{row['digits']}f") + mark[3]

    text = NUMBER.sub(with_number, text)

    def with_minutes(row: re.Match) -> str:
        if row[2] not in minutes:
            raise ValueError(f"{row[2]} has no recorded minutes; `make record` after `make` writes them.")
        return f"{row[1]}{float(minutes[row[2]]):.1f}{row[3]}"

    return NOTEBOOK_ROW.sub(with_minutes, text)


if __name__ == "__main__":
    path = Path(__file__).resolve().parents[1] / "README.md"
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
