"""How each head of a hybrid is trained and judged: its rows, batches and passes, and its quality on validation."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec.data import Split, order_by_user_and_time
from movierec.evaluation import evaluate_ranks, held_out_ranks, metrics, relevant_users
from movierec.models import Lists, session_features
from movierec.recommend import Hybrid

AVERAGED = 0.5  # of the ranking head, see `BestEpoch`
USERS_PER_EPOCH = 10_000  # of the ranking head: more passes over the users if they are fewer; each hides other films
MOST_PASSES = 10
MOST_VALIDATED = 20_000  # users whose lists are measured after an epoch; their mean is off by less than seeds differ
LISTS_FACTOR = 8  # times as many ratings in a step of the stars head, where histories are lists


def stars_recipe(hybrid: Hybrid, train: pd.DataFrame, batch_size: int) -> dict:
    """Return what `fit_head` needs of the stars head: all ratings in the order of the history, and batches of them.

    If histories are lists, whole users are shuffled, and the columns of the history are not copied again.
    """
    past, head = hybrid.model.past, hybrid.model.stars
    order = order_by_user_and_time(hybrid.indices.user_index(train["user_id"]), train["timestamp"].to_numpy())
    session = session_features(past, dtype=np.float16)  # 16 bytes a rating instead of 32
    rows = {
        "user_index": past.user_index,
        "movie_index": past.movie_index,
        "week_index": hybrid.weeks.index(pd.DataFrame({"timestamp": past.timestamp})),
        "rating": train["rating"].to_numpy(np.float32)[order],
        "residual": past.residual,
        "session": session if hybrid.weeks.count else np.zeros_like(session),  # no times, no session
    }
    if head.in_movie_bag is not None:
        rows["in_movie_bag"] = head.in_movie_bag
    if not isinstance(head.user.rated, Lists):
        return {"rows": rows, "batch_size": batch_size}
    rows |= {"movie_index": head.user.rated.other, "residual": head.user.rated.residual}
    return {"rows": rows, "batch_size": LISTS_FACTOR * batch_size, "groups": past.starts}


def ranking_recipe(hybrid: Hybrid, users_per_batch: int) -> dict:
    """Return what `fit_head` needs of the ranking head: the users, and ten passes an epoch if they are few."""
    num_users = hybrid.indices.num_users
    passes = max(1, min(MOST_PASSES, USERS_PER_EPOCH // num_users))
    users = {"rows": {"user_index": np.arange(num_users, dtype=np.int32)}, "batch_size": users_per_batch}
    return users | {"passes": passes, "averaged": AVERAGED, "rate": "ranking_learning_rate"}


def quality_of(hybrid: Hybrid, head: str, split: Split, liked_from: float) -> Callable | None:
    """Return the function that judges the head on validation, by RMSE or NDCG@10; None without validation."""
    validation = split.validation
    if validation is None:
        return None
    if head == "stars":
        unit = hybrid.scale.unit  # the order of epochs is that of the models' own stars, whatever the unit
        return lambda: ("rmse", unit * metrics.rmse(hybrid.predict_inside(validation), validation["rating"]), False)
    if len(hybrid.bias.levels) == 1:  # what was watched is what was liked
        liked_from = -np.inf
    shown = np.round(hybrid.scale.outside(validation["rating"].astype(float)), 4)  # in the unit of the table
    least = round(float(hybrid.scale.outside(liked_from)), 4)
    relevant_users(validation.assign(rating=shown), hybrid.indices, least, "validation")
    liked = validation[validation["rating"] >= liked_from]
    users = liked["user_id"].unique()
    if len(users) > MOST_VALIDATED:
        liked = liked[liked["user_id"].isin(np.random.default_rng(0).choice(users, MOST_VALIDATED, replace=False))]

    def ndcg():
        ranks = held_out_ranks(hybrid.score, liked, split.train, hybrid.indices)
        return "ndcg@10", evaluate_ranks(ranks, liked, hybrid.indices, liked_from=liked_from)["ndcg@10"].mean(), True

    return ndcg
