"""A benchmark finds its imports beside it: its folder is put on the path, as when it is run."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in sorted(path for path in BENCHMARKS.iterdir() if path.is_dir()):
        monkeypatch.syspath_prepend(str(folder))
