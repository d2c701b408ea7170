"""compiled: kernels kept on disk are those of the sources as they are now."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_what_a_kernel_calls_is_as_new_as_its_source(tmp_path: Path) -> None:
    def run() -> list[str]:
        command = [sys.executable, "-c", RUN, str(tmp_path)]
        own = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=own).stdout.split()

    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "constants.py").write_text("STEP = 0\n")
    assert run() == ["41", "0", "calling"]
    assert run() == ["41", "1", "calling"]  # from disk
    (tmp_path / "constants.py").write_text("STEP = 3\n")
    assert run() == ["44", "0", "calling"]
    (tmp_path / "helper.py").write_text(HELPER.replace("10", "20"))
    assert run() == ["84", "0", "calling"]
