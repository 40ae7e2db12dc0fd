"""From a trained model to lists: for known users, newcomers and beside a film, with reasons, as playlists, on disk.

A fit returns a `Hybrid`, an `Ensemble` or a `SequenceRecommender`; `load_model` reads each from a folder. The first two
ask the `Pipeline`, one graph from ids and stars to lists, which a saved folder serves to other programs. `Nearest`
searches very large catalogues.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "nearest": ["EFFORT", "Nearest"],
        "people": ["GENRE_WEIGHT"],
        "pipeline": ["CANDIDATES", "STARS_WEIGHT"],
        "playlist": ["MINUTES_PER_FILM", "gains", "genre_shares", "make_playlist", "relevance"],
        "questions": ["rows_of_users"],
        "recommender": ["Ensemble", "Hybrid"],
        "sequence": ["SequenceRecommender", "history_of", "load_model"],
        "versions": ["ARRAYS", "UNREADABLE", "checked", "read_saved"],
        "wishes": ["BASED_ON", "Visitor", "evening", "recommended", "search_titles", "shortlist"],
    },
)
