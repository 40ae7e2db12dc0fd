"""Panels that look into a trained network: films as points on a map, and the attention of a history.

Each is a view on plain functions that stand before it. Taught in notebooks/07_recommendations and 10_self_attention.
"""

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from movierec import plots
from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models import HEADS, Entries, HybridModel
from movierec.play.parts import FIELD, FilmSearch, Panel, as_html, columns, headings, on_change, picture

AS_IT_IS = {"parse_math": False}  # a title may have dollar signs, which are no formula
NAME = AS_IT_IS | {"textcoords": "offset points", "xytext": (4, 3), "fontsize": 7}  # of a film on the map
NAME["bbox"] = {"facecolor": "white", "alpha": 0.7, "pad": 0.5, "edgecolor": "none"}
COLOURED_BY = ("genre", "year", "popularity")
RATED_OFTEN = 20  # ratings that a neighbour has at least
MOST_ROWS = 20  # films of a history that are drawn, the newest ones


def untrained(model) -> HybridModel:
    """Return the network of a `Hybrid` as it was before its first step; for an `Ensemble`, that of its first member."""
    member = model.members[0]
    trained = member.model
    heads = tuple(head for head in HEADS if getattr(trained, head) is not None)
    known = trained.user_features, trained.movie_features, member.bias, member.weeks.count
    return HybridModel(trained.past, *known, heads, trained.settings, seed=member.seed or 0)


def film_vectors(network: HybridModel) -> dict[str, np.ndarray]:
    """Return {half of the ranking head: a vector for each film, float32 `[num_movies, ranking_dim]`}.

    matrix factorisation: y_i, which is multiplied with a person's vector.
    deep: MLP(x) of somebody who has rated this film alone; missing if the model was trained without it.
    """
    head = network.ranking
    vectors = {"matrix factorisation": head.movie_vectors().numpy()}
    if head.deep is not None:
        films = tf.range(head.num_movies)
        alone = Entries(films, films, tf.zeros([head.num_movies]), tf.zeros([head.num_movies]))
        vectors["deep"] = head.deep(head.bag(alone, tf.ones([head.num_movies]), head.num_movies)).numpy()
    return vectors


def nearest_films(vectors: np.ndarray, index: int, among: np.ndarray, k: int = 8) -> np.ndarray:
    """Return the k films with the largest cosine to the film `index`, itself left out: indices, int `[k]`.

    A vector of length 0 has no neighbours. `among`: bool `[num_movies]`, the films to choose from; one with few ratings
    lies near where it began.
    """
    length = np.linalg.norm(vectors, axis=1)
    if length[index] == 0:
        return np.array([], int)
    cosine = vectors @ vectors[index] / np.maximum(length * length[index], 1e-12)
    order = np.argsort(-cosine, kind="stable")
    return order[(order != index) & among[order]][:k]


def flattened(vectors: np.ndarray) -> np.ndarray:
    """Return the first two principal components with deviation 1, `[num_movies, 2]`; the furthest film is positive."""
    left, spread, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    flat = (left * spread)[:, :2]
    flat = flat * np.where(flat[np.abs(flat).argmax(axis=0), [0, 1]] < 0, -1, 1)
    return flat / np.maximum(flat.std(axis=0), 1e-12)


def draw_maps(spaces: dict[str, np.ndarray], movies: pd.DataFrame, coloured_by: str, genre: str, index: int) -> Figure:
    """Draw the films of each space as points on a map of its own, side by side; name one film and its neighbours.

    `spaces`: {name: vectors `[num_movies, dim]`}; `movies`: title, year, genres, popularity in that order of films;
    `genre`: which one is coloured, if `coloured_by` is "genre".
    """
    fig = Figure(figsize=(4.4 * len(spaces), 3.8), dpi=plots.SCREEN_DPI, layout="constrained")
    among = (movies["popularity"] >= RATED_OFTEN).to_numpy()
    for ax, (name, vectors) in zip(fig.subplots(1, len(spaces), squeeze=False)[0], spaces.items(), strict=True):
        ax.set(title=name, xlabel="first direction", ylabel="second direction")
        if not vectors.any():
            ax.text(0.5, 0.5, "all vectors are 0 before training", ha="center", transform=ax.transAxes)
            continue
        flat = flattened(vectors)
        points = _draw_points(ax, flat, movies, coloured_by, genre)
        for film in [index, *nearest_films(vectors, index, among, k=4)]:
            ax.scatter(*flat[film], s=30, facecolors="none", edgecolors="black")
            weight = "bold" if film == index else "normal"
            ax.annotate(movies["title"].iloc[film], flat[film], fontweight=weight, **NAME)
    if coloured_by == "genre":
        fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    else:
        fig.colorbar(points, ax=fig.axes, label="year" if coloured_by == "year" else "log10(1 + ratings in train)")
    return fig


def _draw_points(ax, flat: np.ndarray, movies: pd.DataFrame, coloured_by: str, genre: str):
    if coloured_by == "genre":
        of_genre = movies["genres"].str.split("|").map(lambda genres: genre in genres).to_numpy()
        ax.scatter(*flat[~of_genre].T, s=6, color="0.7", label="other films")
        return ax.scatter(*flat[of_genre].T, s=9, color=plots.COLOURS[0], marker="^", label=genre)
    values = movies["year"].astype(float) if coloured_by == "year" else np.log10(1 + movies["popularity"])
    return ax.scatter(*flat.T, s=7, c=values, cmap="viridis_r")


def neighbour_table(model, before: HybridModel, movie_id: int, k: int = 8) -> pd.DataFrame:
    """Return titles of the nearest films: one column for the MF half before and after training, and the deep half."""
    index = int(model.indices.movie_index(movie_id))
    if index == UNKNOWN:
        raise ValueError(f"movie_id {movie_id} is not in the catalogue of {model.indices.num_movies:,}.")
    spaces = {"before training": film_vectors(before)["matrix factorisation"]} | film_vectors(model.members[0].model)
    titles, among = model.movies["title"].to_numpy(), (model.movies["popularity"] >= RATED_OFTEN).to_numpy()
    near = {name: pd.Series(titles[nearest_films(vectors, index, among, k)]) for name, vectors in spaces.items()}
    return pd.DataFrame(near)


class EmbeddingExplorer(Panel):
    """Find a film and see what lies near it: in the MF half beside the deep half, before and after training.

    A view on `neighbour_table`, whose result is `table`, and `draw_maps`; of an `Ensemble`, its first member is shown.
    """

    purpose = "films on a map; by half, before and after training; neighbours"

    def __init__(self, model):
        self.model, self.before = model, untrained(model)
        self.films = FilmSearch(model.movies)
        self.search, self.matches = self.films.text, self.films.matches
        options = {"after training": True, "before training": False}
        self.trained = widgets.Dropdown(options=options, description="Map", **FIELD)
        self.colour = widgets.Dropdown(options=COLOURED_BY, description="Colour", **FIELD)
        genres = list(model.pipeline.genres) or ["no genre"]
        self.genre = widgets.Dropdown(options=genres, description="Genre", **FIELD)
        self.map, self.list = widgets.HTML(), widgets.HTML()
        on_change(self._show, self.matches, self.trained, self.colour, self.genre)
        left = widgets.VBox([self.films, self.trained, self.colour, self.genre])
        super().__init__(columns(left, self.list), self.map)
        self._show()

    def _show(self) -> None:
        if self.matches.value is None:  # nothing was found: the film before stays
            return
        title = self.matches.label
        self.table = neighbour_table(self.model, self.before, self.matches.value)
        self.list.value = as_html(self.table, headings(self.table), f"Nearest to {title}")
        halves = film_vectors(self.model.members[0].model if self.trained.value else self.before)
        index = int(self.model.indices.movie_index(self.matches.value))
        fig = draw_maps(halves, self.model.movies, self.colour.value, self.genre.value, index)
        text = f"Maps of all films, coloured by {self.colour.value}, with {title} and what lies near it."
        self.map.value = picture(fig, text)


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
    axes[0, 0].set_yticks(rows, [title[:34] for title in weights["title"]], fontsize=7, **AS_IT_IS)
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
