"""Checkpoints of a training: after the process was killed, the same call resumes where the last checkpoint was written.

`tf.train.Checkpoint` writes the numbers; one file says which training they belong to, another one which checkpoint
counts, with its checksums. Taught in notebooks/13_scale.
"""

import contextlib
import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np

from movierec.files import (
    check_finite,
    flush_all,
    is_sealed,
    locked,
    read_json,
    read_sealed,
    sealed,
    sha256_of_file,
    storage_error,
    write_atomically,
)
from movierec.keras2 import tf

QUESTION, MANIFEST = "question.json", "checkpoint.json"
FORMAT = "movierec-training-3"
UNREADABLE = (tf.errors.OpError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError)
UNREADABLE += (OSError, MemoryError)


class Progress(tf.train.experimental.PythonState):
    """How far the training of a head has come: what a checkpoint keeps besides weights."""

    KEPT = ("epoch", "step", "losses", "table", "best_epoch", "best_value", "is_over")

    def __init__(self):
        self.epoch, self.step = 0, 0  # how many epochs are finished, and how many steps of the next one
        self.losses = (0.0, 0.0)  # sum and number of the losses of these steps
        self.table = []  # a row for each finished epoch
        self.best_epoch, self.best_value = 0, -np.inf  # the epoch to keep, and why; higher is better
        self.is_over = False

    def serialize(self) -> str:
        """Return the attributes as JSON, for `tf.train.Checkpoint`."""
        return json.dumps({name: getattr(self, name) for name in self.KEPT})

    def deserialize(self, string_value) -> None:
        """Set the attributes from JSON, for `tf.train.Checkpoint`."""
        vars(self).update(json.loads(string_value))


class Checkpoints:
    """The checkpoints of one training in a folder: `question.json`, and a folder for each head.

    Args:
        question: {name: JSON value or NumPy number} of data, settings and seed. A checkpoint belongs to one question.
        every: steps between two checkpoints within an epoch; there is one after each epoch, too.
        is_writer: False for all but one of several workers.

    Raises:
        ValueError: if the folder holds checkpoints of another question, or is damaged.
        OSError: if the folder cannot be written. This is found out before anything is trained.
    """

    def __init__(self, folder, question: dict, every: int = 500, is_writer: bool = True):
        self.folder = Path(folder)
        self.every = every
        self.is_writer = is_writer
        question = {"format": FORMAT, **question}
        question = json.loads(json.dumps(question, default=lambda number: number.tolist()))
        path = self.folder / QUESTION
        if path.exists():
            _compare(path, question)
        elif any(self.folder.glob("*/checkpoint*")):
            raise _unreadable(path, "it is missing")
        if is_writer:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, sealed(question))
            except OSError as error:
                advice = "Nothing has been trained yet. Make room, or name another: fit_hybrid(…, checkpoint=folder)."
                raise storage_error(error, self.folder, advice=advice) from error


class HeadCheckpoint(tf.keras.callbacks.Callback):
    """Restore the last checkpoint of a head; write another one every so many steps, and after each epoch.

    It has the weights, the optimiser, the average, the best weights and the progress. The callback must come after
    `best`, the `BestEpoch` of the head. If a checkpoint cannot be written, the older one stays, training goes on, and
    one warning says so.

    Raises:
        ValueError: if the checkpoint in the folder is damaged; or, while training, if a weight is NaN or infinite.
    """

    def __init__(self, checkpoints: Checkpoints, model, best):
        super().__init__()
        self.folder = checkpoints.folder / best.head
        self.layer = best.layer
        self.progress = best.progress
        self.every = checkpoints.every
        self.is_writer = checkpoints.is_writer
        self.saved_step, self.has_warned = 0, False
        self.checkpoint = tf.train.Checkpoint(
            layer=best.layer, optimizer=model.optimizer, average=best.average, best=best.best, progress=best.progress
        )
        if (self.folder / MANIFEST).exists():
            try:
                self._restore()
            except UNREADABLE as error:
                raise _unreadable(self.folder, error) from error

    def _restore(self) -> None:
        kept = read_sealed(self.folder / MANIFEST)
        for name, expected in kept["files"].items():  # before TensorFlow, which a damaged file can end, reads them
            if sha256_of_file(self.folder / name) != expected:
                raise ValueError(f"{name} has another checksum")
        prefix = str(self.folder / f"ckpt-{kept['number']}")
        reader = tf.train.load_checkpoint(prefix)
        numbers = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        check_finite(numbers, "its weights", "The training went wrong before it was kept.")
        restored = self.checkpoint.read(prefix)
        restored.assert_existing_objects_matched()  # those of the optimiser are made, and set, in `fit`

    def on_epoch_begin(self, epoch, logs=None):
        self.saved_step = self.progress.step

    def on_train_batch_end(self, batch, logs=None):
        is_last = batch + 1 == self.params["steps"]  # then the checkpoint comes after the epoch
        if not is_last and self.progress.step // self.every > self.saved_step // self.every:
            self._write()

    def on_epoch_end(self, epoch, logs=None):
        if self.progress.step == 0:  # the epoch was not cut short
            self._write()

    def _write(self) -> None:
        self.saved_step = self.progress.step
        if not self.is_writer:
            return
        weights = {f"weight {number}": weight for number, weight in enumerate(self.layer.get_weights())}
        advice = "Use a smaller learning rate, or look for odd ratings in train. The older checkpoint is kept."
        check_finite(weights, f"the weights of the {self.folder.name} head", advice)
        try:
            self.folder.mkdir(exist_ok=True)
            with locked(self.folder.parent):  # another process may train the same; not `folder`, which is locked below
                number = 1 + self._kept().get("number", 0)
                try:
                    self.checkpoint.write(str(self.folder / f"ckpt-{number}"))
                    files = {path.name: sha256_of_file(path) for path in self.folder.glob(f"ckpt-{number}.*")}
                    flush_all(self.folder)
                    write_atomically(self.folder / MANIFEST, sealed({"number": number, "files": files}))
                finally:
                    self._sweep()
        except (tf.errors.OpError, OSError) as error:
            if not self.has_warned:
                self.has_warned = True
                reason = os.strerror(storage_error(error, self.folder).errno)
                warnings.warn(
                    f"the checkpoint in {self.folder} could not be replaced ({reason}); training goes on, and the "
                    "older one is still there. Make room: the next one is tried as before.",
                    stacklevel=2,
                )

    def _kept(self) -> dict:
        """Return the manifest; nothing if there is none."""
        with contextlib.suppress(OSError, ValueError):
            return read_sealed(self.folder / MANIFEST)
        return {}

    def _sweep(self) -> None:
        """Remove the checkpoints that the manifest does not name: older ones, and those that were never finished."""
        kept = self._kept().get("files", ())
        for path in self.folder.glob("ckpt-*"):
            if path.name not in kept:
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compare(path: Path, question: dict) -> None:
    try:
        found = read_json(path)
        if found.get("format") == FORMAT and not is_sealed(found):
            raise ValueError("it was changed after it was written")
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    other = [name for name in question if found.get(name) != question[name]]
    if other:
        was = "; ".join(f"{name} was {found.get(name)!r}, is {question[name]!r}" for name in other[:3])
        raise ValueError(
            f"{path.parent} is of another training: {was}. Ask as before, delete it to start anew, or name another "
            "folder: fit_hybrid(…, checkpoint=folder)."
        )


def _unreadable(path: Path, error) -> ValueError:
    return ValueError(f"{path} is no checkpoint of movierec ({error}). Delete it to start anew.")
