"""Switch a leak on, predict what it does, and see: switches over `movierec.play.leakage`.

Taught in notebooks/03_baselines.
"""

import html

import ipywidgets as widgets
import pandas as pd

from movierec.play.leakage import MODELS, OPTIONS, WHY, Laboratory, Protocol
from movierec.play.parts import STYLE, as_html

NAMES = {
    "split": "Test is",
    "learned_from": "Learned from",
    "vocabulary": "Films of",
    "seen": "Seen films",
    "ranked": "Ranked among",
}
SAME = 0.02  # relative: a smaller change counts as none
HEADINGS = {
    "protocol": "Protocol",
    "model": "Model",
    "ndcg": "NDCG@10",
    "times": "Times honest",
    "verdict": "Predicted",
}
LABEL = {"description_width": "8em", "button_width": "12em"}


class LeakageLab(widgets.VBox):
    """Five switches of a protocol; the number is shown once a prediction is made. See `measure`.

    Attributes:
        model, switches: the widgets.
        table: what was measured so far, the newest last; protocol, model, ndcg, times, verdict.
    """

    def __init__(self, data, settings=None):
        self.laboratory, self.table = Laboratory(data, settings), pd.DataFrame(columns=list(HEADINGS))
        self.model = widgets.ToggleButtons(options=MODELS, value="item-kNN", description="Model", style=LABEL)
        self.switches = {
            name: widgets.ToggleButtons(options=options, description=NAMES[name], style=LABEL)
            for name, options in OPTIONS.items()
        }
        self.predictions = {
            name: widgets.Button(description=name, tooltip=f"predict that it {name}, then measure")
            for name in ("falls", "stays", "rises")
        }
        self.asks, self.says, self.list = widgets.HTML(), widgets.HTML(), widgets.HTML()
        for switch in (self.model, *self.switches.values()):
            switch.observe(lambda _: self._ask(), "value")
        for name, button in self.predictions.items():
            button.on_click(lambda _, name=name: self.measure(name))
        buttons = widgets.HBox(list(self.predictions.values()))
        rows = [self.model, *self.switches.values(), self.asks, buttons, self.says, self.list]
        super().__init__([widgets.HTML(STYLE), *rows])
        self._ask()

    def __repr__(self) -> str:
        return "LeakageLab: five switches of a protocol; predict, measure, read why"

    def protocol(self) -> Protocol:
        """What is switched on."""
        return Protocol(**{name: switch.value for name, switch in self.switches.items()})

    def measure(self, prediction: str | None = None) -> float:
        """NDCG@10 under this protocol, 0 to 1; it is added to the table.

        Args:
            prediction: "falls", "stays" or "rises", against the honest protocol; None: none is made.
        """
        protocol, model = self.protocol(), self.model.value
        honest, ndcg = self.laboratory.ndcg(model), self.laboratory.ndcg(model, protocol)
        change = ndcg - honest
        truth = "stays" if abs(change) <= SAME * honest else "rises" if change > 0 else "falls"
        verdict = "–" if prediction is None else f"{prediction}: {'right' if prediction == truth else 'no'}"
        switched = [value for value, first in zip(protocol, Protocol(), strict=True) if value != first]
        row = {
            "protocol": ", ".join(switched) or "honest",
            "model": model,
            "ndcg": ndcg,
            "times": ndcg / honest if honest else float("nan"),
        }
        self.table.loc[len(self.table)] = row | {"verdict": verdict}
        told = self.table.assign(
            ndcg=self.table["ndcg"].map("{:.3f}".format), times=self.table["times"].map("{:.2f}".format)
        )
        self.list.value = as_html(told, HEADINGS, "Measured so far")
        why = " ".join(WHY[value] for value in switched) or "Nothing is switched on: this is the honest number."
        self.says.value = f'<p role="status">It {truth}. {html.escape(why)}</p>'
        return ndcg

    def _ask(self) -> None:
        self.says.value = ""
        self.asks.value = (
            f"<p><b>Predict:</b> against the honest protocol, the number … (less than {SAME:.0%} counts as staying)</p>"
        )
