"""An answer is judged with feedback, whatever its form; a question answers each click with a reason."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import make_indices
from movierec.play import Quiz, attempt, check, read_questions
from movierec.play.exercises import AGAIN, UNCHANGED, Truth, truths, truths_of_films

RIGHT = [
    (0.1 + 0.2, 0.3), (np.float32(2), 2), ("Fargo", "Fargo"), ({"b", "a"}, {"a", "b"}), ([1, 2], np.array([1, 2])),
    ((1.0, float("nan")), (1.0, float("nan"))), (pd.Series([1.0, 2.0], [7, 8]), [1, 2]), (True, True), (np.True_, True),
    (np.str_("Fargo"), "Fargo"), (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]})),
    (pd.DataFrame({"a": ["x"], "b": [2.0 + 1e-12]}), pd.DataFrame({"a": ["x"], "b": [2.0]})),
]  # fmt: skip
LARGE, SMALL = "That is too large.", "That is too small."
OTHER = "It should be of another type"
WRONG = [  # yours, expected, the hint
    (0.31, 0.3, LARGE), (np.float32(2), 3, SMALL), (None, 3, OTHER), ("fargo", "Fargo", AGAIN),
    ("3", 3, f"{OTHER}: int."), (["a"], ["b"], AGAIN),
    ({"a"}, {"a", "b"}, "the right set, something is missing."), (1, True, f"{OTHER}: bool."), (False, True, AGAIN),
    ({1, "a"}, {1, 2}, "something is missing and something is too much."), (object(), 1, OTHER),
    ([1, 2, 3], [1, 2], "It has the shape [3], and [2] was asked for."), ([1, "x"], [1, 2], OTHER),
    ([2, 1, 3], [1, 2, 3], "Too large: 1, too small: 1 of 3 numbers."), ([[1], [2, 3]], [1, 2], "another shape"),
    (pd.DataFrame({"b": [1], "a": [1]}), pd.DataFrame({"a": [1], "b": [1]}), "other columns"),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), AGAIN), ([1], pd.DataFrame({"a": ["x"]}), OTHER),
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


@pytest.mark.parametrize(("yours", "expected", "hint"), WRONG)
def test_a_wrong_answer_is_shown_with_a_hint(yours, expected, hint):
    verdict = check("a", yours, expected)
    assert verdict.state == "not yet" and verdict.text.startswith("Yours is") and hint in verdict.text


@pytest.mark.parametrize(
    ("yours", "one", "other"),
    [(9, 2, 3), ([0, 0], [1, 2], [3, 4]), ("a", "b", "c"), ({1}, {1, 2}, {1, 3}), (pd.Series([5]), [6], [7])],
)
def test_what_a_wrong_answer_is_told_does_not_depend_on_the_right_one(yours, one, other):
    assert repr(check("a", yours, one)) == repr(check("a", yours, other))


def test_a_usual_mistake_is_named_an_exception_is_feedback_and_long_answers_are_cut():
    for nothing in (..., attempt(...), attempt(lambda: ...)):  # no error
        assert repr(check("1", nothing, 5)) == "exercise 1: not attempted yet"
    mistakes = [(1, "That film has been seen."), (4.0, "That is its score.")]
    assert check("1", 1, 2, mistakes=mistakes).text == "Yours is 1. That film has been seen."
    assert check("1", 9, 2, mistakes=mistakes).text == "Yours is 9. That is too large."
    truth = Truth(2, mistakes, 0.1)
    assert check("1", 2.05, truth).state == "right" and check("1", 4, truth).text == "Yours is 4. That is its score."
    verdict = check("1", attempt(lambda x: 1 / x, 0), 1)
    assert verdict.text == "Your code raised ZeroDivisionError: division by zero"
    assert len(check("1", list(range(1000)), 1).text) < 150


def test_a_test_of_properties_says_what_is_wrong_and_code_as_handed_out_is_no_attempt():
    assert repr(check("1", "The bag holds the answer.")) == "exercise 1: not yet. The bag holds the answer."
    assert repr(check("1", "")) == "exercise 1: right" and repr(check("1", ...)) == "exercise 1: not attempted yet"
    given = np.array([3, 1, 2])
    assert repr(check("1", given, [1, 2, 3], unchanged=given)) == f"exercise 1: not attempted yet. {UNCHANGED}"
    assert check("1", [1, 2, 3], [1, 2, 3], unchanged=given).state == "right"
    assert check("1", [1, 3, 2], [1, 2, 3], unchanged=given).state == "not yet"


STARS = [5, 3, 4, 1, 2, 5, 4, 3, 3, 2, 4, 1]
RATINGS = pd.DataFrame(
    {"user_id": np.repeat([1, 2, 3], 4), "movie_id": [10, 20, 30, 40, 10, 20, 30, 50, 10, 20, 60, 70]}
).assign(rating=np.array(STARS, float), timestamp=[0, 9, 9, 9_000, 0, 10, 20, 20, 0, 50, 3_000, 90_000])
MOVIES = pd.DataFrame({"movie_id": [10, 20, 30]})
BY_HAND = movierec.data.Split(RATINGS.iloc[[0, 1, 4, 5, 8]], RATINGS.iloc[[2, 6, 9]], RATINGS.iloc[[3, 7, 10, 11]])


def fit_by_hand(epochs=3, learning_rate=1, dropout=0.5, dim=1, seed=0):
    """Return no model, and a history that is best in the second epoch."""
    best = learning_rate * dim + seed
    return None, pd.DataFrame({"validation_rmse": [best + 3, best, best + 1.5 - dropout][:epochs]})


TRUTHS = [
    (truths.filled_share(RATINGS), 12 / 21),
    (truths.damped_mean([5, 5], 3.5, 10), 45 / 12),
    (truths.share_of_top(RATINGS, 2), 0.5),
    (truths.users_within(RATINGS, 3600), 1),
    (truths.best_means(RATINGS, least=2, k=2), [30, 10]),
    (truths.strangers(movierec.data.Split(RATINGS[4:], None, RATINGS[:4])), 1),
    (truths.tied_cuts(BY_HAND), 1 / 3),
    (truths.means_by_movie(BY_HAND), [10 / 3, 4.0]),
    (
        truths.bias_errors(BY_HAND, make_indices(BY_HAND.train, MOVIES), (0,)),
        [np.sqrt((0.3048**2 + 0.4476**2 + 1.9444**2) / 3)],
    ),
    (truths.lowest_errors(fit_by_hand, (1, 2)), [1, 2]),
    (truths.rises(fit_by_hand, 3, (0.0, 0.5)), [1.5, 1.0]),
    (truths.gain_over_seeds(fit_by_hand, (2, 1), (0, 1, 3)), (1, 2.776 * np.sqrt(14 / 9))),
    (truths_of_films.smallest_of(0.01, comparisons=3), 0.03),
    (truths_of_films.capped_counts(RATINGS, make_indices(RATINGS), most=2), [3, 3, 0, 0, 0, 0, 0]),
    (
        truths_of_films.filled(np.array([[1.0, 3, 0]]), np.array([[0.0], [2], [2]]), np.array([True, True, False]), 2),
        [[1, 3, 2.5]],  # the centred content is -1 and 1: a slope of 2 / (2 + 2), at 1
    ),
]


@pytest.mark.parametrize(("truth", "by_hand"), TRUTHS)
def test_a_truth_is_what_is_counted_by_hand_and_mistakes_have_reasons(truth, by_hand):
    assert check("1", by_hand, truth).state == "right"
    reasons = tuple(why for _, why in truth.mistakes)
    verdicts = [check("1", wrong, truth) for wrong, _ in truth.mistakes]
    assert all(verdict.state == "right" or verdict.text.endswith(reasons) for verdict in verdicts)
    assert any(verdict.state == "not yet" for verdict in verdicts)


def test_the_errors_of_a_damping_are_those_of_the_damped_means():
    known = pd.DataFrame({"sum": [8.0], "size": [2]}, index=[10])
    asked = pd.DataFrame({"movie_id": [10, 10], "rating": [5.0, 2.0]})
    truth = truths.damping_errors(known, asked, 3.0, (0, 2))  # 4 and 3.5 are predicted
    assert check("1", [np.sqrt((1 + 4) / 2), np.sqrt((1.5**2 + 1.5**2) / 2)], truth).state == "right"
    assert "Take its root" in check("1", [2.5, 2.25], truth).text


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
