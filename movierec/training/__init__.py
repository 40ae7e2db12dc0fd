"""Training: fit a hybrid, an ensemble or a self-attention model with Keras.

`fit_hybrid`, `fit_ensemble` and `fit_sequence` take a split and return a recommender. Early stopping, the progress bar
and stopping by hand are Keras callbacks; checkpoints let a training continue after a crash, and several workers can
share it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "callbacks": ["LazyAdam", "OPTIMIZERS", "Stop", "Stopped", "fit_head"],
        "course_model": ["load_or_train", "model_folder", "save_course_model"],
        "fit": ["EPOCHS_ON_ML_100K", "fit_ensemble", "fit_hybrid"],
        "recipes": ["MOST_PASSES", "stars_recipe"],
        "sequence": ["fit_sequence"],
        "workers": ["WorkerLost", "free_ports"],
    },
)
