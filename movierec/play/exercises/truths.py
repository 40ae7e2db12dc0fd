"""Compute what `check` expects where the computation is the answer, so that a check cell does not show the solution.

Each function returns a `Truth`: the right answer, the usual mistakes with their reasons, and the tolerance.
"""

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.play.exercises import Truth


def filled_share(ratings: pd.DataFrame) -> Truth:
    """Return the share of all pairs of a user and a movie that is rated."""
    n, users, movies = len(ratings), ratings["user_id"].nunique(), ratings["movie_id"].nunique()
    share = n / users / movies
    return Truth(share, [
        (100 * share, "That is in per cent."),
        (n / (users + movies), "A pair is a user *with* a movie: multiply, do not add."),
        (1 - share, "That is the share of the empty cells."),
    ])  # fmt: skip


def damped_mean(stars: list[float], mean: float, damping: float) -> Truth:
    """Return the mean of some stars, damped by imaginary ratings at `mean`."""
    total, n = sum(stars), len(stars)
    return Truth((damping * mean + total) / (damping + n), [
        (total / n, "That is the plain mean: two ratings, and the best film of all?"),
        ((mean + total) / (1 + n), "That is a damping of one rating."),
        ((damping * mean + total) / damping, "Divide by all ratings: those of the damping, and its own."),
    ])  # fmt: skip


def share_of_top(ratings: pd.DataFrame, k: int) -> Truth:
    """Return the share of the ratings that went to the k most rated movies."""
    counts = ratings["movie_id"].value_counts()
    top = counts.iloc[:k].sum()
    by_users = ratings["user_id"].value_counts().iloc[:k].sum()
    return Truth(top / len(ratings), [
        (top, "That is the number. The question was the share."),
        (100 * top / len(ratings), "That is in per cent."),
        (k / len(counts), "That is the share of the movies."),
        (by_users / len(ratings), "Those are the most active users, not the most rated movies."),
    ])  # fmt: skip


def users_within(ratings: pd.DataFrame, seconds: int) -> Truth:
    """Return how many users gave all of their ratings within so many seconds."""
    times = ratings.groupby("user_id")["timestamp"]
    span = times.max() - times.min()
    return Truth(int((span < seconds).sum()), [
        (int((span < 60).sum()), "Timestamps are in seconds: an hour has 3,600."),
        (int((span < 86_400).sum()), "That is within a day."),
        (int((span >= seconds).sum()), "Those are the users who took longer."),
        ((span < seconds).mean(), "That is the share. The question was the number."),
    ], 1e-3)  # fmt: skip


def best_means(ratings: pd.DataFrame, least: int, k: int) -> Truth:
    """Return the movies with the largest mean among those with at least so many ratings, the smaller id first."""
    of_movie = ratings.groupby("movie_id")["rating"].agg(["mean", "count"])

    def first(table, column="mean"):
        return table.sort_values(column, ascending=False, kind="stable").index[:k].tolist()

    enough = of_movie[of_movie["count"] >= least]
    return Truth(first(enough), [
        (first(of_movie, "count"), "Those are the most rated films. Sort by the mean."),
        (first(of_movie[of_movie["count"] > least]), "*At least* includes films with exactly that number."),
        (first(of_movie[of_movie["count"] < least]), "Now only films with few ratings compete."),
        (first(of_movie)[: len(enough)], "The films with few ratings still compete."),
    ])  # fmt: skip


def damping_errors(known: pd.DataFrame, asked: pd.DataFrame, mean: float, dampings: tuple) -> Truth:
    """Return the RMSE of the damped means of `known` (sum and size by movie) on the asked ratings, by damping."""
    of_movie = known.loc[asked["movie_id"]]
    errors = []
    for damping in dampings:
        guess = (of_movie["sum"] + damping * mean) / (of_movie["size"] + damping)
        errors.append(guess.to_numpy() - asked["rating"].to_numpy())
    squares = np.square(errors).mean(axis=1)
    return Truth(np.sqrt(squares), [
        (squares, "That is the mean squared error. Take its root."),
        (np.abs(errors).mean(axis=1), "That is the mean absolute error."),
        (np.sqrt(squares)[::-1], "In the order of the question: 0 first."),
    ])  # fmt: skip


def strangers(split) -> Truth:
    """Return how many users of the test part have no rating in the train part."""
    test, train = (set(part["user_id"]) for part in (split.test, split.train))
    return Truth(len(test - train), [
        (len(test), "Those are all users of test."),
        (len(test & train), "Those are known."),
        (len(train - test), "The other way round: users of train who are not in test."),
    ])  # fmt: skip


def tied_cuts(split) -> Truth:
    """Return the share of users whose cut between train and validation lies inside one second."""
    times = {name: getattr(split, name).groupby("user_id")["timestamp"] for name in ("train", "validation", "test")}
    cut = times["train"].max() == times["validation"].min()
    why = "That is the cut between training and test: all of validation in one second."
    return Truth(cut.mean(), [
        ((times["validation"].max() == times["test"].min()).mean(), "That is the cut between validation and test."),
        ((times["train"].max() == times["test"].min()).mean(), why),
        (int(cut.sum()), "That is the number of users. The question was the share."),
    ], 1e-4)  # fmt: skip


def means_by_movie(split) -> Truth:
    """Return the mean stars of each movie, of the train part only."""

    def mean(*parts):
        return pd.concat(parts).groupby("movie_id")["rating"].mean()

    return Truth(mean(split.train), [
        (mean(split.train, split.validation), "Validation is for choosing, not for fitting."),
        (mean(split.train, split.test), "The test part is still in it."),
        (split.train.groupby("user_id")["rating"].mean(), "Those are the means of the users."),
    ])  # fmt: skip


def bias_errors(split, indices, dampings: tuple) -> Truth:
    """Return the validation RMSE of the biases for several dampings of the movies, and 5 for the users."""
    models = [Bias(split.train, indices, damping_movie=damping, damping_user=5) for damping in dampings]
    squares = {
        part: [np.square(model.predict(rows) - rows["rating"]).mean() for model in models]
        for part, rows in (("train", split.train), ("validation", split.validation))
    }
    errors = np.sqrt(squares["validation"])
    return Truth(errors, [
        (errors[::-1], "In the order of the question."),
        (squares["validation"], "That is the mean squared error. Take its root."),
        (np.sqrt(squares["train"]), "Those are errors on the training part."),
    ], 1e-4)  # fmt: skip


def lowest_errors(fit, rates: tuple) -> Truth:
    """Return the lowest validation RMSE with each learning rate; `fit` returns a model and its history."""
    histories = [fit(learning_rate=rate)[1]["validation_rmse"] for rate in rates]
    return Truth([history.min() for history in histories], [
        ([history.iloc[-1] for history in histories], "Those are the last epochs, not the best ones."),
        ([history.max() for history in histories], "A lower RMSE is better."),
    ], 1e-4)  # fmt: skip


def rises(fit, epochs: int, dropouts: tuple) -> Truth:
    """Return how far the validation RMSE rises from its best epoch to its last one, by dropout."""
    histories = [fit(epochs, dropout=dropout)[1]["validation_rmse"] for dropout in dropouts]
    by_dropout = [history.iloc[-1] - history.min() for history in histories]
    from_first = [history.iloc[-1] - history.iloc[0] for history in histories]
    return Truth(by_dropout, [
        (by_dropout[::-1], "The first number is that of no dropout."),
        (from_first, "That is from the first epoch, not the best."),
    ], 1e-4)  # fmt: skip


def gain_over_seeds(fit, dims: tuple, seeds: tuple) -> Truth:
    """Return how much lower the mean of the best RMSE is with the second dimension, and half of its 95 % interval."""
    best = np.array([[fit(dim=dim, seed=seed)[1]["validation_rmse"].min() for seed in seeds] for dim in dims])
    lower, n = best[0].mean() - best[1].mean(), len(seeds)
    half = 2.776 * np.sqrt(best.var(axis=1, ddof=1).sum() / n)  # t with 4 degrees of freedom, so for three seeds
    return Truth((lower, half), [
        ((-lower, half), f"The other way round: {dims[0]} less {dims[1]}."),
        ((lower, half * np.sqrt((n - 1) / n)), "That is the standard deviation with n, not n − 1."),
        ((lower, half * np.sqrt(n)), "Divide by the number of seeds under the root."),
    ], 1e-4)  # fmt: skip
