"""What the models of notebooks 05 and 06 are compared with, on validation: `repeats.py steps`.

`first_hybrid_steps`: single runs with the seed and the epochs of notebook 05, which trains the first and the fourth of
these models itself. `stars_curves`: the learning curves of notebook 06, which trains one of them. `own_vectors`: the
hybrid of step 6, and the same with vectors for each task, with three seeds.
"""

import numpy as np
import pandas as pd

import movierec
from movierec.data import features, make_indices
from movierec.evaluation import evaluate_ranking, metrics
from movierec.keras2 import tf, tfrs
from movierec.models import first_hybrid as steps

SEED = 0  # of the notebooks
SEEDS = (0, 1, 2)  # of `own_vectors`
BATCHES = 20  # of train, over which the loss of the list is a mean


class FutureInBag(steps.TwoTowers):
    """The bag has everything that the user rated, also later, but not the movie asked for."""

    def bag(self, batch):
        """Mark what each user rated but for the movie of the row, [batch, num_movies]."""
        rated = tf.cast(tf.gather(self.known.place, batch["user_index"]) < np.inf, tf.float32)
        if "movie_index" not in batch:  # a list is made: nothing is asked for
            return rated
        return rated * (1 - tf.one_hot(batch["movie_index"], self.known.num_movies))


class AnswerInBag(steps.TwoTowers):
    """The bag has everything that the user rated, the movie asked for and later ones, too."""

    def bag(self, batch):
        """Mark what each user rated, [batch, num_movies]."""
        return tf.cast(tf.gather(self.known.place, batch["user_index"]) < np.inf, tf.float32)


class WithoutMLP(steps.FirstHybrid):
    """The hybrid of step 6, whose deep path always says 0."""

    def __init__(self, known, **settings):
        super().__init__(known, **settings)
        self.mlp = lambda inputs, training: tf.zeros_like(inputs[:, :1])


class OwnVectors(tfrs.Model):
    """Both tasks of step 6 with the same loss, but each has embedding tables and layers of its own."""

    def __init__(self, known, weight=0.5, sharpness=4.0):
        super().__init__()
        self.weight = weight
        self.of_stars = steps.WithMLP(known)
        self.of_list = steps.TwoTowers(known, sharpness=sharpness, penalty=steps.PENALTY / weight)

    def compute_loss(self, batch, training=False):
        """Add stars + weight × list, and the penalty of each task's own vectors."""
        stars = self.of_stars.compute_loss(batch, training)
        return stars + self.weight * self.of_list.compute_loss(batch, training)


MODELS = {  # name: class, epochs, settings
    "5 two towers": (steps.TwoTowers, 6, {}),
    "5 future in the bag": (FutureInBag, 6, {}),
    "5 answer and future in": (AnswerInBag, 6, {}),
    "6 both, w = 0.5": (steps.FirstHybrid, 7, {}),
    "6 both, w = 0.1": (steps.FirstHybrid, 7, {"weight": 0.1}),
    "6 both, no MLP": (WithoutMLP, 7, {}),
}


RATE = steps.LEARNING_RATE
STARS_RUNS = {  # of step 4, and what notebook 06 calls them: learning rate, settings
    "a tenth of the rate": (RATE / 10, {}),
    "both": (RATE, {}),
    "dropout alone": (RATE, {"penalty": 0.0}),
    "penalty alone": (RATE, {"dropout": 0.0}),
    "neither": (RATE, {"penalty": 0.0, "dropout": 0.0}),
}
EPOCHS = 7  # of those, and of the hybrid of step 6


class Experiment:
    """The split of the notebooks, and models that are trained and measured on it."""

    def __init__(self, data):
        self.split = movierec.split_by_user_time(data.ratings)
        self.indices = make_indices(self.split.train, data.movies)
        self.known = steps.make_known(self.split, self.indices, data.movies, data.users)
        self.rows = steps.make_rows(self.split.train, self.indices, steps.places(self.split.train))
        tf.config.experimental.enable_op_determinism()

    def train(self, make, epochs: int, measure, seed=SEED, rate=RATE, **settings) -> tuple[tfrs.Model, pd.DataFrame]:
        """Train a model; return it, and what `measure(model)` gives after each epoch, one row an epoch."""
        tf.keras.utils.set_random_seed(seed)
        model, curve = make(self.known, **settings), []
        note = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: curve.append(measure(model)))
        steps.train(model, self.rows, epochs, seed, (note,), rate)
        return model, pd.DataFrame(curve).assign(epoch=range(1, epochs + 1))

    def rmse(self, model) -> float:
        """Return the error of the stars on validation."""
        return steps.rmse(model, self.split.validation, self.indices)

    def rmse_of_train(self, model) -> float:
        """Return the error of the stars on every 16th row of train, as notebook 06 measures it."""
        some = {name: tf.constant(column[::16]) for name, column in self.rows.items()}
        return float(metrics.rmse(model(some)[:, 0], some["rating"]))

    def ndcg(self, model) -> float:
        """Return the mean NDCG@10 of the lists on validation."""

        def scorer(users):
            return steps.score(model, users)

        return evaluate_ranking(scorer, self.split, self.indices, part="validation")["ndcg@10"].mean()

    def list_loss(self, model) -> float:
        """Return the mean loss of the list on some batches of train, in nats, without penalty and dropout."""
        losses = []
        for _, batch in zip(range(BATCHES), features.batches(self.rows, steps.BATCH_SIZE, 99), strict=False):
            x, y = model.vectors(batch)
            losses.append(float(steps.TwoTowers.task_loss(model, batch, x, y, training=False)))
        return float(np.mean(losses))


def first_hybrid_steps(data) -> pd.DataFrame:
    """Return one row a model; its errors in stars are NaN if it predicts none."""
    experiment, found = Experiment(data), []
    for name, (make, epochs, settings) in MODELS.items():
        has_stars = issubclass(make, steps.FirstHybrid)

        def measure(model, has_stars=has_stars):
            return {"rmse": experiment.rmse(model) if has_stars else np.nan}

        model, curve = experiment.train(make, epochs, measure, **settings)
        row = {"step": name, "seed": SEED, "rmse": curve["rmse"].iloc[-1], "best rmse": curve["rmse"].min()}
        found.append(row | {"ndcg@10": experiment.ndcg(model), "list loss": experiment.list_loss(model)})
    return pd.DataFrame(found)


def stars_curves(data) -> pd.DataFrame:
    """Return the errors of each run of `STARS_RUNS` after each epoch, on train and on validation."""
    experiment, curves = Experiment(data), {}

    def measure(model):
        return {"train_rmse": experiment.rmse_of_train(model), "validation_rmse": experiment.rmse(model)}

    for name, (rate, settings) in STARS_RUNS.items():
        _, curves[name] = experiment.train(steps.WithMLP, EPOCHS, measure, rate=rate, **settings)
    return pd.concat(curves, names=["run"]).reset_index("run")


def own_vectors(data) -> pd.DataFrame:
    """Return errors and NDCG@10 after each epoch and seed, if both tasks share all vectors, and if each has its own."""
    experiment, curves = Experiment(data), {}

    def shared(model):
        return {"rmse": experiment.rmse(model), "ndcg@10": experiment.ndcg(model)}

    def own(model):
        return {"rmse": experiment.rmse(model.of_stars), "ndcg@10": experiment.ndcg(model.of_list)}

    for seed in SEEDS:
        _, curves["shared", seed] = experiment.train(steps.FirstHybrid, EPOCHS, shared, seed)
        _, curves["own", seed] = experiment.train(OwnVectors, EPOCHS, own, seed)
    return pd.concat(curves, names=["vectors", "seed"]).reset_index(["vectors", "seed"])
