"""What can be turned in the panels: each setting with its unit, its values and its meaning in one line."""

from typing import NamedTuple

LOSSES = {  # name -> the head that it trains, and what it is for `Settings`
    "stars: ordered choice": ("stars", {"ordinal": True}),
    "stars: squared error": ("stars", {"ordinal": False}),
    "lists: softmax over all films": ("ranking", {"sampled": False}),
    "lists: softmax over drawn films": ("ranking", {"sampled": True}),
}
METRICS = {"stars": "rmse", "ranking": "ndcg@10"}  # on validation; the first is best low, the second high
UNITS = {"stars": "stars", "ranking": "0 to 1"}
COURSE_LOSS = {"stars": "stars: ordered choice", "ranking": "lists: softmax over all films"}


class Setting(NamedTuple):
    """What a reader can turn.

    Attributes:
        label: what it is called.
        unit: of its values.
        meaning: in one line.
        options: {head: the values that can be chosen}.
        default: {head: the one that the course uses}.
        keyword: {head: its name in `fit_hybrid`}.
    """

    label: str
    unit: str
    meaning: str
    options: dict
    default: dict
    keyword: dict


def _setting(label, unit, meaning, stars, ranking, defaults, keywords) -> Setting:
    by_head = [{"stars": one, "ranking": other} for one, other in ((stars, ranking), defaults, keywords)]
    return Setting(label, unit, meaning, *by_head)


_DIMS, _MLPS = (4, 8, 16, 32, 64, 128), ((), (16,), (64,), (64, 32))
_SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(10))
SETTINGS = {
    "dim": _setting(
        "Dimension", "numbers", "the length of each film's and person's vector",
        _DIMS, _DIMS, (32, 64), ("dim", "ranking_dim"),
    ),
    "hidden": _setting(
        "MLP", "units a layer", "the deep path's hidden layers; none leaves one linear layer",
        _MLPS, _MLPS, ((16,), (64,)), ("hidden", "ranking_hidden"),
    ),
    "dropout": _setting(
        "Dropout", "share", "of the deep path's inputs set to 0 in a step",
        _SHARES, _SHARES, (0.5, 0.6), ("dropout", "ranking_dropout"),
    ),
    "learning_rate": _setting(
        "Learning rate", "Adam's", "how far each step goes; too high jumps over the best weights",
        (0.0005, 0.001, 0.002, 0.004, 0.01), (0.001, 0.002, 0.004, 0.008, 0.02), (0.001, 0.004),
        ("learning_rate", "ranking_learning_rate"),
    ),
    "batch": _setting(
        "Batch", "ratings, or people for lists", "what one step sees; larger is faster, and fewer steps",
        (256, 512, 1024, 2048, 4096), (32, 64, 128, 256, 512), (1024, 256), ("batch_size", "users_per_batch"),
    ),
    "epochs": _setting(
        "Epochs", "passes over train; for lists ten each", "at most so many; it stops five after the best",
        tuple(range(1, 41)), tuple(range(1, 41)), (20, 30), ("epochs", "epochs"),
    ),
    "seed": _setting(
        "Seed", "a number", "of all that is random; the same seed gives the same run",
        tuple(range(10)), tuple(range(10)), (0, 0), ("seed", "seed"),
    ),
}  # fmt: skip


def default_settings(loss: str = COURSE_LOSS["ranking"]) -> dict:
    """The course's settings for a loss of `LOSSES`.

    Raises:
        ValueError: if there is no such loss.
    """
    if loss not in LOSSES:
        raise ValueError(f"`loss` must be one of {list(LOSSES)}; got {loss!r}.")
    head = LOSSES[loss][0]
    return {"loss": loss} | {name: setting.default[head] for name, setting in SETTINGS.items()}


def shown(value) -> str:
    """A setting's value for a reader: 64, 0.004, 64 + 32, none."""
    if isinstance(value, tuple | list):
        return " + ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
