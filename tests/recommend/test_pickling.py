"""A model goes to other processes: pickled and copied it is the same; forked, it says at once what to do instead."""

import copy
import multiprocessing
import os
import pickle

import numpy as np
import pandas as pd
import pytest

from movierec.keras2 import UsedAfterFork
from movierec.recommend import Ensemble
from movierec.serving.served import Served

SECONDS = 60


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_answers_as_the_model(copied, fitted, once, split):
    for model in (fitted, Ensemble([fitted, once])):
        other = copied(model)
        assert type(other) is type(model) and other.best_epochs == model.best_epochs
        np.testing.assert_array_equal(other.predict(split.test), model.predict(split.test))
        pd.testing.assert_frame_equal(other.recommend([100, 101], k=3), model.recommend([100, 101], k=3))


def test_what_cannot_be_pickled_or_copied_says_what_can(fitted):
    """The network and the graph in a model, and what serves or orders: not an error from deep inside TensorFlow."""
    served = Served.__new__(Served)
    for thing, advice in (
        (fitted.model, r"movierec.load_model\(folder\)"),
        (fitted.pipeline, r"movierec.load_model\(folder\)"),
        (served, r"load_served\(folder\)"),
    ):
        for take in (pickle.dumps, copy.deepcopy):
            with pytest.raises(pickle.PicklingError, match=f"can be neither pickled nor copied. .*{advice}"):
                take(thing)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_model_in_a_forked_process_refuses_at_once_and_tells_what_to_do(fitted, split):
    """Lists, stars and pickling, none of which may wait for threads that a fork does not copy."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def ask():
        for question in (
            lambda: fitted.recommend([100]), lambda: fitted.predict(split.test), lambda: fitted.recommend_new(),
            lambda: fitted.score(np.array([0])), lambda: pickle.dumps(fitted),
        ):  # fmt: skip
            try:
                answers.put(f"answered: {question()}")
            except UsedAfterFork as error:
                answers.put(str(error))

    process = context.Process(target=ask)
    process.start()
    try:
        for _ in range(5):
            answer = answers.get(timeout=SECONDS)
            assert 'multiprocessing.get_context("spawn")' in answer and "movierec.load_model(folder)" in answer
        process.join(SECONDS)
        assert process.exitcode == 0
    finally:
        process.kill()


def test_a_model_is_handed_to_a_process_that_is_spawned(fitted, split):
    """`joblib` and `concurrent.futures` do the same; the child loads the model, and its stars and lists are ours."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        table = pool.apply_async(fitted.recommend, ([100, 101], 3)).get(timeout=3 * SECONDS)
        stars = pool.apply_async(fitted.predict, (split.test,)).get(timeout=3 * SECONDS)
    pd.testing.assert_frame_equal(table, fitted.recommend([100, 101], k=3), check_exact=True)
    np.testing.assert_array_equal(stars, fitted.predict(split.test))
