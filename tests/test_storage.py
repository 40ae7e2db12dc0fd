"""A model on disk: the same to the bit in another process, and whole or refused."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import movierec

ROOT = Path(__file__).resolve().parents[1]
FILES = ["arrays.npz", "manifest.json"]


@pytest.fixture
def saved(fitted, tmp_path):
    folder = tmp_path / "a model"
    fitted.save(folder)
    return folder


def _files(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- the same model


def test_a_saved_model_is_two_files(saved):
    assert _files(saved) == FILES


def test_a_loaded_model_is_the_same_to_the_bit(fitted, saved, split):
    again = movierec.load_model(str(saved))
    np.testing.assert_array_equal(again.predict(split.test), fitted.predict(split.test))
    np.testing.assert_array_equal(again.score(np.arange(40)), fitted.score(np.arange(40)))
    for table in (lambda m: m.recommend([139, 100]), lambda m: m.recommend_new({10: 5.0}), lambda m: m.similar(20)):
        pd.testing.assert_frame_equal(table(again), table(fitted), check_exact=True)
    assert again.best_epochs == fitted.best_epochs and again.fit_seconds == fitted.fit_seconds
    pd.testing.assert_frame_equal(again.history, fitted.history, check_exact=True)
    assert again.model.settings == fitted.model.settings
    assert again.model.movie_features.names == fitted.model.movie_features.names
    assert (again.weeks, again.bias.scale, repr(again)) == (fitted.weeks, fitted.bias.scale, repr(fitted))


def test_a_fresh_process_loads_the_same_and_trains_the_same(fitted, once, saved, split, checkerboard, small, tmp_path):
    """What a reader does the next day: lists and stars are equal to the bit, and so is a model of the same seed."""
    tables = {
        "train": split.train,
        "validation": split.validation,
        "test": split.test,
        "movies": checkerboard.movies,
        "users": checkerboard.users,
    }
    for name, table in tables.items():
        table.to_pickle(tmp_path / f"{name}.pickle")
    code = f"""
import pandas as pd, numpy as np, movierec, pathlib
folder = pathlib.Path({str(tmp_path)!r})
train, validation, test, movies, users = (pd.read_pickle(folder / f"{{name}}.pickle") for name in {list(tables)})
model = movierec.load_model(folder / "a model")
split = movierec.Split(train, validation, test, {split.in_time!r})
trained = movierec.fit_hybrid(split, movies, users, seed=3, epochs=2, **{small})
np.savez(folder / "there.npz", stars=model.predict(test), scores=model.score(np.arange(40)),
         movie_id=model.recommend([100, 139])["movie_id"],
         trained=trained.predict(test), lists=trained.score(np.arange(40)))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    with np.load(tmp_path / "there.npz") as there:
        np.testing.assert_array_equal(there["stars"], fitted.predict(split.test))
        np.testing.assert_array_equal(there["scores"], fitted.score(np.arange(40)))
        np.testing.assert_array_equal(there["movie_id"], fitted.recommend([100, 139])["movie_id"])
        np.testing.assert_array_equal(there["trained"], once.predict(split.test))
        np.testing.assert_array_equal(there["lists"], once.score(np.arange(40)))


def test_saving_over_a_model_replaces_it_and_a_loaded_model_can_be_saved(plain, saved, split, tmp_path):
    """`plain` has no tables of movies and users, hence no features."""
    plain.save(saved)
    assert _files(saved) == FILES
    movierec.load_model(saved).save(tmp_path / "two")
    again = movierec.load_model(tmp_path / "two")
    np.testing.assert_array_equal(again.predict(split.test), plain.predict(split.test))
    assert again.movies["title"].tolist() == plain.movies["title"].tolist()


@pytest.mark.parametrize("head", ["stars", "ranking"])
def test_one_head_alone_and_a_split_that_is_not_in_time_come_back_as_they_were(split, small, head, tmp_path):
    missing = movierec.Split(split.train, split.validation, split.test)
    model = movierec.fit_hybrid(missing, heads=(head,), epochs=1, without="deep", **small)
    model.save(tmp_path)
    again = movierec.load_model(tmp_path)
    assert again.model.settings == model.model.settings and again.model.settings.without == ("deep",)
    assert again.model.past.in_order is False
    if head == "stars":
        np.testing.assert_array_equal(again.predict(split.test), model.predict(split.test))
        assert again.model.ranking is None
    else:
        np.testing.assert_array_equal(again.score(np.arange(40)), model.score(np.arange(40)))
        assert again.model.stars is None


# ---- what is refused


@pytest.mark.parametrize("missing", [*FILES, None])
def test_a_missing_file_or_folder_is_named_with_the_call_that_writes_it(saved, missing):
    folder = saved / "nowhere"
    if missing:
        folder = saved
        (saved / missing).unlink()
    with pytest.raises(FileNotFoundError, match="must hold manifest.json and arrays.npz") as error:
        movierec.load_model(folder)
    assert str(folder) in str(error.value) and "`model.save(folder)`" in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_arrays_that_were_cut_short_are_refused(saved, share):
    path = saved / "arrays.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="cut short or changed"):
        movierec.load_model(saved)


def test_one_changed_byte_is_refused(saved):
    content = bytearray((saved / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (saved / "arrays.npz").write_bytes(content)
    with pytest.raises(ValueError, match="arrays.npz is not the file that manifest.json was written for"):
        movierec.load_model(saved)


def test_a_manifest_that_was_cut_short_is_refused(saved):
    text = (saved / "manifest.json").read_text()
    (saved / "manifest.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="manifest.json is not readable JSON"):
        movierec.load_model(saved)


@pytest.mark.parametrize(
    "content", ['{"format": "keras-3"}', '{"format": "movierec-hybrid-1"}', "{}", "[1, 2]", '"text"']
)
def test_a_foreign_manifest_is_refused_with_both_formats(saved, content):
    (saved / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="must have the format movierec-hybrid-2, found"):
        movierec.load_model(saved)


def test_a_manifest_of_another_model_is_refused(saved, plain, tmp_path):
    plain.save(tmp_path / "other")
    (saved / "manifest.json").write_bytes((tmp_path / "other" / "manifest.json").read_bytes())
    with pytest.raises(ValueError, match="cut short or changed"):
        movierec.load_model(saved)


def test_pickled_objects_are_not_loaded(saved):
    """A folder from somebody else runs no code of theirs."""
    import hashlib

    np.savez(saved / "arrays.npz", user_ids=np.array([print], dtype=object))
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["arrays_sha256"] = hashlib.sha256((saved / "arrays.npz").read_bytes()).hexdigest()
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="cannot be read.*allow_pickle=False"):
        movierec.load_model(saved)


# ---- when the disk is full


@pytest.fixture
def full_disk(monkeypatch):
    def write_a_little(file, **arrays):
        file.write(b"PK half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", write_a_little)


def test_a_write_that_fails_leaves_nothing_behind(fitted, tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left"):
        fitted.save(tmp_path / "new")
    assert _files(tmp_path / "new") == []
    with pytest.raises(FileNotFoundError):
        movierec.load_model(tmp_path / "new")


def test_a_write_that_fails_leaves_the_model_that_was_there(fitted, saved, full_disk):
    before = {name: (saved / name).read_bytes() for name in FILES}
    with pytest.raises(OSError, match="No space left"):
        fitted.save(saved)
    assert {name: (saved / name).read_bytes() for name in _files(saved)} == before


def test_a_folder_that_is_a_file_is_an_error_of_the_system(fitted, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OSError):
        fitted.save(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
