"""The cache: the tables that it returns are whole, of these sources and of this code; if it fails, `load` does not."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from movierec.data import formats, tables
from movierec.data.movielens import fingerprint, load
from movierec.files import sealed
from tests.data.conftest import SMALL, assert_same, rows, write_small
from tests.little_room import flips

ROOT = Path(__file__).resolve().parents[2]
NAME = "ml-latest-small"
MORE = "2,11,3.0,1537799251\n"


@pytest.fixture
def archive(tmp_path):
    return write_small(tmp_path)


@pytest.fixture
def reads(monkeypatch):
    """How many times the archive has been read: a list that grows."""
    calls = []
    read_tables = formats.read_tables
    monkeypatch.setattr(formats, "read_tables", lambda *args: calls.append(args) or read_tables(*args))
    return calls


def kept(tmp_path: Path) -> Path:
    """The one folder of tables, beside which nothing is left."""
    (entry,) = (tmp_path / "cache" / "tables" / NAME).iterdir()
    return entry


def test_the_second_load_reads_the_cache_and_gives_the_same_whatever_was_done_to_the_first(tmp_path, reads):
    for count, tags in enumerate([SMALL["tags.csv"], "userId,movieId,tag,timestamp\n"], 1):
        write_small(tmp_path, tags=tags)
        first = load(NAME, tmp_path)
        second = load(NAME, tmp_path)
        assert_same(first, second)
        assert len(reads) == count and second.users is None
        assert second.tags.dtypes.astype(str).tolist() == ["int32", "int32", "str", "int64"]
        second.ratings.loc[0, "rating"] = 1.0
        second.ratings["timestamp"] += 1
        assert_same(first, load(NAME, tmp_path))
    files = {path.name for path in kept(tmp_path).iterdir()}
    assert files == {"ratings.feather", "movies.feather", "tags.feather", "log.feather", "manifest.json"}


def test_the_warning_of_cleaning_comes_from_the_cache_too(tmp_path, reads):
    write_small(tmp_path, "2,9,6.0,1537799250\n2,9,1.0,1537799251\n3,404,1.0,1537799250\n")
    for _ in range(2):
        with pytest.warns(UserWarning) as caught:
            data = load(NAME, tmp_path)
        assert rows(data.ratings) == [(1, 11, 4.0, 964982703), (2, 9, 1.0, 1537799251)]
        (warning,) = caught
        assert warning.filename == __file__ and str(warning.message) == (
            "Cleaning ml-latest-small removed rows: 1 ratings off the scale; 1 ratings of unknown movies; "
            "1 ratings by a user who rated the movie again later. All decisions: "
            '`movielens.clean(movielens.read_raw("ml-latest-small"))[1]`.'
        )
    assert len(reads) == 1


def test_tables_are_made_again_when_the_archive_or_the_code_changed_and_not_when_it_was_touched(
    archive, tmp_path, reads, monkeypatch
):
    """No number has to be counted up: the code that reads and cleans is part of the key."""
    own_tables = {"__init__", "columns", "text_files", "values"}
    assert {path.stem for path in tables.CODE} == {"cleaning", "formats", "tables", "units", "scale"} | own_tables
    load(NAME, tmp_path)
    os.utime(archive, ns=(1, 1))
    load(NAME, tmp_path)
    assert len(reads) == 1
    old = kept(tmp_path)
    write_small(tmp_path, MORE)
    assert len(load(NAME, tmp_path).ratings) == 3
    assert len(reads) == 2 and not old.exists() and kept(tmp_path) != old
    edited = tmp_path / "cleaning.py"
    edited.write_text("# edited")
    monkeypatch.setattr(tables, "CODE", [edited, *tables.CODE[1:]])
    load(NAME, tmp_path)
    load(NAME, tmp_path)
    assert len(reads) == 3


def test_an_unpacked_folder_is_cached_by_its_files(tmp_path, reads):
    folder = tmp_path / "raw" / NAME
    folder.mkdir(parents=True)
    for member, text in (SMALL | {"links.csv": "not read"}).items():
        (folder / member).write_text(text, encoding="utf-8")
    load(NAME, tmp_path)
    (folder / "links.csv").write_text("nor looked at")
    load(NAME, tmp_path)
    assert len(reads) == 1
    (folder / "movies.csv").write_text(SMALL["movies.csv"].replace("Cats", "Dogs"))
    assert load(NAME, tmp_path).movies.title.tolist() == ["Heat (1995)", "Dogs"] and len(reads) == 2


@pytest.mark.parametrize("file", ["ratings.feather", "log.feather", "manifest.json"])
def test_a_damaged_cache_is_made_again_with_one_warning(file, archive, tmp_path, reads):
    """A file is cut, empty or gone, or a bit is flipped, in its header or in its data: a miss, and never other rows."""
    expected = load(NAME, tmp_path)
    path = kept(tmp_path) / file
    whole = path.read_bytes()
    harms = [None, b"", whole[:-3], *flips(whole, np.random.default_rng(0), count=8)]
    if file == "manifest.json":
        harms += [b"{}", b"[]", b"[" * 100_000, sealed({}), sealed({"../ratings": "0" * 64}), sealed({"log": 1})]
    for count, harm in enumerate(harms, 2):
        path.unlink() if harm is None else path.write_bytes(harm)
        with pytest.warns(UserWarning, match="are damaged .*: they are made again") as caught:
            assert_same(load(NAME, tmp_path), expected)
        assert [warning.filename for warning in caught] == [__file__]
        assert len(reads) == count and path.read_bytes() == whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(load(NAME, tmp_path), expected)
    assert kept(tmp_path)


@pytest.mark.parametrize(("place", "number"), [("mkdir", errno.ENOSPC), ("rename", errno.EROFS)])
def test_a_cache_that_cannot_be_written_is_one_warning_and_older_tables_stay(
    place, number, archive, tmp_path, reads, monkeypatch
):
    """Where the disk is full or read-only: at the first table, or at the whole."""
    load(NAME, tmp_path)
    old = kept(tmp_path)
    write_small(tmp_path, MORE)

    def failing(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, place, failing)
        with pytest.warns(UserWarning) as caught:
            assert len(load(NAME, tmp_path).ratings) == 3
    (warning,) = caught
    text = str(warning.message)
    assert text.startswith("The tables could not be cached, about 0 MB in ") and os.strerror(number) in text
    assert "set the environment variable MOVIEREC_DATA to a folder that can be written" in text
    assert warning.filename == __file__ and kept(tmp_path) == old
    load(NAME, tmp_path)
    load(NAME, tmp_path)
    assert len(reads) == 3


def test_a_source_that_changes_while_it_is_read_is_not_cached(archive, tmp_path, monkeypatch):
    read_tables = formats.read_tables

    def replaced_meanwhile(*args):
        found = read_tables(*args)
        write_small(tmp_path, MORE)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(formats, "read_tables", replaced_meanwhile)
        assert len(load(NAME, tmp_path).ratings) == 2
    assert len(load(NAME, tmp_path).ratings) == 3


SCRIPT = f"""
import os, sys, time
from pathlib import Path
from movierec.data import movielens
folder = Path(sys.argv[1])
rename = os.rename
def wait_for_the_other(*args):
    (folder / f"here-{{os.getpid()}}").touch()
    while len(list(folder.glob("here-*"))) < 2:
        time.sleep(0.01)
    return rename(*args)
os.rename = wait_for_the_other
data = movielens.load("{NAME}", folder)
print(movielens.fingerprint(data), len(data.tags))
"""


def test_two_processes_that_build_at_once(archive, tmp_path, reads):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    pipes = dict(cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    answers = [process.communicate(timeout=300) for process in both]
    expected = fingerprint(load(NAME, tmp_path))
    assert answers == [(f"{expected} 1\n", "")] * 2
    assert reads == [] and kept(tmp_path)
