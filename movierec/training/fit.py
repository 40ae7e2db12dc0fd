"""A split in, a trained `Hybrid` out: shuffled batches, early stopping on validation, the best epoch of each head kept.

Taught in notebooks/06_training; what is large, 10_serving.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.data import Split, features, make_indices, order_by_user_and_time
from movierec.evaluation import evaluate_ranks, held_out_ranks, metrics
from movierec.evaluation import full_ranking as evaluation
from movierec.files import sha256_of_arrays
from movierec.keras2 import tf
from movierec.models import HEADS, HybridModel, Lists, Settings, make_history, one_at_a_time, session_features
from movierec.recommend import Ensemble, Hybrid
from movierec.training.checkpoints import Checkpoint
from movierec.training.epochs import Recipe, Stopped, Watch, fit_head
from movierec.training.optimizers import OPTIMIZERS
from movierec.training.steps import Stop, shuffled, shuffled_groups

__all__ = ["Stop", "Stopped", "fit_ensemble", "fit_hybrid"]

STARS_EPOCHS, RANKING_EPOCHS = 6, 16  # chosen on validation (notebook 06): used where a split has no validation part
AVERAGED = 0.5  # of the ranking head, see `Recipe`
USERS_PER_EPOCH, MOST_PASSES = 10_000, 10  # of the ranking head: in each pass over the users other films are hidden
MOST_VALIDATED = 20_000  # users whose lists are looked at after each epoch of the ranking head
LARGE = 8  # times as many ratings in a step of the stars head, where histories are lists


@one_at_a_time
def fit_hybrid(
    split: Split,
    movies: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    *,
    about_movies: pd.DataFrame | None = None,
    about_users: pd.DataFrame | None = None,
    seed: int = 0,
    heads: tuple = HEADS,
    epochs: int = 80,
    patience: int = 5,
    batch_size: int = 1024,
    learning_rate: float = 0.001,
    users_per_batch: int = 256,
    ranking_learning_rate: float = 0.004,
    liked_from: float = evaluation.LIKED_FROM_STARS,
    stars_epochs: int = STARS_EPOCHS,
    ranking_epochs: int = RANKING_EPOCHS,
    on_epoch: Callable[[dict], None] | None = None,
    stop: Stop | None = None,
    optimizer: str = "lazy_adam",
    progress: bool = False,
    checkpoint=None,
    checkpoint_steps: int = 500,
    strategy: "tf.distribute.Strategy | None" = None,
    **settings,
) -> Hybrid:
    """A hybrid fitted on `split.train`, each head at its best epoch on `split.validation`.

    Same seed, same machine, same result: TensorFlow's deterministic operations are switched on for the process, and a
    second call waits for one in another thread. If the split is in time, the ranking head is trained to say what comes
    next; else, what is missing.

    Where users x movies is more than `most_pairs` of the settings, histories are lists: batches of the stars head have
    few users with all of their ratings, and a film with many ratings is known by an id instead of by who rated it.
    Memory is then at most 0.7 GB, and 180 bytes for each rating of train.

    Args:
        split: train; validation for early stopping, or None; test is not touched.
        movies: movie_id, title, year, genres; movies without a rating can be recommended through it. May be None.
        users: user_id, age, gender, occupation, any of them. May be None.
        about_movies, about_users: more that is known of them, in a table of your own with movie_id (user_id): numbers,
            text, lists like "fr|en"; see `features.table_features` and notebook 11.
        seed: of the weights, the batches, dropout and what is hidden.
        heads: which heads to train; ("stars",) if only `predict` is wanted, ("ranking",) if only lists are.
        epochs: at most so many; one of the stars is a pass over the ratings, one of the ranking a pass over the users,
            or ten if they are few. Without a validation part, see stars_epochs.
        patience: epochs without a better validation value before stopping.
        batch_size, learning_rate: ratings in a step of the stars head, eight times as many if histories are too many
            for a matrix; and the rate of the optimiser.
        users_per_batch, ranking_learning_rate: users in a step of the ranking head, and the rate of the optimiser.
        liked_from: stars from which a validation movie is relevant; lower it where the scale is not 1 to 5.
        stars_epochs, ranking_epochs: epochs of each head if there is no validation part.
        on_epoch: called after each epoch with its row of `history`, e.g. to draw it.
        stop: `stop.ask()`, from another thread or from `on_epoch`, ends the training after the batch that is running;
            what each head has learned until its best epoch is kept.
        optimizer: "lazy_adam", "adam" or "adagrad".
        progress: whether to show a bar with rate and time left.
        checkpoint: a folder. Who is killed and asks again goes on there and gets the model that they would have got,
            to the bit; at most `checkpoint_steps` steps are taken twice. Delete it when the model is saved.
        strategy: of `tf.distribute`, to train with several workers, see `workers`. Each has all of the data
            and takes its share of each batch.
        **settings: see `Settings`.

    Returns:
        A `Hybrid`, with `history` (one row an epoch), `best_epochs` and `fit_seconds`.

    Raises:
        ValueError: if the loss stops being finite, a setting is out of its range, or the checkpoint is of another
            training.
        OSError: if the checkpoint's folder cannot be written.
        Stopped: if `stop` was asked before each head had finished an epoch.
    """
    heads = _checked_heads(heads)
    if not isinstance(split, Split):
        raise ValueError(
            f"`split` must be a Split, got {type(split).__name__}. Try movierec.split_by_user_time(data.ratings)."
        )
    _check_above_zero(
        epochs=epochs, patience=patience, batch_size=batch_size,
        learning_rate=learning_rate, users_per_batch=users_per_batch, ranking_learning_rate=ranking_learning_rate,
        stars_epochs=stars_epochs, ranking_epochs=ranking_epochs, checkpoint_steps=checkpoint_steps,
    )  # fmt: skip
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"`optimizer` must be one of {', '.join(OPTIMIZERS)}; got {optimizer!r}.")
    settings = Settings(**settings)
    started = time.perf_counter()
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    alone, strategy = strategy is None, strategy or tf.distribute.get_strategy()
    with strategy.scope():
        hybrid = _untrained(split, movies, users, heads, settings, about_movies, about_users)
    hybrid.seed = seed
    has_validation = split.validation is not None
    recipes = {
        "stars": lambda: stars_recipe(
            hybrid, split, batch_size, optimizer=optimizer, learning_rate=learning_rate,
            epochs=epochs if has_validation else stars_epochs, quality=_quality(hybrid, "stars", split, liked_from),
        ),
        "ranking": lambda: ranking_recipe(
            hybrid, users_per_batch, optimizer=optimizer, learning_rate=ranking_learning_rate,
            epochs=epochs if has_validation else ranking_epochs, quality=_quality(hybrid, "ranking", split, liked_from),
        ),
    }  # fmt: skip
    question = {
        "seed": seed, "heads": heads, "epochs": epochs, "stars_epochs": stars_epochs, "ranking_epochs": ranking_epochs,
        "patience": patience, "batch_size": batch_size, "learning_rate": learning_rate,
        "users_per_batch": users_per_batch, "ranking_learning_rate": ranking_learning_rate, "liked_from": liked_from,
        "optimizer": optimizer, **asdict(settings), "in_order": hybrid.model.past.in_order,
        "data": _digest(hybrid, split),
    } if checkpoint is not None else None  # fmt: skip
    keep = Checkpoint(checkpoint, question, _is_first(strategy)) if checkpoint is not None else None
    watch = Watch(on_epoch, stop, keep, checkpoint_steps, progress)
    tables = []
    for head in heads:
        table, hybrid.best_epochs[head] = fit_head(hybrid.model, head, recipes[head](), patience, seed, watch)
        tables.append(table)
    hybrid.model.train_only(HEADS)  # nothing is frozen in what the caller gets
    if not alone:
        hybrid = _of_one_worker(hybrid, split, movies, users, heads, settings, about_movies, about_users)
    hybrid.history = tables[0] if len(tables) == 1 else tables[0].merge(tables[1], on="epoch", how="outer")
    hybrid.fit_seconds = time.perf_counter() - started
    return hybrid


def fit_ensemble(split: Split, *tables, seeds: tuple = (0, 1, 2), checkpoint=None, **settings) -> Ensemble:
    """The mean of hybrids that differ in their seed only: better, and as many times as slow to fit and to ask.

    Args: as `fit_hybrid`, and seeds. If it is stopped before the last of them has finished an epoch, nothing is kept;
        with a checkpoint, which has a folder for each seed, all that are trained are found there again.
    """
    if not len(seeds):
        raise ValueError("`seeds` is empty; name at least one, e.g. seeds=(0, 1, 2).")

    def fit(seed):
        own = None if checkpoint is None else Path(checkpoint) / f"seed-{seed}"
        return fit_hybrid(split, *tables, seed=seed, checkpoint=own, **settings)

    return Ensemble([fit(seed) for seed in seeds])


def _untrained(
    split: Split, movies, users, heads: tuple, settings: Settings, about_movies=None, about_users=None
) -> Hybrid:
    train = split.train
    indices = make_indices(train, movies)
    bias, weeks = Bias(train, indices), features.make_weeks(train)
    in_order = split.in_time is not None and "order" not in settings.without
    model = HybridModel(
        make_history(train, indices, bias, in_order),
        features.user_features(users, indices, about_users),
        features.movie_features(movies, indices, about_movies),
        bias,
        weeks.count,
        heads,
        settings,
    )
    parts = [train] if split.validation is None else [train, split.validation]
    seen = pd.concat([part[["user_id", "movie_id"]] for part in parts], ignore_index=True)
    return Hybrid(model, indices, movies, weeks, bias, seen)


def _of_one_worker(trained: Hybrid, split: Split, movies, users, heads: tuple, settings: Settings, *about) -> Hybrid:
    """The same model without its strategy: to be asked and saved by one worker, without the others."""
    hybrid = _untrained(split, movies, users, heads, settings, *about)
    for head in heads:
        getattr(hybrid.model, head).set_weights(getattr(trained.model, head).get_weights())
    hybrid.best_epochs, hybrid.seed = trained.best_epochs, trained.seed
    return hybrid


def _is_first(strategy) -> bool:
    """Whether this is the worker that writes."""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_id


def _digest(hybrid: Hybrid, split: Split) -> str:
    """SHA-256 of all that is learned from, and of what it is judged by."""
    past, model, bias = hybrid.model.past, hybrid.model, hybrid.bias
    arrays = [past.user_index, past.movie_index, past.residual, past.timestamp, hybrid.indices.movie_ids]
    arrays += [bias.user, bias.movie, np.array(bias.mean), bias.levels]  # residuals are the same a star higher
    arrays += [model.user_features.values, model.movie_features.values]
    if split.validation is not None:
        columns = ["user_id", "movie_id", "rating", "timestamp"]  # as float64: whatever the integers are kept in
        arrays += [split.validation[column].to_numpy(np.float64, na_value=np.nan) for column in columns]
    return sha256_of_arrays(*arrays)


def stars_recipe(hybrid: Hybrid, split: Split, batch_size: int, **settings) -> Recipe:
    """How the stars head is trained; where histories are lists, its batches hold few users and all their ratings."""
    columns, head = stars_rows(hybrid, split.train), hybrid.model.stars
    if head.in_movie_bag is not None:
        columns["in_movie_bag"] = head.in_movie_bag
    if isinstance(head.user.rated, Lists):
        columns |= {"movie_index": head.user.rated.other, "residual": head.user.rated.residual}  # not copied again
        starts = hybrid.model.past.starts
        return Recipe(columns, lambda rng: shuffled_groups(starts, LARGE * batch_size, rng), **settings)
    num_rows = len(columns["user_index"])
    return Recipe(columns, lambda rng: shuffled(num_rows, batch_size, rng), **settings)


def ranking_recipe(hybrid: Hybrid, users_per_batch: int, **settings) -> Recipe:
    """How the ranking head is trained: in passes over the users, ten in an epoch if they are few."""
    num_users = hybrid.indices.num_users
    passes = max(1, min(MOST_PASSES, USERS_PER_EPOCH // num_users))

    def order(rng):
        return np.concatenate([shuffled(num_users, users_per_batch, rng) for _ in range(passes)])

    settings |= {"averaged": AVERAGED, "unit": "user", "rate": "ranking_learning_rate"}
    return Recipe({"user_index": np.arange(num_users, dtype=np.int32)}, order, **settings)


def stars_rows(hybrid: Hybrid, train: pd.DataFrame) -> dict:
    """The columns that the stars head is trained on, `[N]` each, in the order of its history."""
    past = hybrid.model.past
    order = order_by_user_and_time(hybrid.indices.user_index(train["user_id"]), train["timestamp"].to_numpy())
    return {
        "user_index": past.user_index,
        "movie_index": past.movie_index,
        "week_index": hybrid.weeks.index(pd.DataFrame({"timestamp": past.timestamp})),
        "rating": train["rating"].to_numpy(np.float32)[order],
        "residual": past.residual,
        "session": session_features(past, dtype=np.float16),  # 16 bytes a rating instead of 32
    }


def _quality(hybrid: Hybrid, head: str, split: Split, liked_from: float) -> Callable | None:
    """What the head is judged by: RMSE, or NDCG@10, on validation; None without one."""
    validation = split.validation
    if validation is None:
        return None
    liked = _of_some_users(validation[validation["rating"] >= liked_from])
    if head == "ranking" and not len(liked):
        raise ValueError(
            f"no user of validation has a movie of at least {liked_from} stars there; the highest of "
            f"{len(validation):,} ratings is {validation['rating'].max():g}. `liked_from` says what counts as liked."
        )

    def stars():
        return "rmse", metrics.rmse(hybrid.predict(validation), validation["rating"]), False

    def ranking():
        ranks = held_out_ranks(hybrid.score, liked, split.train, hybrid.indices)
        return "ndcg@10", evaluate_ranks(ranks, liked, hybrid.indices, liked_from=liked_from)["ndcg@10"].mean(), True

    return {"stars": stars, "ranking": ranking}[head]


def _of_some_users(ratings: pd.DataFrame) -> pd.DataFrame:
    """All rows of `MOST_VALIDATED` users, drawn once: their mean differs from everybody's by less than seeds do."""
    users = ratings["user_id"].unique()
    if len(users) <= MOST_VALIDATED:
        return ratings
    return ratings[ratings["user_id"].isin(np.random.default_rng(0).choice(users, MOST_VALIDATED, replace=False))]


def _checked_heads(heads) -> tuple:
    """Each head once, in the order of `HEADS`."""
    if isinstance(heads, str) or not heads or not set(heads) <= set(HEADS):
        raise ValueError(f"`heads` must be some of {HEADS}, got {heads!r}.")
    return tuple(head for head in HEADS if head in heads)


def _check_above_zero(**settings) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}.")
