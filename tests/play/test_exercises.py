"""An answer is judged with feedback, whatever its form; a question answers each click with a reason."""

import numpy as np
import pandas as pd
import pytest

from movierec.play import Quiz, attempt, check, read_questions

RIGHT = [
    (0.1 + 0.2, 0.3), (np.float32(2), 2), ("Fargo", "Fargo"), ({"b", "a"}, {"a", "b"}), ([1, 2], np.array([1, 2])),
    ((1.0, float("nan")), (1.0, float("nan"))), (pd.Series([1.0, 2.0], [7, 8]), [1, 2]), (True, True), (np.True_, True),
    (np.str_("Fargo"), "Fargo"), (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]})),
    (pd.DataFrame({"a": ["x"], "b": [2.0 + 1e-12]}), pd.DataFrame({"a": ["x"], "b": [2.0]})),
]  # fmt: skip
WRONG = [
    (0.31, 0.3), (None, 3), ("fargo", "Fargo"), ({"a"}, {"a", "b"}), ([1, 2, 3], [1, 2]), ([2, 1], [1, 2]), (1, True),
    ("3", 3), ({1, "a"}, {1, 2}), (pd.DataFrame({"b": [1], "a": [1]}), pd.DataFrame({"a": [1], "b": [1]})),
    ([1, "x"], [1, 2]), (object(), 1), ([[1], [2, 3]], [1, 2]),
]  # fmt: skip
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


@pytest.mark.parametrize(("yours", "expected"), RIGHT)
def test_a_right_answer_is_right_in_whatever_form(yours, expected):
    assert repr(check("a", yours, expected)) == "exercise a: right"


@pytest.mark.parametrize(("yours", "expected"), WRONG)
def test_a_wrong_answer_is_shown_beside_the_expected_one(yours, expected):
    verdict = check("a", yours, expected)
    assert verdict.state == "not yet" and "Yours is" in verdict.text and "expected is" in verdict.text


def test_a_usual_mistake_is_named_an_exception_is_feedback_and_long_answers_are_cut():
    for nothing in (..., attempt(...), attempt(lambda: ...)):  # no error
        assert repr(check("1", nothing, 5)) == "exercise 1: not attempted yet"
    mistakes = [(1, "That film has been seen."), (4.0, "That is its score.")]
    assert check("1", 1, 2, mistakes=mistakes).text == "Yours is 1, expected is 2. That film has been seen."
    assert check("1", 9, 2, mistakes=mistakes).text == "Yours is 9, expected is 2."
    verdict = check("1", attempt(lambda x: 1 / x, 0), 1)
    assert verdict.text == "Your code raised ZeroDivisionError: division by zero"
    assert len(check("1", list(range(1000)), 1).text) < 150


def test_a_question_answers_each_click_with_a_reason(tmp_path):
    path = tmp_path / "99.toml"
    path.write_text(QUESTIONS, encoding="utf-8")
    quiz = Quiz(path)
    assert quiz.says[0].value == "" and quiz.choices[0].value is None
    said = {1: "Not quite. It is second.", 0: "Right. Yes, &lt;i&gt;a&lt;/i&gt;.", None: ""}
    for option, text in said.items():
        quiz.choices[0].index = option
        assert quiz.says[0].value == (f'<p role="status">{text}</p>' if text else "")
    assert "Which &lt;b&gt; is first?" in quiz.children[0].value
    assert repr(quiz) == "1. Which <b> is first?\n   a) a\n   b) b"
    assert quiz.answers() == "1a) right: Yes, <i>a</i>.\n1b) wrong: It is second."
    two_right = QUESTIONS + "right = true\n"
    without_reason = QUESTIONS.replace('why = "It is second."', 'why = ""')
    for spoilt in (QUESTIONS.replace("right = true\n", ""), two_right, without_reason):
        path.write_text(spoilt, encoding="utf-8")
        with pytest.raises(ValueError, match="question 1 needs two options or more, one right, and a `why` for each"):
            read_questions(path)
