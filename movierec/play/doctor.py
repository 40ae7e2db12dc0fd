"""What is installed, what is missing, and how to get it: `python -m movierec doctor`. It only looks.

Taught in notebooks/troubleshooting.md.
"""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from movierec.data import data_folder, fingerprint, load
from movierec.data.download import WHEEL

PYTHONS = ((3, 11), (3, 13))  # first and last minor version with wheels of TensorFlow
PACKAGES = ("tensorflow", "tf-keras", "tensorflow-recommenders", "numpy", "pandas", "jupyterlab", "ipywidgets")
ML100K = "f40682aea0f2"  # `fingerprint` of ML-100K, from any source
MEMORY_GB, DISK_GB = 3, 1  # what the whole course needs at its peak; what its results and models take
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SET_UP = "run `make setup` (or see docs/start.md)"


class Finding(NamedTuple):
    """One line of the report: what was examined, what is there, what to do, and whether the course needs it."""

    name: str
    found: str
    mend: str = ""
    needed: bool = True


def examine() -> Iterator[Finding]:
    """Yield all findings, one after the other; a broken part does not hide the next one."""
    for look in (_python_and_system, _packages, _keras, _memory_and_disk, _data, _kernel, _model, _programs):
        try:
            yield from look()
        except Exception as error:  # whatever is broken is a finding; the next parts are still examined
            yield Finding(look.__name__.strip("_"), f"{type(error).__name__}: {error}", SET_UP)


def main() -> int:
    """Print all findings; return 0, or 1 if something that the course needs is missing."""
    missing = 0
    for finding in examine():
        mark = "ok " if not finding.mend else "NO " if finding.needed else "-- "
        print(f"{mark} {finding.name:24} {finding.found}")
        if finding.mend:
            print(f"    {'':24} -> {finding.mend}")
        missing += bool(finding.mend and finding.needed)
    print("All is well." if not missing else f"{missing} of these must be mended. Then run the doctor again.")
    return int(missing > 0)


def _python_and_system() -> Iterator[Finding]:
    low, high = PYTHONS
    good = low <= sys.version_info[:2] <= high
    advice = f"install Python {low[0]}.{low[1]} to {high[0]}.{high[1]}, then {SET_UP}"
    yield Finding("Python", platform.python_version(), "" if good else advice)
    system, machine = platform.system(), platform.machine()
    intel_mac = system == "Darwin" and machine == "x86_64"
    advice = "TensorFlow ended here with 2.16: use another machine, or Linux in a virtual one"
    yield Finding("system", f"{system} {platform.release()}, {machine}", advice if intel_mac else "")


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "not installed", SET_UP)


def _keras() -> Iterator[Finding]:
    switch = os.environ.get("TF_USE_LEGACY_KERAS")
    advice = "take TF_USE_LEGACY_KERAS out of your shell's start file, or set it to 1"
    yield Finding("TF_USE_LEGACY_KERAS", str(switch), "" if switch == "1" else advice)
    from movierec import keras2  # here: TensorFlow takes seconds to load, and may be what is broken

    try:
        yield Finding("TensorFlow on Keras 2", f"loads, Keras is {keras2.tf.keras.Model.__module__.split('.')[0]}")
        yield Finding("TFRS", f"loads, {keras2.tfrs.tasks.Ranking.__name__} and {keras2.tfrs.tasks.Retrieval.__name__}")
    except ImportError as error:
        yield Finding("TensorFlow on Keras 2", str(error), f"mend the lines above first, then {SET_UP}")


def _memory_and_disk() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("processors", str(cores))
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        advice = f"the course takes up to {MEMORY_GB} GB: close other programs, run one notebook at a time"
        yield Finding("memory", f"{gigabytes:.0f} GB", "" if gigabytes >= MEMORY_GB else advice)
    except (AttributeError, ValueError, OSError):  # Windows
        yield Finding("memory", "not known here", needed=False)
    folder = next(path for path in (data_folder(), *data_folder().parents) if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    advice = f"free {DISK_GB} GB where the data are ({folder.name}/), or set MOVIEREC_DATA to another folder"
    yield Finding("free disk", f"{free:.0f} GB", "" if free >= DISK_GB else advice)


def _data() -> Iterator[Finding]:
    raw = data_folder() / "raw"
    if not any((raw / name).exists() for name in ("ml-100k", "ml-100k.zip", WHEEL)):
        yield Finding("MovieLens-100K", "not there", "run `make data` (the first notebook does it, too)")
        return
    found = fingerprint(load("ml-100k"))
    advice = f"its ratings must have the checksum {ML100K}: delete data/raw and run `make data`"
    yield Finding("MovieLens-100K", f"checksum {found}", "" if found == ML100K else advice)


def _kernel() -> Iterator[Finding]:
    command = [sys.executable, "-m", "jupyter", "kernelspec", "list", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    specs = json.loads(listed.stdout)["kernelspecs"] if listed.returncode == 0 else {}
    if "python3" not in specs:
        yield Finding("kernel python3", "not there", SET_UP)
        return
    own = Path(specs["python3"]["resource_dir"]).is_relative_to(sys.prefix)
    advice = "start JupyterLab with `make lab`, from this environment"
    yield Finding("kernel python3", "of this environment" if own else "of another environment", "" if own else advice)


def _model() -> Iterator[Finding]:
    try:
        from movierec.recommend import checked  # here: it loads TensorFlow
        from movierec.training import model_folder

        manifest, _ = checked(model_folder())
        yield Finding("trained model", f"{manifest['data']['ratings']:,} ratings, seed {manifest['seed']}")
    except (FileNotFoundError, ValueError, ImportError) as error:
        yield Finding("trained model", str(error), "notebook 06 makes it; so do notebook 07 and `make app`", False)


def _programs() -> Iterator[Finding]:
    install = "only the tests of `make app` need it: apt-get install chromium"
    wanted = [("LaTeX", ("latexmk", "tectonic"), "`make latex` says how"), ("Chromium", BROWSERS, install)]
    for name, commands, advice in wanted:
        found = next(filter(None, map(shutil.which, commands)), None)
        yield Finding(name, Path(found).name if found else "not there", "" if found else advice, False)
