"""The settings of the hybrid, and the parts that can be left out of it.

Tried out in notebooks/06_training.
"""

from typing import Annotated, Literal

import pydantic
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

PARTS = {  # what `without` can name
    "dot": "⟨x, y⟩, in both heads",
    "deep": "the MLP, in both heads",
    "session": "stars: the stars that the user gave in the same minutes",
    "linear": "ranking: EASE on the same history",
    "explicit": "the residuals of the stars in the bags; that a film was rated stays",
    "order": "ranking: recency weights, and targets that come later; session: only earlier ratings",
    "recency": "of these, what is ranking's",
    "features": "genres, year, age, gender, occupation",
    "bag of movies": "stars: the films that the user rated",
    "bag of users": "stars: the users who rated the film",
}
MOST_LINEAR_MOVIES = 10_000  # of an exact linear path: memory grows with their square, time with their cube
RANK_BEYOND = 200  # directions of the linear path of a larger catalogue (notebook 13)
FADE_FLOOR = 0.15

Share = Annotated[float, pydantic.Field(ge=0, lt=1)]
Layers = tuple[PositiveInt, ...]
as_tuple = pydantic.BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)
Parts = Annotated[tuple[Literal[tuple(PARTS)], ...], as_tuple]


class Settings(pydantic.BaseModel):
    """The settings of a `HybridModel`, checked; the defaults were chosen on validation parts of MovieLens-100K."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dim: PositiveInt = 32  # length of the vectors, stars
    ranking_dim: PositiveInt = 64  # and ranking
    hidden: Layers = (16,)  # units of each hidden layer of the MLP, () for none, stars
    ranking_hidden: Layers = (64,)
    dropout: Share = 0.5  # of the MLP's inputs set to 0 while training, stars
    ranking_dropout: Share = 0.6
    stars_penalty: NonNegativeFloat = 0.02  # weights of the mean squared lengths
    ranking_penalty: NonNegativeFloat = 0.01
    bias_penalty: NonNegativeFloat = 0.05
    stars_averaged: Share = 0.5  # of the average weights, the part that an epoch keeps, see `BestEpoch`
    user_damping: NonNegativeFloat = 20.0  # of the user biases that training starts from, in ratings, see `Bias`
    hidden_share: Share = 0.2  # of a history that is hidden while training, if the history is not in order
    ahead_ratings: PositiveFloat = 5.0  # how far ahead hidden ratings count, in ratings, if it is in order
    fade_ratings: PositiveFloat = 5.0  # recency weights, if it is in order: how fast they fall, in ratings,
    fade_floor: Share = FADE_FLOOR  # and to what
    # Splits in time, `Split.in_time`, whose lists read the order. A cut at one moment, "everyone", asks what users
    # watch on another day; of that, the last films of a visit say little.
    recency_for: tuple[Literal["user", "everyone"], ...] = ("user",)
    linear_weight: NonNegativeFloat = 8.0  # c of the linear path
    linear_regularisation: PositiveFloat = 300.0  # λ of the linear path, in ratings
    # Directions that the linear path keeps; None: all up to `MOST_LINEAR_MOVIES` movies, `RANK_BEYOND` for more.
    linear_rank: PositiveInt | None = None
    ordinal: bool = True  # predict stars as an ordered choice between the levels; otherwise by squared error
    sampled: bool = False  # rank against the films of the batch instead of all, for catalogues that are too large
    # Also learn a vector of each user, in both heads, and of each movie in the stars head (the ranking head always has
    # one). They memorise train, and newcomers have none.
    ids: bool = False
    # The ranking head reads a history as a weighted sum, or its newest films, in their order, by self-attention. Then
    # `explain` has no share for each film.
    encoder: Literal["bag", "attention"] = "bag"
    most_pairs: NonNegativeInt = 10_000_000  # users x movies of a history in matrices, 16 bytes each; then it is lists
    most_raters: PositiveInt = 512  # users in the bags of movies, if histories are lists: those with the most ratings
    # Share of the movies that each step of the ranking head knows by their features only. Above 0, movies without a
    # rating are not trained as wrong answers, and are ranked by their features. Notebook 09.
    content_share: Share = 0.0
    without: Parts = ()  # names of `PARTS` to leave out

    def __init__(self, **given):
        try:
            super().__init__(**given)
        except pydantic.ValidationError as error:
            raise ValueError(" ".join(map(_sentence, error.errors()))) from None

    def for_split(self, in_time: str | None) -> "Settings":
        """Return these settings, without "recency" if `recency_for` does not name the split; see `Split.in_time`."""
        if in_time is None or in_time in self.recency_for or "recency" in self.without:
            return self
        return self.model_copy(update={"without": (*self.without, "recency")})


def _sentence(fault: dict) -> str:
    """Return one fault that pydantic found as a sentence: what must hold, and what was given."""
    name, given = fault["loc"][0], fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"`{name}` is not a setting; use one of {', '.join(Settings.model_fields)}."
    return f"`{name}` {fault['msg'].replace('Input should', 'must')}; got {given!r}."
