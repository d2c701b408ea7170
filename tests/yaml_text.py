"""A configuration written as YAML in a test."""

from typing import TypeVar

from alicorn.config import Config, parse_config, plain_yaml

M = TypeVar("M", bound=Config)


def parse_yaml(text: str, model: type[M], *, where: str) -> M:
    """The configuration written in `text`; `where` is the file's name in messages."""
    return parse_config(plain_yaml(text, where=where), model, where=where)
