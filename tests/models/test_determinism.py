"""Every traced graph can run deterministically on a GPU: no op in it refuses to, unless it is placed on the CPU.

Some GPU kernels have no deterministic version: with the switch on, they raise UnimplementedError. No GPU is needed to
see that: the graphs name their ops and devices.
"""

import numpy as np
import pytest
from untrained import untrained

from movierec.baselines import Bias
from movierec.data import make_weeks, rating_rows
from movierec.keras2 import tf
from movierec.models import SequenceModel, deterministic_ops
from movierec.models.history import make_history, windows
from movierec.models.ncf import FusedModel
from movierec.models.stars import session_features
from movierec.training import OPTIMIZERS

# Sources: the GPU kernels in tensorflow/core/kernels that check `OpDeterminismRequired()` and return `Unimplemented`
# (TensorFlow 2.21), and "Status of GPU-Determinism in TensorFlow", github.com/NVIDIA/framework-reproducibility.
# Not in the list, because they have a deterministic version or run on the CPU then: segment sums, gather and its
# gradient, scatter_nd, bias_add, top_k, unique.
# tf.nn's cross-entropies take another way if they are traced while the switch is on.
REFUSED = {
    "AdjustContrastv2", "Bincount", "CropAndResizeGradBoxes", "CropAndResizeGradImage", "DebugNumericSummaryV2",
    "DenseBincount", "DepthwiseConv2dNativeBackpropFilter", "Dilation2DBackpropFilter", "Dilation2DBackpropInput",
    "FakeQuantWithMinMaxVarsGradient", "FakeQuantWithMinMaxVarsPerChannelGradient", "FusedBatchNormGrad",
    "FusedBatchNormGradV2", "FusedBatchNormGradV3", "MaxPoolGradWithArgmax", "ResizeNearestNeighborGrad",
    "SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits", "SparseTensorDenseMatMul", "Svd",
}  # fmt: skip
STATEFUL = {"Multinomial", "RandomStandardNormal", "RandomUniform", "RandomUniformInt"}  # need a global seed
SMALL = dict(dim=3, ranking_dim=4, hidden=(5,), ranking_hidden=(5,))


def refused(concrete) -> set:
    """The names of the ops of a concrete function, and of all that it calls, that a GPU would refuse."""
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    assert len(nodes) > 3
    return {node.op for node in nodes if node.op in REFUSED | STATEFUL and "CPU" not in node.device}


def refused_in_training(model, batch, optimizer="lazy_adam") -> set:
    """The same of one step of training, traced as `fit` does."""
    model.compile(optimizer=OPTIMIZERS[optimizer](0.01))
    with deterministic_ops():
        return refused(tf.function(model.train_step).get_concrete_function(batch))


def test_an_op_that_a_gpu_would_refuse_is_found_and_one_on_the_cpu_is_not():
    """The bad case: in a function that is called by a function, too."""
    matrix = tf.sparse.from_dense(tf.eye(3))

    @tf.function
    def product():
        return tf.sparse.sparse_dense_matmul(matrix, tf.ones([3, 2]))

    @tf.function
    def on_cpu():
        with tf.device("CPU:0"):
            return tf.sparse.sparse_dense_matmul(matrix, tf.ones([3, 2]))

    outer = tf.function(lambda: tf.while_loop(lambda i: i < 2.0, lambda i: (i + tf.reduce_sum(product()),), [0.0]))
    assert refused(outer.get_concrete_function()) == {"SparseTensorDenseMatMul"}
    assert refused(on_cpu.get_concrete_function()) == set()
    assert refused(tf.function(lambda: tf.random.normal([2]) + 1).get_concrete_function()) == {"RandomStandardNormal"}


@pytest.mark.parametrize("settings", [{}, {"most_pairs": 0, "ids": True, "ordinal": False}], ids=str)
def test_the_stars_head(tiny, tiny_indices, settings):
    model = untrained(tiny, tiny_indices, ("stars",), **SMALL, **settings)
    rows = rating_rows(tiny.ratings.sort_values(["user_id", "timestamp"]), tiny_indices, make_weeks(tiny.ratings))
    rows |= {"residual": model.past.residual, "session": session_features(model.past)}
    assert refused_in_training(model, {name: tf.constant(column) for name, column in rows.items()}) == set()
    assert refused(model.predict_stars.get_concrete_function()) == set()


@pytest.mark.parametrize(
    "settings",
    [{}, {"sampled": True, "content_share": 0.4, "ids": True}, {"encoder": "attention", "without": "order"}],
    ids=str,
)
def test_the_ranking_head(tiny, tiny_indices, settings):
    model = untrained(tiny, tiny_indices, ("ranking",), in_order="without" not in settings, **SMALL, **settings)
    assert model.ranking.linear is not None
    assert refused_in_training(model, {"user_index": tf.range(6)}) == set()
    assert refused(model.score.get_concrete_function()) == set()


@pytest.mark.parametrize("loss", ["softmax", "bce"])
def test_the_sequence_model(tiny, tiny_indices, loss):
    history = make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices), in_order=True)
    model = SequenceModel(np.ones(5), tf.ones([5, 2]), loss, 4, 0.1, 0.1, length=3, blocks=1)
    batch = {name: tf.constant(column) for name, column in windows(history, 3)._asdict().items()}
    assert refused_in_training(model, batch, "adam") == set()
    assert refused(model.score_next.get_concrete_function()) == set()


def test_neumf():
    model = FusedModel(6, 5, None, 3, (4,), 0.1, 0.01)
    batch = {"user_index": tf.range(3), "movie_index": tf.range(3), "label": tf.ones(3)}
    assert refused_in_training(model, batch, "adam") == set()
    assert refused(model.score.get_concrete_function(tf.TensorSpec([None], tf.int32))) == set()


def test_the_pipeline_that_serves_lists(fitted):
    functions = ("recommend", "recommend_after", "recommend_new", "similar", "shares")
    found = {name: refused(getattr(fitted.pipeline, name).get_concrete_function()) for name in functions}
    assert found == dict.fromkeys(functions, set())
