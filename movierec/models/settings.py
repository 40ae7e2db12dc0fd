"""What can be set of the hybrid, and what can be left out of it.

Turned in notebooks/06_training.
"""

from dataclasses import dataclass

PARTS = {  # what `without` can name
    "dot": "⟨x, y⟩, in both heads",
    "deep": "the MLP, in both heads",
    "session": "stars: what the user gave in the same minutes",
    "linear": "ranking: EASE on the same history",
    "explicit": "the residuals of the stars in the bags; whether it was rated stays",
    "order": "ranking: weights that fade, and questions in time; session: only from before",
    "features": "genres, year, age, gender, occupation",
    "bag of movies": "stars: on the user's side, what they rated",
    "bag of users": "stars: on the movie's side, who rated it",
}
ENCODERS = ("bag", "attention")
MOST_LINEAR_MOVIES = 10_000  # a linear path takes memory for their square and time for their cube


@dataclass(frozen=True)
class Settings:
    """What can be set of a `HybridModel`; the defaults were chosen on validation parts of MovieLens-100K.

    Attributes:
        dim, ranking_dim: length of the vectors in the two heads.
        hidden, ranking_hidden: units of each hidden layer of the MLPs; () for none.
        dropout, ranking_dropout: share of the MLPs' inputs set to 0 while training.
        stars_penalty, ranking_penalty, bias_penalty: weights of the mean squared lengths.
        hidden_share: of a history that is hidden while training, where it is not in order.
        ahead_ratings: how far ahead the hidden ratings weigh, where it is in order.
        fade_ratings, fade_floor: how the weights of a history in order fall, in ratings, and to what.
        linear_weight, linear_regularisation: c and λ (in ratings) of the linear path. It is left out, too, where there
            are more than `MOST_LINEAR_MOVIES`.
        ordinal: stars as an ordered choice between the levels; else by squared error.
        sampled: ranking against films of the batch instead of all, for catalogues that are too large.
        ids: also a learned vector of each user, in both heads, and of each movie in the stars head (in the ranking head
            movies always have one). They know train by heart, and newcomers have none.
        encoder: how the ranking head reads a history: as a "bag", a sum that fades, or by self-"attention" over the
            newest films in their order, of which `explain` knows no share for each film.
        most_pairs: users x movies of a history that is kept as matrices, 16 bytes a pair; larger ones are lists.
        most_raters: users in the bag of a movie, if histories are lists; a movie with more has an id instead.
        content_share: of the movies that each step of the ranking head knows by their features only; above 0, movies
            without a rating are not taught as wrong answers, and are ranked by what is known of them. Notebook 11.
        without: names of `PARTS` to leave out.

    Raises:
        ValueError: if a value is out of range, or a part is unknown.
    """

    dim: int = 32
    ranking_dim: int = 64
    hidden: tuple = (16,)
    ranking_hidden: tuple = (64,)
    dropout: float = 0.5
    ranking_dropout: float = 0.6
    stars_penalty: float = 0.02
    ranking_penalty: float = 0.01
    bias_penalty: float = 0.05
    hidden_share: float = 0.2
    ahead_ratings: float = 5.0
    fade_ratings: float = 5.0
    fade_floor: float = 0.15
    linear_weight: float = 8.0
    linear_regularisation: float = 300.0
    ordinal: bool = True
    sampled: bool = False
    ids: bool = False
    encoder: str = "bag"
    most_pairs: int = 50_000_000
    most_raters: int = 64
    content_share: float = 0.0
    without: tuple = ()

    def __post_init__(self):
        for name in ("dim", "ranking_dim", "ahead_ratings", "fade_ratings", "linear_regularisation"):
            if not getattr(self, name) > 0:  # a NaN is refused, too
                raise ValueError(f"`{name}` must be above 0, got {getattr(self, name)}.")
        for name in ("stars_penalty", "ranking_penalty", "bias_penalty", "linear_weight", "most_pairs", "most_raters"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` must be 0 or more, got {getattr(self, name)}.")
        for name in ("dropout", "ranking_dropout", "hidden_share", "fade_floor", "content_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be a share, 0 to below 1, got {getattr(self, name)}.")
        for name in ("hidden", "ranking_hidden"):
            units = getattr(self, name)
            if not isinstance(units, tuple | list) or not all(isinstance(n, int) and n > 0 for n in units):
                raise ValueError(f"`{name}` must be units of each layer, e.g. (32, 16) or (); got {units!r}.")
            object.__setattr__(self, name, tuple(units))
        if self.encoder not in ENCODERS:
            raise ValueError(f"`encoder` must be one of {', '.join(ENCODERS)}; got {self.encoder!r}.")
        without = (self.without,) if isinstance(self.without, str) else tuple(self.without)
        unknown = [part for part in without if part not in PARTS]
        if unknown:
            raise ValueError(f"`without` may name {', '.join(PARTS)}; got {unknown}.")
        object.__setattr__(self, "without", without)
