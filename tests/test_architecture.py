"""The rooms of the package and who may enter them: imports parsed, not run; and run where TensorFlow must stay out."""

import ast
import graphlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "movierec"
FILES = sorted(PACKAGE.rglob("*.py"))


def _name(path):
    """ "metrics", "play.app"; a folder's own is that of its __init__.py, and the package's is "__init__"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


TREES = {_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

# module -> the modules of the package that it may import. Data flows one way: archive, ratings, Split, batches, model,
# scores, metrics, results. A new module gets a line here, after a look at ../README.md and its neighbours.
MAY_IMPORT = {
    "keras2": set(),
    "download": set(),
    "indices": set(),
    "keys": set(),
    "splits": {"keys"},
    "metrics": set(),
    "ranking": set(),
    "comparison": set(),
    "plots": set(),
    "results": set(),
    "drift": {"results"},
    "printed": {"results"},
    "report": {"datasets", "drift", "latex", "plots", "results", "tables"},
    "latex": {"datasets", "printed", "results"},
    "readme": {"printed", "results"},
    "tables": set(),
    "rows": {"tables"},
    "formats": {"download", "rows", "tables"},
    "own": {"rows", "tables"},
    "cleaning": {"tables"},
    "cache": set(),
    "datasets": {"cache", "cleaning", "download", "formats", "own", "tables"},
    "synthetic": {"tables"},
    "baselines": {"indices"},
    "neighbours": {"baselines", "indices", "ranking"},
    "factors": {"baselines", "indices"},
    "content": {"baselines", "indices"},
    "about": {"content"},
    "cold": {"evaluation", "indices", "splits"},
    "groups": {"comparison"},
    "burke": {"baselines", "content", "factors", "indices", "ranking"},
    "layers": {"keras2"},
    "histories": {"baselines", "indices", "keys"},
    "settings": set(),
    "steps": {"keras2", "layers"},
    "bags": {"histories", "keras2"},
    "optimizers": {"keras2"},
    "checkpoints": set(),
    "workers": {"keras2"},
    "epochs": {"checkpoints", "keras2", "optimizers", "steps", "workers"},
    "train": {"metrics", "ranks", "workers"},
    "sequences": {"histories", "indices", "keys"},
    "attention": {"keras2", "layers", "sequences", "steps"},
    "sequential": {
        *{"attention", "baselines", "epochs", "evaluation", "features", "histories", "indices", "keras2", "layers"},
        *{"sequences", "splits", "steps"},
    },
    "stars_head": {"bags", "baselines", "histories", "indices", "keras2", "layers", "settings"},
    "ranking_head": {"attention", "bags", "factors", "histories", "indices", "keras2", "layers", "settings"},
    "ncf": {"features", "indices", "keras2", "layers", "steps"},
    "simulator": {"content", "factors", "indices"},
    "bandits": set(),
    "off_policy": set(),
    "policy_gradient": {"off_policy"},
    "ladder": {"baselines", "burke", "content", "datasets", "factors", "indices", "ncf", "neighbours"},
    "tuning": {"datasets", "evaluation", "ladder", "report", "splits"},
    "evaluation": {"metrics", "indices", "ranking", "splits"},
    "resume": set(),
    "ranks": {"evaluation", "indices", "resume"},
    "features": {"indices", "keras2"},
    "models": {
        "bags",
        "steps",
        "baselines",
        "features",
        "histories",
        "keras2",
        "layers",
        "ranking_head",
        "settings",
        "stars_head",
    },
    "pipeline": {"baselines", "histories", "indices", "keras2", "models"},
    "explain": {"pipeline"},
    "recommend": {
        *{"baselines", "datasets", "explain", "features", "histories", "indices", "keras2", "models", "pipeline"},
        "storage",
    },
    "ensemble": {"recommend"},
    "storage": {"baselines", "features", "histories", "indices", "keras2", "models", "recommend", "settings"},
    "training": {
        *{"bags", "baselines", "checkpoints", "ensemble", "epochs", "evaluation", "features", "histories", "indices"},
        *{"keras2", "keys", "layers", "metrics", "models", "optimizers", "ranks", "recommend", "settings", "splits"},
        *{"steps", "storage"},
    },
    "playlist": {"metrics"},
    "feedback": set(),
    "serving": {"datasets", "feedback", "indices", "keras2", "storage"},
    "service": {"datasets", "feedback", "serving"},
    "nearest": {"ranking"},
    "play": set(),
    "play.app": {"datasets"},
    "play.check": set(),
    "play.quiz": set(),
    "play.visitor": {"playlist"},
    "play.parts": set(),
    "play.recommend_panel": {"play.parts", "play.visitor", "playlist"},
    "play.knobs": set(),
    "play.runs": {"datasets", "play.knobs", "report", "training"},
    "play.curves": {"play.runs", "plots"},
    "play.train_panel": {"play.curves", "play.knobs", "play.parts", "play.runs", "training"},
    "play.runs_panel": {"play.curves", "play.knobs", "play.parts", "play.runs", "plots"},
    "play.leakage": {"datasets", "evaluation", "indices", "ladder", "metrics", "splits"},
    "play.leakage_lab": {"play.leakage", "play.parts"},
    "play.space": {"histories", "indices", "keras2", "layers", "models", "plots"},
    "play.attention_panel": {"play.parts", "plots"},
    "play.bandit_panel": {"bandits", "play.parts", "plots"},
    "play.new_film": {"cold", "content", "evaluation", "indices"},
    "play.new_film_panel": {"play.new_film", "play.parts"},
    "play.embedding_explorer": {"play.parts", "play.space", "play.visitor", "plots"},
    "doctor": {"datasets", "download", "keras2", "play.app", "storage"},
    "__main__": {"doctor", "train"},
    "__init__": {"keras2", "datasets", "splits"},
}
LAZY = {  # inside a function, because the other imports this module at its top
    ("recommend", "storage"),  # `Hybrid.save`: storage builds a Hybrid
    ("ladder", "ncf"),  # everything else on the ladder works without TensorFlow
    ("doctor", "keras2"),  # a broken TensorFlow is one line of the report
    ("doctor", "play.app"),
    ("doctor", "storage"),
    ("__main__", "doctor"),
    ("__main__", "train"),
    ("train", "metrics"),  # TensorFlow must not be loaded before the strategy is there
    ("train", "ranks"),
    ("workers", "keras2"),  # who starts the workers does without it
    ("play.runs", "training"),  # who only reads runs does not wait for TensorFlow
    ("service", "serving"),  # `--help` does not wait for TensorFlow
    ("report", "latex"),  # `python -m movierec.report build`: who only records does without it
    ("report", "plots"),  # who only reads results does not wait for Matplotlib
}
OUTSIDE = {  # third-party packages that each light module may import, besides numpy and pandas
    "keras2": {"tensorflow"},
    "download": {"requests", "tqdm"},
    "about": {"scipy"},
    "baselines": {"scipy"},
    "neighbours": {"scipy"},
    "plots": {"matplotlib", "cycler"},
    "report": {"matplotlib"},
    "evaluation": {"scipy", "tqdm"},
    "ranks": {"tqdm"},
    "nearest": {"faiss"},
    "play.curves": {"matplotlib"},
    "play.runs_panel": {"ipywidgets"},
    "play.leakage_lab": {"ipywidgets"},
    "play.new_film_panel": {"ipywidgets"},
}
WITHOUT_TENSORFLOW = [
    *["synthetic", "tables", "rows", "own"],
    *["datasets", "download", "formats", "indices", "splits", "metrics", "baselines", "evaluation", "report", "latex"],
    *[
        "keys",
        "cache",
        "cleaning",
        "checkpoints",
        "workers",
        "train",
        "ranking",
        "ranks",
        "resume",
        "comparison",
        "neighbours",
        "factors",
        "content",
        "burke",
        "ladder",
        "tuning",
    ],
    *[
        "plots",
        "results",
        "drift",
        "printed",
        "readme",
        "keras2",
        "histories",
        "simulator",
        "bandits",
        "off_policy",
        "policy_gradient",
        "sequences",
        "settings",
        "playlist",
        "feedback",
        "nearest",
        "play.visitor",
        "play.check",
        "play.knobs",
        "play.runs",
        "play.curves",
        "play.runs_panel",
        "play.leakage_lab",
    ],
    *["about", "cold", "groups", "play.new_film", "play.new_film_panel"],
]


def _imports(tree):
    """(module as written, names, whether inside a function) of every import statement."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, [], id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level) + (node.module or ""), [alias.name for alias in node.names], id(node) in inside


def _arrows(module):
    """{(module of the package that is imported, lazily)}."""
    arrows = set()
    for name, names, lazy in _imports(TREES[module]):
        if name == "movierec":
            arrows |= {(target, lazy) for target in names if target in TREES}
        elif name.startswith("movierec."):
            target = name.removeprefix("movierec.")
            inner = [name for name in names if f"{target}.{name}" in TREES]  # from movierec.play import runs
            arrows |= {(f"{target}.{name}", lazy) for name in inner}
            arrows |= {(target, lazy)} if target in TREES and inner != names else set()
    return arrows


def test_every_module_has_a_room():
    assert set(TREES) == set(MAY_IMPORT), "a module is new or gone: give it a line in MAY_IMPORT, or take it out"


@pytest.mark.parametrize("module", TREES)
def test_imports_follow_the_arrows(module):
    found = {target for target, _ in _arrows(module)}
    assert found <= MAY_IMPORT[module], f"{module} may not import {sorted(found - MAY_IMPORT[module])}"


def test_the_parser_finds_the_arrows_that_are_known_to_be_there():
    assert ("indices", False) in _arrows("baselines")  # from movierec.data.indices import …
    assert ("metrics", False) in _arrows("evaluation")  # from movierec import metrics
    assert ("storage", True) in _arrows("recommend")  # inside a function


def test_imports_are_absolute():
    relative = [(module, name) for module in TREES for name, _, _ in _imports(TREES[module]) if name.startswith(".")]
    assert relative == []


def test_there_is_no_circle_but_those_that_are_documented():
    lazy = {(module, target) for module in TREES for target, is_lazy in _arrows(module) if is_lazy}
    assert lazy == LAZY
    eager = {module: {target for target, is_lazy in _arrows(module) if not is_lazy} for module in TREES}
    graphlib.TopologicalSorter(eager).prepare()  # raises CycleError


@pytest.mark.parametrize("module", [module for module in TREES if module != "keras2"])
def test_tensorflow_is_imported_through_keras2_alone(module):
    outside = {name.split(".")[0] for name, _, _ in _imports(TREES[module])}
    assert not outside & {"tensorflow", "tensorflow_recommenders", "keras", "tf_keras"}


@pytest.mark.parametrize("module", WITHOUT_TENSORFLOW)
def test_light_modules_import_numpy_pandas_and_what_they_name(module):
    outside = {name.split(".")[0] for name, _, _ in _imports(TREES[module])}
    outside -= set(sys.stdlib_module_names) | {"movierec", "numpy", "pandas"}
    assert outside <= OUTSIDE.get(module, set())


def test_metrics_know_numpy_only():
    assert {name for name, _, _ in _imports(TREES["metrics"])} == {"numpy"}


def test_light_modules_import_without_tensorflow_in_a_fresh_process():
    code = f"""
import importlib, json, sys
for module in {WITHOUT_TENSORFLOW}:
    importlib.import_module("movierec." + module)
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}} & {{"tensorflow", "tf_keras", "keras"}})))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


def test_who_reads_or_builds_the_report_does_not_wait_for_matplotlib():
    code = "import sys; from movierec import report, results, drift, printed, latex, readme; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "movierec.printed" in loaded and not loaded & {"matplotlib", "movierec.plots", "tensorflow"}


def test_who_records_does_without_latex():
    code = "import sys; from movierec.report import Recorder; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "movierec.results" in loaded and not loaded & {"matplotlib", "movierec.plots", "movierec.latex"}


def test_the_variable_that_chooses_keras_is_set_in_one_place():
    name = "TF_USE_LEGACY_" + "KERAS"  # in two pieces: this file is looked at too
    candidates = [*FILES, ROOT / "Makefile", *ROOT.glob("*.py"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob(".ci/*")]
    setting = re.compile(name + r"""['"\\]*\s*(\]\s*=|=|,\s*\\?['"]1)""")
    found = [path.name for path in candidates if setting.search(path.read_text(encoding="utf-8"))]
    assert found == ["keras2.py"]


def _public(tree):
    """Public functions and classes, and the public methods of the classes but Keras' hooks and one-line properties."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            for method in node.body if isinstance(node, ast.ClassDef) else []:
                hook = method.name.startswith(("_", "on_")) if isinstance(method, ast.FunctionDef) else True
                if not hook and not any(ast.unparse(mark) == "property" for mark in method.decorator_list):
                    yield f"{node.name}.{method.name}", method


@pytest.mark.parametrize("module", TREES)
def test_modules_and_what_they_offer_have_docstrings(module):
    assert ast.get_docstring(TREES[module]), f"{module}.py needs a first line that says what it is for"
    assert [name for name, node in _public(TREES[module]) if not ast.get_docstring(node)] == []


def test_docstrings_begin_with_a_sentence_on_one_line():
    bad = []
    for module, tree in TREES.items():
        for name, node in [("", tree), *_public(tree)]:
            lines = ast.get_docstring(node).splitlines()
            if len(lines) > 1 and lines[1].strip():
                bad.append(f"{module}.{name}: {lines[0]}")
    assert bad == []


def test_nothing_leaves_the_checkout():
    """No file refers to a folder beside the repository, or to where it happened to be written."""
    outside = re.compile(r"\.\./" + "shared|" + "/work" + "/main|" + "/home" + r"/\w+/")
    names = [*FILES, *ROOT.glob("tests/*.py"), *ROOT.glob("notebooks/**/*.ipynb"), *ROOT.glob("*.*"), ROOT / "Makefile"]
    names += [*ROOT.glob("report/*.*"), *ROOT.glob("report/results/*"), *ROOT.glob("data/*.md")]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in names
        if path.suffix in {".py", ".md", ".toml", ".yml", ".txt", ".tex", ".bib", ".csv", ".ipynb"}
        or path.name == "Makefile"
        for match in [outside.search(path.read_text(encoding="utf-8"))]
        if match
    ]
    assert found == []


def test_there_is_no_drawer_for_odds_and_ends():
    assert not {"utils", "util", "helpers", "manager", "core", "common", "misc"} & set(TREES)
