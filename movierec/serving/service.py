"""A trained model over HTTP: lists for users and newcomers, films like a film, and feedback that lists react to.

    python -m movierec.serving.service --model data/cache/hybrid-ml-100k --port 8000 --events data/cache/events.db

answers on this machine only and documents itself at http://127.0.0.1:8000/docs. Taught in notebooks/10_serving.
"""

import argparse
import functools
import gc
import os
import socket
import sys
import time
from collections import Counter
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from movierec.data import chosen, data_folder
from movierec.serving.events import Event, EventStore, Id
from movierec.serving.schemas import Films, Problem, Recommendations, questions_of

MOST_BYTES = 65_536  # of a body; 200 films with long titles fit
MOST_TITLES = 10_000  # that are remembered: looking one up takes 2 ms
MOST_DETAIL = 1_000  # characters of a problem's text, which may quote the question


PROBLEM = {"model": Problem}


def make_app(served, events: EventStore, *, most_bytes: int = MOST_BYTES) -> FastAPI:
    """Return the service as an ASGI application: `make_app(load_served(folder), EventStore(path))`.

    Args:
        served: A `Served`. It answers in about a millisecond, so it is asked in the event loop, and only the disk is
            waited for in threads.
        events: Open. Feedback goes there before it is acknowledged; lists read a user's newest events.
        most_bytes: Of a body; the rest of a longer one is not read.
    """
    app = FastAPI(
        title="movierec",
        description=f"Recommends {served.num_movies:,} films to {served.num_users:,} users, and to anybody else.",
        responses={422: PROBLEM, 500: PROBLEM},
        exception_handlers={RequestValidationError: _invalid, Exception: _broken},
        redirect_slashes=False,
    )
    app.add_middleware(BodyLimit, most_bytes=most_bytes)
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
        """Run a call of the event store in a thread; answer 503 if the disk fails."""
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
            raise HTTPException(
                404,
                f"user_id {user_id} is not one of the {served.num_users:,} users, and gave no feedback. POST "
                "/recommend answers newcomers, with the films or genres that they like.",
            )
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


async def _invalid(request, error: RequestValidationError) -> JSONResponse:
    found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()[:3]]
    text = "; ".join(f"{place}: {reason.removeprefix('Value error, ')}" for place, reason in found)
    text = text[:MOST_DETAIL].encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no UTF-8
    return JSONResponse({"detail": text}, 422)


async def _broken(request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "internal error"}, 500)  # the server logs what it was


class BodyLimit:
    """Middleware that stops reading a body where it is too long, so that it is never held in memory."""

    def __init__(self, app, most_bytes: int):
        self.app = app
        self.most_bytes = most_bytes

    async def __call__(self, scope, receive, send) -> None:
        length = 0

        async def limited():
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > self.most_bytes:
                raise HTTPException(413, f"a body must have at most {self.most_bytes:,} bytes; this one is longer.")
            return message

        await self.app(scope, limited, send)


class _Server(uvicorn.Server):
    """Uvicorn that prints its address on standard output once it answers."""

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        print(f"ready: http://{host}:{port}/docs", flush=True)


def serve(model, *, port: int = 8000, host: str = "127.0.0.1", events=None) -> None:
    """Answer until the process is interrupted.

    Args:
        model: Folder of a saved model.
        port: 0 takes any free one.
        host: "0.0.0.0" lets other machines in; there are no passwords.
        events: Path of the event store, created if it is missing; None is cache/events.db in the data folder.

    Raises:
        OSError: If the port is taken, the model is missing or the event store cannot be written.
        ValueError: If the model or the event store is damaged.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:  # now: a model takes seconds
            if os.name != "nt":  # there it would share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"port {port} of {host} must be free; {reason}. Name another, e.g. --port 8001.") from error
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # read when TensorFlow is loaded
        os.environ.setdefault(threads, "1")  # a list is too small to share: more threads take 1.3 times the CPU
    with EventStore(events or data_folder() / "cache/events.db") as store:
        from movierec.serving.served import load_served  # here: it loads TensorFlow

        app = make_app(load_served(model), store)
        gc.freeze()  # the model stays: looking through it for garbage would take tens of milliseconds
        _Server(uvicorn.Config(app, host, port, log_level="warning", access_log=False)).run()


def main(arguments: list[str] | None = None) -> int:
    """Serve as the command line says; return 0 after an interrupt, 1 if the service cannot start."""
    parser = argparse.ArgumentParser(prog="python -m movierec.serving.service", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=data_folder() / f"cache/hybrid-{chosen()}", help="folder of a saved model")
    parser.add_argument("--events", help="SQLite file of what users did, created if it is missing")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in; there are no passwords")
    try:
        serve(**vars(parser.parse_args(arguments)))
    except (OSError, ValueError) as error:
        print("movierec.serving.service:", *str(error).split(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
