"""The cache: what is kept is whole, is of these sources and of this version; whatever fails, `load` does not."""

import errno
import json
import os
import signal
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from movierec.data import cache, download, formats
from movierec.data import movielens as datasets
from movierec.data.cache import Cache
from movierec.data.movielens import fingerprint, load

ROOT = Path(__file__).resolve().parents[2]
NAME = "ml-latest-small"  # its checksum is not published
RATINGS = "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n2,9,0.5,1537799250\n"
FILES = {
    "movies.csv": "movieId,title,genres\n11,Heat (1995),Crime\n9,Cats,Musical\n",
    "tags.csv": 'userId,movieId,tag,timestamp\n2,11,"für ""Fans"", NA",1445714994\n',
}


def write_archive(folder: Path, more: str = "", name: str = NAME) -> Path:
    path = folder / "raw" / f"{name}.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as opened:
        for member, text in {"ratings.csv": RATINGS + more, **FILES}.items():
            opened.writestr(f"{name}/{member}", text)
    return path


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path)


@pytest.fixture
def reads(monkeypatch):
    """How many times the archive has been read: a list that grows."""
    calls = []
    read_tables = formats.read_tables
    monkeypatch.setattr(formats, "read_tables", lambda *args: calls.append(args) or read_tables(*args))
    return calls


def folder_of(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "tables" / NAME


def left_in(folder: Path) -> set[str]:
    """What is there besides the manifest and the one build that it names."""
    return {path.name for path in folder.iterdir()} - {"manifest.json", build_of(folder).name}


def build_of(folder: Path) -> Path:
    return folder / json.loads((folder / "manifest.json").read_text())["build"]


def assert_same(one, other):
    for left, right in zip(one, other, strict=True):
        assert left is right is None or pd.testing.assert_frame_equal(left, right) is None


def test_the_second_load_reads_the_cache_and_gives_the_same(archive, tmp_path, reads):
    first, second = load(NAME, tmp_path), load(NAME, tmp_path)
    assert len(reads) == 1
    assert_same(first, second)
    assert second.movies.year.tolist() == [1995, pd.NA] and second.tags.tag.tolist() == ['für "Fans", NA']
    assert second.users is None
    names = {path.name for path in build_of(folder_of(tmp_path)).iterdir()}
    assert {name.split(".")[-1] for name in names} == {"npy", "json"} and "ratings.user_id.npy" in names
    assert left_in(folder_of(tmp_path)) == set()


def test_what_the_cache_returns_may_be_changed_and_the_cache_stays(archive, tmp_path):
    load(NAME, tmp_path)
    mine = load(NAME, tmp_path)
    mine.ratings.loc[0, "rating"] = 1.0
    mine.ratings["timestamp"] += 1
    assert load(NAME, tmp_path).ratings.rating.tolist() == [4.0, 0.5]
    assert load(NAME, tmp_path).ratings.timestamp.tolist() == [964982703, 1537799250]


def test_tables_without_rows_are_kept_too(tmp_path, reads):
    path = write_archive(tmp_path)
    with zipfile.ZipFile(path, "w") as opened:
        for member, text in {"ratings.csv": RATINGS, **FILES}.items():
            opened.writestr(f"{NAME}/{member}", text.splitlines()[0] + "\n" if member == "tags.csv" else text)
    assert_same(load(NAME, tmp_path), load(NAME, tmp_path))
    assert len(reads) == 1 and load(NAME, tmp_path).tags.dtypes.astype(str).tolist() == [
        "int32",
        "int32",
        "str",
        "int64",
    ]


def test_the_warning_of_cleaning_comes_from_the_cache_too(tmp_path, reads):
    write_archive(tmp_path, "2,9,6.0,1537799250\n")
    messages = []
    for _ in range(2):
        with pytest.warns(UserWarning, match="removed rows: 1 ratings off the scale. All decis") as caught:
            load(NAME, tmp_path)
        assert caught[0].filename == __file__
        messages.append(str(caught[0].message))
    assert len(reads) == 1 and messages[0] == messages[1]


def test_a_replaced_archive_is_read_anew_and_a_touched_one_is_not(archive, tmp_path, reads, monkeypatch):
    load(NAME, tmp_path)
    hashed = []
    file_digest = cache.hashlib.file_digest
    monkeypatch.setattr(cache.hashlib, "file_digest", lambda *args: hashed.append(args) or file_digest(*args))
    load(NAME, tmp_path)
    assert len(hashed) == 0  # size and time are as remembered
    os.utime(archive, ns=(1, 1))
    load(NAME, tmp_path)
    load(NAME, tmp_path)
    assert len(hashed) == 1 and len(reads) == 1  # looked at once, found the same, and the new time is remembered
    old = build_of(folder_of(tmp_path))
    write_archive(tmp_path, "2,11,3.0,1537799251\n")
    assert len(load(NAME, tmp_path).ratings) == 3
    assert len(reads) == 2 and not old.exists() and left_in(folder_of(tmp_path)) == set()


def test_a_named_archive_with_another_checksum_is_refused_though_the_cache_has_its_tables(tmp_path, monkeypatch):
    path = write_archive(tmp_path, name="ml-20m")
    md5 = Cache(tmp_path / "elsewhere").digest(path, "md5")
    monkeypatch.setitem(download.ARCHIVES, "ml-20m", download.Archive(1, md5, 2))
    load("ml-20m", tmp_path)
    path.write_bytes(path.read_bytes()[:-10])  # cut short
    with pytest.raises(download.DataUnavailable, match=f"must be the published archive, MD5 {md5}; this file"):
        load("ml-20m", tmp_path)
    write_archive(tmp_path, name="ml-20m")
    assert len(load("ml-20m", tmp_path).ratings) == 2


def test_an_unpacked_folder_is_cached_by_its_files(tmp_path, reads):
    folder = tmp_path / "raw" / NAME
    folder.mkdir(parents=True)
    for member, text in {"ratings.csv": RATINGS, **FILES, "links.csv": "not read"}.items():
        (folder / member).write_text(text, encoding="utf-8")
    load(NAME, tmp_path)
    (folder / "links.csv").write_text("nor looked at")
    load(NAME, tmp_path)
    assert len(reads) == 1
    (folder / "movies.csv").write_text(FILES["movies.csv"].replace("Cats", "Dogs"))
    assert load(NAME, tmp_path).movies.title.tolist() == ["Heat (1995)", "Dogs"] and len(reads) == 2


@pytest.mark.parametrize("file", ["ratings.rating.npy", "movies.title.json", "../manifest.json"])
@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "gone"])
def test_a_damaged_cache_is_made_again_without_a_word(file, harm, archive, tmp_path, reads):
    expected = load(NAME, tmp_path)
    path = build_of(folder_of(tmp_path)) / file
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-9 if "manifest" not in file else 3] ^= 0xFF
    path.unlink() if harm == "gone" else path.write_bytes({"cut": whole[:-3], "flip": flipped, "empty": b""}[harm])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(load(NAME, tmp_path), expected)
        assert len(reads) == 2
        assert_same(load(NAME, tmp_path), expected)
    assert len(reads) == 2 and left_in(folder_of(tmp_path)) == set()


def test_the_cache_of_an_older_version_is_replaced(archive, tmp_path, reads, monkeypatch):
    load(NAME, tmp_path)
    old = build_of(folder_of(tmp_path))
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    load(NAME, tmp_path)
    load(NAME, tmp_path)
    assert len(reads) == 2 and not old.exists() and left_in(folder_of(tmp_path)) == set()


@pytest.mark.parametrize("place", ["mkdir", "fsync", "rename", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_cache_that_cannot_be_written_is_one_warning(place, number, archive, tmp_path, reads, monkeypatch):
    """Where the disk is full, or read-only: at the folder, the first column, the whole build, the manifest."""

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(Path if place == "mkdir" else os, place, fail)
        with pytest.warns(UserWarning) as caught:
            data = load(NAME, tmp_path)
    assert len(data.ratings) == 2 and len(caught) == 1 and caught[0].filename == __file__
    text = str(caught[0].message)
    assert text.startswith("The tables could not be cached, about 0 MB in ") and os.strerror(number) in text
    assert "set the environment variable MOVIEREC_DATA to a folder that can be written" in text
    assert not folder_of(tmp_path).exists() or list(folder_of(tmp_path).iterdir()) == []
    load(NAME, tmp_path)
    load(NAME, tmp_path)
    assert len(reads) == 2


def test_a_full_disk_leaves_the_older_cache_whole(archive, tmp_path, monkeypatch):
    load(NAME, tmp_path)
    manifest = (folder_of(tmp_path) / "manifest.json").read_bytes()
    write_archive(tmp_path, "2,11,3.0,1537799251\n")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.warns(UserWarning, match="No space left on device"):
            assert len(load(NAME, tmp_path).ratings) == 3
    assert (folder_of(tmp_path) / "manifest.json").read_bytes() == manifest
    assert left_in(folder_of(tmp_path)) == set() and build_of(folder_of(tmp_path)).is_dir()


def test_a_read_only_cache_is_read(archive, tmp_path, reads, monkeypatch):
    load(NAME, tmp_path)
    os.utime(archive, ns=(1, 1))  # so that the manifest would be written again

    def fail(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", fail)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(NAME, tmp_path)
    assert len(reads) == 1 and left_in(folder_of(tmp_path)) == set()


def test_a_source_that_changes_while_it_is_read_is_not_cached(archive, tmp_path, monkeypatch):
    read_tables = formats.read_tables

    def replaced_meanwhile(*args):
        tables = read_tables(*args)
        write_archive(tmp_path, "2,11,3.0,1537799251\n")
        return tables

    with monkeypatch.context() as patch:
        patch.setattr(formats, "read_tables", replaced_meanwhile)
        assert len(load(NAME, tmp_path).ratings) == 2
    assert not folder_of(tmp_path).exists()
    assert len(load(NAME, tmp_path).ratings) == 3


# ---- several processes

SCRIPT = f"""
import os, signal, sys, time
from pathlib import Path
from movierec.data import cache
from movierec.data import movielens as datasets
folder, how = Path(sys.argv[1]), sys.argv[2]
write, replace, count = cache._write, os.replace, 0
def wait_for_the_others(place, name, values):
    if name == "ratings.rating":
        (folder / f"here-{{os.getpid()}}").touch()
        while len(list(folder.glob("here-*"))) < 2:
            time.sleep(0.01)
    return write(place, name, values)
def die(*args):
    global count
    count += 1
    if how == "manifest" or count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*args)
if how == "together":
    cache._write = wait_for_the_others
elif how == "column":
    cache._write = die
elif how == "manifest":
    os.replace = die
data = datasets.load("{NAME}", folder)
print(datasets.fingerprint(data), len(data.tags))
"""


def start(folder: Path, how: str) -> subprocess.Popen:
    command = [sys.executable, "-c", SCRIPT, str(folder), how]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_that_build_at_once(archive, tmp_path, reads):
    both = [start(tmp_path, "together") for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    expected = fingerprint(load(NAME, tmp_path))
    assert [out for out, _ in answers] == [f"{expected} 1\n"] * 2 and [err for _, err in answers] == ["", ""]
    assert reads == [] and left_in(folder_of(tmp_path)) == set()


@pytest.mark.parametrize("how", ["column", "manifest"])
def test_a_killed_builder_leaves_nothing_after_the_next_load(how, archive, tmp_path, reads):
    process = start(tmp_path, how)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert any(path.name.startswith(".") for path in folder_of(tmp_path).iterdir())  # the half of it
    expected = datasets.clean(datasets.read_raw(NAME, tmp_path), 0.5)[0]
    reads.clear()
    assert_same(load(NAME, tmp_path), expected)
    assert len(reads) == 1 and left_in(folder_of(tmp_path)) == set()


def test_what_is_left_is_swept_by_a_load_from_the_cache_unless_somebody_writes(archive, tmp_path, reads):
    load(NAME, tmp_path)
    left = folder_of(tmp_path) / ".1-abc.part"
    left.mkdir()
    with Cache(folder_of(tmp_path))._lock():  # as who writes holds it
        load(NAME, tmp_path)
        assert left.exists()
    load(NAME, tmp_path)
    assert not left.exists() and len(reads) == 1


def test_without_locks_only_what_is_old_is_swept(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "fcntl", None)
    load(NAME, tmp_path)
    old, new = folder_of(tmp_path) / ".1-abc.part", folder_of(tmp_path) / ".2-abc.part"
    old.mkdir(), new.mkdir()
    os.utime(old, (0, 0))
    load(NAME, tmp_path)
    assert left_in(folder_of(tmp_path)) == {new.name}


def test_columns_of_any_shape_come_back(tmp_path):
    source = tmp_path / "source"
    source.write_text("a")
    columns = {
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": np.empty((0, 4)),
        "text": ["é", "", "\n"],
    }
    kept = Cache(tmp_path / "kept")
    kept.save(kept.key([source]), columns, [[1, "x"]])
    other = Cache(tmp_path / "kept")
    found, notes = other.load(other.key([source]))
    assert notes == [[1, "x"]] and list(found) == list(columns) and found["text"] == columns["text"]
    for name in ("matrix", "none"):
        np.testing.assert_array_equal(found[name], columns[name])
        assert found[name].dtype == columns[name].dtype and type(found[name]) is np.ndarray
    assert other.load(["another"]) is None
