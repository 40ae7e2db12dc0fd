"""Checkpoints of a training: after the process was killed, the same call resumes where the last checkpoint was written.

`tf.train.CheckpointManager` writes them; a file beside them says which training they belong to. Taught in
notebooks/10_serving.
"""

import json
import warnings
from pathlib import Path

import numpy as np

from movierec.files import write_atomically
from movierec.keras2 import tf

QUESTION = "question.json"
FORMAT = "movierec-training-2"
UNREADABLE = (tf.errors.OpError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RuntimeError)


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
        elif any(self.folder.glob("*/checkpoint")):
            raise _unreadable(path, "it is missing")
        if is_writer:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, json.dumps(question, indent=1).encode())
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"{self.folder} must be a folder that can be written, for checkpoints; {error.strerror}. "
                    "Nothing has been trained yet. Make room, or name another: fit_hybrid(…, checkpoint=folder).",
                ) from error


class HeadCheckpoint(tf.keras.callbacks.Callback):
    """Restore the last checkpoint of a head; write another one every so many steps, and after each epoch.

    It has the weights, the optimiser, the average, the best weights and the progress. The callback must come after
    `best`, the `BestEpoch` of the head. If a checkpoint cannot be written, the older one stays, training goes on, and
    one warning says so.

    Raises:
        ValueError: if the checkpoint in the folder is damaged.
    """

    def __init__(self, checkpoints: Checkpoints, model, best):
        super().__init__()
        folder = checkpoints.folder / best.head
        self.progress = best.progress
        self.every = checkpoints.every
        self.is_writer = checkpoints.is_writer
        self.saved_step, self.has_warned = 0, False
        self.checkpoint = tf.train.Checkpoint(
            layer=best.layer, optimizer=model.optimizer, average=best.average, best=best.best, progress=best.progress
        )
        self.checkpoint.save_counter  # noqa: B018  made here: of several workers only one will write
        try:
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(folder), max_to_keep=1)
            if (folder / "checkpoint").exists():  # written after the files that it names
                reader = tf.train.load_checkpoint(self.manager.latest_checkpoint)
                for name in reader.get_variable_to_shape_map():  # every number is read, so that damage is found now
                    reader.get_tensor(name)
                restored = self.checkpoint.restore(self.manager.latest_checkpoint)
                restored.assert_existing_objects_matched()  # those of the optimiser are made, and set, in `fit`
        except UNREADABLE as error:
            raise _unreadable(folder, error) from error

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
        try:
            self.manager.save()
        except (tf.errors.OpError, OSError) as error:
            if not self.has_warned:
                self.has_warned = True
                warnings.warn(
                    f"the checkpoint in {self.manager.directory} could not be replaced ({error}); training goes on, "
                    "and the older one is still there. Make room: the next one is tried as before.",
                    stacklevel=2,
                )


def _compare(path: Path, question: dict) -> None:
    try:
        found = dict(json.loads(path.read_bytes()))
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
