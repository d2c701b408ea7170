"""The models that documents are published by, as any process of a job loads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a plain table is published without torch
    from alicorn.towers import AnyModel


@dataclass(frozen=True)
class ModelFolders:
    """vertical: file of the vertical that acts instead of those that the models keep; key: of the vectors of the one
    model. None: the models' own."""

    folders: tuple[Path, ...]
    vertical: Path | None = None
    key: str | None = None

    def load(self) -> list[AnyModel]:
        """Raises ModelError, ConfigError."""
        from alicorn.towers import load_served
        from alicorn.vertical import Vertical

        models = [load_served(folder) for folder in self.folders]
        if self.vertical is not None:
            served = Vertical.load(self.vertical)
            models = [model.with_vertical(served) for model in models]
        return models if self.key is None else [model.with_key(self.key) for model in models]

    def absolute(self) -> ModelFolders:
        vertical = None if self.vertical is None else self.vertical.absolute()
        return ModelFolders(tuple(folder.absolute() for folder in self.folders), vertical, self.key)
