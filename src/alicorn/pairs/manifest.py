"""Of which logs and which vertical a folder of training examples was made: its manifest.json, written last."""

import json
from pathlib import Path

from pydantic import Field

from alicorn import __version__
from alicorn.config import Config, parse_config
from alicorn.errors import ConfigError, TableError
from alicorn.reporting.json_text import to_json

FORMAT = 3
NAME = "manifest.json"


class Manifest(Config):
    """vertical: the part of it that decides examples (vertical/parts.py). data_fingerprint: of the bytes of the log
    files. valid_from, test_from: where splits by time begin, ISO 8601 in UTC. counts: of everything read, made, filled
    and left out. notes: what else a person should know of how the tables were read. click_weights: of clicks on rank 1,
    2, ..., where propensities were given. told: of each feature of documents that was tested for leaks, the AUC with
    which it tells first choices of train and of valid (logs/leaks.py). simulated: the searches come from a generated
    world, and every table that shows them must say so."""

    vertical: dict[str, str]
    data_fingerprint: str
    valid_from: str | None
    test_from: str | None
    counts: dict[str, int]
    simulated: bool
    notes: tuple[str, ...] = ()
    click_weights: tuple[float, ...] = ()
    told: dict[str, dict[str, float]] = Field(default_factory=dict)
    format: int = FORMAT
    alicorn_version: str = __version__

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(to_json(self.model_dump(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises TableError where the folder is unfinished, of another format, or not one of training examples."""
        path = folder / NAME
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            message = f"{folder} has no readable {NAME}: it is no folder that `alicorn mine` wrote"
            raise TableError(message, table="manifest") from None
        found = plain.get("format") if isinstance(plain, dict) else None
        if found != FORMAT:
            raise TableError(
                f"{path} has format {found}, and alicorn {__version__} reads format {FORMAT}: run `alicorn mine` again",
                table="manifest",
            )
        try:
            return parse_config(plain, cls, where=str(path))
        except ConfigError as error:
            raise TableError(f"{error}; run `alicorn mine` again", table="manifest") from error
