"""Keras 2 is chosen before TensorFlow is loaded, in silence; each case in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from movierec import keras2

ROOT = Path(__file__).resolve().parents[1]


def _python(code, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=inherited | environment, capture_output=True, text=True, timeout=120
    )


def test_importing_movierec_chooses_keras_2_loads_nothing_heavy_and_keeps_what_the_reader_has_set():
    run = _python(
        "import os, sys, movierec\n"
        "print(os.environ['TF_USE_LEGACY_KERAS'], os.environ['TF_CPP_MIN_LOG_LEVEL'])\n"
        "print([name for name in ('tensorflow', 'tf_keras', 'keras', 'matplotlib.pyplot') if name in sys.modules])"
    )
    assert (run.stdout, run.stderr) == ("1 3\n[]\n", "")
    run = _python("import os, movierec; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])", TF_CPP_MIN_LOG_LEVEL="0")
    assert run.stdout == "0\n"


def test_tensorflow_loads_on_keras_2_without_a_word():
    """At the level of the file descriptor: TensorFlow's C++ writes past Python's sys.stderr.

    The loop is what several models do: TensorFlow takes their functions for one that is compiled again and again.
    """
    run = _python(
        "from movierec.keras2 import tf, tfrs\n"
        "layer = tf.keras.layers.Dense(1); layer(tf.zeros((1, 1)))\n"
        "print(tf.keras.Model.__module__.split('.')[0], issubclass(tfrs.Model, tf.keras.Model))\n"
        "for _ in range(8): tf.function(lambda x: x + 1)(tf.zeros(1))\n"
        "import os; os.write(2, b'stderr is open again')"
    )
    assert run.stdout == "tf_keras True\n"
    assert run.stderr == "stderr is open again"


@pytest.mark.parametrize(
    ("broken", "shown"),
    [
        ("os.write(2, b'missing symbol'); raise ImportError('no module')", ["missing symbol", "no module"]),
        ("os.abort()", ["Fatal Python error: Aborted", "tensorflow.py"]),
    ],
)
def test_a_tensorflow_that_fails_or_crashes_while_it_loads_is_not_mute(tmp_path, broken, shown):
    (tmp_path / "tensorflow.py").write_text(f"import os\n{broken}\n")
    run = _python(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom movierec.keras2 import tf")
    assert run.returncode != 0
    for text in shown:
        assert text in run.stderr


def test_tensorflow_first_with_keras_3_is_an_error_that_says_what_to_do():
    run = _python("import tensorflow as tf\ntf.keras.Model\nfrom movierec.keras2 import tf")
    assert run.returncode == 1
    message = run.stderr.splitlines()[-1]
    assert message.startswith("ImportError: movierec needs Keras 2, and TensorFlow is already loaded with Keras 3.")
    assert "Restart the kernel" in message
    assert "`import movierec` above `import tensorflow`" in message


def test_tensorflow_first_is_well_if_keras_was_not_asked_for_yet():
    """TensorFlow reads the variable when `tf.keras` is first used, not when it is imported."""
    run = _python(
        "import tensorflow as tf\nfrom movierec.keras2 import tfrs\nprint(issubclass(tfrs.Model, tf.keras.Model))"
    )
    assert run.stdout == "True\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'torch'; it has tf, tfrs, tf_config"):
        keras2.torch  # noqa: B018
    assert keras2.tf is sys.modules["tensorflow"]
    assert keras2.tfrs is sys.modules["tensorflow_recommenders"]
