"""Where a training stands, in one file that is replaced as a whole: who is killed goes on from there.

Taught in notebooks/10_serving.
"""

import json
import os
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FILE = "training.npz"
FORMAT = "movierec-training-1"
ARRAYS = ("weights", "slots", "average", "best_weights")
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile)


@dataclass
class State:
    """All that the next step of a head's training depends on, besides the data, the settings and the seed.

    Attributes:
        epoch, step: the epoch that is running, from 1, and how many of its steps are done.
        losses: of those steps.
        table: a row for each epoch that is over.
        best_epoch, best_value: the epoch to keep, and what it was judged by; higher is better.
        is_over: whether the training has ended; `best_weights` are then the head's.
        weights, slots, average, best_weights: of the head, of its optimiser, over the epochs, of the best epoch.
    """

    epoch: int = 1
    step: int = 0
    losses: list = field(default_factory=list)
    table: list = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = -np.inf
    is_over: bool = False
    weights: list = field(default_factory=list)
    slots: list = field(default_factory=list)
    average: list = field(default_factory=list)
    best_weights: list = field(default_factory=list)


class Checkpoint:
    """The states of the heads of one training, in a folder.

    Args:
        folder: made if it is not there.
        question: {name: JSON value, or a number of NumPy} of data, settings and seed: a state answers no other.
        is_writer: False for all but one of several workers.

    Raises:
        ValueError: if the folder holds the training of another question, or the file is damaged.
        OSError: if the folder cannot be written: found out before there is something to lose.
    """

    def __init__(self, folder, question: dict, is_writer: bool = True):
        self.path, self.is_writer = Path(folder) / FILE, is_writer
        self.question = json.loads(json.dumps(question, default=lambda number: number.tolist()))
        self.states, self._warned = self._read(), False
        if is_writer:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                for left in self.path.parent.glob(f".{FILE}.*"):  # half a file of somebody who was killed
                    left.unlink(missing_ok=True)
                self._write()
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"{self.path.parent} must be a folder that can be written, for checkpoints; {error.strerror}. "
                    "Nothing has been trained yet. Make room, or name another: fit_hybrid(…, checkpoint=folder).",
                ) from error

    def keep(self, head: str, state: State) -> None:
        """Nothing; the file has the new state. If it cannot be written, the old one stays, and one warning says so."""
        self.states[head] = state
        if not self.is_writer:
            return
        try:
            self._write()
        except OSError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{self.path} could not be replaced ({error.strerror}); training goes on, and the older checkpoint "
                    "is still there. Make room: the next one is tried as before.",
                    stacklevel=2,
                )

    def _write(self) -> None:
        meta = {"format": FORMAT, "question": self.question, "states": {}}
        arrays = {}
        for head, state in self.states.items():
            values = dict(vars(state))  # `asdict` would copy all of the arrays
            for name in ARRAYS:
                for number, array in enumerate(values.pop(name)):
                    arrays[f"{head}/{name}/{number}"] = array
            meta["states"][head] = values
        temporary = self.path.with_name(f".{FILE}.{os.getpid()}")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, meta=np.array(json.dumps(meta)), **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _read(self) -> dict[str, State]:
        if not self.path.exists():
            return {}
        try:
            with open(self.path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                arrays = {name: file[name] for name in file.files}
            found = meta["question"] | {"format": meta["format"]}
            known = meta["states"] if meta["format"] == FORMAT else {}
            states = {head: _state(head, values, arrays) for head, values in known.items()}
        except UNREADABLE as error:
            raise ValueError(f"{self.path} is no checkpoint of movierec ({error}). Delete it to start anew.") from error
        asked = self.question | {"format": FORMAT}
        other = [name for name in asked if found.get(name) != asked[name]]
        if other:
            was = "; ".join(f"{name} was {found.get(name)!r}, is {asked[name]!r}" for name in other[:3])
            raise ValueError(
                f"{self.path} is of another training: {was}. Ask as before, delete it to start anew, or name another "
                "folder: fit_hybrid(…, checkpoint=folder)."
            )
        return states


def _state(head: str, values: dict, arrays: dict) -> State:
    lists = {}
    for name in ARRAYS:
        start = f"{head}/{name}/"
        count = sum(key.startswith(start) for key in arrays)
        lists[name] = [arrays[f"{start}{number}"] for number in range(count)]
    return State(**values, **lists)
