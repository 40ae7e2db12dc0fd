"""The models of the benchmark and their settings, in one place.

`origin` says where a setting comes from: the library's "default"; what its authors or Microsoft Recommenders
"published" for MovieLens-100K; the "tutorial" as written; "tuned" here, by `tune.py`, on a split of the train part; or
the "course". Nothing is chosen on test.
"""

from dataclasses import dataclass, field, replace

from movierec.baselines import chosen

COURSE, TFRS = "movierec", "tensorflow-recommenders"
OWN = (COURSE, TFRS)  # run in the course's own environment
BOTH_SIDES = "its minute, and the user's ratings before and after it"
BEFORE = "its minute, and the user's ratings before it"
WEEK, DAY, NOTHING = "its week", "its day", "nothing"
LISTS_TUNED, STARS_TUNED = chosen("stratified"), chosen("random5")  # by `make tune`; for stars the first fold's


@dataclass(frozen=True)
class Peer:
    """One row of the table."""

    name: str
    protocol: str  # of `run.PROTOCOLS`
    library: str  # the distribution whose version is recorded
    runner: str  # a module of `runners/`
    model: str  # what the runner calls it
    settings: dict = field(default_factory=dict)  # keywords of the runner's `fit`
    origin: str = "default"
    slow: bool = False  # runs with FULL=1 only
    remark: str = ""
    seeds: int = 0  # the row is the mean of so many fits, with the keyword `seed`; 0: one fit without it
    reads: str = NOTHING  # what a prediction of stars reads of the test rating; of lists it is not said

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.protocol


SETTINGS = {  # of the libraries' models, by their names in the table; of the others what is given below
    "implicit ALS": {"factors": 96, "regularization": 50, "alpha": 8, "iterations": 15, "random_state": 0},
    "implicit BM25 item-kNN": {"K": 400, "K1": 2, "B": 0.4},
    "LensKit ImplicitMF": {"embedding_size": 64, "epochs": 15, "regularization": 50, "weight": 8, "seed": 0},
    # Microsoft Recommenders, examples/06_benchmarks/movielens.ipynb, for this split: BPR, BiVAE, SAR.
    "Cornac BPR": {"k": 200, "max_iter": 200, "learning_rate": 0.01, "lambda_reg": 0.001, "seed": 42},
    "Cornac BiVAE": {"k": 100, "encoder_structure": [200], "act_fn": "tanh", "likelihood": "pois", "n_epochs": 500}
    | {"batch_size": 1024, "learning_rate": 0.001, "seed": 42, "use_gpu": False},
    "Microsoft SAR": {"similarity_type": "jaccard", "time_decay_coefficient": 30, "timedecay_formula": True},
    # RecBole's default sizes, rate and batch; its early stopping would need a validation part, so the epochs are tuned.
    "RecBole NeuMF": {"epochs": 20, "seed": 42},
    "Surprise SVD": {"random_state": 0},
    "Surprise SVD, tuned": {"n_factors": 100, "n_epochs": 40, "lr_all": 0.01, "reg_all": 0.1, "random_state": 0},
    "Surprise SVD++": {"random_state": 0},
    # The similarity that Surprise's documentation recommends for this model.
    "Surprise kNN-baseline, item": {"sim_options": {"name": "pearson_baseline", "user_based": False}, "verbose": False},
    "Cornac MF": {"k": 200, "max_iter": 80, "learning_rate": 0.005, "lambda_reg": 0.08, "seed": 0},
    "LensKit BiasedMF": {"embedding_size": 50, "epochs": 10, "regularization": 0.1, "seed": 0},
    # myFM's documentation, MovieLens tutorial: the rank and the features of its last model.
    "myFM": {"rank": 10, "sweeps": 200, "seed": 0},
    # myFM's notebook ml-100k-extended: the rank and the sweeps.
    **dict.fromkeys(["myFM, probit", "myFM, probit and regression"], {"rank": 10, "sweeps": 512, "seed": 0}),
    # Sizes as published for the smallest MovieLens, see the runner; smaller batches, as there are fewer users.
    "RecTools SASRec": {"epochs": 24, "patience": 2, "batch_size": 32, "lr": 0.003, "dropout_rate": 0.3},
    "RecTools eSASRec": {"epochs": 24, "patience": 2, "batch_size": 32, "lr": 0.003, "dropout_rate": 0.3},
}


def _of(protocol: str, library: str, runner: str):
    """Return a maker of peers of one library on one protocol."""

    def make(name: str, model: str, origin: str = "default", settings: dict | None = None, **others) -> Peer:
        return Peer(name, protocol, library, runner, model, settings or SETTINGS.get(name, {}), origin, **others)

    return make


course = _of("stratified", COURSE, "course")
implicit = _of("stratified", "implicit", "implicit")
cornac = _of("stratified", "cornac", "cornac")
OTHER_SEEDS = "NDCG .434 to .439 with other seeds or another order of the rows"
LISTS = [
    course("popularity", "Popularity", "course"),
    course("item-kNN", "ItemKnn", "tuned", LISTS_TUNED["item-kNN"]),
    course("EASE", "Ease", "tuned", LISTS_TUNED["EASE"]),
    course("ALS", "ImplicitAls", "tuned", LISTS_TUNED["implicit ALS"]),
    course("hybrid", "Hybrid", "course", {"heads": ["ranking"]}, seeds=3),
    course("hybrid ensemble", "Ensemble", "course", {"heads": ["ranking"]}),
    implicit("implicit ALS", "ALS", "tuned"),
    implicit("implicit BM25 item-kNN", "BM25", "tuned"),
    _of("stratified", "lenskit", "lenskit")("LensKit ImplicitMF", "ImplicitMF", "tuned"),
    cornac("Cornac BPR", "BPR", "published", remark=OTHER_SEEDS),
    cornac("Cornac BiVAE", "BiVAE", "published", slow=True),
    _of("stratified", "recommenders", "sar")("Microsoft SAR", "SAR", "published"),
    _of("stratified", "recbole", "recbole")("RecBole NeuMF", "NeuMF", "tuned", slow=True),
    # Trained for stars, used for lists: the lesson is how badly that ranks.
    _of("stratified", "scikit-surprise", "surprise")("Surprise SVD", "SVD"),
    _of("stratified", TFRS, "tfrs")(
        *("TFRS basic_retrieval", "retrieval", "tutorial"), slow=True, remark="NDCG .158 and .161 with two other seeds"
    ),
    _of("stratified", TFRS, "tfrs")("TFRS multitask", "multitask", "tutorial", slow=True),
]

course = _of("random5", COURSE, "course")
surprise = _of("random5", "scikit-surprise", "surprise")
STARS = [
    course("user and movie bias", "Bias", "tuned", STARS_TUNED["user and movie bias"]),
    course("item-kNN", "ItemKnnStars", "tuned", STARS_TUNED["item-kNN for stars"]),
    course("biased MF", "BiasedMF", "tuned", STARS_TUNED["biased MF"]),
    course("hybrid", "Hybrid", "course", {"heads": ["stars"]}, seeds=3, reads=BOTH_SIDES),
    course("hybrid ensemble", "Ensemble", "course", {"heads": ["stars"]}, reads=BOTH_SIDES),
    course("hybrid, no session", "Hybrid", "course", {"heads": ["stars"], "without": ["session"]}, seeds=3, reads=WEEK),
    course("hybrid, no times", "Hybrid", "course", {"heads": ["stars"], "times": False}, seeds=3),
    surprise("Surprise SVD", "SVD"),
    surprise("Surprise SVD, tuned", "SVD", "tuned"),
    surprise("Surprise SVD++", "SVDpp", slow=True),
    surprise("Surprise kNN-baseline, item", "KNNBaseline", "published"),
    _of("random5", "cornac", "cornac")("Cornac MF", "MF", "tuned"),
    _of("random5", "lenskit", "lenskit")("LensKit BiasedMF", "BiasedMF"),
    _of("random5", "myfm", "myfm")("myFM", "regressor", "published", reads=WEEK),
    _of("random5", "myfm", "myfm")("myFM, probit", "probit", "published", reads=DAY),
    _of("random5", "myfm", "myfm")("myFM, probit and regression", "both", "published", reads=DAY),
    _of("random5", TFRS, "tfrs")("TFRS basic_ranking", "ranking", "tutorial"),
    _of("random5", TFRS, "tfrs")("TFRS multitask", "multitask", "tutorial", slow=True),
    _of("random5", "keras-rs", "keras_rs")("Keras RS basic_ranking", "basic_ranking", "tutorial", {"seed": 42}),
    _of("random5", "keras-rs", "keras_rs")("Keras RS DCN", "dcn", "tutorial", {"seed": 42}),
]


def _again(protocol: str, names: list[str], settings: dict[str, dict], like: list[Peer]) -> list[Peer]:
    """The same peers on another protocol, with settings of their own where there are some."""
    wanted = [peer for peer in like if peer.name in names]
    if protocol.startswith("by_"):  # in time: nothing later than a rating is known
        wanted = [replace(peer, reads=BEFORE) if peer.reads == BOTH_SIDES else peer for peer in wanted]
    return [replace(peer, protocol=protocol, settings=settings.get(peer.name, peer.settings)) for peer in wanted]


WHOLE = ["hybrid", "hybrid ensemble"]
OURS = [*WHOLE, "hybrid, no session", "hybrid, no times"]
RANKERS = [*WHOLE, "popularity", "item-kNN", "EASE", "ALS", "implicit ALS", "LensKit ImplicitMF", "Cornac BPR"]
PREDICTORS = [*OURS, "user and movie bias", "item-kNN", "biased MF", "Surprise SVD, tuned", "Cornac MF"]
PREDICTORS += ["myFM", "myFM, probit", "myFM, probit and regression"]
TUNED_IN_TIME = {  # by `tune.py` on the validation part of `by_user_time`; the other splits in time take them over
    "implicit ALS": {"factors": 48, "regularization": 25, "alpha": 4, "iterations": 15, "random_state": 0},
    "LensKit ImplicitMF": {"embedding_size": 48, "epochs": 15, "regularization": 25, "weight": 4, "seed": 0},
}
OF_THE_COURSE = {"item-kNN": "item-kNN", "EASE": "EASE", "ALS": "implicit ALS"}  # -> the name that `make tune` uses
STARS_OF_THE_COURSE = {name: name for name in ("user and movie bias", "biased MF")} | {"item-kNN": "item-kNN for stars"}

READS_ON = "reads the validation film, too"
course = _of("leave_last", COURSE, "course")
rectools = _of("leave_last", "rectools", "rectools")
NEXT = [  # they read the order of a history, and the validation film as the newest of it
    course("Markov chain", "MarkovChain", "course", remark=READS_ON),
    rectools("RecTools SASRec", "SASRec", "tuned", seeds=1, slow=True, remark=READS_ON),
    rectools("RecTools eSASRec", "eSASRec", "tuned", seeds=1, slow=True, remark=READS_ON),
]
PEERS = LISTS + STARS
PEERS += _again("stratified stars", PREDICTORS, {}, STARS)  # with the settings that were chosen for the first fold
for _protocol in ("by_user_time", "leave_last", "by_time"):
    _ours = {name: chosen(_protocol)[tuned] for name, tuned in OF_THE_COURSE.items()}
    PEERS += _again(_protocol, RANKERS, _ours | TUNED_IN_TIME, LISTS)
    PEERS += NEXT if _protocol == "leave_last" else []
for _protocol in ("by_user_time", "by_time"):
    _ours = {name: chosen(_protocol)[tuned] for name, tuned in STARS_OF_THE_COURSE.items()}
    PEERS += _again(f"{_protocol} stars", PREDICTORS, _ours, STARS)
