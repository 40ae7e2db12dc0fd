"""Blocks on disk: whole or not at all, of one question, on a disk that may be full."""

import errno
import os

import numpy as np
import pytest

from movierec.evaluation.resume import KeptBlocks, fingerprint

VALUES = np.array([1.0, np.nan, 42_000.0])


def test_what_was_saved_is_there_again_for_the_same_question(tmp_path):
    KeptBlocks(tmp_path / "new" / "folder", {"key": "a"}).save(3, VALUES)
    again = KeptBlocks(tmp_path / "new" / "folder", {"key": "a"})
    np.testing.assert_array_equal(again.load(3, 3), VALUES)
    assert again.load(2, 3) is None


def test_another_question_is_refused_by_what_differs_and_nothing_is_lost(tmp_path):
    KeptBlocks(tmp_path, {"key": "a", "seen": "x"}).save(0, VALUES)
    with pytest.raises(ValueError, match="same question; key, users differ.*another folder with keep=.*or delete"):
        KeptBlocks(tmp_path, {"key": "b", "seen": "x", "users": 4})
    np.testing.assert_array_equal(KeptBlocks(tmp_path, {"key": "a", "seen": "x"}).load(0, 3), VALUES)


@pytest.mark.parametrize("bytes_left", [0, 3, 4, 27])
def test_a_torn_block_is_missing(tmp_path, bytes_left):
    kept = KeptBlocks(tmp_path, {})
    kept.save(0, VALUES)
    place = tmp_path / "000000.block"
    assert place.stat().st_size == 28  # a checksum and three doubles
    os.truncate(place, bytes_left)
    assert kept.load(0, 3) is None


def test_a_block_with_a_wrong_bit_or_length_is_missing(tmp_path):
    kept = KeptBlocks(tmp_path, {})
    kept.save(0, VALUES)
    assert kept.load(0, 4) is None
    place = tmp_path / "000000.block"
    content = bytearray(place.read_bytes())
    content[10] ^= 1
    place.write_bytes(content)
    assert kept.load(0, 3) is None


def test_a_torn_question_is_another_question(tmp_path):
    KeptBlocks(tmp_path, {"key": "a"})
    (tmp_path / "question.json").write_text('{"key"')
    with pytest.raises(ValueError, match="same question"):
        KeptBlocks(tmp_path, {"key": "a"})


def test_what_is_no_folder_is_refused_when_it_is_opened(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="must be kept in .*file, which cannot be written.*another folder with keep="):
        KeptBlocks(tmp_path / "file", {})


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is needed")
def test_a_full_disk_is_said_and_earlier_blocks_stay(tmp_path):
    kept = KeptBlocks(tmp_path, {})
    kept.save(0, VALUES)
    (tmp_path / "000001.block.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="cannot be written .No space left on device.") as error:
        kept.save(1, VALUES)
    assert error.value.errno == errno.ENOSPC
    np.testing.assert_array_equal(kept.load(0, 3), VALUES)
    assert kept.load(1, 3) is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="a user is needed who may not write everywhere")
def test_a_folder_that_may_only_be_read_is_said(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written"):
        KeptBlocks(tmp_path, {})


def test_a_fingerprint_knows_values_types_and_shapes():
    same = fingerprint(np.array([1, 2], np.int32))
    assert same == fingerprint(np.array([1, 9, 2], np.int32)[::2])
    others = [[1, 3], [1, 2, 0]], [[[1, 2]]]
    found = {fingerprint(np.array(values, np.int32)) for group in others for values in group}
    assert len(found | {same, fingerprint(np.array([1, 2])), fingerprint(np.array([], np.int32))}) == 6
