"""A bandit at work: choose how it explores, run it, and see what it misses. A view on `simulator.World.play`.

Taught in notebooks/09_learning_from_feedback.
"""

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from movierec import plots
from movierec.feedback import EpsilonGreedy, InOrder, LinearBandit, LinUCB, ThompsonSampling
from movierec.play.parts import LABEL, STYLE, WIDE, as_html

POLICIES = ("greedy", "ε-greedy", "LinUCB", "Thompson sampling")


def make(policy: str, dim: int, places: int, amount: float, knows_places: bool = True):
    """A new policy of `POLICIES`; `amount` is its ε, α or width.

    Raises:
        ValueError: if there is no such policy, or the amount is out of range.
    """
    settings = {"knows_places": knows_places}
    if policy == "greedy":
        return LinearBandit(dim, places, **settings)
    kinds = {"ε-greedy": EpsilonGreedy, "LinUCB": LinUCB, "Thompson sampling": ThompsonSampling}
    if policy not in kinds:
        raise ValueError(f"`policy` must be one of {', '.join(POLICIES)}; got {policy!r}.")
    return kinds[policy](dim, places, amount, **settings)


def draw(curves: dict[str, np.ndarray]):
    """The figure of cumulative regrets, {name: `[rounds]`}."""
    fig, ax = plt.subplots(figsize=(4.6, 2.8))
    for (name, curve), colour, line in zip(curves.items(), plots.COLOURS, plots.LINE_STYLES, strict=False):
        ax.plot(curve, label=name, color=colour, linestyle=line)
    ax.set(xlabel="visits", ylabel="clicks missed so far (regret)", ylim=(0, None))
    ax.legend(fontsize=7)
    return fig


class BanditPanel(widgets.VBox):
    """Choose a policy, press Run: its regret beside that of one fixed order, and a table of all runs.

    Attributes:
        world, features: see `simulator.World.play`.
        policy, amount, knows_places, seed, run_button: the widgets.
        runs: DataFrame, one row a run.
    """

    def __init__(self, world, features: np.ndarray, *, column: int = 1, rounds: int = 1000):
        self.world, self.features, self.column, self.rounds = world, features, column, rounds
        self.policy = widgets.Dropdown(options=POLICIES, description="Policy", layout=WIDE, style=LABEL)
        self.amount = widgets.FloatSlider(
            0.1, min=0, max=1, step=0.05, description="ε, α, width", layout=WIDE, style=LABEL
        )
        self.knows_places = widgets.Checkbox(True, description="knows which places are looked at", indent=False)
        self.seed = widgets.BoundedIntText(0, min=0, max=999, description="Seed", layout=WIDE, style=LABEL)
        self.run_button = widgets.Button(description="Run", button_style="primary")
        self.run_button.on_click(lambda _: self.run())
        self.picture, self.list = widgets.HTML(), widgets.HTML()
        self.runs, self.curves = pd.DataFrame(), {}
        left = [self.policy, self.amount, self.knows_places, self.seed, self.run_button, self.list]
        wrap = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        super().__init__([widgets.HTML(STYLE), widgets.HBox([widgets.VBox(left), self.picture], layout=wrap)])

    def __repr__(self) -> str:
        return "BanditPanel: how a policy explores, what it misses, and a table of all runs"

    def run(self) -> None:
        """Nothing; plays the policy that is chosen, and one fixed order, with the same visitors."""
        dim, places, seed = self.features.shape[2], self.world.places, self.seed.value
        chosen = make(self.policy.value, dim, places, self.amount.value, self.knows_places.value)
        fixed = InOrder(self.column, places)
        played = [self.world.play(one, self.features, self.rounds, seed) for one in (chosen, fixed)]
        self.curves = {"one fixed order": played[1]["regret"].cumsum(), self.policy.value: played[0]["regret"].cumsum()}
        row = {
            "policy": self.policy.value,
            "amount": "–" if self.policy.value == "greedy" else f"{self.amount.value:g}",
            "places": "known" if self.knows_places.value else "not known",
            "seed": seed,
            "clicks": round(float(played[0]["clicks"].mean()), 3),
            "regret": round(float(played[0]["regret"].sum()), 1),
        }
        self.runs = pd.concat([self.runs, pd.DataFrame([row])], ignore_index=True)
        names = {
            "policy": "Policy",
            "amount": "ε, α, width",
            "places": "Places",
            "seed": "Seed",
            "clicks": "Clicks a visit",
        }
        self.list.value = as_html(self.runs, names | {"regret": "Regret"}, f"Runs of {self.rounds:,} visits")
        text = f"Regret by visits: {self.policy.value} beside one fixed order that learns nothing."
        self.picture.value = plots.alt(draw(self.curves), text)._repr_html_()
