"""What is known of people and films, in full: each feature of the users left out, and films hidden five times.

    python tests/benchmarks/people_and_films.py [people] [films]

A quarter of an hour on two cores; notebook 09 has a part of it, which `repeats.py` records user by user. Writes
people.csv and hidden_films.csv to report/generated/results, to be kept by `make record`. Nothing is chosen here: λ and
`content_share` were chosen on the hidden sets 100 and 101, which are not among these, and everything else before.
"""

import sys

import numpy as np
import pandas as pd

import movierec
from movierec import evaluation
from movierec.baselines import ContentBased, Ease, FromContent, ImplicitAls, Popularity
from movierec.data import features, make_indices
from movierec.evaluation import comparison, groups
from movierec.record import Recorder

SEEDS = (0, 1, 2)
SETS = (0, 1, 2, 3, 4)  # seeds of `hide_movies`
CONTENT_SHARE = 0.3
REGULARISATION = 10  # movies
EPOCHS = {"stars": 6, "ranking": 8}  # of notebook 09: near each head's best
METRICS = {"stars": ("rmse", None), "ranking": ("ndcg", 10)}
PEOPLE = {
    "all": ["age", "gender", "occupation"],
    "none": [],
    "age alone": ["age"],
    "gender alone": ["gender"],
    "occupation alone": ["occupation"],
}


def judge(data, split, head: str, users: pd.DataFrame | None, seed: int, **settings) -> pd.DataFrame:
    """Fit one head with what `users` says of people; return its errors or the quality of its lists, a row a user."""
    model = movierec.fit_hybrid(split, data.movies, users, heads=(head,), seed=seed, **settings)
    if head == "stars":
        return evaluation.evaluate_stars(model, split)
    return evaluation.evaluate_ranking(model.score, split, model.indices)


def people_of(data, split) -> pd.DataFrame:
    """Return the users; where a data set says nothing of them, invented ones, as in notebook 09."""
    if data.users is not None:
        return data.users
    rng, ids = np.random.default_rng(0), make_indices(split.train, data.movies).user_ids
    age, gender = rng.integers(15, 70, len(ids)), rng.choice(["F", "M"], len(ids))
    job = rng.choice(["student", "other"], len(ids))
    return pd.DataFrame({"user_id": ids, "age": age, "gender": gender, "occupation": job})


def people_users(data) -> dict[tuple[str, int], pd.Series]:
    """Return {("stars with", seed): each user's RMSE on test, …, ("ranking without", seed): each user's NDCG@10}."""
    split = movierec.split_by_user_time(data.ratings)
    found = {}
    for head, (metric, k) in METRICS.items():
        for name, users in (("with", people_of(data, split)), ("without", None)):
            for seed in SEEDS:
                table = judge(data, split, head, users, seed, epochs=EPOCHS[head])
                found[f"{head} {name}", seed] = table[f"{metric}@{k}" if k else metric]
    return found


def people(data, split) -> pd.DataFrame:
    """Return one row a head and a choice of columns: the quality on test, and its difference from all columns."""
    rows = []
    for head, (metric, k) in METRICS.items():
        results = []
        for name, columns in PEOPLE.items():
            users = data.users[["user_id", *columns]]
            results += [evaluation.tidy(judge(data, split, head, users, seed), name, seed) for seed in SEEDS]
            print(head, name, flush=True)
        results = pd.concat(results, ignore_index=True)
        summary = comparison.summarize(results, metric, k)[["model", "mean", "seeds", "seed_deviation"]]
        pairs = comparison.compare(results, "all", metric, k).set_index("against")
        pairs = pairs[["difference", "low", "high", "p_holm"]].reindex(summary["model"]).astype(object).fillna("--")
        summary.insert(0, "metric", f"{metric}@{k}" if k else metric)
        summary.insert(0, "head", head)
        rows.append(summary.join(pairs.reset_index(drop=True)))
    return pd.concat(rows, ignore_index=True).rename(columns={"model": "known of people"})


def hybrids(data, hidden: groups.Hidden, seed: int, **settings) -> dict:
    """Return {name: scorer} of the hybrid as it is, and taught to rank films without ratings."""
    settings = dict(movies=data.movies, users=data.users, heads=("ranking",), seed=seed) | settings
    plain = movierec.fit_hybrid(hidden.split, **settings)
    taught = movierec.fit_hybrid(hidden.split, content_share=CONTENT_SHARE, **settings)
    return {"hybrid": plain.score, "hybrid, taught": taught.score}


def continued(scorer, data, hidden: groups.Hidden, indices, content=None) -> FromContent:
    """Return the scorer with a ridge regression from content for the films that have no ratings."""
    content = features.movie_features(data.movies, indices).values if content is None else content
    return FromContent(scorer, content, np.isin(indices.movie_ids, hidden.split.train["movie_id"]), REGULARISATION)


def measure(scorer, hidden: groups.Hidden, indices) -> pd.DataFrame:
    """Return ndcg@10 and auc of each user who liked a hidden film; and, of all lists, NDCG@10 and the share hidden."""
    among = groups.evaluate_hidden(scorer, hidden, indices)[["ndcg@10", "auc"]]
    full = evaluation.evaluate_ranking(scorer, hidden.split, indices)
    share = groups.hidden_share(full, hidden, indices).mean()
    return among.assign(**{"ndcg of all": full["ndcg@10"].mean(), "hidden in list": share})


def film_users(data) -> dict[tuple[str, int], pd.DataFrame]:
    """Return {(model, hidden set): `measure`} of the hybrids of notebook 09."""
    split = movierec.split_by_user_time(data.ratings)
    found = {}
    for seed in SETS[:3]:
        hidden = groups.hide_movies(split, seed=seed)
        indices = make_indices(hidden.split.train, data.movies)
        scorers = hybrids(data, hidden, seed, users=people_of(data, split), epochs=EPOCHS["ranking"])
        as_flags = (features.movie_features(data.movies, indices).values > 0).astype(float)
        scorers["hybrid, continued"] = continued(scorers["hybrid"], data, hidden, indices, as_flags)
        for name, scorer in scorers.items():
            found[name, seed] = measure(scorer, hidden, indices)
    return found


def rivals(data, hidden: groups.Hidden, indices, seed: int) -> dict:
    """Return {name: scorer}, each fitted without the hidden films."""
    train = hidden.split.train
    count = np.bincount(indices.movie_index(train["movie_id"]), minlength=indices.num_movies)
    all_count = np.bincount(indices.movie_index(data.ratings["movie_id"]), minlength=indices.num_movies)
    ease, als = Ease(train, indices), ImplicitAls(train, indices)
    rng = np.random.default_rng(seed)
    ours = hybrids(data, hidden, seed)

    def same_for_all(values):
        return lambda users: np.tile(values.astype(np.float32), (len(users), 1))

    go_on = {
        "popularity of genre and year": same_for_all(np.log1p(count)),
        "EASE, continued": ease,
        "ALS, continued": als,
        "hybrid, continued": ours["hybrid"],
    }
    return {
        "random": lambda users: rng.random((len(users), indices.num_movies)),
        "content alone": ContentBased(train, indices, data.movies),
        "EASE": ease,
        "popularity yet to come": same_for_all(all_count),
        "popularity": Popularity(train, indices),
        **ours,
        **{name: continued(scorer, data, hidden, indices) for name, scorer in go_on.items()},
    }


def films(data, split) -> pd.DataFrame:
    """Return one row a model: mean and deviation over the hidden sets, among the hidden films and in the catalogue."""
    rows = []
    for seed in SETS:
        hidden = groups.hide_movies(split, seed=seed)
        indices = make_indices(hidden.split.train, data.movies)
        for name, scorer in rivals(data, hidden, indices, seed).items():
            rows.append({"model": name, **measure(scorer, hidden, indices).mean()})
        print("set", seed, flush=True)
    by_set = pd.DataFrame(rows).rename(columns={"ndcg@10": "ndcg among hidden", "auc": "auc among hidden"})
    by_set = by_set.groupby("model", sort=False)
    return by_set.mean().join(by_set.std(), rsuffix=" deviation").assign(sets=len(SETS)).reset_index()


def main(names: list[str]) -> None:
    """Measure and record what is named, or both."""
    data = movierec.load("ml-100k")
    split = movierec.split_by_user_time(data.ratings)
    for name, experiment, table in (("people", people, "people"), ("films", films, "hidden_films")):
        if not names or name in names:
            found = experiment(data, split)
            print(found.round(4).to_string(), flush=True)
            numbers = [column for column in found if column not in ("head", "metric", "known of people", "model")]
            recorder = Recorder("tests/benchmarks/people_and_films.py", data)
            recorder.table(table, found, tolerance=dict.fromkeys(numbers, np.inf))


if __name__ == "__main__":
    main(sys.argv[1:])
