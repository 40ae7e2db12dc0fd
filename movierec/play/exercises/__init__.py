"""Judge answers to exercises, and ask questions: `check("1", yours, expected)` and `Quiz("questions/07.toml")`.

An answer that is still `...` is "not attempted yet" and no error, so that an exercise notebook runs from top to bottom.
A wrong answer gets its reason, or a hint. It never gets the right answer.
"""

import html
import tomllib
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd

from movierec.play.parts import status

__all__ = ["Quiz", "Truth", "Verdict", "attempt", "check", "read_questions"]
SHOWN = 80  # characters of an answer in the feedback
AGAIN = "Read the question again."
UNCHANGED = "The result is still the old one."
Truth = namedtuple("Truth", "expected mistakes tolerance", defaults=[(), 1e-6])  # of an exercise, see `truths`


@dataclass(frozen=True, repr=False)
class Verdict:
    """The judgement of one answer: "right", "not yet" or "not attempted yet", and the feedback in words."""

    name: str
    state: str
    text: str = ""

    def __repr__(self) -> str:
        return f"exercise {self.name}: {self.state}{'. ' if self.text else ''}{self.text}"


def check(
    name: str, yours, expected="", *, mistakes: list[tuple] = (), tolerance: float = 1e-6, unchanged=...
) -> Verdict:
    """Judge an answer; if it is wrong, show the answer with the reason or a hint, but not the right answer.

    Args:
        yours: A number, text, set, list, array or table; `...` if nothing was done; an exception, see `attempt`.
        expected: The same, or a `Truth`. "" is for a test of properties: `yours` is then what is wrong, in words.
        mistakes: Pairs of a wrong answer and its reason. The first that fits is shown.
        unchanged: What the code gives as it was handed out. Such an answer is "not attempted yet".
    """
    if isinstance(expected, Truth):
        expected, mistakes, tolerance = expected
    if yours is ...:
        return Verdict(name, "not attempted yet")
    if isinstance(yours, Exception):
        return Verdict(name, "not yet", f"Your code raised {type(yours).__name__}: {yours}")
    if _same(yours, expected, tolerance):
        return Verdict(name, "right")
    if unchanged is not ... and _same(yours, unchanged, tolerance):
        return Verdict(name, "not attempted yet", UNCHANGED)
    if isinstance(expected, str) and expected == "":
        return Verdict(name, "not yet", str(yours))
    why = next((text for wrong, text in mistakes if _same(yours, wrong, tolerance)), "") or _hint(yours, expected)
    return Verdict(name, "not yet", f"Yours is {_shown(yours)}. {why}")


def attempt(function, *arguments):
    """Return what the function answers; `...` if it is not written yet; the exception if it raises one."""
    if function is ...:
        return ...
    try:
        return function(*arguments)
    except Exception as error:  # a student's error is feedback; it must not end the notebook
        return error


def _same(one, other, tolerance: float) -> bool:
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        return list(one) == list(other) and all(_same(one[name], other[name], tolerance) for name in one)
    one, other = (value.item() if isinstance(value, np.generic) else value for value in (one, other))
    if isinstance(one, str | set | frozenset | bool) or isinstance(other, str | set | frozenset | bool):
        return type(one) is type(other) and one == other
    try:
        one, other = np.asarray(one), np.asarray(other)
        if one.shape != other.shape:
            return False
        if one.dtype.kind in "iuf" and other.dtype.kind in "iuf":
            return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))
        return bool((one == other).all())
    except (TypeError, ValueError):  # a ragged list, or things that cannot be compared
        return False


def _hint(yours, expected) -> str:
    """Say how a wrong answer differs, too large or of another shape, without the right one."""
    if isinstance(expected, pd.DataFrame) and isinstance(yours, pd.DataFrame):
        return AGAIN if list(yours) == list(expected) else "It has other columns than were asked for."
    if isinstance(expected, set | frozenset) and isinstance(yours, set | frozenset):
        parts = {"something is missing": expected - yours, "something is too much": yours - expected}
        return f"Compared with the right set, {' and '.join(text for text, found in parts.items() if found)}."
    if isinstance(expected, str | bool | np.bool_ | set | frozenset) or isinstance(yours, str | bool | set | frozenset):
        kind = type(expected.item() if isinstance(expected, np.generic) else expected)
        return AGAIN if isinstance(yours, kind) else f"It should be of another type: {kind.__name__}."
    try:
        one, other = np.asarray(yours), np.asarray(expected)
    except ValueError:  # a ragged list
        return "It has another shape than was asked for."
    if one.dtype.kind not in "iuf" or other.dtype.kind not in "iuf":
        return AGAIN if one.dtype.kind == other.dtype.kind else "It should be of another type."
    if one.shape != other.shape:
        return f"It has the shape {list(one.shape)}, and {list(other.shape)} was asked for."
    if one.ndim == 0:
        return f"That is too {'large' if one > other else 'small'}."
    return f"Too large: {int((one > other).sum())}, too small: {int((one < other).sum())} of {one.size} numbers."


def _shown(value) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    text = " ".join(repr(sorted(value, key=repr) if isinstance(value, set | frozenset) else value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


# ---- questions

LETTERS = "abcdefgh"

Option = namedtuple("Option", "text why right", defaults=[False])
Question = namedtuple("Question", "text options")


def read_questions(path) -> list[Question]:
    """Return the questions of a TOML file; each has two options or more, one right, all with reasons (ValueError)."""
    questions = []
    for number, table in enumerate(tomllib.loads(Path(path).read_text(encoding="utf-8"))["question"], start=1):
        options = tuple(Option(**option) for option in table["option"])
        if len(options) < 2 or sum(option.right for option in options) != 1 or not all(o.why for o in options):
            raise ValueError(f"{path}: question {number} needs two options or more, one right, and a `why` for each.")
        questions.append(Question(table["text"], options))
    return questions


class Quiz(widgets.VBox):
    """The questions of a file: radio buttons in `choices`, feedback in `says`; its repr is the text without answers."""

    def __init__(self, path):
        self.questions = read_questions(path)
        self.choices = []
        self.says = []
        rows = []
        for number, question in enumerate(self.questions, start=1):
            options = [(option.text, option) for option in question.options]
            choice = widgets.RadioButtons(options=options, value=None, layout={"width": "auto"})
            says = widgets.HTML()
            choice.observe(lambda change, says=says: self._answer(says, change["new"]), "value")
            self.choices.append(choice)
            self.says.append(says)
            rows += [widgets.HTML(f"<b>{number}. {html.escape(question.text)}</b>"), choice, says]
        super().__init__(rows)

    def __repr__(self) -> str:
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines.append(f"{number}. {question.text}")
            lines += [f"   {letter}) {o.text}" for letter, o in zip(LETTERS, question.options, strict=False)]
        return "\n".join(lines)

    def answers(self) -> str:
        """Return the right answers as text, and why the others are wrong."""
        return "\n".join(
            f"{number}{letter}) {'right' if option.right else 'wrong'}: {option.why}"
            for number, question in enumerate(self.questions, start=1)
            for letter, option in zip(LETTERS, question.options, strict=False)
        )

    @staticmethod
    def _answer(says: widgets.HTML, chosen: Option | None) -> None:
        says.value = status(f"{'Right' if chosen.right else 'Not quite'}. {chosen.why}") if chosen else ""
