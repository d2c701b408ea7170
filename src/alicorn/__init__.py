"""Embedding-based retrieval inside a Boolean search engine: from a search log to an answered hybrid query.

The names below load on first use, so that `alicorn.Collection` alone imports neither torch nor the log tooling.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alicorn.logs.mine import mine as mine
    from alicorn.query import Collection as Collection
    from alicorn.towers import Model as Model
    from alicorn.training import train as train
    from alicorn.vertical import Vertical as Vertical

__version__ = "0.1.0"

_HOMES = {
    "Collection": "alicorn.query",
    "Model": "alicorn.towers",
    "Vertical": "alicorn.vertical",
    "mine": "alicorn.logs",
    "train": "alicorn.training",
}

__all__ = ["Collection", "Model", "Vertical", "__version__", "mine", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'alicorn' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
