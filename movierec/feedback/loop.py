"""The feedback loop: a recommender that is trained each month on the clicks that its own lists brought.

Typed, word by word, in notebooks/11_learning_from_feedback; `tests/benchmarks/feedback_loop.py` runs every arm.
"""

import numpy as np

from movierec.baselines import Ease

ARMS = {  # of the experiment: settings of `half_a_year`
    "neither": {},
    "explore": {"explored": 2},
    "weight": {"weighted": True},
    "both": {"explored": 2, "weighted": True},
    "shuffled": {"weighted": True, "shuffled": True},
    "explore, shuffled": {"explored": 2, "weighted": True, "shuffled": True},
    "training only": {"weighted": True, "profile": False},
}


def lists_of(scores, places, explored, rng, short=200):
    """Choose each user's best films; explored places get others of the short list."""
    order = np.argsort(-scores, axis=1)[:, :short]
    drawn = rng.random((len(order), short - places)).argsort(axis=1)[:, :explored]
    others = np.take_along_axis(order, places + drawn, axis=1)
    return np.concatenate([order[:, : places - explored], others], axis=1)


def half_a_year(before, likes, looks, seed, explored=0, weighted=False, shuffled=False, profile=True):
    """Return clicks a visit and the share of films ever clicked, [6 months, 2]."""
    rng, seen, months = np.random.default_rng(seed), before.copy(), []
    history, ever = before.astype(np.float32), np.zeros(before.shape[1], bool)
    for _ in range(6):
        item_item, clicks = Ease.solve(history, 300.0), 0
        for _ in range(3):  # visits of everybody
            served = history if profile else (history > 0).astype(np.float32)
            scores = np.where(seen, -np.inf, served @ item_item)
            slates = lists_of(scores, len(looks), explored, rng)
            wanted = looks * np.take_along_axis(likes, slates, axis=1)
            who, place = np.nonzero(rng.random(slates.shape) < wanted)
            film, counts = slates[who, place], 1 / looks[place] if weighted else 1
            counts = rng.permuted(counts) if shuffled else counts
            seen[who, film], history[who, film], ever[film] = True, counts, True
            clicks += len(film)
        months.append((clicks / len(seen) / 3, ever.mean()))
    return np.array(months)
