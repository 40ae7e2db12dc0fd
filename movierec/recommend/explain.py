"""Why this film: the parts that add up to its score, and a sentence that names the largest.

Taught in notebooks/07_recommendations.
"""

import numpy as np
import pandas as pd

from movierec.recommend.people import People
from movierec.recommend.pipeline import Pipeline

FROM_HISTORY, FROM_GENRES = ("dot", "linear"), ("genre", "bonus")  # paths with a share for each film, for each genre


def explain(hybrid, pipeline: Pipeline, person: People, movie_id: int) -> pd.DataFrame:
    """Return the parts of one film's score for one user, as in `Pipeline.lists`; of an ensemble, the mean of each part.

    Both the dot product and the linear path are sums over the history, so each film of it has a share:

    dot_j = w_j ⟨watched_j + e_j · starred_j, y_i⟩ / √(Σ w²)      linear_j = c · w_j B_ji

    The perceptron is no such sum; its part stays whole.

    Args:
        hybrid: A `Hybrid` with a ranking head.
        pipeline: Of the hybrid.
        person: A single one of the pipeline.
        movie_id: Of the film.

    Returns:
        DataFrame path ("bias", "known", "genre", "bonus", "dot", "linear", "deep", "stars"; or "popularity" alone, for
        a user of whom nothing is known), because (the film or genre it comes from, or ""), contribution. The
        contributions sum to the score.
    """
    movie = hybrid.indices.movie_index(np.array([movie_id]))
    if _is_unknown(person):
        contribution = float(pipeline.popular[movie[0]])
        return pd.DataFrame({"path": ["popularity"], "because": [""], "contribution": [contribution]})
    tables = []
    for path, share in pipeline.shares(person, movie).items():
        because = _names(hybrid, pipeline, person, path)
        values = np.atleast_1d(share.numpy()[..., 0])
        tables.append(pd.DataFrame({"path": path, "because": because, "contribution": values}))
    return pd.concat([table for table in tables if len(table)], ignore_index=True).astype({"contribution": float})


def reasons(hybrid, pipeline: Pipeline, person: People, movie_ids, count: int = 2) -> list[str]:
    """Return what speaks for each film, in words: "because you liked Toy Story (1995) and Aladdin (1992)".

    Named is the favourite genre if it brings more than any film of the history; else the films with the largest
    shares, at most `count`, liked ones before others; else that many people liked the film.
    """
    movie_ids = np.asarray(movie_ids)
    if _is_unknown(person) or not movie_ids.size:
        return ["because many liked it lately"] * len(movie_ids)
    shares = pipeline.shares(person, hybrid.indices.movie_index(movie_ids))
    from_films = (shares["dot"] + shares["linear"]).numpy().T  # [N, entries]
    from_genres = shares["bonus"].numpy().T  # [N, g]
    titles = _names(hybrid, pipeline, person, "dot")
    genres = _names(hybrid, pipeline, person, "genre")
    liked = _is_liked(hybrid, person)
    found = []
    for film, genre in zip(from_films, from_genres, strict=True):
        speak_for_it = [row for row in np.argsort(-film, kind="stable") if film[row] > 0]
        best = [row for row in speak_for_it if liked[row]][:count] or speak_for_it[:count]
        if (genre > 0).any() and genre.max() > max(film, default=0):
            found.append(f"because you like {genres[int(genre.argmax())]}")
        elif best:
            verb = "liked" if liked[best].all() else "watched"
            found.append(f"because you {verb} {' and '.join(titles[row] for row in best)}")
        else:
            found.append("because many liked it")
    return found


def _is_unknown(person: People) -> bool:
    return not person.entries.movie.shape[0] and not person.genre.shape[0]


def _names(hybrid, pipeline: Pipeline, person: People, path: str) -> list[str]:
    """Return what the shares of a path come from, in words; [""] where it has only one."""
    if path in FROM_HISTORY:
        return hybrid.movies["title"].to_numpy()[person.entries.movie.numpy()].tolist()
    return [pipeline.genre_of(row) for row in person.genre.numpy()] if path in FROM_GENRES else [""]


def _is_liked(hybrid, person: People) -> np.ndarray:
    """Return bool `[entries]`: whether the stars are above the mean of all."""
    residual = person.entries.residual.numpy()
    above_mean = residual + hybrid.bias.movie[person.entries.movie.numpy()] + float(person.bias[0])
    return above_mean > 0
