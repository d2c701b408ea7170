"""Loads an example's prepare.py, and finds the real sets where the machine has them."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data"


def prepare_script(example: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"prepare_{example}", EXAMPLES / example / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real_set(name: str) -> Path:
    """The folder of a real set; the test is skipped where it is absent."""
    if not (DATA / name / "corpus.parquet").is_file():
        pytest.skip(f"the data set {name} is not beside the repository (shared/data/{name})")
    return DATA / name


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["prepare.py", *map(str, arguments)])
    script.main()
