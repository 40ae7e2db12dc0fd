"""The model of the course is trained once for all processes, and again when the code that makes it has changed.

Protects notebooks that run side by side, `make app` and `make serve` from two trainings at once, a half-written model
and a model of older code; and a reader's own model from being written over.
"""

import threading
import time

import pytest

from movierec.training import course_model
from movierec.training.course_model import load_or_train, model_folder, save_course_model


@pytest.fixture
def trained(fitted, monkeypatch, tmp_path):
    """A list of trainings, each of which takes a while; the model's folder is an empty one."""
    calls = []

    def train():
        calls.append(threading.current_thread().name)
        time.sleep(0.2)
        return fitted

    monkeypatch.setattr(course_model, "_train", train)
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    monkeypatch.delenv("MOVIEREC_MODEL", raising=False)
    return calls


def test_who_asks_at_the_same_time_gets_one_training(trained, fitted):
    found = []
    threads = [threading.Thread(target=lambda: found.append(load_or_train())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == 1 and len(found) == 3
    lists = [model.recommend([100, 101], k=5)["movie_id"].tolist() for model in [fitted, *found]]
    assert all(each == lists[0] for each in lists)


def test_it_is_trained_again_after_a_change_of_the_code_or_if_it_is_damaged(trained, fitted, monkeypatch):
    save_course_model(fitted)
    load_or_train()
    assert trained == []
    (model_folder() / "manifest.json").write_text("{")
    load_or_train()
    assert len(trained) == 1
    monkeypatch.setattr(course_model, "_code", lambda: "another")
    load_or_train()
    load_or_train()
    assert len(trained) == 2


def test_a_readers_own_model_is_loaded_or_missed_and_never_trained(trained, fitted, monkeypatch, tmp_path):
    fitted.save(tmp_path / "own")
    monkeypatch.setenv("MOVIEREC_MODEL", str(tmp_path / "own"))
    assert repr(load_or_train()) == repr(fitted)
    with pytest.raises(FileNotFoundError):
        load_or_train(tmp_path / "none")
    assert trained == []
