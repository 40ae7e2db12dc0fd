"""The data room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "features": [
            "Features",
            "Weeks",
            "batches",
            "catalogue",
            "genre_flags",
            "make_weeks",
            "movie_features",
            "rating_rows",
            "user_features",
        ],
        "indices": ["Indices", "UNKNOWN", "make_indices"],
        "keys": ["order_by_user_and_time"],
        "movielens": ["COURSE", "chosen", "data_folder", "find_movie", "fingerprint", "load", "read"],
        "splits": [
            "Split",
            "split_by_time",
            "split_by_user_time",
            "split_leave_last",
            "split_random5",
            "split_stratified",
        ],
        "synthetic": ["make_movielens", "write_csv"],
        "tables": ["MovieLens"],
    },
)
