"""A film that does not exist yet: which films are like it, and who would find it high in their list.

Taught in notebooks/11_people_and_films.
"""

import numpy as np
import pandas as pd

from movierec.baselines import FromContent, genre_matrix
from movierec.data import Indices
from movierec.evaluation import Scorer, rated_pairs

YEARS_APART = 5.0  # as different as one genre


class NewFilm:
    """What genres and a year say of a film, given a scorer of the films that people have rated.

    Attributes:
        content: float64 `[num_movies, genres + 1]`: 1 for each genre, and the year in steps of `YEARS_APART`.
        genres: their names, in the order of the columns.
        scores: float32 `[num_users, num_movies]`, -inf where seen.

    Raises:
        ValueError: if `movies` lacks genres or year.
    """

    def __init__(self, scorer: Scorer, movies: pd.DataFrame, train: pd.DataFrame, indices: Indices):
        self.movies, self.indices = movies.set_index("movie_id").reindex(indices.movie_ids).reset_index(), indices
        self.genres = list(self.movies["genres"].fillna("").str.get_dummies("|"))
        year = pd.to_numeric(self.movies["year"], errors="coerce").astype("float64")
        self.years = int(year.min()), int(year.max())
        self.usual_year = float(year.mean())
        self.content = np.column_stack([genre_matrix(movies, indices), self._steps(year.fillna(self.usual_year))])
        seen = rated_pairs(train, indices)
        count = np.asarray(seen.sum(axis=0)).ravel()
        scores = scorer(np.arange(indices.num_users))
        self.go_on = FromContent(scorer, self.content, count > 0)
        self._all, self.count = scores, count
        self.scores = np.where(seen.toarray(), -np.inf, scores)
        self.scores[:, count == 0] = -np.inf  # what nobody rated is no rival

    def _steps(self, year):
        return (year - self.usual_year) / YEARS_APART

    def vector(self, genres: tuple, year: int) -> np.ndarray:
        """float64 `[genres + 1]` of the film.

        Raises:
            ValueError: if a genre is unknown, or none is given.
        """
        unknown = [genre for genre in genres if genre not in self.genres]
        if unknown or not genres:
            raise ValueError(f"a film needs one genre or more of {', '.join(self.genres)}; got {list(genres)}.")
        return np.append([float(genre in genres) for genre in self.genres], self._steps(year))

    def near(self, genres: tuple, year: int, k: int = 5) -> pd.DataFrame:
        """The k films with the nearest content, of equals the more often rated first: title, genres, ratings."""
        distance = np.linalg.norm(self.content - self.vector(genres, year), axis=1)
        order = np.lexsort([-self.count, distance.round(6)])[:k]
        return self.movies.loc[order, ["title", "genres"]].assign(ratings=self.count[order]).reset_index(drop=True)

    def ranks(self, genres: tuple, year: int) -> np.ndarray:
        """The place that the film would have in the list of each user, from 1. int `[num_users]`."""
        own = self.go_on.of(self.vector(genres, year)[None], self._all)  # [U, 1]
        return 1 + (self.scores > own).sum(axis=1)

    def audience(self, genres: tuple, year: int, users: pd.DataFrame | None = None, k: int = 5) -> pd.DataFrame:
        """The k users in whose list it would stand highest: user_id, place; and what `users` says of them."""
        place = self.ranks(genres, year)
        order = np.argsort(place, kind="stable")[:k]
        table = pd.DataFrame({"user_id": self.indices.user_ids[order], "place": place[order]})
        return table if users is None else table.merge(users, on="user_id", how="left")
