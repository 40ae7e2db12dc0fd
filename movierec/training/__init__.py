"""The training room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "course_model": ["load_or_train", "model_folder", "save_course_model"],
        "epochs": ["Stopped"],
        "fit": ["MOST_PASSES", "fit_ensemble", "fit_hybrid", "stars_rows"],
        "optimizers": ["LazyAdam", "OPTIMIZERS"],
        "sequential": ["fit_sequence"],
        "steps": ["LoopedModel", "Stop", "mean_over_workers", "own_first", "shuffled", "shuffled_groups"],
        "workers": ["free_ports", "main"],
    },
)
