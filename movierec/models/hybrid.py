"""The hybrid: matrix factorisation and a deep network in one `tfrs.Model`, for stars and for ranking.

Built piece by piece in notebooks/04_embeddings and 05_hybrid_model. Its heads are in `stars` and `ranking`.
"""

import numpy as np

from movierec.baselines import Bias
from movierec.data import Features
from movierec.keras2 import tf, tfrs
from movierec.models.history import History, make_bags
from movierec.models.layers import SeededModel, mean_over_workers, mean_squared_length, own_first
from movierec.models.ranking import RankingHead
from movierec.models.settings import Settings
from movierec.models.stars import NUM_SESSION_FEATURES, StarsHead

HEADS = ("stars", "ranking")
NO_ANSWER = 1e9  # taken off the logit of a film that is in the history
DRAWN = 4  # hidden films of a user that are drawn for a batch, if sampled


class HybridModel(SeededModel):
    """Two heads that read one history: stars as an ordered choice, ranking by a softmax over the catalogue.

    stars   = mean −Σ_k log P(r > level_k, or not) + penalties; or mean (r − r̂)² + penalties
    ranking = mean over users of −Σ_i h_ui log softmax_i score(u, ·), weighted by √(hidden ratings), + penalties

    For ranking, every step hides some of each user's ratings and predicts them from the rest. h_ui is the weight of a
    hidden rating; a user's weights sum to 1. Films of the rest are excluded from the softmax. If `sampled`, the softmax
    runs only over films drawn for the batch. Popular ones are drawn more often; subtracting log q_i, the logarithm of a
    movie's share of train, corrects for it. A penalty is a mean squared length.

    Args:
        history, user_features, movie_features: what is known of the users and movies of train.
        bias: μ, b_u and b_i to start from.
        num_weeks: rows of the week table.
        heads: which of `HEADS` to build; the other is None.
        linear: B of the ranking head, if it was solved before.
    """

    def __init__(
        self, history: History, user_features: Features, movie_features: Features, bias: Bias, num_weeks: int,
        heads: tuple = HEADS, settings: Settings | None = None, seed: int = 0, linear: np.ndarray | None = None,
    ):  # fmt: skip
        super().__init__(seed)
        self.settings = settings = settings or Settings()
        self.past, self.user_features, self.movie_features = history, user_features, movie_features
        most = 0 if "features" in settings.without else None
        known = [tf.constant(features.values[:, :most]) for features in (user_features, movie_features)]
        bags = make_bags(history, settings.most_pairs, settings.most_raters)
        self.stars = StarsHead(bags, *known, bias, num_weeks, settings, self.draws) if "stars" in heads else None
        self.ranking = None
        if "ranking" in heads:
            self.ranking = RankingHead(history, bags.lists, *known, settings, self.draws, linear)
        count = np.bincount(history.movie_index, minlength=history.num_movies)
        self.share = tf.constant(count / count.sum(), tf.float32)  # q_i [num_movies]
        total = tf.keras.losses.Reduction.SUM  # divided by the rows below
        crossentropy = tf.keras.losses.CategoricalCrossentropy(from_logits=True, reduction=total)
        self.stars_task = tfrs.tasks.Ranking(loss=tf.keras.losses.MeanSquaredError(reduction=total))
        self.catalogue_task = tfrs.tasks.Ranking(loss=crossentropy)
        self.sampled_task = tfrs.tasks.Retrieval(loss=crossentropy, remove_accidental_hits=True)
        self.drawn_place = self.draws.new_place()
        index = tf.TensorSpec([None], tf.int32)
        columns = dict.fromkeys(("user_index", "movie_index", "week_index"), index)
        columns["session"] = tf.TensorSpec([None, NUM_SESSION_FEATURES], tf.float32)
        self.predict_stars = tf.function(self.stars, input_signature=[columns]) if self.stars else None
        self.score = self._scorer()

    def _scorer(self):
        index = tf.TensorSpec([None], tf.int32)
        return tf.function(self.ranking, input_signature=[index]) if self.ranking else None

    def leave_out_linear(self) -> None:
        """Take the linear path out of the ranking head, as if `linear_weight` had been 0."""
        self.settings = self.ranking.settings = self.settings.model_copy(update={"linear_weight": 0.0})
        self.ranking.linear = None
        self.score = self._scorer()  # the old graph has the path in it

    def train_only(self, heads: tuple) -> None:
        """Freeze the other heads; to be called before `compile`."""
        for head in (self.stars, self.ranking):
            if head is not None:
                head.trainable = head.name in heads

    def compute_loss(self, batch, training=False):
        """Return the loss of one batch: of ratings, see `stars_loss`, or of users, see `ranking_loss`."""
        return self.stars_loss(batch, training) if "rating" in batch else self.ranking_loss(batch, training)

    def stars_loss(self, batch, training=False):
        """Return the ordinal loss in nats, or squared error in stars², and the penalty on vectors and biases.

        `batch`: rows user_index, movie_index, week_index, rating, residual, each `[batch]`, and session
        `[batch, NUM_SESSION_FEATURES]`.
        """
        head, settings = self.stars, self.settings
        batch = batch | {"session": tf.cast(batch["session"], tf.float32)}  # kept in half of the memory
        x, y = head.vectors(batch, training)
        total = tf.add_n(list(head.paths(batch, x, y, training).values()))
        user_bias = tf.gather(head.user_bias, batch["user_index"])
        movie_bias = tf.gather(head.movie_bias, batch["movie_index"])
        penalty = settings.stars_penalty * (mean_squared_length(x) + mean_squared_length(y))
        penalty += settings.bias_penalty * tf.reduce_mean(user_bias**2 + movie_bias**2)
        if settings.ordinal:
            return head.thresholds.loss(total, batch["rating"]) + penalty
        squares = self.stars_task(labels=batch["rating"][:, None], predictions=total[:, None])
        return squares / tf.cast(tf.size(total), tf.float32) + penalty

    def ranking_loss(self, batch, training=False):
        """Return the cross-entropy in nats of the hidden films, and the penalty on vectors.

        `batch`: user_index int32 `[batch]`.
        """
        head, settings, users = self.ranking, self.settings, batch["user_index"]
        num_rows = tf.shape(users)[0]
        entries = head.entries(users)
        target, age = head.hide(entries, num_rows)
        asked_from = tf.cast(target == 0, tf.float32)  # the rest of the history
        x = head.bag(entries, asked_from * head.fade(age), num_rows, training=training) + head.known(users, training)
        own = head.own(training)
        y = head.movie_vectors(own)
        queries, candidates = head.queries(x, training), head.candidates(y, own)

        places, shape = tf.stack([entries.row, entries.movie], axis=1), [num_rows, self.past.num_movies]
        target = tf.scatter_nd(places, target, shape)  # [batch, num_movies]
        weight = tf.reduce_sum(target, axis=1)
        if settings.sampled:
            loss = self._sampled_loss(queries, candidates, target, weight) / (DRAWN * tf.cast(num_rows, tf.float32))
        else:
            logits = tf.matmul(queries, candidates, transpose_b=True)
            logits -= NO_ANSWER * tf.scatter_nd(places, asked_from, shape)
            if head.rated is not None:  # that nobody rated it is no reason to learn that nobody will
                logits -= NO_ANSWER * (1 - head.rated[:, 0])
            labels = tf.math.divide_no_nan(target, weight[:, None])
            by_user = tf.math.divide_no_nan(tf.sqrt(weight), mean_over_workers(tf.reduce_mean(tf.sqrt(weight))))
            loss = self.catalogue_task(labels=labels, predictions=logits, sample_weight=by_user)
            loss /= tf.cast(num_rows, tf.float32)
        return loss + settings.ranking_penalty * (mean_squared_length(x) + mean_squared_length(y))

    def _sampled_loss(self, queries, candidates, target, weight):
        """Sum −log softmax over `DRAWN` hidden films of each user, among the films that any worker drew."""
        seed, logits = self.draws.own_seed(self.drawn_place), tf.math.log(target + 1e-9)
        drawn = tf.random.stateless_categorical(logits, DRAWN, seed, dtype=tf.int32)
        everybodys = own_first(tf.reshape(drawn, [-1]))  # where row r of the queries has its answer at r
        return self.sampled_task(
            query_embeddings=tf.repeat(queries, DRAWN, axis=0),
            candidate_embeddings=tf.gather(candidates, everybodys),
            candidate_sampling_probability=tf.gather(self.share, everybodys),
            candidate_ids=everybodys,
            sample_weight=tf.repeat(tf.cast(weight > 0, tf.float32), DRAWN),  # of some nothing is hidden
        )
