"""The settings of the hybrid: what is refused, by which message, and that they survive JSON."""

import json

import pytest

from movierec.models.settings import FADE_FLOOR, PARTS, Settings

NAN = float("nan")
REFUSED = {
    "must be greater than 0": {
        **dict.fromkeys(["dim", "ranking_dim", "ahead_ratings", "fade_ratings", "linear_regularisation"], (0, -1)),
    },
    "must be greater than or equal to 0": {
        **dict.fromkeys(["stars_penalty", "ranking_penalty", "bias_penalty", "linear_weight"], (-0.1,)),
        **dict.fromkeys(["most_pairs", "most_raters"], (-1,)),
        **dict.fromkeys(["dropout", "ranking_dropout", "hidden_share", "fade_floor", "content_share"], (-0.1,)),
    },
    "must be less than 1": dict.fromkeys(
        ["dropout", "ranking_dropout", "hidden_share", "fade_floor", "content_share"], (1, 1.5)
    ),
    "must be a finite number": dict.fromkeys(
        ["dropout", "stars_penalty", "ahead_ratings", "linear_weight", "content_share"], (NAN,)
    ),
    "must be a valid tuple": dict.fromkeys(["hidden", "ranking_hidden"], (8, "8", None)),
    "must be a valid integer": {"dim": ("many", 8.5), "hidden": ((8.5,),)},
    "must be 'bag' or 'attention'": {"encoder": ("lstm",)},
    "must be 'dot', 'deep', ": {"without": ("depth", ("deep", "depth"))},
}
CASES = [(must, name, value) for must, names in REFUSED.items() for name, values in names.items() for value in values]


@pytest.mark.parametrize(("must", "name", "value"), CASES)
def test_a_value_out_of_range_is_named_with_what_must_hold(must, name, value):
    with pytest.raises(ValueError, match=f"^`{name}` {must}.*; got ") as error:
        Settings(**{name: value})
    found = value[-1] if isinstance(value, tuple) else value  # of several parts or layers, the one that is wrong
    assert f"got {found!r}." in str(error.value)


def test_layers_must_have_units():
    with pytest.raises(ValueError, match="`hidden` must be greater than 0; got 0"):
        Settings(hidden=(4, 0))


def test_the_ends_of_the_ranges_are_allowed():
    Settings(stars_penalty=0, linear_weight=0, most_pairs=0, most_raters=0, dropout=0, fade_floor=0.99, hidden=())


def test_an_unknown_setting_is_answered_with_those_there_are_and_all_faults_are_told():
    with pytest.raises(ValueError, match="`dimension` is not a setting; use one of dim, ranking_dim") as error:
        Settings(dimension=8, dropout=2)
    assert "`dropout`" in str(error.value)


def test_an_unknown_part_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="got 'depth'") as error:
        Settings(without=("deep", "depth"))
    assert all(repr(part) in str(error.value) for part in PARTS)


def test_settings_survive_json_which_has_lists_only():
    settings = Settings(hidden=[7, 2], without=["deep"], encoder="attention")
    assert settings.hidden == (7, 2) and settings.without == ("deep",)
    assert Settings(**json.loads(json.dumps(settings.model_dump()))) == settings
    assert Settings(without="bag of users").without == ("bag of users",)


def test_settings_cannot_be_changed_after_a_model_was_built_with_them():
    with pytest.raises(ValueError, match="frozen"):
        Settings().dim = 3
    assert Settings().fade_floor == FADE_FLOOR
