"""Learning curves of one run while it is trained, or of several side by side.

Figures are made without pyplot, whose figures belong to the cell that is running: these are drawn by a worker.
"""

from matplotlib.figure import Figure

from movierec import plots
from movierec.play.runs import Run, compare_runs, label

PANEL_SIZE_IN = (5.2, 2.3)  # wider than a column of the report: it is looked at on a screen


def draw_curves(runs: list[Run], epochs: int | None = None) -> Figure:
    """Loss on train and the metric on validation by epoch, a line for each run; the best epoch is marked.

    Args:
        runs: of one head; they may be unfinished.
        epochs: where the axis ends; as far as the longest run, if it is not given.

    Raises:
        ValueError: if there is no run, or they are of different heads.
    """
    if len({run.metric for run in runs}) != 1:
        raise ValueError(f"curves need runs of one head; got {sorted({run.head for run in runs}) or 'none'}.")
    fig = Figure(figsize=PANEL_SIZE_IN, dpi=plots.SCREEN_DPI, layout="constrained")
    axes = fig.subplots(1, 2)
    differing = list(compare_runs(runs)) if len(runs) > 1 else []
    names = [label(run, differing) for run in runs]
    names = [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]
    for number, run in enumerate(runs):
        style = {name: values[number % len(values)] for name, values in _CYCLE.items()}
        by_epoch = [row["epoch"] for row in run.history]
        for ax, quantity in zip(axes, ("loss", "value"), strict=True):
            ax.plot(by_epoch, [row[quantity] for row in run.history], label=names[number], **style)
        axes[1].plot(run.best_epoch, run.best, marker="o", markersize=9, color=style["color"], fillstyle="none")
    axes[0].set_title("loss on train" if len({run.settings["loss"] for run in runs}) == 1 else "loss, each its own")
    axes[1].set_title(f"{runs[0].metric}, validation")
    for ax in axes:
        ax.set_xlabel("epoch")
        ax.set_xlim(0.5, max(epochs or 0, *(len(run.history) for run in runs), 2) + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True)
    if len(runs) > 1:
        fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=min(2, len(runs)))
    return fig


def as_picture(runs: list[Run], epochs: int | None = None) -> str:
    """The same as HTML, with what it says in words."""
    said = "; ".join(f"{run.settings['loss']}: best {run.best:.4f} in epoch {run.best_epoch}" for run in runs)
    fig = draw_curves(runs, epochs)
    return plots.alt(fig, f"Loss on train and {runs[0].metric} on validation by epoch. {said}.")._repr_html_()


_CYCLE = {"color": plots.COLOURS, "linestyle": plots.LINE_STYLES, "marker": plots.MARKERS}
