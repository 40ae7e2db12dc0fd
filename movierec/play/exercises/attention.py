"""Judge the exercises of notebook 10: each function says in words what is wrong with an answer; "" if it is right."""

from collections.abc import Callable

import numpy as np

from movierec.keras2 import tf
from movierec.models import History
from movierec.models.attention import AttentionBlock
from movierec.models.layers import Draws
from movierec.play.exercises import Truth

SOME_USER, SOME_FADE = 7, 0.9  # with which a scorer is tried
CHANGED = 1e-3  # scores that differ by more have changed
LOSSES = ("softmax", "sampled", "bce")


def logits(query, keys) -> Truth:
    """Return the logits of one query for some keys."""
    products = np.asarray(keys, float) @ np.asarray(query, float)
    scaled = products / len(query) ** 0.5
    return Truth(scaled.tolist(), [
        (products.tolist(), "Those are the products; divide by √dim."),
        ((products / len(query)).tolist(), "You divided by dim, not by its root."),
        ((np.exp(scaled) / np.exp(scaled).sum()).tolist(), "That is after the softmax."),
    ])  # fmt: skip


def of_fading(make: Callable, best: float, fades, history: History, weights: np.ndarray, ndcg: Callable) -> str:
    """Judge a maker of scorers whose films fade with their age, and the fade that was chosen on validation."""
    own = history.movie_index[history.user_index == SOME_USER]
    powers = SOME_FADE ** np.arange(len(own))  # of the newest film first
    expected, reverse = (powers[::order] @ weights[own] for order in (-1, 1))
    found = np.asarray(make(SOME_FADE)(np.array([SOME_USER])))[0]
    if not np.allclose(found, expected, atol=1e-4):
        is_reverse = np.allclose(found, reverse, atol=1e-4)
        return "The oldest film counts most. Age 0 is the newest." if is_reverse else "The films count otherwise."
    quality = {fade: ndcg(make(fade)) for fade in fades}
    return "" if best == max(quality, key=quality.get) else "Another fade is better on validation."


def of_mask(attention: Callable) -> str:
    """Judge an attention by changing a film of the future and one of the past, and looking which outputs move."""
    query, key, value = np.random.default_rng(0).normal(size=(3, 4, 2))
    before, later, earlier = attention(query, key, value), value.copy(), value.copy()
    later[2] += 1
    earlier[0] += 1
    moved = np.abs(attention(query, key, later) - before).max(axis=1) > 1e-9
    if moved[:2].any():
        return "A place still sees its future."
    if not moved[2:].all():
        return "A place does not see a film that came before."
    return "" if (np.abs(attention(query, key, earlier) - before).max(axis=1) > 1e-9).all() else "The past is hidden."


def of_order(answer: dict[int, bool], train: Callable) -> str:
    """Judge for which numbers of blocks the scores change when all films but the newest are read in reverse."""
    for blocks in (1, 2):
        model = train(blocks=blocks, has_places=False, has_gaps=False)
        users = np.flatnonzero((model.film < model.indices.num_movies).all(axis=1))
        film = model.film[users]
        film[:, :-1] = film[:, -2::-1]
        change = np.abs(model.score(users) - model.score_next(film, model.gap[users])).max()
        if answer.get(blocks) != bool(change > CHANGED):
            return f"Look again at blocks={blocks}: is the newest film still in its place, and are the gaps the same?"
    return ""


def of_gates(block_class: type) -> str:
    """Judge a gated block by its output; if that is wrong, shut both gates."""
    block, expected = (kind(8, 0.0, Draws(), gated=True) for kind in (block_class, AttentionBlock))
    x, is_film = tf.random.stateless_normal([2, 5, 8], [0, 1]), tf.ones([2, 5], tf.bool)
    for each in (block, expected):
        each(x, is_film)  # builds its weights
    expected.set_weights(block.get_weights())
    if np.allclose(block(x, is_film), expected(x, is_film), atol=1e-5):
        return ""
    for gate in block.gates:
        gate.bias.assign(tf.fill([8], -50.0))
    passes = np.allclose(block(x, is_film), x, atol=1e-4)
    return "The gates read something else than x." if passes else "With both gates shut, x must pass unchanged."


def of_losses(answer: str, train: Callable) -> str:
    """Judge which loss is best on validation, all else equal."""
    quality = {name: train(loss=name).history["validation_ndcg@10"].max() for name in LOSSES}
    return "" if answer == max(quality, key=quality.get) else "Another loss is better on validation."
