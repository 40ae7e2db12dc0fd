"""Self-attention against loops, and what it must not see."""

import numpy as np
import pytest

from movierec.keras2 import tf
from movierec.models.attention import NEGATIVES, AttentionBlock, AttentionEncoder, CausalSelfAttention, SequenceModel
from movierec.models.layers import Draws

LENGTH, DIM, FILMS = 4, 6, 5


def some(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


@pytest.fixture
def model():
    """An untrained model whose weights are no longer small, so that what reads what can be seen."""
    model = SequenceModel(
        np.array([3, 1, 4, 1, 5]), some(FILMS, 2, seed=9), "softmax", DIM, 0.0, 0.0, length=LENGTH, blocks=2
    )
    rng = np.random.default_rng(1)
    model.sequence.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.sequence.get_weights()])
    return model


def films(*rows):
    return tf.constant(rows, tf.int32)


def test_attention_equals_a_loop():
    """softmax(q·k/√dim) over the places up to one's own that have a film."""
    attention, x = CausalSelfAttention(DIM), some(2, LENGTH, DIM)
    is_film = np.array([[False, True, True, True], [True, True, True, True]])
    output, weights = (look(x, tf.constant(is_film)).numpy() for look in (attention, attention.attention_weights))
    q, k, v = (layer.kernel.numpy() for layer in (attention.query, attention.key, attention.value))
    x = x.numpy()
    for row in range(2):
        for place in range(LENGTH):
            if not is_film[row, place]:
                continue
            there = [other for other in range(place + 1) if is_film[row, other]]
            logits = np.array([(x[row, place] @ q) @ (x[row, other] @ k) / np.sqrt(DIM) for other in there])
            share = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            np.testing.assert_allclose(weights[row, place, there], share, atol=1e-5)
            mixed = sum(s * (x[row, other] @ v) for s, other in zip(share, there, strict=True))
            np.testing.assert_allclose(output[row, place], mixed, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-6)
    assert not np.triu(weights[1], 1).any() and not weights[0, 1:, 0].any()


def test_no_place_sees_its_future_or_places_without_a_film(model):
    """Another film at place 2 changes the states from there on, and none before.

    Whatever gap is written where there is no film, the last states are the same; at the films it matters.
    """

    def states(film, gap=(0, 0, 0, 0)):
        return model.sequence.states(films(film), films(gap), model.sequence.movie_vectors()).numpy()[0]

    one, other = states([0, 1, 2, 3]), states([0, 1, 4, 3])
    np.testing.assert_array_equal(one[:2], other[:2])
    assert np.abs(one[2:] - other[2:]).max(axis=1).min() > 0.01
    short = [FILMS, FILMS, 2, 3]
    plain, odd, other = states(short), states(short, [3, 4, 0, 0]), states(short, [0, 0, 0, 3])
    np.testing.assert_array_equal(plain[2:], odd[2:])
    assert np.abs(plain[3] - other[3]).max() > 0.01


def test_order_is_known_by_places_or_gaps_and_else_by_the_mask_alone():
    """Without both, one block sees a set: its last state is the same for another order before it. Two do not."""
    gap, is_film = tf.constant([[0, 1, 2, 3]]), tf.ones([1, LENGTH], tf.bool)
    x = some(1, LENGTH, DIM)
    other = tf.gather(x, [1, 0, 2, 3], axis=1)
    apart = {}
    for blocks, places, has_gaps in ((1, False, False), (2, False, False), (1, True, False), (1, False, True)):
        encoder = AttentionEncoder(LENGTH, DIM, blocks, 0.0, Draws(), has_places=places, has_gaps=has_gaps)
        encoder.set_weights([np.random.default_rng(2).normal(0, 0.5, weight.shape) for weight in encoder.get_weights()])
        states = [encoder(one, gap, is_film)[0, -1].numpy() for one in (x, other)]
        apart[blocks, places, has_gaps] = np.abs(states[0] - states[1]).max()
    assert apart.pop((1, False, False)) < 1e-5 and min(apart.values()) > 1e-3


def test_the_score_is_a_dot_product_and_a_bias_and_begins_as_popularity(model):
    head, film, gap = model.sequence, films([5, 0, 1, 2]), films([6, 6, 0, 1])
    state = head.states(film, gap, head.movie_vectors())[:, -1].numpy()
    y = head.movie_id.numpy() + head.movie_features.numpy() @ head.movie_feature.numpy()
    np.testing.assert_allclose(head(film, gap), state @ y.T + head.movie_bias.numpy(), atol=1e-4)
    np.testing.assert_allclose(head.scores_of(state, y, films(3)[0][None]), head(film, gap)[:, 3], atol=1e-4)
    fresh = SequenceModel(np.array([3, 1, 4, 1, 5]), some(FILMS, 0), "softmax", DIM, 0.0, 0.0, length=LENGTH, blocks=1)
    bias = fresh.sequence.movie_bias.numpy()
    np.testing.assert_allclose(bias - bias[0], np.log1p([3, 1, 4, 1, 5]) - np.log1p(3), atol=1e-6)
    np.testing.assert_allclose(np.exp(bias).mean(), 1, atol=1e-6)


def test_the_softmax_loss_equals_a_loop(model):
    """−log of the answer's share among the films that were not yet there; the mean over all questions."""
    head = model.sequence
    batch = {"film": films([5, 0, 1, 2], [3, 1, 0, 4]), "gap": films([6, 6, 0, 1], [6, 1, 1, 2])}
    batch["next_film"] = films([5, 1, 2, 4], [1, 0, 4, 2])
    states, y = head.states(batch["film"], batch["gap"], head.movie_vectors()).numpy(), head.movie_vectors().numpy()
    losses = []
    for row in range(2):
        for place in range(LENGTH):
            answer = batch["next_film"].numpy()[row, place]
            if answer == FILMS:
                continue
            old = set(batch["film"].numpy()[row, : place + 1]) - {FILMS}
            scores = y @ states[row, place] + head.movie_bias.numpy()
            left = [film for film in range(FILMS) if film not in old]
            losses.append(np.log(np.exp(scores[left] - scores[answer]).sum()))
    assert len(losses) == 7
    np.testing.assert_allclose(model.compute_loss(batch), np.mean(losses), rtol=1e-4)
    model.penalty = 0.5
    np.testing.assert_allclose(model.compute_loss(batch), np.mean(losses) + 0.5 * (y**2).sum(axis=1).mean(), rtol=1e-4)


def test_the_losses_against_drawn_films_equal_their_equations(model):
    """bce: −log σ(right) − log σ(−wrong). sampled: −log of the answer's share among itself and the drawn films.

    Films are drawn by seed and step; in the second, the answer is no rival of its own.
    """
    head, y = model.sequence, model.sequence.movie_vectors()
    batch = {"film": films([0, 1, 2, 3]), "gap": films([6, 0, 0, 0]), "next_film": films([1, 2, 3, 4])}
    scores = head.scores(head.states(batch["film"], batch["gap"], y), y).numpy()[0]
    right = scores[np.arange(4), [1, 2, 3, 4]]
    one, many = (np.int32(model.draws.uniform(model.drawn_place, [n]).numpy() * FILMS) for n in (4, NEGATIVES))
    rivals = [np.exp(scores[place, many[many != place + 1]]).sum() for place in range(4)]
    expected = {"bce": np.log1p(np.exp(-right)) + np.log1p(np.exp(scores[np.arange(4), one]))}
    expected["sampled"] = np.log(np.exp(right) + rivals) - right
    for model.loss_name, losses in expected.items():
        np.testing.assert_allclose(model.compute_loss(batch), np.mean(losses), rtol=1e-4)


def test_a_gated_block_scales_what_it_adds():
    """Shut gates let the input pass; wide open, the block is the plain one; at the start they are half open."""
    x, is_film = some(2, LENGTH, DIM), tf.ones([2, LENGTH], tf.bool)
    gated, plain = (AttentionBlock(DIM, 0.0, Draws(), is_gated) for is_gated in (True, False))
    half, whole = gated(x, is_film), plain(x, is_film)
    assert np.abs(half - whole).max() > 0.01
    for gate in gated.gates:
        gate.kernel.assign(tf.zeros_like(gate.kernel))
    for bias, expected in ((-50.0, x), (50.0, whole)):
        for gate in gated.gates:
            gate.bias.assign(tf.fill(gate.bias.shape, bias))
        np.testing.assert_allclose(gated(x, is_film), expected, atol=1e-5)
