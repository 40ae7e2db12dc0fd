"""What can be set, and what is refused."""

from dataclasses import asdict

import pytest

from movierec.models.settings import PARTS, Settings

POSITIVE = ["dim", "ranking_dim", "ahead_ratings", "fade_ratings", "linear_regularisation"]
NOT_NEGATIVE = ["stars_penalty", "ranking_penalty", "bias_penalty", "linear_weight", "most_pairs", "most_raters"]
SHARES = ["dropout", "ranking_dropout", "hidden_share", "fade_floor"]


@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_sizes_must_be_above_zero(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0, got {value}"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", NOT_NEGATIVE)
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_penalties_must_not_be_negative(name, value):
    assert getattr(Settings(**{name: 0}), name) == 0
    with pytest.raises(ValueError, match=f"`{name}` must be 0 or more, got {value}"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1, float("nan")])
def test_shares_must_be_shares(name, value):
    assert getattr(Settings(**{name: 0.99}), name) == 0.99
    with pytest.raises(ValueError, match=f"`{name}` must be a share, 0 to below 1, got {value}"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["hidden", "ranking_hidden"])
@pytest.mark.parametrize("value", [8, (0,), (8.0,), "8", None])
def test_hidden_must_be_units_of_layers(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be units of each layer") as error:
        Settings(**{name: value})
    assert repr(value) in str(error.value)


def test_lists_become_tuples_as_json_has_lists_only():
    settings = Settings(hidden=[7, 2], without=["deep"])
    assert settings.hidden == (7, 2) and settings.without == ("deep",)
    assert Settings(**asdict(settings)) == settings


def test_the_encoder_is_a_bag_or_attention():
    assert Settings().encoder == "bag" and Settings(encoder="attention").encoder == "attention"
    with pytest.raises(ValueError, match="`encoder` must be one of bag, attention; got 'lstm'"):
        Settings(encoder="lstm")


def test_one_part_may_be_named_alone():
    assert Settings(without="bag of users").without == ("bag of users",)


def test_an_unknown_part_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="`without` may name dot, deep") as error:
        Settings(without=("deep", "depth"))
    assert "['depth']" in str(error.value) and all(part in str(error.value) for part in PARTS)


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="dimension"):
        Settings(dimension=8)
