"""The finished blocks of a long computation, kept on disk: what a killed run has done, the next one finds.

One process at a time. Taught in notebooks/10_serving.
"""

import hashlib
import json
import os
import zlib
from pathlib import Path

import numpy as np

QUESTION = "question.json"
CHECKSUM_BYTES = 4


class KeptBlocks:
    """A folder with one file a finished block, of the answers to one question.

    A block is there whole or not at all: it is written beside its place and then renamed. A file that a loss of power
    left torn has another checksum than it says, and counts as missing.

    Args:
        folder: is made if it is not there.
        question: what the blocks depend on, as JSON.

    Raises:
        ValueError: if the folder holds the answers to another question.
        OSError: if it cannot be written; `errno` says why, e.g. a full disk.
    """

    def __init__(self, folder, question: dict):
        self.folder = Path(folder)
        place = self.folder / QUESTION
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = json.loads(place.read_text(encoding="utf-8")) if place.exists() else None
        except OSError as error:
            raise self._unwritable(error) from error
        except ValueError:
            found = {QUESTION: "unreadable"}
        if found is None:
            self._write(place, json.dumps(question, indent=1).encode())
        elif found != question:
            other = sorted(key for key in {*found, *question} if found.get(key) != question.get(key))
            raise ValueError(
                f"{self.folder} must hold blocks of the same question; {', '.join(other)} differ from what is asked "
                f"now. Name another folder with keep=…, or delete {self.folder}."
            )

    def load(self, number: int, length: int) -> np.ndarray | None:
        """The block as it was saved, float64 `[length]`; None if it is missing or torn."""
        try:
            content = self._place(number).read_bytes()
        except FileNotFoundError:
            return None
        checksum, values = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
        whole = len(values) == 8 * length and checksum == _checksum(values)
        return np.frombuffer(values, "<f8") if whole else None

    def save(self, number: int, values: np.ndarray) -> None:
        """Nothing; the block is there for good when this returns."""
        content = np.asarray(values, "<f8").tobytes()
        self._write(self._place(number), _checksum(content) + content)

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}.block"

    def _write(self, place: Path, content: bytes) -> None:
        beside = place.with_name(place.name + ".part")
        try:
            beside.write_bytes(content)
            os.replace(beside, place)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OSError:
        return OSError(
            error.errno,
            f"finished blocks must be kept in {self.folder}, which cannot be written ({error.strerror}). Free some "
            "room there and ask again, or name another folder with keep=…; what was finished is not lost.",
        )


def fingerprint(*arrays: np.ndarray) -> str:
    """The SHA-256 of the arrays' types, shapes and values: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "little")
