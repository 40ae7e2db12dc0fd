"""Runs that nobody trained, and folders without recorded runs."""

import pytest

from movierec.play import runs
from movierec.play.train_panel import TrainPanel

NUM_TRAIN = 564  # ratings in train of the checkerboard's split


@pytest.fixture(scope="session")
def made():
    """A function that makes a run: epochs of `seconds` each, the first one twice that; the last epoch is the best."""

    def make(best=0.1, length=3, seconds=1.0, loss=runs.COURSE_LOSS["ranking"], **settings):
        step = 0.01 if runs.LOSSES[loss][0] == "stars" else -0.01
        history = [
            {"epoch": n, "loss": 6.0 - n, "value": best + (length - n) * step, "seconds": seconds * (n + 1)}
            for n in range(1, length + 1)
        ]
        return runs.Run(runs.default_settings(loss) | settings, history, num_train=NUM_TRAIN)

    return make


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """A function that records runs as those of the course, beside tuned models; no other runs are there."""
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path / "report"))
    monkeypatch.delenv("MOVIEREC_DATASET", raising=False)

    tuned = {"popularity": 0.06, "EASE": 0.126, "user and movie bias": 0.97, "biased MF": 0.94}
    rows = [f"{name},{value},True,0" for name, value in tuned.items()]
    (tmp_path / "report/results").mkdir(parents=True)
    lines = ["# {}", "model,value,chosen,fold", *rows, "EASE,0.1,False,0"]
    (tmp_path / "report/results/tuning_by_user_time.csv").write_text("\n".join(lines))

    def record(*made_runs):
        for run in made_runs:
            runs.append_run(run, runs.shipped_path())

    return record


@pytest.fixture
def panel(ship, split):
    return TrainPanel(split)
