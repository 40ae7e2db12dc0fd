"""The page of the service over a small model with stars from 1 to 5, one of whose films has a title like an attack."""

import asyncio
import json
import socket
import threading
from html.parser import HTMLParser
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import uvicorn

from movierec.recommend import Hybrid
from movierec.serving.events import EventStore
from movierec.serving.service import make_app

ATTACK = "<img src=x onerror=alert(1)>"


class FiveStars(Hybrid):
    """A model whose users may give each of five stars."""

    levels = np.arange(1.0, 6.0)


@pytest.fixture(scope="session")
def hostile(fitted):
    """The small model; its most popular film, which is first in every search, is called `ATTACK`."""
    movies = fitted.movies.copy()
    movies.loc[movies["popularity"].idxmax(), "title"] = ATTACK
    about = fitted.indices, movies[["movie_id", "title", "genres", "year"]], fitted.weeks, fitted.bias, fitted.seen
    return FiveStars(fitted.model, *about, fitted.scale)


@pytest.fixture(scope="session")
def beside(hostile):
    """What the service needs of the saved model, for all but the page."""
    ids = hostile.indices
    return SimpleNamespace(
        user_type=int, movie_type=int, num_users=ids.num_users, num_movies=ids.num_movies, scale=(1.0, 5.0),
        genres=hostile.pipeline.genres, manifest={"sha256": "0123456789abcdef"}, has_user=lambda user_id: False,
        has_movie=lambda movie_id: movie_id in ids.movie_ids,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.db") as store:
        yield store


class Client:
    """Asks an application in this process, without a socket: `client.get("/health")`."""

    def __init__(self, app):
        self.app = app

    def request(self, method, target, **options):
        async def ask():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=30) as client:
                return await client.request(method, target, **options)

        return asyncio.run(ask())

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def post(self, target, body=None, **options):
        return self.request("POST", target, json=body, **options)


def refused(answer, status, *parts):
    """Assert that it is a `Problem`, and nothing else, with these parts in its text."""
    assert (answer.status_code, list(answer.json())) == (status, ["detail"]), answer.text
    assert [part for part in parts if part not in answer.json()["detail"]] == [], answer.text


@pytest.fixture
def page(beside, store, hostile):
    """`page(explore=…)("POST", "/page/list", json=…)`: ask an application with the page."""
    return lambda **options: Client(make_app(beside, store, model=hostile, **options)).request


@pytest.fixture
def address(beside, store, hostile):
    """The same on a port of this machine, for a browser."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(beside, store, names=(), model=hostile)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


class About(HTMLParser):
    """Reads what the service wrote into the page."""

    def handle_starttag(self, tag, attributes):
        if tag == "body":
            self.found = json.loads(dict(attributes)["data-about"])


@pytest.fixture
def about_of():
    def read(text):
        parser = About()
        parser.feed(text)
        return parser.found

    return read
