"""What `import alicorn` offers, and what it does not load: the engine must not cost its users torch."""

import subprocess
import sys

import pytest

import alicorn

LEARNING = ("torch", "ibis", "duckdb", "matplotlib", "starlette", "uvicorn", "pydantic", "typer")


def loaded_by(program: str) -> set[str]:
    """Names of modules that a fresh process has loaded after the program."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_engine_and_publishing_load_nothing_that_learns_or_serves():
    modules = loaded_by("import alicorn; alicorn.Collection; import alicorn.publishing.publish")
    assert "alicorn.query.collection" in modules
    assert not modules & set(LEARNING)


def test_import_alone_loads_nothing():
    modules = loaded_by("import alicorn")
    assert {name for name in modules if name.startswith("alicorn")} == {"alicorn"}
    assert not modules & {"numpy", "pyarrow", "numba"}


@pytest.mark.parametrize("name", alicorn.__all__)
def test_every_exported_name_resolves_and_is_documented(name):
    value = getattr(alicorn, name)
    assert name == "__version__" or value.__doc__


def test_the_names_are_those_of_the_contract():
    assert {"Collection", "Model", "Vertical", "mine", "train"} <= set(alicorn.__all__)
    assert alicorn.__all__ == sorted(alicorn.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'alicorn' has no attribute 'Colection'"):
        _ = alicorn.Colection
