"""Models: the networks of the course, in TensorFlow, without their training.

`FirstHybrid` is the one that students type, `HybridModel` the package's own: two heads on one history, one for stars
and one for ranking. NeuMF and self-attention, which the hybrid is compared with, are here too.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention": ["CausalSelfAttention", "LOSSES", "SequenceModel"],
        "first_hybrid": [
            "FirstHybrid",
            "MatrixFactorisation",
            "Step",
            "TwoTowers",
            "WithBag",
            "WithFeatures",
            "WithMLP",
            "WithPopularity",
        ],
        "history": ["Entries", "GAP_EDGES_SECONDS", "History", "Lists", "Matrix", "make_history", "newest", "windows"],
        "hybrid": ["HEADS", "HybridModel"],
        "layers": ["Draws", "SeededModel", "deterministic_ops"],
        "linear": ["FewUsers", "LowRank", "rank_of"],
        "ranking": ["RankingHead"],
        "settings": ["Settings"],
        "stars": ["SESSION_SECONDS", "Tower", "session_features"],
    },
)
