"""One source of dependencies, and nothing that drifts from it: pyproject.toml, requirements.txt, environment.yml."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PINS = [Requirement(line) for line in LOCK.splitlines() if line.strip() and not line.startswith("#")]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
ASKED = [Requirement(text) for text in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["test"]]
SUPPORTED = SpecifierSet(PROJECT["project"]["requires-python"])


def _pins(name):
    return [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(name)]


def _version(pin):
    (specifier,) = pin.specifier
    return specifier.version


def test_every_dependency_is_pinned_to_a_version_that_it_allows():
    for asked in ASKED:
        pins = _pins(asked.name)
        assert pins, f"{asked.name} is in pyproject.toml and not in requirements.txt: run `make lock`"
        assert all(asked.specifier.contains(_version(pin)) for pin in pins), asked


@pytest.mark.parametrize("python", ["3.11.0", "3.11.9", "3.12.1", "3.13.5"])
@pytest.mark.parametrize(
    "system", [("linux", "x86_64", "posix"), ("darwin", "arm64", "posix"), ("win32", "AMD64", "nt")]
)
def test_on_every_system_each_dependency_has_one_pin(python, system):
    sys_platform, machine, os_name = system
    environment = {"python_full_version": python, "python_version": python.rsplit(".", 1)[0]}
    environment |= {"sys_platform": sys_platform, "platform_machine": machine, "os_name": os_name}
    assert SUPPORTED.contains(python)
    valid = [pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(environment)]
    assert len(valid) == len(set(valid)), "two pins of a package apply at once"
    assert {canonicalize_name(asked.name) for asked in ASKED} <= {canonicalize_name(name) for name in valid}


def test_pins_are_exact_and_name_no_host():
    assert [str(pin) for pin in PINS if [specifier.operator for specifier in pin.specifier] != ["=="]] == []
    assert len(PINS) > 100 and not re.search(r"https?:|://|--|@ |\bfile:|index.url", LOCK)
    assert _pins("tensorflow-macos") == []  # TFRS asks for it; it ended in 2024


def test_what_is_installed_is_what_is_pinned():
    pinned = {canonicalize_name(pin.name): _version(pin) for pin in PINS if not pin.marker or pin.marker.evaluate()}
    there = {canonicalize_name(found.name): found.version for found in importlib.metadata.distributions()}
    wrong = [f"{name} is {there.get(name)}, pinned {pin}" for name, pin in pinned.items() if there.get(name) != pin]
    assert wrong == [], "pip install --no-deps -r requirements.txt"
    assert SUPPORTED.contains(".".join(map(str, sys.version_info[:3])))
    assert not SUPPORTED.contains("3.10.14") and not SUPPORTED.contains("3.14.0")


def test_conda_and_the_makefile_ask_for_the_same_pins_and_pythons():
    (pip,) = [part["pip"] for part in CONDA if isinstance(part, dict)]
    assert pip == ["-r requirements.txt", "-e ."]
    (python,) = [Requirement(part.replace("=", "==")) for part in CONDA if str(part).startswith("python=")]
    assert SUPPORTED.contains(f"{_version(python)}.7")
    # Anything else that conda brings must not be a pinned package: two installers would fight for it.
    others = {re.split(r"[=<> ]", part)[0] for part in CONDA if isinstance(part, str)} - {"python", "pip"}
    assert not {name for name in others if _pins(name)}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    oldest, newest = map(int, re.search(r"\(3, (\d+)\) <= sys.version_info\[:2\] <= \(3, (\d+)\)", makefile).groups())
    supported = [minor for minor in range(oldest - 2, newest + 3) if SUPPORTED.contains(f"3.{minor}.0")]
    assert supported == list(range(oldest, newest + 1))


def test_what_the_package_imports_is_declared():
    """`pip install .` without the lock must bring all that movierec imports."""
    names = set()
    for path in (ROOT / "movierec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    with_others = {"cycler", "starlette"}  # Matplotlib's own; FastAPI's own
    names -= set(sys.stdlib_module_names) | {"movierec"} | with_others
    names = {
        {"PIL": "pillow", "faiss": "faiss_cpu", "sklearn": "scikit_learn", "IPython": "ipython"}.get(name, name)
        for name in names
    }
    assert names <= {Requirement(text).name.replace("-", "_") for text in PROJECT["project"]["dependencies"]}
