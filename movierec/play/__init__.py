"""The play room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "app": ["load_or_train"],
        "attention_panel": ["AttentionPanel"],
        "bandit_panel": ["BanditPanel"],
        "doctor": ["BROWSERS", "main"],
        "embedding_explorer": ["EmbeddingExplorer"],
        "knobs": ["COURSE_LOSS", "default_settings"],
        "leakage": ["OPTIONS"],
        "leakage_lab": ["LeakageLab"],
        "new_film": ["NewFilm"],
        "new_film_panel": ["NewFilmPanel"],
        "quiz": ["Quiz", "read_questions"],
        "recommend_panel": ["RecommendPanel"],
        "runs": ["append_run", "shipped_path", "train"],
        "runs_panel": ["ResponseSurface", "RunTable"],
        "space": ["neighbour_table", "untrained"],
        "train_panel": ["TrainPanel"],
    },
)
