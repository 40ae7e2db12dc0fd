"""From files to arrays: MovieLens or your own CSV files become cleaned tables, splits, indices, features and batches.

`load` and `read` return the same four tables whatever the format was; `split_by_user_time` and its siblings say what a
model may learn from. Rooms above import the names below from here and know no file format.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cleaning": ["Titles", "clean", "find_movie", "natural_title"],
        "features": [
            "Features", "Weeks", "batches", "catalogue", "genre_flags", "make_weeks", "movie_features", "rating_rows",
            "table_features", "user_features",
        ],
        "indices": [
            "Indices", "UNKNOWN", "check_same_kind", "is_text", "make_indices", "order_by_user_and_time",
            "published_ids",
        ],
        "movielens": ["COURSE", "chosen", "data_folder", "fingerprint", "load", "read"],
        "splits": [
            "Split", "split_by_time", "split_by_user_time", "split_leave_last", "split_random5", "split_stratified",
        ],
        "synthetic": ["make_movielens", "write_csv"],
        "tables": ["MovieLens"],
        "units": ["has_time", "say", "seconds"],
    },
)  # fmt: skip
