"""The settings of the hybrid: what is refused, by which message, and that they survive JSON."""

import json

import pytest

from movierec.models.settings import PARTS, Settings

NAN = float("nan")
SHARES = ["dropout", "ranking_dropout", "hidden_share", "fade_floor", "stars_averaged", "content_share"]
ABOVE_ZERO = ["dim", "ranking_dim", "ahead_ratings", "fade_ratings", "linear_regularisation"]
PENALTIES = ["stars_penalty", "ranking_penalty", "bias_penalty", "user_damping", "linear_weight"]
REFUSED = {
    "must be greater than 0": dict.fromkeys(ABOVE_ZERO, (0,)) | {"hidden": ((4, 0),)},
    "must be greater than or equal to 0": dict.fromkeys([*SHARES, *PENALTIES, "most_pairs"], (-1,)),
    "must be less than 1": dict.fromkeys(SHARES, (1,)),
    "must be a finite number": dict.fromkeys(["dropout", "stars_penalty", "ahead_ratings"], (NAN,)),
    "must be a valid tuple": dict.fromkeys(["hidden", "ranking_hidden"], (8, "8", None)),
    "must be a valid integer": {"dim": ("many", 8.5), "hidden": ((8.5,),)},
    "must be 'bag' or 'attention'": {"encoder": ("lstm",)},
    "must be 'user' or 'everyone'": {"recency_for": (("nobody",),)},
    "must be " + ", ".join(map(repr, list(PARTS)[:-1])): {"without": ("depth", ("deep", "depth"))},
}
CASES = [(must, name, value) for must, names in REFUSED.items() for name, values in names.items() for value in values]


@pytest.mark.parametrize(("must", "name", "value"), CASES)
def test_a_value_out_of_range_is_named_with_what_must_hold(must, name, value):
    with pytest.raises(ValueError, match=f"^`{name}` {must}.*; got ") as error:
        Settings(**{name: value})
    found = value[-1] if isinstance(value, tuple) else value  # of several parts or layers, the one that is wrong
    assert f"got {found!r}." in str(error.value)


def test_an_unknown_setting_is_answered_with_those_there_are_and_all_faults_are_told():
    with pytest.raises(ValueError, match="`dimension` is not a setting; use one of dim, ranking_dim") as error:
        Settings(dimension=8, dropout=2)
    assert "`dropout`" in str(error.value)


def test_settings_survive_json_which_has_lists_only_and_cannot_be_changed():
    ends = dict(stars_penalty=0, linear_weight=0, most_pairs=0, dropout=0, fade_floor=0.99)
    settings = Settings(hidden=[], ranking_hidden=[7, 2], without=["deep"], encoder="attention", **ends)
    assert settings.ranking_hidden == (7, 2) and settings.without == ("deep",)
    assert Settings(**json.loads(json.dumps(settings.model_dump()))) == settings
    assert Settings(without="bag of users").without == ("bag of users",)
    with pytest.raises(ValueError, match="frozen"):
        settings.dim = 3


def test_lists_of_a_split_that_recency_for_does_not_name_are_without_recency():
    """A random split has no order to leave out."""
    always, within_users = Settings(without="deep", recency_for=("user", "everyone")), Settings(without="deep")
    assert all(always.for_split(in_time).without == ("deep",) for in_time in ("user", "everyone", None))
    assert within_users.for_split("user") is within_users and within_users.for_split(None) is within_users
    once = within_users.for_split("everyone")
    assert once.without == ("deep", "recency") and once.for_split("everyone") is once
