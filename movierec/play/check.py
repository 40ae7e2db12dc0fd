"""Answers to exercises, judged with feedback: `check("1", yours, expected, mistakes=[(value, why), …])`.

An answer that is still `...` is not attempted yet, which is no error: an exercise notebook runs from top to bottom.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

SHOWN = 80  # characters of an answer in the feedback


@dataclass(frozen=True, repr=False)
class Verdict:
    """What `check` says of one answer.

    Attributes:
        name: of the exercise.
        state: "right", "not yet" or "not attempted yet".
        text: the feedback.
    """

    name: str
    state: str
    text: str = ""

    def __repr__(self) -> str:
        return f"exercise {self.name}: {self.state}{'. ' if self.text else ''}{self.text}"


def check(name: str, yours, expected, *, mistakes: list[tuple] = (), tolerance: float = 1e-6) -> Verdict:
    """Whether an answer is the expected one; if not, both are shown, and why, if it is a usual mistake.

    Args:
        name: of the exercise, e.g. "3".
        yours: `...` if nothing has been done; an exception (see `attempt`) is shown as one.
        expected: a number, a text, a set, a list, an array or a table.
        mistakes: (a wrong answer, what it comes from).
        tolerance: for numbers, relative and absolute.
    """
    if yours is ...:
        return Verdict(name, "not attempted yet")
    if isinstance(yours, Exception):
        return Verdict(name, "not yet", f"Your code raised {type(yours).__name__}: {yours}")
    if _same(yours, expected, tolerance):
        return Verdict(name, "right")
    why = next((text for wrong, text in mistakes if _same(yours, wrong, tolerance)), "")
    return Verdict(name, "not yet", f"Yours is {_shown(yours)}, expected is {_shown(expected)}. {why}".strip())


def attempt(function, *arguments):
    """What the function answers; `...` if it has not been written yet; the exception if it raises one."""
    if function is ...:
        return ...
    try:
        return function(*arguments)
    except Exception as error:  # a student's error is feedback, and not the end of the notebook
        return error


def _same(one, other, tolerance: float) -> bool:
    one, other = (value.item() if isinstance(value, np.generic) else value for value in (one, other))
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        columns = list(one) == list(other)
        return columns and all(_same(one[name].to_numpy(), other[name].to_numpy(), tolerance) for name in one)
    one, other = (value.to_numpy() if isinstance(value, pd.Series | pd.DataFrame) else value for value in (one, other))
    if isinstance(one, str | set | frozenset | bool) or isinstance(other, str | set | frozenset | bool):
        return type(one) is type(other) and one == other
    try:
        one, other = np.asarray(one), np.asarray(other)
        if one.shape != other.shape:
            return False
        if one.dtype.kind in "iuf" and other.dtype.kind in "iuf":
            return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))
        return bool((one == other).all())
    except (TypeError, ValueError):
        return False


def _shown(value) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    text = " ".join(repr(sorted(value, key=repr) if isinstance(value, set | frozenset) else value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"
