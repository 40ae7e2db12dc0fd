"""The recommend room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ensemble": ["Ensemble"],
        "nearest": ["EFFORT", "Nearest"],
        "pipeline": ["CANDIDATES", "GENRE_WEIGHT", "STARS_WEIGHT"],
        "playlist": ["MINUTES_PER_FILM", "gains", "genre_shares", "make_playlist", "relevance"],
        "recommender": ["Hybrid"],
        "storage": ["ARRAYS", "UNREADABLE", "checked", "load_model", "sha256_of"],
    },
)
