"""The wheel holds all that a lesson or the service reads, and what it makes goes to a folder of the user.

Protected: on Colab, and wherever the package is installed without its checkout, nothing is missing, and nothing is
written among the installed packages.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
ASK = """
import movierec, movierec.data, movierec.record
from movierec.play import runs
from movierec.origin import in_checkout, report_folder
from movierec.serving import visits
assert not in_checkout()
print(movierec.__file__, movierec.data.data_folder(), report_folder(), sep="\\n")
assert len(movierec.record.recorded("main_results")) and runs.shipped_path().exists()
assert all((visits.PAGE / name).exists() for name, _ in visits.FILES.values())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("movierec", "report/results"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", source, source]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = source.glob("*.whl")
    return made


def test_every_file_of_the_package_and_every_recorded_table_is_in_it(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (ROOT / "movierec").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= inside
    recorded = {path.name for path in (ROOT / "report/results").iterdir()} - {"README.md"}
    brought = {Path(name).name for name in inside if "/data/share/movierec/results/" in name}
    assert recorded == brought
    others = {name.split("/")[0] for name in inside}
    assert others == {"movierec", f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"} | {
        name for name in others if name.endswith(".data")
    }  # no tests, no notebooks


def test_installed_it_keeps_its_files_in_folders_of_the_user(wheel, tmp_path):
    prefix, home = tmp_path / "installed", tmp_path / "home"
    home.mkdir()
    # without --ignore-installed pip would uninstall the checkout from the environment that runs this test
    command = [*PIP, "install", "--no-deps", "--no-index", "--no-warn-script-location", "--ignore-installed"]
    command += ["--prefix", prefix, wheel]
    installed = metadata.version("movierec")
    subprocess.run(command, check=True, capture_output=True)
    assert metadata.version("movierec") == installed  # of the checkout: still there
    site = sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)})
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOVIEREC_", "XDG_"))}
    homes = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "APPDATA": str(home)}
    environment = kept | homes | {"PYTHONPATH": site, "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=environment, capture_output=True, text=True
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    package, data, report = map(Path, answer.stdout.splitlines())
    assert prefix in package.parents and home in data.parents and home in report.parents
