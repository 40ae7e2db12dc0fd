"""RecBole: NeuMF, a product of embeddings and a perceptron, trained with one random negative a rating."""

import sys
import types

import numpy as np

# RecBole 1.2.1 reads names that numpy 2 removed, and imports a package for printing tables, which is not installed.
np.float_, np.complex_, np.unicode_ = np.float64, np.complex128, np.str_
sys.modules["texttable"] = types.ModuleType("texttable")
sys.modules["texttable"].Texttable = object

import torch  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.model.general_recommender import NeuMF  # noqa: E402
from recbole.trainer import Trainer  # noqa: E402
from recbole.utils import init_seed  # noqa: E402

MODELS = {"NeuMF": NeuMF}


def fit(data, model, *, seed, **settings):
    """(the trained network, RecBole's dataset, which knows its order of users and movies)."""
    folder = data.folder / "recbole"
    folder.mkdir()
    columns = {"user_index": "user_id:token", "movie_index": "item_id:token"}
    train = data.train[[*columns]].rename(columns=columns)
    train.to_csv(folder / "recbole.inter", sep="\t", index=False)
    fixed = {
        "data_path": str(data.folder),
        "checkpoint_dir": str(folder),
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO", "group_by": None, "mode": "full"},
        "use_gpu": False,
        "show_progress": False,
        "seed": seed,
    }
    sys.argv = sys.argv[:1]  # RecBole reads the command line as settings
    config = Config(model=model, dataset="recbole", config_dict=fixed | settings)
    init_seed(seed, reproducibility=True)
    dataset = create_dataset(config)
    batches, _, _ = data_preparation(config, dataset)
    network = MODELS[model](config, batches.dataset).to(config["device"])
    Trainer(config, network).fit(batches, saved=False, verbose=False, show_progress=False)
    return network, dataset


def scores(fitted, data):
    """The network's output for every pair, a user at a time."""
    network, dataset = fitted
    movies = dataset.field2id_token["item_id"][1:].astype(int)  # row 0 is RecBole's padding
    rows = torch.arange(1, len(movies) + 1)
    matrix = np.full((data.num_users, data.num_movies), -1e9)  # a movie that train does not know comes last
    network.eval()
    with torch.no_grad():
        for row, user in enumerate(dataset.field2id_token["user_id"][1:].astype(int), start=1):
            pairs = Interaction({"user_id": torch.full_like(rows, row), "item_id": rows})
            matrix[user, movies] = network.predict(pairs).numpy()
    return matrix
