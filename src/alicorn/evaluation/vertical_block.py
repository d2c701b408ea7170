"""One key of a vertical.yaml, written anew: only the lines of this key are replaced, so that comments elsewhere stay.

The new text is read back: whatever else it says must be what the old one said.
"""

import re
from pathlib import Path

import yaml

from alicorn.config import plain_yaml, read_text
from alicorn.errors import ConfigError
from alicorn.vertical import Vertical


def with_block(text: str, key: str, block: str, where: str) -> str:
    """The text of a vertical with the block of a key. where: the file's name in messages.

    Raises ConfigError, with the block to paste, where replacing lines would change more than the key.
    """
    lines = text.splitlines(keepends=True)
    begins = re.compile(rf"{re.escape(key)}[ \t]*:")
    start = next((at for at, line in enumerate(lines) if begins.match(line)), None)
    if start is None:
        body = text if text.endswith("\n") or not text else text + "\n"
        changed = f"{body}\n{block}"
    else:
        stop = start + 1
        while stop < len(lines) and (lines[stop][0] in " \t" or not lines[stop].strip()):
            stop += 1
        while not lines[stop - 1].strip():  # blank lines before the next key stay
            stop -= 1
        changed = "".join(lines[:start]) + block + "".join(lines[stop:])
    if not _same_but(key, changed, text, where):
        raise ConfigError(f"{where} cannot be changed line by line, as it is written; put this into it:\n\n{block}")
    return changed


def write_block(path: Path, key: str, block: str) -> None:
    """Put the block into a file, whole or not at all. Raises ConfigError as `with_block` does, before it writes."""
    changed = with_block(read_text(path), key, block, path.name)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(changed, encoding="utf-8")
        Vertical.load(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def in_one_line(value: object) -> str:
    """As YAML that is read back equal."""
    plain = list(value) if isinstance(value, tuple) else value
    written: str = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000)
    return written.removesuffix("\n").removesuffix("\n...")


def _same_but(key: str, changed: str, text: str, where: str) -> bool:
    before = plain_yaml(text, where=where)
    try:
        after = plain_yaml(changed, where=where)
    except ConfigError:
        return False
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    return {**before, key: None} == {**after, key: None}
