"""From histories to lists.

Protected: what new events change (against users whose history is the same in another way), what a newcomer's genres
add, and that the saved functions answer to the bit as the model does.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import UNKNOWN
from movierec.keras2 import tf
from movierec.models import History
from movierec.recommend.people import GENRE_WEIGHT, popular_lately

NAN = float("nan")


@pytest.fixture
def pipeline(fitted):
    return fitted.pipeline


def columns_of(events):
    """Tensors of (movie_id, stars, is_seen)."""
    columns = zip(*events, strict=True) if events else ((), (), ())
    return [tf.constant(column, kind) for column, kind in zip(columns, (tf.int64, tf.float32, tf.bool), strict=True)]


def after(pipeline, user_id, events, k=30):
    """The list of `recommend_after` as a DataFrame."""
    answer = pipeline.recommend_after(tf.constant(user_id, tf.int64), *columns_of(events), k)
    table = pd.DataFrame({name: values[0].numpy() for name, values in answer.items()})
    return table[table["movie_id"] != UNKNOWN]


def entries_of(person):
    return [column.numpy().tolist() for column in person.entries[1:]]


def person_after(fitted, user_id, events):
    movie_id, *others = columns_of(events)
    index = tf.constant(fitted.indices.user_index([user_id]))
    return fitted.pipeline.after(index, tf.constant(fitted.indices.movie_index(movie_id.numpy())), *others)


# ---- known users


def test_a_new_rating_is_the_newest_of_the_history_and_the_film_leaves_the_list(fitted, pipeline):
    movie_id = int(fitted.recommend([100], k=1)["movie_id"][0])
    before, person = person_after(fitted, 100, []), person_after(fitted, 100, [(movie_id, 2.0, True)])
    index = int(fitted.indices.movie_index(movie_id))
    assert person.entries.movie.numpy().tolist() == [*before.entries.movie.numpy().tolist(), index]
    assert person.entries.age.numpy().tolist() == list(range(len(person.entries.age)))[::-1]
    bias, count = fitted.bias, len(before.entries.movie)
    above = 2.0 - bias.mean - bias.movie[index]
    own = (bias.user[0] * (bias.damping_user + count) + above) / (bias.damping_user + count + 1)
    assert float(person.bias[0]) == pytest.approx(own, abs=1e-5)
    assert float(person.entries.residual[-1]) == pytest.approx(above - own, abs=1e-5)
    table = after(pipeline, 100, [(movie_id, 2.0, True)])
    assert movie_id not in table["movie_id"].tolist() and len(table) == len(after(pipeline, 100, [])) - 1


def test_watched_without_stars_is_no_surprise_and_a_click_leaves_the_film_in_the_list(fitted, pipeline):
    before, person = person_after(fitted, 100, []), person_after(fitted, 100, [(10, NAN, True)])
    assert float(person.entries.residual[-1]) == 0 and float(person.bias[0]) == float(before.bias[0])
    movie_id = int(fitted.recommend([100], k=30)["movie_id"].iloc[-1])
    plain, clicked = after(pipeline, 100, []), after(pipeline, 100, [(movie_id, NAN, False)])
    assert movie_id in clicked["movie_id"].tolist()
    assert not np.allclose(plain.sort_values("movie_id")["score"], clicked.sort_values("movie_id")["score"])


def test_to_look_at_a_film_again_takes_no_stars_back(fitted, split):
    own = int(split.train.loc[split.train["user_id"] == 100, "movie_id"].iloc[0])
    for user_id, events in ((100, [(10, 2.0, True)]), (9999, [(10, 5.0, True), (50, 2.0, True)])):
        plain = person_after(fitted, user_id, events)
        again = person_after(fitted, user_id, [*events, (events[-1][0], NAN, True)])
        assert entries_of(again) == entries_of(plain) and float(again.bias[0]) == float(plain.bias[0])
    clicked, before = person_after(fitted, 100, [(own, NAN, False)]), person_after(fitted, 100, [])
    index = int(fitted.indices.movie_index(own))
    old = before.entries.residual.numpy()[before.entries.movie.numpy() == index]
    assert clicked.entries.movie.numpy()[-1] == index  # its place is the last …
    assert clicked.entries.residual.numpy()[-1] == pytest.approx(old, abs=1e-5)


def test_a_film_that_comes_twice_counts_as_it_came_last(fitted, split):
    own = int(split.train.loc[split.train["user_id"] == 100, "movie_id"].iloc[0])  # in the history already
    index = int(fitted.indices.movie_index(own))
    person = person_after(fitted, 100, [(own, 2.0, True), (10, 5.0, True), (own, 5.0, True)])
    movies = person.entries.movie.numpy().tolist()
    assert movies[-1] == index and len(movies) == len(set(movies))
    residual = 5.0 - fitted.bias.mean - fitted.bias.movie[index] - float(person.bias[0])
    assert float(person.entries.residual[-1]) == pytest.approx(residual, abs=1e-5)


# ---- newcomers


def test_events_of_somebody_unknown_are_a_newcomers_stars_with_ages(fitted):
    events = [(10, 5.0, True), (50, 4.0, True), (20, 2.0, True)]
    person = person_after(fitted, 9999, events)
    films = tf.constant(fitted.indices.movie_index([10, 50, 20]))
    newcomer = fitted.pipeline.newcomer(films, tf.constant([5.0, 4.0, 2.0]), tf.constant([], tf.int32))
    assert float(person.bias[0]) == float(newcomer.bias[0])
    assert person.entries.residual.numpy().tolist() == newcomer.entries.residual.numpy().tolist()
    assert person.entries.age.numpy().tolist() == [2, 1, 0] and newcomer.entries.age.numpy().tolist() == [0, 0, 0]
    assert int(person.is_seen.numpy().sum()) == 3  # and nothing of the user whose row stood in for theirs


def test_a_title_or_an_id_and_published_titles_only(fitted, pipeline):
    def ask(movie_id, title, stars, genre=()):
        values = (movie_id, tf.int64), (title, tf.string), (stars, tf.float32), (genre, tf.string)
        return pipeline.recommend_new(*(tf.constant(value, kind) for value, kind in values), 5)["movie_id"].numpy()

    by_id, by_title = ask([10, 20], [], [5.0, 2.0]), ask([10], ["Film 1 (1980)"], [5.0, 2.0])
    assert by_id.tolist() == by_title.tolist()
    for wrong, says in (
        (([], ["Film 1"], [5.0]), "every title must be that of one film"),
        (([9999], [], [5.0]), "every movie_id must be in the catalogue"),
        (([10], [], [5.0], ["Comedi"]), "every genre must be known"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=says):
            ask(*wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match="every user_id must have ratings in train"):
        pipeline.recommend(tf.constant([100, 9999], tf.int64), 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="k must be 1 or more"):
        pipeline.recommend(tf.constant([100], tf.int64), 0)
    assert pipeline.recommend(tf.constant([100], tf.int64), 31)["movie_id"].shape == (1, 30)  # all there are
    assert pipeline.similar(tf.constant(10, tf.int64), 1000)["movie_id"].shape == (30,)


def test_a_title_of_two_films_names_neither_and_seen_films_outside_the_catalogue_are_no_error(
    split, small, checkerboard
):
    """Two releases may have one title; validation may have films that neither train nor the table of movies has."""
    movies = checkerboard.movies.assign(title=["Twins (1980)"] * 2 + checkerboard.movies["title"].tolist()[2:])
    validation = split.validation.copy()
    validation.iloc[0, validation.columns.get_loc("movie_id")] = 999_999
    split = movierec.Split(split.train, validation, split.test, "user")
    model = movierec.fit_hybrid(split, movies, epochs=1, heads=("ranking",), **small)
    table = model.recommend([101], k=5)  # without a stars head: in the order of retrieval
    assert table["predicted_stars"].isna().all()
    scores = model.score(np.array([1]))[0]
    np.testing.assert_allclose(table["score"], scores[model.indices.movie_index(table["movie_id"])], atol=1e-5)
    assert model.pipeline.title_table.lookup(tf.constant(["Twins (1980)", "Film 3 (1981)"])).numpy().tolist() == [-1, 3]
    assert len(model.recommend([validation["user_id"].iloc[0]], k=3)) == 3


def test_a_favourite_genre_adds_the_log_of_its_rarity_to_its_films(fitted, pipeline, split):
    none = tf.constant([], tf.int32)
    titles = fitted.movies.set_index("movie_id")["genres"]

    def added(*genres):
        rows = pipeline.genre_table.lookup(tf.constant(genres, tf.string))
        person = pipeline.newcomer(none, tf.constant([]), rows)
        bare = fitted.model.ranking.score_people(person.entries, person.user_index, rows).numpy()[0]
        return pipeline.retrieval(person).numpy()[0] - bare

    share = titles[split.train["movie_id"]].str.contains("Comedy").mean()
    is_comedy = titles.str.contains("Comedy").to_numpy()
    assert 0.2 < share < 0.8
    expected = GENRE_WEIGHT * np.log(1 / share) * is_comedy
    np.testing.assert_allclose(added("Comedy"), expected, atol=1e-4)
    np.testing.assert_allclose(added("Comedy", "Drama"), expected, atol=1e-4)  # all are dramas, which says nothing
    np.testing.assert_allclose(added(), 0 * expected, atol=1e-6)


def test_of_genres_alone_their_films_come_first_and_beside_stars_they_only_gain(fitted):
    all_films, genres = fitted.indices.num_movies, fitted.movies.set_index("movie_id")["genres"]
    table = fitted.recommend_new(genres=("Comedy",), k=all_films)
    is_comedy = genres[table["movie_id"]].str.contains("Comedy").to_numpy()
    count = is_comedy.sum()
    assert 0 < count < all_films == len(table) and is_comedy[:count].all()
    for part in (table[:count], table[count:]):  # best first within the genre, and after it
        assert part["score"].is_monotonic_decreasing
    assert table["score"][count:].max() > table["score"][:count].min()  # by the score alone they would not be first
    ten = fitted.recommend_new(genres=("Comedy",), k=min(10, count))
    assert ten["movie_id"].tolist() == table["movie_id"][: len(ten)].tolist()
    with_stars = fitted.recommend_new({10: 5.0}, genres=("Comedy",), k=all_films - 1)
    assert with_stars["score"].is_monotonic_decreasing


# ---- as a file for other programs


def test_the_saved_functions_answer_to_the_bit_as_the_model_does(fitted, pipeline, tmp_path):
    fitted.save(tmp_path)
    again = tf.saved_model.load(str(tmp_path / "1"))
    users = tf.constant(fitted.indices.user_ids, tf.int64)
    for name, column in pipeline.recommend(users, 7).items():
        np.testing.assert_array_equal(again.signatures["recommend"](user_id=users, k=tf.constant(7))[name], column)
        np.testing.assert_array_equal(again.recommend(users, tf.constant(7))[name], column)
    assert set(again.signatures) == {"recommend", "recommend_after", "recommend_new", "similar"}


def test_what_is_popular_lately_is_of_all_time_where_no_times_are_known():
    """Films 0, 1, 2 have 1, 2 and 0 ratings above the mean; with times, one of 14 days ago counts 1/e of a new one."""
    movie, above = np.array([0, 1, 1, 2], np.int32), np.array([1, 1, 1, -1], np.float32)
    bias = SimpleNamespace(mean=3.0, user=np.zeros(1), movie=np.zeros(3), levels=np.array([2.0, 4.0]))
    for times, expected in ([[0] * 4, [1, 2, 0]], [[1_209_600, 0, 0, 0], [1, 2 / np.e, 0]]):
        history = History(np.zeros(4, np.int32), movie, above, np.array(times), 1, 3, False)
        assert popular_lately(history, bias).tolist() == pytest.approx(expected)
