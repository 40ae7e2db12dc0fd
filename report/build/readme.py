"""Recorded results for readers of web pages: README.md, docs/*.md, report/results/README.md and docs/course.png.

The first two have them between marks: tables between `table: name` and `/table`, numbers between `=name` and `/`, and
the last cell, minutes, of each notebook's row. report/results/README.md has every declared table, with its origin.
The picture of the front page has its numbers as its description, too, so that a test can compare them.
"""

import io
import json
import re
from pathlib import Path

from movierec.origin import origin_of
from movierec.record import report_folder, require, write_file
from report.build.results import (
    Columns,
    Results,
    Style,
    cells,
    command,
    declared_tables,
    header,
    read_recorded,
    rounded,
)

STYLE = Style(
    text=lambda text: "–" if text == "--" else text.replace("|", r"\|"),
    number=lambda text: text.replace("-", "−"),
    bold=lambda text: f"**{text}**",
    interval=lambda ends: f" [{ends}]",
)
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)
NUMBER = re.compile(r"(<!-- =(\w+) -->)[^<]*(<!-- / -->)")
NOTEBOOK_ROW = re.compile(r"^(\|.*\(notebooks/(\w+)\.ipynb\).*\| )[^|]*( \|)$", re.MULTILINE)
PICTURE = "docs/course.png"
SHOWN = ["popularity", "item-kNN", "EASE", "hybrid"]
DESCRIPTION = "Description"  # the name of a PNG's text
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
    results, declared = read_recorded(report_folder()), declared_tables(report_folder())
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
    results, declared = read_recorded(report_folder()), declared_tables(report_folder())
    parts = [ABOUT]
    for name in declared:
        if name in results.tables:
            says = results.tables[name][1]
            table = _markdown_table(name, results, declared)
            how = f"[{name}.csv]({name}.csv), `{command(says['notebook'])}`: {origin_of(says)}"
            parts.append(f"\n## {name.replace('_', ' ')}\n\n{table}\n{how}\n")
    return "".join(parts)


def _markdown_table(name: str, results: Results, declared: dict[str, Columns]) -> str:
    require(
        name in declared and name in results.tables,
        f"{name} must be declared in report/tables.toml and recorded in report/results/{name}.csv.",
    )
    (table, says), columns = results.tables[name], declared[name]
    lines = [header(columns, STYLE), ["--:" if "format" in spec else "---" for spec in columns]]
    lines += cells(name, table, columns, says.get("best", {}), STYLE)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# ---- the picture of the front page: the road of the notebooks, and how well four models rank


def shown_numbers() -> dict[str, list[float]]:
    """Return {model: [NDCG@10, low, high]} of the recorded main results, rounded to what a reader can see."""
    table = read_recorded(report_folder()).tables["main_results"][0].set_index("model")
    return {model: [round(float(x), 3) for x in table.loc[model, ["ndcg@10", "low", "high"]]] for model in SHOWN}


def stations() -> list[str]:
    """Return the notebooks' names in order, as they stand on the road: "05 hybrid model"."""
    paths = sorted((report_folder().parent / "notebooks").glob("[0-9]*.ipynb"))
    return [path.stem.replace("_", " ") for path in paths]


def write_picture() -> None:
    """Draw the picture and write it into this checkout."""
    from PIL import Image  # comes with Matplotlib
    from PIL.PngImagePlugin import PngInfo

    from movierec.plots import COLOURS, plt, use_style  # heavy: only this command draws

    use_style()
    numbers, names = shown_numbers(), stations()
    figure, (road, bars) = plt.subplots(2, 1, figsize=(7, 3.3), height_ratios=[1.25, 1])
    places = range(len(names))
    road.plot(places, [0] * len(names), "-", color=COLOURS[2], linewidth=2, zorder=1)
    for place, name in enumerate(names):
        number, title = name.split(" ", 1)
        core = int(number) <= 7
        road.scatter(place, 0, s=230, color=COLOURS[0 if core else 4], edgecolor="white", linewidth=1.5, zorder=2)
        road.text(place, 0, number, ha="center", va="center", color="white", fontsize=7, fontweight="bold")
        road.text(place - 0.12, 0.3, title, rotation=38, ha="left", va="bottom", fontsize=8)
    road.text(-0.3, -0.55, "core: build the hybrid, train it, recommend", color="#1f6fb8", fontsize=8)
    road.text(6.75, -0.55, "deeper: test it, serve it, let it learn", color="#a84300", fontsize=8)
    road.set(xlim=(-0.5, len(names) + 0.7), ylim=(-0.75, 2.1))
    road.axis("off")
    for row, (model, (mean, low, high)) in enumerate(numbers.items()):
        bars.barh(row, mean, color=COLOURS[0 if model == "hybrid" else 2], height=0.68)
        bars.plot([low, high], [row, row], "-k", linewidth=1)
        bars.text(high + 0.002, row, f"{mean:.3f}", va="center", fontsize=8)
    bars.set_yticks(range(len(numbers)), [model.replace("hybrid", "hybrid (this course)") for model in numbers])
    bars.set(xlim=(0, 0.18), xlabel="NDCG@10 on each user's newest ratings, with 95 % intervals over users")
    bars.set_title("The hybrid ranks films better than the usual baselines")
    bars.grid(axis="y", visible=False)
    bars.invert_yaxis()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=200)
    plt.close(figure)
    says = PngInfo()
    says.add_text(DESCRIPTION, json.dumps(numbers))
    few = Image.open(drawn).convert("RGB").quantize(64)  # a third of the bytes, and nobody sees it
    few.save(report_folder().parent / PICTURE, pnginfo=says, optimize=True)
