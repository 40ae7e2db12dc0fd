"""The load test of the service.

Protected: it finds each kind of wrong or lost answer, and records what it measured.
"""

import importlib
import json
from pathlib import Path

import pytest

from movierec.serving.events import Event, EventStore

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("serving_load")


def films(movie_ids):
    return {"movies": [{"rank": rank, "movie_id": movie_id} for rank, movie_id in enumerate(movie_ids, start=1)]}


def known_user(load, due=1.0):
    return load.Request(due, "GET /recommend", "/recommend/7?k=10", None, 7)


def event(load, movie_id, kind="view", due=0.0, acknowledged=0.1):
    body = {"user_id": 7, "movie_id": movie_id, "kind": kind}
    request = load.Request(due, "POST /feedback", "/feedback", body, 0)
    return request, load.Answer(201, body | {"stars": None, "time": 1}, due, acknowledged)


@pytest.mark.parametrize(
    ("status", "content", "fault"),
    [
        (500, {"detail": "internal error"}, "status 500"),
        (200, films(range(1, 10)), "9 different films"),
        (200, films([1] * 10), "1 different films"),
        (200, {"movies": films(range(1, 11))["movies"][::-1]}, "ranks"),
        (200, films([11, *range(1, 10)]), "recommended again: [11]"),
    ],
)
def test_each_kind_of_wrong_list_is_found(load, status, content, fault):
    request, right = known_user(load), load.Answer(200, films(range(1, 11)), 1.0, 1.1)
    answers = [load.Answer(status, content, 1.0, 1.1), right, None]
    found, *others = load.wrong([request] * 3, answers, {7: {11}})
    assert fault in found and others == ["", "no answer"]
    assert load.latencies_ms([request], [None]).tolist() == [1000 * load.ANSWER_SECONDS]


def test_what_was_acknowledged_before_the_question_must_not_come_again(load):
    listed = load.Answer(200, films(range(1, 11)), 1.0, 1.1)
    for movie_id, kind, acknowledged, fault in (
        *((3, "view", 0.1, "recommended again: [3]"), (3, "click", 0.1, ""), (3, "view", 1.05, "")),
        (99, "view", 0.1, ""),
    ):
        request, answer = event(load, movie_id, kind, acknowledged=acknowledged)
        assert load.wrong([request, known_user(load)], [answer, listed], {})[1] == fault


def test_the_same_newcomer_must_get_the_same_list(load):
    body = {"k": 10}
    request = load.Request(0.0, "POST /recommend", "/recommend", body, 0)
    first, other = (load.Answer(200, films(range(start, start + 10)), 0.0, 0.1) for start in (1, 2))
    again = first._replace(content=first.content | {"list_id": "of its own"})
    assert load.wrong([request] * 3, [first, again, other], {}) == ["", "", "another answer to the same question"]


def test_an_acknowledged_event_that_is_not_in_the_store_is_lost(load, tmp_path):
    pairs = [event(load, movie_id) for movie_id in (1, 2)]
    requests, answers = zip(*pairs, strict=True)
    with EventStore(tmp_path / "events.db") as store:
        store.append(Event(user_id=7, movie_id=1, kind="view", time=1))
    assert load.lost(requests, answers, tmp_path / "events.db") == 1
    assert load.lost(requests, [answers[0], None], tmp_path / "events.db") == 0  # the second was never acknowledged


def test_a_second_of_the_real_service(load, fitted, tmp_path, monkeypatch, capsys):
    """With the small model: what is recorded is what was measured, and nothing is wrong or lost."""
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    monkeypatch.setattr(load, "K", 3)  # some have few films left
    fitted.save(tmp_path / "model")
    assert load.main(["--model", str(tmp_path / "model"), "--rate", "40", "--seconds", "1"]) == 0
    assert "the slowest of a hundred" in capsys.readouterr().out
    table = (tmp_path / "results/serving.csv").read_text(encoding="utf-8").splitlines()
    assert table[1] == "endpoint,requests,p50_ms,p99_ms,wrong,lost" and table[-1].endswith(",0,0")
    assert json.loads(table[0].removeprefix("# "))["notebook"].startswith("tests/benchmarks/")
    assert (tmp_path / "results/serving_quantiles.csv").exists()
    assert load.main(["--model", str(tmp_path / "nowhere")]) == 1
    assert "serving_load: " in capsys.readouterr().err


def test_the_search_benchmark_measures_recall(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    found = importlib.import_module("nearest_speed").measure(num_vectors=3000, num_queries=10)
    assert found["nearest_vectors"] == 3000 and found["nearest_recall"] > 0.9
    assert min(found.values()) > 0
