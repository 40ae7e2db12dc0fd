"""Exercise notebooks and their solutions are made from one master, and are stored as it says."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from movierec.play import read_questions

SCRIPT = Path(__file__).resolve().parents[2] / "notebooks/exercises/make.py"
spec = importlib.util.spec_from_file_location("make_exercises", SCRIPT)
exercises = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exercises)
MASTERS = sorted((exercises.FOLDER / "exercises").glob("[0-9][0-9]_*.py"))
STATE = re.compile(r"exercise (\w+): (right|not yet|not attempted yet)")


MASTER = """# %% [markdown]
# # 99 · Exercises: counting

# %%
answer = 6 * 7  # SOLUTION

# %%
def double(x):
    return 2 * x  # SOLUTION


# %%
best = ...
# BEGIN SOLUTION
best = max([1, 3, 2])
# END SOLUTION
print("the end")
"""


def test_the_student_finds_dots_and_the_solution_runs_without_a_marker(tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "FOLDER", tmp_path)
    for folder in ("exercises", "solutions"):
        (tmp_path / folder).mkdir()
    master = tmp_path / "exercises/99_counting.py"
    master.write_text(MASTER, encoding="utf-8")
    made = exercises.make(master)
    student, solution = ([cell.source for cell in notebook.cells] for notebook in made.values())
    assert student == [
        "# 99 · Exercises: counting",
        "answer = ...  # your answer",
        "def double(x):\n    return ...  # your answer",
        'best = ...\nprint("the end")',
    ]
    assert solution == [
        "# 99 · Solutions: counting",
        "answer = 6 * 7",
        "def double(x):\n    return 2 * x",
        'best = ...\nbest = max([1, 3, 2])\nprint("the end")',
    ]
    _, (path, notebook) = made.items()
    exercises.run(path, notebook)
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["cells"][-1]["outputs"][0]["text"] == ["the end\n"] and stored["cells"][-1]["execution_count"] == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# %%\nx = f(\n    1,\n)  # SOLUTION\n", "cell 0, for exercises: not Python any more"),
        ("# %%\n1\n", "has no solution"),
        ("# %%\n# BEGIN SOLUTION\n1\n", "needs its # END SOLUTION"),
    ],
)
def test_a_master_without_a_whole_solution_is_refused(tmp_path, text, says):
    (tmp_path / "01_x.py").write_text(text)
    with pytest.raises(ValueError, match=says):
        exercises.make(tmp_path / "01_x.py")


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_a_master_has_all_levels_and_what_is_stored_is_made_from_it_and_right(master):
    made = exercises.make(master)
    for (path, notebook), state in zip(made.items(), ("not attempted yet", "right"), strict=True):
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert ["".join(cell["source"]) for cell in stored["cells"]] == [cell.source for cell in notebook.cells], (
            f"{path.name} is not what its master says: run `make exercises`"
        )
        verdicts = STATE.findall(json.dumps(stored))
        assert {found for _, found in verdicts} == {state} and len({name for name, _ in verdicts}) >= 6
    student, solved = made.values()  # a bug to find is handed out as code that runs
    for heading, given, answer in zip(student.cells, student.cells[1:], solved.cells[1:], strict=False):
        if "· Find the bug" in heading.source and given.source.startswith("def "):
            assert given.source != answer.source and "..." not in given.source
    text = master.read_text(encoding="utf-8")
    levels = re.findall(r"^# ## \d+ · (Recall|Change|Extend|Find the bug)$", text, re.MULTILINE)
    assert {"Recall", "Change", "Extend"} <= set(levels) and text.count("<summary>Hint</summary>") == len(levels)
    questions = read_questions(master.parent / f"questions/{master.stem[:2]}.toml")
    places = [[option.right for option in question.options].index(True) for question in questions]
    assert 3 <= len(questions) <= 5 and len(set(places)) > 1
