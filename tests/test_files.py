"""`movierec.files`: checksums are those of hashlib, and a file is the old one or the new one, whole, whatever fails."""

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from movierec import files


def test_a_files_checksum_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-4, example of SHA-256
    assert files.sha256_of_file(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


def test_arrays_are_hashed_by_value_in_c_order_whatever_their_layout():
    matrix = np.arange(6, dtype="<f4").reshape(2, 3)
    expected = hashlib.sha256(matrix.tobytes() + b"\x01").hexdigest()
    for same in (matrix, matrix.ravel(), np.asfortranarray(matrix), np.stack([matrix, matrix])[1]):
        assert files.sha256_of_arrays(same, np.array([True])) == expected
    assert files.sha256_of_arrays(matrix + 1, np.array([True])) != expected
    assert files.sha256_of_arrays(np.empty((0, 3))) == files.sha256_of_arrays() == hashlib.sha256().hexdigest()


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    for content in (b"old", b"new"):
        files.write_atomically(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file(broken, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    files.write_atomically(tmp_path / "a", b"old")
    monkeypatch.setattr(os, broken, full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_writers_at_once_leave_one_whole_file(tmp_path):
    contents = [bytes([letter]) * 100_000 for letter in b"abcd"]
    threads = [threading.Thread(target=files.write_atomically, args=(tmp_path / "a", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents and os.listdir(tmp_path) == ["a"]


def test_it_is_a_leaf():
    """Everybody may import it, so it imports no other module of the package, and no TensorFlow."""
    code = "import sys, movierec.keras2, movierec.files; print(*(m for m in sys.modules if 'movierec' in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"movierec", "movierec.files", "movierec.keras2"} <= set(loaded)
    source = files.__loader__.get_source(files.__name__)
    assert "from movierec" not in source and "import movierec" not in source
