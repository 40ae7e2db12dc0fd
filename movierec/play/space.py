"""Films as points: the vectors of a model, before and after training, their neighbours, and a map of them.

Taught in notebooks/07_recommendations.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from movierec import plots
from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models import HEADS, Entries, HybridModel

HALVES = ("matrix factorisation", "deep")
COLOURED_BY = ("genre", "year", "popularity")
RATED_OFTEN, NAMED = 20, 4  # ratings that a neighbour has at least; neighbours that are named on the map
OTHER = "0.7"  # grey of the films that are not meant


def untrained(model) -> HybridModel:
    """The network of a `Hybrid` as it was before its first step; of an `Ensemble`, that of its first member.

    Nothing else that draws from NumPy's or Python's global generator notices.
    """
    member = model.members[0]
    trained = member.model
    heads = tuple(head for head in HEADS if getattr(trained, head) is not None)  # each draws from the same seed
    features = trained.user_features, trained.movie_features
    shape = member.bias, member.weeks.count, heads, trained.settings
    network = HybridModel(trained.past, *features, *shape, seed=member.seed or 0)
    return network


def film_vectors(network: HybridModel, half: str) -> np.ndarray:
    """One vector a film, float32 `[num_movies, ranking_dim]`, as the half of the ranking head knows it.

    matrix factorisation: y_i, which is multiplied with a person's vector.
    deep: MLP(x) of somebody who has rated this film alone, which is what the network adds to their vector.

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
    """`film_vectors` of each half that the model has."""
    return {half: film_vectors(network, half) for half in HALVES if half != "deep" or network.ranking.deep is not None}


def nearest_films(vectors: np.ndarray, index: int, among: np.ndarray, k: int = 8) -> np.ndarray:
    """Indices of the k films whose vectors point most nearly the same way, int `[k]`, the film itself left out.

    A vector of length 0 points nowhere and has no neighbours: `[0]`.

    Args:
        vectors: `[num_movies, dim]`.
        index: of the film.
        among: bool `[num_movies]`, which films may be named. Those that few people rated lie where they began.
    """
    length = np.linalg.norm(vectors, axis=1)
    if length[index] == 0:
        return np.array([], int)
    cosine = vectors @ vectors[index] / np.maximum(length * length[index], 1e-12)
    order = np.argsort(-cosine, kind="stable")
    return order[(order != index) & among[order]][:k]


def flattened(vectors: np.ndarray) -> np.ndarray:
    """PCA: the two directions in which the films differ most, float `[num_movies, 2]`, scaled to a spread of 1 each.

    A direction has no sign of its own; it gets the one in which the film furthest out is positive.
    """
    left, spread, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    flat = (left * spread)[:, :2]
    flat = flat * np.where(flat[np.abs(flat).argmax(axis=0), [0, 1]] < 0, -1, 1)
    return flat / np.maximum(flat.std(axis=0), 1e-12)


def draw_maps(
    spaces: dict[str, np.ndarray], movies: pd.DataFrame, coloured_by: str, genre: str = "", index: int | None = None
) -> Figure:
    """The films of each space as points on a map of its own, side by side; one film and its neighbours named.

    Args:
        spaces: {name: vectors `[num_movies, dim]`}, e.g. of `both_halves`.
        movies: title, year, genres, popularity, in the order of the vectors.
        coloured_by: of `COLOURED_BY`.
        genre: which one is coloured, if it is by genre.
        index: the film.

    Raises:
        ValueError: if there is no such colouring.
    """
    if coloured_by not in COLOURED_BY:
        raise ValueError(f"`coloured_by` must be one of {COLOURED_BY}; got {coloured_by!r}.")
    fig = Figure(figsize=(4.4 * len(spaces), 3.8), dpi=plots.SCREEN_DPI, layout="constrained")
    among = (movies["popularity"] >= RATED_OFTEN).to_numpy()
    for ax, (name, vectors) in zip(fig.subplots(1, len(spaces), squeeze=False)[0], spaces.items(), strict=True):
        ax.set(title=name, xlabel="first direction", ylabel="second direction")
        if not vectors.any():
            ax.text(
                0.5, 0.5, "silent before training:\nits last layer starts at zero", ha="center", transform=ax.transAxes
            )
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
    for place, film in enumerate(films):
        first = place == 0
        ax.scatter(*flat[film], s=30, facecolors="none", edgecolors="black", linewidths=1.4 if first else 0.8)
        ax.annotate(
            titles.iloc[film], flat[film], xytext=(4, 3), textcoords="offset points", fontsize=7.5 if first else 6.5,
            fontweight="bold" if first else "normal",
            bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.5, "edgecolor": "none"},
        )  # fmt: skip


def neighbour_table(model, before: HybridModel, movie_id: int, k: int = 8) -> pd.DataFrame:
    """Titles of a film's neighbours, one column each: MF half before and after training, and the deep half.

    Raises:
        ValueError: if the film is not in the catalogue.
    """
    index = int(model.indices.movie_index(movie_id))
    if index == UNKNOWN:
        raise ValueError(f"movie_id {movie_id} is not in the catalogue of {model.indices.num_movies:,}.")
    spaces = {"before training": film_vectors(before, HALVES[0])} | both_halves(model.members[0].model)
    titles, among = model.movies["title"].to_numpy(), (model.movies["popularity"] >= RATED_OFTEN).to_numpy()
    columns = {name: titles[nearest_films(vectors, index, among, k)] for name, vectors in spaces.items()}
    return pd.DataFrame({name: pd.Series(column) for name, column in columns.items()})
