"""Play with the models: a panel for each lesson, and the judge of the exercises.

Each panel is a view on plain functions in its own module, so everything that a click does can be done in code, too.
`check`, `attempt` and `Quiz` judge exercises; `doctor` examines the installation; `load_or_train` gives a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attention_panel": ["AttentionPanel"],
        "doctor": ["BROWSERS", "main"],
        "exercises": ["Quiz", "attempt", "check", "read_questions"],
        "lesson_panels": ["BanditPanel", "LeakageLab", "NewFilm", "NewFilmPanel", "OPTIONS"],
        "recommend_panel": ["RecommendPanel", "load_or_train"],
        "runs": ["COURSE_LOSS", "append_run", "default_settings", "shipped_path"],
        "run_once": ["train"],
        "train_panel": ["TrainPanel"],
    },
)
