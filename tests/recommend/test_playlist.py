"""Playlists against sums on paper, slow loops over random candidates, and all orders of a few films.

Protected: the objective and its greedy choice, the evening, the mix, the filters, the order, the refusals.
"""

import itertools
import math
import re

import numpy as np
import pandas as pd
import pytest

from movierec.recommend import playlist
from movierec.recommend.playlist import gains, genre_shares, in_order, make_playlist, relevance

GENRES = ["Action", "Comedy", "Crime", "Drama", "Western"]


def _candidates(num: int, seed: int, dim: int = 6) -> tuple[pd.DataFrame, np.ndarray]:
    """Candidates with whole scores, hence many ties, 0 to 2 genres, and every seventh without a year; best first."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(GENRES, rng.integers(0, 3), replace=False) for _ in range(num)]
    year = pd.array(rng.integers(1940, 1999, num), dtype="Int64")
    year[::7] = pd.NA
    table = pd.DataFrame(
        {
            "movie_id": 10 * rng.permutation(num) + 1,
            "title": [f"Film {row}" for row in range(num)],
            "score": np.sort(rng.integers(-20, 20, num))[::-1].astype("float32"),
            "genres": ["|".join(sorted(genres)) for genres in drawn],
            "year": year,
            "popularity": rng.integers(0, 500, num),
        }
    )
    return table, rng.normal(size=(num, dim)).astype("float32")


def _films(score, popularity=None, **columns) -> pd.DataFrame:
    """Candidates A, B, C, … with movie_id 1, 2, 3, …; all as popular and without genres unless said otherwise."""
    num = len(score)
    columns = {"genres": [""] * num, "year": pd.array([1990] * num, dtype="Int64")} | columns
    titles = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:num])
    popularity = [100] * num if popularity is None else popularity
    ids = range(1, num + 1)
    return pd.DataFrame({"movie_id": ids, "title": titles, "score": score, "popularity": popularity} | columns)


def _flags(candidates: pd.DataFrame) -> np.ndarray:
    return np.array([[genre in film.split("|") for genre in GENRES] for film in candidates["genres"]], float)


def _titles(table: pd.DataFrame) -> str:
    return "".join(sorted(table["title"]))


# ---- the objective


def test_mmr_by_hand():
    vectors = np.array([[1, 0], [1, 1], [0, 2], [0, 0]])
    worth = np.array([1, 0.9, 0.5, 0.25])
    first = gains([], worth, vectors, diversity=0.5)
    assert first.tolist() == [0.5, 0.45, 0.25, 0.125]  # like no other: half of the relevance
    second = gains([0], worth, vectors, diversity=0.5)  # cosines with the first: 1, √½, 0, and 0 for no direction
    assert second.tolist() == pytest.approx([0, 0.45 - 0.5 * math.sqrt(0.5), 0.25, 0.125], abs=1e-6)
    third = gains([0, 2], worth, vectors, diversity=0.25)  # the larger cosine counts: 1, √½, 1, 0
    assert third.tolist() == pytest.approx([0.5, 0.675 - 0.25 * math.sqrt(0.5), 0.125, 0.1875], abs=1e-6)


def _objective(films, worth, vectors, genres, p, diversity, calibration):
    """J of a list, written from its definition."""
    total, q = 0.0, np.zeros(len(p))
    for place, i in enumerate(films):
        cosines = [
            vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j]) for j in films[:place]
        ]
        total += (1 - diversity) * worth[i] - diversity * max(cosines, default=0)
        if genres[i].any():
            q += genres[i] / genres[i].sum()
    q = q / q.sum() if q.any() else q
    divergence = sum(p[g] * math.log(p[g] / (0.99 * q[g] + 0.01 * p[g])) for g in range(len(p)) if p[g])
    return (1 - calibration) * total - calibration * divergence


def test_relevance_by_hand():
    scores, popularity = np.array([14.0, 13, 10]), np.array([0, 9, 99])  # scaled: 1, ¾, 0; and log 1, 10, 100: 0, ½, 1
    assert relevance(scores, popularity).tolist() == [1, 0.75, 0]
    assert relevance(scores, popularity, 1).tolist() == pytest.approx([0, 1, 0])  # 1, 1¼, 1
    assert relevance(scores, popularity, 0).tolist() == pytest.approx([1, 0.625, 0])  # 1, ¼, −1
    assert relevance(scores, popularity, 0.75).tolist() == pytest.approx([1, 1, 0])  # 1, 1, ½
    assert relevance(np.array([3.0, 3]), np.array([5, 5]), 0.9).tolist() == [0, 0]  # all equal


def test_genre_shares_by_hand():
    history = pd.Series(["Animation|Comedy", "Comedy", "", "Drama|Comedy|War"])
    shares = genre_shares(history)  # of three films with genres: ½ + 1 + ⅓ Comedy, ½ Animation, ⅓ each of the others
    expected = {"Animation": 1 / 6, "Comedy": 11 / 18, "Drama": 1 / 9, "War": 1 / 9}
    assert shares.to_dict() == pytest.approx(expected, abs=1e-12) and list(shares.index) == sorted(expected)
    with pytest.raises(ValueError, match="a film with a genre; got none among 2"):
        genre_shares(pd.Series(["", ""]))


# ---- what is chosen


def test_without_any_wish_the_films_are_the_top_k_and_ties_fall_in_row_order():
    candidates, vectors = _candidates(30, 0)
    assert candidates["score"].nunique() < 30
    order = np.random.default_rng(1).permutation(30)
    films = candidates.iloc[order].reset_index(drop=True)
    for k in (1, 4, 30):
        chosen = make_playlist(films, vectors[order], count=k, familiarity=0.5, diversity=0, calibration=0)
        best = sorted(range(30), key=lambda row: -films["score"][row])[:k]  # Python's sort keeps the order of ties
        assert set(chosen["movie_id"]) == set(films["movie_id"][best]) and len(chosen) == k


@pytest.mark.parametrize("wishes", [{}, {"diversity": 0.8, "calibration": 0.4, "familiarity": 0.2}, {"calibration": 1}])
def test_the_choice_is_greedy_by_the_objective(wishes):
    candidates, vectors = _candidates(20, 1)
    p = pd.Series([0.4, 0.3, 0.2, 0.1, 0], GENRES)
    table = make_playlist(candidates, vectors, count=3, genre_shares=p, **wishes)  # three: no mix
    wishes = {"diversity": 0.3, "calibration": 0, "familiarity": 0.5} | wishes
    worth = relevance(candidates["score"].to_numpy(), candidates["popularity"].to_numpy(), wishes.pop("familiarity"))
    genres, films = _flags(candidates), []
    for _ in range(3):
        left = [film for film in range(20) if film not in films]
        value = {film: _objective([*films, film], worth, vectors, genres, p.to_numpy(), **wishes) for film in left}
        films.append(max(left, key=value.get))
    assert set(table["movie_id"]) == set(candidates["movie_id"][films])
    assert table["movie_id"][0] == candidates["movie_id"][max(films, key=lambda film: worth[film])]


def test_it_leaves_what_it_is_given_alone_and_adds_places_and_reasons_to_its_columns():
    candidates, vectors = _candidates(40, 2)
    candidates["predicted_stars"] = 3.5
    before = candidates.copy(), vectors.copy()
    wishes = dict(count=9, diversity=0.5, calibration=0.3, genre_shares={"Drama": 1.0}, exclude=["Western"])
    table = make_playlist(candidates, vectors, **wishes)
    pd.testing.assert_frame_equal(candidates, before[0])
    np.testing.assert_array_equal(vectors, before[1])
    other_index = candidates.set_axis(np.arange(40) % 3)  # a table that has been filtered or joined
    pd.testing.assert_frame_equal(make_playlist(other_index, vectors, **wishes), table)
    new = ["place", "movie_id", "title", "score", "why", "minutes"]
    assert list(table) == [*new, "genres", "year", "popularity", "predicted_stars"]
    assert table["place"].tolist() == list(table.index + 1) == list(range(1, 10))
    assert table["minutes"].tolist() == [playlist.MINUTES_PER_FILM] * 9
    same = candidates.set_index("movie_id").loc[table["movie_id"], ["title", "score", "genres", "year", "popularity"]]
    pd.testing.assert_frame_equal(table.set_index("movie_id")[list(same)], same)


# ---- an evening


def test_an_evening_takes_what_fits_and_then_smaller_films():
    films = _films([5.0, 4, 3, 2], minutes=[60, 50, 40, 30])
    # 100: B does not fit after A, C does. 130: A and B leave 20, in which nothing fits
    evenings = {30: "D", 59: "B", 60: "A", 100: "AC", 130: "AB", 150: "ABC", 180: "ABCD"}
    for minutes, chosen in evenings.items():
        assert _titles(make_playlist(films, np.eye(4), minutes=minutes, diversity=0)) == chosen
    unknown = films.assign(minutes=pd.array([200, None, 90, None], dtype="Int64"))  # None takes 110
    table = make_playlist(unknown, np.eye(4), minutes=310, diversity=0)
    assert dict(zip(table["title"], table["minutes"], strict=True)) == {"A": 200, "B": 110}


# ---- the mix


def test_a_playlist_holds_both_kinds_if_there_are_both():
    """All directions differ, so MMR is the ranking; the last place goes to the best of the other kind, the ninth."""
    well_known = [80, 70, 60, 50, 80, 90, 70, 80, 3, 1, 2, 4, 5, 6, 7, 8]
    for popularity in (well_known, [100 - value for value in well_known]):
        for count in (4, 7):
            table = make_playlist(_films(np.arange(16.0)[::-1], popularity), np.eye(16), count=count, diversity=0.3)
            assert _titles(table) == "ABCDEFG"[: count - 1] + "I"
            assert (table["why"] == "safe").tolist() == (table["popularity"] >= np.median(popularity)).tolist()


def test_nobody_gets_a_mix_who_did_not_ask_for_one():
    films, vectors = _films(np.arange(8.0)[::-1], [9, 9, 9, 9, 1, 1, 1, 1]), np.eye(8)
    assert _titles(make_playlist(films, vectors, count=4, diversity=0)) == "ABCD"
    assert _titles(make_playlist(films, vectors, count=4, familiarity=1)) == "ABCD"
    gems_first = films.assign(popularity=[1, 1, 1, 1, 9, 9, 9, 9])
    assert _titles(make_playlist(gems_first, vectors, count=4, familiarity=0)) == "ABCD"
    assert _titles(make_playlist(films, vectors, count=3)) == "ABC"
    assert _titles(make_playlist(films.assign(popularity=7), vectors, count=4)) == "ABCD"  # all are safe
    few = films.assign(genres=["War"] * 4 + ["Drama"] * 4)
    assert _titles(make_playlist(few, vectors, count=4, include="War")) == "ABCD"  # the filter leaves one kind


def test_the_mix_keeps_to_the_evening():
    films = _films(np.arange(6.0)[::-1], [9, 9, 9, 9, 1, 1], minutes=[50, 50, 50, 50, 51, 30])
    table = make_playlist(films, np.eye(6), minutes=200)
    assert _titles(table) == "ABCF" and table["minutes"].sum() == 180  # E is better than F, and a minute too long
    table = make_playlist(films.assign(minutes=[50, 50, 50, 50, 20, 30]), np.eye(6), minutes=200)
    assert _titles(table) == "ABCEF"  # what the exchange sets free is used


# ---- the filters


def _left_by(films, **wanted):
    return _titles(make_playlist(films, np.eye(len(films)), count=len(films), **wanted))


def test_filters_by_hand():
    year = pd.array([1979, 1980, 1999, 2000, None], dtype="Int64")
    films = _films([5.0, 4, 3, 2, 1], genres=["Drama", "Drama|War", "War", "", "Comedy"], year=year)
    assert _left_by(films) == "ABCDE"
    assert _left_by(films, years=(1980, 1999)) == "BC" == _left_by(films, years=[1980, 1999])
    assert _left_by(films, years=(1900, 2100)) == "ABCD"  # E has no year
    assert _left_by(films, include=("Drama", "Comedy")) == "ABE" == _left_by(films, include={"Drama", "Comedy"})
    assert _left_by(films, include="War") == "BC"
    assert _left_by(films, exclude=("War",)) == "ADE"
    assert _left_by(films, include=["War"], exclude=["Drama"], years=(1990, 1999)) == "C"
    assert _left_by(films, exclude=["Western"], genre_shares={"Western": 1.0}) == "ABCDE"  # known from the history
    films = _films([5.0, 4, 3, 2, 1], [1, 100, 1, 50, 100], genres=["Drama", "War", "War", "War", "Drama"])
    # Relevance of all five, before it is scaled again: B .75 + .5, C .5 + 0, D .25 + .5 · .83. Were the three War films
    # scaled among themselves, C would have .5 and D .41
    table = make_playlist(films, np.eye(5), count=2, include="War", familiarity=0.75, diversity=0)
    assert table["title"].tolist() == ["B", "D"]


# ---- the order


def _largest_of_neighbours(vectors, order):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return max((unit[a] @ unit[b] for a, b in itertools.pairwise(order)), default=-1)


def test_the_order_of_a_few_films_is_the_best_of_all_and_of_equal_ones_the_first():
    for n in range(1, 8):
        vectors = np.random.default_rng(n).normal(size=(n, 3))
        order = in_order(vectors)
        assert order[0] == 0 and sorted(order) == list(range(n))
        everything = ((0, *rest) for rest in itertools.permutations(range(1, n)))
        best = min(_largest_of_neighbours(vectors, other) for other in everything)
        assert _largest_of_neighbours(vectors, order) == pytest.approx(best, abs=1e-6)
    for n in (3, 12):
        same_direction = np.outer(1 + np.arange(n) / 7, [0.1, 0.7, 0.3])  # cosines of 1, give or take a rounding
        assert in_order(same_direction).tolist() == list(range(n))
    assert in_order(np.array([[1, 0], [0, 0], [1, 0]])).tolist() == [0, 1, 2]  # no direction is like no other


@pytest.mark.parametrize("n", [9, 25])
def test_the_order_of_many_films_is_never_worse_than_the_ranking_and_mostly_far_better(n):
    parted = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(3, 8))[rng.integers(0, 3, n)] + 0.7 * rng.normal(size=(n, 8))  # three kinds of film
        order = in_order(vectors)
        assert order[0] == 0 and sorted(order) == list(range(n))
        before, after = (_largest_of_neighbours(vectors, way) for way in (range(n), order))
        assert after <= before + 1e-6
        parted.append(before - after)
    assert np.mean(parted) > 0.3  # in cosine; measured .5 to .6


# ---- what is refused


WISHES = [
    ({}, "exactly one of count and minutes must be given; got count=None, minutes=None"),
    ({"count": 3, "minutes": 100}, "exactly one of count and minutes must be given; got count=3, minutes=100"),
    ({"count": 0}, "`count` must be a whole number, 1 to 6 (the candidates); got 0. Try count=1"),
    ({"minutes": math.nan}, "`minutes` must be a number above 0; got nan"),
    ({"minutes": 109}, "the evening must hold 110 minutes, the shortest of 6 films; got minutes=109"),
    ({"count": 2, "familiarity": 1.1}, "`familiarity` must be a number from 0 to 1; got 1.1. Try familiarity=0.5"),
    ({"count": 2, "diversity": None}, "`diversity` must be a number from 0 to 1; got None"),
    ({"count": 2, "calibration": 0.5}, "for calibration above 0 one of them above 0; got {}"),
    ({"count": 2, "genre_shares": {"War": -1, "Drama": 2}}, "`genre_shares` must be finite and 0 or more"),
    ({"count": 2, "years": (1999, 1980)}, "`years` must be (first, last) in this order; got (1999, 1980)"),
    ({"count": 2, "years": 1980}, "`years` must be"),
    ({"count": 2, "include": ["Crime", "Horor"]}, "in `include` must be known; got ['Horor']. Known are Crime"),
    ({"count": 2, "include": ("Crim",)}, "Did you mean include=('Crime',)?"),
    (
        {"count": 2, "include": "Crime", "years": (1, 2)},
        "one of 6 films; got none; alone they leave: include=['Crime']",
    ),
]
CANDIDATES = [
    ({"score": [3, 2, math.nan, 1, 0, -1]}, "every score must be finite, -inf or more; got 1 of 6"),
    ({"popularity": pd.array([1, None] * 3, "Int64")}, "every popularity must be finite, 0 or more; got 3 of 6"),
    ({"minutes": [90, 0, 90, 90, None, 90]}, "every minutes must be finite, 1 or more; got 1 of 6"),
    ({"movie_id": [1, 2, 3, 4, 2, 1]}, "got 2 rows that repeat a movie_id, e.g. [2, 1]"),
]


def test_wishes_that_cannot_be_met_and_candidates_that_cannot_be_ranked_are_refused():
    drawn, films, six = _candidates(6, 0), _films([2.0, 1]), _films([6.0, 5, 4, 3, 2, 1])
    wrong = "`vectors` must be finite, one row a film: (2, dim); got shape"
    for table, vectors, wishes, message in (
        *((*drawn, wishes, message) for wishes, message in WISHES),
        *((six.assign(**change), np.eye(6), {"count": 2}, message) for change, message in CANDIDATES),
        (films.drop(columns=["genres", "year"]), np.eye(2), {"count": 2}, "2 rows without genres, year"),
        (films[:0], np.eye(2), {"count": 2}, "got 0 rows"),
        *((films, other, {"count": 2}, wrong) for other in (np.eye(3), np.ones(2), np.full((2, 2), math.nan))),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            make_playlist(table, vectors, **wishes)
