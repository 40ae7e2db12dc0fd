"""What the README promises to somebody with their own tables, name by name and word by word."""

import functools
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import movierec

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_public_names_are_there_and_no_others():
    splits = [f"split_{how}" for how in ("by_user_time", "by_time", "random5", "stratified", "leave_last")]
    assert sorted(movierec.__all__) == sorted(
        [
            "MovieLens",
            "Split",
            "load",
            "read",
            *splits,
            "fit_hybrid",
            "fit_ensemble",
            "fit_sequence",
            "load_model",
            "Hybrid",
            "Ensemble",
        ]
    )
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
        (lambda: movierec.Hybrid.recommend, ["self", "user_ids", "k"], ["because"]),
        (lambda: movierec.Hybrid.recommend_new, ["self", "stars", "k"], ["genres", "because"]),
        (lambda: movierec.Hybrid.explain, ["self", "movie", "user_id"], []),
        (lambda: movierec.Hybrid.explain_new, ["self", "movie", "stars"], ["genres"]),
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


def test_the_readmes_example_runs(ml100k, monkeypatch, tmp_path):
    """The code of the README as it stands there, on MovieLens-100K; only the number of epochs is cut to one."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "fit_hybrid" in block)
    fit = functools.partial(movierec.fit_hybrid, epochs=1)
    monkeypatch.setattr(movierec, "fit_hybrid", fit, raising=False)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    model, split = names["model"], names["split"]
    assert model.predict(split.test).shape == (9_596,)
    table = model.recommend([1, 42], k=10)
    assert list(table) == ["user_id", "rank", "movie_id", "title", "score", "predicted_stars"]
    assert table["user_id"].tolist() == [1] * 10 + [42] * 10
    (folder,) = tmp_path.iterdir()  # "my-model"
    again = movierec.load_model(folder)
    np.testing.assert_array_equal(again.recommend([1, 42])["movie_id"], table["movie_id"])
    new = again.recommend_new({"Toy Story (1995)": 5.0}, k=10)
    assert len(new) == 10 and "Toy Story (1995)" not in new["title"].tolist()


def test_representations_say_what_it_is_in_one_line(checkerboard, split, fitted):
    assert repr(fitted) == "Hybrid(40 users, 30 movies)"
    assert repr(split) == "Split(train 564, validation 44, test 44 ratings)"
    assert "0x" not in repr(fitted) + repr(split) + repr(checkerboard) + repr(fitted.indices)
