"""A split in, a trained `Hybrid` out: shuffled batches, early stopping on validation, the best epoch of each head kept.

Taught in notebooks/06_training.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec import evaluation, features, metrics
from movierec.baselines import Bias
from movierec.ensemble import Ensemble
from movierec.histories import make_history, session_features
from movierec.indices import make_indices
from movierec.keras2 import tf
from movierec.layers import Stop, one_at_a_time, shuffled
from movierec.models import HEADS, HybridModel
from movierec.recommend import Hybrid
from movierec.settings import Settings
from movierec.splits import Split

STARS_EPOCHS, RANKING_EPOCHS = 6, 16  # chosen on validation (notebook 06): used where a split has no validation part
PASSES, AVERAGED = 10, 0.5  # of the ranking head, see `Recipe`: in each pass other films are hidden


class Recipe(NamedTuple):
    """How one head is trained.

    Attributes:
        rows: columns `[N, …]` that a batch is drawn from.
        batch_size: rows a step.
        learning_rate: of Adam.
        epochs: at most so many.
        quality: () -> (name, value, whether higher is better) on validation; None: train for all `epochs`.
        passes: over the rows in an epoch.
        averaged: what is judged and kept is the running average a ← averaged · a + (1 − averaged) · w of the weights w
            after each epoch; 0 is w itself.
    """

    rows: dict
    batch_size: int
    learning_rate: float
    epochs: int
    quality: Callable | None
    passes: int = 1
    averaged: float = 0.0


class Stopped(Exception):
    """A training was stopped before a head had finished its first epoch: there is nothing to keep."""


def fit_head(
    hybrid: Hybrid, head: str, recipe: Recipe, patience: int, seed: int, on_epoch=None, stop: Stop | None = None
) -> pd.DataFrame:
    """One row an epoch; the head is left with the weights of its best one, or of its last if there is no `quality`."""
    model, layer = hybrid.model, getattr(hybrid.model, head)
    model.train_only((head,))
    model.stop = stop = stop or Stop()
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(recipe.learning_rate))
    rng, table, average, best_value = np.random.default_rng(seed), [], None, -np.inf
    for epoch in range(1, recipe.epochs + 1):
        batches = (shuffled(recipe.rows, recipe.batch_size, rng) for _ in range(recipe.passes))
        losses = np.concatenate([model.train_epoch(columns).numpy() for columns in batches])
        if stop.asked:
            break  # within an epoch, or just after its last batch: it does not count
        _check_finite(losses, head, epoch)
        row = {"epoch": epoch, f"train_{head}_loss": float(losses.mean())}
        weights = layer.get_weights()
        average = weights if average is None else _mix(average, weights, recipe.averaged)
        value = epoch  # without validation the last epoch is the best
        if recipe.quality is not None:
            layer.set_weights(average)
            name, value, higher_is_better = recipe.quality()
            layer.set_weights(weights)
            row[f"validation_{name}"] = value
            value = value if higher_is_better else -value
        if value > best_value:
            best_value, best_weights, hybrid.best_epochs[head] = value, average, epoch
        table.append(row)
        if on_epoch is not None:
            on_epoch(row)
        if epoch - hybrid.best_epochs[head] >= patience:
            break
    if not table:
        raise Stopped(f"stopped before the first epoch of the {head} head was over; nothing is kept.")
    layer.set_weights(best_weights)
    return pd.DataFrame(table)


def _mix(average: list, weights: list, share: float) -> list:
    return [share * a + (1 - share) * w for a, w in zip(average, weights, strict=True)]


def _check_finite(losses: np.ndarray, head: str, epoch: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        setting = {"stars": "learning_rate", "ranking": "ranking_learning_rate"}[head]
        raise ValueError(
            f"the loss must be finite; that of the {head} head is {losses[bad[0]]} in epoch {epoch}, batch "
            f"{bad[0] + 1} of {len(losses)}. Use a smaller `{setting}`, or look for odd ratings in train."
        )


@one_at_a_time
def fit_hybrid(
    split: Split,
    movies: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    *,
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
    **settings,
) -> Hybrid:
    """A hybrid fitted on `split.train`, each head at its best epoch on `split.validation`.

    Same seed, same machine, same result: TensorFlow's deterministic operations are switched on for the process, and a
    second call waits for one in another thread. If the split is in time, the ranking head is trained to say what comes
    next; else, what is missing.

    Args:
        split: train; validation for early stopping, or None; test is not touched.
        movies: movie_id, title, year, genres; movies without a rating can be recommended through it. May be None.
        users: user_id, age, gender, occupation, any of them. May be None.
        seed: of the weights, the batches, dropout and what is hidden.
        heads: which heads to train; ("stars",) if only `predict` is wanted, ("ranking",) if only lists are.
        epochs: at most so many; one of the stars is a pass over the ratings, one of the ranking ten over the users.
            Without a validation part, see stars_epochs.
        patience: epochs without a better validation value before stopping.
        batch_size, learning_rate: ratings in a step of the stars head, and the rate of Adam.
        users_per_batch, ranking_learning_rate: users in a step of the ranking head, and the rate of Adam.
        liked_from: stars from which a validation movie is relevant; lower it where the scale is not 1 to 5.
        stars_epochs, ranking_epochs: epochs of each head if there is no validation part.
        on_epoch: called after each epoch with its row of `history`, e.g. to draw it.
        stop: `stop.ask()`, from another thread or from `on_epoch`, ends the training after the batch that is running;
            what each head has learned until its best epoch is kept.
        **settings: see `Settings`.

    Returns:
        A `Hybrid`, with `history` (one row an epoch), `best_epochs` and `fit_seconds`.

    Raises:
        ValueError: if the loss stops being finite, or a setting is out of its range.
        Stopped: if `stop` was asked before each head had finished an epoch.
    """
    heads = _checked_heads(heads)
    if not isinstance(split, Split):
        raise ValueError(
            f"`split` must be a Split, got {type(split).__name__}. Try movierec.split_by_user_time(data.ratings)."
        )
    _check_above_zero(
        epochs=epochs, patience=patience, batch_size=batch_size, learning_rate=learning_rate,
        users_per_batch=users_per_batch, ranking_learning_rate=ranking_learning_rate,
        stars_epochs=stars_epochs, ranking_epochs=ranking_epochs,
    )  # fmt: skip
    settings = Settings(**settings)
    started = time.perf_counter()
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    hybrid = _untrained(split, movies, users, heads, settings)
    hybrid.seed = seed
    recipes = {
        "stars": Recipe(
            rows=stars_rows(hybrid, split.train), batch_size=batch_size, learning_rate=learning_rate,
            epochs=epochs if split.validation is not None else stars_epochs,
            quality=_quality(hybrid, "stars", split, liked_from),
        ),
        "ranking": Recipe(
            rows={"user_index": np.arange(hybrid.indices.num_users, dtype=np.int32)}, batch_size=users_per_batch,
            learning_rate=ranking_learning_rate, passes=PASSES, averaged=AVERAGED,
            epochs=epochs if split.validation is not None else ranking_epochs,
            quality=_quality(hybrid, "ranking", split, liked_from),
        ),
    }  # fmt: skip
    tables = [fit_head(hybrid, head, recipes[head], patience, seed, on_epoch, stop) for head in heads]
    hybrid.model.train_only(HEADS)  # nothing is frozen in what the caller gets
    hybrid.history = tables[0] if len(tables) == 1 else tables[0].merge(tables[1], on="epoch", how="outer")
    hybrid.fit_seconds = time.perf_counter() - started
    return hybrid


def fit_ensemble(split: Split, *tables, seeds: tuple = (0, 1, 2), **settings) -> Ensemble:
    """The mean of hybrids that differ in their seed only: better, and as many times as slow to fit and to ask.

    Args: as `fit_hybrid`, and seeds. If it is stopped before the last of them has finished an epoch, nothing is kept.
    """
    if not len(seeds):
        raise ValueError("`seeds` is empty; name at least one, e.g. seeds=(0, 1, 2).")
    return Ensemble([fit_hybrid(split, *tables, seed=seed, **settings) for seed in seeds])


def _untrained(split: Split, movies, users, heads: tuple, settings: Settings) -> Hybrid:
    train = split.train
    indices = make_indices(train, movies)
    bias, weeks = Bias(train, indices), features.make_weeks(train)
    in_order = split.in_time is not None and "order" not in settings.without
    model = HybridModel(
        make_history(train, indices, bias, in_order),
        features.user_features(users, indices),
        features.movie_features(movies, indices),
        bias,
        weeks.count,
        heads,
        settings,
    )
    seen = train if split.validation is None else pd.concat([train, split.validation])
    return Hybrid(model, indices, movies, weeks, bias, seen)


def stars_rows(hybrid: Hybrid, train: pd.DataFrame) -> dict:
    """The columns that the stars head is trained on, `[N]` each, in the order of its history."""
    train = train.sort_values(["user_id", "timestamp"])  # stable, as the history
    rows = features.rating_rows(train, hybrid.indices, hybrid.weeks, hybrid.bias.residuals(train))
    return rows | {"session": session_features(hybrid.model.past)}


def _quality(hybrid: Hybrid, head: str, split: Split, liked_from: float) -> Callable | None:
    """What the head is judged by: RMSE, or NDCG@10, on validation; None without one."""
    validation = split.validation

    def stars():
        return "rmse", metrics.rmse(hybrid.predict(validation), validation["rating"]), False

    def ranking():
        part = {"part": "validation", "liked_from": liked_from}
        return (
            "ndcg@10",
            evaluation.evaluate_ranking(hybrid.score, split, hybrid.indices, **part)["ndcg@10"].mean(),
            True,
        )

    return None if validation is None else {"stars": stars, "ranking": ranking}[head]


def _checked_heads(heads) -> tuple:
    """Each head once, in the order of `HEADS`."""
    if isinstance(heads, str) or not heads or not set(heads) <= set(HEADS):
        raise ValueError(f"`heads` must be some of {HEADS}, got {heads!r}.")
    return tuple(head for head in HEADS if head in heads)


def _check_above_zero(**settings) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}.")
