"""What a leak does to NDCG@10: a recommender measured under protocols that flatter it, and a panel with the switches.

Taught in notebooks/03_baselines.
"""

import functools
from collections import namedtuple

import ipywidgets as widgets
import numpy as np
import pandas as pd

from movierec.baselines import Problem
from movierec.data import UNKNOWN, MovieLens, Split, split_by_user_time, split_random5
from movierec.evaluation import LIKED_FROM_STARS, evaluate_ranking, metrics, rated_pairs, recommend_top_k
from movierec.play.parts import Panel, as_html, on_change

K = 10  # length of a list
SAMPLED = 100  # films that a user's relevant ones are ranked among, where they are sampled
SAME = 0.02  # a relative change below this counts as none
MODELS = ("popularity", "item-kNN", "EASE")
OPTIONS = {  # how a model is measured: of each choice the honest option first
    "split": ("each user's newest", "at random"),
    "learned_from": ("train", "train and test"),
    "vocabulary": ("train", "all ratings"),
    "seen": ("left out", "kept"),
    "ranked": ("all films", "100 sampled"),
}
Protocol = namedtuple("Protocol", OPTIONS, defaults=[honest for honest, _ in OPTIONS.values()])
WHY = {
    "at random": "Test is no longer the future. Films of the days of train are easier to guess.",
    "train and test": "Training saw the answers. EASE remembers them, counts hardly change, item-kNN may even lose.",
    "all ratings": "Films that only test has are in the catalogue, too. No model recommends them, so nothing changes.",
    "kept": "Films that were rated already take the best places of the lists, and none of them is in test.",
    "100 sampled": "It is far easier to beat 100 films drawn at random than all films, above all for weak models.",
}
HEADINGS = {"protocol": "Protocol", "model": "Model", "ndcg": "NDCG@10", "times": "Times", "verdict": "Predicted"}


class Laboratory:
    """Measures `MODELS` on a data set under any `Protocol`; fitted models are kept.

    Args:
        data: as of `movierec.load`.
        settings: {model: its settings}, as of `movierec.baselines.chosen`.
    """

    def __init__(self, data: MovieLens, settings: dict[str, dict] | None = None):
        self.data, self.settings = data, settings
        self._split, self._scorer = functools.cache(self._make_split), functools.cache(self._fit)

    def ndcg(self, model: str = "item-kNN", protocol: Protocol | None = None) -> float:
        """Return the mean NDCG@10 over the users of test, 0 to 1.

        Raises:
            ValueError: if the model or an option is unknown.
        """
        protocol = protocol or Protocol()
        if model not in MODELS:
            raise ValueError(f"`model` must be one of {MODELS}; got {model!r}.")
        for name, value in protocol._asdict().items():
            if value not in OPTIONS[name]:
                raise ValueError(f"`{name}` must be one of {OPTIONS[name]}; got {value!r}.")
        split = self._split(protocol.split)
        scorer, indices = self._scorer(model, *protocol[:3])
        if protocol.ranked == "100 sampled":
            scorer = self._among_sampled(scorer, split, indices, protocol.seen == "kept")
        if protocol.seen == "left out":
            return float(evaluate_ranking(scorer, split, indices, k=K)[f"ndcg@{K}"].mean())
        liked = split.test[split.test["rating"] >= LIKED_FROM_STARS]
        user_index = indices.user_index(liked["user_id"])
        total = np.bincount(user_index[user_index != UNKNOWN], minlength=indices.num_users)
        users = np.flatnonzero(total)
        lists = recommend_top_k(scorer, users, split.train.iloc[:0], indices, K)  # nothing counts as seen
        hits = rated_pairs(liked, indices).toarray()[users[:, None], lists] & (lists != UNKNOWN)
        return float(metrics.ndcg(hits, total[users]).mean())

    def _make_split(self, name: str) -> Split:
        if name == "at random":
            return split_random5(self.data.ratings)[0]
        return split_by_user_time(self.data.ratings)

    def _fit(self, model: str, split_name: str, learned_from: str, vocabulary: str):
        split = self._split(split_name)
        train = split.train if learned_from == "train" else pd.concat([split.train, split.test])
        there = split.train if vocabulary == "train" else self.data.ratings
        films = self.data.movies[self.data.movies["movie_id"].isin(there["movie_id"])]
        problem = Problem(
            train[train["movie_id"].isin(films["movie_id"])], self.data._replace(movies=films), self.settings
        )
        return problem.fit(model), problem.indices

    def _among_sampled(self, scorer, split: Split, indices, with_seen: bool):
        """Return the scorer with -inf for all but the relevant films, 100 never rated, and perhaps the seen ones."""
        liked = split.test[split.test["rating"] >= LIKED_FROM_STARS]
        allowed = rated_pairs(liked, indices).toarray()
        rated = rated_pairs(self.data.ratings, indices).toarray()
        luck = np.random.default_rng(0).random(rated.shape)
        np.put_along_axis(allowed, np.argsort(luck + rated, axis=1)[:, :SAMPLED], True, axis=1)
        if with_seen:
            allowed |= rated_pairs(split.train, indices).toarray()
        return lambda user_index: np.where(allowed[user_index], scorer(user_index), -np.inf)


class LeakageLab(Panel):
    """Five switches of a protocol; the number is shown once a prediction is made: a view on `Laboratory.ndcg`.

    `table` holds what was measured, the newest last; "times" is the number divided by that of the honest protocol.
    """

    purpose = "five switches of a protocol; predict, measure, read why"

    def __init__(self, data: MovieLens, settings: dict[str, dict] | None = None):
        self.laboratory = Laboratory(data, settings)
        self.table = pd.DataFrame(columns=list(HEADINGS))
        style = {"description_width": "8em", "button_width": "12em"}
        self.model = widgets.ToggleButtons(options=MODELS, value="item-kNN", description="Model", style=style)
        self.switches = {
            name: widgets.ToggleButtons(options=options, description=name.replace("_", " ").capitalize(), style=style)
            for name, options in OPTIONS.items()
        }
        self.predictions = {name: widgets.Button(description=name) for name in ("falls", "stays", "rises")}
        asks = widgets.HTML(
            f"<p><b>Predict:</b> against the honest protocol, the number … (below {SAME:.0%} it stays)</p>"
        )
        self.says, self.list = widgets.HTML(), widgets.HTML()
        on_change(lambda: self.say(""), self.model, *self.switches.values())
        for name, button in self.predictions.items():
            button.on_click(lambda _, name=name: self.measure(name))
        buttons = widgets.HBox(list(self.predictions.values()))
        super().__init__(self.model, *self.switches.values(), asks, buttons, self.says, self.list)

    def protocol(self) -> Protocol:
        """Return the protocol as it is switched."""
        return Protocol(**{name: switch.value for name, switch in self.switches.items()})

    def measure(self, prediction: str | None = None) -> float:
        """Return NDCG@10 under this protocol, 0 to 1, and add it to the table.

        Args:
            prediction: "falls", "stays" or "rises", against the honest protocol; None: no prediction.
        """
        protocol, model = self.protocol(), self.model.value
        honest = self.laboratory.ndcg(model)
        ndcg = self.laboratory.ndcg(model, protocol)
        change = ndcg - honest
        truth = "stays" if abs(change) <= SAME * honest else "rises" if change > 0 else "falls"
        switched = [value for value, first in zip(protocol, Protocol(), strict=True) if value != first]
        self.table.loc[len(self.table)] = {
            "protocol": ", ".join(switched) or "honest",
            "model": model,
            "ndcg": ndcg,
            "times": ndcg / honest if honest else float("nan"),
            "verdict": "–" if prediction is None else f"{prediction}: {'right' if prediction == truth else 'no'}",
        }
        formats = {"ndcg": "{:.3f}".format, "times": "{:.2f}".format}
        rounded = self.table.assign(**{name: self.table[name].map(show) for name, show in formats.items()})
        self.list.value = as_html(rounded, HEADINGS, "Measured so far")
        why = " ".join(WHY[value] for value in switched) or "Nothing is switched on: this is the honest number."
        self.say(f"It {truth}. {why}")
        return ndcg
