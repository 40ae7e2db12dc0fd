"""Three panels of one lesson each: the attention of a history, a bandit that explores, a film that does not exist yet.

Each is a view on plain functions that stand before it. Taught in notebooks/08_self_attention, 09_learning_from_feedback
and 11_people_and_films.
"""

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from movierec import plots
from movierec.baselines import FromContent
from movierec.data import Indices, genre_flags
from movierec.evaluation import Scorer, rated_pairs
from movierec.feedback import EpsilonGreedy, InOrder, LinearBandit, LinUCB, ThompsonSampling
from movierec.play.parts import FIELD, Panel, as_html, columns, headings, on_change, picture

MOST_ROWS = 20  # films of a history that are drawn, the newest ones
POLICIES = {"greedy": LinearBandit, "ε-greedy": EpsilonGreedy, "LinUCB": LinUCB, "Thompson sampling": ThompsonSampling}
YEARS_APART = 5.0  # films that are this far apart differ as much as by one genre


def attention_weights(recommender, titles: np.ndarray, user_id: int, films: int) -> pd.DataFrame:
    """Return the attention weights of the newest of a user's first `films`: title, block 1, block 2, …; oldest first.

    Args:
        recommender: a `SequenceRecommender`.
        titles: str `[num_movies]`.
    """
    film, weights = recommender.looks(user_id, films)
    blocks = {f"block {number}": of_block[-1] for number, of_block in enumerate(weights, start=1)}
    return pd.DataFrame({"title": titles[film]} | blocks)


def expected_next(recommender, titles: np.ndarray, user_id: int, films: int, k: int = 5) -> pd.DataFrame:
    """Return the k most probable films after a user's first `films`, and the one that came: rank, title, chance."""
    chance = recommender.expects(user_id, films)
    history, _ = recommender.looks(user_id)
    order = np.argsort(-chance, kind="stable")
    came = np.isin(order, history[films : films + 1])
    shown = (np.arange(len(order)) < k) | came
    table = pd.DataFrame({"rank": 1 + np.arange(len(order)), "title": titles[order], "chance": chance[order]})
    return table.assign(came=np.where(came, "it came", ""))[shown].reset_index(drop=True)


def draw_weights(weights: pd.DataFrame):
    """Draw `attention_weights`, a picture for each block."""
    weights = weights.tail(MOST_ROWS)
    blocks = [name for name in weights if name != "title"]
    rows = np.arange(len(weights))
    fig, axes = plt.subplots(1, len(blocks), figsize=(6.4, 0.6 + 0.19 * len(rows)), sharey=True, squeeze=False)
    for ax, name, colour in zip(axes[0], blocks, plots.COLOURS, strict=False):
        ax.barh(rows, weights[name], color=colour)
        ax.set_title(name, fontsize=8, fontweight="normal")
        ax.set_xlabel("weight")
    axes[0, 0].set_yticks(rows, [title[:34] for title in weights["title"]], fontsize=7)
    return fig


class AttentionPanel(Panel):
    """Choose a user and a moment: what does the model attend to, what does it expect, and what came?

    `looks` and `expects` are the tables that are shown, of `attention_weights` and `expected_next`.
    """

    purpose = "what one history looks at, what is expected next, and what came"

    def __init__(self, recommender, movies: pd.DataFrame, user_ids):
        self.recommender = recommender
        self.titles = movies.set_index("movie_id")["title"].reindex(recommender.indices.movie_ids).to_numpy(str)
        self.looks = self.expects = None
        self.user = widgets.Dropdown(options=[int(user_id) for user_id in user_ids], description="User", **FIELD)
        self.films = widgets.IntSlider(1, 1, 1, description="Films so far", **FIELD)
        self.picture, self.list = widgets.HTML(), widgets.HTML()
        on_change(self._on_user, self.user)
        on_change(self._show, self.films)
        super().__init__(columns(widgets.VBox([self.user, self.films, self.list]), self.picture))
        self._on_user()

    def _on_user(self) -> None:
        self.films.max = len(self.recommender.looks(self.user.value)[0])
        self.films.value = max(1, self.films.max - 1)  # the last moment after which a film came
        self._show()

    def _show(self) -> None:
        moment = self.user.value, min(self.films.value, self.films.max)
        self.looks = attention_weights(self.recommender, self.titles, *moment)
        self.expects = expected_next(self.recommender, self.titles, *moment)
        rounded = self.expects.assign(chance=self.expects["chance"].map("{:.3f}".format))
        names = headings(rounded) | {"title": "Expected next", "came": ""}
        self.list.value = as_html(rounded, names, "What comes next?")
        newest = self.looks["title"].iloc[-1]
        text = f"Bars: the attention weights of {newest}, the newest film read, on each film before it, block by block."
        self.picture.value = picture(draw_weights(self.looks), text)


def make_policy(policy: str, dim: int, places: int, amount: float, knows_places: bool = True):
    """Return a new policy of `POLICIES`; `amount` is its ε, α or width.

    Raises:
        ValueError: if there is no such policy, or the amount is out of range.
    """
    if policy not in POLICIES:
        raise ValueError(f"`policy` must be one of {', '.join(POLICIES)}; got {policy!r}.")
    amounts = [] if policy == "greedy" else [amount]
    return POLICIES[policy](dim, places, *amounts, knows_places=knows_places)


def draw_regret(curves: dict[str, np.ndarray]):
    """Draw cumulative regrets, {name: `[rounds]`}."""
    ax = pd.DataFrame(curves).plot(figsize=(4.6, 2.8), color=plots.COLOURS[:2], style=plots.LINE_STYLES[:2])
    ax.set(xlabel="visits", ylabel="clicks missed so far (regret)", ylim=(0, None))
    return ax.figure


class BanditPanel(Panel):
    """Choose a policy, press Run: its regret beside that of one fixed order, and a table of all runs.

    A view on `World.play` of the simulator. `runs` has a row for each run; `curves` are the regrets of the last one.
    """

    purpose = "how a policy explores, what it misses, and a table of all runs"

    def __init__(self, world, features: np.ndarray, *, column: int = 1, rounds: int = 1000):
        self.world, self.features = world, features
        self.column, self.rounds = column, rounds
        self.runs, self.curves = pd.DataFrame(), {}
        self.policy = widgets.Dropdown(options=list(POLICIES), description="Policy", **FIELD)
        self.amount = widgets.FloatSlider(0.1, min=0, max=1, step=0.05, description="ε, α, width", **FIELD)
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
        policy = make_policy(name, self.features.shape[2], places, self.amount.value, self.knows_places.value)
        mine = self.world.play(policy, self.features, self.rounds, seed)
        fixed = self.world.play(InOrder(self.column, places), self.features, self.rounds, seed)
        self.curves = {"one fixed order": fixed["regret"].cumsum(), name: mine["regret"].cumsum()}
        row = {
            "policy": name,
            "amount": "–" if name == "greedy" else f"{self.amount.value:g}",
            "places": "known" if self.knows_places.value else "not known",
            "seed": seed,
            "clicks": round(float(mine["clicks"].mean()), 3),
            "regret": round(float(mine["regret"].sum()), 1),
        }
        self.runs = pd.concat([self.runs, pd.DataFrame([row])], ignore_index=True)
        names = headings(self.runs) | {"amount": "ε, α, width", "clicks": "Clicks a visit"}
        self.list.value = as_html(self.runs, names, f"Runs of {self.rounds:,} visits")
        text = f"Regret by visits: {name} beside one fixed order that learns nothing."
        self.picture.value = picture(draw_regret(self.curves), text)


class NewFilm:
    """What genres and a year say of a film, given a scorer of the films that people have rated.

    Attributes:
        content: float64 `[num_movies, genres + 1]`: 1 for each genre, and the year in steps of `YEARS_APART`.
        genres: their names, in the order of the columns.
        years: the first and the last.
        scores: float32 `[num_users, num_movies]`; -inf for a film that the user has seen, or that nobody has rated.
    """

    def __init__(self, scorer: Scorer, movies: pd.DataFrame, train: pd.DataFrame, indices: Indices):
        self.indices = indices
        self.movies = movies.set_index("movie_id").reindex(indices.movie_ids).reset_index()
        flags = genre_flags(self.movies["genres"])
        self.genres = list(flags)
        year = pd.to_numeric(self.movies["year"], errors="coerce").astype("float64")
        self.years = int(year.min()), int(year.max())
        self.usual_year = float(year.mean())
        steps = (year.fillna(self.usual_year) - self.usual_year) / YEARS_APART
        self.content = np.column_stack([flags, steps])
        seen = rated_pairs(train, indices).toarray()
        self.count = seen.sum(axis=0)
        self.from_content = FromContent(scorer, self.content, self.count > 0)
        self._all = scorer(np.arange(indices.num_users))
        self.scores = np.where(seen | (self.count == 0), -np.inf, self._all)

    def vector(self, genres: tuple, year: int) -> np.ndarray:
        """Return the film's content, float64 `[genres + 1]`; raise ValueError for an unknown genre, or for none."""
        unknown = [genre for genre in genres if genre not in self.genres]
        if unknown or not genres:
            raise ValueError(f"a film needs one genre or more of {', '.join(self.genres)}; got {list(genres)}.")
        flags = [float(genre in genres) for genre in self.genres]
        return np.append(flags, (year - self.usual_year) / YEARS_APART)

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
    """Choose genres and a year: the films that are like it, and the people in whose lists it would stand highest.

    `near` and `audience` are the tables that are shown; `users` has user_id and what is known of them, or is None.
    """

    purpose = "choose genres and a year; see the films like it, and who would get it"

    def __init__(self, film: NewFilm, users: pd.DataFrame | None = None):
        self.film, self.users = film, users
        self.near = self.audience = None
        self.genres = widgets.SelectMultiple(
            options=film.genres, value=film.genres[:1], rows=8, description="Genres", **FIELD
        )
        self.year = widgets.IntSlider(film.years[1], *film.years, description="Year", **FIELD)
        self.message, self.like, self.people = widgets.HTML(), widgets.HTML(), widgets.HTML()
        on_change(self._show, self.genres, self.year)
        left = widgets.VBox([self.genres, self.year, self.message])
        super().__init__(columns(left, self.like, self.people))
        self._show()

    def summary(self) -> str:
        """Return what is chosen, in words."""
        return f"{', '.join(self.genres.value)}, {self.year.value}"

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
