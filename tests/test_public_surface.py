"""What the README promises to somebody with their own tables, name by name and word by word."""

import functools
import inspect
import operator
import re
from pathlib import Path

import numpy as np
import pytest

import movierec

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_public_names_are_there_and_an_error_about_another_lists_them():
    splits = [f"split_{how}" for how in ("by_user_time", "by_time", "random5", "stratified", "leave_last")]
    functions = ["load", "read", *splits, "fit_hybrid", "fit_ensemble", "fit_sequence", "load_model"]
    classes = ["MovieLens", "Split", "Hybrid", "Ensemble", "SequenceRecommender"]
    assert sorted(movierec.__all__) == sorted([*functions, *classes])
    for name in movierec.__all__:
        assert callable(getattr(movierec, name))
    with pytest.raises(AttributeError, match="no attribute 'fit'") as error:
        movierec.fit  # noqa: B018
    assert "fit_hybrid" in str(error.value) and "load_model" in str(error.value)


SIGNATURES = {  # by position; then some of the keywords
    "load": ("name", ""),
    "split_by_user_time": ("ratings", "validation test"),
    "Split": ("train validation test", ""),
    "fit_hybrid": ("split movies users", "seed epochs patience learning_rate"),
    "fit_sequence": ("split movies", "seed loss epochs learning_rate"),
    "Hybrid.predict": ("self ratings", ""),
    "Hybrid.recommend": ("self user_ids k", "because"),
    "Hybrid.recommend_new": ("self stars k", "genres because"),
    "Hybrid.explain": ("self movie user_id", ""),
    "Hybrid.explain_new": ("self movie stars", "genres"),
    "Hybrid.similar": ("self movie k", ""),
    "SequenceRecommender.recommend": ("self user_ids k", ""),
    **dict.fromkeys(("Hybrid.save", "SequenceRecommender.save"), ("self folder", "")),
    "load_model": ("folder", ""),
}


def test_signatures_and_defaults_are_as_promised():
    found = {name: inspect.signature(operator.attrgetter(name)(movierec)).parameters for name in SIGNATURES}
    for name, (positional, keywords) in SIGNATURES.items():
        assert " ".join(found[name]).startswith(positional) and set(keywords.split()) <= set(found[name]), name
    fit = found["fit_hybrid"]
    assert fit["seed"].kind is fit["epochs"].kind is inspect.Parameter.KEYWORD_ONLY
    defaults = [found["load"]["name"], fit["users"], fit["seed"], found["Hybrid.recommend"]["k"]]
    assert [one.default for one in defaults] == ["ml-100k", None, 0, 10]


@pytest.fixture
def sixty(ml100k):
    """Sixty users of MovieLens-100K, 1 and 42 among them, and the films that they rated, Toy Story and Fargo too."""
    ratings = ml100k.ratings[ml100k.ratings["user_id"] <= 60]
    users = ml100k.users[ml100k.users["user_id"] <= 60]
    return movierec.MovieLens(ratings, ml100k.movies[ml100k.movies["movie_id"].isin(ratings["movie_id"])], users)


@pytest.fixture
def run(sixty, monkeypatch, tmp_path):
    """Run a page's code as it stands there, in tmp_path, on little data and with small settings; its last names."""
    small = {"dim": 4, "hidden": (4,), "ranking_dim": 8, "ranking_hidden": (4,)}
    little = {
        "load": lambda name: sixty,
        "fit_hybrid": functools.partial(movierec.fit_hybrid, epochs=1, **small),
        "fit_sequence": functools.partial(movierec.fit_sequence, epochs=1, dim=8, length=8),
    }
    for name, function in little.items():
        monkeypatch.setattr(movierec, name, function, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*blocks: str, **names) -> dict:
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
        return names

    return run


@pytest.mark.filterwarnings("ignore:.*(is taken for|films of one person):UserWarning")
def test_the_page_on_your_own_tables_runs_as_it_stands(run, sixty, tmp_path, monkeypatch):
    """From the export of one person to a list for this person: films that the model does not know are left out."""
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path / "data"))
    page = (Path(__file__).resolve().parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page.split("## Your own tables")[1].split("\n## ")[0], re.DOTALL)
    sixty.ratings.to_csv(tmp_path / "ratings.csv", index=False)
    sixty.movies.to_csv(tmp_path / "movies.csv", index=False)
    (tmp_path / "letterboxd").mkdir()
    films = "2020-01-05,Toy Story,1995,u,4.5\n2020-01-06,Fargo,1996,v,2\n2020-01-07,Nobody's,2031,w,5\n"
    (tmp_path / "letterboxd" / "ratings.csv").write_text("Date,Name,Year,Letterboxd URI,Rating\n" + films)
    blocks[-1] = blocks[-1].replace("model.recommend_new", "table = model.recommend_new")
    names = run(*blocks, movierec=movierec, ratings=sixty.ratings, movies=sixty.movies)
    assert len(blocks) == 2 and names["mine"].movie_id.tolist() == ["Toy Story (1995)", "Fargo (1996)"]
    assert len(names["table"]) == 10 and not names["table"].title.isin(names["mine"].movie_id).any()


def test_the_readmes_example_does_what_its_comments_say(run, sixty, tmp_path):
    """Run the README's code, then check each comment."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "fit_hybrid" in block)
    names = run(code)
    model, split = names["model"], names["split"]
    stars = model.predict(split.test)
    assert stars.shape == (len(split.test),) and stars.dtype == np.float32
    np.testing.assert_allclose(stars[::-1], model.predict(split.test[::-1]), atol=1e-5)  # in row order
    table = model.recommend([1, 42], k=10)
    assert list(table) == ["user_id", "rank", "movie_id", "title", "score", "predicted_stars"]
    assert table["user_id"].tolist() == [1] * 10 + [42] * 10
    seen = sixty.ratings.merge(table, on=["user_id", "movie_id"])
    assert len(seen.merge(split.train, on=["user_id", "movie_id"])) == 0
    new = model.recommend_new({"Toy Story (1995)": 5.0}, genres=("Comedy",), k=10, because=True)
    assert len(new) == 10 and "because" in new and "Toy Story (1995)" not in new["title"].tolist()
    every = model.recommend([42], k=len(sixty.movies)).set_index("title")["score"]
    film = every.index[3]
    assert model.explain(film, user_id=42)["contribution"].sum() == pytest.approx(every[film], abs=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my-model", "what-comes-next"]
    for folder, saved in {"my-model": model, "what-comes-next": names["sequence"]}.items():
        again = movierec.load_model(tmp_path / folder)
        both = [one.recommend([1, 42], k=10)["movie_id"] for one in (again, saved)]
        np.testing.assert_array_equal(*both)
    assert repr(model).startswith("Hybrid(60 users, ") and repr(split).startswith("Split(train ")
    mine = names["sequence"].recommend([1, 42], k=10)
    assert list(mine) == ["user_id", "rank", "movie_id", "title", "score"]
    assert not len(mine.merge(split.train, on=["user_id", "movie_id"]))
