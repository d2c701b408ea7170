"""Results on standard output, for people or as JSON; progress and notes on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

from rich.console import Console

from alicorn.reporting.json_text import to_json

log = Console(stderr=True, highlight=False)


def print_values(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(to_json(values) + "\n")
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        sys.stdout.write(f"{name:<{width}}  {shown}\n")


class Notes(logging.Handler):
    """Notes of the tables that are read, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        log.print(f"note: {record.getMessage()}", markup=False, soft_wrap=True)


NOTES = Notes()
