"""Baselines: the recommenders that every new model must beat, each short enough to be read aloud.

From popularity over neighbours, EASE, matrix factorisation and content to Burke's seven hybrids of two.
`ladder` fits all of them in one way, and tunes each with the same number of trials.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["burke", "content", "factors", "ladder", "neighbours", "popularity_and_bias"],
    submod_attrs={
        "content": [
            "ContentBased", "FromContent", "describe", "genre_matrix", "known_tags", "tag_table", "tf_idf",
            "title_words",
        ],
        "factors": ["BiasedMF", "Ease", "ImplicitAls"],
        "ladder": ["Problem", "chosen", "settings_to_try"],
        "neighbours": ["ItemKnn", "ItemKnnStars", "MarkovChain", "UserKnn"],
        "popularity_and_bias": ["Bias", "Popularity", "rated_matrix"],
    },
)  # fmt: skip
