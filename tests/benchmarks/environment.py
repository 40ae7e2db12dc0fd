"""The peers' own virtual environment, `tests/benchmarks/.venv`: made once, and again when the pins change."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".venv"
PINS = HERE / "requirements.txt"
READY = FOLDER / "ready"  # a copy of the pins that are installed


def python_of_peers() -> Path:
    """Return the Python that has the peers: MOVIEREC_PEERS_PYTHON, or the one of `.venv`, made if need be.

    A pin that cannot be installed is left out with a message. Raise RuntimeError if there can be no environment at all.
    """
    if named := os.environ.get("MOVIEREC_PEERS_PYTHON"):
        if not Path(named).exists():
            raise RuntimeError(f"MOVIEREC_PEERS_PYTHON must name a Python; there is no {named}. Unset or correct it.")
        return Path(named).absolute()
    python = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (READY.exists() and READY.read_text(encoding="utf-8") == PINS.read_text(encoding="utf-8")):
        print(f"making {FOLDER.relative_to(HERE.parents[1])} for the peers: 6 GB on Linux (PyTorch), some minutes")
        try:
            subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
        except (subprocess.CalledProcessError, OSError) as error:
            raise RuntimeError(
                f"the peers' virtual environment could not be made in {FOLDER.relative_to(HERE.parents[1])} ({error}). "
                "Check that the disk has 6 GB left and that `python -m venv` works (Debian, Ubuntu: apt-get install "
                "python3-venv), remove the folder and run `make benchmark` again; or name the Python of an environment "
                "that has tests/benchmarks/requirements.txt: MOVIEREC_PEERS_PYTHON=… make benchmark"
            ) from error
        if left_out := install(python, PINS):
            print(f"{len(left_out)} of the peers' packages could not be installed: {', '.join(left_out)}.")
            print("The models that need them say so in the table. Run `make benchmark` again to try again.")
        else:
            READY.write_text(PINS.read_text(encoding="utf-8"), encoding="utf-8")
    return python


def install(python: Path, pins: Path) -> list[str]:
    """Install the pins, all at once, and, if that fails, one by one; return those that could not be installed."""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    if subprocess.run([*pip, "-r", pins], stderr=subprocess.PIPE).returncode == 0:
        return []
    lines = [line for line in pins.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    # A line with a marker for another system is a success of pip, which says that it ignores it.
    return [line for line in lines if subprocess.run([*pip, line], capture_output=True).returncode]
