"""Evaluation: how good is a list, or a star, and is a difference more than luck?

`metrics` has the formulas, `ranking` turns scores into lists and ranks, `evaluate` measures a model on a held-out part.
`comparison` gives intervals and paired differences; `groups` looks at groups of users and at movies without ratings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["comparison", "evaluate", "groups", "metrics", "ranking"],
    submod_attrs={
        "comparison": [
            "bootstrap_interval", "bootstrap_means", "compare", "leaders", "pool_stars", "pooled_rmse", "rmse_interval",
            "stars_of", "summarize", "table_of_tasks", "tidy", "tidy_fits",
        ],
        "evaluate": ["LIKED_FROM_STARS", "evaluate_ranking", "evaluate_ranks", "evaluate_stars", "relevant_users"],
        "metrics": ["rmse"],
        "ranking": ["Scorer", "held_out_ranks", "rated_pairs", "recommend_top_k", "top_k", "users_per_block_of"],
    },
)  # fmt: skip
