"""Self-attention beside RecTools' SASRec and eSASRec, on two data sets: what comes next, by `leave_last`.

    python tests/benchmarks/sequence_rivals.py       sequence_rivals.csv, of which MovieLens-100K is copied

Rows of MovieLens-100K are those that `run.py` recorded. On MovieLens latest-small the same settings are fitted, which
were chosen on MovieLens-100K, one seed each: half an hour of CPU. All rank the whole catalogue without seen films, read
train and validation, and stop early on validation. A difference is attention's NDCG@10 less the row's, user by user,
with a bootstrap interval. With MOVIEREC_DATA, the archives are in another folder.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import environment
import pandas as pd
import tables
from peers import NEXT, OWN
from run import PROTOCOLS, fit_one, quality, write_fold

import movierec
from movierec.data import make_indices
from movierec.evaluation import bootstrap_interval
from movierec.record import recorded

PROTOCOL, SECOND = "leave_last", "ml-latest-small"
OURS = "attention"
NUMBERS = ["ndcg@10", "hr@10", "cpu_seconds", "difference", "low", "high"]


def recorded_rows() -> list[dict]:
    """Return the rows of MovieLens-100K; with one film held out, recall is the hit rate."""
    rows = recorded("peers_in_time").query("protocol == @PROTOCOL").set_index("model").loc[[one.name for one in NEXT]]
    rows = rows.rename(columns={"recall@10": "hr@10"})[["ndcg@10", "hr@10", "cpu_seconds"]]
    behind = recorded("peer_differences").query("model == @OURS and protocol == @PROTOCOL").set_index("against")
    seeds = {one.name: max(one.seeds, 1) for one in NEXT}
    rows = rows.join(behind[["difference", "low", "high"]]).assign(seeds=pd.Series(seeds))
    return rows.rename_axis("model").reset_index().assign(**{"data set": "ml-100k"}).to_dict("records")


def fitted_rows(data, fit=fit_one, peers=tuple(NEXT)) -> list[dict]:
    """Return the rows of another data set, one seed each."""
    split = PROTOCOLS[PROTOCOL].split(data.ratings)
    indices = make_indices(split.train, data.movies)
    rows, values = [], {}
    for peer in peers:
        python = Path(sys.executable) if peer.library in OWN else environment.python_of_peers()
        one = replace(peer, settings=peer.settings | ({"seed": 0} if peer.seeds else {}))
        with tempfile.TemporaryDirectory() as name:
            write_fold(Path(name), split, data, indices, PROTOCOLS[PROTOCOL].predicts)
            predicted, took = fit(one, Path(name), python)
        found, by_user = quality(predicted, split, indices, PROTOCOL)
        values[peer.name] = by_user["value"]
        row = {"model": peer.name, "ndcg@10": found["ndcg@10"], "hr@10": found["recall@10"]}
        if peer.name != OURS:
            difference = values[OURS] - by_user["value"]
            row["difference"] = difference.mean()
            row["low"], row["high"] = bootstrap_interval(difference)
        rows.append(row | {"cpu_seconds": took["cpu_seconds"], "seeds": 1, "data set": SECOND})
        print(rows[-1], flush=True)
    return rows


def main() -> int:
    """Measure and record; return the exit code, 0."""
    table = pd.DataFrame([*recorded_rows(), *fitted_rows(movierec.load(SECOND))])
    table = table[["data set", "model", *NUMBERS, "seeds"]].round(6)
    tables.write("sequence_rivals.py", "sequence_rivals", table, movierec.load("ml-100k"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
