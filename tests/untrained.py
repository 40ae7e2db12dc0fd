"""Untrained models of the small data in conftest.py, for tests of equations."""

import numpy as np

from movierec.baselines import Bias
from movierec.data import make_weeks, movie_features, user_features
from movierec.models import HybridModel, Settings, make_history


def untrained(data, indices, heads, in_order=False, history=None, **settings):
    """Return a `HybridModel` with these heads, of the history of all ratings, or of another."""
    bias = Bias(data.ratings, indices)
    return HybridModel(
        history or make_history(data.ratings, indices, bias, in_order),
        user_features(data.users, indices),
        movie_features(data.movies, indices),
        bias,
        make_weeks(data.ratings).count,
        heads,
        Settings(**settings),
    )


def randomise(layer, seed=0):
    """Draw large weights everywhere, also those that start at zero, so that none can be overlooked."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, weight.shape) for weight in layer.get_weights()])


def dense(network, row):
    """Return the output of a perceptron for one row, by hand: relu between the layers, none at the end."""
    layers = [layer for layer in network.layers if layer.weights]
    for layer in layers:
        kernel, bias = (weight.numpy() for weight in layer.weights)
        row = row @ kernel + bias
        row = row if layer is layers[-1] else np.maximum(row, 0)
    return row
