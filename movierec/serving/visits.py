"""The web page of the service: its files, and the answers that it asks for.

A visitor is a newcomer. The browser keeps their stars and sends them with each question; what the answers show is
logged as impressions under the random number that the page made. Ids are text here: JavaScript rounds large numbers.
"""

import html
import json
import re
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from movierec.recommend import BASED_ON, MINUTES_PER_FILM, Visitor, evening, recommended, search_titles
from movierec.serving.events import Exact, Id, Impression, Text
from movierec.serving.lists import MOST_RATED, MOST_TITLE, Lists

PAGE = Path(__file__).with_name("page")
FILES = {  # path: file, type; `connections.OPEN` lets them be read without a token
    "/": ("index.html", "text/html"),
    "/page/style.css": ("style.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
MOST_FOUND = 8  # films of a search


class Rated(Exact):
    """A film and its stars."""

    movie_id: Text
    stars: Annotated[float, Field(allow_inf_nan=False)]


class Wishes(Exact):
    """What a visitor entered; `visitor` is the random number that the page made."""

    stars: Annotated[list[Rated], Field(max_length=MOST_RATED)] = []
    genres: Annotated[list[Text], Field(max_length=100)] = []
    visitor: Text | None = None


class ListWishes(Wishes):
    """The same, for a list of k films."""

    k: Annotated[int, Field(ge=1, le=20)] = 10


class EveningWishes(Wishes):
    """The same, for an evening; without years, films whose year is not known may be there."""

    minutes: Annotated[float, Field(ge=MINUTES_PER_FILM, le=1440)] = 360
    familiarity: Annotated[float, Field(ge=0, le=1)] = 0.5
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.3
    first: int | None = None
    last: int | None = None
    include: Text | None = None
    exclude: Text | None = None


class Visits:
    """The answers of a model, as `load_model` returns it, to the page; `lists` logs what is shown."""

    def __init__(self, model, lists: Lists):
        self.model, self.lists = model, lists
        self.ids = {str(movie_id): movie_id for movie_id in model.indices.movie_ids.tolist()}
        self.least, self.most = map(float, model.levels[[0, -1]])
        somebody = Visitor({next(iter(self.ids.values())): self.most})
        recommended(model, somebody, 1)  # TensorFlow traces its graphs now, so that no click waits for it

    def about(self) -> dict:
        """Return what the page must know before it asks."""
        years = self.model.movies["year"].dropna()
        return {
            "levels": list(map(float, self.model.levels)),
            "genres": self.model.pipeline.genres,
            "years": [int(years.min()), int(years.max())] if len(years) else [1900, 2000],
            "movies": len(self.ids),
            "minutes_per_film": MINUTES_PER_FILM,
            "user_type": self.lists.served.user_type.__name__,
        }

    def found(self, text: str) -> dict:
        """Return the films whose title contains a text; the most rated films if it is empty."""
        films = search_titles(self.model.movies, text, MOST_FOUND).to_dict("records")
        return {"movies": [_film(film) for film in films]}

    def list_for(self, wishes: ListWishes) -> tuple[dict, list[Impression]]:
        """Return a list with reasons, and its impressions."""
        visitor, about = self._visitor(wishes)
        films = recommended(self.model, visitor, min(self.lists.asked(wishes.k), len(self.ids)))
        about |= {"says": BASED_ON[films.attrs["based_on"]] + ":"}
        shown, impressions = self.lists.shown(films.to_dict("records"), self._user_id(wishes.visitor), wishes.k)
        return _answer(shown, about), impressions

    def evening_for(self, wishes: EveningWishes) -> tuple[dict, list[Impression]]:
        """Return an evening, and its impressions. One that cannot be is a 422."""
        visitor, about = self._visitor(wishes)
        kind = {name: tuple(filter(None, [getattr(wishes, name)])) for name in ("include", "exclude")}
        self._check_genres([genre for genres in kind.values() for genre in genres])
        if (wishes.first, wishes.last) != (None, None):
            kind["years"] = (wishes.first or 0, wishes.last or 9999)
            if kind["years"][0] > kind["years"][1]:
                raise HTTPException(422, f"the first year must not be after the last; got {kind['years']}.")
        sliders = {name: getattr(wishes, name) for name in ("minutes", "familiarity", "diversity")}
        try:
            films = evening(self.model, visitor, **kind, **sliders)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        films = films.to_dict("records")
        shown, impressions = self.lists.shown(films, self._user_id(wishes.visitor), len(films), explores=False)
        return _answer(shown, about), impressions

    def _visitor(self, wishes: Wishes) -> tuple[Visitor, dict]:
        """Return the visitor, and which of their films are unknown: a browser may remember those of another model."""
        for rated in wishes.stars:
            if not self.least <= rated.stars <= self.most:
                raise HTTPException(422, f"stars must be {self.least:g} to {self.most:g}; got {rated.stars:g}.")
        self._check_genres(wishes.genres)
        stars = {self.ids[rated.movie_id]: rated.stars for rated in wishes.stars if rated.movie_id in self.ids}
        unknown = [rated.movie_id for rated in wishes.stars if rated.movie_id not in self.ids]
        return Visitor(stars, tuple(dict.fromkeys(wishes.genres))), {"unknown": unknown}

    def _check_genres(self, genres: list[str]) -> None:
        unknown = [genre for genre in genres if genre not in self.model.pipeline.genres]
        if unknown:
            raise HTTPException(422, f"every genre must be known to the model; got {unknown[:3]}. Reload the page.")

    def _user_id(self, visitor: str | None) -> Id | None:
        if visitor is None or self.lists.served.user_type is str:
            return visitor
        if not re.fullmatch(r"-[1-9]\d{0,18}", visitor) or int(visitor) < -(2**63):
            raise HTTPException(422, "the visitor must be a negative number of 64 bits. Reload the page.")
        return int(visitor)


def _film(film: dict) -> dict:
    genres = [genre for genre in film["genres"].split("|") if genre]
    return {"movie_id": str(film["movie_id"]), "title": film["title"], "genres": genres}


def _answer(shown: dict, about: dict) -> dict:
    names = ("place", "because", "predicted_stars", "why", "minutes")
    films = [_film(film) | {name: film[name] for name in names if name in film} for film in shown["movies"]]
    for film in films:
        if film.get("predicted_stars") != film.get("predicted_stars"):  # NaN: a model without that head
            film["predicted_stars"] = None
    return {"list_id": shown["list_id"], "movies": films, **about}


def add_page(app: FastAPI, visits: Visits, wait_for, logged) -> None:
    """Let the service answer at `/` with the page, and what the page asks for.

    Args:
        wait_for: Runs a function in a thread; logged: the same for a list, whose impressions are then on disk.
    """

    def add_file(path: str, name: str, media_type: str) -> None:
        text = (PAGE / name).read_text(encoding="utf-8")
        if name == "index.html":
            text = text.replace("{about}", html.escape(json.dumps(visits.about())))
        app.get(path, include_in_schema=False)(lambda: Response(text, media_type=media_type, headers=HEADERS))

    for path, (name, media_type) in FILES.items():
        add_file(path, name, media_type)

    def private(answer: dict) -> JSONResponse:
        return JSONResponse(answer, headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})

    @app.get("/page/films", include_in_schema=False)
    async def found(text: Annotated[str, Query(max_length=MOST_TITLE)] = "") -> JSONResponse:
        return private(await wait_for(visits.found, text))

    @app.post("/page/list", include_in_schema=False)
    async def list_for(wishes: ListWishes) -> JSONResponse:
        return private(await logged(visits.list_for, wishes))

    @app.post("/page/evening", include_in_schema=False)
    async def evening_for(wishes: EveningWishes) -> JSONResponse:
        return private(await logged(visits.evening_for, wishes))
