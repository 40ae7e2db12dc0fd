"""How each head of a hybrid is trained and judged: its rows, batches and passes, and its quality on validation."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec.data import Split, order_by_user_and_time, split_by_time, split_by_user_time
from movierec.data.units import say
from movierec.evaluation import Scorer, bootstrap_interval, evaluate_ranks, held_out_ranks, metrics, relevant_users
from movierec.files import sha256_of_arrays
from movierec.keras2 import tf
from movierec.models import HybridModel, Lists, LowRank, rank_of, session_features
from movierec.recommend import Hybrid

AVERAGED = 0.5  # of the ranking head, see `BestEpoch`
USERS_PER_EPOCH = 10_000  # of the ranking head: more passes over the users if they are fewer; each hides other films
MOST_PASSES = 10
MOST_VALIDATED = 20_000  # users whose lists are measured after an epoch; their mean is off by less than seeds differ
HELD_OUT = 0.1  # of train, to find the number of epochs where there is no validation part
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
    recipe = {"rows": rows, "averaged": hybrid.model.settings.stars_averaged}
    if not isinstance(head.user.rated, Lists):
        return recipe | {"batch_size": batch_size}
    rows |= {"movie_index": head.user.rated.other, "residual": head.user.rated.residual}
    return recipe | {"batch_size": LISTS_FACTOR * batch_size, "groups": past.starts}


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
    ndcg_of_users = validated_lists(hybrid, split, liked_from)
    return lambda: ("ndcg@10", ndcg_of_users(hybrid.score).mean(), True)


def validated_lists(hybrid: Hybrid, split: Split, liked_from: float) -> Callable[[Scorer], pd.Series]:
    """Return the function from a scorer to NDCG@10 of each user of validation, at most `MOST_VALIDATED` users.

    Raises:
        ValueError: if no user of validation has a relevant film.
    """
    validation = split.validation
    if len(hybrid.bias.levels) == 1:  # what was watched is what was liked
        liked_from = -np.inf
    shown = np.round(hybrid.scale.outside(validation["rating"].astype(float)), 4)  # in the unit of the table
    least = round(float(hybrid.scale.outside(liked_from)), 4)
    relevant_users(validation.assign(rating=shown), hybrid.indices, least, "validation")
    liked = validation[validation["rating"] >= liked_from]
    users = liked["user_id"].unique()
    if len(users) > MOST_VALIDATED:
        liked = liked[liked["user_id"].isin(np.random.default_rng(0).choice(users, MOST_VALIDATED, replace=False))]

    def ndcg_of_users(scorer: Scorer) -> pd.Series:
        ranks = held_out_ranks(scorer, liked, split.train, hybrid.indices)
        return evaluate_ranks(ranks, liked, hybrid.indices, liked_from=liked_from)["ndcg@10"]

    return ndcg_of_users


def held_out(split: Split) -> Split:
    """Return the train part of a split without a validation part, of which a tenth is held out as validation.

    It is each user's newest tenth, the newest tenth of all, or a random tenth, as the split is in time.

    Raises:
        ValueError: if nobody has ten ratings, and the split is in time by user.
    """
    train = split.train
    if split.in_time is None:
        is_known = np.random.default_rng(0).permutation(len(train)) >= HELD_OUT * len(train)
        return Split(train[is_known], train[~is_known], split.test)
    cut = split_by_time if split.in_time == "everyone" else split_by_user_time
    parts = cut(train, validation=0, test=HELD_OUT)
    return Split(parts.train, parts.test, split.test, split.in_time)


def keep_linear_if_it_helps(hybrid: Hybrid, ndcg_of_users: Callable[[Scorer], pd.Series]) -> None:
    """Leave the linear path out if the lists of validation are surely worse with it, and say so.

    Its weight was chosen on MovieLens-100K, where films say much about each other. Where they do not, the path adds
    noise. "Surely": the 95 % interval of the paired difference over users is below 0, so without evidence it stays.
    """
    head = hybrid.model.ranking
    path = head.linear
    if path is None:
        return
    with_it = ndcg_of_users(hybrid.score)
    head.linear = None
    without_it = ndcg_of_users(lambda user_index: head(tf.constant(user_index)).numpy())
    head.linear = path
    low, high = bootstrap_interval(with_it - without_it)
    if high < 0:
        hybrid.model.leave_out_linear()
        say(
            f"The linear path (EASE) is left out: with it, NDCG@10 of validation is {with_it.mean():.3f}, without it "
            f"{without_it.mean():.3f} (difference {low:.3f} to {high:.3f}). linear_weight=… keeps it."
        )


def say_what_is_left_out(model: HybridModel) -> None:
    """Say that a catalogue is too large for all of the linear path, if nobody asked for a part of it."""
    films = model.past.num_movies
    if isinstance(getattr(model.ranking, "linear", None), LowRank) and model.settings.linear_rank is None:
        rank = rank_of(films, model.settings)
        say(
            f"EASE's matrix for {films:,} films would take {4e-9 * films**2:.1f} GB, so the linear path of the ranking "
            f"head keeps the {rank} strongest directions of it ({4e-6 * films * rank:.0f} MB); notebook 13 measures "
            "what that costs. linear_rank=… keeps more or fewer, linear_weight=0 leaves the path out."
        )


def digest(hybrid: Hybrid, split: Split) -> str:
    """Return the SHA-256 of all that is learned from, and of what it is judged by."""
    past = hybrid.model.past
    model = hybrid.model
    bias = hybrid.bias
    arrays = [past.user_index, past.movie_index, past.residual, past.timestamp, hybrid.indices.movie_ids]
    arrays += [bias.user, bias.movie, np.array(bias.mean), bias.levels]  # residuals are the same a star higher
    arrays += [model.user_features.values, model.movie_features.values]
    if split.validation is not None:
        columns = map(split.validation.get, ("user_id", "movie_id", "rating", "timestamp"))  # in whatever integers
        arrays += [column.to_numpy(str if column.dtype == "str" else np.float64) for column in columns]
    return sha256_of_arrays(*arrays)
