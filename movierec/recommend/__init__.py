"""From a trained model to lists: for known users, newcomers and beside a film, with reasons, as playlists, on disk.

A fit returns a `Hybrid` or an `Ensemble`; `load_model` reads one from a folder. Both ask the `Pipeline`, one graph from
ids and stars to lists, which a saved folder serves to other programs. `Nearest` searches very large catalogues.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ensemble": ["Ensemble", "load_model"],
        "nearest": ["EFFORT", "Nearest"],
        "people": ["GENRE_WEIGHT", "genre_shares"],
        "pipeline": ["CANDIDATES", "STARS_WEIGHT"],
        "playlist": ["MINUTES_PER_FILM", "gains", "make_playlist", "relevance"],
        "questions": ["rows_of_users"],
        "recommender": ["Hybrid"],
        "storage": ["UNREADABLE"],
        "versions": ["ARRAYS", "checked", "read_saved"],
        "wishes": ["shortlist"],
    },
)
