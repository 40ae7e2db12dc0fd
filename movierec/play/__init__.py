"""Play with the models: a panel for each lesson, and the judge of the exercises.

Each panel is a view on plain functions in its own module, so everything that a click does can be done in code, too.
`check`, `attempt` and `Quiz` judge exercises; `doctor` examines the installation; `load_or_train` gives a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "app": ["load_or_train"],
        "doctor": ["BROWSERS", "main"],
        "embedding_explorer": ["EmbeddingExplorer", "neighbour_table", "untrained"],
        "exercises": ["Quiz", "attempt", "check", "read_questions"],
        "leakage_lab": ["LeakageLab", "OPTIONS"],
        "lesson_panels": ["AttentionPanel", "BanditPanel", "NewFilm", "NewFilmPanel"],
        "recommend_panel": ["RecommendPanel"],
        "runs": ["COURSE_LOSS", "append_run", "default_settings", "shipped_path"],
        "runs_panel": ["ResponseSurface", "RunTable"],
        "train_panel": ["TrainPanel", "train"],
    },
)
