"""`movierec.files`: checksums are those of hashlib, and a file is the old one or the new one, whole, whatever fails."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from movierec import files
from tests.little_room import disk_events, little_room


def test_arrays_are_hashed_by_value_in_c_order_whatever_their_layout():
    matrix = np.arange(6, dtype="<f4").reshape(2, 3)
    expected = hashlib.sha256(matrix.tobytes() + b"\x01").hexdigest()
    for same in (matrix, matrix.ravel(), np.asfortranarray(matrix), np.stack([matrix, matrix])[1]):
        assert files.sha256_of_arrays(same, np.array([True])) == expected
    assert files.sha256_of_arrays(matrix + 1, np.array([True])) != expected
    assert files.sha256_of_arrays(np.empty((0, 3))) == files.sha256_of_arrays() == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_file_is_replaced_as_a_whole_and_a_failure_keeps_the_old_one(broken, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    for content in (b"old", b"abc"):
        files.write_atomically(tmp_path / "a", content)
    monkeypatch.setattr(os, broken, full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]
    # FIPS 180-4, example of SHA-256
    assert files.sha256_of_file(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


def test_writers_at_once_leave_one_whole_file(tmp_path):
    contents = [bytes([letter]) * 100_000 for letter in b"abcd"]
    threads = [threading.Thread(target=files.write_atomically, args=(tmp_path / "a", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents and os.listdir(tmp_path) == ["a"]


def test_the_content_is_on_disk_before_it_gets_its_name_and_then_the_name(tmp_path, monkeypatch):
    events = disk_events(monkeypatch)
    files.write_atomically(tmp_path / "a", b"new")
    (_, written), *others = events
    assert os.path.basename(written) == "a" and f"/{files.PART}" in written
    assert others == [("move", str(tmp_path / "a")), ("flush", str(tmp_path))]
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/b").touch()
    events.clear()
    files.flush_all(tmp_path / "deep")
    assert events == [("flush", str(tmp_path / name)) for name in ("deep/er/b", "deep/er", "deep")]


def test_a_full_disk_keeps_the_old_file_and_says_what_is_needed(tmp_path):
    with little_room(tmp_path / "disk", 100_000) as disk:
        files.write_atomically(disk / "a", b"old")
        with pytest.raises(OSError, match=r"disk must be a writable folder; .*about 3 MB are needed, 0 MB are free"):
            files.write_atomically(disk / "a", bytes(3_000_000))
        assert (disk / "a").read_bytes() == b"old" and os.listdir(disk) == ["a"]
        files.check_writable(disk / "new/er", 50_000)
        with pytest.raises(
            OSError, match=r"about 2 MB are needed, 0 MB are free\. What was there is unchanged"
        ) as error:
            files.check_writable(disk / "new/er", 2_000_000)
        assert error.value.errno in (errno.ENOSPC, errno.EFBIG)
        assert os.listdir(disk) == ["a"]  # nothing is left of the trial


def test_a_place_that_is_no_folder_is_said_and_errors_of_other_libraries_in_the_words_of_the_system(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/in it", "/proc/nope"):
        with pytest.raises(OSError, match=f"{place} must be a writable folder; "):
            files.check_writable(tmp_path / place)
    assert os.listdir(tmp_path) == ["file"]
    error = files.storage_error(RuntimeError("saved_model.pb; Read-only file system [Op:SaveV2]"), tmp_path)
    assert (error.errno, files.storage_error(RuntimeError("?"), tmp_path).errno) == (errno.EROFS, errno.EIO)
    assert "must be a writable folder; Read-only file system. What was there" in str(error)


# ---- folders for unfinished files

UNFINISHED = """
import os, sys
from pathlib import Path
from movierec.files import unfinished
with unfinished(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("20 MB")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="without locks, an hour decides")
def test_the_folders_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    command = [sys.executable, "-c", UNFINISHED, str(tmp_path)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    killed, living = (subprocess.Popen(command, **pipes) for _ in range(2))
    names = [process.stdout.readline().strip() for process in (killed, living)]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    os.utime(tmp_path / names[1], (0, 0))  # its age says nothing
    with files.unfinished(tmp_path) as mine:
        assert sorted(os.listdir(tmp_path)) == sorted([names[1], mine.name])
    living.communicate("")
    assert living.returncode == 0 and os.listdir(tmp_path) == []


def test_where_there_are_no_locks_an_hour_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    for name in ("old", "new"):
        (tmp_path / f"{files.PART}{name}").mkdir()
    os.utime(tmp_path / f"{files.PART}old", (0, 0))
    with files.unfinished(tmp_path), files.locked(tmp_path) as is_locked:
        assert not is_locked and (tmp_path / f"{files.PART}new").exists()
        assert not (tmp_path / f"{files.PART}old").exists()


def test_a_lock_is_waited_for(tmp_path):
    order = []

    def enter():
        with files.locked(tmp_path):
            order.append("second")

    with files.locked(tmp_path):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


# ---- JSON with its own checksum, and numbers that are none


def test_sealed_json_is_read_as_it_was_written_and_no_flipped_bit_passes(tmp_path):
    """Every bit of the file: what can still be read has the same values, for instance with another space."""
    values = {"name": "é", "mean": 3.5, "files": {"a": [1, None, True]}, "best": float("-inf")}
    whole = files.sealed(values)
    refused = 0
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (tmp_path / "a").write_bytes(flipped)
        try:
            assert files.read_sealed(tmp_path / "a") == values
        except ValueError:
            refused += 1
    assert refused > 6 * len(whole)
    (tmp_path / "a").write_bytes(whole)
    assert files.read_sealed(tmp_path / "a") == values


def test_json_that_is_another_is_refused(tmp_path):
    for text, reason in (
        *((text, "is not readable JSON") for text in ("", '{"a": ', "[" * 100_000, '{"a": ' + "1" * 5000 + "}")),
        ("[1]", "must hold names and values in JSON; it holds a list"),
        ('{"a": 1, "a": 1}', "a name is there twice: a, a"),
        ('{"b": {"a": 1, "a": 2}}', "a name is there twice"),
        ('{"a": 1}', "was changed after it was written"),
        ('{"a": 1, "sha256": 5}', "was changed after it was written"),
    ):
        (tmp_path / "a").write_text(text)
        with pytest.raises(ValueError, match=reason):
            files.read_sealed(tmp_path / "a")


def test_numbers_that_are_not_finite_are_counted():
    arrays = {"ids": np.arange(3), "titles": np.array(["a"]), "w": np.array([1, np.nan, np.inf]), "v": np.float32(1)}
    with pytest.raises(ValueError, match=r"x must be finite; NaN or infinity in 1: w has 2 of 3\. Do that\."):
        files.check_finite(arrays, "x", "Do that.")
    files.check_finite(arrays | {"w": np.zeros(2)}, "x", "Do that.")
