"""Simulate users who click: a world made of stars that the recommender has not seen, so that the truth is known.

Taught in notebooks/11_learning_from_feedback.
"""

import numpy as np
import pandas as pd
from scipy import stats

from movierec.baselines import BiasedMF
from movierec.data import Indices, genre_flags

CLICKED_FROM_STARS = 3.5  # a film with so many stars is clicked by every second user who looks at it
STARS_PER_E = 0.6  # so many stars more multiply the odds of a click by e


def chance_of_click(stars: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(−(stars − 3.5) / 0.6)), the chance that a film is clicked once it is looked at."""
    return 1 / (1 + np.exp(-(np.asarray(stars, float) - CLICKED_FROM_STARS) / STARS_PER_E))


def true_stars(ratings: pd.DataFrame, indices: Indices, seed: int = 0) -> np.ndarray:
    """Return what each user thinks of each film, float32 `[num_users, num_movies]`: the given stars, if any.

    Elsewhere a biased matrix factorisation of *all* ratings fills in, train and what was held out. So the world is
    smoother than people are, and a recommender of the same kind has an easier life in it than outside.
    """
    filled = BiasedMF(ratings, indices, seed=seed)(np.arange(indices.num_users))
    filled[indices.user_index(ratings["user_id"]), indices.movie_index(ratings["movie_id"])] = ratings["rating"]
    return filled


def examined(places: int, patience: float = 1.0) -> np.ndarray:
    """Return the chance that a user looks at each place of a list, 1 / place^patience; float64 `[places]`.

    A click needs a look and a liking, and the two are independent: the position-based model, e.g. in Craswell et al.
    (2008), *An experimental comparison of click position-bias models*. The values are a convention of simulations, e.g.
    Joachims, Swaminathan and Schnabel (2017), *Unbiased learning-to-rank with biased feedback*, and not measured.
    """
    return 1 / np.arange(1, places + 1) ** patience


def offers(hybrid, candidates: int = 100, seed: int = 0) -> np.ndarray:
    """Return films that may be shown to each user, movie_index int64 `[num_users, candidates]`, none of them seen.

    Half have the highest scores of the ranking head, the best first; half are drawn from all others, to find out what
    the head does not know. A user with fewer unseen films is a ValueError.
    """
    best = candidates // 2
    rng = np.random.default_rng(seed)
    indices = hybrid.indices
    scores = hybrid.score(np.arange(indices.num_users))
    scores[indices.user_index(hybrid.seen["user_id"]), indices.movie_index(hybrid.seen["movie_id"])] = -np.inf
    order, left = np.argsort(-scores, axis=1, kind="stable"), np.isfinite(scores).sum(axis=1)
    if left.min() < candidates:
        raise ValueError(
            f"every user needs {candidates} unseen films; the fewest here are {left.min()} of {scores.shape[1]}. "
            "Ask for fewer candidates."
        )
    others = [rng.choice(row[best:n], candidates - best, replace=False) for row, n in zip(order, left, strict=True)]
    return np.concatenate([order[:, :best], np.stack(others)], axis=1)


def features_of(hybrid, movie_index: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return what a policy knows of each candidate, float64 `[users, candidates, d]`, and the d names.

    1; the ranking head's score and the logarithm of the film's ratings in train, each with mean 0 and deviation 1; the
    expected stars above 3.5; and the film's genres, 1 or 0.
    """
    users, indices = np.arange(len(movie_index)), hybrid.indices
    score = hybrid.score(users)[users[:, None], movie_index]
    popularity = np.log1p(hybrid.movies["popularity"].to_numpy(float))[movie_index]
    user_ids = np.repeat(indices.user_ids, movie_index.shape[1])
    pairs = pd.DataFrame({"user_id": user_ids, "movie_id": indices.movie_ids[movie_index.ravel()]})
    stars = hybrid.predict(pairs).reshape(movie_index.shape) - CLICKED_FROM_STARS
    genres = genre_flags(hybrid.movies.set_index("movie_id")["genres"].reindex(indices.movie_ids))
    score, popularity = ((values - values.mean()) / values.std() for values in (score, popularity))
    columns = [np.ones_like(score), score, popularity, stars]
    values = np.concatenate([np.stack(columns, axis=2), genres.to_numpy()[movie_index]], axis=2).astype(float)
    return values, ["1", "score", "popularity", "stars", *genres]


def over_seeds(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of one value a seed, and the ends of its 95 % interval by Student's t."""
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    return float(np.mean(values)), float(np.mean(values) - half), float(np.mean(values) + half)


class World:
    """Users who come again and again, look at a few places of a list, and click by a chance that we know.

    Args:
        chance: float `[users, candidates]`, of a click on a candidate that is looked at.
        places, patience: k, the length of a list; see `examined`.
        once: whether a clicked film is watched, so that its chance for that user is 0 from then on.

    Two policies with the same seed meet the same users in the same order, and the same luck.
    """

    def __init__(self, chance: np.ndarray, places: int = 5, patience: float = 1.0, once: bool = True):
        chance = np.asarray(chance, float)
        bad = ~((chance >= 0) & (chance <= 1))
        if chance.ndim != 2 or bad.any():
            raise ValueError(
                f"`chance` must be a table [users, candidates] of chances, 0 to 1; found the shape {chance.shape}, and "
                f"{bad.sum():,} that are none, e.g. {chance[bad][:3].tolist()}. `chance_of_click(stars)` makes chances."
            )
        if not 1 <= places <= chance.shape[1]:
            raise ValueError(f"`places` must be 1 to {chance.shape[1]}, the candidates of a user; got {places}.")
        self.chance = chance
        self.places = places
        self.looks = examined(places, patience)
        self.once = once

    def clicks(self, users: np.ndarray, slates: np.ndarray, seed: int) -> np.ndarray:
        """Draw who clicks what, bool `[visits, places]`, if the lists `slates` (rows of candidates) are shown once."""
        wanted = self.looks * np.take_along_axis(self.chance[users], slates, axis=1)
        return np.random.default_rng(seed).random(slates.shape) < wanted

    def play(self, policy, features: np.ndarray, rounds: int, seed: int) -> pd.DataFrame:
        """Return a row a round: user, clicks, expected clicks, best (of the best slate), regret, first (the top film).

        `policy` has `slate` and `learn`, see `bandits`; `features`, float `[users, candidates, d]`, are what it knows;
        `seed` is of the visitors and clicks, and, apart from these, of the policy's own draws. A user who runs out of
        candidates is a ValueError.
        """
        if features.shape[:2] != self.chance.shape:
            raise ValueError(
                f"`features` must have a row for each of the {self.chance.shape} users and candidates; "
                f"found the shape {features.shape}."
            )
        nature, own = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
        chance, left = self.chance.copy(), np.ones(self.chance.shape, bool)
        rows = []
        for user in nature.integers(0, len(chance), rounds):
            luck = nature.random(self.places)
            if left[user].sum() < self.places:
                raise ValueError(
                    f"user {user} has watched all but {left[user].sum()} of the {left.shape[1]} candidates. Play fewer "
                    "rounds, or offer more candidates."
                )
            slate = policy.slate(features[user], left[user], own)
            expected = self.looks @ chance[user, slate]
            best = self.looks @ np.sort(chance[user])[::-1][: self.places]
            clicks = luck < self.looks * chance[user, slate]
            policy.learn(features[user, slate], clicks)
            if self.once:
                watched = slate[clicks]
                chance[user, watched], left[user, watched] = 0, False
            rows.append((user, int(clicks.sum()), expected, best, int(slate[0])))
        table = pd.DataFrame(rows, columns=["user", "clicks", "expected", "best", "first"])
        return table.assign(regret=table["best"] - table["expected"])
