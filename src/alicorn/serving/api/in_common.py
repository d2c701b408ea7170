"""What a searcher and a document have in common, by column."""

from collections.abc import Mapping
from typing import Any


def in_common(profile: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """By column that both have: the same string, or the strings that are in both lists."""
    shared: dict[str, str | list[str]] = {}
    for name, mine in profile.items():
        theirs = document.get(name)
        if isinstance(mine, str) and mine == theirs:
            shared[name] = mine
        elif isinstance(mine, list) and isinstance(theirs, list) and name != "terms":
            known = {value for value in mine if isinstance(value, str)}
            both = [value for value in theirs if isinstance(value, str) and value in known]
            if both:
                shared[name] = both
    return shared
