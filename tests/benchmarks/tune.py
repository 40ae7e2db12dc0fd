"""The settings that `peers.py` calls "tuned": found here, on a split of the train part, with one budget for everybody.

    python tests/benchmarks/tune.py [--only TEXT]

Trials are judged on the split's validation part, or on a split of its train part, by NDCG@10 or RMSE; the test parts
are not touched. Every trial is printed, best last; copy the settings by hand.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

import environment
import pandas as pd
from peers import PEERS, Peer
from run import PROTOCOLS, fit_one, quality, write_fold

import movierec
from movierec.baselines import settings_to_try
from movierec.data import make_indices

SPACES = {
    "implicit ALS": {
        "factors": [32, 48, 64, 96],
        "regularization": [25, 50, 100, 200],
        "alpha": [4, 8, 16, 32],
        "iterations": [15],
    },
    "implicit BM25 item-kNN": {"K": [100, 200, 400, 1700], "K1": [0.5, 1.2, 2, 4], "B": [0, 0.2, 0.4, 0.8]},
    "LensKit ImplicitMF": {
        "embedding_size": [32, 48, 64, 96],
        "regularization": [25, 50, 100, 200],
        "weight": [4, 8, 16, 32],
        "epochs": [15],
    },
    "RecBole NeuMF": {"epochs": [10, 20, 30, 40]},
    "Surprise SVD, tuned": {
        "n_factors": [50, 100, 200],
        "n_epochs": [40, 80],
        "lr_all": [0.005, 0.01],
        "reg_all": [0.06, 0.08, 0.1, 0.12],
    },
    "Cornac MF": {
        "k": [50, 100, 200],
        "max_iter": [40, 80],
        "learning_rate": [0.005, 0.01],
        "lambda_reg": [0.04, 0.06, 0.08, 0.1],
    },
    "RecTools SASRec": {"lr": [0.003], "dropout_rate": [0.1, 0.3]},
    "RecTools eSASRec": {"lr": [0.003], "dropout_rate": [0.3]},
}
STOP_EARLY = ("RecTools SASRec", "RecTools eSASRec")  # they leave what they saw on the validation part in epochs.csv


def inner_split(protocol: str, ratings) -> movierec.Split:
    """Return a split without the test part."""
    if protocol == "stratified":
        return movierec.split_stratified(movierec.split_stratified(ratings).train)
    if protocol == "random5":
        return movierec.split_random5(movierec.split_random5(ratings)[0].train)[0]
    split = PROTOCOLS[protocol].split(ratings)
    return movierec.Split(split.train, None, split.validation, split.in_time)


def tune(peer: Peer, data, python: Path) -> list[tuple[float, dict]]:
    """Return (NDCG@10 or RMSE on the inner split, settings) of every trial, best last."""
    stops = peer.name in STOP_EARLY
    split = PROTOCOLS[peer.protocol].split(data.ratings) if stops else inner_split(peer.protocol, data.ratings)
    indices = make_indices(split.train, data.movies)
    predicts = PROTOCOLS[peer.protocol].predicts
    metric, sign = ("ndcg@10", 1) if predicts == "scores" else ("rmse", -1)
    trials = []
    for settings in settings_to_try(SPACES[peer.name]):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_fold(folder, split, data, indices, predicts)
            seed = {"seed": 0} if peer.seeds else {}
            trial = dataclasses.replace(peer, settings=peer.settings | seed | settings)
            predicted, _ = fit_one(trial, folder, python)
            if stops:
                found = pd.read_csv(folder / "epochs.csv")[metric].max()
            else:
                found = quality(predicted, split, indices, peer.protocol)[0][metric]
            trials.append((found, trial.settings))
    return sorted(trials, key=lambda trial: sign * trial[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="models with this in their name")
    parser.add_argument("--protocol", default="", help=f"one of {', '.join(PROTOCOLS)}")
    options = parser.parse_args()
    only = options.only.lower()
    ratings_and_tables, of_peers = movierec.load("ml-100k"), environment.python_of_peers()
    for candidate in PEERS:
        if candidate.name in SPACES and only in candidate.name.lower() and options.protocol in ("", candidate.protocol):
            print(candidate.name, candidate.protocol)
            for value, settings in tune(candidate, ratings_and_tables, of_peers):
                print(f"  {value:.4f} {settings}")
                sys.stdout.flush()
