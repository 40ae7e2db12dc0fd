"""The ruler against others': a second library on random lists, and Microsoft's published figures on MovieLens-100K."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import movierec
from movierec.evaluation import evaluate_ranking
from movierec.indices import make_indices
from movierec.splits import Split


@pytest.fixture(scope="module")
def random_case():
    """60 users and 80 movies, scores without ties: ranx breaks ties otherwise."""
    rng = np.random.default_rng(0)
    parts = [], []
    for user in range(60):
        movies = rng.permutation(80)
        num_train, num_test = rng.integers(1, 40), rng.integers(1, 25)
        parts[0].extend((user, movie, 3.0, 1) for movie in movies[:num_train])
        parts[1].extend((user, movie, 4.0, 2) for movie in movies[num_train : num_train + num_test])
    train, test = (pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"]) for rows in parts)
    scores = rng.permutation(60 * 80).reshape(60, 80).astype(np.float32)
    return Split(train, None, test), scores


@pytest.mark.filterwarnings("ignore:unsafe cast from uint64 to int64")  # numba's, compiling ranx
@pytest.mark.parametrize("k", [1, 5, 10])
def test_ranx_says_the_same(random_case, k):
    import ranx  # compiled as it is imported: half a minute the first time

    split, scores = random_case
    table = evaluate_ranking(lambda user: scores[user], split, make_indices(split.train), k=k)
    seen = split.train.groupby("user_id")["movie_id"].agg(set)
    qrels = ranx.Qrels({str(u): {str(m): 1 for m in rows["movie_id"]} for u, rows in split.test.groupby("user_id")})
    run = ranx.Run({str(u): {str(m): float(scores[u, m]) for m in range(80) if m not in seen[u]} for u in range(60)})
    names = ["ndcg", "recall", "precision", "map", "mrr", "hit_rate"]
    theirs = ranx.evaluate(qrels, run, [f"{name}@{k}" for name in names], return_mean=False, make_comparable=True)
    order = [list(run.run).index(str(user)) for user in table.index]
    for name in names:
        np.testing.assert_allclose(table[f"{name}@{k}"], theirs[f"{name}@{k}"][order], rtol=0, atol=1e-9, err_msg=name)


def _sar(train, indices, half_life_days=30.0):
    """Microsoft's Smart Adaptive Recommendations, from their description; scorer `[U] -> [U, num_movies]`.

    affinity(u, j) = r_uj · 2^(−age in days / 30); similarity(i, j) = Jaccard of who rated i and j; score = affinity @
    similarity. A movie is as similar to itself as can be: 1.
    """
    places = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
    age_days = (train["timestamp"].max() - train["timestamp"]) / 86_400
    shape = indices.num_users, indices.num_movies
    affinity = sparse.csr_array((train["rating"] * 0.5 ** (age_days / half_life_days), places), shape=shape)
    rated = sparse.csr_array((np.ones(len(train)), places), shape=shape)
    together = (rated.T @ rated).toarray()
    n = together.diagonal()
    jaccard = together / (n[:, None] + n[None, :] - together)
    return lambda user_index: affinity[user_index] @ jaccard


def test_sar_has_the_figures_that_microsoft_publishes(ml100k):
    """That split and metrics are theirs: recommenders-team/recommenders, notebook sar_movielens, MovieLens-100K."""
    split = movierec.split_stratified(ml100k.ratings)
    indices = make_indices(split.train)
    table = evaluate_ranking(_sar(split.train, indices), split, indices, liked_from=0)
    means = table[["map@10", "ndcg@10", "precision@10", "recall@10"]].mean().round(4)
    assert means.to_dict() == {"map@10": 0.1140, "ndcg@10": 0.3938, "precision@10": 0.3406, "recall@10": 0.1854}
