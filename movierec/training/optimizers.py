"""The optimisers that `fit_hybrid` offers by name; one of them touches only what a batch touches.

Taught in notebooks/13_scale, with a table of costs.
"""

from movierec.keras2 import tf


class LazyAdam(tf.keras.optimizers.legacy.Adam):
    """Adam that moves only the rows of a table that a batch gathered, and their moments; see notebooks/13_scale.

    m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  w ← w − rate · m̂ / (√v̂ + ε)

    Adam itself moves every row in every step, by its moments, and so pays for the whole table: with 280,000 users ten
    times the rest. A gradient that does not come from gathering rows is treated as by Adam.

    Source: Kingma and Ba (2015), algorithm 1; "lazy" as in TensorFlow Addons, which has ended.
    """

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        """Return the operation that moves the rows `indices`, each once, by `grad` `[rows, …]`; Keras calls it."""
        key = var.device, var.dtype.base_dtype
        now = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = now["beta_1_t"] * tf.gather(m, indices) + now["one_minus_beta_1_t"] * grad
        new_v = now["beta_2_t"] * tf.gather(v, indices) + now["one_minus_beta_2_t"] * grad**2
        step = now["lr"] * new_m / (tf.sqrt(new_v) + now["epsilon"])  # "lr" has both bias corrections in it
        return tf.group(
            m.scatter_update(tf.IndexedSlices(new_m, indices)),
            v.scatter_update(tf.IndexedSlices(new_v, indices)),
            var.scatter_sub(tf.IndexedSlices(step, indices)),
        )


OPTIMIZERS = {
    "adam": tf.keras.optimizers.legacy.Adam,
    "lazy_adam": LazyAdam,
    "adagrad": tf.keras.optimizers.legacy.Adagrad,
}
