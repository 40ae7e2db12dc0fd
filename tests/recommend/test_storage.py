"""A model on disk: the same to the bit in another process, and whole or refused."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import movierec

VERSIONS = {"python", "tensorflow", "numpy"}
ROOT = Path(__file__).resolve().parents[2]
FILES = ["1", "manifest.json"]  # a version, and what says that it holds
ARRAYS = Path("1/assets.extra/arrays.npz")


@pytest.fixture(scope="module")
def saved_once(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "a model"
    fitted.save(folder)
    return folder


@pytest.fixture
def saved(saved_once, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(saved_once, tmp_path / "a model"))


def _files(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- the same model


def test_a_saved_model_is_a_numbered_saved_model_and_a_manifest_of_all_its_files(saved, fitted, split):
    assert _files(saved) == FILES
    manifest = json.loads((saved / "manifest.json").read_text(encoding="utf-8"))
    assert {"1/saved_model.pb", "1/variables/variables.index", ARRAYS.as_posix()} <= set(manifest["files"])
    there = [path.relative_to(saved).as_posix() for path in (saved / "1").rglob("*") if path.is_file()]
    assert sorted(manifest["files"]) == sorted(there)
    assert (manifest["version"], manifest["seed"], manifest["heads"]) == (1, 0, ["stars", "ranking"])
    assert manifest["versions"]["numpy"] == np.__version__ and set(manifest["versions"]) == VERSIONS
    assert manifest["metrics"]["validation_rmse"] == fitted.history["validation_rmse"].min()
    assert manifest["metrics"]["validation_ndcg@10"] == fitted.history["validation_ndcg@10"].max()
    data = manifest["data"]
    assert (data["users"], data["movies"], data["ratings"]) == (40, 30, len(split.train))


def test_the_checksum_of_the_data_is_that_of_the_train_part(fitted, once, plain, split, small, saved, tmp_path):
    def checksum(model):
        model.save(tmp_path / "data")
        return json.loads((tmp_path / "data/manifest.json").read_text())["data"]["sha256"]

    first = checksum(fitted)
    assert first == checksum(once) == checksum(plain)  # other seeds and tables, the same ratings
    fewer = movierec.Split(split.train[1:], split.validation, split.test, split.in_time)
    assert checksum(movierec.fit_hybrid(fewer, epochs=1, heads=("stars",), **small)) != first


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


def test_a_table_of_ones_own_and_films_known_by_features_are_loaded_too(split, checkerboard, small, tmp_path):
    mine = pd.DataFrame({"movie_id": [10, 20, 30], "minutes": [80, 90, None], "language": ["en", "en|fr", None]})
    people = pd.DataFrame({"user_id": [100, 101], "city": ["Bonn", "Kyoto"]})
    model = movierec.fit_hybrid(
        split, checkerboard.movies, checkerboard.users, about_movies=mine, about_users=people, content_share=0.3,
        epochs=1, **small,
    )  # fmt: skip
    assert model.model.movie_features.names[-3:] == ["minutes", "language=en", "language=fr"]
    assert model.model.user_features.names[-2:] == ["city=Bonn", "city=Kyoto"]
    model.save(tmp_path)
    again = movierec.load_model(tmp_path)
    np.testing.assert_array_equal(again.score(np.arange(40)), model.score(np.arange(40)))
    np.testing.assert_array_equal(again.predict(split.test), model.predict(split.test))
    assert again.model.movie_features.names == model.model.movie_features.names
    pd.testing.assert_frame_equal(again.recommend([100]), model.recommend([100]), check_exact=True)


def test_a_loaded_model_of_lists_is_the_same_to_the_bit(listed, split, tmp_path):
    listed.save(tmp_path)
    again = movierec.load_model(tmp_path)
    assert again.model.stars.in_movie_bag.tolist() == listed.model.stars.in_movie_bag.tolist()
    np.testing.assert_array_equal(again.predict(split.test), listed.predict(split.test))
    np.testing.assert_array_equal(again.score(np.arange(40)), listed.score(np.arange(40)))
    for table in (lambda m: m.recommend([139, 100]), lambda m: m.recommend_new({10: 5.0}), lambda m: m.similar(20)):
        pd.testing.assert_frame_equal(table(again), table(listed), check_exact=True)


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
    (saved / "notes.txt").write_text("mine")
    plain.save(saved)
    assert _files(saved) == ["2", "manifest.json", "notes.txt"]  # the older version is gone, the reader's file is not
    movierec.load_model(saved).save(tmp_path / "two")
    again = movierec.load_model(tmp_path / "two")
    np.testing.assert_array_equal(again.predict(split.test), plain.predict(split.test))
    assert again.movies["title"].tolist() == plain.movies["title"].tolist()


def test_folders_of_the_reader_are_left_alone_whatever_they_are_called(plain, tmp_path):
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024/thesis.txt").write_text("mine")
    plain.save(tmp_path / "7")  # a model in a folder of its own, beside
    plain.save(tmp_path)
    plain.save(tmp_path)
    assert _files(tmp_path) == ["2024", "2026", "7", "manifest.json"]
    assert (tmp_path / "2024/thesis.txt").read_text() == "mine"
    for folder in (tmp_path, tmp_path / "7"):
        assert movierec.load_model(folder).indices.num_users == 40


def test_everything_is_on_the_disk_before_the_manifest_names_it(plain, tmp_path, monkeypatch):
    kept = []
    real = os.fsync

    def fsync(descriptor):
        kept.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")) if os.path.isdir("/proc") else "")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    plain.save(tmp_path)
    if os.path.isdir("/proc"):
        manifest = next(place for place, name in enumerate(kept) if name.startswith(".manifest.json"))
        assert {"saved_model.pb", "arrays.npz", "variables.index", tmp_path.name} <= set(kept[:manifest])


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


@pytest.mark.parametrize("inside", [True, False])
def test_a_folder_without_a_model_is_named_with_the_call_that_writes_it(saved, inside):
    folder = saved if inside else saved / "nowhere"
    (saved / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="must hold manifest.json") as error:
        movierec.load_model(folder)
    assert str(folder) in str(error.value) and "`model.save(folder)`" in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("name", [ARRAYS, "1/saved_model.pb"])
def test_files_that_were_cut_short_are_refused(saved, name, share):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is not as its manifest says: 1/.* was cut short"):
        movierec.load_model(saved)


@pytest.mark.parametrize("name", [ARRAYS, "1/saved_model.pb", "1/variables/variables.index"])
def test_one_changed_byte_anywhere_is_refused(saved, name):
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"manifest says: {Path(name).as_posix()} was cut short, changed"):
        movierec.load_model(saved)


def test_a_file_that_is_missing_or_was_added_is_refused(saved):
    (saved / "1/more.txt").write_text("not ours")
    with pytest.raises(ValueError, match="manifest says: 1/more.txt was .* added"):
        movierec.load_model(saved)
    (saved / "1/more.txt").unlink()
    (saved / ARRAYS).unlink()
    with pytest.raises(ValueError, match="arrays.npz was .* taken away"):
        movierec.load_model(saved)
    shutil.rmtree(saved / "1")
    with pytest.raises(ValueError, match="taken away"):
        movierec.load_model(saved)


@pytest.mark.parametrize(
    "change", [{"files": None}, {"version": "../elsewhere"}, {"files": 3}, {"version": float("inf")}]
)
def test_a_manifest_without_its_files_is_refused(saved, change):
    manifest = json.loads((saved / "manifest.json").read_text()) | change
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="does not say which files are the model"):
        movierec.load_model(saved)


@pytest.mark.parametrize("change", [{"levels": None}, {"heads": ["summary"]}, {"settings": {"dimm": 3}}, {"weeks": 7}])
def test_a_manifest_that_was_written_by_hand_is_refused(saved, change):
    manifest = json.loads((saved / "manifest.json").read_text()) | change
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="cannot be read .*Save the model again"):
        movierec.load_model(saved)


def test_a_manifest_that_was_cut_short_is_refused(saved):
    text = (saved / "manifest.json").read_text()
    (saved / "manifest.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="manifest.json is not readable JSON"):
        movierec.load_model(saved)


@pytest.mark.parametrize(
    "content", ['{"format": "keras-3"}', '{"format": "movierec-hybrid-2"}', "{}", "[1, 2]", '"text"']
)
def test_a_foreign_manifest_is_refused_with_both_formats(saved, content):
    (saved / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="must have the format movierec-hybrid-3, found"):
        movierec.load_model(saved)


def test_a_manifest_of_another_model_is_refused(saved, plain, tmp_path):
    plain.save(tmp_path / "other")
    (saved / "manifest.json").write_bytes((tmp_path / "other" / "manifest.json").read_bytes())
    with pytest.raises(ValueError, match="cut short, changed"):
        movierec.load_model(saved)


def test_pickled_objects_are_not_loaded(saved):
    """A folder from somebody else runs no code of theirs."""
    np.savez(saved / ARRAYS, user_ids=np.array([print], dtype=object))
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["files"][ARRAYS.as_posix()] = hashlib.sha256((saved / ARRAYS).read_bytes()).hexdigest()
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="cannot be read.*allow_pickle=False"):
        movierec.load_model(saved)


# ---- when the disk is full


@pytest.fixture
def full_disk(monkeypatch):
    def write_a_little(file, **arrays):
        Path(file).write_bytes(b"PK half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", write_a_little)


def test_a_write_that_fails_leaves_nothing_behind(fitted, tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left"):
        fitted.save(tmp_path / "new")
    assert _files(tmp_path / "new") == []
    with pytest.raises(FileNotFoundError):
        movierec.load_model(tmp_path / "new")


def _contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_write_that_fails_leaves_the_model_that_was_there(fitted, saved, full_disk):
    before = _contents(saved)
    with pytest.raises(OSError, match="No space left"):
        fitted.save(saved)
    assert _contents(saved) == before and _files(saved) == FILES


def test_a_manifest_that_cannot_be_written_leaves_the_model_that_was_there(fitted, saved, monkeypatch):
    before = _contents(saved)

    def no_space(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("movierec.recommend.storage.write_atomically", no_space)
    with pytest.raises(OSError, match="No space left"):
        fitted.save(saved)
    assert _contents(saved) == before and _files(saved) == FILES


def test_a_folder_that_is_a_file_is_an_error_of_the_system(fitted, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OSError):
        fitted.save(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
