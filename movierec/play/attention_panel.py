"""The panel that looks into self-attention: what one history looks at, and what is expected next.

It is a view on two plain functions. Taught in notebooks/10_self_attention.
"""

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from movierec import plots
from movierec.play.parts import FIELD, Panel, as_html, columns, headings, on_change, picture

MOST_ROWS = 20  # films of a history that are drawn, the newest ones


def attention_weights(recommender, titles: np.ndarray, user_id: int, films: int) -> pd.DataFrame:
    """Return the attention weights of the newest of a user's first `films`: title, block 1, …; oldest first."""
    film, weights = recommender.looks(user_id, films)
    blocks = {f"block {number}": of_block[-1] for number, of_block in enumerate(weights, start=1)}
    return pd.DataFrame({"title": titles[film]} | blocks)


def expected_next(recommender, titles: np.ndarray, user_id: int, films: int, k: int = 5) -> pd.DataFrame:
    """Return the k most probable films after a user's first `films`, and the one that came: rank, title, chance."""
    chance = recommender.expects(user_id, films)
    history, _ = recommender.looks(user_id)
    order = np.argsort(-chance, kind="stable")
    came = np.isin(order, history[films : films + 1])
    shown = (np.arange(len(order)) < k) | came
    table = pd.DataFrame({"rank": 1 + np.arange(len(order)), "title": titles[order], "chance": chance[order]})
    return table.assign(came=np.where(came, "it came", ""))[shown].reset_index(drop=True)


def _draw_weights(weights: pd.DataFrame):
    weights = weights.tail(MOST_ROWS)
    blocks = [name for name in weights if name != "title"]
    rows = np.arange(len(weights))
    fig, axes = plt.subplots(1, len(blocks), figsize=(6.4, 0.6 + 0.19 * len(rows)), sharey=True, squeeze=False)
    for ax, name, colour in zip(axes[0], blocks, plots.COLOURS, strict=False):
        ax.barh(rows, weights[name], color=colour)
        ax.set_title(name, fontsize=8, fontweight="normal")
        ax.set_xlabel("weight")
    axes[0, 0].set_yticks(
        rows, [title[:34] for title in weights["title"]], fontsize=7, parse_math=False
    )  # "$" is no formula
    return fig


class AttentionPanel(Panel):
    """Choose a user and a moment: `looks`, of `attention_weights`, and `expects`, of `expected_next`, are shown."""

    purpose = "what one history looks at, what is expected next, and what came"

    def __init__(self, recommender, movies: pd.DataFrame, user_ids):
        self.recommender = recommender
        self.titles = movies.set_index("movie_id")["title"].reindex(recommender.indices.movie_ids).to_numpy(str)
        self.user = widgets.Dropdown(options=np.asarray(user_ids).tolist(), description="User", **FIELD)
        self.films = widgets.IntSlider(1, 1, 1, description="Films so far", **FIELD)
        self.picture, self.list = widgets.HTML(), widgets.HTML()
        on_change(self._on_user, self.user)
        on_change(self._show, self.films)
        super().__init__(columns(widgets.VBox([self.user, self.films, self.list]), self.picture))
        self._on_user()

    def _on_user(self) -> None:
        self.films.max = len(self.recommender.looks(self.user.value)[0])
        self.films.value = max(1, self.films.max - 1)  # the last moment after which a film came
        self._show()

    def _show(self) -> None:
        moment = self.user.value, min(self.films.value, self.films.max)
        self.looks = attention_weights(self.recommender, self.titles, *moment)
        self.expects = expected_next(self.recommender, self.titles, *moment)
        rounded = self.expects.assign(chance=self.expects["chance"].map("{:.3f}".format))
        names = headings(rounded) | {"title": "Expected next", "came": ""}
        self.list.value = as_html(rounded, names, "What comes next?")
        newest = self.looks["title"].iloc[-1]
        text = f"Bars: the attention weights of {newest}, the newest film read, on each film before it, block by block."
        self.picture.value = picture(_draw_weights(self.looks), text)
