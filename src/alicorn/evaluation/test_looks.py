"""How often was the test split looked at? A count in the model's folder: each look lets a choice depend on it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from alicorn.errors import ModelError
from alicorn.reporting.json_text import to_json

FILE = "test_looks.json"


def count_look(model: Path) -> int:
    """Add a look to the folder of a model, and return how many there are now.

    Raises ModelError for a file that is no list of looks; OSError where the folder cannot be written.
    """
    path = model / FILE
    looks = []
    if path.exists():
        try:
            looks = json.loads(path.read_text(encoding="utf-8"))["looks"]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no list of looks at the test split: restore it") from error
    looks = [*looks, datetime.now(UTC).isoformat(timespec="seconds")]
    path.write_text(to_json({"looks": looks}, indent=1) + "\n", encoding="utf-8")
    return len(looks)
