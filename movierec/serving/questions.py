"""What the service can be asked and what it answers: the bodies and queries, with their limits, as pydantic models."""

from types import SimpleNamespace
from typing import Annotated, Literal

from pydantic import BaseModel, Field, create_model, model_validator

from movierec.serving.events import Exact, Feedback, Id, Text, WholeNumber

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
