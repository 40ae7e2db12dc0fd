"""A trained model over HTTP: lists for users and newcomers, films like a film, and feedback that lists react to.

    python -m movierec.serving.service --model data/cache/hybrid-ml-100k --port 8000 --feedback feedback.jsonl

answers on this machine only, and documents itself at http://127.0.0.1:8000/docs. One process: the log of feedback
belongs to it. Taught in notebooks/10_serving.
"""

import argparse
import contextlib
import functools
import gc
import os
import socket
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException

from movierec.data import chosen, data_folder
from movierec.serving.events import INT64, KINDS, Event, FeedbackLog, checked

MOST_BYTES = 65_536  # of a body; 200 films with long titles fit
MOST_FILMS = 100  # of a list: more than anybody looks at, in a few kilobytes
MOST_RATED = 200  # films in one question: each title is looked up
MOST_TITLE = 300  # characters; the longest title of MovieLens-32M has about 250
MOST_TITLES = 10_000  # that are remembered: to look one up takes 2 ms
MOST_DETAIL = 1_000  # characters of a problem's text, which may quote the question

Id = Annotated[int, Field(ge=-INT64, lt=INT64)]


class Problem(BaseModel):
    """Why there is no answer: what must hold, what was found, what to do."""

    detail: str


class Film(BaseModel):
    """A place in a list, from rank 1; the score says nothing but the order."""

    rank: int
    movie_id: int
    title: str
    score: float


class Recommended(Film):
    """Stars are predicted where the model has a head for them."""

    predicted_stars: float | None = None


class Recommendations(BaseModel):
    """A list, and what it was made from; "popularity": nothing was known."""

    based_on: Literal[
        "history", "history and feedback", "feedback", "stars", "genres", "stars and genres", "popularity"
    ]
    movies: list[Recommended]


class Similar(BaseModel):
    """Films like one film, the likest first."""

    movies: list[Film]


class Kept(BaseModel):
    """The event as it is on the disk."""

    user_id: int
    movie_id: int
    kind: Literal[KINDS]
    stars: float | None
    time: int


class Health(BaseModel):
    """Who answers: the model's size and origin, and how many events are kept."""

    status: Literal["ok"]
    users: int
    movies: int
    events: int
    model: dict[str, Any]


class _Question(BaseModel):
    """Exactly these fields, of exactly these types: a typo is told, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)


def make_app(served, log: FeedbackLog, *, most_bytes: int = MOST_BYTES) -> FastAPI:
    """The service as an ASGI application; `make_app(load_served(folder), FeedbackLog(path))`.

    Args:
        served: see `served`. Its answers take about a millisecond, so they are computed in the event loop: a
            thread costs more than it brings (`tests/benchmarks/serving_load.py`).
        log: open; feedback goes there before it is acknowledged, and comes from there into the lists.
        most_bytes: bodies above this are refused before they are read.
    """
    app = FastAPI(
        title="movierec",
        description=f"Recommends {served.num_movies:,} films to {served.num_users:,} users, and to anybody else.",
        responses={status: {"model": Problem} for status in (422, 500)},
        redirect_slashes=False,
    )
    app.add_middleware(_BodyLimit, most_bytes=most_bytes)
    _add_problems(app)
    questions = _questions(served)
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

    @app.get("/recommend/{user_id}", responses=_problems(404))
    async def recommend(user_id: Annotated[Id, Path()], page: Annotated[questions.Page, Query()]) -> Recommendations:
        """The k best films that this user has neither rated nor viewed; a film that was only clicked may come."""
        events = [event for event in log.of(user_id) if served.has_movie(event.movie_id)]  # the log may be older
        if not served.has_user(user_id) and not events:
            raise HTTPException(
                404,
                f"user_id {user_id} is not one of the {served.num_users:,} users, and gave no feedback. POST "
                "/recommend answers newcomers, with the films or genres that they like.",
            )
        parts = ["history"] * served.has_user(user_id) + ["feedback"] * bool(events)
        return {"based_on": " and ".join(parts), "movies": served.recommend(user_id, page.k, events)}

    @app.post("/recommend", responses=_problems(400, 404, 413))
    async def recommend_new(newcomer: questions.Newcomer) -> Recommendations:
        """The k best films for somebody new, from a few films with stars, or genres, or nothing."""
        movie_ids = [movie_of(rated) for rated in newcomer.stars]
        _refuse_repeats("film", movie_ids)
        _refuse_repeats("genre", newcomer.genres)
        stars = dict(zip(movie_ids, [rated.stars for rated in newcomer.stars], strict=True))
        parts = ["stars"] * bool(stars) + ["genres"] * bool(newcomer.genres)
        return {
            "based_on": " and ".join(parts) or "popularity",
            "movies": served.recommend_new(stars, tuple(newcomer.genres), newcomer.k),
        }

    @app.get("/similar/{movie_id}", responses=_problems(404))
    async def similar(movie_id: Annotated[Id, Path()], page: Annotated[questions.Page, Query()]) -> Similar:
        """The k films most like this one."""
        return {"movies": served.similar(known(movie_id), page.k)}

    @app.post("/feedback", status_code=201, responses=_problems(400, 404, 413, 503))
    async def feedback(given: questions.Feedback) -> Kept:
        """The event, once it is on the disk; the user's next list knows it. Anybody may be new."""
        try:
            event = checked(Event(given.user_id, known(given.movie_id), given.kind, given.stars, int(time.time())))
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        try:
            await run_in_threadpool(log.append, event)  # waits for the disk; those who wait together share one fsync
        except OSError as error:
            raise HTTPException(503, f"the event was not kept ({error.strerror}). Try again later.") from error
        return event._asdict()

    @app.get("/health")
    async def health() -> Health:
        """Whether it answers, with which model, and how many events are kept."""
        model = {name: served.manifest.get(name) for name in ("data", "metrics", "versions", "seed")}
        counts = {"users": served.num_users, "movies": served.num_movies, "events": len(log)}
        return {"status": "ok", "model": model, **counts}

    return app


def _questions(served) -> SimpleNamespace:
    """The bodies and queries, with this model's limits in them, so that /docs shows them."""
    low, high = served.scale
    most = min(served.num_movies, MOST_FILMS)
    Length = Annotated[int, Field(ge=1, le=most, description="films in the list")]
    Stars = Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]
    Genre = Literal[tuple(served.genres)] if served.genres else str

    class Page(BaseModel):
        model_config = ConfigDict(extra="forbid")  # not strict: a query is text
        k: Length = min(10, most)

    class Rated(_Question):
        """A film by movie_id or by title, with or without the year."""

        movie_id: Id | None = None
        title: Annotated[str, Field(max_length=MOST_TITLE)] | None = None
        stars: Stars

        @model_validator(mode="after")
        def by_one_name(self):
            if (self.movie_id is None) == (self.title is None):
                raise ValueError("a film needs either movie_id or title")
            return self

    class Newcomer(_Question):
        """What is known of somebody; every film and genre once."""

        stars: list[Rated] = Field([], max_length=MOST_RATED)
        genres: list[Genre] = Field([], max_length=len(served.genres))
        k: Length = min(10, most)

    class Feedback(_Question):
        """What a user did with a film; stars if and only if the kind is "stars"."""

        user_id: Id
        movie_id: Id
        kind: Literal[KINDS]
        stars: Stars | None = None

    return SimpleNamespace(Page=Page, Newcomer=Newcomer, Feedback=Feedback)


def _refuse_repeats(noun: str, values: list) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise HTTPException(422, f"every {noun} must be named once; {repeated[:3]} are named more often.")


def _problems(*statuses: int) -> dict[int, dict]:
    return {status: {"model": Problem} for status in statuses}


def _problem(status: int, text: str, headers=None) -> JSONResponse:
    text = text[:MOST_DETAIL].encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no UTF-8
    return JSONResponse({"detail": text}, status, headers)


def _add_problems(app: FastAPI) -> None:
    """Every refusal is a `Problem`, and none shows the inside of the program."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request, error):
        told = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
        return _problem(422, "; ".join(told))

    @app.exception_handler(HTTPException)
    async def refused(request, error):
        return _problem(error.status_code, error.detail, error.headers)

    @app.exception_handler(Exception)
    async def broken(request, error):
        return _problem(500, "internal error")  # the server logs what it was


class _BodyLimit:
    """Reads a body before anything else does, and stops where it is too long; said or not, it is not held in memory."""

    def __init__(self, app, most_bytes: int):
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        said = dict(scope["headers"]).get(b"content-length", b"0")
        too_long = said.isdigit() and int(said[:18]) > self.most_bytes
        body, more = bytearray(), True
        while more and not too_long:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more, too_long = message.get("more_body", False), len(body) > self.most_bytes
        if too_long:
            text = f"a body must have at most {self.most_bytes:,} bytes; this one is longer."
            return await _problem(413, text)(scope, receive, send)
        whole = [{"type": "http.request", "body": bytes(body)}]
        return await self.app(scope, lambda: _next(whole, receive), send)


async def _next(whole: list, receive):
    return whole.pop() if whole else await receive()


def main(arguments: list[str] | None = None) -> int:
    """The exit code, after the service has been stopped: 0; or 1, if it could not be started."""
    parser = argparse.ArgumentParser(prog="python -m movierec.serving.service", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=data_folder() / f"cache/hybrid-{chosen()}", help="folder of a saved model")
    parser.add_argument("--feedback", default=data_folder() / "cache/feedback.jsonl", help="file, made if need be")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in; there are no passwords")
    options = parser.parse_args(arguments)
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # read when TensorFlow is loaded
        os.environ.setdefault(threads, "1")  # a list is too small to share: more threads take 1.3 times the CPU
    with contextlib.ExitStack() as open_now:
        try:
            listener = open_now.enter_context(_listen(options.host, options.port))
            log = open_now.enter_context(FeedbackLog(options.feedback))
            from movierec.serving.served import load_served  # here: who asks for --help does not wait for it

            app = make_app(load_served(options.model), log)
        except (OSError, ValueError) as error:
            print("movierec.serving.service:", *str(error).split(), file=sys.stderr)
            return 1
        gc.collect()
        gc.freeze()  # the model stays: looking through it for garbage would take tens of milliseconds, now and then
        print(f"ready: http://{options.host}:{listener.getsockname()[1]}/docs", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    # Not socket.create_server: without IPPROTO_TCP asyncio leaves Nagle's algorithm on, and an answer takes 44 ms.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"port {port} of {host} must be free; {reason}. Name another, e.g. --port 8001.") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
