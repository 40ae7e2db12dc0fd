"""What is known of people and films, in full: each feature of the users left out, and films hidden five times.

    python tests/benchmarks/people_and_films.py [people] [films]

A quarter of an hour on two cores; notebook 11 has a part of it. Writes people.csv and hidden_films.csv to
report/generated/results, to be kept by `python -m report.build record`. Nothing is chosen here: λ and
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
PEOPLE = {
    "all": ["age", "gender", "occupation"],
    "none": [],
    "age alone": ["age"],
    "gender alone": ["gender"],
    "occupation alone": ["occupation"],
}


def people(data, split) -> pd.DataFrame:
    """One row a head and a choice of columns: the quality on test, and its difference from the model with all."""
    rows = []
    for head, metric, k in (("stars", "rmse", None), ("ranking", "ndcg", 10)):
        results = []
        for name, columns in PEOPLE.items():
            for seed in SEEDS:
                users = data.users[["user_id", *columns]]
                model = movierec.fit_hybrid(split, data.movies, users, heads=(head,), seed=seed)
                if head == "stars":
                    table = evaluation.evaluate_stars(model, split)
                else:
                    table = evaluation.evaluate_ranking(model.score, split, model.indices)
                results.append(evaluation.tidy(table, name, seed))
            print(head, name, flush=True)
        results = pd.concat(results, ignore_index=True)
        summary = comparison.summarize(results, metric, k)[["model", "mean", "seeds", "seed_deviation"]]
        pairs = comparison.compare(results, "all", metric, k).set_index("against")
        for row in summary.to_dict("records"):
            found = pairs.loc[row["model"]] if row["model"] in pairs.index else dict.fromkeys(pairs, "--")
            difference = {name: found[name] for name in ("difference", "low", "high", "p_holm")}
            rows.append({"head": head, "metric": "rmse" if k is None else "ndcg@10"} | row | difference)
    return pd.DataFrame(rows).rename(columns={"model": "known of people"})


def scorers(data, hidden: groups.Hidden, indices, seed: int) -> dict:
    """name -> scorer, each fitted without the hidden films."""
    train = hidden.split.train
    content = features.movie_features(data.movies, indices).values
    count = np.bincount(indices.movie_index(train["movie_id"]), minlength=indices.num_movies)
    all_count = np.bincount(indices.movie_index(data.ratings["movie_id"]), minlength=indices.num_movies)
    ease, als = Ease(train, indices), ImplicitAls(train, indices)
    rng = np.random.default_rng(seed)

    def same_for_all(values):
        return lambda users: np.tile(values.astype(np.float32), (len(users), 1))

    def go_on(scorer):
        return FromContent(scorer, content, count > 0, REGULARISATION)

    fit = dict(movies=data.movies, users=data.users, heads=("ranking",), seed=seed)
    plain = movierec.fit_hybrid(hidden.split, **fit)
    taught = movierec.fit_hybrid(hidden.split, content_share=CONTENT_SHARE, **fit)
    return {
        "random": lambda users: rng.random((len(users), indices.num_movies)),
        "popularity of genre and year": go_on(same_for_all(np.log1p(count))),
        "content alone": ContentBased(train, indices, data.movies),
        "EASE": ease,
        "EASE, continued": go_on(ease),
        "ALS, continued": go_on(als),
        "hybrid": plain.score,
        "hybrid, continued": go_on(plain.score),
        "hybrid, taught": taught.score,
        "popularity yet to come": same_for_all(all_count),
        "popularity": Popularity(train, indices),
    }


def films(data, split) -> pd.DataFrame:
    """One row a model: mean and deviation over the hidden sets, among the hidden films and in the whole catalogue."""
    rows = []
    for seed in SETS:
        hidden = groups.hide_movies(split, seed=seed)
        indices = make_indices(hidden.split.train, data.movies)
        for name, scorer in scorers(data, hidden, indices, seed).items():
            among = groups.evaluate_hidden(scorer, hidden, indices)
            full = evaluation.evaluate_ranking(scorer, hidden.split, indices)
            share = groups.hidden_share(full, hidden, indices).mean()
            rows.append((name, among["ndcg@10"].mean(), among["auc"].mean(), full["ndcg@10"].mean(), share))
        print("set", seed, flush=True)
    columns = ["ndcg among hidden", "auc among hidden", "ndcg of all", "hidden in list"]
    by_set = pd.DataFrame(rows, columns=["model", *columns]).groupby("model", sort=False)
    table = by_set.mean()
    for column in columns:
        table[f"{column} deviation"] = by_set[column].std()
    return table.assign(sets=len(SETS)).reset_index()


def main(arguments: list[str]) -> None:
    data = movierec.load("ml-100k")
    split = movierec.split_by_user_time(data.ratings)
    for name, measure, table in (("people", people, "people"), ("films", films, "hidden_films")):
        if not arguments or name in arguments:
            found = measure(data, split)
            print(found.round(4).to_string(), flush=True)
            numbers = [column for column in found if column not in ("head", "metric", "known of people", "model")]
            Recorder("tests/benchmarks/people_and_films.py", data).table(
                table, found, tolerance=dict.fromkeys(numbers, np.inf)
            )


if __name__ == "__main__":
    main(sys.argv[1:])
