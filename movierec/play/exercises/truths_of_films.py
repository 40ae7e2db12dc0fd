"""Compute what the checks of exercises 09 expect, see `truths`: newcomers, groups, films that nobody has rated."""

import numpy as np
import pandas as pd

from movierec.baselines import FromContent, rated_matrix
from movierec.evaluation import comparison, groups
from movierec.play.exercises import Truth
from movierec.training import fit_hybrid


def smallest_of(p: float, comparisons: int) -> Truth:
    """Return the smallest p of so many comparisons after Holm's correction."""
    return Truth(comparison.holm(np.r_[p, np.ones(comparisons - 1)])[0], [
        (p, "That is not corrected."),
        (p / comparisons, "Divided: then every comparison would look more sure."),
        (p * (comparisons - 1), "Count the comparisons again: four numbers, two models."),
    ])  # fmt: skip


def capped_counts(train: pd.DataFrame, indices, most: int) -> Truth:
    """Return the ratings of each movie, of the first so many of each user."""
    in_time = train.sort_values("timestamp", kind="stable")

    def counts(rows):
        return np.asarray(rated_matrix(rows, indices).sum(axis=0))

    return Truth(counts(in_time.groupby("user_id").head(most)), [
        (counts(train), "Those are all ratings: popularity."),
        (counts(in_time.groupby("user_id").tail(most)), "Those are the newest ratings of each person."),
        (counts(in_time.groupby("movie_id").head(most)), "Cap the people, not the movies."),
    ])  # fmt: skip


def filled(scores: np.ndarray, content: np.ndarray, is_rated: np.ndarray, penalty: float) -> Truth:
    """Return scores whose columns without ratings are filled from content."""

    def by(matrix):
        model = FromContent(lambda users: scores[users], matrix, is_rated, penalty)
        return np.where(is_rated, scores, model(np.arange(len(scores))))

    warm = content[is_rated]
    plain = np.linalg.solve(warm.T @ warm + penalty * np.eye(content.shape[1]), warm.T @ scores[:, is_rated].T)
    return Truth(by(content), [
        (scores, "Nothing is filled yet."),
        (np.where(is_rated, scores, (content @ plain).T), "Center first: the penalty pulls to 0, not to the mean."),
    ], 1e-4)  # fmt: skip


def best_penalty(scorer, content, is_rated, hidden: groups.Hidden, indices, penalties: tuple) -> Truth:
    """Return the penalty with the highest NDCG@10 among the hidden movies."""
    tables = {}
    for penalty in penalties:
        continued = FromContent(scorer, content, is_rated, penalty)
        tables[penalty] = groups.evaluate_hidden(continued, hidden, indices)
    found = pd.DataFrame({penalty: table[["ndcg@10", "auc"]].mean() for penalty, table in tables.items()})
    best, by_auc = found.loc["ndcg@10"].idxmax(), found.loc["auc"].idxmax()
    mistakes = [(found.loc["ndcg@10"].max(), "That is its NDCG. The question was the penalty.")]
    mistakes += [(by_auc, "That one has the best AUC.")] if by_auc != best else []
    return Truth(best, mistakes)


def aucs_of_shares(split, movies: pd.DataFrame, hidden: groups.Hidden, shares: tuple, epochs: int) -> Truth:
    """Return the mean AUC among hidden movies of a hybrid for each `content_share`."""
    tables = []
    for share in shares:
        settings = {"heads": ("ranking",), "ranking_epochs": epochs, "seed": 0, "content_share": share}
        model = fit_hybrid(split, movies, **settings)
        tables.append(groups.evaluate_hidden(model.score, hidden, model.indices))
    aucs = tuple(table["auc"].mean() for table in tables)
    return Truth(aucs, [
        (aucs[::-1], "In the order of the question: first without `content_share`."),
        (tuple(table["ndcg@10"].mean() for table in tables), "That is NDCG@10. The question was AUC."),
    ], 1e-3)  # fmt: skip
