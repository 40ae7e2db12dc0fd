"""RecTools: SASRec with a softmax over all films, and eSASRec (gated LiGR blocks, a softmax over sampled films).

Width, blocks and heads are those that the authors of eSASRec chose for MovieLens-1M in their benchmark; films read and
films sampled are half of theirs there. A fit keeps the epoch with the highest NDCG@10 on the validation part, as ours
does; prediction reads train and validation. `epochs.csv` has the curve.
"""

import copy
import logging

import numpy as np
import pandas as pd
import pytorch_lightning
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
SIZES = {"n_factors": 64, "n_blocks": 2, "n_heads": 1, "session_max_len": 100}
SAMPLED = {"transformer_layers_type": LiGRLayers, "use_key_padding_mask": True}
SAMPLED |= {"loss": "sampled_softmax", "n_negatives": 128}
MODELS = {"SASRec": {"loss": "softmax"}, "eSASRec": SAMPLED}
EPOCHS_A_LOOK = 2
K = 10


def fit(data, model, *, seed, epochs, patience, **settings):
    """Return the trained model at its best look on validation; `patience` counts looks without a gain."""
    pytorch_lightning.seed_everything(seed, verbose=False)
    network = SASRecModel(**SIZES | MODELS[model] | settings, epochs=EPOCHS_A_LOOK, deterministic=True)
    train = _dataset(data.train)
    looks, best = [], (-1, None)
    while len(looks) * EPOCHS_A_LOOK < epochs and len(looks) - np.argmax(looks or [0]) <= patience:
        network.fit_partial(train, EPOCHS_A_LOOK, EPOCHS_A_LOOK)
        looks.append(_ndcg(network, train, data.validation))
        if looks[-1] > best[0]:
            best = looks[-1], copy.deepcopy(network.torch_model.state_dict())
    network.torch_model.load_state_dict(best[1])
    curve = pd.DataFrame({"epoch": EPOCHS_A_LOOK * np.arange(1, len(looks) + 1), "ndcg@10": looks})
    curve.to_csv(data.folder / "epochs.csv", index=False)
    return network


def scores(network, data):
    """Return the logits of every film as the next one after train and validation."""
    known = _dataset(pd.concat([data.train, data.validation]))
    found = _recommend(network, known, data.num_movies, filter_viewed=False)
    matrix = np.full((data.num_users, data.num_movies), -1e9)  # a movie that train does not know comes last
    matrix[found[Columns.User], found[Columns.Item]] = found[Columns.Score]
    return matrix


def _dataset(ratings):
    names = {"user_index": Columns.User, "movie_index": Columns.Item}
    table = ratings[["user_index", "movie_index"]].rename(columns=names).assign(**{Columns.Weight: 1.0})
    table[Columns.Datetime] = pd.to_datetime(ratings["timestamp"], unit="s")  # ties stay in the order of the rows
    return Dataset.construct(table)


def _recommend(network, known, k, filter_viewed):
    users = known.user_id_map.external_ids
    return network.recommend(users, known, k, filter_viewed, on_unsupported_targets="ignore")


def _ndcg(network, known, validation):
    """Return NDCG@10 of each user's validation film, one a user; 0 for a film that train does not know."""
    lists = _recommend(network, known, K, filter_viewed=True)
    pairs = validation.rename(columns={"user_index": Columns.User, "movie_index": Columns.Item})
    hits = pairs.merge(lists, on=[Columns.User, Columns.Item])
    return float((1 / np.log2(hits[Columns.Rank] + 1)).sum() / len(pairs))
