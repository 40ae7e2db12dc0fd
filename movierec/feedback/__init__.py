"""The feedback room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bandits": ["EpsilonGreedy", "InOrder", "LinUCB", "LinearBandit", "ThompsonSampling"],
        "policy_gradient": ["ascend", "chance_in_list", "softmax_policy"],
        "simulator": ["World"],
    },
)
