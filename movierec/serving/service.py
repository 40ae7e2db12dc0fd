"""A trained model over HTTP: lists for users and newcomers, films like a film, and feedback that lists react to.

`python -m movierec serve` answers on this machine: people at http://127.0.0.1:8000/, and programs, for whom /docs
explains it. Taught in notebooks/12_serving.
"""

import asyncio
import base64
import functools
import gc
import hashlib
import os
import pathlib
import re
import socket
import sys
import threading
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer

from movierec.serving import connections
from movierec.serving.events import Event, EventStore, Id
from movierec.serving.lists import Films, Lists, Problem, Recommendations, questions_of

MOST_BYTES = 65_536  # of a body; 200 films with long titles fit
MOST_DETAIL = 1_000  # characters of a problem's text, which may quote the question
PROBLEM = {"model": Problem}


def make_app(
    served, events: EventStore, names: tuple[str, ...] | None = None, token: str | None = None, *, explore: float = 0.0,
    shadow=None, model=None,
) -> FastAPI:  # fmt: skip
    """Return the service as an ASGI application: `make_app(load_served(folder), EventStore(path))`.

    Feedback is in the event store before it is acknowledged, each list is there as impressions before it is answered,
    and lists read a user's newest events. Whatever takes more than a moment is waited for in threads, so that no answer
    holds up the others: the disk, the model, titles.

    Args:
        served, events: The model and the store.
        names, token: See `Gate`: the hosts that may be asked for (None: any), and what those who ask must know.
        explore, shadow: See `Lists`: the share of lists that explore; a second model whose lists are only logged.
        model: The same model as `load_model` returns it; with it there is a page at `/`.
    """
    who = "Who knows the token may" if token else "Anybody who reaches this address may"
    app = FastAPI(
        title="movierec",
        description=f"Recommends {served.num_movies:,} films to {served.num_users:,} users, and to anybody else. "
        f"{who} read, write and delete the events of every user; no page of another site may write from a browser.",
        responses={422: PROBLEM, 500: PROBLEM} | ({401: PROBLEM} if token else {}),
        dependencies=[Depends(HTTPBearer(auto_error=False))] if token else [],  # for the documentation; see Gate
        exception_handlers={RequestValidationError: _invalid, OSError: _unreachable, Exception: _broken},
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(connections.Gate, names=names, token=token, most_bytes=lambda: MOST_BYTES)
    documentation = pathlib.Path(__file__).with_name("docs.html").read_text(encoding="utf-8")
    questions = questions_of(served)
    lists = Lists(served, events, explore, shadow)
    threads_of_lists = ThreadPoolExecutor(os.cpu_count(), "lists")
    newcomers = ThreadPoolExecutor(1, "newcomers")  # a title that nobody knows takes 10 ms: not all threads for that

    async def wait_for(what, *arguments, threads=None):
        return await asyncio.get_running_loop().run_in_executor(threads, what, *arguments)

    async def logged(make, *arguments, threads=newcomers) -> dict:
        """Return the answer that `make` returns, once its impressions are on disk."""
        begun = events.deletions
        answer, impressions = await wait_for(make, *arguments, threads=threads)
        await asyncio.wrap_future(events.submit_all(impressions, begun))
        return answer

    kinds = {"user_id": served.user_type, "movie_id": served.movie_type}
    user_id, movie_id = (f"{{{name}{':path' * (kind is str)}}}" for name, kind in kinds.items())  # a text may hold "/"

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(documentation, headers={"content-security-policy": _may(documentation)})

    @app.get(f"/recommend/{user_id}", responses={404: PROBLEM, 503: PROBLEM})
    async def recommend(
        user_id: Annotated[questions.UserId, Path()], page: Annotated[questions.Page, Query()]
    ) -> Recommendations:
        """The k best films that this user has neither rated nor viewed; films that were only clicked may be there."""
        return await logged(lists.of_user, user_id, page.k, threads=threads_of_lists)

    @app.post("/recommend", responses={400: PROBLEM, 404: PROBLEM, 413: PROBLEM})
    async def recommend_new(newcomer: questions.Newcomer) -> Recommendations:
        """The k best films for a new user, from a few films with stars, or genres, or nothing."""
        return await logged(lists.of_newcomer, newcomer)

    @app.get(f"/similar/{movie_id}", responses={404: PROBLEM}, response_model_exclude_unset=True)
    async def similar(
        movie_id: Annotated[questions.MovieId, Path()], page: Annotated[questions.Page, Query()]
    ) -> Films:
        """The k films most like this one."""
        return {"movies": await wait_for(served.similar, lists.known(movie_id), page.k, threads=threads_of_lists)}

    @app.post("/feedback", status_code=201, responses={400: PROBLEM, 404: PROBLEM, 413: PROBLEM, 503: PROBLEM})
    async def feedback(given: questions.Feedback) -> Event:
        """The event, once it is on disk; the user's next list knows it. The user may be new.

        `list_id` says that a list of this service showed the film; its place is looked up if it is not given.
        """
        lists.known(given.movie_id)
        place = await wait_for(lists.place_of, given) if given.list_id else None
        event = Event(**given.model_dump() | {"place": place}, time=int(time.time()))
        await asyncio.wrap_future(events.submit(event))
        return event

    @app.delete(f"/users/{user_id}/events", responses={503: PROBLEM})
    async def forget(user_id: Annotated[questions.UserId, Path()]) -> dict[str, Id]:
        """Delete the feedback and the impressions of a user. What the model learned stays until it is trained again."""
        deleted = await wait_for(events.forget, user_id)
        return {"user_id": user_id, "deleted": deleted.events, "impressions": deleted.impressions}

    @app.get("/health", responses={503: PROBLEM})
    async def health() -> dict[str, Any]:
        """The size and the origin of the model that answers, and how many events are kept."""
        model = {name: served.manifest.get(name) for name in ("data", "metrics", "versions", "seed")}
        counts = {"users": served.num_users, "movies": served.num_movies, "events": await wait_for(len, events)}
        return {"status": "ok", "model": model, **counts}

    if model is not None:
        from movierec.serving.visits import Visits, add_page  # here: it loads TensorFlow

        add_page(app, Visits(model, lists), functools.partial(wait_for, threads=newcomers), logged)
    app.openapi()  # made now and kept: it takes longer than an answer
    return app


def _may(documentation: str) -> str:
    """Return the Content-Security-Policy of the page /docs: it needs no other host, and runs its own script alone."""
    own = {name: re.search(rf"<{name}>(.*?)</{name}>", documentation, re.DOTALL)[1] for name in ("script", "style")}
    hashes = [(name, base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()) for name, text in own.items()]
    may = "; ".join(f"{name}-src 'sha256-{found}'" for name, found in hashes)
    return f"default-src 'none'; {may}; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


async def _unreachable(request, error: OSError) -> JSONResponse:
    reason = str(error.__cause__ or error.strerror)  # without the path of the file
    return JSONResponse({"detail": f"the events cannot be reached ({reason}). Try again later."}, 503)


async def _invalid(request, error) -> JSONResponse:
    found = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()[:3]]
    text = "; ".join(f"{place}: {reason.removeprefix('Value error, ')}" for place, reason in found)
    text = text[:MOST_DETAIL].encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no UTF-8
    return JSONResponse({"detail": text}, 422)


async def _broken(request, error) -> JSONResponse:
    return JSONResponse({"detail": "internal error"}, 500)  # the server logs what it was


def serve(
    model,
    events,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    names: tuple[str, ...] = (),
    token: str | None = None,
    explore: float = 0.0,
    shadow=None,
    page: bool = False,
    opens: bool = False,
) -> None:
    """Print the address and answer until the process is told to end (SIGINT, SIGTERM), which is a KeyboardInterrupt.

    Args:
        model, events: Folder of a saved model; path of the event store, created if it is missing.
        port, host: 0 takes any free port; "0.0.0.0" lets other machines in.
        names: Hosts by which it is asked, beside its address; a request for another one is refused.
        token: What every request must bring as `Authorization: Bearer …`; None: every request is answered.
        explore, shadow: See `Lists`; here, `shadow` is a folder.
        page, opens: Answer at `/` with a page for people, which needs the model a second time; open it in the browser.

    Raises:
        OSError: If the port is taken, the model is missing or the event store cannot be written.
        ValueError: If the model or the event store is damaged.
    """
    if not 0 <= port < 65_536:
        raise OSError(f"port {port} must be 0 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:  # before the model is loaded, which takes seconds
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror
        raise OSError(f"port {port} of {host} must be free; {reason}. Name another, e.g. --port 8001.") from error
    with listener, EventStore(events) as store:
        from movierec.recommend import load_model  # here: it loads TensorFlow
        from movierec.serving.served import load_served

        served, second = load_served(model), load_served(shadow) if shadow else None
        shown = load_model(model) if page else None  # the reasons for films, which only the page shows
        hosts = (*names, socket.gethostname())
        app = make_app(served, store, hosts, token, explore=explore, shadow=second, model=shown)
        gc.freeze()  # the model stays: looking through it for garbage would take tens of milliseconds
        sys.setswitchinterval(0.001)  # a thread that looks a title up lets the others answer after a millisecond
        address, port = listener.getsockname()[:2]
        if token is None and host not in ("127.0.0.1", "localhost", "::1"):
            open_to = "anybody who reaches it may read, write and delete the events of every user"
            print(f"note: {open_to}. A token closes it: MOVIEREC_TOKEN=… or --token.", file=sys.stderr)
        place = f"http://{f'[{address}]' if ':' in address else address}:{port}/"
        print(f"ready: {place}{'' if page else 'docs'}", flush=True)
        if opens:
            threading.Thread(target=webbrowser.open, args=(place,), daemon=True).start()
        connections.run(app, listener)
