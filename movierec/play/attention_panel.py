"""Who looks at whom: a view on the self-attention of one history, film by film.

Taught in notebooks/08_self_attention.
"""

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from movierec import plots
from movierec.play.parts import LABEL, STYLE, WIDE, as_html

MOST_ROWS = 20  # films of a history that are drawn, the newest ones


def looked_at(recommender, titles: np.ndarray, user_id: int, films: int) -> pd.DataFrame:
    """How much the newest of a user's first `films` looks at each: title, block 1, block 2, …; rows from the oldest.

    Args:
        recommender: a `SequenceRecommender`.
        titles: str `[num_movies]`.
    """
    film, weights = recommender.looks(user_id, films)
    columns = {f"block {number}": of_block[-1] for number, of_block in enumerate(weights, start=1)}
    return pd.DataFrame({"title": titles[film]} | columns)


def expected_next(recommender, titles: np.ndarray, user_id: int, films: int, k: int = 5) -> pd.DataFrame:
    """The k films that are expected next after a user's first `films`, and the one that came: rank, title, chance."""
    chance = recommender.expects(user_id, films)
    order = np.argsort(-chance, kind="stable")
    every, _ = recommender.looks(user_id)
    came = [every[films]] if films < len(every) else []
    rank = np.empty(len(order), int)
    rank[order] = np.arange(1, len(order) + 1)
    shown = np.array([*order[:k], *(film for film in came if film not in order[:k])])
    table = pd.DataFrame({"rank": rank[shown], "title": titles[shown], "chance": chance[shown]})
    return table.assign(came=np.where(np.isin(shown, came), "it came", ""))


def draw(table: pd.DataFrame):
    """The figure of `looked_at`."""
    table = table.tail(MOST_ROWS)
    blocks = [name for name in table if name != "title"]
    fig, axes = plt.subplots(1, len(blocks), figsize=(6.4, 0.6 + 0.19 * len(table)), sharey=True, squeeze=False)
    for ax, name, colour in zip(axes[0], blocks, plots.COLOURS, strict=False):
        ax.barh(np.arange(len(table)), table[name], color=colour)
        ax.set_title(name, fontsize=8, fontweight="normal")
        ax.set_xlabel("weight")
    axes[0, 0].set_yticks(np.arange(len(table)), [title[:34] for title in table["title"]], fontsize=7)
    return fig


class AttentionPanel(widgets.VBox):
    """Choose a user and a moment: what does the model look at, what does it expect, and what came?

    Attributes:
        recommender: a `SequenceRecommender`.
        user, films: the widgets.
        looks, expects: the tables that are shown.
    """

    def __init__(self, recommender, movies: pd.DataFrame, user_ids):
        self.recommender = recommender
        self.titles = movies.set_index("movie_id")["title"].reindex(recommender.indices.movie_ids).to_numpy(str)
        self.looks = self.expects = None
        self.user = widgets.Dropdown(
            options=[int(user_id) for user_id in user_ids], description="User", layout=WIDE, style=LABEL
        )
        self.films = widgets.IntSlider(1, 1, 1, description="Films so far", layout=WIDE, style=LABEL)
        self.picture, self.list = widgets.HTML(), widgets.HTML()
        self.user.observe(lambda _: self._on_user(), "value")
        self.films.observe(lambda _: self._show(), "value")
        wrap = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        left = widgets.VBox([self.user, self.films, self.list])
        super().__init__([widgets.HTML(STYLE), widgets.HBox([left, self.picture], layout=wrap)])
        self._on_user()

    def __repr__(self) -> str:
        return "AttentionPanel: what one history looks at, what is expected next, and what came"

    def _on_user(self) -> None:
        there = len(self.recommender.looks(self.user.value)[0])
        self.films.max = there
        if self.films.value == max(1, there - 1):
            self._show()
        else:
            self.films.value = max(1, there - 1)  # so that something came next; shows it

    def _show(self) -> None:
        asked = self.user.value, min(self.films.value, self.films.max)
        self.looks = looked_at(self.recommender, self.titles, *asked)
        self.expects = expected_next(self.recommender, self.titles, *asked)
        names = {"rank": "Rank", "title": "Expected next", "chance": "Chance", "came": ""}
        rounded = self.expects.assign(chance=self.expects["chance"].map("{:.3f}".format))
        self.list.value = as_html(rounded, names, "What comes next?")
        newest = self.looks["title"].iloc[-1]
        text = (
            f"Bars: how much {newest}, the newest film read, looks at each film before it, one picture for each block."
        )
        self.picture.value = plots.alt(draw(self.looks), text)._repr_html_()
