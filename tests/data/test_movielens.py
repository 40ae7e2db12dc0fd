"""`movierec.data.movielens`: where `load` looks, ML-100K itself, what it warns of, and the fingerprint."""

import hashlib
import struct
import warnings
from pathlib import Path

import pandas as pd
import platformdirs
import pytest

from movierec.data import movielens
from movierec.data.movielens import MovieLens, chosen, clean, data_folder, fingerprint, load, read_raw, star_step
from tests.data.conftest import rows, write_small


def test_the_folder_is_as_given_else_as_in_the_environment_else_in_the_checkout_else_the_users(tmp_path, monkeypatch):
    write_small(tmp_path)
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    assert len(load("ml-latest-small").ratings) == 2
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert len(load("ml-latest-small", f"~/{tmp_path.name}").ratings) == 2
    monkeypatch.delenv("MOVIEREC_DATA")
    assert data_folder() == Path(__file__).parents[2] / "data"
    # outside a checkout there is no pyproject.toml two folders up: nothing is written beside the packages
    monkeypatch.setattr(movielens, "__file__", str(tmp_path / "site-packages/movierec/data/movielens.py"))
    assert data_folder() == Path(platformdirs.user_cache_dir("movierec"))


def test_ml_100k_itself():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # cleaning removes nothing
        data = load("ml-100k")
    assert repr(data) == "MovieLens(100,000 ratings, 1,682 movies, 943 users, no tags)"
    assert rows(data.ratings.head(1)) == [(196, 242, 3.0, 881250949)]
    assert data.ratings.rating.sum() == 352_986
    assert data.ratings.user_id.nunique() == 943 and data.ratings.movie_id.nunique() == 1682
    assert rows(data.movies.tail(1)) == [(1682, "Scream of Stone (Schrei aus Stein) (1991)", 1991, "Drama")]
    assert (data.movies.genres.str.split("|").explode() != "").sum() == 2891  # 2,893 flags, 2 of them unknown
    assert rows(data.users.head(1)) == [(1, 24, "M", "technician", "85711")]
    assert fingerprint(data) == "f40682aea0f2"
    log = clean(read_raw("ml-100k"))[1].set_index("problem")
    assert dict(log.found[log.found > 0]) == {
        "titles with the article moved": 389,
        "titles that an earlier movie_id has": 18,
        "movies without a year": 1,
        "movies without genres": 2,
    }
    assert log.removed.sum() == 0


@pytest.mark.parametrize("name, nearest", [("ML-25M", "ml-25m"), ("small", "ml-latest-s"), (None, "ml-")])
def test_an_unknown_name_lists_the_known_ones(name, nearest):
    with pytest.raises(ValueError, match=f"must be one of ml-100k, .*-small; got {name!r}.*load..{nearest}"):
        load(name)


def test_the_fingerprint_is_of_the_sorted_columns():
    """Two ratings, (1, 7, 4 stars, time 9) and (2, 5, 3 stars, time 8): column by column, little-endian."""
    packed = struct.pack("<2q2q2f2q", 1, 2, 7, 5, 4, 3, 9, 8)
    expected = hashlib.sha256(packed).hexdigest()[:12]
    ratings = pd.DataFrame({"user_id": [2, 1], "movie_id": [5, 7], "rating": [3.0, 4.0], "timestamp": [8, 9]})
    for variant in [ratings, ratings[::-1], ratings.astype({"rating": "float32", "user_id": "int32"})]:
        assert fingerprint(MovieLens(variant, None)) == expected
    assert fingerprint(MovieLens(ratings.assign(rating=[3.0, 4.5]), None)) != expected


def test_the_data_set_of_the_notebooks_is_the_courses_unless_the_environment_names_another(monkeypatch):
    for named, expected in [("", "ml-100k"), ("ml-1m", "ml-1m")]:
        monkeypatch.setenv("MOVIEREC_DATASET", named)
        assert chosen() == expected
    names = ["ml-100k", "ml-1m", "ml-10m", "ml-latest-small"]
    assert [star_step(name) for name in names] == [1.0, 1.0, 0.5, 0.5]  # whole stars, then halves
