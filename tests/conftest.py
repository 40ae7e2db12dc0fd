"""Fixtures with a known answer; the models that several tests look at are trained once."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec import origin
from movierec.data import make_indices

DAY = 86_400  # seconds
START = 900_000_000  # July 1998, Unix seconds


@pytest.fixture
def tiny():
    """Six users, five movies, fourteen ratings; the rows are in the order of time, one a day.

        movie_id  10  20  30  40  50    the film                                  genres            year
    user_id  1     5   4   1   .   .    10 Toy Story (1995)                       Animation|Comedy  1995
             2     4   5   .   2   .    20 Aladdin (1992)                         Animation         1992
             3     .   1   5   4   .    30 Fargo (1996)                           Crime             1996
             5     1   .   4   5   .    40 The Usual Suspects (1995)              Crime             1995
             8     5   .   .   .   .    50 unknown: nobody rated it               (none)            (none)
             9     .   .   3   .   .

    The stars sum to 49, so their mean is 49 / 14 = 3.5. User 9 has no row in `users`, and nobody gives 8's age.
    """
    rows = [
        *[(1, 10, 5), (2, 10, 4), (3, 20, 1), (5, 10, 1), (8, 10, 5), (1, 20, 4), (9, 30, 3), (2, 20, 5), (3, 30, 5)],
        *[(5, 30, 4), (1, 30, 1), (2, 40, 2), (3, 40, 4), (5, 40, 5)],
    ]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]).astype({"rating": "float32"})
    ratings["timestamp"] = START + DAY * np.arange(len(rows))
    movies = pd.DataFrame(
        {
            "movie_id": [10, 20, 30, 40, 50],
            "title": ["Toy Story (1995)", "Aladdin (1992)", "Fargo (1996)", "The Usual Suspects (1995)", "unknown"],
            "year": pd.array([1995, 1992, 1996, 1995, None], dtype="Int64"),
            "genres": ["Animation|Comedy", "Animation", "Crime", "Crime", ""],
        }
    )
    users = pd.DataFrame(
        {
            "user_id": [1, 2, 3, 5, 8],
            "age": [17, 18, 24, 56, np.nan],
            "gender": ["F", "M", "F", "M", "F"],
            "occupation": ["writer", "student", "writer", "other", "other"],
        }
    )
    return movierec.MovieLens(ratings, movies, users)


@pytest.fixture
def tiny_indices(tiny):
    return make_indices(tiny.ratings, tiny.movies)


@pytest.fixture(scope="session")
def checkerboard():
    """40 users, 30 movies: even users give even movies 5 stars and odd ones 2, odd users the other way round.

                  movie  0   1   2   3  …      They rate a movie that they like with probability .8, another with .3,
        user  0          5   2   5   .         in random order, one a day. All movies are about equally popular and good
              1          2   5   .   5         on average, so that popularity and biases know little: the rest is taste.

    user_id is 100 + the number, movie_id 10 · (1 + the number); genres and years say nothing of the pattern. Drawn, and
    not counted out: if all had 13 movies of their own, a history that lacks one would tell what has been left out.
    """
    rng = np.random.default_rng(0)
    rows = []
    for user in range(40):
        likes = np.arange(30) % 2 == user % 2
        rated = np.nonzero(rng.random(30) < np.where(likes, 0.8, 0.3))[0]
        for day, movie in enumerate(rng.permutation(rated)):
            rows.append((100 + user, 10 * (movie + 1), 5.0 if likes[movie] else 2.0, START + DAY * day + user))
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    movie = np.arange(30)
    movies = pd.DataFrame(
        {
            "movie_id": 10 * (movie + 1),
            "title": [f"Film {number} ({1980 + number // 2})" for number in movie],
            "year": pd.array(1980 + movie // 2, dtype="Int64"),
            "genres": np.where(movie % 4 < 2, "Drama", "Comedy|Drama"),
        }
    )
    user = np.arange(40)
    users = pd.DataFrame(
        {"user_id": 100 + user, "age": 20 + user % 20 // 2, "gender": np.where(user % 4 < 2, "F", "M")}
    )
    return movierec.MovieLens(ratings.astype({"rating": "float32"}), movies, users)


@pytest.fixture(scope="session")
def split(checkerboard):
    """The checkerboard by `split_by_user_time`: of each user's 12 to 20 ratings, 1 or 2 are validation, 1 or 2 test."""
    return movierec.split_by_user_time(checkerboard.ratings)


@pytest.fixture(scope="session")
def small():
    """Settings of a model that is trained in two seconds."""
    stars = dict(dim=4, hidden=(4,), batch_size=64, learning_rate=0.01)
    return stars | dict(ranking_dim=8, ranking_hidden=(4,), users_per_batch=16, ranking_learning_rate=0.01)


@pytest.fixture(scope="session")
def fitted(split, checkerboard, small):
    """A small hybrid of the checkerboard, trained for five epochs. Tests must not change it."""
    return movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=0, epochs=5, **small)


@pytest.fixture(scope="session")
def once(split, checkerboard, small):
    """The same after two epochs, with seed 3: what is trained again elsewhere must be equal to the bit."""
    return movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=3, epochs=2, **small)


@pytest.fixture(scope="session")
def plain(split, small):
    """One epoch without tables of movies and users, in batches that are larger than train."""
    return movierec.fit_hybrid(split, epochs=1, **small | {"batch_size": 10_000, "users_per_batch": 10_000})


@pytest.fixture(scope="session")
def listed(split, checkerboard, small):
    """As `fitted`, with histories as lists, as those of 25 million ratings are; half of the users are in no bag.

    A step has eight times as many ratings as asked for: 64, too.
    """
    settings = small | {"most_pairs": 0, "most_raters": 20, "batch_size": 8}
    return movierec.fit_hybrid(split, checkerboard.movies, checkerboard.users, seed=0, epochs=5, **settings)


@pytest.fixture(scope="session")
def ml100k():
    """MovieLens-100K itself, as the course uses it."""
    return movierec.load("ml-100k")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout without git: a notebook with a heading and three code cells, and a report without results."""
    cells = ["import movierec", 'record.table("main_results", results)', 'record.figure("long_tail", fig, words)']
    notebook = [{"cell_type": "markdown", "source": ["# Training"], "id": "title"}]
    notebook += [{"cell_type": "code", "source": [cell], "id": f"cell-{n}"} for n, cell in enumerate(cells, start=1)]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "report").mkdir()
    (tmp_path / "notebooks/06_training.ipynb").write_text(json.dumps({"cells": notebook}))
    monkeypatch.setattr(origin, "ROOT", tmp_path)
    monkeypatch.setattr(origin, "_runs_of_code", {})
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path / "report"))
    monkeypatch.delenv("MOVIEREC_DATASET", raising=False)
    return tmp_path


@pytest.fixture
def running(monkeypatch):
    """`running(code)`: simulate a kernel that runs this source; `cell_id`: for JupyterLab."""
    import IPython  # here: other tests need neither
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")  # Matplotlib asks IPython once for more than is simulated here
    count = itertools.count()

    def start(code, cell_id=None):
        request = {"header": {"msg_id": f"request-{next(count)}"}, "content": {"code": code}}
        request["metadata"] = {"cellId": cell_id} if cell_id else {}
        monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(get_parent=lambda: request))

    return start


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium. Each test opens a context of its own; nothing is left of it for the next one."""
    from tests.web import chromium  # here: other tests need no browser

    with chromium() as browser:
        yield browser
