"""The laboratory measures what notebook 03 recorded, and LeakageLab says whether a prediction was right."""

import pandas as pd
import pytest

from movierec.baselines import chosen
from movierec.play.leakage_lab import MODELS, OPTIONS, WHY, Laboratory, LeakageLab, Protocol
from movierec.play.runs import shipped_path


def test_the_laboratory_repeats_the_broken_rulers_of_notebook_03(ml100k):
    recorded = pd.read_csv(shipped_path().with_name("broken_rulers.csv"), comment="#", index_col="model")
    laboratory = Laboratory(ml100k, chosen("by_user_time"))
    for column, switched in {
        "honest": {},
        "test in train": {"learned_from": "train and test"},
        "seen left in": {"seen": "kept"},
        "random split": {"split": "at random"},
    }.items():
        for model in MODELS:
            assert laboratory.ndcg(model, Protocol(**switched)) == pytest.approx(recorded.loc[model, column], abs=0.001)
    flattering = Protocol(*(options[1] for options in OPTIONS.values()))._replace(seen="left out")
    assert laboratory.ndcg("EASE", flattering) > 0.9  # nearly perfect, and worth nothing
    sampled = Protocol(ranked="100 sampled")
    assert laboratory.ndcg("EASE", sampled._replace(seen="kept")) < 0.1 < laboratory.ndcg("EASE", sampled)


def test_each_leak_is_explained_and_an_unknown_one_refused(checkerboard):
    assert set(WHY) == {options[1] for options in OPTIONS.values()}
    laboratory = Laboratory(checkerboard)
    with pytest.raises(ValueError, match=r"`model` must be one of \('popularity'"):
        laboratory.ndcg("hybrid")
    with pytest.raises(ValueError, match=r"`seen` must be one of \('left out', 'kept'\); got 'hidden'"):
        laboratory.ndcg("EASE", Protocol(seen="hidden"))


def test_a_student_switches_a_leak_on_predicts_and_measures(checkerboard):
    lab = LeakageLab(checkerboard)
    assert repr(lab) == "LeakageLab: five switches of a protocol; predict, measure, read why"
    assert lab.protocol() == Protocol() == ("each user's newest", "train", "train", "left out", "all films")
    lab.predictions["stays"].click()
    assert lab.table.loc[0, ["protocol", "verdict"]].tolist() == ["honest", "stays: right"]
    assert "this is the honest number" in lab.says.value
    lab.switches["learned_from"].value = "train and test"
    assert lab.says.value == "" and lab.protocol().learned_from == "train and test"
    lab.model.value = "EASE"
    lab.predictions["falls"].click()
    assert lab.table.loc[1, ["protocol", "model", "verdict"]].tolist() == ["train and test", "EASE", "falls: no"]
    assert lab.table.loc[1, "times"] == pytest.approx(lab.table.loc[1, "ndcg"] / lab.laboratory.ndcg("EASE"))
    assert WHY["train and test"] in lab.says.value
    assert lab.measure() == lab.table.loc[1, "ndcg"] and lab.table.loc[2, "verdict"] == "–"
    assert lab.list.value.count("<tr>") == 4
