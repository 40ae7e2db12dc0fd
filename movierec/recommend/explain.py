"""Why this film: the parts that add up to its score, and a sentence that names the largest.

Taught in notebooks/07_recommendations.
"""

import numpy as np
import pandas as pd

from movierec.recommend.people import People
from movierec.recommend.pipeline import Pipeline

MOST_NAMED = 2  # films of the history in a reason
LARGE = 0.5  # of the largest share: a film with less is not named
CLOSE = 1e-3  # stars; equal ones may differ by rounding


def explain(hybrid, pipeline: Pipeline, person: People, movie_id: int | str) -> pd.DataFrame:
    """Return the parts of one film's score for one user, as in `Pipeline.lists`; of an ensemble, the mean of each part.

    The dot product and the linear path are sums over the history, so each film of it has a share; the perceptron's part
    stays whole.

    dot_j = w_j ⟨watched_j + e_j · starred_j, y_i⟩ / √(Σ w²)      linear_j = c · w_j B_ji

    Returns:
        DataFrame path ("bias", "known", "genre", "bonus", "dot", "linear", "deep", "stars"; or "popularity" alone, for
        a user of whom nothing is known), because (the film or genre it comes from, or ""), contribution. The
        contributions sum to the score.
    """
    movie = hybrid.indices.movie_index([movie_id])
    if _is_unknown(person):
        contribution = float(pipeline.popular[movie[0]])
        return pd.DataFrame({"path": ["popularity"], "because": [""], "contribution": [contribution]})
    tables = []
    for path, share in pipeline.shares(person, movie).items():
        names, values = _names(hybrid, pipeline, person, path), np.atleast_1d(share.numpy()[..., 0])
        tables.append(pd.DataFrame({"path": path, "because": names, "contribution": values}))
    return pd.concat([table for table in tables if len(table)], ignore_index=True).astype({"contribution": float})


def reasons(hybrid, pipeline: Pipeline, person: People, movie_ids) -> list[str]:
    """Return what speaks for each film, in words: "because you liked Toy Story (1995) and Aladdin (1992)".

    Named is the favourite genre if it brings more than any film of the history. Else the films with the largest shares
    are named, at most MOST_NAMED: positive shares, and at least LARGE times the largest. "You liked" is said of films
    with stars above the mean of all, and not below the middle of the user's own. If no film with so large a share was
    liked, "you watched" is said. If no share is positive, many people liked the film.
    """
    movie_ids = np.asarray(movie_ids)
    verb = "liked" if len(hybrid.bias.levels) > 1 else "watched"
    times = hybrid.model.past.timestamp
    lately = " lately" if times.min() < times.max() else ""
    if _is_unknown(person) or not movie_ids.size:
        return [f"because many {verb} it{lately}"] * len(movie_ids)
    shares = pipeline.shares(person, hybrid.indices.movie_index(movie_ids))
    from_films = (shares["dot"] + shares["linear"]).numpy().T  # [N, entries]
    from_genres = shares["bonus"].numpy().T  # [N, g]
    titles, genres = (_names(hybrid, pipeline, person, path) for path in ("dot", "genre"))
    bias = hybrid.bias.movie[person.entries.movie.numpy()] + float(person.bias[0])
    above = person.entries.residual.numpy() + bias  # stars above the mean of all
    liked = (above > 0) & (above > np.percentile(above, 50, method="lower") - CLOSE) if len(above) else above > 0
    found = []
    for film, genre in zip(from_films, from_genres, strict=True):
        least = LARGE * max(film, default=0)
        large = [row for row in np.argsort(-film, kind="stable") if film[row] > 0 and film[row] >= least]
        best = [row for row in large if liked[row]][:MOST_NAMED] or large[:MOST_NAMED]
        if (genre > 0).any() and genre.max() > max(film, default=0):
            found.append(f"because you like {genres[int(genre.argmax())]}")
        elif best:
            did = "liked" if liked[best].all() else "watched"
            found.append(f"because you {did} {' and '.join(titles[row] for row in best)}")
        else:
            found.append(f"because many {verb} it")
    return found


def _is_unknown(person: People) -> bool:
    return not person.entries.movie.shape[0] and not person.genre.shape[0]


def _names(hybrid, pipeline: Pipeline, person: People, path: str) -> list[str]:
    """Return what the shares of a path come from, in words; [""] where it has only one."""
    if path in ("dot", "linear"):
        return hybrid.movies["title"].to_numpy()[person.entries.movie.numpy()].tolist()
    return [pipeline.genre_of(row) for row in person.genre.numpy()] if path in ("genre", "bonus") else [""]
