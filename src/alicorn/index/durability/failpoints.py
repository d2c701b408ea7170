"""Failpoints: named moments at which a test kills the process or makes a call fail; otherwise `reach` does nothing.

The names are those that durable.py, journal.py and backup.py pass: "before" and "after" every fsync, rename and commit,
for example "before commit swap". Nothing in the package arms them (tests/index/crash_writer.py does).
"""

from __future__ import annotations

from collections.abc import Callable

armed: Callable[[str], None] | None = None  # called with the name of every failpoint reached


def reach(name: str) -> None:
    if armed is not None:
        armed(name)
