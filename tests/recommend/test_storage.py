"""A model on disk.

Protected: a loaded model is the same to the bit, in another process too; a folder is whole or refused; saving that
fails leaves the previous version; a folder from somebody else runs no code of theirs.
"""

import contextlib
import copy
import errno
import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.baselines import Ease
from movierec.files import PART, sealed, unfinished
from movierec.keras2 import tf
from movierec.recommend import Ensemble, checked, versions
from movierec.recommend.storage import LINEAR, VARIABLE
from movierec.serving import load_served
from tests.little_room import disk_events, flips, little_room

FILES = ["1", "manifest.json"]  # a version, and the manifest that names it
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


def _manifest(folder, **change):
    """The manifest of a folder, after a change by somebody who knows how it is sealed."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | change
    path.write_bytes(sealed({name: value for name, value in manifest.items() if name != "sha256"}))
    return manifest


def assert_same(again, model, test):
    """Equal to the bit in everything that a model can be asked."""
    users = np.arange(model.indices.num_users)
    if model.model.stars is not None:
        np.testing.assert_array_equal(again.predict(test), model.predict(test))
    if model.model.ranking is not None:
        np.testing.assert_array_equal(again.score(users), model.score(users))
        for ask in (lambda m: m.recommend([139, 100]), lambda m: m.recommend_new({10: 5.0}), lambda m: m.similar(20)):
            pd.testing.assert_frame_equal(ask(again), ask(model), check_exact=True)
    assert again.model.settings == model.model.settings
    assert again.model.movie_features.names == model.model.movie_features.names
    assert again.model.user_features.names == model.model.user_features.names
    assert again.model.past.in_order == model.model.past.in_order
    assert (again.weeks, again.bias.scale, repr(again)) == (model.weeks, model.bias.scale, repr(model))
    assert (again.best_epochs, again.fit_seconds) == (model.best_epochs, model.fit_seconds)
    assert again.movies["title"].tolist() == model.movies["title"].tolist()


# ---- the same model


def test_a_saved_model_is_a_numbered_saved_model_and_a_manifest_of_all_its_files(saved, fitted, split):
    assert _files(saved) == FILES
    manifest = _manifest(saved)
    there = [path.relative_to(saved).as_posix() for path in (saved / "1").rglob("*") if path.is_file()]
    assert {"1/saved_model.pb", "1/variables/variables.index", ARRAYS.as_posix()} <= set(there)
    assert sorted(manifest["files"]) == sorted(there)
    assert (manifest["version"], manifest["seed"], manifest["heads"]) == (1, 0, ["stars", "ranking"])
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["metrics"]["validation_rmse"] == fitted.history["validation_rmse"].min()
    assert manifest["metrics"]["validation_ndcg@10"] == fitted.history["validation_ndcg@10"].max()
    data = manifest["data"]
    assert (data["users"], data["movies"], data["ratings"]) == (40, 30, len(split.train))
    past = fitted.model.past
    columns = (past.user_index, past.movie_index, past.residual, past.timestamp)
    assert data["sha256"] == hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def test_a_loaded_model_is_the_same_to_the_bit_and_can_be_saved_again(fitted, listed, saved, split, tmp_path):
    """With histories as lists, too, as those of 25 million ratings are."""
    again = movierec.load_model(str(saved))
    assert_same(again, fitted, split.test)
    pd.testing.assert_frame_equal(again.history, fitted.history, check_exact=True)
    listed.save(tmp_path / "one")
    movierec.load_model(tmp_path / "one").save(tmp_path / "two")
    again = movierec.load_model(tmp_path / "two")
    assert again.model.stars.rater_index.tolist() == listed.model.stars.rater_index.tolist()
    assert_same(again, listed, split.test)


def test_an_ensemble_comes_back_with_its_members(fitted, once, split, tmp_path):
    together = Ensemble([fitted, once])
    together.save(tmp_path)
    again = movierec.load_model(tmp_path)
    for loaded, model in zip([again, *again.members], [together, fitted, once], strict=True):
        assert_same(loaded, model, split.test)
        assert loaded.seed == model.seed


@pytest.mark.parametrize("head", ["stars", "ranking"])
def test_one_head_own_tables_and_a_split_that_is_not_in_time_come_back(split, checkerboard, small, head, tmp_path):
    own = pd.DataFrame({"movie_id": [10, 20, 30], "minutes": [80, 90, None], "language": ["en", "en|fr", None]})
    people = pd.DataFrame({"user_id": [100, 101], "city": ["Bonn", "Kyoto"]})
    missing = movierec.Split(split.train, split.validation, split.test)
    settings = dict(about_movies=own, about_users=people, content_share=0.3, without="deep", epochs=1) | small
    model = movierec.fit_hybrid(missing, checkerboard.movies, checkerboard.users, heads=(head,), **settings)
    model.save(tmp_path)
    again = movierec.load_model(tmp_path)
    assert_same(again, model, split.test)
    assert again.model.movie_features.names[-3:] == ["minutes", "language=en", "language=fr"]
    assert again.model.settings.without == ("deep",) and again.model.past.in_order is False
    assert (again.model.stars is None, again.model.ranking is None) == (head != "stars", head != "ranking")
    if head == "ranking":
        assert {row["predicted_stars"] for row in load_served(tmp_path).recommend(100, 3)} == {None}
    else:
        with pytest.raises(ValueError, match=r"must have a ranking head to be served; it has \['stars'\]"):
            load_served(tmp_path)


def test_after_its_weights_changed_a_model_recommends_saves_and_serves_the_same(once, tmp_path):
    """A list that was asked for earlier must not decide which weights are saved."""
    once.save(tmp_path / "copy")
    model = movierec.load_model(tmp_path / "copy")
    before, ranking = model.recommend([100], k=30), model.model.ranking
    ranking.set_weights([weight + 0.3 * np.roll(weight, 1) for weight in ranking.get_weights()])
    after = model.recommend([100], k=30)
    assert after["movie_id"].tolist() != before["movie_id"].tolist()
    model.model.stars.user_bias.assign_add(np.ones(40))
    changed = model.recommend([100], k=30)
    assert (changed["predicted_stars"] > after["predicted_stars"]).any()
    model.save(tmp_path / "changed")
    pd.testing.assert_frame_equal(movierec.load_model(tmp_path / "changed").recommend([100], k=30), changed)
    served = load_served(tmp_path / "changed").recommend(100, 30)
    assert [row["movie_id"] for row in served] == changed["movie_id"].tolist()


def test_the_item_item_matrix_is_stored_once_and_not_solved_again(saved, fitted, monkeypatch):
    """Once among the variables: not in the program, and not in the arrays."""
    matrix = fitted.model.ranking.linear.numpy()
    variables = tf.train.load_checkpoint(str(saved / "1/variables/variables"))
    np.testing.assert_array_equal(variables.get_tensor(VARIABLE.format(LINEAR.format(0))), matrix)
    assert matrix[:1].tobytes() not in (saved / "1/saved_model.pb").read_bytes()
    with np.load(saved / ARRAYS) as arrays:
        assert matrix.shape not in [arrays[name].shape for name in arrays]
        assert not [name for name in arrays if name.startswith(("stars_", "ranking_"))]  # nor are the weights twice
    for name in ("history/1", "seen_movie"):  # what grows with the ratings is no part of the program, either
        assert variables.has_tensor(VARIABLE.format(name))
    monkeypatch.setattr(Ease, "solve", None)  # it is on disk
    np.testing.assert_array_equal(movierec.load_model(saved).model.ranking.linear, matrix)


IN_ITS_PLACE = {  # of the matrix of films: what is set to get it, the method that solves it, the shape of what is kept
    "few users": ({"MOST_MOVIES_IN_MATRIX": 0, "MOVIES_PER_USER": 0}, "factors", (40, 40)),
    "a large catalogue": ({"MOST_LINEAR_MOVIES": 0}, "directions", (30, 30)),
}


@pytest.mark.parametrize("case", IN_ITS_PLACE)
def test_what_stands_for_a_matrix_that_is_too_large_is_stored_in_its_place(
    case, split, checkerboard, small, fitted, tmp_path, monkeypatch
):
    """A matrix of films takes 380 MB for 9,742 films, and one of 610 users 1.5 MB. All 30 directions are the matrix."""
    limits, solver, shape = IN_ITS_PLACE[case]
    for name, limit in limits.items():
        monkeypatch.setattr(f"movierec.models.linear.{name}", limit)
    expected = pytest.warns(UserWarning, match="30 films .* keeps the 200 strongest directions")
    with expected if solver == "directions" else contextlib.nullcontext():
        model = movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=0, epochs=5, **small)
    np.testing.assert_allclose(model.score(np.arange(40)), fitted.score(np.arange(40)), atol=1e-4)
    for row in model.recommend([100], k=3).itertuples():
        assert model.explain(row.movie_id, 100)["contribution"].sum() == pytest.approx(row.score, abs=1e-4)
    for number, one in enumerate((model, Ensemble([model, copy.deepcopy(model)]))):
        one.save(tmp_path / str(number))
        variables = tf.train.load_checkpoint(str(tmp_path / f"{number}/1/variables/variables"))
        assert variables.get_tensor(VARIABLE.format(LINEAR.format(0))).shape == shape
        with monkeypatch.context() as patched:
            patched.setattr(Ease, solver, None)  # it is not solved again
            again = movierec.load_model(tmp_path / str(number))
        assert_same(again, one, split.test)
        served = load_served(tmp_path / str(number)).recommend(100, 10)
        assert [row["movie_id"] for row in served] == one.recommend([100])["movie_id"].tolist()


def test_everything_is_on_disk_before_the_manifest_names_it(plain, tmp_path, monkeypatch):
    """Files, then the names in their folders, then the manifest; then both appear, and their names are flushed."""
    events = disk_events(monkeypatch)
    plain.save(tmp_path)
    kinds = [(kind, path.split("/version")[-1] if "/version" in path else Path(path).name) for kind, path in events]
    *content, manifest, version, folder, appears, again = kinds
    files = ["/" + name.removeprefix("1/") for name in _manifest(tmp_path)["files"]]
    folders = ["/assets", "/assets.extra", "/variables", ""]
    assert sorted(content) == sorted([("flush", name) for name in files + folders])
    order = [name for _, name in content]
    assert all(order.index(name) < order.index(name.rpartition("/")[0]) for name in order if name)
    assert [manifest, version] == [("flush", "manifest.json"), ("move", "1")]
    assert [folder, appears, again] == [("flush", tmp_path.name), ("move", "manifest.json"), ("flush", tmp_path.name)]


# ---- several processes at once


def test_saving_again_replaces_the_version_and_what_the_dead_left_and_nothing_else(plain, saved, split):
    (saved / "notes.txt").write_text("mine")
    (saved / "2024").mkdir()
    (saved / f"{PART}dead").mkdir()
    (saved / f"{PART}dead/half").write_text("20 MB")
    with unfinished(saved) as living:
        plain.save(saved)
        plain.save(saved)
        assert _files(saved) == sorted([living.name, "2024", "2026", "manifest.json", "notes.txt"])
    assert_same(movierec.load_model(saved), plain, split.test)


def test_savers_at_once_all_publish_and_readers_always_find_a_whole_version(tmp_path, monkeypatch):
    """Five threads with three versions each: without the lock, two would take the same number."""
    real, threads = versions.names, []

    def slowly(folder):
        time.sleep(0.002)
        return real(folder)

    def save(seed):
        for _ in range(3):
            with unfinished(tmp_path) as part:
                path = part / "version" / versions.ARRAYS
                path.parent.mkdir(parents=True)
                path.write_text(str(seed))
                versions.publish(tmp_path, part, {"seed": seed})

    def read(manifest, place):
        return manifest["seed"], int((place / versions.ARRAYS).read_text())

    monkeypatch.setattr(versions, "names", slowly)
    save(9)
    with ThreadPoolExecutor(6) as pool:
        threads = [pool.submit(save, seed) for seed in range(5)]
        while not all(thread.done() for thread in threads):
            one, other = versions.read_saved(tmp_path, read)
            assert one == other
    assert [thread.result() for thread in threads] == [None] * 5
    assert _files(tmp_path) == ["18", "manifest.json"]  # 3 + 5 · 3


@pytest.mark.parametrize("load", [movierec.load_model, load_served])
def test_a_version_that_is_replaced_while_it_is_read_is_read_anew(load, plain, saved, monkeypatch):
    real, saves = np.load, iter([plain.save])

    def replaced(*args, **kwargs):
        next(saves, lambda folder: None)(saved)
        return real(*args, **kwargs)

    monkeypatch.setattr(np, "load", replaced)
    found = load(saved)
    assert _files(saved) == ["2", "manifest.json"]
    if load is movierec.load_model:
        assert found.fit_seconds == plain.fit_seconds
    else:
        assert found.manifest["version"] == 2 and found.genres == []  # it was fitted without a table of movies


# ---- what is refused


def test_a_folder_without_a_model_is_named_with_the_call_that_writes_it(saved):
    (saved / "manifest.json").unlink()
    for folder in (saved, saved / "nowhere"):
        with pytest.raises(FileNotFoundError, match=f"{folder} must hold manifest.json.*`model.save"):
            movierec.load_model(folder)


def test_a_flipped_bit_anywhere_and_a_file_cut_short_taken_away_or_added_are_refused(saved):
    """Of each file: the first byte, the last one, and eight drawn at random; of the manifest, 100."""
    rng = np.random.default_rng(0)
    files = [saved / name for name in _manifest(saved)["files"] if (saved / name).stat().st_size]
    for path in files:
        whole = path.read_bytes()
        for changed in (*flips(whole, rng, count=8), b"", whole[:-1]):
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=f"{path.name} was cut short, changed"):
                checked(saved)
        path.unlink()
        with pytest.raises(ValueError, match=f"manifest says: .*{path.name} was .*taken away"):
            movierec.load_model(saved)
        path.write_bytes(whole)
    (saved / "1/more.txt").write_text("not ours")
    with pytest.raises(ValueError, match="manifest says: 1/more.txt was .* added"):
        movierec.load_model(saved)
    (saved / "1/more.txt").unlink()
    path = saved / "manifest.json"
    whole, (manifest, _) = path.read_bytes(), checked(saved)
    refused = 0
    for flipped in flips(whole, rng, count=100):
        path.write_bytes(flipped)
        try:
            assert checked(saved)[0] == manifest  # a space between names and values says nothing
        except ValueError as error:
            assert "again" in str(error)
            refused += 1
    assert refused > 70


NO_FILES, NOT_THERE = "does not say which files are the model", "cut short, changed, added"
NOT_READ = "cannot be read .*Save the model again"


@pytest.mark.parametrize(
    "change, reason",
    [
        *[({"version": version}, NO_FILES) for version in ("../elsewhere", True, 1.0, 10**400)],
        *[({"files": files}, NO_FILES) for files in (None, [["1/saved_model.pb", "0"]])],
        ({"versions": ["2.18"]}, NO_FILES),
        ({"version": 2}, NOT_THERE),
        ({"files": {"../saved_model.pb": "0"}}, r"\.\./saved_model\.pb, 1/.* was cut short, changed, added"),
        ({"files": {}}, NOT_THERE),
        *[(change, NOT_READ) for change in ({"levels": None}, {"heads": ["summary"]}, {"other_members": [{}]})],
        ({"format": "keras-3"}, "must have the format movierec-hybrid-7 or movierec-sequence-1, found 'keras-3'"),
        ({"format": "movierec-hybrid-99"}, "Save it again with this version of movierec, or load it with the version"),
        ({"mean": float("nan")}, "must be finite; NaN or infinity in 1: mean has 1 of 1"),
        ('"seed": 1', "changed after it was written: its checksum is another.*Save the model again"),
        ('"seed": 0, "seed": 0', "a name is there twice: .*Save the model again"),
    ],
)
def test_a_manifest_that_was_written_by_hand_is_refused(saved, change, reason):
    """Other JSON is refused in tests/test_files.py."""
    path = saved / "manifest.json"
    if isinstance(change, dict):
        _manifest(saved, **change)
    else:
        path.write_text(path.read_text().replace('"seed": 0', change))
    with pytest.raises(ValueError, match=reason):
        movierec.load_model(saved)


def test_another_tensorflow_is_said(saved):
    _manifest(saved, versions={"tensorflow": "1.15.0"})
    with pytest.warns(UserWarning, match=f"with TensorFlow 1.15.0, and is read with {tf.__version__}: ") as said:
        movierec.load_model(saved)
    assert said[0].filename == __file__


def _rewrite(saved, **arrays):
    """Write other arrays, and the manifest as somebody would who wants them to be loaded."""
    with np.load(saved / ARRAYS) as file:
        np.savez(saved / ARRAYS, **dict(file) | arrays)
    files = _manifest(saved)["files"]
    _manifest(saved, files=files | {ARRAYS.as_posix(): hashlib.sha256((saved / ARRAYS).read_bytes()).hexdigest()})


@pytest.mark.parametrize("load", [movierec.load_model, load_served])
def test_pickled_objects_are_not_loaded(saved, load):
    """A folder from somebody else runs no code of theirs."""
    _rewrite(saved, titles=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="cannot be .*allow_pickle=False"):
        load(saved)


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(saved, monkeypatch):
    """With them every list is empty, and nobody is told why."""
    model = movierec.load_model(saved)
    weights = model.model.ranking.get_weights()
    weights[0].flat[:3] = np.nan, np.inf, -np.inf
    model.model.ranking.set_weights(weights)
    before = _files(saved)
    wrong = rf"must be finite; NaN or infinity in 1: {{}} has 3 of {weights[0].size:,}"
    saving = wrong.format(r"movie_bias:0 \(variable \d+\)")
    with pytest.raises(ValueError, match=f"{saving}.*Nothing was saved; what was saved before is still there"):
        model.save(saved)
    assert _files(saved) == before
    with monkeypatch.context() as patch:
        patch.setattr(versions, "check_numbers", lambda *_: None)
        model.save(saved)
    with pytest.raises(ValueError, match=f"{wrong.format('ranking_0')}.* is refused. Train and save"):
        movierec.load_model(saved)
    with pytest.raises(ValueError, match="must be finite; NaN or infinity in .* has 3 of"):
        load_served(saved)


# ---- when the disk is full


@pytest.mark.parametrize("share", [0.01, 0.6, 0.9])
def test_a_full_disk_leaves_what_was_there(fitted, saved, tmp_path, share):
    """There is room for a share of the model only: it is refused in our words, wherever writing stopped."""

    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = contents(saved)
    room = int(share * sum(map(len, before.values())))
    said = r"must be a writable folder; .*about \d+ MB are needed, 0 MB are free\. Nothing was saved; what was saved"
    with little_room(tmp_path / "disk", room, content=saved) as disk:
        for folder in (disk, disk / "new"):
            with pytest.raises(OSError, match=said) as error:
                fitted.save(folder)
            assert error.value.errno in (errno.ENOSPC, errno.EFBIG)
        with pytest.raises(OSError, match="manifest.json must be a writable folder; .*Nothing was saved"):
            fitted.save(disk / "manifest.json")
        assert _files(disk / "new") == []
        (disk / "new").rmdir()
        assert contents(disk) == before and _files(disk) == FILES
