"""`draft`: vertical.yaml and features.yaml for the tables of a folder, and a log folder where theirs is none.

At most 100,000 rows of a table are looked at; a table that has to be renamed is copied whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alicorn.config import parse_config, plain_yaml
from alicorn.drafting.features_yaml import features_yaml
from alicorn.drafting.log_folder import fits, write_log
from alicorn.drafting.own_tables import own_tables
from alicorn.drafting.seen import Seen, see
from alicorn.drafting.vertical_yaml import vertical_yaml
from alicorn.errors import ConfigError
from alicorn.folders import whole_folder
from alicorn.vertical import Vertical


@dataclass(frozen=True)
class Draft:
    """logs: the log folder. files: what was written. said: what was taken for what."""

    logs: Path
    files: tuple[Path, ...]
    said: tuple[str, ...]


def draft(folder: Path, out: Path) -> Draft:
    """Draft the vertical of an export or a log folder into `out`: vertical.yaml, features.yaml for `alicorn rank
    train`, and logs/ where the tables have other names than a log folder's.

    Raises ConfigError where one of these is there, and TableError for tables that make no log.
    """
    tables = own_tables(folder)
    is_log = fits(tables)
    files = (out / "vertical.yaml", out / "features.yaml")
    for path in (*files, *(() if is_log else (out / "logs",))):
        if path.exists():
            raise ConfigError(f"{path} exists, and a draft replaces nothing: give another folder with --out")
    if is_log:
        _write(see(folder, tables, ()), files)
        return Draft(folder, files, ())
    with whole_folder(out / "logs") as logs:
        said = write_log(tables, logs)
        _write(see(folder, own_tables(logs), said), files)
    return Draft(out / "logs", (*files, out / "logs"), tuple(said))


def _write(seen: Seen, files: Sequence[Path]) -> None:
    text = vertical_yaml(seen)
    parse_config(plain_yaml(text, where="vertical.yaml"), Vertical, where="the draft of vertical.yaml")
    files[0].parent.mkdir(parents=True, exist_ok=True)
    files[0].write_text(text, encoding="utf-8")
    files[1].write_text(features_yaml(seen), encoding="utf-8")
