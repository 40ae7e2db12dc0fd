"""Figures from tidy tables in one style: legible at the width of an IEEE column, and without colour.

Every `plot_` function returns an open Matplotlib `Figure`; its `title` states the finding. `show` displays it with a
caption, which is also what a screen reader says. Colours are those of `petroff10`, made for colour-blind readers, that
stand out from white by 3 to 1 (WCAG 2.1, 1.4.11); line style or marker is the second cue.
"""

import base64
import html
import io
import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

COLUMN_WIDTH_IN = 3.5  # one column of the IEEE conference class, inches
FIGURE_HEIGHT_IN = 2.2  # a figure takes about a quarter of a column
SCREEN_DPI = 120  # pixels an inch in a notebook: 8 pt reads like the text around it
PROJECTOR_DPI = 200  # 8 pt can be read from the back of a class room
COLOURS = ["#3f90da", "#bd1f01", "#717581", "#a96b59", "#e76300", "#832db6"]  # the first two differ in grey, too
DASHES = [(5, 1), (3, 1, 1, 1), (1, 1), (8, 2), (8, 2, 2, 2), (4, 4)]  # points on, points off, …
LINE_STYLES = ["-", "--", "-.", ":", *((0, dashes) for dashes in DASHES)]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*"]
STYLE: dict[str, Any] = {
    "figure.figsize": (COLUMN_WIDTH_IN, FIGURE_HEIGHT_IN),
    "figure.dpi": SCREEN_DPI,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same picture on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    **dict.fromkeys(["legend.fontsize", "xtick.labelsize", "ytick.labelsize"], 7),
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    **dict.fromkeys(["axes.spines.top", "axes.spines.right", "legend.frameon"], False),
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "axes.prop_cycle": cycler(color=(2 * COLOURS)[: len(LINE_STYLES)]) + cycler(linestyle=LINE_STYLES),
    **dict.fromkeys(["pdf.fonttype", "ps.fonttype"], 42),  # TrueType: IEEE refuses Type 3 fonts
    "savefig.bbox": None,  # "tight" would change the width, and with it the size of the type
}
SHOWN: dict[str, tuple[Figure, str]] = {}  # name -> figure and caption, for `Recorder.figures`
TITLE_CHARS = 46  # characters of a title that fit in one line
PALETTE = 256  # colours of a stored picture: one byte a pixel
LOWER_IS_BETTER = ("loss", "rmse", "mae")


def use_style() -> None:
    """Set Matplotlib's defaults, which seaborn follows too, to the style of the course."""
    plt.rcParams.update(STYLE)


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture that a notebook shows, with the text that a screen reader says, in HTML, where its `alt` is kept."""

    png: bytes
    text: str
    width: int  # pixels on the screen

    def __repr__(self) -> str:
        return f"Figure: {self.text}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        return f'<img alt="{html.escape(self.text)}" width="{self.width}" src="data:image/png;base64,{data}">'


def alt(fig: Figure, text: str, dpi: int = SCREEN_DPI) -> Picture:
    """Close a figure and return it as a picture with alternative text; make it the last line of a cell.

    It is stored at twice `dpi`, in pixels an inch, for dense screens, and with 256 colours. `text` says what the
    picture shows, in a sentence or two, without trained numbers: nbval compares it. An empty one is a ValueError.
    """
    text = " ".join(text.split())
    if not text:
        advice = 'Write e.g. plots.alt(fig, "A few movies have most of the ratings.")'
        raise ValueError(f"alt text must say what the figure shows; found none. {advice}")
    full, small = io.BytesIO(), io.BytesIO()
    fig.savefig(full, format="png", dpi=2 * dpi)
    plt.close(fig)
    Image.open(full).convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return Picture(small.getvalue(), text, round(fig.get_figwidth() * dpi))


def show(fig: Figure, caption: str, name: str = "") -> None:
    """Display a figure as a PNG with its caption below, and close it.

    Args:
        caption: How to read the picture, in a sentence or two, without trained numbers: nbval compares it. It is also
            the alternative text. An empty one is a ValueError.
        name: If given, `Recorder.figures` hands the figure to the report under this name.
    """
    from IPython.display import Markdown, display

    picture = alt(fig, caption, PROJECTOR_DPI)
    about = {"image/png": {"alt": picture.text, "width": picture.width}}
    display({"image/png": picture.png, "text/plain": repr(picture)}, raw=True, metadata=about)
    display(Markdown(f"*{picture.text}*"))
    if name:
        SHOWN[name] = fig, picture.text


def text_on(background) -> str:
    """Return "black" or "white", whichever stands out more from the colour: 4.5 to 1 or more (WCAG 2.1, 1.4.3)."""
    channels = np.array(to_rgb(background))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"  # where both contrasts are equal


def write_legibly(ax: Axes) -> None:
    """Set each number on a heat map of seaborn in black or white, as `text_on` says for its cell."""
    mesh = ax.collections[0]
    mesh.update_scalarmappable()
    colours = mesh.get_facecolors().reshape(*mesh.get_array().shape, 4)
    for text in ax.texts:
        x, y = text.get_position()  # the middle of its cell
        text.set_color(text_on(colours[int(y), int(x)]))


def plot_cumulative_share(ratings: pd.DataFrame, *, mark: float = 10, title: str = "") -> Figure:
    """Plot which share of the ratings the top movies and the top users have, `mark` per cent of the movies marked."""
    _need(ratings, ["user_id", "movie_id"], "ratings", 'movierec.load("ml-100k").ratings is such a table.')
    fig, ax = plt.subplots()
    for who, style in (("movie", LINE_STYLES[0]), ("user", LINE_STYLES[1])):
        counts = ratings[f"{who}_id"].value_counts().to_numpy()  # most first
        share = 100 * np.append(0, counts.cumsum()) / counts.sum()
        ax.plot(np.linspace(0, 100, len(share)), share, linestyle=style, label=f"{len(counts):,} {who}s")
    at = float(np.interp(mark, ax.lines[0].get_xdata(), ax.lines[0].get_ydata()))
    ax.plot(mark, at, "o", color=COLOURS[0])
    text = f"{mark:g} % of the movies:\n{at:.0f} % of the ratings"
    ax.annotate(text, (mark, at), (26, -18), textcoords="offset points")
    ax.set(xlabel="top movies or users, most ratings first (%)", ylabel="share of ratings (%)", ylim=(0, 104))
    ax.set_title(textwrap.fill(title, TITLE_CHARS))
    ax.legend(loc="lower right")
    return fig


def plot_rating_distribution(ratings: pd.DataFrame, *, title: str = "") -> Figure:
    """Plot the share of ratings, in per cent, at each number of stars (column rating)."""
    _need(ratings, ["rating"], "ratings", 'movierec.load("ml-100k").ratings is such a table.')
    share = ratings["rating"].value_counts(normalize=True).sort_index() * 100
    stars = share.index.to_numpy(dtype=float)
    step = np.diff(stars).min() if len(stars) > 1 else 1.0
    fig, ax = plt.subplots()
    bars = ax.bar(stars, share, width=0.8 * step, color=COLOURS[0])
    ax.bar_label(bars, fmt="%.0f", fontsize=7, padding=1)
    ax.set(xlabel="stars", ylabel="share of ratings (%)", xticks=stars)
    ax.set_title(textwrap.fill(title, TITLE_CHARS))
    ax.margins(y=0.12)  # room for the labels
    ax.grid(visible=False, axis="x")
    return fig


def plot_learning_curves(history: pd.DataFrame, *, title: str = "") -> Figure:
    """Plot train and validation by epoch, one panel a quantity, with validation's best epoch marked.

    `history` has epoch, train_<quantity> and validation_<quantity>, such as validation_ndcg@10. Loss, RMSE and MAE
    are best where lowest, everything else where highest.
    """
    advice = 'history.rename(columns={"val_loss": "validation_loss"}) renames a column.'
    _need(history, ["epoch"], "history", advice)
    parts = ("train", "validation")
    pairs = [column.split("_", 1) for column in history if "_" in column]
    quantities = list(dict.fromkeys(quantity for part, quantity in pairs if part in parts))
    if not quantities:
        raise ValueError(f"`history` needs train_ or validation_ columns; found {list(history)}. {advice}")
    columns = 1 if len(quantities) <= 2 else 2
    rows = -(-len(quantities) // columns)  # rounded up
    size = (COLUMN_WIDTH_IN, 0.6 + 1.25 * rows)
    fig, axes = plt.subplots(rows, columns, sharex=True, squeeze=False, figsize=size)
    shown = {}
    for ax, quantity in zip(axes.flat, quantities, strict=False):
        for index, part in enumerate(parts):
            if f"{part}_{quantity}" in history:
                look = {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": LINE_STYLES[index]}
                every = max(1, len(history) // 12)
                (shown[part],) = ax.plot("epoch", f"{part}_{quantity}", data=history, markevery=every, **look)
        ax.set_title(quantity.replace("_", " "), fontsize=8, fontweight="normal")
        if f"validation_{quantity}" in history:
            values = history[f"validation_{quantity}"]
            best = history["epoch"][values.idxmin() if _lower_is_better(quantity) else values.idxmax()]
            ax.axvline(best, color="0.35", linestyle=":", linewidth=1)
            ax.set_title(f"best epoch: {best:g}", loc="right", fontsize=7, fontweight="normal")
    for ax in axes.flat[len(quantities) :]:
        ax.set_axis_off()
    axes[0, 0].xaxis.get_major_locator().set_params(integer=True)  # shared by all panels
    for ax in axes.flat[max(0, len(quantities) - columns) : len(quantities)]:  # the lowest panel of each column
        ax.set_xlabel("epoch")
        ax.tick_params(labelbottom=True)
    fig.legend(shown.values(), shown, loc="outside lower center", ncols=2)
    if title:
        fig.suptitle(textwrap.fill(title, TITLE_CHARS), x=0.02, ha="left", fontsize=8.5, fontweight="bold")
    return fig


def plot_model_comparison(table: pd.DataFrame, metric: str, *, ours: str = "hybrid", title: str = "") -> Figure:
    """Plot one row a model: a dot at its mean, a line over its 95 % interval, the best model on top.

    `table` has model, mean, low and high: the mean over users and the ends of its interval. RMSE, MAE and losses are
    best where lowest. Models whose name contains `ours`, in any case, get a filled diamond and bold type.
    """
    _need(table, ["model", "mean", "low", "high"], "table", "Evaluate each model per user; take mean and interval.")
    outside = table[(table["mean"] < table["low"]) | (table["mean"] > table["high"])]
    if len(outside):
        found = f"{len(outside)} of {len(table)} rows break it, e.g. {list(outside['model'][:3])}"
        advice = "They are the ends of the interval, not distances from the mean."
        raise ValueError(f"low <= mean <= high must hold; {found}. {advice}")
    rows = table.sort_values("mean", ascending=not _lower_is_better(metric), kind="stable")
    fig, ax = plt.subplots(figsize=(COLUMN_WIDTH_IN, 0.7 + 0.22 * len(rows)))
    own = rows["model"].astype(str).str.contains(ours, case=False, regex=False).to_numpy()
    spread = np.abs(rows[["low", "high"]].to_numpy() - rows[["mean"]].to_numpy()).T
    for is_own, look in ((False, {"marker": "o", "markerfacecolor": "white"}), (True, {"marker": "D"})):
        at = np.flatnonzero(own == is_own)
        colour = COLOURS[int(is_own)]
        ax.errorbar(rows["mean"].iloc[at], at, xerr=spread[:, at], color=colour, capsize=2, linestyle="none", **look)
    ax.set_yticks(range(len(rows)), rows["model"])
    for label, is_own in zip(ax.get_yticklabels(), own, strict=True):
        label.set_fontweight("bold" if is_own else "normal")
    ax.set(xlabel=f"{metric} (mean, 95 % interval)", ylim=(-0.6, len(rows) - 0.4))
    ax.set_title(textwrap.fill(title, TITLE_CHARS - 14))  # the models' names take their part of the width
    ax.grid(visible=False, axis="y")
    return fig


def _lower_is_better(name: str) -> bool:
    return name.lower().endswith(LOWER_IS_BETTER)


def _need(table: pd.DataFrame, columns: list[str], name: str, advice: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"`{name}` needs the columns {columns}; {missing} missing, found {list(table)}. {advice}")
    if table.empty:
        raise ValueError(f"`{name}` needs at least one row; found none. {advice}")
