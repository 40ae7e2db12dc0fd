"""Films as points: a model's vectors before and after training, nearest films and a map, and a panel that shows them.

Taught in notebooks/07_recommendations.
"""

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from movierec import plots
from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models import HEADS, Entries, HybridModel
from movierec.play.parts import FIELD, FilmSearch, Panel, as_html, columns, headings, on_change, picture

HALVES = ("matrix factorisation", "deep")
COLOURED_BY = ("genre", "year", "popularity")
RATED_OFTEN = 20  # ratings that a neighbour has at least
NAMED = 4  # neighbours that are named on the map
OTHER = "0.7"  # grey of the films of other genres


def untrained(model) -> HybridModel:
    """Return the network of a `Hybrid` as it was before its first step; for an `Ensemble`, that of its first member."""
    member = model.members[0]
    trained = member.model
    heads = tuple(head for head in HEADS if getattr(trained, head) is not None)
    known = trained.user_features, trained.movie_features, member.bias, member.weeks.count
    return HybridModel(trained.past, *known, heads, trained.settings, seed=member.seed or 0)


def film_vectors(network: HybridModel, half: str) -> np.ndarray:
    """Return float32 `[num_movies, ranking_dim]`, a vector for each film, as one half of the ranking head knows it.

    matrix factorisation: y_i, which is multiplied with a person's vector.
    deep: MLP(x) of somebody who has rated this film alone; the network adds it to their vector.

    Raises:
        ValueError: if the half is unknown, or the model was trained without it.
    """
    if half not in HALVES:
        raise ValueError(f"`half` must be one of {HALVES}; got {half!r}.")
    head = network.ranking
    if half == "matrix factorisation":
        return head.movie_vectors().numpy()
    if head.deep is None:
        raise ValueError("this model has no deep path: it was fitted with without=('deep',).")
    films = tf.range(head.num_movies)
    alone = Entries(films, films, tf.zeros([head.num_movies]), tf.zeros([head.num_movies]))
    return head.deep(head.bag(alone, tf.ones([head.num_movies]), head.num_movies)).numpy()


def both_halves(network: HybridModel) -> dict[str, np.ndarray]:
    """Return `film_vectors` of each half that the model has."""
    return {half: film_vectors(network, half) for half in HALVES if half != "deep" or network.ranking.deep is not None}


def nearest_films(vectors: np.ndarray, index: int, among: np.ndarray, k: int = 8) -> np.ndarray:
    """Return the k films with the largest cosine to a film, the film itself left out: indices, int `[k]`.

    A vector of length 0 has no direction, and therefore no neighbours: `[0]`.

    Args:
        vectors: `[num_movies, dim]`.
        index: of the film.
        among: bool `[num_movies]`, the films to choose from. A film with few ratings lies near where it began.
    """
    length = np.linalg.norm(vectors, axis=1)
    if length[index] == 0:
        return np.array([], int)
    cosine = vectors @ vectors[index] / np.maximum(length * length[index], 1e-12)
    order = np.argsort(-cosine, kind="stable")
    return order[(order != index) & among[order]][:k]


def flattened(vectors: np.ndarray) -> np.ndarray:
    """Return the first two principal components, float `[num_movies, 2]`, each with a standard deviation of 1.

    A component has no sign of its own; here the film that is furthest out is positive.
    """
    left, spread, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    flat = (left * spread)[:, :2]
    flat = flat * np.where(flat[np.abs(flat).argmax(axis=0), [0, 1]] < 0, -1, 1)
    return flat / np.maximum(flat.std(axis=0), 1e-12)


def draw_maps(
    spaces: dict[str, np.ndarray], movies: pd.DataFrame, coloured_by: str, genre: str = "", index: int | None = None
) -> Figure:
    """Draw the films of each space as points on a map of its own, side by side; name one film and its neighbours.

    Args:
        spaces: {name: vectors `[num_movies, dim]`}, e.g. of `both_halves`.
        movies: title, year, genres, popularity, in the order of the vectors.
        coloured_by, genre: one of `COLOURED_BY`; the genre that is coloured, if it is "genre".
        index: of the film that is named, or None.
    """
    if coloured_by not in COLOURED_BY:
        raise ValueError(f"`coloured_by` must be one of {COLOURED_BY}; got {coloured_by!r}.")
    fig = Figure(figsize=(4.4 * len(spaces), 3.8), dpi=plots.SCREEN_DPI, layout="constrained")
    among = (movies["popularity"] >= RATED_OFTEN).to_numpy()
    for ax, (name, vectors) in zip(fig.subplots(1, len(spaces), squeeze=False)[0], spaces.items(), strict=True):
        ax.set(title=name, xlabel="first direction", ylabel="second direction")
        if not vectors.any():
            ax.text(0.5, 0.5, "all vectors are 0 before training", ha="center", transform=ax.transAxes)
            continue
        flat = flattened(vectors)
        points = _draw_points(ax, flat, movies, coloured_by, genre)
        if index is not None:
            _name_films(ax, flat, movies["title"], [index, *nearest_films(vectors, index, among, NAMED)])
    if coloured_by == "genre":
        fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    else:
        fig.colorbar(points, ax=fig.axes, label="year" if coloured_by == "year" else "log10(1 + ratings in train)")
    return fig


def _draw_points(ax, flat: np.ndarray, movies: pd.DataFrame, coloured_by: str, genre: str):
    if coloured_by == "genre":
        of_genre = movies["genres"].str.split("|").map(lambda genres: genre in genres).to_numpy()
        ax.scatter(*flat[~of_genre].T, s=6, color=OTHER, label="other films")
        return ax.scatter(*flat[of_genre].T, s=9, color=plots.COLOURS[0], marker="^", label=genre)
    values = movies["year"].astype(float) if coloured_by == "year" else np.log10(1 + movies["popularity"])
    return ax.scatter(*flat.T, s=7, c=values, cmap="viridis_r")


def _name_films(ax, flat: np.ndarray, titles: pd.Series, films: list[int]) -> None:
    style = {"textcoords": "offset points", "xytext": (4, 3), "fontsize": 7}
    style["bbox"] = {"facecolor": "white", "alpha": 0.7, "pad": 0.5, "edgecolor": "none"}
    for film in films:
        ax.scatter(*flat[film], s=30, facecolors="none", edgecolors="black")
        ax.annotate(titles.iloc[film], flat[film], fontweight="bold" if film == films[0] else "normal", **style)


def neighbour_table(model, before: HybridModel, movie_id: int, k: int = 8) -> pd.DataFrame:
    """Return titles of the nearest films: one column for the MF half before and after training, and the deep half.

    Raises:
        ValueError: if the film is not in the catalogue.
    """
    index = int(model.indices.movie_index(movie_id))
    if index == UNKNOWN:
        raise ValueError(f"movie_id {movie_id} is not in the catalogue of {model.indices.num_movies:,}.")
    spaces = {"before training": film_vectors(before, HALVES[0])} | both_halves(model.members[0].model)
    titles, among = model.movies["title"].to_numpy(), (model.movies["popularity"] >= RATED_OFTEN).to_numpy()
    near = {name: titles[nearest_films(vectors, index, among, k)] for name, vectors in spaces.items()}
    return pd.DataFrame({name: pd.Series(column) for name, column in near.items()})


class EmbeddingExplorer(Panel):
    """Find a film and see what lies near it: in the MF half beside the deep half, before and after training.

    A view on `neighbour_table`, whose result is `table`, and `draw_maps`. `model` is a `Hybrid` with a ranking head; of
    an `Ensemble`, its first member is shown.
    """

    purpose = "films on a map; by half, before and after training; neighbours"

    def __init__(self, model):
        self.model = model
        self.before = untrained(model)
        self.table = None
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
        network = self.model.members[0].model if self.trained.value else self.before
        index = int(self.model.indices.movie_index(self.matches.value))
        fig = draw_maps(both_halves(network), self.model.movies, self.colour.value, self.genre.value, index)
        text = f"Maps of all films, coloured by {self.colour.value}, with {title} and what lies near it."
        self.map.value = picture(fig, text)
