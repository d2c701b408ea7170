"""Notes: what a person should know about how a table was read. Log messages of the logger `alicorn.tables`."""

import logging

LOGGER = logging.getLogger("alicorn.tables")


def note(text: str) -> None:
    LOGGER.warning(text)
