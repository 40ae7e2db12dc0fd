"""What the service is asked, and its lists: made by the model, explored now and then, and logged as what was shown.

Bodies, queries and answers are pydantic models, with their limits. Taught in notebooks/12_serving.
"""

import logging
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from types import SimpleNamespace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field, create_model, model_validator
from starlette.exceptions import HTTPException

from movierec.serving.events import EventStore, Exact, Feedback, Id, Impression, Text, WholeNumber
from movierec.serving.exploration import CANDIDATES, explore

MOST_FILMS = 100  # of a list: more than anybody looks at, in a few kilobytes
MOST_RATED = 200  # films in one question
MOST_TITLE = 300  # characters; the longest title of MovieLens-32M has about 250


class Film(BaseModel):
    """A film of a list. Only the order of the scores has a meaning.

    `rank` is the model's, from 1; `place` is where the film is shown, which differs where the service explores;
    `propensity` is the chance of this film at this place.
    """

    rank: int
    movie_id: Id
    title: str
    score: float
    predicted_stars: float | None = None
    place: int | None = None
    propensity: float | None = None


class Films(BaseModel):
    """A list, best first."""

    movies: list[Film]


class Recommendations(Films):
    """A list in the order of its places, and what it was made from; "popularity" if nothing was known.

    `list_id` names it in the log of impressions; feedback on one of its films may name it, too.
    """

    list_id: str

    based_on: Literal[
        "history", "history and feedback", "feedback", "stars", "genres", "stars and genres", "popularity"
    ]


class Problem(BaseModel):
    """Why there is no answer: what must hold, what was found, what to do."""

    detail: str


def questions_of(served) -> SimpleNamespace:
    """Return the bodies and queries with this model's limits in them, so that /docs shows them."""
    low, high = served.scale
    usual = min(served.num_movies, 10)
    Length = Annotated[int, Field(ge=1, le=MOST_FILMS, description="films in the list, if there are so many")]
    limits = {"ge": low, "le": high} if low < high else {}  # if all are equal they only say what was watched
    Stars = Annotated[float, Field(**limits, allow_inf_nan=False)]
    UserId, MovieId = (Text if kind is str else WholeNumber for kind in (served.user_type, served.movie_type))
    Genre = Literal[tuple(served.genres)] if served.genres else str

    class Rated(Exact):
        """A film by movie_id or by title, with or without the year."""

        movie_id: MovieId | None = None
        title: Annotated[str, Field(max_length=MOST_TITLE)] | None = None
        stars: Stars

        @model_validator(mode="after")
        def _by_one_name(self):
            if (self.movie_id is None) == (self.title is None):
                raise ValueError("a film needs either movie_id or title")
            return self

    class Newcomer(Exact):
        """What is known of a new user; every film and genre once. `user_id`: to delete the impressions by, if given."""

        stars: list[Rated] = Field([], max_length=MOST_RATED)
        genres: list[Genre] = Field([], max_length=len(served.genres))
        k: Length = usual
        user_id: UserId | None = None

    page = create_model("Page", __config__={"extra": "forbid"}, k=(Length, usual))  # not strict: it is text
    ids = {"user_id": (UserId, ...), "movie_id": (MovieId, ...)}
    feedback = create_model("Feedback", __base__=Feedback, stars=(Stars | None, None), **ids)
    return SimpleNamespace(Page=page, Newcomer=Newcomer, Feedback=feedback, UserId=UserId, MovieId=MovieId)


# ---- lists

MOST_SHADOWS = 100  # lists of the second model that may wait; more are not made
VERSION_CHARS = 12  # of a model's checksum, enough to tell versions apart


class Lists:
    """Answers of a model, each with what must be in the log before it is sent.

    Args:
        served, events: As of `make_app`.
        epsilon: See `explore`; 0: the model's own list, every propensity 1.
        shadow: A second model. It makes a list for the same question, which is logged with the propensity 0 and shown
            to nobody.
    """

    def __init__(self, served, events: EventStore, epsilon: float = 0.0, shadow=None):
        self.served, self.events, self.epsilon, self.shadow = served, events, epsilon, shadow
        self._shadows = ThreadPoolExecutor(1, "shadow")
        self._room = BoundedSemaphore(MOST_SHADOWS)

    def of_user(self, user_id: Id, k: int) -> tuple[dict, list[Impression]]:
        """Return a list for a user with a history or feedback, and its impressions. Another user is a 404."""
        begun = self.events.deletions
        kept = [event for event in self.events.of(user_id) if self.served.has_movie(event.movie_id)]
        if not self.served.has_user(user_id) and not kept:
            unknown = f"user_id {user_id!r} is not one of the {self.served.num_users:,} users, and gave no feedback"
            advice = "POST /recommend answers newcomers, with the films or genres that they like."
            raise HTTPException(404, f"{unknown}. {advice}")
        parts = ["history"] * self.served.has_user(user_id) + ["feedback"] * bool(kept)
        answer, shown = self.shown(self.served.recommend(user_id, self.asked(k), kept), user_id, k)
        if self.shadow is not None and self._room.acquire(blocking=False):
            self._shadows.submit(self._in_the_shadow, begun, answer["list_id"], user_id, k, kept)
        return {"based_on": " and ".join(parts), **answer}, shown

    def of_newcomer(self, newcomer) -> tuple[dict, list[Impression]]:
        """Return a list for somebody who names films or genres, and its impressions."""
        movie_ids = [self._movie_of(rated) for rated in newcomer.stars]
        _refuse_repeats("film", movie_ids)
        _refuse_repeats("genre", newcomer.genres)
        stars = dict(zip(movie_ids, [rated.stars for rated in newcomer.stars], strict=True))
        parts = ["stars"] * bool(stars) + ["genres"] * bool(newcomer.genres)
        movies = self.served.recommend_new(stars, tuple(newcomer.genres), self.asked(newcomer.k))
        answer, shown = self.shown(movies, newcomer.user_id, newcomer.k)
        return {"based_on": " and ".join(parts) or "popularity", **answer}, shown

    def known(self, movie_id: Id) -> Id:
        """Return the movie_id of a film of the catalogue; another one is a 404."""
        if not self.served.has_movie(movie_id):
            unknown = f"movie_id {movie_id!r} is not in the catalogue of {self.served.num_movies:,} films."
            raise HTTPException(404, unknown)
        return movie_id

    def place_of(self, feedback) -> int | None:
        """Return the place at which the list that is named showed the film, None if no list is named; else a 422."""
        if feedback.list_id is None:
            return None
        for user_id, place in self.events.shown(feedback.list_id, feedback.movie_id):
            if user_id in (None, feedback.user_id) and feedback.place in (None, place):
                return place
        showed = f"list {feedback.list_id!r} must have shown movie_id {feedback.movie_id!r} to this user"
        at = "" if feedback.place is None else f" at place {feedback.place}"
        raise HTTPException(422, f"{showed}{at}; the log has no such impression. Leave list_id and place out.")

    def asked(self, k: int) -> int:
        """Return how many films the model must name for a list of k: more, where lists explore."""
        return max(k, CANDIDATES) if self.epsilon else k

    def shown(self, movies: list[dict], user_id: Id | None, k: int, explores: bool = True) -> tuple[dict, list]:
        """Return a list of k of the films, best first, with their places, and its impressions."""
        epsilon = self.epsilon if explores else 0.0
        rows, propensities = explore(len(movies), k, epsilon, np.random.default_rng())
        pairs = enumerate(zip(rows, propensities.tolist(), strict=True), start=1)
        films = [movies[row] | {"place": place, "propensity": propensity} for place, (row, propensity) in pairs]
        list_id = secrets.token_hex(8)
        return {"list_id": list_id, "movies": films}, _impressions(films, list_id, user_id, self.served)

    def _movie_of(self, rated) -> Id:
        try:
            return self.known(rated.movie_id) if rated.title is None else self.served.find(rated.title)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    def _in_the_shadow(self, begun: int, list_id: str, user_id: Id, k: int, kept: list) -> None:
        try:
            films = self.shadow.recommend(user_id, k, kept)
            films = [film | {"place": place, "propensity": 0.0} for place, film in enumerate(films, start=1)]
            self.events.submit_all(_impressions(films, list_id, user_id, self.shadow), begun).result()
        except Exception:  # whatever it was, those who asked have their answer
            logging.getLogger(__name__).exception("the second model has no list for %s", list_id)
        finally:
            self._room.release()


def _impressions(films: list[dict], list_id: str, user_id: Id | None, served) -> list[Impression]:
    version = str(served.manifest.get("sha256", "unknown"))[:VERSION_CHARS]
    about = {"list_id": list_id, "user_id": user_id, "time": int(time.time()), "model": version}
    return [Impression(**{name: film[name] for name in ("movie_id", "place", "propensity")}, **about) for film in films]


def _refuse_repeats(noun: str, values: list) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise HTTPException(422, f"every {noun} must be named once; {repeated[:3]} are named more often.")
