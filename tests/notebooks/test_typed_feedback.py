"""What the student types in notebook 11 is what `movierec.feedback` has."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from movierec.feedback import World, bandits, loop, off_policy

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks/11_learning_from_feedback.ipynb"


def typed():
    """Return the functions, classes and assignments of the notebook by their names, the last of each."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    found = {}
    for source in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        for node in ast.parse(source).body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                names = [one.id for one in ast.walk(node.targets[0]) if isinstance(one, ast.Name)]
            found |= dict.fromkeys(names, node)
    return found


def run(names, given):
    """Run some statements of the notebook, in this order, with the names that they need; return all names."""
    found = typed()
    for name in names:
        exec(compile(ast.Module([found[name]], []), str(NOTEBOOK), "exec"), given)
    return given


def test_bandits_the_gradient_and_the_loop_are_the_same_word_by_word():
    found = typed()
    of_bandits, of_policies = ["RidgeBandit", "LinUCB", "ThompsonSampling"], ["softmax_policy", "policy_gradient"]
    of_loop = ["lists_of", "half_a_year"]
    for module, names in ((bandits, of_bandits), (off_policy, of_policies), (loop, of_loop)):
        statements = ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
        kept = {getattr(node, "name", ""): ast.dump(node) for node in statements}
        assert {name: ast.dump(found[name]) for name in names} == {name: kept[name] for name in names}


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_estimators_give_the_same_numbers(name):
    """Of a random log; the package also takes lists, and refuses a propensity of 0."""
    function = run([name], {"mean_of": off_policy.mean_of})[name]
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 2, 500), *rng.uniform(0.1, 1, (2, 500))]
    columns += list(rng.random((2, 500))) if name == "doubly_robust" else []
    np.testing.assert_allclose(function(*columns), getattr(off_policy, name)(*columns), rtol=1e-12)


def test_in_the_loop_exploring_reaches_other_films_and_what_a_click_counts_matters():
    """In a made world of 80 users and 400 films, with two places."""
    rng = np.random.default_rng(0)
    before, likes = rng.random((80, 400)) < 0.1, rng.random((80, 400))
    looks = World(likes, 2).looks
    months = {arm: loop.half_a_year(before, likes, looks, 0, **setting) for arm, setting in loop.ARMS.items()}
    assert all(of_arm.shape == (6, 2) and (np.diff(of_arm[:, 1]) >= 0).all() for of_arm in months.values())
    assert all(0 < of_arm[:, 0].mean() < 1.5 for of_arm in months.values())
    last = {arm: of_arm[-1, 1] for arm, of_arm in months.items()}
    assert last["explore"] > last["neither"] and last["both"] > last["weight"]
    for control in ("neither", "shuffled", "training only"):
        assert not np.array_equal(months["weight"], months[control]), control


def test_nobody_gets_a_seen_film_or_one_twice_and_three_places_are_not_explored():
    rng = np.random.default_rng(1)
    scores, seen = rng.random((30, 300)), rng.random((30, 300)) < 0.3
    slates = loop.lists_of(np.where(seen, -np.inf, scores), 5, 2, rng)
    assert not np.take_along_axis(seen, slates, axis=1).any()
    assert all(len(set(slate)) == 5 for slate in slates)
    best = np.argsort(-np.where(seen, -np.inf, scores), axis=1)[:, :3]
    np.testing.assert_array_equal(slates[:, :3], best)
