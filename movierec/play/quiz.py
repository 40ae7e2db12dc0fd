"""Questions with an explanation for each answer: a form, and the same as text where there is no kernel.

Quiz("questions/07.toml")
"""

import html
import tomllib
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets

LETTERS = "abcdefgh"


@dataclass(frozen=True)
class Option:
    """One answer: what it says, and why it is right or wrong."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with at least two options, one of them right."""

    text: str
    options: tuple[Option, ...]

    def feedback(self, chosen: int) -> str:
        """What is said of the option with this number, from 0."""
        option = self.options[chosen]
        return f"{'Right' if option.right else 'Not quite'}. {option.why}"


def read_questions(path) -> list[Question]:
    """The questions of a file.

    Raises:
        ValueError: if a question has fewer than two options, not exactly one right one, or an option without a reason.
    """
    questions = []
    for number, table in enumerate(tomllib.loads(Path(path).read_text(encoding="utf-8"))["question"], start=1):
        options = tuple(Option(**option) for option in table["option"])
        if len(options) < 2 or sum(option.right for option in options) != 1 or not all(o.why for o in options):
            raise ValueError(f"{path}: question {number} needs two options or more, one right, and a `why` for each.")
        questions.append(Question(table["text"], options))
    return questions


class Quiz(widgets.VBox):
    """The questions of a file, answered by a click, as often as one likes.

    Attributes:
        questions: see `Question`.
        choices: one group of radio buttons each.
        says: one line of feedback each.
    """

    def __init__(self, path):
        self.questions = read_questions(path)
        self.choices, self.says, rows = [], [], []
        for number, question in enumerate(self.questions, start=1):
            options = [(option.text, place) for place, option in enumerate(question.options)]
            choice = widgets.RadioButtons(options=options, value=None, layout=widgets.Layout(width="auto"))
            says = widgets.HTML()
            choice.observe(lambda change, q=question, line=says: self._answer(q, line, change["new"]), "value")
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
        """For reading: the right answers, and why the others are wrong."""
        lines = []
        for number, question in enumerate(self.questions, start=1):
            for letter, option in zip(LETTERS, question.options, strict=False):
                lines.append(f"{number}{letter}) {'right' if option.right else 'wrong'}: {option.why}")
        return "\n".join(lines)

    @staticmethod
    def _answer(question: Question, line: widgets.HTML, chosen: int | None) -> None:
        line.value = "" if chosen is None else f'<span role="status">{html.escape(question.feedback(chosen))}</span>'
