"""What the README promises to somebody with their own tables, name by name and word by word."""

import inspect

import pytest

import movierec


def test_the_public_names_are_there_and_no_others():
    names = ["MovieLens", "Split", "load", "split_by_user_time", "split_random5", "split_stratified"]
    assert sorted(movierec.__all__) == sorted([*names, "fit_hybrid", "load_model", "Hybrid"])
    for name in movierec.__all__:
        assert callable(getattr(movierec, name))


def test_an_unknown_name_is_an_attribute_error_that_lists_the_names():
    with pytest.raises(AttributeError, match="no attribute 'fit'") as error:
        movierec.fit  # noqa: B018
    assert "fit_hybrid" in str(error.value) and "load_model" in str(error.value)


@pytest.mark.parametrize(
    ("call", "positional", "keywords"),
    [
        (lambda: movierec.load, ["name"], []),
        (lambda: movierec.split_by_user_time, ["ratings"], ["validation", "test"]),
        (lambda: movierec.Split, ["train", "validation", "test"], []),
        (lambda: movierec.fit_hybrid, ["split", "movies", "users"], ["seed", "epochs", "patience", "learning_rate"]),
        (lambda: movierec.Hybrid.predict, ["self", "ratings"], []),
        (lambda: movierec.Hybrid.recommend, ["self", "user_ids", "k"], []),
        (lambda: movierec.Hybrid.recommend_new, ["self", "stars", "k"], []),
        (lambda: movierec.Hybrid.similar, ["self", "movie", "k"], []),
        (lambda: movierec.Hybrid.save, ["self", "folder"], []),
        (lambda: movierec.load_model, ["folder"], []),
    ],
)
def test_signatures_are_as_promised(call, positional, keywords):
    names = list(inspect.signature(call()).parameters)
    assert names[: len(positional)] == positional
    assert set(keywords) <= set(names)


def test_defaults_are_as_promised():
    assert inspect.signature(movierec.load).parameters["name"].default == "ml-100k"
    fit = inspect.signature(movierec.fit_hybrid).parameters
    assert fit["users"].default is None and fit["seed"].default == 0
    assert fit["seed"].kind is fit["epochs"].kind is inspect.Parameter.KEYWORD_ONLY
    assert inspect.signature(movierec.Hybrid.recommend).parameters["k"].default == 10


def test_the_readmes_example_runs_on_ones_own_tables(checkerboard, split, fitted, tmp_path):
    """The calls of the README in its order, on tables that movierec did not load."""
    own = movierec.Split(train=split.train, validation=None, test=split.test)
    assert len(own.train) == 640
    assert fitted.predict(split.test).shape == (40,)
    assert fitted.recommend([101, 142 - 40], k=10).columns.tolist() == ["user_id", "rank", "movie_id", "title", "score"]
    assert len(fitted.recommend_new({"Film 3 (1981)": 5.0}, k=10)) == 10
    fitted.save(tmp_path / "model")
    assert len(movierec.load_model(tmp_path / "model").recommend([101])) == 10


def test_representations_say_what_it_is_in_one_line(checkerboard, split, fitted):
    assert repr(fitted) == "Hybrid(40 users, 30 movies)"
    assert repr(split) == "Split(train 640, validation 40, test 40 ratings)"
    assert "0x" not in repr(fitted) + repr(split) + repr(checkerboard) + repr(fitted.indices)
