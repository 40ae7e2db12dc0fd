"""Train self-attention on a split in time to recommend the next film, as the hybrid is trained.

Taught in notebooks/10_self_attention.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from movierec.calls import check_above_zero, check_keywords
from movierec.data import UNKNOWN, Split, features, has_time, make_indices
from movierec.evaluation import evaluate_ranking
from movierec.files import sha256_of_arrays
from movierec.keras2 import tf
from movierec.models import LOSSES, SequenceModel, deterministic_ops, windows
from movierec.recommend import SequenceRecommender, history_of
from movierec.training.callbacks import Stop, fit_head
from movierec.training.checkpoints import Checkpoints

AVERAGED = 0.5  # see `BestEpoch`
PAIR = ("user_id", "movie_id")
LEAVE_LAST = "Try movierec.split_leave_last(data.ratings)."


@check_keywords()
@deterministic_ops()
def fit_sequence(
    split: Split, movies: pd.DataFrame | None = None, *, seed: int = 0, loss: str = "softmax", length: int = 50,
    dim: int = 64, blocks: int = 2, dropout: float = 0.3, penalty: float = 0.0, has_places: bool = True,
    has_gaps: bool = True, gated: bool = False, epochs: int = 40, patience: int = 5, batch_size: int = 128,
    learning_rate: float = 0.006, on_epoch: Callable[[dict], None] | None = None, stop: Stop | None = None,
    progress: bool = False, callbacks: Sequence = (), checkpoint=None, checkpoint_steps: int = 500,
) -> SequenceRecommender:  # fmt: skip
    """Fit a self-attention recommender on `split.train`, at its best epoch on `split.validation`.

    It is judged by NDCG@10 of all films that come next, whatever their stars. What is returned reads train and
    validation, as far as their films are known from train or `movies`. Same seed, same machine, same result.
    Memory grows with length² and with batch_size x length x num_movies: 45 MB and 86 MB with the defaults.

    Args:
        split: in time; train, validation for early stopping, or None: then all of `epochs` are trained.
        movies: movie_id, year, genres; may be None.
        loss: "softmax" over all films; "sampled", over 256 drawn at random; or "bce", against one drawn at random.
        length: newest films of a history that are read; longer ones are cut into windows.
        dim, blocks, dropout, penalty, has_places, has_gaps, gated: see `SequenceModel` and `AttentionEncoder`.
        batch_size, learning_rate: windows in a step, and the rate of the optimiser, Adam.
        seed, epochs, patience, on_epoch, stop, progress, callbacks: as of `fit_hybrid`; the head is called "sequence".
        checkpoint, checkpoint_steps: as of `fit_hybrid`.

    Raises:
        ValueError: if the split is not in time, a setting is out of its range, the loss stops being finite, or the
            checkpoint is another training's.
    """
    if not isinstance(split, Split) or split.in_time is None:
        found = f"{split}, which is not" if isinstance(split, Split) else type(split).__name__
        is_timeless = isinstance(split, Split) and not has_time(split.train)
        advice = "Its ratings have no times: fit_hybrid(split) needs none." if is_timeless else LEAVE_LAST
        raise ValueError(f"`split` must be a Split in time, or nothing says what comes next; got {found}. {advice}")
    if loss not in LOSSES:
        raise ValueError(f"`loss` must be one of {', '.join(LOSSES)}; got {loss!r}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be a share, 0 to below 1, got {dropout}.")
    if not penalty >= 0:
        raise ValueError(f"`penalty` must be 0 or more, got {penalty}.")
    above_zero = {"length": length, "dim": dim, "blocks": blocks, "epochs": epochs, "patience": patience}
    above_zero |= {"batch_size": batch_size, "learning_rate": learning_rate}
    check_above_zero(**above_zero, checkpoint_steps=checkpoint_steps)
    indices = make_indices(split.train, movies)
    past = history_of(split.train, indices)
    about = tf.constant(features.movie_features(movies, indices).values)
    settings = {"loss": loss, "dim": dim, "dropout": dropout, "penalty": penalty, "length": length, "blocks": blocks}
    settings |= {"has_places": has_places, "has_gaps": has_gaps, "gated": gated}
    count = np.bincount(past.movie_index, minlength=indices.num_movies)
    model = SequenceModel(count, about, seed=seed, **settings)
    checkpoints = None
    if checkpoint is not None:
        learned = [past.user_index, past.movie_index, past.timestamp, about.numpy()]
        judged = [] if split.validation is None else [split.validation[name].to_numpy(str) for name in PAIR]
        question = above_zero | settings | {"seed": seed, "data": sha256_of_arrays(*learned, *judged)}
        checkpoints = Checkpoints(checkpoint, question, checkpoint_steps)
    learning = SequenceRecommender(model, indices, past, settings, movies)  # which reads train alone

    def quality():
        ranked = evaluate_ranking(lambda users: learning.score(users), split, indices, "validation", liked_from=0)
        return "ndcg@10", float(ranked["ndcg@10"].mean()), True

    history, best_epoch = fit_head(
        model, "sequence", windows(past, length)._asdict(), batch_size, optimizer="adam", learning_rate=learning_rate,
        epochs=epochs, patience=patience, quality=quality if split.validation is not None else None,
        averaged=AVERAGED, on_epoch=on_epoch, stop=stop, progress=progress, callbacks=callbacks,
        checkpoints=checkpoints,
    )  # fmt: skip
    ratings = split.train if split.validation is None else pd.concat([split.train, split.validation])
    user, movie = indices.user_index(ratings["user_id"]), indices.movie_index(ratings["movie_id"])
    recommender = learning.reading(ratings[(user != UNKNOWN) & (movie != UNKNOWN)])
    recommender.history, recommender.best_epochs = history, {"sequence": best_epoch}
    return recommender
