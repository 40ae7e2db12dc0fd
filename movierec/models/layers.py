"""What all networks share: seeded random numbers, the base model, initial weights, and small layers.

Taught in notebooks/04_embeddings, 05_hybrid_model and 06_training.
"""

import contextlib
import itertools
import threading

import numpy as np

from movierec.keras2 import not_pickled, tf, tf_config, tfrs

EMBEDDING_STDDEV = 0.05  # small: at the start every dot product is near 0 and the biases decide
RANDOMNESS = threading.RLock()  # the switch of deterministic kernels is the process's: other threads wait


class Draws:
    """Random numbers that are a function of seed, step and place, so that an interrupted training resumes exactly.

    Every layer that draws asks once for a place of its own, and every initial weight has a seed of its own. The global
    generators of Python, NumPy and TensorFlow are not used.
    """

    def __init__(self, seed: int = 0):
        self.at = (seed, 0)  # seed and step
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def at_step(self, step):
        """Set the step for the block, which runs one step of training."""
        before = self.at
        self.at = (before[0], tf.cast(step, tf.int32))
        try:
            yield
        finally:
            self.at = before  # the step of a traced graph does not exist outside of that graph

    def new_place(self) -> int:
        """Return the next unused place: 0, 1, 2, …"""
        return next(self._numbers)

    def weight_seed(self) -> int:
        """Return a seed for one initialiser, 0 to 2³¹ − 1, a function of `seed` and of the order of asking."""
        return int(np.random.SeedSequence([self.at[0], self.new_place()]).generate_state(1)[0] >> 1)

    def seed(self, place: int):
        """Return int32 `[2]`, the seed of a stateless TensorFlow function at this step and place."""
        return tf.random.experimental.stateless_fold_in(tf.convert_to_tensor(self.at, tf.int32), place)

    def own_seed(self, place: int):
        """Return `seed(place)`, but a different one for each of several workers."""
        workers = _workers()
        if workers is None:
            return self.seed(place)
        return tf.random.experimental.stateless_fold_in(self.seed(place), workers.replica_id_in_sync_group)

    def uniform(self, place: int, shape):
        """Return float32 `shape` in [0, 1). Each of several workers draws for all rows and keeps its own."""
        workers = _workers()
        if workers is None:
            return tf.random.stateless_uniform(shape, self.seed(place))
        rows = shape[0]
        all_rows = tf.concat([[rows * workers.num_replicas_in_sync], shape[1:]], axis=0)
        first = rows * workers.replica_id_in_sync_group
        return tf.random.stateless_uniform(all_rows, self.seed(place))[first : first + rows]


# ---- several workers


def _workers():
    """Return TensorFlow's context of this worker; None if there is one worker."""
    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context


def mean_over_workers(value):
    """Return the mean of a value over all workers."""
    workers = _workers()
    return value if workers is None else workers.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def own_first(rows):
    """Return the rows of all workers, `[workers · n, …]` from `[n, …]` of each; this worker's rows come first."""
    workers = _workers()
    if workers is None:
        return rows
    everybodys = workers.all_gather(rows, axis=0)
    return tf.roll(everybodys, -tf.shape(rows)[0] * workers.replica_id_in_sync_group, axis=0)


# ---- models


@contextlib.contextmanager
def deterministic_ops():
    """Run TensorFlow's deterministic kernels within the block, then restore the switch; other threads wait."""
    with RANDOMNESS:
        was_on = tf_config.is_op_determinism_enabled()
        tf.config.experimental.enable_op_determinism()
        try:
            yield
        finally:
            if not was_on:
                tf_config.disable_op_determinism()


class SeededModel(tfrs.Model):
    """A `tfrs.Model` for Keras's `fit`. Subclasses define `compute_loss(batch, training)`, the loss of one batch.

    `fit` reports the mean loss of an epoch, in `mean_loss`; a plain `tfrs.Model` reports that of the last batch.
    `seed` is that of the initial weights and of everything that is drawn in training, through `draws`; `fitted_head` is
    the name of the part that is being trained, None before the first `fit`.
    """

    __reduce__ = __copy__ = __deepcopy__ = not_pickled(
        "Pickle what `fit_hybrid` or `fit_sequence` returned; or write it with model.save(folder) and open it in the "
        "other process with movierec.load_model(folder)."
    )

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed
        self.draws = Draws(seed)
        self.mean_loss = tf.keras.metrics.Mean("loss")
        self.fitted_head = None

    def train_step(self, batch):
        """Take one step of the optimiser and return {"loss": mean loss of the epoch so far}.

        Each of R workers has its share of the batch. The gradients are summed over the workers, so each divides its
        own by R: the sum is the gradient of the whole batch.
        """
        with self.draws.at_step(self.optimizer.iterations), tf.GradientTape() as tape:
            loss = self.compute_loss(batch, training=True)
            share = loss / tf.distribute.get_replica_context().num_replicas_in_sync
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(share, variables), variables, strict=True))
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}

    def make_train_function(self, force=False):
        """Return the function of several steps that Keras's `fit` calls, whose step is traced once, not four times.

        Tracing is most of what a short training costs. Several workers have Keras's own function.
        """
        if self.distribute_strategy.num_replicas_in_sync > 1 or (self.train_function and not force):
            return super().make_train_function(force)
        steps = self._steps_per_execution
        _ = self.optimizer.iterations  # made here, as a variable that is made in a trace brings a second trace

        @tf.function(reduce_retracing=True)
        def train_function(iterator):
            def take_step(step, _):
                loss = self.train_step(next(iterator))["loss"]
                with tf.control_dependencies([loss]):
                    self._train_counter.assign_add(1)
                return step + 1, loss

            _, loss = tf.while_loop(lambda step, _: step < steps, take_step, [tf.constant(0, steps.dtype), 0.0])
            return {"loss": loss}

        self.train_function = self.train_tf_function = train_function
        return train_function


# ---- layers


def small_random(draws: Draws):
    """Return an initialiser N(0, EMBEDDING_STDDEV²) for one embedding table; ask again for the next table."""
    return tf.keras.initializers.RandomNormal(stddev=EMBEDDING_STDDEV, seed=draws.weight_seed())


def glorot(draws: Draws):
    """Return Keras's default initialiser of a Dense kernel, with a seed of its own."""
    return tf.keras.initializers.GlorotUniform(seed=draws.weight_seed())


def start_at(values: np.ndarray):
    """Return an initialiser that fills a weight with `values`."""
    return tf.keras.initializers.Constant(values.astype(np.float32))


class Dropout(tf.keras.layers.Layer):
    """In training, x / (1 − rate) where kept and 0 elsewhere, drawn again in every step; otherwise x."""

    def __init__(self, rate: float, draws: Draws):
        super().__init__()
        self.rate = rate
        self.draws = draws
        self.place = draws.new_place()

    def call(self, x, training=False):
        """Return float32 of the shape of `x`, `[batch, units]`."""
        if not training or self.rate == 0:
            return x
        kept = self.draws.uniform(self.place, tf.shape(x)) >= self.rate
        return tf.where(kept, x / (1 - self.rate), 0.0)


def multilayer_perceptron(inputs: int, hidden: tuple, outputs: int, dropout: float, draws: Draws):
    """Return Dense layers with dropout before each; the last one starts at zero, so that it adds nothing at first."""
    layers = []
    for units in hidden:
        dense = tf.keras.layers.Dense(units, activation="relu", kernel_initializer=glorot(draws))
        layers += [Dropout(dropout, draws), dense]
    layers += [Dropout(dropout, draws), tf.keras.layers.Dense(outputs, kernel_initializer="zeros")]
    network = tf.keras.Sequential(layers)
    network.build((None, inputs))
    return network


class Thresholds(tf.keras.layers.Layer):
    """Stars as an ordered choice: P(r > level_k) = σ(a · (f − c_k)), with f the sum of the paths.

    The prediction is the expected star, level_1 + Σ_k (level_{k+1} − level_k) · P(r > level_k). `levels`: the different
    stars in train, ascending `[K]`; the cuts c start halfway between them.

    Source: Koren and Sill (2011), *OrdRec*.
    """

    def __init__(self, levels: np.ndarray):
        super().__init__(name="thresholds")
        self.levels = tf.constant(levels, tf.float32)
        halfway = (levels[1:] + levels[:-1]) / 2
        self.cuts = self.add_weight("cuts", halfway.shape, initializer=start_at(halfway))
        self.slope = self.add_weight("slope", (), initializer=start_at(np.array(2.0)))  # a

    def logits(self, total):
        """Return a · (f − c), float32 `[batch, K − 1]`."""
        return self.slope * (total[:, None] - self.cuts)

    def expected(self, total):
        """Return the expected stars, float32 `[batch]`."""
        return self.levels[0] + tf.linalg.matvec(tf.sigmoid(self.logits(total)), self.levels[1:] - self.levels[:-1])

    def loss(self, total, rating):
        """Return the mean over the batch of −log likelihood of the K − 1 answers to "more than level k?", in nats."""
        above = tf.cast(rating[:, None] > self.levels[:-1], tf.float32)
        loss = tf.nn.sigmoid_cross_entropy_with_logits(above, self.logits(total))
        return tf.reduce_mean(tf.reduce_sum(loss, axis=1))


def mean_squared_length(vectors):
    """Return the mean over rows of Σ_d v_d², a scalar."""
    return tf.reduce_mean(tf.reduce_sum(vectors**2, axis=1))
