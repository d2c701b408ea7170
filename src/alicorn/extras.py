"""Optional packages by the extra that brings them; a package that is missing becomes a sentence that says so."""

import importlib.util

from alicorn.errors import ConfigError

# Extra of pyproject.toml -> the packages that alicorn imports from it, by their names in Python.
EXTRAS = {
    "learn": ("duckdb", "faker", "ibis", "jinja2", "matplotlib", "scipy", "sqlglot", "torch"),
    "serve": ("h11", "msgspec", "prometheus_client", "starlette", "uvicorn"),
    "client": ("httpx",),
    "encoder": ("tokenizers", "transformers"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "chinese": ("jieba",),
    "rank": ("lightgbm",),
    "trace": ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk"),
    "ray": ("ray",),
    "spark": ("pyspark",),
}


def check_installed(user: str, *packages: str, otherwise: str = "") -> None:
    """Raise ConfigError, which names the extras, if packages are not installed.

    user: what needs them, the subject of the sentence; otherwise: what can be done instead of the installation.
    """
    missing = [package for package in packages if not _is_installed(package)]
    if missing:
        raise ConfigError(f"{user} needs {_listed(missing)}: {how_to_install(*missing)}{otherwise}")


def how_to_install(*packages: str) -> str:
    """The command that installs the extras of the packages."""
    extras = [extra for extra, brought in EXTRAS.items() if not set(brought).isdisjoint(packages)]
    return f"pip install 'alicorn[{','.join(extras)}]'"


def belongs_to_extra(package: str) -> bool:
    """Whether the package is among those that an extra brings."""
    return any(package in brought for brought in EXTRAS.values())


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # what it is a part of is missing
        return False


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
