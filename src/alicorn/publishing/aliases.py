"""Names of embedding keys in a collection, such as `current` and `candidate`: a name moves, the vectors stay.

A request may give a name in the place of a key, and what has the name `current` is searched where none is given.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from alicorn.errors import CollectionError, ConfigError
from alicorn.publishing.provenance import Described
from alicorn.query import Collection
from alicorn.query.any_collection import AnyCollection

CURRENT = "current"


def aliases_of(collection: Described) -> dict[str, str]:
    """Name -> embedding key."""
    return dict(collection.metadata.get("aliases", {}))


def set_aliases(folder: Path, given: Mapping[str, str], removed: Sequence[str] = ()) -> dict[str, str]:
    """Give names to keys of the collection in a folder, and take names away; returns all names, each with its key.

    Raises ConfigError for a name that is a key, or that is removed and not there; CollectionError for an unknown key.
    """
    with Collection.open(folder) as collection:
        return give_names(collection, given, removed)


def give_names(collection: AnyCollection, given: Mapping[str, str], removed: Sequence[str] = ()) -> dict[str, str]:
    """The same in an open collection. Nothing changes where anything is refused."""
    names, keys = aliases_of(collection), collection.embeddings
    for name in removed:
        if name not in names:
            raise ConfigError(f"no embedding key has the name {name!r}; names: {', '.join(sorted(names)) or 'none'}")
    for name, key in given.items():
        if key not in keys:
            known = ", ".join(sorted(keys)) or "none"
            raise CollectionError(f"the collection has no embedding {key!r} to be called {name!r} (it has: {known})")
        if name in keys:
            raise ConfigError(f"{name!r} is an embedding key itself: give another name")
    changed = {**{name: key for name, key in names.items() if name not in removed}, **given}
    if changed != names:
        collection.set_metadata({**collection.metadata, "aliases": changed})
    return changed
