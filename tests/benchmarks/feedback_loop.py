"""The feedback loop of notebook 11: seven arms, eight seeds, month by month; report/results/loop_months.csv.

`python tests/benchmarks/repeats.py clicks` records it, in about a CPU minute.
"""

import numpy as np
import pandas as pd

from movierec.evaluation import rated_pairs
from movierec.feedback import World, bandits, simulator
from movierec.play import load_or_train

SEEDS, PLACES = range(8), 5
FILMS, EACH = 600, 3  # the most rated films, and every third user


def small_world(data) -> tuple[np.ndarray, np.ndarray]:
    """Return who has rated what, bool `[users, films]`, and the chance of a click on each film that is looked at."""
    hybrid = load_or_train()
    known = rated_pairs(hybrid.seen, hybrid.indices).toarray()
    films = np.argsort(-known.sum(axis=0), kind="stable")[:FILMS]
    stars = simulator.true_stars(data.ratings, hybrid.indices)
    return known[::EACH, films], simulator.chance_of_click(stars[::EACH, films])


def months_of_arms(data) -> pd.DataFrame:
    """Return a row for each arm, seed and month: clicks a visit, and the share of films clicked so far."""
    before, likes = small_world(data)
    looks = World(likes, PLACES).looks
    rows = []
    for arm, settings in bandits.ARMS.items():
        for seed in SEEDS:
            months = bandits.half_a_year(before, likes, looks, seed, **settings)
            rows += [(arm, seed, month, *values) for month, values in enumerate(months, 1)]
        print(arm, flush=True)
    return pd.DataFrame(rows, columns=["arm", "seed", "month", "clicks", "films"])
