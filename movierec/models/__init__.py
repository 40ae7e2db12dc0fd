"""The models room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention": ["CausalSelfAttention", "LOSSES", "SequenceModel"],
        "bags": ["Lists", "Matrix"],
        "history": ["Entries", "History", "SESSION_SECONDS", "make_history", "session_features"],
        "hybrid": ["HEADS", "HybridModel"],
        "layers": ["Draws", "RANDOMNESS", "one_at_a_time"],
        "ranking": ["RankingHead"],
        "seeded": ["SeededModel", "check_above_zero", "deterministic_ops"],
        "sequences": ["GAP_EDGES_SECONDS", "newest", "windows"],
        "settings": ["Settings"],
        "stars": ["Tower"],
    },
)
