"""Exercises: a notebook and its solution from one master, judged with feedback, never broken by what is missing."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from movierec.play import Quiz, read_questions
from movierec.play.check import attempt, check

SCRIPT = Path(__file__).resolve().parents[2] / "notebooks/exercises/make.py"
spec = importlib.util.spec_from_file_location("make_exercises", SCRIPT)
exercises = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exercises)
MASTERS = sorted((exercises.FOLDER / "exercises").glob("[0-9][0-9]_*.py"))
STATE = re.compile(r"exercise (\w+): (right|not yet|not attempted yet)")


# ---- the judge


def test_nothing_done_is_no_error():
    assert repr(check("1", ..., 5)) == "exercise 1: not attempted yet"
    assert repr(check("1", attempt(...), 5)) == "exercise 1: not attempted yet"
    assert repr(check("1", attempt(lambda: ...), 5)) == "exercise 1: not attempted yet"


@pytest.mark.parametrize(
    ("yours", "expected"),
    [
        (0.1 + 0.2, 0.3),
        (np.float32(2), 2),
        ("Fargo", "Fargo"),
        ({"b", "a"}, {"a", "b"}),
        ([1, 2], np.array([1, 2])),
        ((1.0, float("nan")), (1.0, float("nan"))),
        (pd.Series([1.0, 2.0], [7, 8]), [1, 2]),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]})),
        (True, True),
        (np.True_, True),
        (np.str_("Fargo"), "Fargo"),
        (pd.DataFrame({"a": ["x"], "b": [2.0 + 1e-12]}), pd.DataFrame({"a": ["x"], "b": [2.0]})),
    ],
)
def test_a_right_answer_is_right_in_whatever_form(yours, expected):
    assert repr(check("a", yours, expected)) == "exercise a: right"


@pytest.mark.parametrize(
    ("yours", "expected"),
    [
        (0.31, 0.3), (None, 3), ("fargo", "Fargo"), ({"a"}, {"a", "b"}), ([1, 2, 3], [1, 2]), ([2, 1], [1, 2]),
        (1, True), ("3", 3),
        ({1, "a"}, {1, 2}), (pd.DataFrame({"b": [1], "a": [1]}), pd.DataFrame({"a": [1], "b": [1]})),
        ([1, "x"], [1, 2]), (object(), 1), ([[1], [2, 3]], [1, 2]),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_shown_beside_the_expected_one(yours, expected):
    verdict = check("a", yours, expected)
    assert verdict.state == "not yet" and "Yours is" in verdict.text and "expected is" in verdict.text


def test_a_usual_mistake_is_named():
    mistakes = [(1, "That film has been seen."), (4.0, "That is its score.")]
    assert check("1", 1, 2, mistakes=mistakes).text == "Yours is 1, expected is 2. That film has been seen."
    assert check("1", 9, 2, mistakes=mistakes).text == "Yours is 9, expected is 2."


def test_an_exception_is_feedback_and_long_answers_are_cut():
    verdict = check("1", attempt(lambda x: 1 / x, 0), 1)
    assert verdict.text == "Your code raised ZeroDivisionError: division by zero"
    assert len(check("1", list(range(1000)), 1).text) < 150


# ---- from one master

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


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "FOLDER", tmp_path)
    for folder in ("exercises", "solutions"):
        (tmp_path / folder).mkdir()
    master = tmp_path / "exercises/99_counting.py"
    master.write_text(MASTER, encoding="utf-8")
    return exercises.make(master)


def test_the_student_finds_dots_and_the_solution_has_no_marker(made):
    student, solution = ([cell.source for cell in notebook.cells] for notebook in made.values())
    assert student[1:] == [
        "answer = ...  # your answer",
        "def double(x):\n    return ...  # your answer",
        'best = ...\nprint("the end")',
    ]
    assert solution[1:] == [
        "answer = 6 * 7",
        "def double(x):\n    return 2 * x",
        'best = ...\nbest = max([1, 3, 2])\nprint("the end")',
    ]
    assert student[0] == "# 99 · Exercises: counting" and solution[0] == "# 99 · Solutions: counting"


def test_what_was_made_runs_and_is_written_with_its_outputs(made):
    for path, notebook in made.items():
        exercises.run(path, notebook)
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert stored["cells"][-1]["outputs"][0]["text"] == ["the end\n"]
        assert stored["cells"][-1]["execution_count"] == 3


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


# ---- the exercises of the course


def _stored(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_what_is_kept_is_made_from_its_master(master):
    for path, notebook in exercises.make(master).items():
        stored = _stored(path)
        assert ["".join(cell["source"]) for cell in stored["cells"]] == [cell.source for cell in notebook.cells], (
            f"{path.name} is not what its master says: run `make exercises`"
        )


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_untouched_nothing_is_attempted_and_every_solution_is_right(master):
    for path, state in zip(exercises.make(master), ("not attempted yet", "right"), strict=True):
        verdicts = STATE.findall(json.dumps(_stored(path)))
        assert {found for _, found in verdicts} == {state}
        assert len({name for name, _ in verdicts}) >= 6


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_each_master_has_all_three_levels_a_hint_each_and_a_bug(master):
    text = master.read_text(encoding="utf-8")
    levels = re.findall(r"^# ## \d+ · (Recall|Change|Extend|Find the bug)$", text, re.MULTILINE)
    assert {"Recall", "Change", "Extend"} <= set(levels) and text.count("<summary>Hint</summary>") == len(levels)
    assert Path(exercises.FOLDER / f"{master.stem}.ipynb").exists()


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_a_bug_to_find_is_handed_out_as_code_that_has_it(master):
    """A function with a hole is no bug: the student's one runs, wrongly, and is not the solution's."""
    student, solved = exercises.make(master).values()
    for heading, given, answer in zip(student.cells, student.cells[1:], solved.cells[1:], strict=False):
        if "· Find the bug" in heading.source and given.source.startswith("def "):
            assert given.source != answer.source and "..." not in given.source


# ---- questions

QUESTIONS = """
[[question]]
text = "Which <b> is first?"
[[question.option]]
text = "a"
right = true
why = "Yes, <i>a</i>."
[[question.option]]
text = "b"
why = "It is second."
"""


@pytest.fixture
def quiz(tmp_path):
    (tmp_path / "99.toml").write_text(QUESTIONS, encoding="utf-8")
    return Quiz(tmp_path / "99.toml")


def test_a_question_answers_each_click_with_a_reason(quiz):
    assert quiz.says[0].value == "" and quiz.choices[0].value is None
    quiz.choices[0].value = 1
    assert "Not quite. It is second." in quiz.says[0].value and 'role="status"' in quiz.says[0].value
    quiz.choices[0].value = 0
    assert "Right. Yes, &lt;i&gt;a&lt;/i&gt;." in quiz.says[0].value
    quiz.choices[0].value = None
    assert quiz.says[0].value == ""
    assert "Which &lt;b&gt; is first?" in quiz.children[0].value


def test_as_text_it_has_the_questions_and_apart_from_them_the_answers(quiz):
    assert repr(quiz) == "1. Which <b> is first?\n   a) a\n   b) b"
    assert quiz.answers() == "1a) right: Yes, <i>a</i>.\n1b) wrong: It is second."


@pytest.mark.parametrize(
    "spoilt",
    [QUESTIONS.replace("right = true\n", ""), QUESTIONS.replace('why = "It is second."', 'why = ""\nright = true')],
)
def test_a_question_without_one_right_answer_is_refused(tmp_path, spoilt):
    (tmp_path / "99.toml").write_text(spoilt, encoding="utf-8")
    with pytest.raises(ValueError, match="question 1 needs two options or more, one right, and a `why` for each"):
        read_questions(tmp_path / "99.toml")


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_every_notebook_has_three_questions_whose_right_answers_stand_in_different_places(master):
    questions = read_questions(master.parent / f"questions/{master.stem[:2]}.toml")
    places = [[option.right for option in question.options].index(True) for question in questions]
    assert 3 <= len(questions) <= 5 and len(set(places)) > 1
