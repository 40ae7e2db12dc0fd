"""The page of the service without a browser: its files, what it asks for, what is logged, and what is refused.

Protected: nothing comes from another host, no script stands in the page, titles are text, no inside is shown; what a
visitor was shown is in the log with its place, and only until they delete it.
"""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from movierec.recommend import Visitor, evening, recommended
from movierec.serving import visits
from movierec.serving.connections import OPEN
from tests.serving.conftest import ATTACK, refused

ROOT = Path(__file__).resolve().parents[2]
VISITOR = "-123456789012345678"
STARS = [{"movie_id": "10", "stars": 5}, {"movie_id": "20", "stars": 1}]


# ---- files


def test_the_files_have_their_types_and_a_strict_policy(page):
    ask = page()
    for path, (name, media_type) in visits.FILES.items():
        answer = ask("GET", path)
        assert answer.status_code == 200 and answer.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache" and answer.headers["x-content-type-options"] == "nosniff"
        may = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert may["default-src"] == may["frame-ancestors"] == "'none'" and may["script-src"] == "'self'"
        assert may["style-src"] == may["connect-src"] == "'self'" and "unsafe" not in str(may)
        if name != "index.html":
            assert answer.text == (visits.PAGE / name).read_text(encoding="utf-8")


def test_no_file_names_another_host_and_no_script_or_style_stands_in_the_page():
    texts = {name: (visits.PAGE / name).read_text(encoding="utf-8") for name, _ in visits.FILES.values()}
    assert set(texts) == {path.name for path in visits.PAGE.iterdir() if path.is_file()}
    assert not [name for name, text in texts.items() if re.search(r"https?:|//[a-z]+\.[a-z]|@import", text)]
    assert re.findall(r"<script[^>]*>\s*\S", texts["index.html"]) == ['<script src="/page/page.js" defer><']
    assert not re.search(r"<style|\sstyle=|\son\w+=", texts["index.html"])
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", texts["page.js"])


def test_the_page_knows_the_model_before_it_asks(page, about_of):
    about = about_of(page()("GET", "/").text)
    assert about["levels"] == [1, 2, 3, 4, 5] and about["genres"] == ["Comedy", "Drama"]
    assert (about["years"], about["movies"], about["user_type"]) == ([1980, 1994], 30, "int")


def test_a_service_for_programs_has_no_page(beside, store):
    from movierec.serving.service import make_app

    assert not [route for route in make_app(beside, store).routes if route.path == "/" or "page" in route.path]


def test_the_documentation_runs_its_own_script_alone(page):
    may = page()("GET", "/docs").headers["content-security-policy"]
    assert "unsafe" not in may and len(re.findall("'sha256-[A-Za-z0-9+/]{43}='", may)) == 2


# ---- answers


def test_a_search_finds_films_and_a_title_is_text(page, hostile):
    ask = page()
    answer = ask("GET", "/page/films", params={"text": "ONERROR"})
    [film] = answer.json()["movies"]
    assert film["title"] == ATTACK and film["movie_id"] in map(str, hostile.indices.movie_ids)
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    first = ask("GET", "/page/films").json()["movies"]
    assert len(first) == visits.MOST_FOUND and first[0] == film  # nothing typed: the most rated films
    assert ask("GET", "/page/films", params={"text": "xyzzy"}).json()["movies"] == []


def test_a_list_is_the_models_and_is_logged_under_the_visitors_number_until_it_is_deleted(page, store, hostile):
    ask = page()
    body = {"stars": STARS, "genres": ["Comedy"], "k": 5, "visitor": VISITOR}
    answer = ask("POST", "/page/list", json=body)
    table = recommended(hostile, Visitor({10: 5.0, 20: 1.0}, ("Comedy",)), 5)
    movies = answer.json()["movies"]
    for name in ("title", "because"):
        assert [film[name] for film in movies] == table[name].tolist()
    assert [film["movie_id"] for film in movies] == table["movie_id"].astype(str).tolist()
    assert [film["predicted_stars"] for film in movies] == pytest.approx(table["predicted_stars"].tolist())
    assert answer.json()["says"] == "From the films that you rated and the genres that you like:"
    assert answer.json()["unknown"] == [] and movies[0]["genres"] == table["genres"][0].split("|")
    log = store.impressions()
    assert [(one.movie_id, one.place, one.propensity) for one in log] == [
        (movie_id, place, 1.0) for place, movie_id in enumerate(table["movie_id"].tolist(), start=1)
    ]
    assert {(one.user_id, one.list_id) for one in log} == {(int(VISITOR), answer.json()["list_id"])}
    assert len(store) == 0  # the stars are not kept
    assert ask("DELETE", f"/users/{VISITOR}/events").json()["impressions"] == 5 and store.impressions() == []


def test_an_evening_is_the_models_and_is_logged(page, store, hostile):
    body = {"minutes": 360, "familiarity": 0.2, "diversity": 0.5, "first": 1985, "last": 1994, "exclude": "Comedy"}
    answer = page(explore=0.9)("POST", "/page/evening", json=body | {"visitor": VISITOR}).json()
    kind = {"years": (1985, 1994), "exclude": ("Comedy",), "include": ()}
    table = evening(hostile, Visitor(), minutes=360, familiarity=0.2, diversity=0.5, **kind)
    assert [(film["title"], film["why"]) for film in answer["movies"]] == list(zip(table.title, table.why, strict=True))
    log = store.impressions()
    assert [one.place for one in log] == [1, 2, 3] and {one.propensity for one in log} == {1.0}


def test_where_lists_explore_those_of_the_page_do_too(page, store, hostile):
    ask = page(explore=0.5)
    for _ in range(12):
        ask("POST", "/page/list", json={"k": 3})
    chances = {round(one.propensity, 4) for one in store.impressions()}
    assert chances == {round(0.5 + 0.5 / 30, 4), round(0.5 / 30, 4)}


def test_films_of_another_model_are_left_out_and_a_visitor_who_has_rated_every_film_gets_none(page, hostile):
    ask = page()
    answer = ask("POST", "/page/list", json={"stars": [{"movie_id": "gone", "stars": 4}, *STARS]}).json()
    assert answer["unknown"] == ["gone"] and answer["says"] == "From the films that you rated:"
    stars = [{"movie_id": str(movie_id), "stars": 5} for movie_id in hostile.indices.movie_ids]
    assert ask("POST", "/page/list", json={"stars": stars}).json()["movies"] == []
    refused(ask("POST", "/page/evening", json={"stars": stars}), 422, "you have rated every film")


# ---- refusals


@pytest.mark.parametrize(
    "target, body, part",
    [
        ("list", {"stars": [{"movie_id": "10", "stars": 6}]}, "stars must be 1 to 5; got 6"),
        ("list", {"stars": [{"movie_id": 10, "stars": 5}]}, "valid string"),
        ("list", {"stars": STARS * 101}, "at most 200"),
        ("list", {"genres": ["<b>"]}, "every genre must be known to the model; got ['<b>']"),
        ("list", {"visitor": "7"}, "must be a negative number"),
        ("list", {"visitor": "me"}, "must be a negative number"),
        ("list", {"visitor": "-" + "9" * 299}, "must be a negative number"),
        ("list", {"k": 21}, "less than or equal to 20"),
        ("list", {"name": "me"}, "Extra inputs"),
        ("evening", {"minutes": 30}, "greater than or equal to 110"),
        ("evening", {"first": 1990, "last": 1980}, "must not be after the last"),
        ("evening", {"exclude": "Drama"}, "none of the 30 films"),
        ("evening", {"include": "Western"}, "every genre must be known"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_not_logged(page, store, target, body, part):
    answer = page()("POST", f"/page/{target}", json=body)
    refused(answer, 422, part)
    assert store.impressions() == []


def test_a_token_closes_the_answers_and_not_the_files(page):
    ask = page(token="geheim")
    for path in visits.FILES:
        assert path in OPEN and ask("GET", path).status_code == 200
    for method, target in (("POST", "/page/list"), ("POST", "/page/evening"), ("GET", "/page/films")):
        refused(ask(method, target, json={}), 401, "token")
        assert ask(method, target, json={}, headers={"authorization": "Bearer geheim"}).status_code == 200


# ---- the command


def test_make_app_serves_the_page_and_opens_it(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    (browser := tmp_path / "browser").write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o700)
    options = ["--model", tmp_path / "model", "--events", tmp_path / "events.db", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "movierec", "app", *options], env=os.environ | {"BROWSER": f"{browser} %s"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        address = line.removeprefix("ready: ").strip()
        with urllib.request.urlopen(address) as answer:
            assert b"What would I recommend to you?" in answer.read()
        until = time.monotonic() + 20
        while not (tmp_path / "opened").exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert (tmp_path / "opened").read_text().strip() == address
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
