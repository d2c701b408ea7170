"""What a JSON record has beyond what another record says, so that the two together are the record again."""

from typing import Any

Record = dict[str, Any]


def rest(record: Record, said: Record) -> Record:
    """The values of `record` that `said`, which has no further keys, lacks or has otherwise; at every depth."""
    found: Record = {}
    for key, value in record.items():
        known = said.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            if inner := rest(value, known):
                found[key] = inner
        elif key not in said or not _same(value, known):
            found[key] = value
    return found


def joined(said: Record, more: Record) -> Record:
    """The inverse: rest's record. Where both have a value, that of `more` holds."""
    found = dict(said)
    for key, value in more.items():
        known = found.get(key)
        found[key] = joined(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return found


def given(**values: Any) -> Record:
    """Without those that are None, and without empty objects."""
    return {key: value for key, value in values.items() if value is not None and value != {}}


def _same(first: Any, second: Any) -> bool:
    """Equal, and of one type: 1, 1.0 and true are three values of JSON."""
    return type(first) is type(second) and first == second
