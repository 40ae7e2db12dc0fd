"""The runs that the panels show before anything has been trained: `make runs` trains them again (a quarter of an hour).

report/results/runs.jsonl has them, one line each.
"""

import os

import movierec
from movierec.play import COURSE_LOSS, append_run, default_settings, shipped_path, train

GRID = {  # what is shipped: the surface of each head, and single settings beside the course's
    COURSE_LOSS["ranking"]: {"dim": (8, 32, 64, 128), "learning_rate": (0.001, 0.002, 0.004, 0.02)},
    COURSE_LOSS["stars"]: {"dim": (8, 16, 32, 64), "learning_rate": (0.0005, 0.001, 0.002, 0.01)},
}
BESIDE = [
    (COURSE_LOSS["ranking"], {"hidden": ()}),
    (COURSE_LOSS["ranking"], {"dropout": 0.0}),
    (COURSE_LOSS["ranking"], {"batch": 64}),
    (COURSE_LOSS["ranking"], {"seed": 1}),
    ("lists: softmax over drawn films", {}),
    ("stars: squared error", {}),
    (COURSE_LOSS["stars"], {"dropout": 0.0}),
    (COURSE_LOSS["stars"], {"hidden": (64, 32)}),
    (COURSE_LOSS["stars"], {"batch": 256}),
    (COURSE_LOSS["stars"], {"seed": 1}),
]


def shipped_settings() -> list[dict]:
    """The settings of each run that is shipped."""
    grids = [
        default_settings(loss) | {"dim": dim, "learning_rate": rate}
        for loss, grid in GRID.items()
        for dim in grid["dim"]
        for rate in grid["learning_rate"]
    ]
    return grids + [default_settings(loss) | other for loss, other in BESIDE]


def main() -> None:
    os.environ.pop("MOVIEREC_DATASET", None)  # the course's, whatever else the reader plays with
    data = movierec.load("ml-100k")
    split = movierec.split_by_user_time(data.ratings)
    path = shipped_path().with_suffix(".new")
    path.unlink(missing_ok=True)
    for number, settings in enumerate(shipped_settings(), start=1):
        run = train(split, data.movies, data.users, **settings)
        append_run(run, path)
        print(number, run.settings, f"{run.best:.4f} in {run.seconds:.0f} s", flush=True)
    path.replace(shipped_path())


if __name__ == "__main__":
    main()
