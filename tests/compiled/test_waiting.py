"""What is said when compiling takes long."""

import logging
import time

import pytest

from alicorn.compiled import kernel, waiting

PAUSE = waiting.PAUSE


@pytest.fixture(autouse=True)
def quiet_until_now(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(waiting, "_told", False)
    monkeypatch.setattr(waiting, "_silent", False)
    monkeypatch.setattr(waiting, "_spent", 0.0)
    monkeypatch.setattr(waiting, "PAUSE", 60.0)
    monkeypatch.setattr(waiting, "_ended", time.monotonic())


def compile_two():
    @kernel("int64(int64)", "float64(float64)")
    def following(x):
        return x + 1

    assert following(1) == 2
    assert following(0.5) == 1.5


def test_a_long_wait_is_explained_once(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    with caplog.at_level(logging.WARNING, "alicorn"):
        compile_two()
    (record,) = caplog.records
    assert "compiling" in record.message
    assert "alicorn compile" in record.message


def test_a_later_wait_is_explained_again(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "PAUSE", 0.0)
    compile_two()
    assert len(caplog.records) == 2


def test_the_kernels_of_one_verb_are_one_wait(monkeypatch, caplog, tmp_path):
    """They are compiled minutes after each other: before training, while it validates, when documents are indexed."""
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "PAUSE", PAUSE)
    compile_two()
    monkeypatch.setattr(waiting, "_ended", waiting._ended - 300.0)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "other"))
    compile_two()
    assert len(caplog.records) == 1


def test_a_process_whose_parent_tells_is_silent(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    waiting.be_silent()
    compile_two()
    assert not caplog.records


def test_a_short_wait_is_not(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "PATIENCE", 60.0)
    compile_two()
    assert not caplog.records


def test_short_waits_add_up(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(waiting, "PATIENCE", 60.0)
    compile_two()
    assert waiting._spent > 0
    monkeypatch.setattr(waiting, "PATIENCE", waiting._spent)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "other"))
    compile_two()
    assert len(caplog.records) == 1
