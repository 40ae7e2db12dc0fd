"""A hybrid neural movie recommender, taught notebook by notebook. The README lists the public surface.

Light to import: TensorFlow is loaded when a model is first asked for, on Keras 2 (see `movierec.keras2`). Each folder
is one stage of the course, in the order in which data flow: data, evaluation, baselines, models, recommend, training;
then feedback, serving and play. A folder's `__init__.py` says what it is for and hands on its public names.
"""

import lazy_loader

from movierec import keras2 as keras2  # first: it must set the environment before TensorFlow is imported

_public, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": [
            "MovieLens",
            "Split",
            "load",
            "read",
            "split_by_time",
            "split_by_user_time",
            "split_leave_last",
            "split_random5",
            "split_stratified",
        ],
        "recommend": ["Ensemble", "Hybrid", "SequenceRecommender", "load_model"],
        "training": ["fit_ensemble", "fit_hybrid", "fit_sequence"],
    },
)


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module 'movierec' has no attribute '{name}'; it has {', '.join(__all__)}")
    return _public(name)
