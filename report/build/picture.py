"""Draw the picture of the front page, docs/course.png: the road of the notebooks, and how well four models rank.

The numbers that it shows are also in the file, as its description, so that a test can hold them against the results.
"""

import io
import json

from movierec.record import report_folder
from report.build.results import read_recorded

PICTURE = "docs/course.png"
SHOWN = ["popularity", "item-kNN", "EASE", "hybrid"]
DESCRIPTION = "Description"  # the name of a PNG's text


def shown_numbers() -> dict[str, list[float]]:
    """Return {model: [NDCG@10, low, high]} of the recorded main results, rounded to what a reader can see."""
    table = read_recorded(report_folder()).tables["main_results"][0].set_index("model")
    return {
        model: [round(float(table.loc[model, column]), 3) for column in ("ndcg@10", "low", "high")] for model in SHOWN
    }


def stations() -> list[str]:
    """Return the notebooks' names in order, as they stand on the road: "05 hybrid model"."""
    paths = sorted((report_folder().parent / "notebooks").glob("[0-9]*.ipynb"))
    return [path.stem.replace("_", " ") for path in paths]


def write() -> None:
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
    bars.set_yticks(
        range(len(numbers)), [f"{model} (this course)" if model == "hybrid" else model for model in numbers]
    )
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
