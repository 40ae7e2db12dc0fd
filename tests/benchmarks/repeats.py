"""The long experiments of notebooks 05 to 13: every seed and variant, recorded user by user.

    python tests/benchmarks/repeats.py [ladder] [hybrid] [folds] [stratified] [protocols] [newcomers] [people] [films]
                                       [optimizers] [steps] [clicks]

`make repeats` runs all, and sequences.py, about 40 CPU minutes. A notebook reads its table, compares models user by
user, and trains one of the rows again. Tables have one row a user and fit (`long`), or one column a fit (`wide`);
values have six digits.
With MOVIEREC_DATASET=ml-1m they are of that data set, are written beside its results, and are not kept.
"""

import argparse
import sys
from collections.abc import Callable

import pandas as pd
from feedback_loop import months_of_arms
from floor import ladder, protocols
from people_and_films import SEEDS, curve_of_newcomers, film_users, newcomer_orders, newcomer_users, people_users
from sequences import wide
from steps import first_hybrid_steps, own_vectors, stars_curves
from tables import write

import movierec
from movierec import evaluation
from movierec.data import chosen
from movierec.recommend import Ensemble
from movierec.training import EPOCHS_ON_ML_100K, OPTIMIZERS


def long(tables: dict) -> pd.DataFrame:
    """Return one row a fit and user: model, seed, user_id, and the columns of {(model, seed): one row a user}."""
    return pd.concat(tables, names=["model", "seed"]).reset_index()


def both_heads(model, split: movierec.Split) -> pd.DataFrame:
    """Return one row a test user: square (stars²) and ratings; ndcg@10, recall@20 and coverage, NaN without a list."""
    errors = evaluation.evaluate_stars(model, split)
    lists, longer = (evaluation.evaluate_ranking(model.score, split, model.indices, k=k) for k in (10, 20))
    of_lists = lists[["ndcg@10"]].assign(**{"recall@20": longer["recall@20"], "coverage": lists.attrs["coverage"]})
    return errors[["ratings"]].assign(square=errors["rmse"] ** 2).join(of_lists)


def hybrid(data) -> dict[str, pd.DataFrame]:
    """Measure the hybrid of notebook 06 with three seeds, and their ensemble."""
    split = movierec.split_by_user_time(data.ratings)
    fits = [movierec.fit_hybrid(split, data.movies, data.users, seed=seed) for seed in SEEDS]
    tables = {("hybrid", seed): both_heads(fit, split) for seed, fit in zip(SEEDS, fits, strict=True)}
    return {"hybrid_users": long(tables | {("ensemble", 0): both_heads(Ensemble(fits), split)})}


def folds(data) -> dict[str, pd.DataFrame]:
    """Measure the stars head of notebook 06 on five random folds; and without its session path, there and in time.

    The column `seed` is the number of the fold.
    """

    def errors(split, **settings):
        settings |= {"heads": ("stars",)} | EPOCHS_ON_ML_100K  # of notebook 06, where there is no validation part
        fitted = movierec.fit_hybrid(split, data.movies, data.users, **settings)
        return evaluation.evaluate_stars(fitted, split)

    parts = movierec.split_random5(data.ratings)
    tables = {("hybrid", number): errors(fold) for number, fold in enumerate(parts)}
    tables["without session", 0] = errors(parts[0], without="session")
    tables["without session, in time", 0] = errors(movierec.split_by_user_time(data.ratings), without="session")
    return {"fold_users": long(tables)}


def stratified(data) -> dict[str, pd.DataFrame]:
    """Measure the lists of notebook 06's hybrid on Microsoft's split, where every test rating is relevant."""
    split = movierec.split_stratified(data.ratings)
    fitted = movierec.fit_hybrid(split, data.movies, data.users, heads=("ranking",), **EPOCHS_ON_ML_100K)
    table = evaluation.evaluate_ranking(fitted.score, split, fitted.indices, liked_from=0)
    return {"stratified_users": long({("hybrid", 0): table[["ndcg@10", "map@10", "precision@10", "recall@10"]]})}


def newcomers(data) -> dict[str, pd.DataFrame]:
    """Measure hybrids for people who were not in train: notebook 07's by films, 09's by what is known of people."""
    curve, orders = curve_of_newcomers(data), newcomer_orders(data)
    return {"newcomer_curve": curve, "newcomer_users": newcomer_users(data), "newcomer_orders": orders}


def people(data) -> dict[str, pd.DataFrame]:
    """Measure both heads of notebook 09 with and without what is known of people."""
    return {"people_users": wide(people_users(data))}


def films(data) -> dict[str, pd.DataFrame]:
    """Measure the hybrids of notebook 09 among films that were hidden from them."""
    found, names = film_users(data), {"random": "hidden_users", "time": "new_film_users"}
    return {name: found[found["how"] == how].drop(columns="how") for how, name in names.items()}


def optimizers(data) -> dict[str, pd.DataFrame]:
    """Measure the stars head of notebook 13 on validation, by each optimiser, and with histories as lists."""
    split = movierec.split_by_user_time(data.ratings)
    settings = {name: {"optimizer": name} for name in OPTIMIZERS} | {"lists": {"most_pairs": 0}}
    settings["adagrad"]["learning_rate"] = 0.05
    tables = {}
    for name, setting in settings.items():
        fitted = movierec.fit_hybrid(split, data.movies, data.users, heads=("stars",), **setting)
        tables[name, 0] = evaluation.evaluate_stars(fitted, split, "validation")
    return {"optimizer_users": long(tables)}


def steps(data) -> dict[str, pd.DataFrame]:
    """Measure what the models of notebooks 05 and 06 are compared with, on validation."""
    tables = first_hybrid_steps, stars_curves, own_vectors
    return {table.__name__: table(data) for table in tables}


def clicks(data) -> dict[str, pd.DataFrame]:
    """Run the feedback loop of notebook 11: each arm, eight seeds, six months."""
    return {"loop_months": months_of_arms(data)}


EXPERIMENTS: dict[str, Callable] = {
    one.__name__: one
    for one in (ladder, hybrid, folds, stratified, protocols, newcomers, people, films, optimizers, steps, clicks)
}


def main(arguments: list[str] | None = None) -> int:
    """Run the named experiments, or all; record their tables; return the exit code, 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], metavar="NAME", help=", ".join(EXPERIMENTS))
    names = parser.parse_args(arguments).names or list(EXPERIMENTS)
    data = movierec.load(chosen())
    for name in names:
        for table, rows in EXPERIMENTS[name](data).items():
            write("repeats.py", table, rows.round(6), data, best=rows.attrs.get("best"))
            print(f"{table}: {len(rows):,} rows", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
