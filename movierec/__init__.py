"""A hybrid neural movie recommender, taught notebook by notebook. The README lists the public surface.

Light to import: TensorFlow is loaded when a model is first asked for, on Keras 2 (see `movierec.keras2`).
"""

import importlib

from movierec import keras2 as keras2  # first: it must set the environment before TensorFlow is imported
from movierec.data import (
    MovieLens,
    Split,
    load,
    read,
    split_by_time,
    split_by_user_time,
    split_leave_last,
    split_random5,
    split_stratified,
)

_LAZY = {
    "fit_hybrid": "movierec.training.fit",
    "fit_ensemble": "movierec.training.fit",
    "fit_sequence": "movierec.training.sequence",
    "load_model": "movierec.recommend.storage",
    "Hybrid": "movierec.recommend.recommender",
    "Ensemble": "movierec.recommend.ensemble",
}

__all__ = ["MovieLens", "Split", "load", "read", "split_by_time", "split_by_user_time", "split_leave_last"]
__all__ += ["split_random5", "split_stratified", *_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'movierec' has no attribute '{name}'; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
