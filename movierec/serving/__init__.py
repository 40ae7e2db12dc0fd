"""The serving room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "events": ["Event", "EventStore"],
        "served": ["load_served"],
        "service": ["make_app", "serve"],
    },
)
