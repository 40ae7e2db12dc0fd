"""What helps with users who return: settings of the hybrid on cuts in time inside train, on validation only.

    python tests/benchmarks/in_time.py [--only TEXT]

The validation part of `by_time` knows some eighty users: too few to choose by. So four more cuts are made, each at one
moment for everybody, as `by_time` does. Its train part is the oldest 40, 50, 60 or 70 thousand ratings, the next ten
thousand stop the training, and the ten thousand after those are judged; none is of the test part of `by_time`. "cuts
together" pools them by user. What is chosen must not harm the validation parts of the other splits. Means of three
seeds, recorded in report/results/in_time.csv; half an hour. `--only` fits variants with TEXT in their name, and the
default. myFM is there if MOVIEREC_PEERS_PYTHON names the peers' environment, or `make benchmark` has made it.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import environment
import numpy as np
import pandas as pd
import tables
from ablation import SEEDS, splits_of
from peers import PEERS
from run import fit_one, write_fold
from tables import merged

import movierec
from movierec import evaluation
from movierec.baselines import ladder
from movierec.data import make_indices
from movierec.evaluation import bootstrap_means
from movierec.models import Settings

CUTS = (40_000, 50_000, 60_000, 70_000)  # ratings of train
STEP = 10_000  # ratings that stop the training, and as many that are judged
DEFAULT = {"user_damping": 5.0, "stars_averaged": 0.0, "recency_for": ["user", "everyone"]}  # before this table
VARIANTS = {
    "stars": {
        "default": {},
        "user damping 20": {"user_damping": 20.0},
        "user damping 20, averaged .5": {"user_damping": 20.0, "stars_averaged": 0.5},
    },
    "ranking": {
        "default": {},
        "recency within users only": {"recency_for": ["user"]},
        "user damping 20": {"user_damping": 20.0},
    },
}
OTHERS = {"stars": ("user and movie bias", "biased MF", "myFM"), "ranking": ("popularity", "EASE", "implicit ALS")}


def cut(ratings: pd.DataFrame, train: int) -> movierec.Split:
    """Return the oldest `train` ratings, the next `STEP` and the `STEP` after, of users whom train knows."""
    oldest = ratings.iloc[np.argsort(ratings["timestamp"].to_numpy(), kind="stable")]
    parts = [oldest[:train], oldest[train : train + STEP], oldest[train + STEP : train + 2 * STEP]]
    known = (part[part["user_id"].isin(parts[0]["user_id"])] for part in parts[1:])
    return movierec.Split(parts[0], *known, "everyone")


def parts_of(head: str, ratings: pd.DataFrame) -> dict:
    """name -> (split, the part that is judged, from how many stars on a film is liked)."""
    cuts = {f"cut at {train:,}": (cut(ratings, train), "test", evaluation.LIKED_FROM_STARS) for train in CUTS}
    return cuts | {name: (split, "validation", liked) for name, (split, liked) in splits_of(head, ratings).items()}


def by_user(head: str, model, split, part: str, liked_from: float, indices) -> pd.DataFrame:
    """Return value, NDCG@10 or the mean squared error in stars², and weight, 1 or the number of ratings, by user."""
    if head == "stars":
        errors = evaluation.evaluate_stars(model, split, part)
        return pd.DataFrame({"value": errors["rmse"] ** 2, "weight": errors["ratings"]})
    ranked = evaluation.evaluate_ranking(getattr(model, "score", model), split, indices, part, liked_from=liked_from)
    return pd.DataFrame({"value": ranked["ndcg@10"], "weight": 1})


def fits(head: str, variant: str, settings: dict | None, split, liked_from: float, data):
    """Yield the fitted models of a variant of the hybrid, one a seed; or of another model, `settings` None."""
    if settings is not None:
        settings = DEFAULT | settings | {"heads": (head,), "liked_from": liked_from}
        yield from (movierec.fit_hybrid(split, data.movies, data.users, seed=seed, **settings) for seed in SEEDS)
    elif variant != "myFM":
        yield ladder.Problem(split.train, data, ladder.chosen("by_time")).fit(variant)
    else:
        peer = next(peer for peer in PEERS if peer.key == ("myFM", "by_time stars"))
        with tempfile.TemporaryDirectory() as name:
            write_fold(Path(name), split, data, make_indices(split.train, data.movies), "stars")
            stars = fit_one(peer, Path(name), environment.python_of_peers())[0]
        yield SimpleNamespace(predict=lambda _: stars)


def pooled(tables_by_user: list[pd.DataFrame], head: str) -> pd.DataFrame:
    """Return tables of `by_user` as one; of lists a user weighs as much as another."""
    rows = pd.concat(tables_by_user)
    total = rows.assign(sum=rows["value"] * rows["weight"]).groupby(level=0)[["sum", "weight"]].sum()
    return pd.DataFrame({"value": total["sum"] / total["weight"], "weight": total["weight"] if head == "stars" else 1})


def compared(head: str, seeds: list[pd.DataFrame], default: list[pd.DataFrame]) -> dict:
    """value, deviation over the seeds, and by how much it is better than the default, with the interval over users."""
    sign, quality = (-1, np.sqrt) if head == "stars" else (1, np.asarray)
    weights = default[0]["weight"].to_numpy()
    both = np.stack([np.mean([table["value"] for table in tables], axis=0) for tables in (default, seeds)], axis=1)
    values = [quality(np.average(table["value"], weights=weights)) for table in seeds]
    was, now = quality(np.average(both, axis=0, weights=weights))
    low, high = np.quantile(sign * np.diff(quality(bootstrap_means(both, weights)))[:, 0], [0.025, 0.975])
    found = {"value": np.mean(values), "deviation": np.std(values, ddof=1) if len(values) > 1 else np.nan}
    return found | {"better than default by": sign * (now - was), "low": low, "high": high}


def read(settings: dict, split) -> dict:
    """What a fit on this split makes of the settings."""
    return Settings(**DEFAULT | settings).for_split(split.in_time).model_dump(exclude={"recency_for"})


def main(arguments: list[str] | None = None) -> int:
    """Fit the variants that are asked for, and record a row for each part; return the exit code, 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help='with this in "<head> <variant>", e.g. "stars user"')
    only, data = parser.parse_args(arguments).only.lower(), movierec.load("ml-100k")
    for head, metric in (("stars", "rmse"), ("ranking", "ndcg@10")):
        wanted = dict.fromkeys(OTHERS[head]) | VARIANTS[head]
        missing = set() if os.environ.get("MOVIEREC_PEERS_PYTHON") or environment.FOLDER.exists() else {"myFM"}
        wanted = {name: wanted[name] for name in wanted if only in f"{head} {name}".lower() and name not in missing}
        default = {}
        for variant, settings in ({"default": {}} | wanted).items() if wanted else ():
            found = {}
            for name, (split, part, liked_from) in parts_of(head, data.ratings).items():
                if default and settings is not None and read(settings, split) == read({}, split):
                    found[name] = default[name]
                elif settings is not None or part == "test":
                    indices = make_indices(split.train, data.movies)
                    made = fits(head, variant, settings, split, liked_from, data)
                    found[name] = [by_user(head, model, split, part, liked_from, indices) for model in made]
            cuts = [found[name] for name in found if name.startswith("cut at")]
            found["cuts together"] = [pooled(list(of_seed), head) for of_seed in zip(*cuts, strict=True)]
            default = default or found
            row = {"head": head, "variant": variant, "settings": json.dumps(settings or {}), "metric": metric}
            rows = [{"part": name} | row | compared(head, seeds, default[name]) for name, seeds in found.items()]
            table = merged("in_time", pd.DataFrame(rows).round(6), ["part", "head", "variant"])
            tables.write("in_time.py", "in_time", table, data)
            print(pd.DataFrame(rows).drop(columns="settings").round(4).to_string(header=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
