"""Train a hybrid, or an ensemble, on a split: shuffled batches, early stopping, the best epoch of each head kept.

Taught in notebooks/06_training and, for large data, notebooks/13_scale.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from movierec.baselines import Bias
from movierec.calls import INSTEAD_OF_A_SPLIT, check_above_zero, check_keywords, wrong_kind
from movierec.data import Split, features, make_indices
from movierec.data.units import say
from movierec.evaluation import LIKED_FROM_STARS
from movierec.keras2 import tf
from movierec.models import (
    HEADS,
    HybridModel,
    Settings,
    deterministic_ops,
    make_history,
)
from movierec.recommend import Ensemble, Hybrid
from movierec.scale import FIVE_STARS, Scale, has_stars, scale_of
from movierec.training.callbacks import OPTIMIZERS, Stop, fit_head
from movierec.training.checkpoints import Checkpoints
from movierec.training.recipes import (
    digest,
    held_out,
    keep_linear_if_it_helps,
    quality_of,
    ranking_recipe,
    say_what_is_left_out,
    stars_recipe,
    validated_lists,
)

EPOCHS_ON_ML_100K = {"stars_epochs": 7, "ranking_epochs": 16}  # chosen on its validation part (notebook 06)


@check_keywords(*Settings.model_fields)
@deterministic_ops()
def fit_hybrid(
    split: Split, movies: pd.DataFrame | None = None, users: pd.DataFrame | None = None, *,
    about_movies: pd.DataFrame | None = None, about_users: pd.DataFrame | None = None, seed: int = 0,
    heads: tuple = HEADS, epochs: int = 80, patience: int = 5, batch_size: int = 1024, learning_rate: float = 0.001,
    users_per_batch: int = 256, ranking_learning_rate: float = 0.004, scale: tuple | None = None,
    liked_from: float | None = None, stars_epochs: int | None = None, ranking_epochs: int | None = None,
    optimizer: str = "lazy_adam",
    on_epoch: Callable[[dict], None] | None = None, stop: Stop | None = None, progress: bool = False,
    callbacks: Sequence = (), checkpoint=None, checkpoint_steps: int = 500,
    strategy: "tf.distribute.Strategy | None" = None, **settings,
) -> Hybrid:  # fmt: skip
    """Fit a hybrid on `split.train`, each head at its best epoch on `split.validation`.

    If the split is in time, the ranking head learns to predict what comes next; else, what is missing. The same seed
    on the same machine gives the same model to the bit: TensorFlow's deterministic kernels are switched on meanwhile,
    so a second call waits for one in another thread. NumPy's and Python's generators are left alone.

    Where users x movies is more than `most_pairs`, histories are lists: a batch of the stars head has few users with
    all of their ratings, and the `most_raters` most active users stand for those who rated a movie. Memory is at most
    0.7 GB, 160 bytes for each rating of train, and 8 x `most_raters` bytes for each movie.

    Args:
        split: train; validation for early stopping, or None. Test is not touched.
        movies, users: tables with movie_id, title, year, genres; with user_id, age, gender, occupation; or None.
        about_movies, about_users: more columns of your own, with movie_id or user_id; see `table_features`.
        seed: of the initial weights, the batches, dropout and what is hidden.
        heads: which heads to train: ("stars",) if only `predict` is wanted, ("ranking",) if only lists are.
        epochs, patience: at most so many, and so many without a better validation value. An epoch of the stars head is
            a pass over the ratings; one of the ranking head is a pass over the users, or ten if they are few.
        batch_size, users_per_batch: ratings in a step of the stars head (eight times as many if histories are lists),
            users in one of the ranking head; learning_rate and ranking_learning_rate are the rates of their optimiser.
        scale: the fewest and the most stars, e.g. (0, 10); None: that of the table, or as the ratings look.
        liked_from: stars from which a validation movie is relevant; None: 4 of 5, 8 of 10, all if no ratings differ.
        stars_epochs, ranking_epochs: epochs of each head if there is no validation part. None: they are found first, in
            another training for which a tenth of train is held out, then all of train is learned; where that tenth
            cannot judge, they are `EPOCHS_ON_ML_100K`.
        optimizer: "lazy_adam", "adam" or "adagrad".
        on_epoch: called after each epoch with its row of `history`.
        stop: `stop.ask()`, from another thread or from `on_epoch`, ends the training within a second or a step; the
            best epoch of each head is kept.
        progress: whether to show Keras's bar, with the time left and the loss.
        callbacks: Keras callbacks. Each head has a `fit` of its own: `model.fitted_head` is its name, and the logs of
            an epoch have train_<head>_loss, and validation_rmse or validation_ndcg@10.
        checkpoint, checkpoint_steps: a folder that is written to every so many steps. After a crash, the same call
            resumes there and returns the model of an uninterrupted training, to the bit. Delete it when that is saved.
        strategy: of `tf.distribute`, to train with several workers, see `movierec.training.workers`.
        **settings: see `Settings`.

    Returns:
        A `Hybrid` with `history` (one row an epoch), `best_epochs` and `fit_seconds`.

    Raises:
        ValueError: if the loss stops being finite, a setting is out of range, or the checkpoint is another training's.
        OSError: if the checkpoint's folder cannot be written.
        Stopped: if `stop` was asked before each head had finished an epoch.
    """
    asked = {**locals()}
    asked |= asked.pop("settings")
    settings = Settings(**settings)
    if isinstance(heads, str) or not heads or not set(heads) <= set(HEADS):
        raise ValueError(f"`heads` must be some of {HEADS}, got {heads!r}.")
    heads = tuple(head for head in HEADS if head in heads)
    if not isinstance(split, Split):
        raise wrong_kind(split, "split", "a Split", INSTEAD_OF_A_SPLIT)
    settings = settings.for_split(split.in_time)
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"`optimizer` must be one of {', '.join(OPTIMIZERS)}; got {optimizer!r}.")
    numbers = {
        "epochs": epochs, "patience": patience,
        "batch_size": batch_size, "users_per_batch": users_per_batch,
        "learning_rate": learning_rate, "ranking_learning_rate": ranking_learning_rate,
    }  # fmt: skip
    fixed_epochs = {"stars": stars_epochs, "ranking": ranking_epochs}
    told = {f"{head}_epochs": number for head, number in fixed_epochs.items() if number is not None}
    check_above_zero(**numbers, **told, checkpoint_steps=checkpoint_steps)
    started = time.perf_counter()
    if split.validation is None and (unknown := tuple(head for head in heads if fixed_epochs[head] is None)):
        found, is_linear_kept = _epochs_found(asked | {"heads": unknown})
        fixed_epochs |= found
        if not is_linear_kept:
            settings = settings.model_copy(update={"linear_weight": 0.0})
    split, heads, scale = _inside(split, heads, scale)
    liked_from = LIKED_FROM_STARS if liked_from is None else float(scale.inside(liked_from))

    build = partial(_untrained, split, movies, users, about_movies, about_users, heads, settings, seed, scale)
    with tf.distribute.get_strategy().scope() if strategy is None else strategy.scope():
        hybrid = build()
    model, checkpoints = hybrid.model, None
    say_what_is_left_out(model)
    if checkpoint is not None:
        question = numbers | fixed_epochs | settings.model_dump()
        question |= {"seed": seed, "heads": heads, "optimizer": optimizer}
        question |= {"liked_from": liked_from, "in_order": model.past.in_order, "data": digest(hybrid, split)}
        resolver = model.distribute_strategy.cluster_resolver
        is_writer = resolver is None or not resolver.task_id
        checkpoints = Checkpoints(checkpoint, question, checkpoint_steps, is_writer)
    recipes = {
        "stars": lambda: stars_recipe(hybrid, split.train, batch_size) | {"learning_rate": learning_rate},
        "ranking": lambda: ranking_recipe(hybrid, users_per_batch) | {"learning_rate": ranking_learning_rate},
    }
    qualities = {head: quality_of(hybrid, head, split, liked_from) for head in heads}  # refused before training
    tables, best_epochs = [], {}
    for head in heads:
        model.train_only((head,))
        table, best_epochs[head] = fit_head(
            model, head, **recipes[head](), optimizer=optimizer, patience=patience,
            epochs=fixed_epochs[head] if split.validation is None else epochs,
            quality=qualities[head],
            on_epoch=on_epoch, stop=stop, progress=progress, checkpoints=checkpoints, callbacks=callbacks,
        )  # fmt: skip
        tables.append(table)
    model.train_only(HEADS)  # nothing is frozen in what the caller gets
    if strategy is not None:
        hybrid = build()  # without the strategy: one worker asks and saves it without the others
        for head in heads:
            getattr(hybrid.model, head).set_weights(getattr(model, head).get_weights())
    if "ranking" in heads and split.validation is not None and not {"linear_weight", "linear_rank"} & set(asked):
        keep_linear_if_it_helps(hybrid, validated_lists(hybrid, split, liked_from))
    hybrid.best_epochs = best_epochs
    hybrid.history = tables[0] if len(tables) == 1 else tables[0].merge(tables[1], on="epoch", how="outer")
    hybrid.fit_seconds = time.perf_counter() - started
    return hybrid


@check_keywords(*(name for name in fit_hybrid.keywords if name != "seed"))
def fit_ensemble(split: Split, *tables, seeds: tuple = (0, 1, 2), checkpoint=None, **settings) -> Ensemble:
    """Fit hybrids that differ in their seed only; their mean is better, and as many times slower to fit and to ask.

    For arguments and errors see `fit_hybrid`. The checkpoint has a folder for each seed.
    """
    if isinstance(seeds, int) or not len(seeds):
        raise ValueError(f"`seeds` is {seeds or 'empty'}; name one for each member, e.g. seeds=(0, 1, 2).")

    def fit(seed):
        own = None if checkpoint is None else Path(checkpoint) / f"seed-{seed}"
        return fit_hybrid(split, *tables, seed=seed, checkpoint=own, **settings)

    return Ensemble([fit(seed) for seed in seeds])


def _untrained(
    split: Split, movies, users, about_movies, about_users, heads: tuple, settings: Settings, seed: int, scale
) -> Hybrid:
    train = split.train
    indices = make_indices(train, movies)
    bias, weeks = Bias(train, indices, damping_user=settings.user_damping), features.make_weeks(train)
    in_order = split.in_time is not None and "order" not in settings.without
    known = features.user_features(users, indices, about_users), features.movie_features(movies, indices, about_movies)
    past = make_history(train, indices, bias, in_order)
    model = HybridModel(past, *known, bias, weeks.count, heads, settings, seed)
    parts = [train] if split.validation is None else [train, split.validation]
    seen = pd.concat([part[["user_id", "movie_id"]] for part in parts], ignore_index=True)
    hybrid = Hybrid(model, indices, movies, weeks, bias, seen, scale)
    hybrid.seed = seed
    return hybrid


def _epochs_found(asked: dict) -> tuple[dict, bool]:
    """Return the best epoch of each head where a tenth of train is held out, and whether the linear path helped there.

    `asked`: the arguments of `fit_hybrid`. Where the tenth cannot judge, the epochs of MovieLens-100K are returned; an
    error that has another reason comes again when all of train is learned.
    """
    try:
        found = fit_hybrid(
            **asked | {"split": held_out(asked["split"]), "checkpoint": None, "callbacks": (), "on_epoch": None}
        )
    except ValueError:
        return {head: EPOCHS_ON_ML_100K[f"{head}_epochs"] for head in asked["heads"]}, True
    return found.best_epochs, getattr(found.model.ranking, "linear", 0) is not None


def _inside(split: Split, heads: tuple, scale: tuple | None) -> tuple[Split, tuple, Scale]:
    """Return the split in the stars of the models, the heads that can be trained, and the scale."""
    if not has_stars(split.train):
        if heads == ("stars",):
            raise ValueError("the stars head needs ratings that differ; all of train are equal. Use the ranking head.")
        if "stars" in heads:
            say("All ratings are equal, so they say what was watched: only the ranking head is trained, for lists.")
        return split, ("ranking",), FIVE_STARS
    parts = {name: part for name, part in vars(split).items() if name in ("train", "validation") and part is not None}
    is_said = scale is not None or split.train.attrs.get("scale") is not None
    scale = scale_of(*parts.values(), given=scale)
    if scale.is_identity:
        return split, heads, scale
    if not is_said:
        say(f"The ratings are taken for stars on the scale {scale}; fit_hybrid(…, scale=(low, high)) names another.")
    mapped = {name: part.assign(rating=scale.inside(part["rating"])) for name, part in parts.items()}
    return replace(split, **mapped), heads, scale
