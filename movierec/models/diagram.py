"""Pictures of boxes and arrows: the student's hybrid in notebooks/05_hybrid_model, the package's in 06_training."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from movierec import plots

SIZE_IN = (plots.COLUMN_WIDTH_IN, 2.9)
WIDTH, HEIGHT = 0.94, 0.7  # of a box; the columns of the picture are 1.15 apart, its rows 1
NEW, OLD = ("#d5e8fa", plots.COLOURS[0]), ("0.95", "0.6")  # colours of a box and of its edge
BOXES = {  # name: column, row, first step that has it, text
    "user id": (0, 5, 1, "user id"),
    "people": (0, 4, 2, "age, gender,\noccupation"),
    "bag": (0, 3, 3, "movies rated\nbefore (bag)"),
    "movie id": (0, 1.4, 1, "movie id"),
    "genres": (0, 0.4, 2, "genres,\nyear"),
    "x": (1.15, 4, 1, "user's\nvector x"),
    "y": (1.15, 0.9, 1, "movie's\nvector y"),
    "biases": (2.3, 5, 1, "mean, and a\nbias by id"),
    "mlp": (2.3, 3.8, 4, "MLP on x,\ny, x ⊙ y"),
    "dot": (2.3, 2.4, 1, "dot product\n⟨x, y⟩"),
    "popularity": (2.3, 0.6, 5, "popularity\nby movie id"),
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


def draw_arrow(ax, start: tuple, end: tuple, is_new: bool = True, apart: float = 0.0) -> None:
    """Draw an arrow between two boxes, given by (column, row, …), to the side, or up or down in the same column.

    It begins by `apart` above the middle of a side, or of an end.
    """
    side = (end[0] > start[0]) - (end[0] < start[0])
    vertical = 0 if side else (HEIGHT / 2 if end[1] > start[1] else -HEIGHT / 2)
    look = {"arrowstyle": "-|>", "color": plots.COLOURS[0] if is_new else "0.6", "linewidth": 1 + 0.6 * is_new}
    tip = (end[0] - side * WIDTH / 2, end[1] - vertical)
    ax.annotate("", tip, (start[0] + side * WIDTH / 2, start[1] + vertical + apart), arrowprops=look)


def draw_box(ax, column: float, row: float, text: str, is_new: bool = True) -> None:
    """Draw a box with its text, in colour and bold if it is new, else in grey."""
    face, edge = NEW if is_new else OLD
    corner = (column - WIDTH / 2, row - HEIGHT / 2)
    ax.add_patch(plt.Rectangle(corner, WIDTH, HEIGHT, facecolor=face, edgecolor=edge, linewidth=1 + 0.6 * is_new))
    weight = "bold" if is_new else "normal"
    ax.text(column, row, text, ha="center", va="center", fontsize=6.4, fontweight=weight)


def draw_hybrid(step: int = 6) -> Figure:
    """Draw the parts that the model has at this step, 1 to 6: in colour what the step adds, in grey the rest."""
    there = {name: box for name, box in BOXES.items() if box[2] <= step and not (step == 5 and name in ONLY_STARS)}
    fig = _draw(there, ARROWS, step, (-0.5, 3.97), (-0.1, 5.5))
    if step == 6:
        fig.axes[0].text(2.95, 1.86, "× s", fontsize=6.4)  # the sharpness
    fig.axes[0].set_title(TITLES[step])
    return fig


def _draw(boxes: dict, arrows: list, step: int, xlim: tuple, ylim: tuple) -> Figure:
    """Draw boxes {name: (column, row, step, text)} and the arrows between them; those of `step` are blue."""
    fig, ax = plt.subplots(figsize=SIZE_IN)
    ax.set(xlim=xlim, ylim=ylim)
    ax.set_axis_off()
    for source, target in arrows:
        if source in boxes and target in boxes:
            apart = 0.2 if target == "mlp" else 0.0  # beside the arrow to the dot product, not on it
            draw_arrow(ax, boxes[source], boxes[target], step in (boxes[source][2], boxes[target][2]), apart)
    for column, row, first, text in boxes.values():
        draw_box(ax, column, row, text, first == step)
    return fig


# ---- the package's model, head by head

PACKAGE = {  # head: name: column, row, which step from the student's model brings it, text
    "stars": {
        "films": (0, 4.8, 0, "movies that\nthe user rated"),
        "people": (0, 3.8, 0, "age, gender,\noccupation"),
        "raters": (0, 2.2, 1, "raters of\nthe movie"),
        "genres": (0, 1.2, 0, "genres,\nyear"),
        "times": (0, 0.1, 2, "stars of the\nlast minutes"),
        "x": (1.15, 4.3, 0, "user's\nvector x"),
        "y": (1.15, 1.7, 0, "movie's\nvector y"),
        "biases": (2.3, 5.0, 0, "mean, and a\nbias by id"),
        "mlp": (2.3, 3.8, 0, "MLP on x,\ny, x ⊙ y"),
        "dot": (2.3, 2.4, 0, "dot product\n⟨x, y⟩"),
        "session": (2.3, 0.1, 2, "session\n(extra 2)"),
        "sum": (3.45, 3.4, 0, "sum f"),
        "cuts": (3.45, 2.0, 2, "cuts\n(extra 1)"),
        "stars": (3.45, 0.6, 0, "stars"),
    },
    "ranking": {
        "films": (0, 4.4, 0, "movies that\nthe user rated"),
        "people": (0, 3.0, 0, "age, gender,\noccupation"),
        "movie id": (0, 1.6, 0, "movie id"),
        "genres": (0, 0.6, 0, "genres,\nyear"),
        "fade": (1.15, 4.7, 2, "age weights\n(extra 3)"),
        "x": (1.15, 3.3, 0, "user's\nvector x"),
        "y": (1.15, 1.1, 0, "movie's\nvector y"),
        "ease": (2.3, 4.7, 2, "EASE\n(extra 4)"),
        "mlp": (2.3, 3.5, 0, "MLP on x"),
        "dot": (2.3, 2.1, 0, "dot product\nwith y"),
        "popularity": (2.3, 0.6, 0, "popularity\nby movie id"),
        "softmax": (3.45, 3.6, 1, "softmax over\nall movies"),
        "list": (3.45, 1.6, 0, "list"),
    },
}
PACKAGE_ARROWS = {
    "stars": [
        *[(source, "x") for source in ("films", "people")],
        *[(source, "y") for source in ("raters", "genres")],
        *[(source, target) for source in ("x", "y") for target in ("dot", "mlp")],
        ("times", "session"),
        *[(source, "sum") for source in ("biases", "mlp", "dot", "session")],
        ("sum", "cuts"),
        ("cuts", "stars"),
    ],
    "ranking": [
        ("films", "fade"),
        ("fade", "x"),
        ("people", "x"),
        *[(source, "y") for source in ("movie id", "genres")],
        ("fade", "ease"),
        ("x", "mlp"),
        ("x", "dot"),
        ("y", "dot"),
        ("mlp", "dot"),
        *[(source, "list") for source in ("ease", "dot", "popularity")],
        ("list", "softmax"),
    ],
}
PACKAGE_TITLES = {
    "stars": "The package's stars head: no user id and no\nmovie id in the vectors, and two extras",
    "ranking": "The package's ranking head: no user id,\nall movies in the softmax, and two extras",
}


def draw_package(head: str) -> Figure:
    """Draw a head of the package's model, "stars" or "ranking": in colour what the student's hybrid does not have."""
    boxes = {name: (*box[:2], bool(box[2]), box[3]) for name, box in PACKAGE[head].items()}
    fig = _draw(boxes, PACKAGE_ARROWS[head], True, (-0.5, 3.97), (-0.35, 5.5))
    fig.axes[0].set_title(PACKAGE_TITLES[head])
    return fig


# ---- which ratings a row of training reads, and what it is compared with


def draw_bag(places: list[int], asked: int) -> Figure:
    """Draw the ratings of one user in the order of time; `asked` is the row of the one that is to be predicted."""
    fig, ax = plt.subplots(figsize=(plots.COLUMN_WIDTH_IN, 1.9))
    kinds = ["in the bag" if place < places[asked] else "not in the bag" for place in places]
    kinds[asked] = "asked for"
    colours = {"in the bag": plots.COLOURS[0], "asked for": plots.COLOURS[1], "not in the bag": "white"}
    for kind, colour in colours.items():
        rows = [row for row in range(len(places)) if kinds[row] == kind]
        ax.bar(rows, 1, width=0.9, color=colour, edgecolor="0.4", label=kind)
    for row, place in enumerate(places):
        ink = plots.text_on(colours[kinds[row]])
        ax.text(row, 0.5, f"place\n{place}", ha="center", va="center", color=ink)
    ax.set(yticks=[], xticks=[], xlabel="movies of one user, in the order of time")
    ax.set_title("The bag of a rating holds only\nwhat came before it")
    fig.legend(loc="outside lower center", ncols=3)
    return fig


def draw_batch(movies: list[str]) -> Figure:
    """Draw which movies of a batch are right, wrong and masked for each of its rows, one user a row."""
    fig, ax = plt.subplots(figsize=(plots.COLUMN_WIDTH_IN, 3.0))
    names = np.array(movies)
    kinds = np.where(np.eye(len(names), dtype=bool), 0, np.where(names[:, None] == names, 2, 1))
    colours = [plots.COLOURS[0], "white", plots.COLOURS[1]]
    ax.imshow(kinds, cmap=ListedColormap(colours), vmin=0, vmax=2, aspect="auto")
    for (row, column), kind in np.ndenumerate(kinds):
        ink = plots.text_on(colours[kind])
        word = ["right", "wrong", "masked"][kind]
        ax.text(column, row, word, ha="center", va="center", fontsize=6.5, color=ink)
    ax.set_xticks(range(len(names)), movies, rotation=30, ha="right")
    ax.set_yticks(range(len(names)), [f"user {letter}" for letter in "ABCDEFGHIJ"[: len(names)]])
    ax.grid(visible=False)
    ax.set_title("The movies of the other rows\nare the wrong answers")
    return fig
