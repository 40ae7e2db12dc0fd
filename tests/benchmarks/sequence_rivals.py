"""Self-attention beside RecTools' SASRec and eSASRec, on two data sets: what comes next, by `leave_last`.

    python tests/benchmarks/sequence_rivals.py [ml-100k] [ml-latest-small]       sequence_rivals.csv

All rank the whole catalogue without seen films, read train and validation, and keep their best epoch on validation.
Settings were chosen on MovieLens-100K: of ours four, of the rivals' as many as trials.csv says. Attention on
MovieLens-100K is what `sequences.py` recorded, three seeds; the others, and all of MovieLens latest-small, are fitted
here, one seed each, in half an hour of CPU. A difference is attention's NDCG@10 less the row's, user by user, with a
bootstrap interval. A run of one data set leaves the other as recorded. With MOVIEREC_DATA, the archives are in another
folder.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import environment
import pandas as pd
import sequences
import tables
from peers import COURSE, NEXT, OWN, Peer
from run import PROTOCOLS, fit_one, quality, write_fold

import movierec
from movierec.data import COURSE as ML_100K
from movierec.data import make_indices
from movierec.evaluation import bootstrap_interval
from movierec.record import recorded

PROTOCOL, DATA_SETS = "leave_last", (ML_100K, "ml-latest-small")
NUMBERS = ["ndcg@10", "hr@10", "cpu_seconds", "difference", "low", "high"]


def ours() -> Peer:
    """Return the attention of notebook 10, with the best of its trials."""
    settings = {"epochs": sequences.EPOCHS, "patience": sequences.PATIENCE} | sequences.chosen()["softmax"]
    return Peer("attention", PROTOCOL, COURSE, "course", "Attention", settings, "course", seeds=1)


def recorded_users() -> tuple[pd.Series, dict]:
    """Return attention's NDCG@10 by user of MovieLens-100K, the mean of three seeds, and its row."""
    fits = recorded("sequence_users").set_index("user_id").filter(regex=r"^attention \d$")
    trials = recorded("sequence_tuning").query("loss == 'softmax'")
    hits = (fits > 0).mean(axis=None)  # with one film held out, a hit has NDCG above 0
    seconds = trials.loc[trials["ndcg@10"].idxmax(), "cpu_seconds"]
    row = {"ndcg@10": fits.mean(axis=None), "hr@10": hits, "cpu_seconds": seconds, "seeds": fits.shape[1]}
    return fits.mean(axis=1), row


def fitted_users(peer: Peer, data, fit=fit_one) -> tuple[pd.Series, dict]:
    """Return a model's NDCG@10 by user, one seed, and its row."""
    split = PROTOCOLS[PROTOCOL].split(data.ratings)
    indices = make_indices(split.train, data.movies)
    python = Path(sys.executable) if peer.library in OWN else environment.python_of_peers()
    one = replace(peer, settings=peer.settings | ({"seed": 0} if peer.seeds else {}))
    with tempfile.TemporaryDirectory() as name:
        write_fold(Path(name), split, data, indices, PROTOCOLS[PROTOCOL].predicts)
        predicted, took = fit(one, Path(name), python)
    found, by_user = quality(predicted, split, indices, PROTOCOL)
    row = {"ndcg@10": found["ndcg@10"], "hr@10": found["recall@10"], "cpu_seconds": took["cpu_seconds"], "seeds": 1}
    return by_user["value"], row


def measure(name: str, fit=fit_one) -> pd.DataFrame:
    """Return the rows of one data set, attention first."""
    data = movierec.load(name)
    attention, row = recorded_users() if name == ML_100K else fitted_users(ours(), data, fit)
    rows = [row | {"model": "attention"}]
    for peer in NEXT:
        by_user, row = fitted_users(peer, data, fit)
        rows.append(row | {"model": peer.name} | compared(attention, by_user))
        print(name, rows[-1], flush=True)
    return pd.DataFrame(rows).assign(**{"data set": name})[["data set", "model", "seeds", *NUMBERS]]


def compared(attention: pd.Series, other: pd.Series) -> dict[str, float]:
    """Return by how much attention is better, user by user, with the interval."""
    difference = attention - other
    low, high = bootstrap_interval(difference)
    return {"difference": difference.mean(), "low": low, "high": high}


def main(arguments: list[str] | None = None) -> int:
    """Measure and record; return the exit code, 0."""
    for name in (sys.argv[1:] if arguments is None else arguments) or DATA_SETS:
        table = tables.merged("sequence_rivals", measure(name).round(6), ["data set", "model"])
        tables.write("sequence_rivals.py", "sequence_rivals", table, movierec.load(ML_100K))
    return 0


if __name__ == "__main__":
    sys.exit(main())
