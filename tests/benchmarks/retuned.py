"""The same number of trials for everybody: variants of the ablation tuned again, baselines with the hybrid's budget.

    python tests/benchmarks/retuned.py [trials] [ablation] [baselines] [--only TEXT]

`trials` counts the settings that were tried for each row of the rivals' table. `ablation` tunes variants of the hybrid
again, each in a space of its own, and `baselines` gives the best baselines as many trials as the hybrid had. Choices
are made on validation, with seed 0; what is chosen is fitted with three seeds. About half an hour; notebook 08 shows
the tables.
"""

import argparse
import json
import sys

import numpy as np
import pandas as pd
from ablation import HEADS, SEEDS, _fit, _quality, splits_of
from peers import COURSE, OURS, PEERS
from tables import merged, write
from tune import SPACES

import movierec
from movierec import evaluation
from movierec.baselines import ladder
from movierec.evaluation import bootstrap_interval, rmse_interval
from movierec.play.runs import COURSE_LOSS, LOSSES, SETTINGS, read_runs, shipped_path
from movierec.record import recorded

OWN_NAMES = {"ALS": "implicit ALS"}  # of the rivals' table -> of `make tune`
NO_WEEKS = "matrix factorisation, no weeks"  # the head's vectors of weeks have no penalty
VARIANTS = {  # head, variant -> the settings that are tried
    ("stars", "matrix factorisation alone"): {
        "stars_penalty": [0.02, 0.05, 0.1, 0.2],
        "learning_rate": [0.0005, 0.001, 0.003],
        "dim": [16, 32, 64],
    },
    ("ranking", "linear alone"): {"linear_regularisation": [100, 200, 300, 500, 800], "fade_ratings": [3, 5, 10, 20]},
    ("stars", NO_WEEKS): {"stars_penalty": [0.05, 0.1], "ordinal": [False, True], "learning_rate": [0.005]},
    ("ranking", "without order"): {"ranking_penalty": [0.01, 0.03], "linear_weight": [8.0, 16.0]},
    ("stars", "with ids"): {"stars_penalty": [0.02, 0.05], "learning_rate": [0.0005, 0.001]},
    ("ranking", "without linear"): {"ranking_penalty": [0.0, 0.01], "ranking_dim": [64, 128]},
}
WIDER = {  # baseline -> a space with more than the hybrid's number of settings
    "EASE": {"regularisation": [int(value) for value in np.geomspace(20, 3000, 60)]},
    "item-kNN": {
        "neighbours": [25, 50, 75, 100, 150, 200, 400, None],
        "shrinkage": [0, 1, 10, 30, 100],
        "rarity": [False, True],
    },
    "weighted": {"weight": [round(float(value), 3) for value in np.linspace(0.4, 1, 61)]},
    "biased MF": ladder.MF,
    "implicit ALS": ladder.ALS,
}


def tried(head: str) -> set[str]:
    """Return the different settings of a head that are on record, in the ablation and in the runs of the panel."""
    keywords = {name: setting.keyword[head] for name, setting in SETTINGS.items() if name not in ("epochs", "seed")}
    found = [{key: value for key, value in one.items() if key != "ensemble"} for one in HEADS[head][1].values()]
    for run in read_runs(shipped_path()):
        of_head, others = LOSSES[run.settings["loss"]]
        if of_head == head:
            new = {name: run.settings[name] for name in keywords}
            new = {name: value for name, value in new.items() if _plain(value) != _plain(SETTINGS[name].default[head])}
            changed = {keywords[name]: value for name, value in new.items()}
            found.append(changed | (others if run.settings["loss"] != COURSE_LOSS[head] else {}))
    return {_plain(dict(sorted(one.items()))) for one in found}


def _plain(value) -> str:
    return json.dumps(value)  # a tuple and a list are written alike


def trials(data) -> None:
    """Record how many settings were tried, on validation, for each row of the rivals' table; 0: not tuned here."""
    rows = []
    for peer in PEERS:
        protocol = {"stratified stars": "random5"}.get(peer.protocol, peer.protocol.removesuffix(" stars"))
        is_stars = peer.protocol == "random5" or peer.protocol.endswith("stars")
        if peer.name in OURS:
            count = len(tried("stars" if is_stars else "ranking"))
        elif peer.library == COURSE:
            name = "item-kNN for stars" if is_stars and peer.name == "item-kNN" else OWN_NAMES.get(peer.name, peer.name)
            of_fold = recorded(ladder.name_of_trials(protocol)).query("fold == 0")
            count = int((of_fold["model"] == name).sum())
        else:
            count = len(ladder.settings_to_try(SPACES[peer.name])) if peer.origin == "tuned" else 0
        rows.append({"model": peer.name, "protocol": peer.protocol, "settings": peer.origin, "trials": count})
    write("retuned.py", "trials", pd.DataFrame(rows), data)


def ablation(data, only: str = "") -> None:
    """Tune the variants again on the main split's validation part; record each beside its value with old settings."""
    old = recorded("ablation").query("protocol == 'by_user_time'").set_index(["head", "variant"])["value"]
    for (head, variant), space in VARIANTS.items():
        if only in variant:
            metric, variants = HEADS[head]
            split, liked_from = splits_of(head, data.ratings)["by_user_time"]
            changed = variants.get(variant, variants.get("matrix factorisation alone"))
            if variant == NO_WEEKS:
                parts = (part.assign(timestamp=0) for part in (split.train, split.validation, split.test))
                split = movierec.Split(*parts, None)

            def value(settings, seed, head=head, split=split, liked_from=liked_from, changed=changed):
                fitted = _fit(head, split, liked_from, data, seed, **changed | settings)
                return _quality(head, fitted, split, liked_from)

            asked = ladder.settings_to_try(space)
            values = [value(settings, 0) for settings in asked]
            best = asked[int(np.argmin(values) if metric == "rmse" else np.argmax(values))]
            seeds = [min(values) if metric == "rmse" else max(values), *(value(best, seed) for seed in SEEDS[1:])]
            row = {"head": head, "variant": variant, "metric": metric, "trials": len(asked)}
            row |= {"settings": json.dumps(best), "value": np.mean(seeds), "deviation": np.std(seeds, ddof=1)}
            row["not_retuned"] = old.get((head, variant), old["stars", "matrix factorisation alone"])
            rows = merged("ablation_retuned", pd.DataFrame([row]), ["head", "variant"])
            write("retuned.py", "ablation_retuned", rows, data)
            print({key: row[key] for key in ("variant", "value", "not_retuned", "settings")}, flush=True)


def baselines(data) -> None:
    """Give baselines as many trials as the hybrid had; measure what 20 and what so many trials chose on test."""
    split = movierec.split_by_user_time(data.ratings)
    hybrid = recorded("hybrid_users").query("model == 'hybrid'").groupby("user_id").mean(numeric_only=True)
    for name, space in WIDER.items():
        one = ladder.RECOMMENDERS[name]
        is_stars = one.judged_by == "rmse"
        problem = ladder.Problem(split.train, data, ladder.chosen("by_user_time"))

        def fit(one=one, problem=problem, **settings):
            return one.fit(problem, 0, **settings)

        def validation(model, is_stars=is_stars, problem=problem):
            if is_stars:
                return evaluation.evaluate_stars(model, split, "validation").attrs["rmse"]
            return evaluation.evaluate_ranking(model, split, problem.indices, "validation")["ndcg@10"].mean()

        budget = len(tried("stars" if is_stars else "ranking"))
        wider = ladder.tune(fit, validation, space, budget=budget, lower_is_better=is_stars)
        usual = recorded("tuning_by_user_time").query("model == @name")
        rows = []
        for made in (usual, pd.concat([usual, wider])):
            made = made.assign(chosen=False).reset_index(drop=True)
            best = made["value"].idxmin() if is_stars else made["value"].idxmax()
            settings = json.loads(made["settings"][best])
            model = fit(**settings)
            row = {
                "model": name,
                "metric": one.judged_by,
                "trials": len(set(made["settings"])),
                "settings": json.dumps(settings),
            }
            row["validation"] = made["value"][best]
            if is_stars:
                errors = evaluation.evaluate_stars(model, split)
                ours = hybrid.loc[errors.index].assign(rmse=hybrid["square"] ** 0.5)[["rmse", "ratings"]]
                row["test"] = errors.attrs["rmse"]
                pooled = np.sqrt(np.average(ours["rmse"] ** 2, weights=ours["ratings"]))
                row["behind"] = row["test"] - pooled
                row["low"], row["high"] = rmse_interval(ours, less=errors.assign(ratings=ours["ratings"]))
            else:
                lists = evaluation.evaluate_ranking(model, split, problem.indices)["ndcg@10"]
                behind = (hybrid["ndcg@10"] - lists).dropna()
                row |= {"test": lists.mean(), "behind": behind.mean()}
                row["low"], row["high"] = bootstrap_interval(behind)
            rows.append(row)
            print(
                {key: row[key] for key in ("model", "trials", "settings", "validation", "test", "behind")}, flush=True
            )
        write("retuned.py", "more_trials", merged("more_trials", pd.DataFrame(rows), ["model", "trials"]), data)


EXPERIMENTS = {one.__name__: one for one in (trials, ablation, baselines)}


def main(arguments: list[str] | None = None) -> int:
    """Run the named experiments, or all; return the exit code, 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--only", default="", metavar="TEXT", help="of the ablation: variants with this in their name")
    options, data = parser.parse_args(arguments), movierec.load("ml-100k")
    for name in options.names or list(EXPERIMENTS):
        EXPERIMENTS[name](data, **({"only": options.only} if name == "ablation" else {}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
