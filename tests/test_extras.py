"""What is missing is named with the command that installs it, and with what else can be done."""

import re
import sys

import pytest

from alicorn.errors import ConfigError
from alicorn.extras import check_installed, how_to_install


def test_all_that_is_missing_is_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "scipy", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
    expected = "this needs torch, scipy and uvicorn: pip install 'alicorn[learn,serve]', or wait"
    with pytest.raises(ConfigError, match=re.escape(expected)):
        check_installed("this", "torch", "scipy", "numpy", "uvicorn", otherwise=", or wait")


def test_what_is_installed_is_no_error() -> None:
    check_installed("this", "numpy", "pyarrow")


def test_the_command_names_each_extra_once() -> None:
    assert how_to_install("onnx", "onnxruntime") == "pip install 'alicorn[onnx]'"
