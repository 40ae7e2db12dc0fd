"""What is known of people and films before anybody rates: the long experiments of notebook 09.

    python tests/benchmarks/people_and_films.py [people] [tags]

`people` leaves out each column of the users (a quarter of an hour on two cores): people.csv. `tags` measures real tags,
on ml-latest-small, which is fetched if it is not there (two minutes): real_tags.csv. What the notebook reads user by
user is recorded by `repeats.py`, which calls `people_users`, `newcomer_users` and `film_users`. Nothing is chosen
here: λ of the ridge regressions and `content_share` were chosen on the hidden sets 100 and 101, which are not among
`SETS`, and everything else before.
"""

import sys

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from tables import write

import movierec
from movierec import evaluation
from movierec.baselines import Ease, FromContent, rated_matrix, tag_table, tf_idf, title_words
from movierec.data import features, make_indices
from movierec.evaluation import comparison, groups, metrics
from movierec.keras2 import tf
from movierec.models import Entries
from movierec.record import Recorder

SEEDS = (0, 1, 2)
SETS = (0, 1, 2)  # seeds of `hide_movies`
CUTS = (0.4, 0.5, 0.6)  # shares of all ratings that are older than the date of a new film
CHOOSING = (100, 101)  # hidden sets on which λ is chosen
TAG_SETS = (0, 1, 2, 3, 4)
FOLDS = 5  # of the people; each part but the first, on which settings are chosen, is once made of newcomers
ASKED = (0, 1, 3, 10)  # how many of a newcomer's ratings are known
CURVE = (0, 1, 3, 5, 10, 20)  # the same, in notebook 07
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


def people_of(data) -> pd.DataFrame:
    """Return the users; where a data set says nothing of them, invented ones, as in notebook 09."""
    if data.users is not None:
        return data.users
    rng, ids = np.random.default_rng(0), np.sort(data.ratings["user_id"].unique())
    age, gender = rng.integers(15, 70, len(ids)), rng.choice(["F", "M"], len(ids))
    job = rng.choice(["student", "other"], len(ids))
    return pd.DataFrame({"user_id": ids, "age": age, "gender": gender, "occupation": job})


def people_users(data) -> dict[tuple[str, int], pd.Series]:
    """Return {("stars with", seed): each user's RMSE on test, …, ("ranking without", seed): each user's NDCG@10}."""
    split = movierec.split_by_user_time(data.ratings)
    found = {}
    for head, (metric, k) in METRICS.items():
        for name, users in (("with", people_of(data)), ("without", None)):
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


def newcomer_users(data) -> pd.DataFrame:
    """Return one row a model, number of known ratings and user: ndcg@10 of people who were not in train.

    The people are cut into `FOLDS` parts; each but the first is ranked for by hybrids trained on all others. The model
    gets a newcomer's first ratings in time. The answers are the films that they liked after their tenth rating, and
    the first ten are left out of every list.
    """
    ratings, every, fold = people_in_folds(data)
    place = ratings.groupby("user_id").cumcount()
    rows = []
    for number in range(1, FOLDS):
        new = every.user_ids[fold == number]
        is_new = ratings["user_id"].isin(new)
        split = movierec.Split(ratings[~is_new], None, ratings[is_new])
        for name, users in (("hybrid", None), ("hybrid + people", people_of(data))):
            settings = {"heads": ("ranking",), "ranking_epochs": EPOCHS["ranking"], "seed": 0}
            model = movierec.fit_hybrid(split, data.movies, users, **settings)
            for size in ASKED:
                known = ratings[is_new & (place < size)]
                scores = score_newcomers(model, known, new, users)
                seen = pairs(ratings[is_new & (place < max(ASKED))], new, model.indices)
                liked = pairs(ratings[is_new & (place >= max(ASKED)) & (ratings["rating"] >= 4)], new, model.indices)
                top = np.argsort(-np.where(seen, -np.inf, scores), axis=1, kind="stable")[:, :10]
                found = metrics.ndcg(np.take_along_axis(liked, top, axis=1), liked.sum(axis=1))
                rows += [(name, size, number, *one) for one in zip(new, found, strict=True)]
        print("newcomers", number, flush=True)
    return pd.DataFrame(rows, columns=["model", "known", "fold", "user_id", "ndcg@10"]).dropna()


def people_in_folds(data) -> tuple:
    """Return the ratings from the oldest to the newest, the indices of all people, and the part of each, int `[U]`."""
    ratings = data.ratings.sort_values("timestamp", kind="stable")
    every = make_indices(ratings, data.movies)
    return ratings, every, np.random.default_rng(0).permutation(every.num_users) % FOLDS


def newcomer_orders(data) -> pd.DataFrame:
    """Return one row a model, way to ask and number of known ratings: NDCG@10, and its gain over no rating known.

    As `newcomer_users`, but of a newcomer either the *first* ratings in time are known, or as many *drawn* from all of
    theirs; the answers are what they liked among all but the first, or drawn, ten. The ridge regression learns what
    comes after the first n ratings, or beside n that were drawn. Its penalty is chosen on part 0. Intervals are over
    people, paired. Without a rating, EASE has the list of popularity.
    """
    ratings, every, fold = people_in_folds(data)
    asks = {"first": ratings, "drawn": ratings.sample(frac=1, random_state=0)}
    known, later, liked = {}, {}, {}
    for ask, order in asks.items():
        place = order.groupby("user_id").cumcount()
        for size in ASKED:
            known[ask, size] = rated_matrix(order[place < size], every).toarray()
        later[ask] = rated_matrix(order[place >= max(ASKED)], every).toarray()
        liked[ask] = rated_matrix(order[(place >= max(ASKED)) & (order["rating"] >= 4)], every).toarray() > 0

    def ndcg(scores, ask, new):
        left = np.where(known[ask, max(ASKED)][new] > 0, -np.inf, scores)
        top = np.argsort(-left, axis=1, kind="stable")[:, :10]
        return metrics.ndcg(np.take_along_axis(liked[ask][new], top, axis=1), liked[ask][new].sum(axis=1))

    def ridge(learned, ask, size, new, penalty):
        x, y = known[learned, size], later[learned]
        z, rest = x[~new] - x[~new].mean(axis=0), y[~new] - y[~new].mean(axis=0)
        slope = z.T @ np.linalg.solve(z @ z.T + penalty * np.eye(len(z), dtype=np.float32), rest)
        return y[~new].mean(axis=0) + (known[ask, size][new] - x[~new].mean(axis=0)) @ slope

    def on_part_0(learned, penalty):
        new = fold == 0
        return np.mean([np.nanmean(ndcg(ridge(learned, learned, n, new, penalty), learned, new)) for n in ASKED[1:]])

    penalties = {ask: max((10, 30, 100, 300), key=lambda penalty, ask=ask: on_part_0(ask, penalty)) for ask in asks}
    print("penalties", penalties, flush=True)
    found = {}
    for number in range(1, FOLDS):
        new = fold == number
        ids, is_new = every.user_ids[new], ratings["user_id"].isin(every.user_ids[new])
        settings = {"heads": ("ranking",), "ranking_epochs": EPOCHS["ranking"], "seed": 0}
        hybrids = {}
        for name, in_time in (("hybrid", None), ("hybrid, in order", "user")):
            split = movierec.Split(ratings[~is_new], None, ratings[is_new], in_time)
            hybrids[name] = movierec.fit_hybrid(split, data.movies, None, **settings)
        ease = Ease(split.train, every)
        popularity = np.tile(rated_matrix(split.train, every).sum(axis=0), (len(ids), 1))
        for ask, order in asks.items():
            own = order[order["user_id"].isin(ids)]
            place = own.groupby("user_id").cumcount()
            for size in ASKED:
                scores = {"popularity": popularity}
                scores["EASE"] = known[ask, size][new] @ ease.weights if size else popularity
                for learned, penalty in penalties.items():
                    scores[f"ridge regression, learned from {learned}"] = ridge(learned, ask, size, new, penalty)
                for name, model in hybrids.items():
                    scores[name] = score_newcomers(model, own[place < size], ids)
                aged = score_newcomers(hybrids["hybrid, in order"], own[place < size], ids, aged=True)
                scores["hybrid, in order, newer ratings weigh more"] = aged
                for name, values in scores.items():
                    found.setdefault((name, ask, size), []).append(ndcg(values, ask, new))
        print("orders", number, flush=True)
    of_people = pd.DataFrame({key: np.concatenate(parts) for key, parts in found.items()}).dropna()
    rows = []
    for (name, ask, size), values in of_people.items():
        gain = values - of_people[name, ask, 0]
        interval = comparison.bootstrap_interval(gain)
        rows.append((name, ask, size, len(values), values.mean(), gain.mean(), *interval))
    return pd.DataFrame(rows, columns=["model", "asked", "known", "people", "ndcg@10", "gain", "low", "high"])


def curve_of_newcomers(data) -> pd.DataFrame:
    """Return one row a model, number of known films and user: ndcg@10 on validation, for notebook 07.

    A quarter of the users is left out of training. The hybrid gets some of a newcomer's train ratings, drawn at random,
    and must find what they liked in validation; all of their train films are left out of the list.
    """
    split = movierec.split_by_user_time(data.ratings)
    rng = np.random.default_rng(0)
    users = split.train["user_id"].unique()
    new = rng.choice(users, len(users) // 4, replace=False)
    known = (part[~part["user_id"].isin(new)] for part in (split.train, split.validation, split.test))
    model = movierec.fit_hybrid(movierec.Split(*known, split.in_time), data.movies, heads=("ranking",), seed=0)
    own = split.train[split.train["user_id"].isin(new)].sample(frac=1, random_state=0)
    place = own.groupby("user_id").cumcount()
    seen = pairs(own, new, model.indices)
    liked = pairs(split.validation[split.validation["rating"] >= 4], new, model.indices)
    popularity = np.tile(model.movies["popularity"].to_numpy(float), (len(new), 1))
    rows = []
    for size in CURVE:
        for name in ("hybrid", "popularity"):
            scores = score_newcomers(model, own[place < size], new) if name == "hybrid" else popularity
            top = np.argsort(-np.where(seen, -np.inf, scores), axis=1, kind="stable")[:, :10]
            found = metrics.ndcg(np.take_along_axis(liked, top, axis=1), liked.sum(axis=1))
            rows += [(name, size, *one) for one in zip(new, found, strict=True)]
    return pd.DataFrame(rows, columns=["model", "known", "user_id", "ndcg@10"]).dropna()


def pairs(ratings: pd.DataFrame, user_ids: np.ndarray, indices) -> np.ndarray:
    """Return whether each of `user_ids` has a rating of each movie, bool `[users, num_movies]`."""
    table = np.zeros((len(user_ids), indices.num_movies), bool)
    table[pd.Index(user_ids).get_indexer(ratings["user_id"]), indices.movie_index(ratings["movie_id"])] = True
    return table


def score_newcomers(model, known: pd.DataFrame, user_ids, users: pd.DataFrame | None = None, aged=False) -> np.ndarray:
    """Return the hybrid's scores for people who are not in train, float32 `[people, num_movies]`.

    Args:
        known: their ratings, which the model reads as a history; from the oldest to the newest.
        users: age, gender and occupation, of everybody; None: nothing is known of them.
        aged: whether newer ratings weigh more, as for a known user; else all count alike, as in `recommend_new`.
    """
    head, bias = model.model.ranking, model.bias
    row = pd.Index(user_ids).get_indexer(known["user_id"])
    order = np.argsort(row, kind="stable")
    row, movie = row[order], model.indices.movie_index(known["movie_id"])[order]
    above = np.asarray(model.scale.inside(known["rating"]), float)[order] - bias.mean - bias.movie[movie]
    count = np.bincount(row, minlength=len(user_ids))
    residual = above - (np.bincount(row, above, len(user_ids)) / (bias.damping_user + count))[row]
    newer = (np.cumsum(count)[row] - 1 - np.arange(len(row))) * float(aged)
    entries = Entries(*(tf.constant(column, tf.int32) for column in (row, movie)),
                      *(tf.constant(column, tf.float32) for column in (residual, newer)))  # fmt: skip
    x = head.bag(entries, head.fade(entries.age), len(user_ids))
    if users is not None:
        them = features.user_features(users, make_indices(pd.DataFrame({"user_id": user_ids, "movie_id": 1})))
        table = pd.DataFrame(them.values, columns=them.names)
        x += table.reindex(columns=model.model.user_features.names, fill_value=0).to_numpy() @ head.user_feature
    return head.scores(x, entries, head.fade(entries.age), head.tables()).numpy()


def by_content(scorer, data, is_rated: np.ndarray, indices) -> FromContent:
    """Return the scorer with a ridge regression from genres and year for the films that have no ratings."""
    content = (features.movie_features(data.movies, indices).values > 0).astype(float)
    return FromContent(scorer, content, is_rated, REGULARISATION)


def measure(scorer, hidden: groups.Hidden, indices) -> pd.DataFrame:
    """Return ndcg@10 and auc of each user who liked a hidden film; and, of all lists, NDCG@10 and the share hidden."""
    scorer = by_lot(scorer)
    among = groups.evaluate_hidden(scorer, hidden, indices)[["ndcg@10", "auc"]]
    full = evaluation.evaluate_ranking(scorer, hidden.split, indices)
    share = groups.hidden_share(full, hidden, indices).mean()
    return among.assign(**{"ndcg of all": full["ndcg@10"].mean(), "hidden in list": share})


def hybrids(data, split, users, hidden, is_rated, score_of, seed: int) -> dict[str, pd.DataFrame]:
    """Return {name: `measure`} of hybrids that never saw the hidden films.

    `split` is what they are trained on; `score_of(model)` returns a scorer of the users in `hidden.split`.
    """
    indices, found = make_indices(hidden.split.train, data.movies), {}
    settings = {"heads": ("ranking",), "ranking_epochs": EPOCHS["ranking"], "seed": seed}
    plain = movierec.fit_hybrid(split, data.movies, users, **settings)
    found["hybrid"] = measure(score_of(plain), hidden, indices)
    found["hybrid, ridge from content"] = measure(by_content(score_of(plain), data, is_rated, indices), hidden, indices)
    head, unrated = plain.model.ranking, ~is_rated
    bias = head.movie_bias.numpy()
    head.movie_bias.assign(np.where(unrated, bias[is_rated].mean(), bias))
    found["hybrid, usual bias"] = measure(score_of(plain), hidden, indices)
    head.movie_id.assign(np.where(unrated[:, None], 0, head.movie_id.numpy()))
    found["hybrid, usual bias, no id"] = measure(score_of(plain), hidden, indices)
    taught = movierec.fit_hybrid(split, data.movies, users, content_share=CONTENT_SHARE, **settings)
    found["hybrid, content_share"] = measure(score_of(taught), hidden, indices)
    return found


def film_users(data) -> pd.DataFrame:
    """Return one row a way to hide, model, set and user: `measure` of the hybrids of notebook 09.

    how: "random" (a tenth of the films) or "time" (the films that nobody had rated by a date); seed: the set.
    """
    tables = {}
    split = movierec.split_by_user_time(data.ratings)
    for seed in SETS:
        hidden = groups.hide_movies(split, seed=seed)
        indices = make_indices(hidden.split.train, data.movies)
        is_rated = np.isin(indices.movie_ids, hidden.split.train["movie_id"])
        short = movierec.Split(hidden.split.train, None, hidden.split.test, hidden.split.in_time)
        found = hybrids(data, short, people_of(data), hidden, is_rated, lambda model: model.score, seed)
        tables |= {("random", name, seed): table for name, table in found.items()}
        print("films, random", seed, flush=True)
    for number, cut in enumerate(CUTS):
        train, hidden = groups.hide_newest(data.ratings, cut)
        indices = make_indices(hidden.split.train, data.movies)
        is_rated = np.isin(indices.movie_ids, train["movie_id"])
        asked = hidden.split.test["user_id"].unique()
        known = hidden.split.train[hidden.split.train["user_id"].isin(asked)]
        known = known.sort_values("timestamp", kind="stable")
        place = pd.Index(asked).get_indexer(indices.user_ids)

        def score_of(model, known=known, asked=asked, place=place):
            scores = score_newcomers(model, known, asked, aged=True)
            return lambda users: scores[place[users]]

        only = movierec.Split(train, None, hidden.split.test, "everyone")
        found = hybrids(data, only, None, hidden, is_rated, score_of, number)
        tables |= {("time", name, number): table for name, table in found.items()}
        print("films, time", number, flush=True)
    return pd.concat(tables, names=["how", "model", "seed"]).reset_index()


def content_of(data, train: pd.DataFrame, indices) -> dict[str, np.ndarray]:
    """Return {what is known of films: float `[num_movies, d]`}, tags as of the time of train."""
    usual = (features.movie_features(data.movies, indices).values > 0).astype(float)
    words = features.table_features(title_words(data.movies), "movie_id", indices.movie_ids).values
    table = tag_table(data.tags, train).reindex(indices.movie_ids, fill_value=0)
    tags = tf_idf(table.to_numpy())
    has_tag = (table.sum(axis=1) > 0).to_numpy(float)[:, None]
    return {
        "genres and year": usual,
        "with title words": np.hstack([usual, words > 0]),
        "with: has a tag": np.hstack([usual, has_tag]),
        "with tags": np.hstack([usual, has_tag, tags]),
    }


def by_lot(scorer):
    """Return the scorer with ties broken by lot: the order of ids says how popular a new film will be."""
    rng = np.random.default_rng(0)

    def score(users):
        ranks = rankdata(scorer(users), method="min", axis=1)
        return ranks + rng.random(ranks.shape)  # less than one place

    return score


def real_tags(data) -> pd.DataFrame:
    """Return one row a content: ndcg@10 and auc among hidden films, all of them and those with tags.

    Asked are people who wrote no tag: a tag says that its author has seen the film, which would be a leak for them.
    Each content has its own λ, the best of the same four on the hidden sets `CHOOSING`. Intervals are over users, of
    the mean over sets; `gain` is less "genres and year", user by user.
    """
    split = movierec.split_by_user_time(data.ratings)
    quiet = data.ratings["user_id"][~data.ratings["user_id"].isin(data.tags["user_id"])].unique()
    found, best = {}, {}
    for seed in (*CHOOSING, *TAG_SETS):
        hidden = groups.hide_movies(split, seed=seed)
        train = hidden.split.train
        indices = make_indices(train, data.movies)
        is_rated, ease = np.isin(indices.movie_ids, train["movie_id"]), Ease(train, indices)
        contents = content_of(data, train, indices)
        tagged = indices.movie_ids[contents["with: has a tag"][:, -1] > 0]
        asked = hidden._replace(ratings=hidden.ratings[hidden.ratings["user_id"].isin(quiet)])
        of_tagged = asked._replace(movie_ids=np.intersect1d(asked.movie_ids, tagged))
        of_tagged = of_tagged._replace(ratings=asked.ratings[asked.ratings["movie_id"].isin(tagged)])
        for name, content in contents.items():
            for regularisation in (10, 30, 100, 300) if seed in CHOOSING else (best[name],):
                scorer = by_lot(FromContent(ease, content, is_rated, regularisation))
                for films, those in (("all", asked), ("with tags", of_tagged)):
                    table = groups.evaluate_hidden(scorer, those, indices)[["ndcg@10", "auc"]]
                    found[films, name, regularisation, seed] = table
        if seed == CHOOSING[-1]:
            mean = pd.Series({key[:3]: 0.0 for key in found})
            for key, table in found.items():
                mean[key[:3]] += table["ndcg@10"].mean() / len(CHOOSING)
            best = {name: mean["all"][name].idxmax() for name in contents}
        print("tags", seed, len(of_tagged.movie_ids), "of", len(hidden.movie_ids), flush=True)
    kept = pd.concat({key: table for key, table in found.items() if key[3] in TAG_SETS})
    kept = kept.rename_axis(["films", "content", "λ", "seed", "user_id"]).reset_index()
    rows = []
    for films, part in kept.groupby("films"):
        by_user = part.pivot_table("ndcg@10", "user_id", "content")
        for name in best:
            gain = by_user[name] - by_user["genres and year"]
            ends = comparison.bootstrap_interval(gain)
            auc = part[part["content"] == name].groupby("user_id")["auc"].mean().mean()
            rows.append((films, name, best[name], len(by_user), by_user[name].mean(), auc, gain.mean(), *ends))
    return pd.DataFrame(rows, columns=["films", "content", "λ", "users", "ndcg@10", "auc", "gain", "low", "high"])


def main(names: list[str]) -> None:
    """Measure and record what is named, or both."""
    if not names or "people" in names:
        data = movierec.load("ml-100k")
        found = people(data, movierec.split_by_user_time(data.ratings))
        numbers = [column for column in found if column not in ("head", "metric", "known of people", "model")]
        recorder = Recorder("tests/benchmarks/people_and_films.py", data)
        recorder.table("people", found, tolerance=dict.fromkeys(numbers, np.inf))
        print(found.round(4).to_string(), flush=True)
    if not names or "tags" in names:
        data = movierec.load("ml-latest-small")
        found = real_tags(data)
        write("people_and_films.py", "real_tags", found.round(6), data)
        print(found.round(4).to_string(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
