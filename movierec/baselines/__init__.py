"""The baselines room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "content": ["ContentBased", "describe", "genre_matrix", "known_tags", "tf_idf"],
        "factors": ["BiasedMF", "Ease", "ImplicitAls"],
        "ladder": ["Problem"],
        "neighbours": ["ItemKnn", "ItemKnnStars", "UserKnn"],
        "popularity_and_bias": ["Bias", "Popularity", "rated_matrix"],
        "tuning": ["chosen", "settings_to_try"],
    },
)
