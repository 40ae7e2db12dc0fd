"""A split in, a trained `Hybrid` out: shuffled batches, early stopping on validation, the best epoch of each head kept.

Taught in notebooks/06_training.
"""

import time

import numpy as np
import pandas as pd

from movierec import evaluation, features, metrics
from movierec.baselines import Bias
from movierec.indices import make_indices
from movierec.keras2 import tf
from movierec.models import HEADS, HybridModel
from movierec.recommend import Hybrid, titles_of
from movierec.splits import Split

STARS_EPOCHS, RANKING_EPOCHS = 6, 14  # chosen on validation (notebook 06): used where a split has no validation part


class KeepBest(tf.keras.callbacks.Callback):
    """Measures both heads on validation after each epoch; at the end each head has the weights of its best epoch.

    Stars are judged by RMSE, ranking by NDCG@10. Training stops when neither has improved for `patience` epochs.
    Without a validation part, each head keeps the weights of the epoch it is told.
    """

    def __init__(self, hybrid: Hybrid, split: Split, patience: int, liked_from: float, *epochs: int):
        super().__init__()
        self.hybrid, self.split, self.patience, self.liked_from = hybrid, split, patience, liked_from
        self.fixed = dict(zip(HEADS, epochs, strict=True))
        self.best = {}  # head -> quality, epoch, weights
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        losses = {head: logs[f"{head}_loss"] for head in self.model.trained_heads}
        if not np.isfinite(list(losses.values())).all():
            raise ValueError(
                f"the loss must be finite; in epoch {epoch + 1} it is {losses}. Use a smaller learning_rate, or look "
                "for odd ratings in train."
            )
        row = {"epoch": epoch + 1} | {f"train_{head}_loss": loss for head, loss in losses.items()}
        if self.split.validation is not None:
            row |= self.measure()
            quality = {"stars": -row.get("validation_rmse", 0.0), "ranking": row.get("validation_ndcg@10", 0.0)}
        else:
            quality = {head: -abs(epoch + 1 - last) for head, last in self.fixed.items()}
        self.rows.append(row)
        for head in self.model.trained_heads:
            if head not in self.best or quality[head] > self.best[head][0]:
                self.best[head] = (quality[head], epoch + 1, getattr(self.model, head).get_weights())
        since_best = epoch + 1 - max(best_epoch for _, best_epoch, _ in self.best.values())
        self.model.stop_training = since_best >= self.patience

    def measure(self) -> dict:
        """RMSE and NDCG@10 on validation, of the heads that are trained."""
        validation, columns = self.split.validation, {}
        if "stars" in self.model.trained_heads:
            columns["validation_rmse"] = metrics.rmse(self.hybrid.predict(validation), validation["rating"])
        if "ranking" in self.model.trained_heads:
            ranked = evaluation.evaluate_ranking(
                self.hybrid.score, self.split, self.hybrid.indices, part="validation", liked_from=self.liked_from
            )
            columns["validation_ndcg@10"] = ranked["ndcg@10"].mean()
        return columns

    def on_train_end(self, logs=None):
        for head, (_, _, weights) in self.best.items():
            getattr(self.model, head).set_weights(weights)


def fit_hybrid(
    split: Split,
    movies: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    *,
    seed: int = 0,
    heads: tuple = HEADS,
    epochs: int = 30,
    patience: int = 5,
    batch_size: int = 1024,
    learning_rate: float = 0.001,
    liked_from: float = evaluation.LIKED_FROM_STARS,
    stars_epochs: int = STARS_EPOCHS,
    ranking_epochs: int = RANKING_EPOCHS,
    verbose: int = 0,
    **model_settings,
) -> Hybrid:
    """A hybrid fitted on `split.train`, each head at its best epoch on `split.validation`.

    Same seed, same machine, same result: TensorFlow's deterministic operations are switched on for the process.

    Args:
        split: train; validation for early stopping, or None; test is not touched.
        movies: movie_id, title, year, genres; movies without a rating can be recommended through it. May be None.
        users: user_id, age, gender, occupation, any of them. May be None.
        seed: of the weights, the batches and dropout.
        heads: which heads to train; ("stars",) if only `predict` is wanted, ("ranking",) if only lists are.
        epochs: at most so many passes over train; without a validation part, see stars_epochs.
        patience: passes without a better validation value before stopping.
        batch_size: ratings a step; also the number of candidates in the ranking softmax.
        learning_rate: of Adam.
        liked_from: stars from which a validation movie is relevant; lower it where the scale is not 1 to 5.
        stars_epochs, ranking_epochs: passes for each head if there is no validation part.
        verbose: 0 silent, 1 a progress bar, as in `keras.Model.fit`.
        **model_settings: dim, ranking_dim, hidden, dropout and the penalties of `HybridModel`.

    Returns:
        A `Hybrid`, with `history` (one row an epoch), `best_epochs` and `fit_seconds`.

    Raises:
        ValueError: if the loss stops being finite, or a setting is out of its range.
    """
    if not heads or not set(heads) <= set(HEADS):
        raise ValueError(f"`heads` must be some of {HEADS}, got {heads!r}.")
    if not isinstance(split, Split):
        raise ValueError(
            f"`split` must be a Split, got {type(split).__name__}. Try movierec.split_by_user_time(data.ratings)."
        )
    _check_settings(
        epochs=epochs, patience=patience, batch_size=batch_size, learning_rate=learning_rate,
        stars_epochs=stars_epochs, ranking_epochs=ranking_epochs,
        **{name: value for name, value in model_settings.items() if name in ("dim", "ranking_dim")},
    )  # fmt: skip
    started = time.perf_counter()
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    train = split.train
    indices = make_indices(train, movies)
    bias = Bias(train, indices)
    weeks = features.make_weeks(train)
    model = HybridModel(
        features.make_history(train, indices, bias),
        features.user_features(users, indices),
        features.movie_features(movies, indices),
        bias,
        weeks.count,
        **model_settings,
    )
    seen = train if split.validation is None else pd.concat([train, split.validation])
    hybrid = Hybrid(model, indices, titles_of(movies, indices), weeks, bias, seen)
    rows = features.rating_rows(train, indices, weeks, bias.residuals(train))
    batch_size = min(batch_size, len(train))
    keep_best = KeepBest(hybrid, split, patience, liked_from, stars_epochs, ranking_epochs)
    model.train_only(heads)
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(learning_rate))
    model.fit(
        features.batches(rows, batch_size, seed),
        epochs=epochs if split.validation is not None else max(keep_best.fixed[head] for head in heads),
        steps_per_epoch=len(train) // batch_size,
        callbacks=[keep_best],
        verbose=verbose,
    )
    model.train_only(HEADS)  # nothing is frozen in what the caller gets
    hybrid.history = pd.DataFrame(keep_best.rows)
    hybrid.best_epochs = {head: epoch for head, (_, epoch, _) in keep_best.best.items()}
    hybrid.fit_seconds = time.perf_counter() - started
    return hybrid


def _check_settings(**settings) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0, got {value}.")
