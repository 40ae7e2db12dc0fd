"""One recommender under protocols that flatter it: what a leak does to NDCG@10.

Taught in notebooks/03_baselines; `leakage_lab` has switches for it.
"""

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.baselines import Problem
from movierec.data import UNKNOWN, MovieLens, Split, split_by_user_time, split_random5
from movierec.evaluation import LIKED_FROM_STARS, evaluate_ranking, metrics, recommend_top_k

K = 10  # length of a list
SAMPLED = 100  # films that a user's relevant ones are ranked among, where they are sampled


class Protocol(NamedTuple):
    """How it is measured; each field's first option is the honest one, see `OPTIONS`."""

    split: str = "each user's newest"
    learned_from: str = "train"
    vocabulary: str = "train"
    seen: str = "left out"
    ranked: str = "all films"


OPTIONS = {
    "split": ("each user's newest", "at random"),
    "learned_from": ("train", "train and test"),
    "vocabulary": ("train", "all ratings"),
    "seen": ("left out", "kept"),
    "ranked": ("all films", "100 sampled"),
}
WHY = {
    "at random": "Test is no longer the future: films of train's own days are easier to guess, and there are more.",
    "train and test": "The answers were learned. EASE remembers them; counting hardly changes; item-kNN may even lose.",
    "all ratings": "Films that only test knows are listed, too. Nobody recommends them: not every leak shows here.",
    "kept": "Films that were rated already take the best places of the lists, and none of them is in test.",
    "100 sampled": "To beat a hundred films drawn by luck is far easier than to beat all, most of all for weak models.",
}
MODELS = ("popularity", "item-kNN", "EASE")


class Laboratory:
    """Measures `MODELS` on a data set by any `Protocol`; what was fitted is kept.

    Args:
        data: see `movierec.load`.
        settings: {model: its settings}, see `movierec.baselines.ladder.chosen`.
    """

    def __init__(self, data: MovieLens, settings: dict[str, dict] | None = None):
        self.data, self.settings = data, settings
        self._split, self._scorer = functools.cache(self._make_split), functools.cache(self._fit)

    def ndcg(self, model: str = "item-kNN", protocol: Protocol | None = None) -> float:
        """The mean NDCG@10 over the users of test, 0 to 1.

        Raises:
            ValueError: if the model or an option is unknown.
        """
        protocol = protocol or Protocol()
        if model not in MODELS:
            raise ValueError(f"`model` must be one of {MODELS}; got {model!r}.")
        for name, value in protocol._asdict().items():
            if value not in OPTIONS[name]:
                raise ValueError(f"`{name}` must be one of {OPTIONS[name]}; got {value!r}.")
        split = self._split(protocol.split)
        scorer, indices = self._scorer(model, protocol.split, protocol.learned_from, protocol.vocabulary)
        if protocol.ranked == "100 sampled":
            scorer = self._among_sampled(scorer, split, indices, protocol.seen == "kept")
        if protocol.seen == "left out":
            return float(evaluate_ranking(scorer, split, indices, k=K)[f"ndcg@{K}"].mean())
        relevant, total = _relevant(split, indices)
        users = np.flatnonzero(total)
        lists = recommend_top_k(scorer, users, split.train.iloc[:0], indices, K)
        hits = relevant[users[:, None], lists] & (lists != UNKNOWN)
        return float(metrics.ndcg(hits, total[users]).mean())

    def _make_split(self, name: str) -> Split:
        if name == "at random":
            return split_random5(self.data.ratings)[0]
        return split_by_user_time(self.data.ratings)

    def _fit(self, model: str, split_name: str, learned_from: str, vocabulary: str):
        split = self._split(split_name)
        train = split.train if learned_from == "train" else pd.concat([split.train, split.test])
        there = split.train if vocabulary == "train" else self.data.ratings
        films = self.data.movies[self.data.movies["movie_id"].isin(there["movie_id"])]
        problem = Problem(
            train[train["movie_id"].isin(films["movie_id"])], self.data._replace(movies=films), self.settings
        )
        return problem.fit(model), problem.indices

    def _among_sampled(self, scorer, split: Split, indices, with_seen: bool):
        """The scorer, asked about the relevant films, 100 that the user never rated, and maybe the seen ones."""
        known = np.zeros((indices.num_users, indices.num_movies), bool)
        rows = indices.user_index(self.data.ratings["user_id"]), indices.movie_index(self.data.ratings["movie_id"])
        there = (rows[0] != UNKNOWN) & (rows[1] != UNKNOWN)
        known[rows[0][there], rows[1][there]] = True
        luck = np.random.default_rng(0).random(known.shape)
        allowed, _ = _relevant(split, indices)
        np.put_along_axis(allowed, np.argsort(luck + known, axis=1)[:, :SAMPLED], True, axis=1)
        if with_seen:
            rows = indices.user_index(split.train["user_id"]), indices.movie_index(split.train["movie_id"])
            there = rows[1] != UNKNOWN
            allowed[rows[0][there], rows[1][there]] = True
        return lambda user_index: np.where(allowed[user_index], scorer(user_index), -np.inf)


def _relevant(split: Split, indices) -> tuple[np.ndarray, np.ndarray]:
    """bool `[num_users, num_movies]`, what each user liked in test; and how many films, with those nobody lists."""
    liked = split.test[split.test["rating"] >= LIKED_FROM_STARS]
    users, films = indices.user_index(liked["user_id"]), indices.movie_index(liked["movie_id"])
    relevant = np.zeros((indices.num_users, indices.num_movies), bool)
    there = (users != UNKNOWN) & (films != UNKNOWN)
    relevant[users[there], films[there]] = True
    return relevant, np.bincount(users[users != UNKNOWN], minlength=indices.num_users)
