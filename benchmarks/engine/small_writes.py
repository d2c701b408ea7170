"""Do the files and the memory of a collection stay small under many small writes?

    python benchmarks/engine/small_writes.py [--writes 10000] [--body 0] [--folder DIR]

Each write changes one document of ten, with a vector of 8 dimensions and, with --body, so many random bytes. In turns
it is an upsert, a delete, both in one, or a change of the metadata, 7 : 1 : 1 : 1. A line now and then while the
collection is open, and one after closing. The files are to take at most 4 times the live data and 16 MiB. The folder is
in memory where the machine offers that: what is measured are bytes and the processor's time, not the disk's.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn import Collection

IDS = [f"d{i}" for i in range(10)]
FLOOR = 16 << 20
MIB = 1 << 20


def row(number: int, body: int) -> pa.Table:
    return pa.table(
        {
            "doc_id": [IDS[number % len(IDS)]],
            "terms": [["all:1", f"n:{number % 7}"]],
            "embedding:v": [[1.0, number % 7, 0, 0, 0, 0, 0, 1.0]],
            "body": [np.random.default_rng(number).bytes(body)],
        }
    )


def write(collection: Collection, number: int, body: int) -> None:
    kind = number // len(IDS) % 10
    if kind < 7:
        collection.upsert(row(number, body))
    elif kind == 7:
        collection.delete([IDS[number % len(IDS)]])
    elif kind == 8:
        collection.apply(row(number, body), [IDS[(number + 1) % len(IDS)]])
    else:
        collection.set_metadata({"number": number})


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of the log, of the manifest, and of all files."""
    found = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return {
        "log": found.get("manifest.sqlite-wal", 0),
        "manifest": found["manifest.sqlite"],
        "all": sum(found.values()),
    }


def memory() -> int:
    """Bytes of this process that are its own."""
    resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def report(number: int, folder: Path, before: int, started: float, live: int) -> None:
    found = sizes(folder)
    micros = (time.process_time() - started) / number * 1e6
    within = "yes" if found["all"] <= 4 * live + FLOOR else "NO"
    in_mib = [f"{found[name] / MIB:.1f}" for name in ("log", "manifest", "all")]
    cells = [f"{number:,}", *in_mib, within, f"{(memory() - before) / MIB:.1f}", f"{micros:.0f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--body", type=int, default=0, help="bytes of each document")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None)
    arguments = parser.parse_args()
    live = len(IDS) * row(0, arguments.body).nbytes
    print(f"Live data: {live / MIB:.3f} MiB.\n")
    print("| writes | log, MiB | manifest, MiB | all files, MiB | within the bound | memory, MiB | CPU, us a write |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "c"
        with Collection.create(path, embeddings={"v": 8}) as collection:
            for number in range(100):  # kernels are compiled
                write(collection, number, arguments.body)
            before, started = memory(), time.process_time()
            for number in range(1, arguments.writes + 1):
                write(collection, number, arguments.body)
                if number in (1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000) or number == arguments.writes:
                    report(number, path, before, started, live)
        found = sizes(path)["all"]
        started = time.perf_counter()
        Collection.open(path).close()
        print(f"\nClosed: {found / MIB:.1f} MiB; opened again in {(time.perf_counter() - started) * 1e3:.0f} ms.")


if __name__ == "__main__":
    main()
