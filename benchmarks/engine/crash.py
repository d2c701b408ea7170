"""Does a killed writer lose anything? Thousands of kills, by the harness of tests/index/crash_harness.py.

    python benchmarks/engine/crash.py --cycles 5000 [--seed 0] [--folder DIR]

Prints how often the writer was killed where, and how many acknowledged operations were found again; fails at the first
that was not, and leaves that collection in the folder. Without --folder it works in memory (/dev/shm) where there is
some: SIGKILL leaves the page cache alone, so the disk makes no difference to it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "index"))

from crash_harness import Writers, crash, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the collections are written")
    arguments = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="crash-", dir=memory))
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with Writers() as writers:
        record = crash(writers, folder, arguments.cycles, arguments.seed)
    took_s = time.perf_counter() - started
    print("\n".join(lines(record)))
    print(
        f"\n{record.killed.total()} kills in {took_s:.0f} s: all of {record.acknowledged} acknowledged operations were "
        f"found again, and every collection opened and verified."
    )


if __name__ == "__main__":
    main()
