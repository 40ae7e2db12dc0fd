"""A saved model in another process: `load_served` runs it, `make_app` and `serve` answer questions over HTTP.

`EventStore` keeps what users were shown and did since the model was trained, and lists react to it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "events": ["Event", "EventStore"],
        "exploration": ["explore"],
        "served": ["LocalService", "load_served"],
        "service": ["make_app", "serve"],
    },
)
