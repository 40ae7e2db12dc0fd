"""The house stays as it is drawn: layers, size of rooms, TensorFlow behind one door, docstrings, no machine's paths."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "movierec"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
MOST_LINES, MOST_FILES = 250, 12  # of a module; of a folder
LIGHT = ["data", "evaluation", "baselines", "feedback", "play", "record", "plots", "__main__"]  # without TensorFlow
NOT_A_VERB = {"nothing", "the", "a", "an", "what", "whether", "where", "who", "whom", "how", "all", "of", "one", "as"}


def test_imports_go_down_the_layers_only():
    """The contract is in pyproject.toml, [tool.importlinter]; the tool names each import that breaks it."""
    run = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True)
    assert run.returncode == 0, run.stdout.decode(errors="replace")


def test_no_module_and_no_folder_is_too_large_or_a_drawer_for_odds_and_ends():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert [str(path) for path in lines if lines[path] > MOST_LINES] == []
    folders = {path.parent for path in FILES}
    assert [str(folder) for folder in folders if len(list(folder.glob("*.py"))) > MOST_FILES] == []
    assert not {"utils", "util", "helpers", "manager", "core", "common", "misc"} & {path.stem for path in FILES}


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", TREES)
def test_tensorflow_is_imported_through_keras2_alone(path):
    outside = {name.split(".")[0] for name in _imports(TREES[path])}
    assert not outside & {"tensorflow", "tensorflow_recommenders", "keras", "tf_keras"}


def test_every_folder_hands_on_names_that_exist_and_light_ones_without_tensorflow():
    """`lazy_loader` finds a name only when it is asked for: a name that was renamed must not stay in the table."""
    code = f"""
import importlib, sys
def hand_on(folder):
    module = importlib.import_module("movierec." + folder)
    assert [getattr(module, name) for name in module.__all__], folder
for name in {LIGHT}:
    importlib.import_module("movierec." + name)
for name in {LIGHT[:4]}:
    hand_on(name)
assert not {{name.split(".")[0] for name in sys.modules}} & {{"tensorflow", "tf_keras", "keras"}}
for name in {sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))}:
    hand_on(name)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_variable_that_chooses_keras_is_set_in_one_place():
    name = "TF_USE_LEGACY_" + "KERAS"  # in two pieces: this file is looked at too
    candidates = [*FILES, ROOT / "Makefile", *ROOT.glob("*.py"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob(".ci/*")]
    setting = re.compile(name + r"""['"\\]*\s*(\]\s*=|=|,\s*\\?['"]1)""")
    found = [path.name for path in candidates if setting.search(path.read_text(encoding="utf-8"))]
    assert found == ["keras2.py"]


def _public_functions(tree):
    """(name, node) of functions, and of methods but properties and Keras's hooks, that a reader may call."""
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.Module)]
    for node in (node for body in bodies for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        is_property = any(ast.unparse(mark).endswith("property") for mark in node.decorator_list)
        if not node.name.startswith(("_", "on_")) and not is_property:
            yield node.name, node


@pytest.mark.parametrize("path", TREES)
def test_docstrings_are_there_and_those_of_functions_begin_with_a_verb(path):
    tree = TREES[path]
    assert ast.get_docstring(tree), f"{path} needs a first line that says what it is for"
    first_words = {}
    for name, node in _public_functions(tree):
        docstring = ast.get_docstring(node)
        assert docstring, f"{path}: {name} has no docstring"
        first, *rest = docstring.splitlines()
        assert not rest or not rest[0].strip(), f"{path}: {name}: an empty line belongs after the first sentence"
        first_words[name] = re.split(r"\W", first, maxsplit=1)[0].lower()
    assert {name: word for name, word in first_words.items() if word in NOT_A_VERB} == {}


def test_nothing_leaves_the_checkout():
    """No file refers to a folder beside the repository, or to where it happened to be written."""
    outside = re.compile(r"\.\./" + "shared|" + "/work" + "/main|" + "/home" + r"/\w+/")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    kinds = {".py", ".md", ".toml", ".yml", ".txt", ".tex", ".bib", ".csv", ".ipynb", ""}
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in tracked if Path(name).suffix in kinds}
    assert [name for name, text in texts.items() if outside.search(text)] == []
