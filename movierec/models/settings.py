"""The settings of the hybrid, and the parts that can be left out of it.

Tried out in notebooks/06_training.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

PARTS = {  # what `without` can name
    "dot": "⟨x, y⟩, in both heads",
    "deep": "the MLP, in both heads",
    "session": "stars: the stars that the user gave in the same minutes",
    "linear": "ranking: EASE on the same history",
    "explicit": "the residuals of the stars in the bags; that a film was rated stays",
    "order": "ranking: recency weights, and targets that come later; session: only earlier ratings",
    "features": "genres, year, age, gender, occupation",
    "bag of movies": "stars: the films that the user rated",
    "bag of users": "stars: the users who rated the film",
}
MOST_LINEAR_MOVIES = 10_000  # of a linear path: memory grows with their square, time with their cube
FADE_FLOOR = 0.15

Share = Annotated[float, Field(ge=0, lt=1)]
Layers = tuple[PositiveInt, ...]
Parts = Annotated[
    tuple[Literal[tuple(PARTS)], ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)
]


class Settings(BaseModel):
    """The settings of a `HybridModel`; the defaults were chosen on validation parts of MovieLens-100K.

    Attributes:
        dim, ranking_dim: length of the vectors in the two heads.
        hidden, ranking_hidden: units of each hidden layer of the MLPs; () for none.
        dropout, ranking_dropout: share of the MLPs' inputs set to 0 while training.
        stars_penalty, ranking_penalty, bias_penalty: weights of the mean squared lengths.
        hidden_share: share of a history that is hidden while training, if the history is not in order.
        ahead_ratings: how far ahead hidden ratings count, in ratings, if it is in order.
        fade_ratings, fade_floor: recency weights of a history in order: how fast they fall, in ratings, and to what.
        linear_weight, linear_regularisation: c and λ (in ratings) of the linear path. It is left out for more than
            `MOST_LINEAR_MOVIES` films.
        ordinal: predict stars as an ordered choice between the levels; otherwise by squared error.
        sampled: rank against the films of the batch instead of all, for catalogues that are too large.
        ids: also learn a vector of each user, in both heads, and of each movie in the stars head (the ranking head
            always has one). They memorise train, and newcomers have none.
        encoder: how the ranking head reads a history: as a "bag", a weighted sum, or by self-"attention" over the
            newest films in their order, for which `explain` has no share of each film.
        most_pairs: users x movies of a history that is kept as matrices, 16 bytes a pair; larger ones are lists.
        most_raters: users in the bag of a movie, if histories are lists; a movie with more has an id instead.
        content_share: share of the movies that each step of the ranking head knows by their features only. Above 0,
            movies without a rating are not trained as wrong answers, and are ranked by their features. Notebook 11.
        without: names of `PARTS` to leave out.

    Raises:
        ValueError: if a name is unknown or a value is out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dim: PositiveInt = 32
    ranking_dim: PositiveInt = 64
    hidden: Layers = (16,)
    ranking_hidden: Layers = (64,)
    dropout: Share = 0.5
    ranking_dropout: Share = 0.6
    stars_penalty: NonNegativeFloat = 0.02
    ranking_penalty: NonNegativeFloat = 0.01
    bias_penalty: NonNegativeFloat = 0.05
    hidden_share: Share = 0.2
    ahead_ratings: PositiveFloat = 5.0
    fade_ratings: PositiveFloat = 5.0
    fade_floor: Share = FADE_FLOOR
    linear_weight: NonNegativeFloat = 8.0
    linear_regularisation: PositiveFloat = 300.0
    ordinal: bool = True
    sampled: bool = False
    ids: bool = False
    encoder: Literal["bag", "attention"] = "bag"
    most_pairs: NonNegativeInt = 50_000_000
    most_raters: NonNegativeInt = 64
    content_share: Share = 0.0
    without: Parts = ()

    def __init__(self, **given):
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ValueError(" ".join(_sentence(fault) for fault in error.errors())) from None


def _sentence(fault: dict) -> str:
    """Return one fault that pydantic found as a sentence: what must hold, and what was given."""
    name, given = fault["loc"][0], fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"`{name}` is not a setting; use one of {', '.join(Settings.model_fields)}."
    return f"`{name}` {fault['msg'].replace('Input should', 'must')}; got {given!r}."
