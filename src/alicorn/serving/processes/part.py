"""Which of a server's processes is this one, and what do they share?"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alicorn.serving.processes.shared import SharedNumbers

NUMBERS = "numbers"
"""File of the numbers in the folder."""


@dataclass(frozen=True)
class ServerPart:
    """One process of a server of several.

    folder: of what they share, for this user's eyes only. slot: a number that no other process has at the same time.
    """

    folder: Path
    slot: int
    is_owner: bool

    @cached_property
    def shared(self) -> SharedNumbers:
        """Opened by the process that asks."""
        return SharedNumbers(self.folder / NUMBERS)

    @property
    def owner_socket(self) -> Path:
        """Where the owner is asked, over HTTP."""
        return self.folder / "owner.sock"
