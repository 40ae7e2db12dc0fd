"""A trained model over HTTP: lists for users and newcomers, films like a film, and feedback that lists react to.

`python -m movierec serve` answers on this machine and documents itself at http://127.0.0.1:8000/docs. Taught in
notebooks/10_serving.
"""

import functools
import gc
import os
import socket
import time
from collections import Counter
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, create_model, model_validator
from starlette.exceptions import HTTPException

from movierec.serving.events import Event, EventStore, Exact, Feedback, Id

MOST_FILMS = 100  # of a list: more than anybody looks at, in a few kilobytes
MOST_RATED = 200  # films in one question: each title is looked up
MOST_TITLE = 300  # characters; the longest title of MovieLens-32M has about 250
MOST_BYTES = 65_536  # of a body; 200 films with long titles fit
MOST_TITLES = 10_000  # that are remembered: looking one up takes 2 ms
MOST_DETAIL = 1_000  # characters of a problem's text, which may quote the question


class Film(BaseModel):
    """A place in a list, from rank 1. Only the order of the scores has a meaning."""

    rank: int
    movie_id: int
    title: str
    score: float
    predicted_stars: float | None = None


class Films(BaseModel):
    """A list, best first."""

    movies: list[Film]


class Recommendations(Films):
    """A list, and what it was made from; "popularity" if nothing was known."""

    based_on: Literal[
        "history", "history and feedback", "feedback", "stars", "genres", "stars and genres", "popularity"
    ]


class Problem(BaseModel):
    """Why there is no answer: what must hold, what was found, what to do."""

    detail: str


PROBLEM = {"model": Problem}


def questions_of(served) -> SimpleNamespace:
    """Return the bodies and queries with this model's limits in them, so that /docs shows them."""
    low, high = served.scale
    most, usual = min(served.num_movies, MOST_FILMS), min(served.num_movies, 10)
    Length = Annotated[int, Field(ge=1, le=most, description="films in the list")]
    Stars = Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]
    Genre = Literal[tuple(served.genres)] if served.genres else str

    class Rated(Exact):
        """A film by movie_id or by title, with or without the year."""

        movie_id: Id | None = None
        title: Annotated[str, Field(max_length=MOST_TITLE)] | None = None
        stars: Stars

        @model_validator(mode="after")
        def _by_one_name(self):
            if (self.movie_id is None) == (self.title is None):
                raise ValueError("a film needs either movie_id or title")
            return self

    class Newcomer(Exact):
        """What is known of a new user; every film and genre once."""

        stars: list[Rated] = Field([], max_length=MOST_RATED)
        genres: list[Genre] = Field([], max_length=len(served.genres))
        k: Length = usual

    page = create_model("Page", __config__={"extra": "forbid"}, k=(Length, usual))  # not strict: it is text
    feedback = create_model("Feedback", __base__=Feedback, stars=(Stars | None, None))
    return SimpleNamespace(Page=page, Newcomer=Newcomer, Feedback=feedback)


def make_app(served, events: EventStore) -> FastAPI:
    """Return the service as an ASGI application: `make_app(load_served(folder), EventStore(path))`.

    Feedback is in the event store before it is acknowledged, and lists read a user's newest events. The model answers
    in about a millisecond, so it is asked in the event loop, and only the disk is waited for in threads.
    """
    app = FastAPI(
        title="movierec",
        description=f"Recommends {served.num_movies:,} films to {served.num_users:,} users, and to anybody else.",
        responses={422: PROBLEM, 500: PROBLEM},
        exception_handlers={RequestValidationError: _invalid, Exception: _broken},
        redirect_slashes=False,
    )
    app.add_middleware(_limit_body)
    questions = questions_of(served)
    find = functools.lru_cache(maxsize=MOST_TITLES)(served.find)

    def known(movie_id: int) -> int:
        if not served.has_movie(movie_id):
            raise HTTPException(404, f"movie_id {movie_id} is not in the catalogue of {served.num_movies:,} films.")
        return movie_id

    def movie_of(rated) -> int:
        try:
            return known(rated.movie_id) if rated.title is None else find(rated.title)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    async def wait_for(what, *arguments):
        try:
            return await run_in_threadpool(what, *arguments)
        except OSError as error:
            reason = str(error.__cause__ or error.strerror)  # without the path of the file
            raise HTTPException(503, f"the events cannot be reached ({reason}). Try again later.") from error

    @app.get("/recommend/{user_id}", responses={404: PROBLEM, 503: PROBLEM})
    async def recommend(user_id: Annotated[Id, Path()], page: Annotated[questions.Page, Query()]) -> Recommendations:
        """The k best films that this user has neither rated nor viewed; films that were only clicked may be there."""
        kept = [event for event in await wait_for(events.of, user_id) if served.has_movie(event.movie_id)]
        if not served.has_user(user_id) and not kept:
            unknown = f"user_id {user_id} is not one of the {served.num_users:,} users, and gave no feedback"
            advice = "POST /recommend answers newcomers, with the films or genres that they like."
            raise HTTPException(404, f"{unknown}. {advice}")
        parts = ["history"] * served.has_user(user_id) + ["feedback"] * bool(kept)
        return {"based_on": " and ".join(parts), "movies": served.recommend(user_id, page.k, kept)}

    @app.post("/recommend", responses={400: PROBLEM, 404: PROBLEM, 413: PROBLEM})
    async def recommend_new(newcomer: questions.Newcomer) -> Recommendations:
        """The k best films for a new user, from a few films with stars, or genres, or nothing."""
        movie_ids = [movie_of(rated) for rated in newcomer.stars]
        _refuse_repeats("film", movie_ids)
        _refuse_repeats("genre", newcomer.genres)
        stars = dict(zip(movie_ids, [rated.stars for rated in newcomer.stars], strict=True))
        parts = ["stars"] * bool(stars) + ["genres"] * bool(newcomer.genres)
        movies = served.recommend_new(stars, tuple(newcomer.genres), newcomer.k)
        return {"based_on": " and ".join(parts) or "popularity", "movies": movies}

    @app.get("/similar/{movie_id}", responses={404: PROBLEM}, response_model_exclude_unset=True)
    async def similar(movie_id: Annotated[Id, Path()], page: Annotated[questions.Page, Query()]) -> Films:
        """The k films most like this one."""
        return {"movies": served.similar(known(movie_id), page.k)}

    @app.post("/feedback", status_code=201, responses={400: PROBLEM, 404: PROBLEM, 413: PROBLEM, 503: PROBLEM})
    async def feedback(given: questions.Feedback) -> Event:
        """The event, once it is on disk; the user's next list knows it. The user may be new."""
        known(given.movie_id)
        event = Event(**given.model_dump(), time=int(time.time()))
        await wait_for(events.append, event)
        return event

    @app.delete("/users/{user_id}/events", responses={503: PROBLEM})
    async def forget(user_id: Annotated[Id, Path()]) -> dict[str, int]:
        """Delete all feedback of a user. What the model learned from train stays until it is trained again."""
        return {"user_id": user_id, "deleted": await wait_for(events.forget, user_id)}

    @app.get("/health", responses={503: PROBLEM})
    async def health() -> dict[str, Any]:
        """The size and the origin of the model that answers, and how many events are kept."""
        model = {name: served.manifest.get(name) for name in ("data", "metrics", "versions", "seed")}
        counts = {"users": served.num_users, "movies": served.num_movies, "events": await wait_for(len, events)}
        return {"status": "ok", "model": model, **counts}

    return app


def _refuse_repeats(noun: str, values: list) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise HTTPException(422, f"every {noun} must be named once; {repeated[:3]} are named more often.")


async def _invalid(request, error) -> JSONResponse:
    found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()[:3]]
    text = "; ".join(f"{place}: {reason.removeprefix('Value error, ')}" for place, reason in found)
    text = text[:MOST_DETAIL].encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no UTF-8
    return JSONResponse({"detail": text}, 422)


async def _broken(request, error) -> JSONResponse:
    return JSONResponse({"detail": "internal error"}, 500)  # the server logs what it was


def _limit_body(app):
    """Wrap an application so that the rest of a body that is too long is never read, let alone held in memory."""

    async def limited_app(scope, receive, send) -> None:
        length = 0

        async def limited():
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > MOST_BYTES:
                raise HTTPException(413, f"a body must have at most {MOST_BYTES:,} bytes; this one is longer.")
            return message

        await app(scope, limited, send)

    return limited_app


def serve(model, events, *, port: int = 8000, host: str = "127.0.0.1") -> None:
    """Print the address and answer until the process is interrupted, which raises KeyboardInterrupt.

    Args:
        model, events: Folder of a saved model; path of the event store, created if it is missing.
        port, host: 0 takes any free port; "0.0.0.0" lets other machines in, and there are no passwords.

    Raises:
        OSError: If the port is taken, the model is missing or the event store cannot be written.
        ValueError: If the model or the event store is damaged.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        try:  # before the model is loaded, which takes seconds
            if os.name != "nt":  # there it would share the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OSError(f"port {port} of {host} must be free; {reason}. Name another, e.g. --port 8001.") from error
        with EventStore(events) as store:
            from movierec.serving.served import load_served  # here: it loads TensorFlow

            app = make_app(load_served(model), store)
            gc.freeze()  # the model stays: looking through it for garbage would take tens of milliseconds
            listener.listen()
            address, port = listener.getsockname()[:2]
            print(f"ready: http://{address}:{port}/docs", flush=True)
            uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listener])
