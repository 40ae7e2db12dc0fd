"""A search finds films, and a visitor's list and evening are the model's."""

import pandas as pd

from movierec.recommend import Visitor, evening, recommended, search_titles, wishes


def test_a_search_finds_parts_of_titles_in_any_case_the_most_rated_first():
    titles = ["Alien 3 (1992)", "Alien (1979)", "Aliens (1986)", "Fargo (1996)"]
    movies = pd.DataFrame({"movie_id": [1, 2, 3, 4], "title": titles, "popularity": [10, 50, 40, 60]})
    assert search_titles(movies, " aLIen ")["movie_id"].tolist() == [2, 3, 1]
    assert search_titles(movies, "alien", count=1)["movie_id"].tolist() == [2]
    assert search_titles(movies, "")["movie_id"].tolist() == [4, 2, 3, 1]
    assert search_titles(movies, "fagro")["movie_id"].tolist() == [4]  # a similar spelling
    assert search_titles(movies, "(1979)")["movie_id"].tolist() == [2]  # text, not a pattern
    assert search_titles(movies, "xyzzy").empty


def test_the_list_is_the_models_with_what_is_known_of_the_films(fitted):
    table = recommended(fitted, Visitor({10: 5.0}, ("Comedy",)), 4)
    expected = fitted.recommend_new({10: 5.0}, k=4, genres=("Comedy",), because=True)
    pd.testing.assert_frame_equal(table[expected.columns], expected)
    assert table.attrs["based_on"] == "stars and genres"
    films = fitted.movies.set_index("movie_id")
    assert table["genres"].tolist() == films["genres"][table["movie_id"]].tolist()


def test_an_evening_is_chosen_from_what_the_visitor_has_not_rated(fitted):
    visitor = Visitor({int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids[:20]})
    films = evening(fitted, visitor, minutes=450)
    assert len(films) == 4 and films["minutes"].sum() <= 450 and not set(films["movie_id"]) & set(visitor.stars)
    comedies = {int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids if movie_id % 40 in (30, 0)}
    films = evening(fitted, Visitor(comedies), minutes=240, exclude=("Comedy",))  # no candidate has this genre
    assert len(films) == 2 and not films["genres"].str.contains("Comedy").any()


def test_an_evening_of_a_rare_kind_is_found_in_the_whole_catalogue(fitted, monkeypatch):
    """The three best films are all too new; with three candidates there are older films all the same."""
    monkeypatch.setattr(wishes, "CANDIDATES", 3)
    everything = recommended(fitted, Visitor(), fitted.indices.num_movies)
    old = everything["year"] < everything["year"][:3].min()
    films = evening(fitted, Visitor(), count=3, diversity=0, years=(1900, int(everything["year"][:3].min()) - 1))
    assert set(films["movie_id"]) == set(everything["movie_id"][old][:3])
