"""Self-attention over a history: the vector of each film is mixed with those before it, to predict the next one.

Built piece by piece in notebooks/10_self_attention.
"""

import math

import numpy as np

from movierec.keras2 import tf
from movierec.models.history import NUM_GAPS
from movierec.models.layers import Draws, Dropout, SeededModel, glorot, mean_squared_length, small_random, start_at

NEVER = 1e9  # subtracted from the logits that must not be chosen
LOSSES = ("softmax", "sampled", "bce")
NEGATIVES = 256  # films that the sampled softmax draws for a batch


class CausalSelfAttention(tf.keras.layers.Layer):
    """A weighted mean of the values of all places up to each place; the weights compare its query with their keys.

    A = softmax(Q Kᵀ / √dim + mask),  output = A V,  with Q = x W_q, K = x W_k, V = x W_v

    The mask is −∞ for places in the future and for places without a film. x is float32 `[batch, length, dim]`, is_film
    bool `[batch, length]`.

    Source: Vaswani et al. (2017), *Attention is all you need*, with one head.
    """

    def __init__(self, dim: int, draws: Draws | None = None):
        super().__init__()
        draws = draws or Draws()

        def projection():
            return tf.keras.layers.Dense(dim, use_bias=False, kernel_initializer=glorot(draws))

        self.query = projection()
        self.key = projection()
        self.value = projection()
        self.sharpness = 1 / math.sqrt(dim)

    def attention_weights(self, x, is_film):
        """Return A, float32 `[batch, length, length]`, whose rows sum to 1."""
        length = x.shape[1]
        not_later = tf.linalg.band_part(tf.ones([length, length], tf.bool), -1, 0)
        itself = tf.eye(length, dtype=tf.bool)  # otherwise the row of a place without a film would be empty
        is_allowed = (not_later & is_film[:, None, :]) | itself
        logits = tf.matmul(self.query(x), self.key(x), transpose_b=True) * self.sharpness  # [batch, length, length]
        return tf.nn.softmax(tf.where(is_allowed, logits, -NEVER))

    def call(self, x, is_film):
        """Return A V, float32 `[batch, length, dim]`."""
        return tf.matmul(self.attention_weights(x, is_film), self.value(x))


class AttentionBlock(tf.keras.layers.Layer):
    """x ← x + dropout(attention(norm(x))), then x ← x + dropout(MLP(norm(x))), with the same MLP at every place.

    If `gated`, what is added is first multiplied by σ(W x + b), as in LiGR: Borisyuk et al. (2025), *From features to
    transformers*.
    """

    def __init__(self, dim: int, dropout: float, draws: Draws, gated: bool = False):
        super().__init__()
        self.attention = CausalSelfAttention(dim, draws)
        self.wide = tf.keras.layers.Dense(dim, activation="relu", kernel_initializer=glorot(draws))
        self.narrow = tf.keras.layers.Dense(dim, kernel_initializer=glorot(draws))
        self.norms = [tf.keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.dropouts = [Dropout(dropout, draws) for _ in range(3)]
        gates = 2 if gated else 0
        self.gates = [tf.keras.layers.Dense(dim, "sigmoid", kernel_initializer=glorot(draws)) for _ in range(gates)]

    def call(self, x, is_film, training=False):
        """Return float32 `[batch, length, dim]`."""
        mixed = self.dropouts[0](self.attention(self.norms[0](x), is_film), training=training)
        x = x + (self.gates[0](x) * mixed if self.gates else mixed)
        hidden = self.dropouts[1](self.wide(self.norms[1](x)), training=training)
        hidden = self.dropouts[2](self.narrow(hidden), training=training)
        return x + (self.gates[1](x) * hidden if self.gates else hidden)


class AttentionEncoder(tf.keras.layers.Layer):
    """From the vectors of the newest `length` films in order, a vector h at each place that sums up all up to there.

    h = norm(blocks(dropout(√dim · film + place + gap))), where `place` is counted from the newest film and `gap` is the
    time since the film before. Without both, `has_places` and `has_gaps`, only the mask shows the order. See
    `AttentionBlock` for `gated`.
    """

    def __init__(
        self, length: int, dim: int, blocks: int, dropout: float, draws: Draws, has_places=True, has_gaps=True,
        gated=False,
    ):  # fmt: skip
        super().__init__()
        self.length, self.scale = length, math.sqrt(dim)
        self.place = self.add_weight("place", (length, dim), initializer=small_random(draws)) if has_places else None
        self.gap = self.add_weight("gap", (NUM_GAPS, dim), initializer=small_random(draws)) if has_gaps else None
        self.dropout = Dropout(dropout, draws)
        self.blocks = [AttentionBlock(dim, dropout, draws, gated) for _ in range(blocks)]
        self.norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        zeros = tf.zeros([1, length], tf.int32)
        self(tf.zeros([1, length, dim]), zeros, zeros == 0)  # builds all weights, so that they can be set

    def begin(self, vectors, gap, is_film, training=False):
        """Return the input of the first block, float32 `[batch, length, dim]`, from vectors and int32 gaps."""
        x = self.scale * vectors
        if self.place is not None:
            x += self.place
        if self.gap is not None:
            x += tf.gather(self.gap, gap)
        return self.dropout(x, training=training) * tf.cast(is_film, tf.float32)[:, :, None]

    def call(self, vectors, gap, is_film, training=False):
        """Return h, float32 `[batch, length, dim]`."""
        x = self.begin(vectors, gap, is_film, training)
        for block in self.blocks:
            x = block(x, is_film, training=training)
        return self.norm(x)

    def attention_weights(self, vectors, gap, is_film):
        """Return A of each block, float32 `[blocks, batch, length, length]`."""
        x, weights = self.begin(vectors, gap, is_film), []
        for block in self.blocks:
            weights.append(block.attention.attention_weights(block.norms[0](x), is_film))
            x = block(x, is_film)
        return tf.stack(weights)


def log_popularity(count: np.ndarray) -> np.ndarray:
    """Return log((1 + n) / mean(1 + n)), `[M]`: where both losses are lowest, as the softmax minds no constant."""
    return np.log((1 + count) / np.mean(1 + count))


class SequenceHead(tf.keras.layers.Layer):
    """The score of every film as the next one: score_i = ⟨h, y_i⟩ + b_i,  y_i = id_i + Σ_g features_ig · g.

    The encoder reads the same vectors y. b starts at log(M (1 + n_i) / Σ_j (1 + n_j)), with M movies: before its first
    step the head is popularity, and each loss is at its lowest for a score that does not depend on the history.

    Args:
        count: n, the ratings of each film in train, `[num_movies]`.
        movie_features: float32 `[num_movies, num_features]`; num_features may be 0.
        encoder: settings of `AttentionEncoder`, besides dim, dropout and draws.
    """

    def __init__(self, count: np.ndarray, movie_features, dim: int, dropout: float, draws: Draws, **encoder):
        super().__init__(name="sequence")
        self.num_movies, self.movie_features = len(count), movie_features
        self.movie_id = self.add_weight("movie_id", (len(count), dim), initializer=small_random(draws))
        shape = movie_features.shape[1], dim
        self.movie_feature = self.add_weight("movie_feature", shape, initializer=small_random(draws))
        self.movie_bias = self.add_weight("movie_bias", count.shape, initializer=start_at(log_popularity(count)))
        self.encoder = AttentionEncoder(dim=dim, dropout=dropout, draws=draws, **encoder)

    def movie_vectors(self):
        """Return y, float32 `[num_movies, dim]`."""
        return self.movie_id + self.movie_features @ self.movie_feature

    def read(self, film, vectors):
        """Return the films' vectors `[batch, length, dim]`, 0 where there is no film; and where there is one, bool."""
        is_film = film < self.num_movies
        there = tf.gather(vectors, tf.minimum(film, self.num_movies - 1))
        return there * tf.cast(is_film, tf.float32)[:, :, None], is_film

    def states(self, film, gap, vectors, training=False):
        """Return h at every place, float32 `[batch, length, dim]`, from int32 `[batch, length]`."""
        there, is_film = self.read(film, vectors)
        return self.encoder(there, gap, is_film, training=training)

    def scores(self, states, vectors):
        """Return the scores of all films, float32 `[…, num_movies]`, from states `[…, dim]`."""
        return tf.matmul(states, vectors, transpose_b=True) + self.movie_bias

    def scores_of(self, states, vectors, film):
        """Return the score of one film for each state, float32 `[batch]`, from `[batch, dim]` and int32 `[batch]`."""
        return tf.reduce_sum(states * tf.gather(vectors, film), axis=1) + tf.gather(self.movie_bias, film)

    def call(self, film, gap):
        """Return the scores of the film after the last place, float32 `[batch, num_movies]`."""
        vectors = self.movie_vectors()
        return self.scores(self.states(film, gap, vectors)[:, -1], vectors)

    def attention_weights(self, film, gap):
        """Return A of each block, float32 `[blocks, batch, length, length]`: how much row q takes from column k."""
        there, is_film = self.read(film, self.movie_vectors())
        return self.encoder.attention_weights(there, gap, is_film)


class SequenceModel(SeededModel):
    """SASRec with a softmax over the catalogue: at every place of a window, which film came next?

    softmax  mean of −log softmax_i score(h, i) for the next film i, among the films that were not yet in the window
    sampled  the same among i and NEGATIVES films drawn at random for the batch
    bce      mean of −log σ(score of the next film) − log σ(−score of one film drawn at random), as it was published

    To the loss comes `penalty` times the films' mean squared length. `dropout` is of the states, in the encoder and
    before the scores. The other arguments are those of `SequenceHead`.

    Source: Kang and McAuley (2018), *Self-attentive sequential recommendation*; Klenitskiy and Vasilev (2023),
    *Turning dross into gold loss: is BERT4Rec really better than SASRec?*, for the softmax; Tikhonovich et al. (2025),
    *eSASRec*, for the sampled one with `gated` blocks.
    """

    def __init__(
        self, count, movie_features, loss: str, dim: int, dropout: float, penalty: float, seed: int = 0, **encoder
    ):  # fmt: skip
        super().__init__(seed)
        self.loss_name, self.penalty = loss, penalty
        self.sequence = SequenceHead(count, movie_features, dim, dropout, self.draws, **encoder)
        self.dropout, self.drawn_place = Dropout(dropout, self.draws), self.draws.new_place()
        rows = tf.TensorSpec([None, encoder["length"]], tf.int32)
        self.score_next = tf.function(self.sequence, input_signature=[rows, rows])

    def compute_loss(self, batch, training=False):
        """Return the loss of one batch of windows, in nats; `batch`: film, gap, next_film, int32 `[batch, length]`."""
        head = self.sequence
        film = batch["film"]
        next_film = batch["next_film"]
        vectors = head.movie_vectors()
        states = head.states(film, batch["gap"], vectors, training)
        asked = tf.where(next_film < head.num_movies)  # [questions, 2], row and place of each
        states = self.dropout(tf.gather_nd(states, asked), training=training)  # [questions, dim]
        answer = tf.gather_nd(next_film, asked)
        if self.loss_name == "softmax":
            scores = head.scores(states, vectors)  # [questions, num_movies]
            place = tf.cast(asked[:, 1:], tf.int32)
            is_old = tf.gather(self._first_place(film), asked[:, 0]) <= place  # already in the window: no candidate
            every = tf.reduce_logsumexp(tf.where(is_old, -NEVER, scores), axis=1)
            losses = every - head.scores_of(states, vectors, answer)
        elif self.loss_name == "sampled":
            drawn = tf.cast(self.draws.uniform(self.drawn_place, [NEGATIVES]) * head.num_movies, tf.int32)
            wrong = states @ tf.transpose(tf.gather(vectors, drawn)) + tf.gather(head.movie_bias, drawn)
            wrong = tf.where(answer[:, None] == drawn, -NEVER, wrong)
            right = head.scores_of(states, vectors, answer)
            losses = tf.reduce_logsumexp(tf.concat([right[:, None], wrong], axis=1), axis=1) - right
        else:
            other = tf.cast(self.draws.uniform(self.drawn_place, tf.shape(answer)) * head.num_movies, tf.int32)
            right, wrong = head.scores_of(states, vectors, answer), head.scores_of(states, vectors, other)
            losses = tf.nn.softplus(-right) + tf.nn.softplus(wrong)
        return tf.reduce_mean(losses) + self.penalty * mean_squared_length(vectors)

    def _first_place(self, film):
        """Return the first place of each film in its window, int32 `[batch, num_movies]`; `length` if it is absent."""
        num_rows, length = tf.shape(film)[0], film.shape[1]
        row = tf.repeat(tf.range(num_rows), length)
        cells = tf.stack([row, tf.reshape(film, [-1])], axis=1)
        nowhere = tf.fill([num_rows, self.sequence.num_movies + 1], length)
        first = tf.tensor_scatter_nd_min(nowhere, cells, tf.tile(tf.range(length), [num_rows]))
        return first[:, :-1]
