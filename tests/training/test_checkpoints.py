"""A training that is killed and asked for again is the uninterrupted one to the bit; damage and other questions."""

import contextlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Split
from movierec.keras2 import tf
from movierec.training import checkpoints
from movierec.training.checkpoints import QUESTION, Checkpoints
from tests.little_room import disk_events, flips, little_room
from tests.training.one_weight import fit as fit_line

ROOT = Path(__file__).resolve().parents[2]
ASKED = {"seed": 3, "hidden": (4,), "data": "abc"}


class Killed(BaseException):
    """What no `except Exception` catches, like an interrupt from the keyboard."""


class Kills(tf.keras.callbacks.Callback):
    """Kill the training in this epoch (from 0) of this head, after this batch; or as soon as a step is taken."""

    def __init__(self, epoch=None, batch=0, head=None):
        super().__init__()
        self.where, self.epoch = (epoch, batch, head), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        epoch, after, head = self.where
        if epoch in (None, self.epoch) and head in (None, self.model.fitted_head) and batch >= after:
            raise Killed


def assert_same(model, other):
    """Weights of both heads to the bit, each row of the history, the best epochs."""
    for head in other.best_epochs:
        both = (getattr(of.model, head).get_weights() for of in (model, other))
        for here, there in zip(*both, strict=True):
            np.testing.assert_array_equal(here, there)
    pd.testing.assert_frame_equal(model.history, other.history, check_exact=True)
    assert model.best_epochs == other.best_epochs


# ---- to the bit


@pytest.fixture
def fit(split, checkerboard, small, tmp_path):
    """The training of `once`, with a checkpoint every three steps: an epoch of the stars has 8, of the ranking 20.

    Dropout is on in both heads, and the ranking head hides what it predicts.
    """
    asked = {"seed": 3, "epochs": 2, "checkpoint": tmp_path, "checkpoint_steps": 3} | small

    def fit(**other):
        return movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, **asked | other)

    return fit


SCRIPT = """
import os, pathlib, pickle, signal, sys
import movierec
from movierec.keras2 import tf

folder, left = pathlib.Path(sys.argv[1]), 5
split, movies, users = pickle.loads((folder / "data.pickle").read_bytes())

class Dies(tf.keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

"""


def test_a_hybrid_that_is_killed_within_both_heads_is_the_one_that_is_not(
    fit, once, split, checkerboard, small, tmp_path
):
    """Killed in the first epoch of the stars, between its checkpoints, and in the second epoch of the ranking."""
    (tmp_path / "data.pickle").write_bytes(pickle.dumps((split, checkerboard.movies, checkerboard.users)))
    if os.name != "nt":  # there is no SIGKILL
        asked = {"seed": 3, "epochs": 2, "checkpoint_steps": 3} | small
        code = SCRIPT + f"movierec.fit_hybrid(split, movies, users, checkpoint=folder, callbacks=[Dies()], **{asked})\n"
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert (done.stderr, done.returncode) == ("", -signal.SIGKILL)
    with pytest.raises(Killed):
        fit(callbacks=[Kills(1, 10, "ranking")])
    assert sorted(os.listdir(tmp_path)) == sorted(["data.pickle", QUESTION, "stars", "ranking"])
    rows = []
    assert_same(fit(on_epoch=rows.append), once)
    assert rows == once.history[list(rows[0])].to_dict("records")[1:]  # an epoch that was kept is not told again
    again = fit(on_epoch=lambda row: pytest.fail("told again"), callbacks=[Kills()])  # no step is taken again
    assert_same(again, once)


def test_a_sequence_model_that_is_killed_is_the_one_that_is_not(split, checkerboard, tmp_path):
    asked = {"length": 6, "dim": 8, "blocks": 1, "dropout": 0.2, "batch_size": 16, "epochs": 3, "checkpoint_steps": 2}
    once = movierec.fit_sequence(split, checkerboard.movies, **asked)
    with pytest.raises(Killed):
        movierec.fit_sequence(split, checkerboard.movies, checkpoint=tmp_path, callbacks=[Kills(1, 2)], **asked)
    assert_same(movierec.fit_sequence(split, checkerboard.movies, checkpoint=tmp_path, **asked), once)
    with pytest.raises(ValueError, match="dropout"):
        movierec.fit_sequence(split, checkerboard.movies, checkpoint=tmp_path, **asked | {"dropout": 0.3})


@pytest.mark.parametrize(
    ("optimizer", "places"),
    [("adam", [(0, 0), (2, 3)]), ("lazy_adam", [(0, 2), (1, 1), (2, 4)]), ("adagrad", [(1, 3)])],
)
def test_one_weight_killed_after_any_step(tmp_path, optimizer, places):
    """Three epochs of 5 steps, a checkpoint each 2: killed after this step, when half of a later one was written."""
    settings = {"optimizer": optimizer, "averaged": 0.5}
    whole, table, best = fit_line(**settings)
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        with pytest.raises(Killed):
            fit_line(checkpoints=Checkpoints(folder, {}, every=2), callbacks=[Kills(*place)], **settings)
        for name in ("ckpt-9.index", "ckpt-9.data-00000-of-00001"):
            (folder / "slope").mkdir(exist_ok=True)
            (folder / "slope" / name).write_text("half")
        model, again, best_again = fit_line(checkpoints=Checkpoints(folder, {}, every=2), **settings)
        assert model.slope.w.numpy() == whole.slope.w.numpy() and best_again == best
        pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_the_members_of_an_ensemble_are_kept_beside_each_other(split, small, tmp_path):
    asked = {"epochs": 1, "heads": ("stars",), "checkpoint": tmp_path} | small
    first = movierec.fit_ensemble(split, seeds=(3, 4), **asked)
    assert sorted(os.listdir(tmp_path)) == ["seed-3", "seed-4"]
    again = movierec.fit_ensemble(split, seeds=(4, 3), callbacks=[Kills()], **asked)  # no step is taken again
    for here, there in zip(again.members, first.members[::-1], strict=True):
        assert_same(here, there)


# ---- another training


def test_another_question_is_refused_and_what_differs_is_named(tmp_path):
    Checkpoints(tmp_path, ASKED | {"rate": np.float32(0.5), "patience": np.int64(5)})
    asked = ASKED | {"rate": 0.5, "patience": 5}  # NumPy's numbers are the same
    before = (tmp_path / QUESTION).read_bytes()
    says = (
        r"hidden was \[4\], is \[4, 4\]; data was 'abc', is 'abd'; fade was None, is 5\. Ask as .*fit_hybrid\(…, check"
    )
    with pytest.raises(ValueError, match=says) as error:  # a setting that did not exist then is named, too
        Checkpoints(tmp_path, asked | {"hidden": (4, 4), "data": "abd", "fade": 5})
    assert str(tmp_path) in str(error.value)
    Checkpoints(tmp_path, asked)
    assert (tmp_path / QUESTION).read_bytes() == before
    (tmp_path / "stars").mkdir()
    (tmp_path / "stars" / "checkpoint").touch()
    (tmp_path / QUESTION).unlink()
    with pytest.raises(ValueError, match=r"is no checkpoint of movierec \(it is missing\)"):
        Checkpoints(tmp_path, asked)


@pytest.fixture(scope="module")
def begun(split, checkerboard, small, tmp_path_factory):
    """How to ask for a training of the stars head that a folder knows."""
    folder = tmp_path_factory.mktemp("begun")

    def fit(split=split, movies=checkerboard.movies, users=checkerboard.users, **other):
        asked = {"seed": 3, "epochs": 1, "heads": ("stars",), "checkpoint": folder} | small | other
        return movierec.fit_hybrid(split, movies, users, **asked)

    fit()
    return fit


@pytest.mark.filterwarnings("ignore:The ratings are taken for stars on the scale")  # a star higher is of ten
def test_other_settings_and_other_data_are_another_training(begun, split, checkerboard):
    """Whatever the model learns from, or is judged by; the test part is neither."""
    settings = {"seed": 4, "epochs": 2, "heads": ("ranking",), "batch_size": 65, "optimizer": "adam", "dim": 5}
    for name, value in settings.items():
        found = list(value) if name == "heads" else value
        with pytest.raises(ValueError, match=f"of another training: {name} was .*, is {re.escape(repr(found))}"):
            begun(**{name: value})
    train, held_out = split.train, split.validation
    higher, older = train.assign(rating=train["rating"] + 1), train.assign(timestamp=train["timestamp"] - 1)
    later, sterner = held_out.assign(timestamp=held_out["timestamp"] + 1), held_out.assign(rating=1.0)
    parts = [(higher, held_out), (older, held_out)]  # of `higher` the residuals are the same
    parts += [(train, validation) for validation in (None, later, sterner, held_out[1:])]
    for train, validation in parts:
        with pytest.raises(ValueError, match="of another training: .*data was '[0-9a-f]{64}', is '[0-9a-f]{64}'"):
            begun(Split(train, validation, split.test))
    for movies, users in ((checkerboard.movies[:-1], checkerboard.users), (checkerboard.movies, None)):
        with pytest.raises(ValueError, match="another training: data was"):
            begun(movies=movies, users=users)
    same = Split(split.train, split.validation, split.test.assign(rating=1.0), split.in_time)
    assert begun(same).best_epochs == {"stars": 1}


# ---- what is no checkpoint


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with the checkpoint of one weight after two epochs, of three."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.raises(Killed):
        fit_line(checkpoints=Checkpoints(folder, {}), callbacks=[Kills(epoch=2)])
    return folder


@pytest.mark.parametrize(
    "name", [QUESTION, "slope/checkpoint.json", "slope/ckpt-2.index", "slope/ckpt-2.data-00000-of-00001"]
)
def test_a_damaged_file_is_refused_before_training_and_left_there(kept, tmp_path, name):
    """It is empty, cut in its middle, or a bit is another, in its first and last byte and at five places between.

    What decides are checksums, so whole files of another training, which TensorFlow would read, are refused as well.
    """
    shutil.copytree(kept, tmp_path / "copy")
    path = tmp_path / "copy" / name
    content = path.read_bytes()
    flipped = flips(content.rstrip(), np.random.default_rng(0), count=5)
    for damaged in (b"", content[: len(content) // 2], *flipped):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"is no checkpoint of movierec \(.*\)\. Delete it to start anew"):
            fit_line(checkpoints=Checkpoints(tmp_path / "copy", {}), callbacks=[Kills()])
        assert path.read_bytes() == damaged


def test_a_weight_that_is_not_finite_is_neither_kept_nor_restored(kept, tmp_path, monkeypatch):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)

    class Spoils(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.slope.w.assign(np.nan)

    def fit(*callbacks):
        fit_line(checkpoints=Checkpoints(tmp_path, {}), callbacks=callbacks)

    spoils = Spoils()
    monkeypatch.setattr("movierec.training.callbacks.BestEpoch.on_train_batch_end", lambda *_: None)
    before = sorted(os.listdir(tmp_path / "slope"))
    with pytest.raises(ValueError, match="of the slope head must be finite; .*: weight 0 has 1 of 1.*older checkpoint"):
        fit(spoils)
    assert sorted(os.listdir(tmp_path / "slope")) == before
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "check_finite", lambda *_: None)
        fit(spoils)
    with pytest.raises(ValueError, match=r"no checkpoint of movierec \(its weights must be finite; NaN"):
        fit()


# ---- a folder that cannot be written


def test_a_folder_that_cannot_be_written_is_said_before_there_is_something_to_lose(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="folder must be a writable folder; .*Nothing has been tr"):
        Checkpoints(tmp_path / "file" / "folder", {})
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_is_full_is_one_warning_and_training_goes_on(tmp_path):
    """Somebody else fills the disk in the second epoch; the checkpoints of the first and the third are written."""

    def fill(row):
        if row["epoch"] == 1:
            with contextlib.suppress(OSError), open(tmp_path / "disk/more", "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        else:
            (tmp_path / "disk/more").unlink(missing_ok=True)

    with little_room(tmp_path / "disk", 100_000) as disk:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model, _, _ = fit_line(checkpoints=Checkpoints(disk, {}, every=2), on_epoch=fill)
        [warning] = [str(of.message) for of in said if of.category is UserWarning]
        assert re.search(r"in .*/slope could not be replaced \(No space left .*\); training goes on, and", warning)
        assert model.slope.w.numpy() == fit_line()[0].slope.w.numpy()
        again, _, _ = fit_line(checkpoints=Checkpoints(disk, {}, every=2), callbacks=[Kills()])
        assert again.slope.w.numpy() == model.slope.w.numpy()
        assert not list((disk / "slope").glob("*temp*"))


def test_a_checkpoint_is_on_disk_before_it_is_named_and_the_older_one_is_there_until_then(tmp_path, monkeypatch):
    events = disk_events(monkeypatch)
    there = []
    real = checkpoints.write_atomically
    monkeypatch.setattr(checkpoints, "write_atomically", lambda *a: (there.append(os.listdir(a[0].parent)), real(*a)))
    fit_line(checkpoints=Checkpoints(tmp_path, {}), epochs=2)
    names = [(kind, Path(path).name) for kind, path in events if "/slope" in path]
    second = names[names.index(("move", "checkpoint.json")) + 2 :]
    content, named = second[:-3], second[-3:]
    assert {("flush", "ckpt-2.index"), ("flush", "ckpt-2.data-00000-of-00001"), ("flush", "slope")} <= set(content)
    assert named == [("flush", "checkpoint.json"), ("move", "checkpoint.json"), ("flush", "slope")]
    assert {"ckpt-1.index", "ckpt-2.index"} <= set(there[-1])


# ---- how often, and who writes


@pytest.mark.parametrize(("every", "kept"), [(1, 15), (2, 9), (5, 3), (99, 3)])
def test_there_is_a_checkpoint_after_so_many_steps_and_after_each_epoch(tmp_path, monkeypatch, every, kept):
    """Three epochs of 5 steps: every step; 2, 4 and the last one; the last one."""
    saved, write = [], tf.train.Checkpoint.write
    monkeypatch.setattr(tf.train.Checkpoint, "write", lambda *given: (saved.append(1), write(*given))[1])
    fit_line(checkpoints=Checkpoints(tmp_path, {}, every=every))
    assert len(saved) == kept
    files = sorted(path.name for path in (tmp_path / "slope").iterdir())
    assert files == ["checkpoint.json", f"ckpt-{kept}.data-00000-of-00001", f"ckpt-{kept}.index"]


def test_of_several_workers_only_one_writes_and_all_read(kept, tmp_path):
    fit_line(checkpoints=Checkpoints(tmp_path / "new", {}, is_writer=False))
    assert not (tmp_path / "new").exists()
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    rows = []
    fit_line(checkpoints=Checkpoints(kept, {}, is_writer=False), on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [3]
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before
    assert json.loads((kept / QUESTION).read_text())["format"].startswith("movierec-training-")
