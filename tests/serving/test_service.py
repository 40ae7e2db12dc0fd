"""The service over a model that can be counted out by hand, with as many films as the course's.

Protected: answers and refusals as documented, limits, feedback kept before it is acknowledged, no inside shown; nothing
that takes long in the event loop; who may ask. Connections and signals: test_connections.py.
"""

import asyncio
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from movierec.__main__ import main
from movierec.data import Titles
from movierec.serving import service
from movierec.serving.events import Event
from movierec.serving.service import make_app
from tests.serving.conftest import Client, refused

HERE = Path(__file__).parent
VIEW = Event(user_id=1, movie_id=10, kind="view", time=0)
JSON = {"content-type": "application/json"}
TITLES = ["Toy Story (1995)", "Aladdin (1992)", "Fargo (1996)", "Léon (1994)", "Hamlet (1948)", "Hamlet (1996)"]
NUM_FILMS = 1_682  # as in MovieLens-100K: what is quick with six films need not be quick with these


class Served:
    """Films 10, 20 … 16820, users 1 and 2, of whom 1 has seen film 10; a list is the rest in the order of movie_id."""

    num_users, num_movies, scale, genres = 2, NUM_FILMS, (1.0, 5.0), ["Comedy", "Crime"]
    user_type = movie_type = int
    manifest = {"data": "films", "metrics": {"ndcg@10": 0.5}, "versions": {}, "seed": 0, "format": "not told"}

    def __init__(self):
        others = [f"The {number} Nights of Film {number % 97} (19{number % 100:02})" for number in range(NUM_FILMS - 6)]
        self.movies = pd.DataFrame({"movie_id": range(10, 10 * NUM_FILMS + 10, 10), "title": TITLES + others})
        self.asked, self.find = [], Titles(self.movies).find

    def has_user(self, user_id):
        return user_id in (1, 2)

    def has_movie(self, movie_id):
        return movie_id in range(10, 10 * NUM_FILMS + 10, 10)

    def recommend(self, user_id, k, events=()):
        self.asked.append((user_id, k, events))
        return self._list({event.movie_id for event in events} | ({10} if user_id == 1 else set()), k)

    def recommend_new(self, stars, genres, k):
        self.asked.append((stars, genres, k))
        return self._list(stars, k)

    def similar(self, movie_id, k):
        films = self._list([movie_id], k)
        return [{name: film[name] for name in ("rank", "movie_id", "title", "score")} for film in films]

    def _list(self, without, k):
        films = [row for row in self.movies.itertuples() if row.movie_id not in without][:k]
        return [
            {"rank": rank, "movie_id": film.movie_id, "title": film.title, "score": -rank, "predicted_stars": None}
            for rank, film in enumerate(films, start=1)
        ]


def load_served(folder):
    """What `movierec.serving.served` has, for the processes below."""
    if Path(folder).name == "missing":
        raise FileNotFoundError(f"{folder} must hold a model;\nit does not.")
    if Path(folder).name == "broken":
        raise ValueError(f"{folder} was cut short.")
    return Served()


@pytest.fixture
def served():
    return Served()


@pytest.fixture
def events(store):
    return store


@pytest.fixture
def client(served, events):
    return Client(make_app(served, events))


def _films(answer):
    assert answer.status_code == 200, answer.text
    return [film["movie_id"] for film in answer.json()["movies"]]


# ---- lists


def test_answers_are_what_the_model_says(client, events):
    film = {"rank": 1, "movie_id": 20, "title": "Aladdin (1992)", "score": -1.0}
    other = {"rank": 2, "movie_id": 30, "title": "Fargo (1996)", "score": -2.0}
    listed = [one | {"predicted_stars": None, "place": one["rank"], "propensity": 1.0} for one in (film, other)]
    events.append(VIEW)
    model = {"data": "films", "metrics": {"ndcg@10": 0.5}, "versions": {}, "seed": 0}
    answer = client.get("/recommend/1?k=2").json()
    assert answer == {"based_on": "history and feedback", "list_id": answer["list_id"], "movies": listed}
    for path, answer in {
        "/similar/10?k=2": {"movies": [film, other]},
        "/health": {"status": "ok", "users": 2, "movies": NUM_FILMS, "events": 1, "model": model},
    }.items():
        assert client.get(path).json() == answer


@pytest.mark.parametrize(
    "body, based_on, asked",
    [
        ({}, "popularity", ({}, (), 10)),
        ({"stars": [{"movie_id": 10, "stars": 5}]}, "stars", ({10: 5.0}, (), 10)),
        ({"genres": ["Crime", "Comedy"], "k": 2}, "genres", ({}, ("Crime", "Comedy"), 2)),
        (
            {"stars": [{"title": "fargo", "stars": 1}, {"title": "Léon", "stars": 4.5}], "genres": ["Crime"]},
            "stars and genres",
            ({30: 1.0, 40: 4.5}, ("Crime",), 10),
        ),
    ],
)
def test_a_newcomer_gets_a_list_and_is_told_what_it_is_based_on(client, served, body, based_on, asked):
    answer = client.post("/recommend", body)
    assert (answer.status_code, answer.json()["based_on"]) == (200, based_on)
    assert served.asked == [asked]


@pytest.mark.parametrize("num_movies, default", [(6, 6), (1_000, 10)])
def test_ten_films_unless_another_number_is_asked_for(served, events, num_movies, default):
    served.num_movies = num_movies
    client = Client(make_app(served, events))
    parameters = client.get("/openapi.json").json()["paths"]["/similar/{movie_id}"]["get"]["parameters"]
    schema = next(one["schema"] for one in parameters if one["name"] == "k")
    assert (schema["default"], schema["minimum"], schema["maximum"]) == (default, 1, 100)
    assert _films(client.get("/recommend/2")) == list(range(10, 10 * default + 10, 10))
    assert _films(client.get("/recommend/2?k=3")) == [10, 20, 30]


# ---- feedback


def test_feedback_is_kept_and_the_next_list_knows_it(client, served, events):
    before = int(time.time())
    answer = client.post("/feedback", {"user_id": 1, "movie_id": 20, "kind": "stars", "stars": 4.5})
    [event] = events.of(1)
    assert event == Event(user_id=1, movie_id=20, kind="stars", stars=4.5, time=event.time)
    assert (answer.status_code, answer.json()) == (201, event.model_dump()) and before <= event.time <= time.time()
    answer = client.get("/recommend/1?k=2")
    assert (answer.json()["based_on"], _films(answer)) == ("history and feedback", [30, 40])
    assert served.asked == [(1, 2, [event])]


def test_a_new_user_is_known_from_the_first_event_on_and_not_after_the_last_is_deleted(client, served, events):
    events.append(VIEW)
    events.append(VIEW.model_copy(update={"user_id": 77, "movie_id": 999}))  # a film that the model no longer knows
    refused(client.get("/recommend/77"), 404, "user_id 77 is not one of the 2 users", "POST /recommend")
    assert client.post("/feedback", {"user_id": 77, "movie_id": 10, "kind": "view"}).status_code == 201
    answer = client.get("/recommend/77?k=1")
    assert (answer.json()["based_on"], _films(answer)) == ("feedback", [20])
    assert [event.movie_id for event in served.asked[0][2]] == [10]
    for deleted, impressions in ((2, 1), (0, 0)):
        answer = client.request("DELETE", "/users/77/events")
        expected = {"user_id": 77, "deleted": deleted, "impressions": impressions}
        assert (answer.status_code, answer.json()) == (200, expected)
    refused(client.get("/recommend/77"), 404)
    assert events.of(1) == [VIEW]


def test_events_that_cannot_be_written_or_read_are_a_503_without_the_path(client, events):
    """What is not kept is not acknowledged. The file is gone, and is put back; then the store is closed."""
    body = {"user_id": 1, "movie_id": 20, "kind": "view"}
    events.append(VIEW)
    events.path.rename(elsewhere := events.path.with_name("elsewhere"))
    for reason in ("it was moved or deleted; put it back", "Cannot operate on a closed database."):
        asked = [("POST", "/feedback"), ("GET", "/recommend/1"), ("DELETE", "/users/1/events"), ("GET", "/health")]
        for method, target in asked:
            answer = client.request(method, target, json=body)
            refused(answer, 503, f"the events cannot be reached ({reason}). Try again later.")
        if elsewhere.exists():
            elsewhere.rename(events.path)
            assert client.post("/feedback", body).status_code == 201 and len(events.of(1)) == 2
            events.close()


@pytest.mark.parametrize(
    "method, target, body",
    [
        ("GET", "/recommend/1", None),
        ("GET", "/similar/10", None),
        ("POST", "/recommend", {"stars": [{"title": "fargo", "stars": 5}]}),
        ("POST", "/feedback", {"user_id": 1, "movie_id": 10, "kind": "view"}),
        ("DELETE", "/users/1/events", None),
        ("GET", "/health", None),
    ],
)
def test_the_disk_the_model_and_titles_are_waited_for_in_threads(served, events, monkeypatch, method, target, body):
    """An answer that takes long does not hold up the others: nothing of the model or the store runs in the loop."""
    asked = []

    def watched(name, function):
        def ask(*arguments, **options):
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            asked.append(name)
            return function(*arguments, **options)

        return ask

    for name in ("recommend", "recommend_new", "similar", "find"):
        monkeypatch.setattr(served, name, watched(name, getattr(served, name)))
    for name in ("read", "write", "settle"):
        monkeypatch.setattr(events.file, name, watched(name, getattr(events.file, name)))
    answer = Client(make_app(served, events)).request(method, target, json=body)
    assert answer.status_code in (200, 201) and asked


# ---- lists in the log


def _logged(events):
    return [(one.list_id, one.user_id, one.movie_id, one.place, one.propensity) for one in events.impressions()]


def test_a_list_is_in_the_log_when_it_is_answered_with_its_places_and_who_asked(client, events):
    answers = [client.get("/recommend/1?k=2")]
    answers += [client.post("/recommend", {"k": 1} | who) for who in ({}, {"user_id": 77})]
    expected = [
        (answer.json()["list_id"], user_id, film["movie_id"], film["place"], film["propensity"])
        for answer, user_id in zip(answers, (1, None, 77), strict=True)
        for film in answer.json()["movies"]
    ]
    assert _logged(events) == expected and len(expected) == 4
    assert {one[0] for one in expected} == {answer.json()["list_id"] for answer in answers}
    assert client.request("DELETE", "/users/77/events").json()["impressions"] == 1
    assert client.get("/similar/10").status_code == 200 and len(events.impressions()) == 3


def test_a_list_that_is_being_made_when_its_user_is_forgotten_leaves_nothing(served, events):
    """A page asks for a list when a tab is opened; its visitor may be forgotten before it comes."""
    make = served.recommend_new

    def and_forget(*asked):
        events.forget(77)
        return make(*asked)

    served.recommend_new = and_forget
    client = Client(make_app(served, events))
    assert client.post("/recommend", {"k": 1, "user_id": 77}).status_code == 200 and events.impressions() == []
    served.recommend_new = make
    assert client.post("/recommend", {"k": 1, "user_id": 77}).status_code == 200 and len(events.impressions()) == 1


def test_lists_that_explore_are_drawn_from_more_candidates_and_say_the_chance(served, events):
    client = Client(make_app(served, events, explore=0.5))
    lists = [client.get("/recommend/2?k=10").json()["movies"] for _ in range(40)]
    assert {tuple(film["place"] for film in films) for films in lists} == {tuple(range(1, 11))}
    explored = [films for films in lists if any(film["rank"] != film["place"] for film in films)]
    assert 6 < len(explored) < 34 and {film["rank"] for films in explored for film in films} <= set(range(1, 31))
    for film in (film for films in lists for film in films):
        assert film["propensity"] == pytest.approx(0.5 / 30 + 0.5 * (film["rank"] == film["place"]))
    assert {asked[1] for asked in served.asked} == {30}


def test_feedback_may_name_the_list_that_showed_the_film_and_no_other(client, events):
    list_id = client.get("/recommend/1?k=2").json()["list_id"]
    body = {"user_id": 1, "movie_id": 30, "kind": "click", "list_id": list_id}
    for place in ({}, {"place": 2}):
        answer = client.post("/feedback", body | place)
        assert (answer.status_code, answer.json()["list_id"], answer.json()["place"]) == (201, list_id, 2)
    for wrong in ({"place": 1}, {"movie_id": 40}, {"user_id": 2}, {"list_id": "another"}):
        refused(client.post("/feedback", body | wrong), 422, "must have shown", "Leave list_id and place out")
    refused(client.post("/feedback", body | {"list_id": None, "place": 1}), 422, "`place` needs the `list_id`")
    anonymous = client.post("/recommend", {"k": 1}).json()
    film = anonymous["movies"][0]["movie_id"]
    kept = client.post("/feedback", {"user_id": 5, "movie_id": film, "kind": "click", "list_id": anonymous["list_id"]})
    assert kept.status_code == 201 and len(events) == 3


def test_a_second_model_answers_in_the_shadow_and_its_failure_is_not_seen(served, events, caplog):
    second = Served()
    second.manifest = {"sha256": "0123456789abcdef"}
    monkey = second.recommend
    second.recommend = lambda user_id, k, kept=(): monkey(user_id, k, kept)[::-1]
    client = Client(make_app(served, events, shadow=second))
    shown = client.get("/recommend/2?k=2").json()
    _wait_until(lambda: len(events.impressions()) == 4)
    log = [one for one in events.impressions() if one.model != "unknown"]  # either list may be written first
    assert [(one.movie_id, one.place, one.propensity, one.model) for one in log] == [
        (20, 1, 0.0, "0123456789ab"),
        (10, 2, 0.0, "0123456789ab"),
    ]
    assert {one.list_id for one in log} == {shown["list_id"]} and [f["movie_id"] for f in shown["movies"]] == [10, 20]
    assert served.asked[0][:2] == (2, 2)
    second.recommend = None
    assert client.get("/recommend/2?k=2").status_code == 200
    _wait_until(lambda: "the second model has no list" in caplog.text)


def _wait_until(holds):
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


# ---- who may ask


@pytest.mark.parametrize(
    "host, arrived, status",
    [
        ("127.0.0.1:8000", "127.0.0.1", 200),
        ("LOCALHOST.", "127.0.0.1", 200),
        ("[::1]:8000", "::1", 200),
        ("192.168.1.5:8000", "192.168.1.5", 200),
        ("192.168.1.5", "::ffff:192.168.1.5", 200),
        ("movies.example:8000", "127.0.0.1", 200),  # was named
        ("evil.example:8000", "127.0.0.1", 400),
        ("127.0.0.1.evil.example", "127.0.0.1", 400),
        ("127.0.0.1@evil.example", "127.0.0.1", 400),
        ("localhost", "192.168.1.5", 400),
        ("10.0.0.1", "127.0.0.1", 400),
        ("[", "127.0.0.1", 400),
        ("", "127.0.0.1", 400),
    ],
)
def test_a_name_that_somebody_else_gave_this_machine_isrefused(served, events, host, arrived, status):
    """DNS rebinding: a page of evil.example, which then points to 127.0.0.1, would be of this origin."""
    app = make_app(served, events, names=("movies.example",))

    async def at_an_address(scope, receive, send):
        await app(scope | {"server": (arrived, 8000)}, receive, send)

    for method, target in (("GET", "/recommend/1"), ("GET", "/docs"), ("DELETE", "/users/1/events")):
        answer = Client(at_an_address).request(method, target, headers={"host": host})
        assert answer.status_code == status, answer.text
    assert status == 200 or "start it with --name" in answer.json()["detail"]


def test_a_page_of_another_site_writes_nothing(client, events):
    events.append(VIEW)
    body = {"user_id": 1, "movie_id": 20, "kind": "view"}
    for origin in ("http://evil.example", "null", "http://service:8001", "https://service.evil.example"):
        for method, target in (("POST", "/feedback"), ("DELETE", "/users/1/events"), ("POST", "/recommend")):
            answer = client.request(method, target, json=body, headers={"origin": origin})
            refused(answer, 403, "of this service may write")
    assert events.of(1) == [VIEW]
    assert client.post("/feedback", body, headers={"origin": "http://service"}).status_code == 201


def test_a_token_closes_everything_but_the_documentation(served, events):
    client = Client(make_app(served, events, token="geheim é"))
    right = {"authorization": b"Bearer " + "geheim é".encode()}
    asked = [("GET", "/recommend/1"), ("POST", "/recommend"), ("GET", "/similar/10"), ("POST", "/feedback")]
    for method, target in [*asked, ("DELETE", "/users/1/events"), ("GET", "/health"), ("GET", "/nothing")]:
        for wrong in ("", "Bearer", "Bearer geheim", "Basic x"):
            answer = client.request(method, target, headers={"authorization": wrong} if wrong else {}, json={})
            refused(answer, 401, "Authorization: Bearer TOKEN")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert client.request(method, target, headers=right, json={}).status_code != 401
    for target in ("/docs", "/openapi.json"):
        assert client.get(target).status_code == 200
    assert "token" in client.get("/openapi.json").json()["info"]["description"]
    assert "Anybody" in Client(make_app(served, events)).get("/openapi.json").json()["info"]["description"]


# ---- refusals


def of_feedback(status, part, **body):
    return "POST", "/feedback", {"user_id": 1, "movie_id": 20, "kind": "view"} | body, status, part


def of_stars(status, part, *stars):
    return "POST", "/recommend", {"stars": list(stars)}, status, part


FIVE = {"stars": 5}
HAMLETS = "2 have 'Hamlet': 'Hamlet (1948)' (movie_id 50), 'Hamlet (1996)'"
EITHER = "a film needs either movie_id or title"
REFUSED = [
    of_feedback(422, "`stars` must be given for the kind \"stars\" and no other; 'stars' has None.", kind="stars"),
    of_feedback(422, "'view' has 3.0", stars=3),
    of_feedback(422, "less than or equal to 5", kind="stars", stars=5.5),
    of_feedback(422, "body.time: Extra inputs are not permitted", time=0),
    of_feedback(422, "body.user_id: Input should be less than", user_id=2**63),
    of_feedback(404, "movie_id 11 is not in the catalogue of 1,682 films", movie_id=11),
    of_stars(422, "body.stars.0.stars: Input should be greater than or equal to 1", {"movie_id": 10, "stars": 0.5}),
    of_stars(422, EITHER, FIVE),
    of_stars(422, EITHER, FIVE | {"movie_id": 10, "title": "Fargo"}),
    of_stars(422, "every film must be named once; [30]", FIVE | {"movie_id": 30}, FIVE | {"title": "Fargo"}),
    of_stars(422, "at most 200 items", *[FIVE | {"movie_id": 10}] * 201),
    of_stars(422, "Nearest: 'Fargo (1996)' (movie_id 30)", FIVE | {"title": "Farggo"}),
    of_stars(422, HAMLETS, FIVE | {"title": "Hamlet"}),
    of_stars(422, r"'千と千尋\x00\r\n'", FIVE | {"title": "千と千尋\0\r\n"}),
    of_stars(422, "at most 300 characters", FIVE | {"title": "x" * 301}),
    of_stars(404, "movie_id 11 is not in the catalogue", FIVE | {"movie_id": 11}),
    ("POST", "/recommend", {"genres": ["comedy"]}, 422, "body.genres.0: Input should be 'Comedy' or 'Crime'"),
    ("POST", "/recommend", {"genres": ["Comedy", "Comedy"]}, 422, "every genre must be named once; ['Comedy']"),
    ("POST", "/recommend", {"genres": ["Comedy", "Crime", "Comedy"]}, 422, "at most 2 items"),
    ("GET", "/similar/11", None, 404, "movie_id 11 is not in the catalogue of 1,682 films"),
    *(("GET", f"/similar/10?k={k}", None, 422, "query.k: ") for k in ("0", "101", "", "1e1", "9" * 5_000)),
    *(("GET", f"/similar/{number}", None, 422, "path.movie_id: ") for number in (2**63, "9" * 5_000, "1.5", "%00")),
    *(("GET", f"/recommend/{number}", None, 404, str(number)) for number in (2**63 - 1, -(2**63))),
    ("GET", "/recommend/1?K=5", None, 422, "query.K: Extra inputs are not permitted"),
    ("DELETE", "/recommend/1", None, 405, "Method Not Allowed"),
]


@pytest.mark.parametrize("method, target, body, status, part", REFUSED)
def test_what_is_not_there_or_makes_no_sense_is_refused_and_kept_nowhere(
    client, served, events, method, target, body, status, part
):
    refused(client.request(method, target, json=body), status, part)
    assert (served.asked, len(events), events.impressions()) == ([], 0, [])


def test_a_model_without_genres_takes_none(served, events):
    served.genres = []
    client = Client(make_app(served, events))
    refused(client.post("/recommend", {"genres": ["Comedy"]}), 422, "at most 0 items")
    assert client.post("/recommend", {"genres": []}).status_code == 200


@pytest.mark.parametrize(
    "body, status",
    [
        (b"not JSON", 422),
        (b'{"k": \xff\xfe}', 400),
        (b"[" * 50_000, 400),
        (rb'{"\ud800": 1}', 422),
        (b'{"stars": [{"movie_id": 10, "stars": 1e999}], "kind": NaN}', 422),
        (rb'{"stars": [{"title": "\ud800", "stars": 5}], "kind": "\ud800"}', 422),
    ],
)
def test_bodies_that_are_no_json_object_are_refused(client, body, status):
    for endpoint in ("/recommend", "/feedback"):
        refused(client.post(endpoint, content=body, headers=JSON), status)


def test_json_must_be_called_json_and_a_long_wrong_field_is_not_sent_back_whole(client, events):
    """Otherwise any web page could post in the name of its visitor; an old browser asks nobody and names no origin."""
    for called in ({"content-type": "text/plain"}, {}):
        body = b'{"user_id": 1, "movie_id": 20, "kind": "view"}'
        refused(client.post("/feedback", content=body, headers=called), 422, "body: ")
    assert len(events) == 0
    answer = client.post("/recommend", {"x" * 60_000: 1})
    refused(answer, 422, "body.xxx")
    assert len(answer.content) < 1_100


# ---- long bodies


def test_a_body_may_have_as_many_bytes_as_said_and_not_one_more(client, monkeypatch):
    monkeypatch.setattr(service, "MOST_BYTES", 100)
    assert client.post("/recommend", content=b"{}" + 98 * b" ", headers=JSON).status_code == 200
    refused(client.post("/recommend", content=b"{}" + 99 * b" ", headers=JSON), 413, "at most 100 bytes")
    read = []

    async def endless():
        while True:
            read.append(30)
            yield b" " * 30

    refused(client.post("/feedback", content=endless(), headers=JSON), 413)
    assert sum(read) == 120  # the first part above the limit, and no more


def test_an_error_of_ours_is_not_shown(client, served, monkeypatch):
    def fail(*_):
        raise ValueError("/secret/path")

    for name in ("recommend", "recommend_new", "similar"):
        monkeypatch.setattr(served, name, fail)
    for answer in (client.get("/recommend/1"), client.post("/recommend", {}), client.get("/similar/10")):
        assert (answer.status_code, answer.json()) == (500, {"detail": "internal error"})


class OfText(Served):
    """The same with ids that are text: users "1" and "2", films "10", "20" …; a number is another kind of id."""

    user_type = movie_type = str

    def __init__(self):
        super().__init__()
        self.movies["movie_id"] = self.movies["movie_id"].astype(str)
        self.find = Titles(self.movies).find

    def has_user(self, user_id):
        return user_id in ("1", "2")

    def has_movie(self, movie_id):
        return isinstance(movie_id, str) and movie_id.isdecimal() and Served.has_movie(self, int(movie_id))


def test_ids_are_text_if_those_of_the_model_are(events):
    """A number is not understood as a text that looks like it: the model would answer about nobody."""
    client = Client(make_app(OfText(), events))
    event = {"user_id": "007", "movie_id": "20", "kind": "view"}
    assert client.post("/feedback", event).status_code == 201 and events.of("007")[0].movie_id == "20"
    assert events.of(7) == []
    answer = client.get("/recommend/007?k=2")
    assert (answer.json()["based_on"], _films(answer)) == ("feedback", ["10", "30"])
    assert client.get("/similar/20?k=1").status_code == 200
    assert client.post("/recommend", {"stars": [{"movie_id": "20", "stars": 5}, {"title": "Fargo", "stars": 5}]}).json()
    for wrong in ({"user_id": 7}, {"movie_id": 20}, {"movie_id": ""}):
        refused(client.post("/feedback", event | wrong), 422, "tring")
    refused(client.get("/similar/21"), 404, "movie_id '21' is not in the catalogue")
    assert client.request("DELETE", "/users/007/events").json()["deleted"] == 1
    assert client.post("/feedback", event | {"user_id": "Zoë/1"}).status_code == 201
    assert client.get("/recommend/Zo%C3%AB%2F1?k=1").json()["based_on"] == "feedback"
    assert client.request("DELETE", "/users/Zo%C3%AB%2F1/events").json()["deleted"] == 1
    assert "/recommend/{user_id}" in client.get("/openapi.json").json()["paths"]


# ---- documentation


def test_every_refusal_is_documented_as_a_problem(client):
    paths = client.get("/openapi.json").json()["paths"].values()
    documented = [operation["responses"] for path in paths for operation in path.values()]
    refusals = [
        codes[code]["content"]["application/json"]["schema"] for codes in documented for code in codes if code > "3"
    ]
    assert {schema["$ref"] for schema in refusals} == {"#/components/schemas/Problem"} and len(refusals) == 24


def test_the_page_of_the_documentation_needs_no_other_host(client):
    page = client.get("/docs")
    assert page.status_code == 200 and "https://" not in page.text and "http://" not in page.text
    may = page.headers["content-security-policy"]
    assert may.startswith("default-src 'none'") and "connect-src 'self'" in may and "http" not in may
    refused(client.get("/redoc"), 404)


def test_requests_made_from_the_documentation_find_no_hole(served, events):
    """Schemathesis: hundreds of requests, half of them against the rules; each answer must be as documented."""
    import hypothesis
    import schemathesis
    from schemathesis import checks, openapi
    from schemathesis.specs.openapi import checks as documented

    wanted = [checks.not_a_server_error, documented.status_code_conformance, documented.content_type_conformance]
    wanted += [documented.response_schema_conformance, documented.negative_data_rejection]
    served.has_user = served.has_movie = lambda number: number % 2 == 0  # any even number, so that some are right
    served.find = len
    schema = openapi.from_asgi("/openapi.json", make_app(served, events))
    statuses = Counter()
    for operation in (result.ok() for result in schema.get_all_operations()):
        modes = ("positive", "negative") if operation.path != "/health" else ("positive",)  # nothing to get wrong
        for mode in modes:

            @hypothesis.settings(max_examples=40, deadline=None, derandomize=True, database=None)
            @hypothesis.given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
            def ask(case):
                statuses[case.call_and_validate(checks=wanted).status_code] += 1

            ask()
    assert min(statuses[status] for status in (200, 201, 404, 422)) > 5, statuses


# ---- as a process: see test_connections.py, too


def test_a_service_that_cannot_start_says_why_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "movierec.serving.served", sys.modules[__name__])

    def reason(model="m", port=0, events=tmp_path / "events.db"):
        assert main(["serve", "--model", str(tmp_path / model), "--port", str(port), "--events", str(events)]) == 1
        out, text = capsys.readouterr()
        assert (out, text.count("\n")) == ("", 1)
        return text

    assert "missing must hold a model; it does not." in reason(model="missing")
    assert "broken was cut short." in reason(model="broken")
    (tmp_path / "else").write_text("something else\n")
    assert "Name another file" in reason(events=tmp_path / "else")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 must be free; Address already in use" in reason(port=port)
    assert "port 70000" in reason(port=70_000)
