"""How long does it take to open a collection, with every byte verified?

    python benchmarks/engine/open.py [--documents 1000000] [--cache DIR] [--json FILE]

Documents: 128 dimensions and the tags of harness/vectors.py. Beside ours, in turns and each in a process of its own:
np.load of the same arrays, copied into memory and mapped and read once; both verify nothing. The median of 5 turns; the
files are in the page cache. Memory: what the process takes more afterwards, of its own and of mapped files, which the
system takes back when it needs room. The collection stays in the cache.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness.machine import processor
from harness.ours import Alicorn
from harness.vectors import make

from alicorn import Collection

TURNS = 5


def open_collection(folder: Path) -> object:
    return Collection.open(folder / "collection", read_only=True)


def load_arrays(folder: Path) -> object:
    return [np.load(file) for file in sorted((folder / "arrays").iterdir())]


def map_arrays(folder: Path) -> object:
    """Mapped, and read once, as a checksum does."""
    arrays = [np.load(file, mmap_mode="r") for file in sorted((folder / "arrays").iterdir())]
    return arrays, [int(array.view(np.uint8).sum(dtype=np.uint64)) for array in arrays if array.size]


SYSTEMS: dict[str, Callable[[Path], object]] = {
    "alicorn, verified": open_collection,
    "np.load": load_arrays,
    "np.load, mapped and read": map_arrays,
}


def build(folder: Path, documents: int) -> None:
    """The collection, and its arrays as files of their own."""
    if (folder / "arrays").exists():
        return
    Alicorn.build(make(folder.parent, documents, 128), folder)
    unfinished = folder / "arrays.partial"
    unfinished.mkdir()
    for archive in sorted((folder / "collection" / "segments").iterdir()):
        with np.load(archive) as arrays:
            for name in arrays.files:
                if not name.endswith((".json", ".arrow")):
                    np.save(unfinished / f"{archive.stem}-{name}.npy", arrays[name].reshape(-1))
    unfinished.rename(folder / "arrays")


def once(name: str, folder: Path, end) -> None:
    """Of a fresh process: seconds, and memory before and after, in MB."""
    before = memory_mb()
    started = time.perf_counter()
    opened = SYSTEMS[name](folder)
    seconds = time.perf_counter() - started
    after = memory_mb()
    end.send((seconds, after[0] - before[0], after[1] - before[1]))
    del opened


def memory_mb() -> tuple[float, float]:
    """Resident memory: of its own, of mapped files."""
    status = Path("/proc/self/status").read_text()
    found = dict(line.split(":") for line in status.splitlines() if line.startswith("Rss"))
    return int(found["RssAnon"].split()[0]) / 1000, int(found["RssFile"].split()[0]) / 1000


def measure(folder: Path) -> dict[str, dict[str, float]]:
    context = multiprocessing.get_context("spawn")
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SYSTEMS}
    for turn in range(TURNS):
        for name in np.random.default_rng(turn).permutation(list(SYSTEMS)):
            ours_end, theirs_end = context.Pipe()
            process = context.Process(target=once, args=(str(name), folder, theirs_end))
            process.start()
            taken[name].append(ours_end.recv())
            process.join()
    medians = {name: np.median(rows, axis=0) for name, rows in taken.items()}
    return {name: {"seconds": m[0], "own_mb": m[1], "mapped_mb": m[2]} for name, m in medians.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--cache", type=Path, default=Path("benchmarks.cache"))
    parser.add_argument("--json", type=Path)
    parsed = parser.parse_args(arguments)
    folder = parsed.cache / f"open-{parsed.documents}-{Alicorn.fingerprint()}"
    build(folder, parsed.documents)
    size_mb = sum(file.stat().st_size for file in (folder / "collection").rglob("*") if file.is_file()) / 1e6
    systems = measure(folder)
    load = os.getloadavg()[0]
    print(f"{processor()}, load {load:.1f}; {parsed.documents:,} documents, {size_mb:,.0f} MB\n")
    print("| system | seconds | GB/s | own memory | mapped files |\n|---|---|---|---|---|")
    for name, row in systems.items():
        rate = size_mb / 1000 / row["seconds"]
        print(f"| {name} | {row['seconds']:.2f} | {rate:.1f} | {row['own_mb']:,.0f} MB | {row['mapped_mb']:,.0f} MB |")
    if parsed.json:
        result = {"documents": parsed.documents, "size_mb": size_mb, "load": load, "systems": systems}
        parsed.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
