"""TensorFlow on Keras 2, loaded once and quietly: `from movierec.keras2 import tf, tfrs`.

TensorFlow Recommenders 0.7.7 runs on Keras 2 only, while TensorFlow brings Keras 3. The package `tf-keras` is Keras 2;
TensorFlow uses it when `TF_USE_LEGACY_KERAS=1` is in the environment before its first import. This module is the one
place that sets it. `import movierec` runs it first and loads nothing heavy: `tf` and `tfrs` are loaded when asked for.
"""

import contextlib
import faulthandler
import importlib
import os
import pickle
import sys
import tempfile

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # C++ log lines would end up in the notebooks' stored outputs

_MODULES = {
    "tf": "tensorflow",
    "tfrs": "tensorflow_recommenders",
    "tf_config": "tensorflow.python.framework.config",  # private: `tf.config` cannot switch determinism off again
}


@contextlib.contextmanager
def _startup_lines_held_back():
    """Hold back the C++ lines that TensorFlow writes before it reads its log level; show them if loading fails.

    They are written to file descriptor 2, past Python's `sys.stderr`. If the process itself crashes, `faulthandler`
    says on the real stderr where.
    """
    try:
        screen = os.dup(2)
    except OSError:  # no stderr at all, e.g. pythonw on Windows
        yield
        return
    watches = not faulthandler.is_enabled()
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        if watches:
            faulthandler.enable(screen)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(screen, held_back.read())
            raise
        finally:
            os.dup2(screen, 2)
            if watches:
                faulthandler.disable()
            os.close(screen)


def check_keras(tensorflow) -> None:
    """Raise ImportError if TensorFlow was imported before `movierec`, and so with Keras 3."""
    if tensorflow.keras.Model.__module__.split(".")[0] != "tf_keras":
        raise ImportError(
            f"movierec needs Keras 2, and TensorFlow is already loaded with Keras {tensorflow.keras.__version__}: "
            "`tensorflow` was imported before `movierec`. Restart the kernel and put `import movierec` above "
            "`import tensorflow` (or set TF_USE_LEGACY_KERAS=1 before Python starts)."
        )


# ---- processes


class UsedAfterFork(AttributeError, RuntimeError):
    """TensorFlow was asked in a process that was forked from one in which it ran: it would wait for ever."""


class _Forked:
    """What stands in the place of TensorFlow's context in a forked process: every operation is refused at once."""

    def __getattr__(self, name: str):  # an AttributeError, too: TensorFlow's destructors are silent about those
        raise UsedAfterFork(
            "TensorFlow ran before this process was forked (os.fork, or multiprocessing's start method on Linux before "
            'Python 3.14), and its threads are not here. Start processes by multiprocessing.get_context("spawn"), and '
            "open the model in each: movierec.load_model(folder)."
        )


def _refuse_after_fork() -> None:
    module = sys.modules.get("tensorflow.python.eager.context")  # private: nothing public says whether it has started
    if getattr(getattr(module, "_context", None), "_context_handle", None) is not None:
        module._context = _Forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refuse_after_fork)


def not_pickled(advice: str):
    """Return a method for `__reduce__`, `__copy__` and `__deepcopy__` that says at once what to do instead."""

    def refuse(self, *_):
        raise pickle.PicklingError(f"a {type(self).__name__} can be neither pickled nor copied. {advice}")

    return refuse


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'movierec.keras2' has no attribute '{name}'; it has {', '.join(_MODULES)}")
    quiet = contextlib.nullcontext() if "tensorflow" in sys.modules else _startup_lines_held_back()
    with quiet:
        tensorflow = importlib.import_module("tensorflow")
        check_keras(tensorflow)
        tensorflow.get_logger().setLevel("ERROR")  # from the fifth model on, each would be warned of as "retracing"
    return importlib.import_module(_MODULES[name])
