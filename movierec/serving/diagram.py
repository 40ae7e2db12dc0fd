"""The picture of the system that serves lists, drawn by code: `draw_system()`, in notebooks/12_serving."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from movierec import plots
from movierec.models.diagram import HEIGHT, draw_arrow, draw_box

BOXES = {  # name: column, row, text, whether it works while the user waits
    "user": (0, 3, "user", True),
    "retrieval": (1.15, 3, "retrieval\n(index)", True),
    "ranking": (2.3, 3, "ranking", True),
    "explore": (3.45, 3, "exploration", True),
    "click": (0, 1.7, "click, with\nits list id", True),
    "log": (1.725, 1.7, "log\non disk", True),
    "shown": (3.45, 1.7, "impressions,\npropensity", True),
    "drift": (0, 0.4, "drift\nalarm", False),
    "estimates": (1.15, 0.4, "estimates\n(IPS, SNIPS)", False),
    "test": (2.3, 0.4, "A/B test", False),
    "shadow": (3.45, 0.4, "shadow\nmodel", False),
}
WAITED_FOR = [("user", "retrieval"), ("retrieval", "ranking"), ("ranking", "explore"), ("explore", "shown")]
WAITED_FOR += [("shown", "log"), ("user", "click"), ("click", "log")]


def draw_system() -> Figure:
    """Draw the way of a request, in colour, and what works behind it, in grey."""
    fig, ax = plt.subplots(figsize=(plots.COLUMN_WIDTH_IN, 2.7))
    ax.set(xlim=(-0.5, 3.97), ylim=(-0.05, 4.15))
    ax.set_axis_off()
    for source, target in [*WAITED_FOR, ("shadow", "shown")]:
        draw_arrow(ax, BOXES[source], BOXES[target], source != "shadow")
    column, row, *_ = BOXES["log"]
    for name in ("drift", "estimates", "test"):
        look = {"arrowstyle": "-|>", "color": "0.6", "linewidth": 1}
        ax.annotate("", (BOXES[name][0], BOXES[name][1] + HEIGHT / 2), (column, row - HEIGHT / 2), arrowprops=look)
    start, end = ((BOXES[name][0], BOXES[name][1] + HEIGHT / 2) for name in ("explore", "user"))
    look = {"arrowstyle": "-|>", "color": plots.COLOURS[0], "linewidth": 1.6, "connectionstyle": "bar,fraction=0.09"}
    ax.annotate("", end, start, arrowprops=look)
    ax.text(1.725, 3.9, "the list, sent when its impressions are in the log", ha="center", fontsize=6.4)
    for column, row, text, is_waited_for in BOXES.values():
        draw_box(ax, column, row, text, is_waited_for)
    ax.set_title("A user waits for the blue path;\nthe grey parts work behind it")
    return fig
