"""Feedback: learn from clicks, in a simulated world whose truth is known.

`simulator` has the users, `bandits` the policies that learn while they choose, and the feedback loop. `off_policy`
estimates from a log what another policy would have earned, and improves a policy by its gradient.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["bandits", "off_policy", "simulator"],
    submod_attrs={
        "bandits": ["InOrder", "LinUCB", "RidgeBandit", "ThompsonSampling"],
        "off_policy": ["doubly_robust", "ips", "policy_gradient", "snips", "softmax_policy"],
        "simulator": ["World"],
    },
)
