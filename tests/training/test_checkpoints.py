"""A training that is killed and asked for again is the uninterrupted one to the bit; and what is no checkpoint."""

import errno
import json
import os
import re
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
from movierec.training import fit as training
from movierec.training.checkpoints import FILE, Checkpoint, State

ROOT = Path(__file__).resolve().parents[2]
ARRAYS = ("weights", "slots", "average", "best_weights")
QUESTION = {"seed": 3, "hidden": (4,), "data": "abc"}


class Killed(BaseException):
    """What no `except Exception` catches, like an interrupt from the keyboard."""


@pytest.fixture
def fit(split, checkerboard, small, tmp_path, monkeypatch):
    """The training of `once` with a checkpoint every three steps: an epoch of the stars has 8, one of the ranking 20.

    Dropout is on in both heads, and the ranking head hides what it asks for.
    """
    monkeypatch.setattr("movierec.training.epochs.STEPS_PER_CALL", 3)
    asked = {"seed": 3, "epochs": 2, "checkpoint": tmp_path, "checkpoint_steps": 1} | small

    def fit(**other):
        return movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, **asked | other)

    return fit


def assert_same(model, other):
    """Weights of both heads to the bit, each row of the history, the best epochs."""
    for head in other.best_epochs:
        both = (getattr(of.model, head).get_weights() for of in (model, other))
        for here, there in zip(*both, strict=True):
            np.testing.assert_array_equal(here, there)
    pd.testing.assert_frame_equal(model.history, other.history, check_exact=True)
    assert model.best_epochs == other.best_epochs


def dies(monkeypatch, head, time, written):
    """Whoever keeps a state of `head` for the n-th time is killed before it is written, or after."""
    keep, times = Checkpoint.keep, []

    def killed(self, of, state):
        times.extend([of] * (of == head))
        last = len(times) == time
        if written or not last:
            keep(self, of, state)
        if last:
            raise Killed

    monkeypatch.setattr(Checkpoint, "keep", killed)


def where(folder):
    """(epoch, step, whether it is over) of each head in the file."""
    with np.load(folder / FILE) as file:
        states = json.loads(str(file["meta"]))["states"]
    return {head: (state["epoch"], state["step"], state["is_over"]) for head, state in states.items()}


# ---- to the bit


def test_whoever_is_killed_again_and_again_ends_with_the_model_they_would_have_got(fit, once, tmp_path):
    """At each place the file is looked at: so far it has come, and from there it goes on."""

    def killed(at, **how):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            dies(patch, **how)
            fit()
        assert where(tmp_path) == at

    def told_and_killed(epochs, at):
        rows = []

        def on_epoch(row):
            rows.append(row)
            if len(rows) == epochs:
                raise Killed

        with pytest.raises(Killed):
            fit(on_epoch=on_epoch)
        assert where(tmp_path) == at
        return rows

    over = {"stars": (3, 0, True)}
    killed({}, head="stars", time=1, written=False)  # in the first epoch; nothing is kept yet
    killed({"stars": (1, 3, False)}, head="stars", time=1, written=True)  # after 3 of 8 steps
    killed({"stars": (1, 6, False)}, head="stars", time=2, written=False)  # after the last step of the epoch
    told_and_killed(1, {"stars": (2, 0, False)})  # between two epochs
    rows = told_and_killed(1, over)  # between the heads
    assert rows == once.history[list(rows[0])].to_dict("records")[1:]  # an epoch that was kept is not told again
    killed(over | {"ranking": (1, 12, False)}, head="ranking", time=4, written=True)
    killed(over | {"ranking": (2, 6, False)}, head="ranking", time=6, written=False)
    told_and_killed(1, over | {"ranking": (3, 0, True)})  # after the end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("movierec.training.steps.LoopedModel._train_steps", lambda *_: pytest.fail("trained again"))
        again = fit(on_epoch=lambda row: pytest.fail("told again"))
    assert_same(again, once)  # which took its steps in one go: in threes they are the same
    assert again.seed == 3 and again.fit_seconds > 0


def test_on_lists_too_and_when_stopped_instead_of_killed(fit, listed, large, tmp_path):
    """The training of `listed`; the first time it is asked to end, the second it is killed."""
    stop = training.Stop()
    asked = {"seed": 0, "epochs": 5, "batch_size": 8, **large}
    with pytest.raises(training.Stopped, match="first epoch of the ranking head"):
        fit(stop=stop, on_epoch=lambda row: stop.ask() if row["epoch"] == 2 else None, **asked)
    assert where(tmp_path) == {"stars": (3, 0, False)}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        dies(patch, "stars", 5, written=True)  # those of epoch 3, after 3, 6 and 8 steps; of epoch 4 after 3 and 6
        fit(**asked)
    assert where(tmp_path) == {"stars": (4, 6, False)}
    assert_same(fit(**asked), listed)


SCRIPT = """
import os, pathlib, signal, sys
import numpy as np, pandas as pd
import movierec
from movierec.training import epochs
from movierec.training.checkpoints import Checkpoint

folder, moment, time = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
epochs.STEPS_PER_CALL = 3
keep, savez, times = Checkpoint.keep, np.savez, []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def half(file, **arrays):
    savez(file, **arrays)
    file.truncate(file.tell() // 2)
    file.flush()
    die()

def killed(self, head, state):
    times.append(head)
    if len(times) == time:
        if moment == "before":
            die()
        if moment == "within":
            np.savez = half
    keep(self, head, state)
    if len(times) == time:
        die()

Checkpoint.keep = killed
tables = (pd.read_pickle(folder / f"{name}.pickle") for name in ("train", "validation", "test", "movies", "users"))
train, validation, test, movies, users = tables
split = movierec.Split(train, validation, test, "user")
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_process_killed_before_within_and_after_a_write_goes_on_in_another(
    fit, once, split, checkerboard, small, tmp_path
):
    """Three processes in a row, each killed for good; the training is then finished here."""
    tables = {name: getattr(split, name) for name in ("train", "validation", "test")}
    for name, table in (tables | {"movies": checkerboard.movies, "users": checkerboard.users}).items():
        table.to_pickle(tmp_path / f"{name}.pickle")
    asked = {"seed": 3, "epochs": 2, "heads": ("stars", "ranking"), "checkpoint_steps": 1} | small
    code = SCRIPT + f"movierec.fit_hybrid(split, movies, users, checkpoint=folder, **{asked})\n"

    def run(moment, time):
        """The name of the temporary that is left, if any."""
        done = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), moment, str(time)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert (done.communicate(timeout=300)[1], done.returncode) == ("", -signal.SIGKILL)
        return [path.name.replace(str(done.pid), "PID") for path in tmp_path.glob(f".{FILE}*")]

    assert run("before", 2) == []
    assert where(tmp_path) == {"stars": (1, 3, False)}
    assert run("within", 2) == [f".{FILE}.PID"]
    assert where(tmp_path) == {"stars": (1, 6, False)}  # the first of this process, and not the half of the second
    assert run("after", 3) == []  # swept
    assert where(tmp_path) == {"stars": (2, 6, False)}
    assert_same(fit(), once)


def test_the_members_of_an_ensemble_are_kept_beside_each_other(split, small, tmp_path):
    def fit(seeds, on_epoch):
        asked = {"seeds": seeds, "epochs": 1, "heads": ("stars",), "checkpoint": tmp_path, "on_epoch": on_epoch} | small
        return movierec.fit_ensemble(split, **asked)

    rows = []
    first = fit((3, 4), rows.append)
    assert sorted(os.listdir(tmp_path)) == ["seed-3", "seed-4"] and len(rows) == 2
    again = fit((4, 3), lambda row: pytest.fail("trained again"))
    for here, there in zip(again.members, first.members[::-1], strict=True):
        assert_same(here, there)


# ---- what is kept


def _state(seed=0):
    """With numbers that do not survive rounding, more arrays than digits, and one that is empty."""
    rng = np.random.default_rng(seed)
    arrays = {name: [rng.normal(size=(2, n)).astype(np.float32) for n in range(12)] for name in ARRAYS}
    table = [{"epoch": 1, "train_stars_loss": 1 / 3, "validation_rmse": np.float64(0.1) + 0.2}]
    return State(2, 7, [float(np.float32(0.1)), 1e-45], table, 1, -0.1 - 0.2, False, **arrays)


def test_a_state_comes_back_to_the_bit(tmp_path):
    first, second = _state(), State()
    Checkpoint(tmp_path, QUESTION).keep("stars", first)
    checkpoint = Checkpoint(str(tmp_path), QUESTION)
    checkpoint.keep("ranking", second)
    found = Checkpoint(tmp_path, QUESTION).states
    assert list(found) == ["stars", "ranking"]
    for name, value in vars(first).items():
        if name in ARRAYS:
            assert len(getattr(found["stars"], name)) == 12
            for here, there in zip(getattr(found["stars"], name), value, strict=True):
                np.testing.assert_array_equal(here, there)
                assert here.dtype == np.float32
        else:
            assert getattr(found["stars"], name) == value, name
    assert found["ranking"] == second and second.best_value == -np.inf
    assert os.listdir(tmp_path) == [FILE]


def test_numbers_of_numpy_are_numbers_in_a_question(tmp_path):
    Checkpoint(tmp_path, {"patience": np.int64(5), "rate": np.float32(0.5)}).keep("stars", _state())
    assert list(Checkpoint(tmp_path, {"patience": 5, "rate": 0.5}).states) == ["stars"]


def test_who_is_not_the_writer_reads_and_leaves_the_folder_alone(tmp_path):
    folder = tmp_path / "new"
    Checkpoint(folder, QUESTION, is_writer=False).keep("stars", _state())
    assert not folder.exists()
    Checkpoint(folder, QUESTION).keep("stars", _state())
    before = (folder / FILE).read_bytes()
    reader = Checkpoint(folder, QUESTION, is_writer=False)
    assert list(reader.states) == ["stars"]
    reader.keep("stars", _state(1))
    assert (folder / FILE).read_bytes() == before


def test_half_a_file_of_a_dead_process_is_swept_and_others_files_are_left_alone(tmp_path):
    for name in (f".{FILE}.4711", "notes.txt", ".hidden", f"{FILE}.bak"):
        (tmp_path / name).write_text("PK half")
    Checkpoint(tmp_path, QUESTION)
    assert sorted(os.listdir(tmp_path)) == sorted([".hidden", FILE, f"{FILE}.bak", "notes.txt"])


# ---- another training


@pytest.fixture
def kept(tmp_path):
    """A file with one state."""
    Checkpoint(tmp_path, QUESTION).keep("stars", _state())
    return tmp_path / FILE


def test_another_question_is_refused_and_what_differs_is_named(kept):
    before = kept.read_bytes()
    with pytest.raises(
        ValueError, match=r"is of another training: seed was 3, is 4\. Ask as before, delete it"
    ) as error:
        Checkpoint(kept.parent, QUESTION | {"seed": 4})
    assert "fit_hybrid(…, checkpoint=folder)" in str(error.value) and str(kept) in str(error.value)
    with pytest.raises(ValueError, match=r"hidden was \[4\], is \[4, 4\]; data was 'abc', is 'abd'\."):
        Checkpoint(kept.parent, QUESTION | {"hidden": (4, 4), "data": "abd"})
    with pytest.raises(ValueError, match=r"fade was None, is 5\."):  # a setting that did not exist then
        Checkpoint(kept.parent, QUESTION | {"fade": 5})
    assert kept.read_bytes() == before and list(Checkpoint(kept.parent, QUESTION).states) == ["stars"]


@pytest.fixture(scope="module")
def begun(split, checkerboard, small, tmp_path_factory):
    """A folder with a training of the stars head, and how to ask for it."""
    folder = tmp_path_factory.mktemp("begun")

    def fit(split=split, movies=checkerboard.movies, users=checkerboard.users, **other):
        asked = {"seed": 3, "epochs": 1, "heads": ("stars",), "checkpoint": folder} | small | other
        return movierec.fit_hybrid(split, movies, users, **asked)

    fit()
    return fit


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"seed": 4}, "seed was 3, is 4"),
        ({"epochs": 2}, "epochs was 1, is 2"),
        ({"heads": ("stars", "ranking")}, "heads was ['stars'], is ['stars', 'ranking']"),
        ({"learning_rate": 0.5}, "learning_rate was 0.01, is 0.5"),
        ({"batch_size": 65}, "batch_size was 64, is 65"),
        ({"optimizer": "adam"}, "optimizer was 'lazy_adam', is 'adam'"),
        ({"dim": 5}, "dim was 4, is 5"),
        ({"without": "deep"}, "without was"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_other_settings_are_another_training(begun, other, says):
    with pytest.raises(ValueError, match="is of another training: " + re.escape(says)):
        begun(**other)


def test_other_data_are_another_training(begun, split, checkerboard):
    """Whatever the model learns from, or is judged by; the test part is neither."""
    higher = split.train.assign(rating=split.train["rating"] + 1)  # residuals are the same
    older = split.train.assign(timestamp=split.train["timestamp"] - 1)
    later = split.validation.assign(timestamp=split.validation["timestamp"] + 1)
    sterner = split.validation.assign(rating=1.0)
    fewer = split.validation[1:]
    parts = [(higher, split.validation), (older, split.validation), (split.train, None)]
    parts += [(split.train, validation) for validation in (later, sterner, fewer)]
    for train, validation in parts:
        with pytest.raises(ValueError, match="is of another training: .*data was '[0-9a-f]{64}', is '[0-9a-f]{64}'"):
            begun(Split(train, validation, split.test))
    with pytest.raises(ValueError, match="another training: in_order was True, is False"):
        begun(Split(split.train, split.validation, split.test))
    for movies, users in ((checkerboard.movies[:-1], checkerboard.users), (checkerboard.movies, None)):
        with pytest.raises(ValueError, match="another training: data was"):
            begun(movies=movies, users=users)
    same = Split(split.train, split.validation, split.test.assign(rating=1.0), split.in_time)
    assert begun(same).best_epochs == {"stars": 1}


# ---- what is no checkpoint


def _cut(content):
    return content[: len(content) // 2]


def _flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [_cut, _flipped, lambda content: b"", lambda content: b"a note", lambda content: content[:-1]]
)
def test_a_damaged_file_is_refused_and_left_there(kept, damage):
    kept.write_bytes(damage(kept.read_bytes()))
    before = kept.read_bytes()
    with pytest.raises(
        ValueError, match=r"training\.npz is no checkpoint of movierec \(.*\)\. Delete it to start anew"
    ):
        Checkpoint(kept.parent, QUESTION)
    assert kept.read_bytes() == before
    kept.unlink()  # as it says
    assert Checkpoint(kept.parent, QUESTION).states == {}


def _rewritten(path, change):
    """The file with its description changed."""
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays.pop("meta")))
    change(meta)
    np.savez(path, meta=np.array(json.dumps(meta)), **arrays)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda meta: meta.update(format="movierec-training-0"),
            "format was 'movierec-training-0', is 'movierec-train",
        ),
        (lambda meta: meta.update(format="movierec-training-9", states=[7]), "format was 'movierec-training-9'"),
        (lambda meta: meta.pop("format"), "is no checkpoint of movierec"),
        (lambda meta: meta.pop("question"), "is no checkpoint of movierec"),
        (lambda meta: meta.update(states=[7]), "is no checkpoint of movierec"),
        (lambda meta: meta["states"]["stars"].update(mood="good"), "is no checkpoint of movierec"),
        (lambda meta: meta.update(states={"stars": None}), "is no checkpoint of movierec"),
    ],
)
def test_a_file_of_another_format_is_refused(kept, change, says):
    _rewritten(kept, change)
    with pytest.raises(ValueError, match=re.escape(says)):
        Checkpoint(kept.parent, QUESTION)


def test_somebody_elses_arrays_are_no_checkpoint(tmp_path):
    np.savez(tmp_path / FILE, weights=np.ones(3))
    with pytest.raises(ValueError, match="is no checkpoint of movierec"):
        Checkpoint(tmp_path, QUESTION)


# ---- a folder that cannot be written


def _full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_that_cannot_be_written_is_said_before_there_is_something_to_lose(fit, tmp_path, monkeypatch):
    monkeypatch.setattr("movierec.training.steps.LoopedModel._train_steps", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        OSError, match="must be a folder that can be written, for checkpoints; .*Nothing has been trained"
    ):
        fit(checkpoint=tmp_path / "file" / "folder")
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.setattr(os, "replace", _full)
    with pytest.raises(OSError, match="No space left.* Make room, or name another: fit_hybrid") as error:
        fit()
    assert error.value.errno == errno.ENOSPC and not list(tmp_path.glob(f".{FILE}.*"))


def test_a_disk_that_fills_up_is_one_warning_and_the_older_file_stays(fit, once, tmp_path, monkeypatch):
    replace, times = os.replace, []

    def fills_up(*paths):
        times.append(paths)
        return replace(*paths) if len(times) <= 2 else _full()

    monkeypatch.setattr(os, "replace", fills_up)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = fit(heads=("stars",))
    [warning] = [of for of in said if of.category is UserWarning]
    assert re.search(r"training\.npz could not be replaced \(No space left.*\); training goes on", str(warning.message))
    assert len(times) == 1 + 6 and where(tmp_path) == {"stars": (1, 3, False)}  # the first of six, and it can be read
    for here, there in zip(model.model.stars.get_weights(), once.model.stars.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)
    assert os.listdir(tmp_path) == [FILE]


def test_a_checkpoint_that_succeeds_again_is_written(tmp_path, monkeypatch):
    checkpoint, replace = Checkpoint(tmp_path, QUESTION), os.replace
    monkeypatch.setattr(os, "replace", _full)
    with pytest.warns(UserWarning, match="could not be replaced"):
        checkpoint.keep("stars", _state(1))
    checkpoint.keep("stars", _state(2))  # no second warning, which would be an error here
    monkeypatch.setattr(os, "replace", replace)
    checkpoint.keep("stars", _state(3))
    found = Checkpoint(tmp_path, QUESTION).states["stars"]
    np.testing.assert_array_equal(found.weights[5], _state(3).weights[5])


# ---- how often


@pytest.mark.parametrize(("every", "kept"), [(1, [3, 6, 0]), (4, [6, 0]), (7, [0])])
def test_there_is_a_checkpoint_after_so_many_steps_and_after_each_epoch(fit, monkeypatch, every, kept):
    """An epoch of 8 steps, looked at after 3, 6 and 8: written when a multiple of `every` has been passed."""
    keep, steps = Checkpoint.keep, []

    def counted(self, head, state):
        steps.append(state.step)
        keep(self, head, state)

    monkeypatch.setattr(Checkpoint, "keep", counted)
    fit(heads=("stars",), epochs=1, checkpoint_steps=every)
    assert steps == kept
