"""The models of the benchmark and their settings, in one place.

`origin` says where a setting comes from: the library's "default"; what its authors or Microsoft Recommenders
"published" for MovieLens-100K; the "tutorial" as written; "tuned" here, by `tune.py`, on a split of the train part; or
the "course". Nothing is chosen on test.
"""

from dataclasses import dataclass, field, replace

from movierec.baselines import chosen

COURSE, TFRS = "movierec", "tensorflow-recommenders"
OWN = (COURSE, TFRS)  # run in the course's own environment
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

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.protocol


def _of(protocol: str, library: str, runner: str):
    """Return a maker of peers of one library on one protocol."""

    def make(name: str, model: str, settings: dict | None = None, origin: str = "default", **others) -> Peer:
        return Peer(name, protocol, library, runner, model, settings or {}, origin, **others)

    return make


course = _of("stratified", COURSE, "course")
implicit = _of("stratified", "implicit", "implicit")
cornac = _of("stratified", "cornac", "cornac")
BIVAE = {"k": 100, "encoder_structure": [200], "act_fn": "tanh", "likelihood": "pois", "n_epochs": 500}
BIVAE |= {"batch_size": 1024, "learning_rate": 0.001, "seed": 42, "use_gpu": False}
LISTS = [
    course("popularity", "Popularity", origin="course"),
    course("item-kNN", "ItemKnn", LISTS_TUNED["item-kNN"], "tuned"),
    course("EASE", "Ease", LISTS_TUNED["EASE"], "tuned"),
    course("ALS", "ImplicitAls", LISTS_TUNED["implicit ALS"], "tuned"),
    course("hybrid", "Hybrid", {"heads": ["ranking"]}, "course", seeds=3),
    course("hybrid ensemble", "Ensemble", {"heads": ["ranking"]}, "course"),
    implicit(
        *("implicit ALS", "ALS"),
        {"factors": 96, "regularization": 50, "alpha": 8, "iterations": 15, "random_state": 0},
        "tuned",
    ),
    implicit("implicit BM25 item-kNN", "BM25", {"K": 400, "K1": 2, "B": 0.4}, "tuned"),
    _of("stratified", "lenskit", "lenskit")(
        *("LensKit ImplicitMF", "ImplicitMF"),
        {"embedding_size": 64, "epochs": 15, "regularization": 50, "weight": 8, "seed": 0},
        "tuned",
    ),
    # Microsoft Recommenders, examples/06_benchmarks/movielens.ipynb, for this split.
    cornac(
        *("Cornac BPR", "BPR"),
        {"k": 200, "max_iter": 200, "learning_rate": 0.01, "lambda_reg": 0.001, "seed": 42},
        "published",
        remark="NDCG .434 to .439 with other seeds or another order of the rows",
    ),
    cornac("Cornac BiVAE", "BiVAE", BIVAE, "published", slow=True),
    _of("stratified", "recommenders", "sar")(
        *("Microsoft SAR", "SAR"),
        {"similarity_type": "jaccard", "time_decay_coefficient": 30, "timedecay_formula": True},
        "published",
    ),
    # RecBole's default sizes, rate and batch; its early stopping would need a validation part, so the epochs are tuned.
    _of("stratified", "recbole", "recbole")("RecBole NeuMF", "NeuMF", {"epochs": 20, "seed": 42}, "tuned", slow=True),
    # Trained for stars, used for lists: the lesson is how badly that ranks.
    _of("stratified", "scikit-surprise", "surprise")("Surprise SVD", "SVD", {"random_state": 0}),
    _of("stratified", TFRS, "tfrs")(
        *("TFRS basic_retrieval", "retrieval", {}, "tutorial"),
        slow=True,
        remark="NDCG .158 and .161 with two other seeds",
    ),
]

course = _of("random5", COURSE, "course")
surprise = _of("random5", "scikit-surprise", "surprise")
STARS = [
    course("user and movie bias", "Bias", STARS_TUNED["user and movie bias"], "tuned"),
    course("item-kNN", "ItemKnnStars", STARS_TUNED["item-kNN for stars"], "tuned"),
    course("biased MF", "BiasedMF", STARS_TUNED["biased MF"], "tuned"),
    course("hybrid", "Hybrid", {"heads": ["stars"]}, "course", seeds=3),
    course("hybrid ensemble", "Ensemble", {"heads": ["stars"]}, "course"),
    surprise("Surprise SVD", "SVD", {"random_state": 0}),
    surprise(
        *("Surprise SVD, tuned", "SVD"),
        {"n_factors": 100, "n_epochs": 40, "lr_all": 0.01, "reg_all": 0.1, "random_state": 0},
        "tuned",
    ),
    surprise("Surprise SVD++", "SVDpp", {"random_state": 0}, slow=True),
    surprise(
        *("Surprise kNN-baseline, item", "KNNBaseline"),
        {"sim_options": {"name": "pearson_baseline", "user_based": False}, "verbose": False},
        "published",  # the similarity that Surprise's documentation recommends for this model
    ),
    _of("random5", "cornac", "cornac")(
        *("Cornac MF", "MF"),
        {"k": 200, "max_iter": 80, "learning_rate": 0.005, "lambda_reg": 0.08, "seed": 0},
        "tuned",
    ),
    _of("random5", "lenskit", "lenskit")(
        "LensKit BiasedMF", "BiasedMF", {"embedding_size": 50, "epochs": 10, "regularization": 0.1, "seed": 0}
    ),
    # myFM's documentation, MovieLens tutorial: the rank and the features of its last model.
    _of("random5", "myfm", "myfm")("myFM", "regressor", {"rank": 10, "sweeps": 200, "seed": 0}, "published"),
    _of("random5", TFRS, "tfrs")("TFRS basic_ranking", "ranking", {}, "tutorial"),
]


def _again(protocol: str, names: list[str], settings: dict[str, dict], like: list[Peer]) -> list[Peer]:
    """The same peers on another protocol, with settings of their own where there are some."""
    wanted = [peer for peer in like if peer.name in names]
    return [replace(peer, protocol=protocol, settings=settings.get(peer.name, peer.settings)) for peer in wanted]


OURS = ["hybrid", "hybrid ensemble"]
RANKERS = [*OURS, "popularity", "item-kNN", "EASE", "ALS", "implicit ALS", "LensKit ImplicitMF", "Cornac BPR"]
PREDICTORS = [*OURS, "user and movie bias", "item-kNN", "biased MF", "Surprise SVD, tuned", "Cornac MF", "myFM"]
TUNED_IN_TIME = {  # by `tune.py` on the validation part of `by_user_time`; the other splits in time take them over
    "implicit ALS": {"factors": 48, "regularization": 25, "alpha": 4, "iterations": 15, "random_state": 0},
    "LensKit ImplicitMF": {"embedding_size": 48, "epochs": 15, "regularization": 25, "weight": 4, "seed": 0},
}
OF_THE_COURSE = {"item-kNN": "item-kNN", "EASE": "EASE", "ALS": "implicit ALS"}  # -> the name that `make tune` uses
STARS_OF_THE_COURSE = {name: name for name in ("user and movie bias", "biased MF")} | {"item-kNN": "item-kNN for stars"}

PEERS = LISTS + STARS
PEERS += _again("stratified stars", PREDICTORS, {}, STARS)  # with the settings that were chosen for the first fold
for _protocol in ("by_user_time", "leave_last", "by_time"):
    _ours = {name: chosen(_protocol)[tuned] for name, tuned in OF_THE_COURSE.items()}
    PEERS += _again(_protocol, RANKERS, _ours | TUNED_IN_TIME, LISTS)
for _protocol in ("by_user_time", "by_time"):
    _ours = {name: chosen(_protocol)[tuned] for name, tuned in STARS_OF_THE_COURSE.items()}
    PEERS += _again(f"{_protocol} stars", PREDICTORS, _ours, STARS)
