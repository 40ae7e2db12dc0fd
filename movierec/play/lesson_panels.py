"""Panels for experiments: protocols that leak, a bandit that explores, a film that does not exist yet.

Taught in notebooks/08_evaluation, 11_learning_from_feedback and 09_people_and_films.
"""

import functools
from collections import namedtuple

import ipywidgets as widgets
import numpy as np
import pandas as pd

from movierec import plots
from movierec.baselines import FromContent, Problem
from movierec.data import Indices, MovieLens, genre_flags, split_by_user_time, split_random5
from movierec.evaluation import LIKED_FROM_STARS, Scorer, evaluate_ranking, evaluate_ranks, held_out_ranks, rated_pairs
from movierec.feedback import InOrder, LinUCB, RidgeBandit, ThompsonSampling
from movierec.play.parts import FIELD, Panel, as_html, columns, headings, on_change, picture

POLICIES = {"greedy": RidgeBandit, "LinUCB": LinUCB, "Thompson sampling": ThompsonSampling}
YEARS_APART = 5.0  # films that are this far apart differ as much as by one genre
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
    """A data set on which `MODELS`, with the `settings` of `baselines.chosen`, are measured under any `Protocol`."""

    def __init__(self, data: MovieLens, settings: dict[str, dict] | None = None):
        self.data, self.settings = data, settings
        self._split, self._scorer = functools.cache(self._make_split), functools.cache(self._fit)

    def ndcg(self, model: str = "item-kNN", protocol: Protocol | None = None) -> float:
        """Return the mean NDCG@10 over the users of test, 0 to 1; raise ValueError for an unknown model or option."""
        protocol = protocol or Protocol()
        for name, value in {"model": model, **protocol._asdict()}.items():
            options = OPTIONS.get(name, MODELS)
            if value not in options:
                raise ValueError(f"`{name}` must be one of {options}; got {value!r}.")
        split = self._split(protocol.split)
        scorer, indices = self._scorer(model, *protocol[:3])
        if protocol.ranked == "100 sampled":
            liked = split.test[split.test["rating"] >= LIKED_FROM_STARS]
            also = [liked, split.train] if protocol.seen == "kept" else [liked]
            scorer = self._among_sampled(scorer, indices, pd.concat(also))
        if protocol.seen == "left out":
            return float(evaluate_ranking(scorer, split, indices)["ndcg@10"].mean())
        ranks = held_out_ranks(scorer, split.test, split.train.iloc[:0], indices)  # nothing counts as seen
        return float(evaluate_ranks(ranks, split.test, indices)["ndcg@10"].mean())

    def _make_split(self, name: str):
        ratings = self.data.ratings
        return split_random5(ratings)[0] if name == "at random" else split_by_user_time(ratings)

    def _fit(self, model: str, split_name: str, learned_from: str, vocabulary: str):
        split = self._split(split_name)
        train = split.train if learned_from == "train" else pd.concat([split.train, split.test])
        there = split.train if vocabulary == "train" else self.data.ratings
        films = self.data.movies[self.data.movies["movie_id"].isin(there["movie_id"])]
        train = train[train["movie_id"].isin(films["movie_id"])]
        problem = Problem(train, self.data._replace(movies=films), self.settings)
        return problem.fit(model), problem.indices

    def _among_sampled(self, scorer, indices, also: pd.DataFrame):
        """Return the scorer with -inf for all but 100 films that the user has never rated, and the pairs of `also`."""
        allowed = rated_pairs(also, indices).toarray()
        rated = rated_pairs(self.data.ratings, indices).toarray()
        luck = np.random.default_rng(0).random(rated.shape)
        np.put_along_axis(allowed, np.argsort(luck + rated, axis=1)[:, :100], True, axis=1)
        return lambda user_index: np.where(allowed[user_index], scorer(user_index), -np.inf)


class LeakageLab(Panel):
    """Five switches of a protocol; a prediction shows the number of `Laboratory.ndcg`, and adds it to `table`."""

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
        asks = f"<p><b>Predict:</b> against the honest protocol, the number … (below {SAME:.0%} it stays)</p>"
        self.says, self.list = widgets.HTML(), widgets.HTML()
        on_change(lambda: self.say(""), self.model, *self.switches.values())
        for name, button in self.predictions.items():
            button.on_click(lambda _, name=name: self.measure(name))
        buttons = widgets.HBox(list(self.predictions.values()))
        super().__init__(self.model, *self.switches.values(), widgets.HTML(asks), buttons, self.says, self.list)

    def measure(self, prediction: str | None = None) -> float:
        """Return NDCG@10 and add it to the table; `prediction` is "falls", "stays", "rises" or None."""
        protocol, model = Protocol(**{name: switch.value for name, switch in self.switches.items()}), self.model.value
        honest, ndcg = self.laboratory.ndcg(model), self.laboratory.ndcg(model, protocol)
        truth = "stays" if abs(ndcg - honest) <= SAME * honest else "rises" if ndcg > honest else "falls"
        switched = [value for value, first in zip(protocol, Protocol(), strict=True) if value != first]
        times = ndcg / honest if honest else float("nan")
        verdict = "–" if prediction is None else f"{prediction}: {'right' if prediction == truth else 'no'}"
        self.table.loc[len(self.table)] = [", ".join(switched) or "honest", model, ndcg, times, verdict]
        rounded = self.table.assign(ndcg=self.table["ndcg"].map("{:.3f}".format))
        rounded["times"] = self.table["times"].map("{:.2f}".format)
        self.list.value = as_html(rounded, HEADINGS, "Measured so far")
        why = " ".join(WHY[value] for value in switched) or "Nothing is switched on: this is the honest number."
        self.say(f"It {truth}. {why}")
        return ndcg


class BanditPanel(Panel):
    """Choose a policy, press Run: its regret beside that of one fixed order (`curves`), and a table of all `runs`."""

    purpose = "how a policy explores, what it misses, and a table of all runs"

    def __init__(self, world, features: np.ndarray, *, column: int = 1, rounds: int = 1000):
        self.world, self.features = world, features
        self.column, self.rounds = column, rounds
        self.runs, self.curves = pd.DataFrame(), {}
        self.policy = widgets.Dropdown(options=list(POLICIES), description="Policy", **FIELD)
        self.amount = widgets.FloatSlider(0.1, min=0, max=1, step=0.05, description="α or width", **FIELD)
        self.knows_places = widgets.Checkbox(True, description="knows which places are looked at", indent=False)
        self.seed = widgets.BoundedIntText(0, min=0, max=999, description="Seed", **FIELD)
        self.run_button = widgets.Button(description="Run", button_style="primary")
        self.run_button.on_click(lambda _: self.run())
        self.picture, self.list = widgets.HTML(), widgets.HTML()
        left = [self.policy, self.amount, self.knows_places, self.seed, self.run_button, self.list]
        super().__init__(columns(widgets.VBox(left), self.picture))

    def run(self) -> None:
        """Play the policy that is chosen, and one fixed order, with the same visitors."""
        name, seed, places = self.policy.value, self.seed.value, self.world.places
        amounts = [] if name == "greedy" else [self.amount.value]  # α or width
        looks = self.world.looks if self.knows_places.value else np.ones(places)
        policy = POLICIES[name](self.features.shape[2], looks, *amounts)
        mine = self.world.play(policy, self.features, self.rounds, seed)
        fixed = self.world.play(InOrder(self.column, places), self.features, self.rounds, seed)
        self.curves = {"one fixed order": fixed["regret"].cumsum(), name: mine["regret"].cumsum()}
        row = {
            "policy": name,
            "amount": f"{amounts[0]:g}" if amounts else "–",
            "places": "known" if self.knows_places.value else "not known",
            "seed": seed,
            "clicks": round(float(mine["clicks"].mean()), 3),
            "regret": round(float(mine["regret"].sum()), 1),
        }
        self.runs = pd.concat([self.runs, pd.DataFrame([row])], ignore_index=True)
        names = headings(self.runs) | {"amount": "α or width", "clicks": "Clicks a visit"}
        self.list.value = as_html(self.runs, names, f"Runs of {self.rounds:,} visits")
        style = {"color": plots.COLOURS[:2], "style": plots.LINE_STYLES[:2], "ylim": (0, None), "figsize": (4.6, 2.8)}
        ax = pd.DataFrame(self.curves).plot(xlabel="visits", ylabel="clicks missed so far (regret)", **style)
        self.picture.value = picture(ax.figure, f"Regret by visits: {name} beside one fixed order that learns nothing.")


class NewFilm:
    """What genres and a year say of a film, given a scorer of the films that people have rated.

    `content`, float64 `[num_movies, genres + 1]`, is 1 for each of `genres`, and the year in steps of `YEARS_APART`.
    `scores`, float32 `[num_users, num_movies]`, are -inf for a film that the user has seen, or that nobody has rated.
    """

    def __init__(self, scorer: Scorer, movies: pd.DataFrame, train: pd.DataFrame, indices: Indices):
        self.indices = indices
        self.movies = movies.set_index("movie_id").reindex(indices.movie_ids).reset_index()
        flags = genre_flags(self.movies["genres"])
        self.genres = list(flags)
        year = pd.to_numeric(self.movies["year"], errors="coerce").astype("float64")
        self.years = int(year.min()), int(year.max())
        self.usual_year = float(year.mean())
        self.content = np.column_stack([flags, (year.fillna(self.usual_year) - self.usual_year) / YEARS_APART])
        seen = rated_pairs(train, indices).toarray()
        self.count = seen.sum(axis=0)
        self.from_content = FromContent(scorer, self.content, self.count > 0)
        self._all = scorer(np.arange(indices.num_users))
        self.scores = np.where(seen | (self.count == 0), -np.inf, self._all)

    def vector(self, genres: tuple, year: int) -> np.ndarray:
        """Return the film's content, float64 `[genres + 1]`; raise ValueError for an unknown genre, or for none."""
        if not genres or not set(genres) <= set(self.genres):
            raise ValueError(f"a film needs one genre or more of {', '.join(self.genres)}; got {list(genres)}.")
        return np.append([genre in genres for genre in self.genres], (year - self.usual_year) / YEARS_APART)

    def near(self, genres: tuple, year: int, k: int = 5) -> pd.DataFrame:
        """Return the k films with the nearest content, of equals the more often rated first: title, genres, ratings."""
        distance = np.linalg.norm(self.content - self.vector(genres, year), axis=1)
        order = np.lexsort([-self.count, distance.round(6)])[:k]
        return self.movies.loc[order, ["title", "genres"]].assign(ratings=self.count[order]).reset_index(drop=True)

    def ranks(self, genres: tuple, year: int) -> np.ndarray:
        """Return the place, from 1, that the film would have in the list of each user. int `[num_users]`."""
        own = self.from_content.of(self.vector(genres, year)[None], self._all)  # [U, 1]
        return 1 + (self.scores > own).sum(axis=1)

    def audience(self, genres: tuple, year: int, users: pd.DataFrame | None = None, k: int = 5) -> pd.DataFrame:
        """Return the k users in whose list it would stand highest: user_id, place, and the columns of `users`."""
        place = self.ranks(genres, year)
        order = np.argsort(place, kind="stable")[:k]
        table = pd.DataFrame({"user_id": self.indices.user_ids[order], "place": place[order]})
        return table if users is None else table.merge(users, on="user_id", how="left")


class NewFilmPanel(Panel):
    """Choose genres and a year: the films like it (`near`), and in whose lists it would stand highest (`audience`)."""

    purpose = "choose genres and a year; see the films like it, and who would get it"

    def __init__(self, film: NewFilm, users: pd.DataFrame | None = None):
        self.film, self.users = film, users
        value = film.genres[:1]
        self.genres = widgets.SelectMultiple(options=film.genres, value=value, rows=8, description="Genres", **FIELD)
        self.year = widgets.IntSlider(film.years[1], *film.years, description="Year", **FIELD)
        self.message, self.like, self.people = widgets.HTML(), widgets.HTML(), widgets.HTML()
        on_change(self._show, self.genres, self.year)
        super().__init__(columns(widgets.VBox([self.genres, self.year, self.message]), self.like, self.people))
        self._show()

    def _show(self) -> None:
        if not self.genres.value:
            self.message.value = "<b>Choose one genre or more.</b>"
            return
        chosen = tuple(self.genres.value), self.year.value
        place = self.film.ranks(*chosen)
        first_ten = f"In the first ten of <b>{np.sum(place <= 10):,}</b> of {len(place):,} people"
        self.message.value = f"{first_ten}; median place {int(np.median(place)):,}."
        self.near = self.film.near(*chosen)
        self.audience = self.film.audience(*chosen, self.users)
        self.like.value = as_html(self.near, headings(self.near), "Known films like it")
        self.people.value = as_html(self.audience, headings(self.audience), "The people who would get it first")
