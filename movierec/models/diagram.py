"""The picture of the student's hybrid, drawn by code: `draw_hybrid(step)`, in notebooks/05_hybrid_model."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from movierec import plots

SIZE_IN = (plots.COLUMN_WIDTH_IN, 2.9)
WIDTH, HEIGHT = 0.94, 0.7  # of a box; the columns of the picture are 1.15 apart, its rows 1
BOXES = {  # name: column, row, first step that has it, text
    "user id": (0, 5, 1, "user id"),
    "people": (0, 4, 2, "age, gender,\noccupation"),
    "bag": (0, 3, 3, "movies rated\nbefore (bag)"),
    "movie id": (0, 1.4, 1, "movie id"),
    "genres": (0, 0.4, 2, "genres,\nyear"),
    "x": (1.15, 4, 1, "user's\nvector x"),
    "y": (1.15, 0.9, 1, "movie's\nvector y"),
    "biases": (2.3, 5, 1, "mean and\nbiases"),
    "mlp": (2.3, 3.8, 4, "MLP on x,\ny, x ⊙ y"),
    "dot": (2.3, 2.4, 1, "dot product\n⟨x, y⟩"),
    "popularity": (2.3, 0.6, 5, "popularity"),
    "stars": (3.45, 4.2, 1, "stars"),
    "list": (3.45, 1.4, 5, "list"),
    "loss": (3.45, 2.8, 6, "stars loss +\nw · list loss"),
}
ARROWS = [
    *[(source, "x") for source in ("user id", "people", "bag")],
    *[(source, "y") for source in ("movie id", "genres")],
    *[(source, target) for source in ("x", "y") for target in ("dot", "mlp")],
    *[(source, "stars") for source in ("biases", "mlp", "dot")],
    *[(source, "list") for source in ("dot", "popularity")],
    *[(source, "loss") for source in ("stars", "list")],
]
TITLES = {
    1: "Step 1: the dot product of two learned\nvectors predicts stars",
    2: "Step 2: what is known of users and movies\nis added to their vectors",
    3: "Step 3: what a user rated before\nis added to the user's vector",
    4: "Step 4: a deep path stands beside\nthe dot product",
    5: "Step 5: the same vectors make a list,\nwith two towers",
    6: "Step 6: one model with two tasks\nshares all vectors",
}
ONLY_STARS = ("biases", "mlp", "stars")  # two towers alone do without them


def draw_hybrid(step: int = 6) -> Figure:
    """Draw the parts that the model has at this step, 1 to 6: in colour what the step adds, in grey the rest."""
    there = {name: box for name, box in BOXES.items() if box[2] <= step and not (step == 5 and name in ONLY_STARS)}
    fig, ax = plt.subplots(figsize=SIZE_IN)
    ax.set(xlim=(-0.5, 3.97), ylim=(-0.1, 5.5))
    ax.set_axis_off()
    for source, target in ARROWS:
        if source in there and target in there:
            is_new = step in (there[source][2], there[target][2])
            start, end = there[source], there[target]
            side = 1 if end[0] > start[0] else 0
            vertical = 0 if side else (HEIGHT / 2 if end[1] > start[1] else -HEIGHT / 2)
            look = {"arrowstyle": "-|>", "color": plots.COLOURS[0] if is_new else "0.6", "linewidth": 1 + 0.6 * is_new}
            tip = (end[0] - side * WIDTH / 2, end[1] - vertical)
            ax.annotate("", tip, (start[0] + side * WIDTH / 2, start[1] + vertical), arrowprops=look)
    for column, row, first, text in there.values():
        is_new = first == step
        face, edge = ("#d5e8fa", plots.COLOURS[0]) if is_new else ("0.95", "0.6")
        corner = (column - WIDTH / 2, row - HEIGHT / 2)
        ax.add_patch(plt.Rectangle(corner, WIDTH, HEIGHT, facecolor=face, edgecolor=edge, linewidth=1 + 0.6 * is_new))
        weight = "bold" if is_new else "normal"
        ax.text(column, row, text, ha="center", va="center", fontsize=6.4, fontweight=weight)
    ax.set_title(TITLES[step])
    return fig
