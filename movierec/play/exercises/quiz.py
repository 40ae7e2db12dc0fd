"""Ask questions with a reason for each option: `Quiz("questions/07.toml")`."""

import html
import tomllib
from collections import namedtuple
from pathlib import Path

import ipywidgets as widgets

from movierec.play.parts import status

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
