"""The evaluation room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cold": ["FromContent"],
        "comparison": ["bootstrap_interval", "bootstrap_means", "compare", "leaders", "rmse_interval", "summarize"],
        "full_ranking": [
            "LIKED_FROM_STARS",
            "Scorer",
            "evaluate_ranking",
            "evaluate_stars",
            "pool_stars",
            "rated_pairs",
            "recommend_top_k",
            "tidy",
            "users_per_block_of",
        ],
        "metrics": ["rmse"],
        "ranks": ["evaluate_ranks", "held_out_ranks"],
        "top_k": ["keep_largest"],
    },
)
