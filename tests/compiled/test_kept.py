"""Compiled code on disk: found again, never stale, and never in the way of an answer. Each run is a process."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from alicorn.compiled import kept, kernel

CALLER = """
from alicorn.compiled import kernel
from alicorn.helper import helped

@kernel("int64(int64)")
def calling(x):
    return helped(x) + 1
"""
HELPER = """
import numba
from alicorn.constants import STEP

@numba.njit
def helped(x):
    return x * 10 + STEP
"""
RUN = """
import sys, alicorn
alicorn.__path__.append(sys.argv[1])
from alicorn.caller import calling
print(calling(4), sum(calling.stats.cache_hits.values()), calling.__qualname__)
"""
NOWHERE = "/proc/no such folder"  # not even root can make it


class Sources:
    """Three modules of alicorn: `calling` calls a function of another one, which reads a constant of the third."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "caller.py").write_text(CALLER)
        (folder / "helper.py").write_text(HELPER)
        (folder / "constants.py").write_text("STEP = 0\n")
        self.env = {"NUMBA_CACHE_DIR": str(folder / "kept")}

    def start(self, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, str(self.folder)]
        own = os.environ | self.env | env
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own)

    def run(self, **env: str) -> tuple[list[str], str]:
        """What was printed: the answer, how often it was found on disk, the name; and what was said beside it."""
        with self.start(**env) as process:
            out, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return out.split(), said


def adding(step: int):
    @kernel("int64(int64)")
    def add(x):
        return x + step

    return add


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path / "sources")


def test_what_a_kernel_calls_is_as_new_as_its_source(sources: Sources) -> None:
    assert sources.run()[0] == ["41", "0", "calling"]
    (sources.folder / "constants.py").write_text("STEP = 3\n")
    assert sources.run()[0] == ["44", "0", "calling"]
    assert sources.run()[0] == ["44", "1", "calling"]  # from disk
    (sources.folder / "helper.py").write_text(HELPER.replace("10", "20"))
    assert sources.run()[0] == ["84", "0", "calling"]


def test_without_a_folder_that_can_be_written_a_private_one_is_made(sources: Sources, tmp_path: Path) -> None:
    env = {"NUMBA_CACHE_DIR": NOWHERE, "TMPDIR": str(tmp_path)}
    private = tmp_path / f"alicorn-{os.getuid()}"
    assert sources.run(**env)[0] == ["41", "0", "calling"]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert sources.run(**env)[0] == ["41", "1", "calling"]
    private.chmod(0o777)  # others may have written: not used
    assert sources.run(**env)[0] == ["41", "0", "calling"]


def test_where_nothing_can_be_written_it_answers_and_says_what_to_set(sources: Sources) -> None:
    answer, said = sources.run(NUMBA_CACHE_DIR=NOWHERE, TMPDIR=NOWHERE)
    assert answer == ["41", "0", "calling"]
    assert said.count("set NUMBA_CACHE_DIR to a folder") == 1


def test_a_damaged_file_is_compiled_again(sources: Sources) -> None:
    sources.run()
    (path,) = (sources.folder / "kept" / "alicorn").iterdir()
    for damaged in (path.read_bytes()[:-1], b"", b"x" * path.stat().st_size):
        path.write_bytes(damaged)
        assert sources.run()[0] == ["41", "0", "calling"]
        assert sources.run()[0] == ["41", "1", "calling"]


def test_processes_that_start_at_once_do_not_disturb_each_other(sources: Sources) -> None:
    running = [sources.start() for _ in range(2)]
    for process in running:
        out, said = process.communicate(timeout=300)
        assert (process.returncode, out.split()[0]) == (0, "41"), said
    assert len(list((sources.folder / "kept" / "alicorn").iterdir())) == 1  # nothing unfinished is left
    assert sources.run()[0] == ["41", "1", "calling"]


def test_any_path_and_any_umask(tmp_path: Path) -> None:
    sources = Sources(tmp_path / "Größe 100 %" / "ключ")
    before = os.umask(0o077)
    try:
        assert sources.run()[0] == ["41", "0", "calling"]
    finally:
        os.umask(before)
    assert sources.run()[0] == ["41", "1", "calling"]


def test_a_full_disk_is_said_once_and_the_answer_comes(tmp_path: Path, monkeypatch, caplog) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", full)
    kept._say_not_kept.cache_clear()
    assert adding(1)(40) == 41
    assert adding(2)(40) == 42
    assert sum("set NUMBA_CACHE_DIR" in record.message for record in caplog.records) == 1
    assert not list((tmp_path / "alicorn").iterdir())


def test_functions_that_close_over_other_things_are_kept_apart(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert adding(1)(1) == 2
    assert adding(2)(1) == 3
    again = adding(2)
    assert again(1) == 3
    assert sum(again.stats.cache_hits.values()) == 1
