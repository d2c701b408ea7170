"""Seeded practice data of any size: unit vectors with clusters, and tags that follow them or do not.

    python benchmarks/engine/harness/vectors.py FOLDER [--documents 100000] [--dim 128]

A made data set is a folder of `.npy` files, so that builders in other processes map the same bytes. Tags of a document:

    u:10% and the like    that share of all documents, independent of the vectors
    c:10%, c:1%           that share, all of them on one side of the space: correlated with the vectors
    half                  one half, independent
    z:0, z:1, ...         five draws by Zipf's law, independent
    t:0, t:1, ...         five draws by Zipf's law within the topic, a region of the space: correlated
"""

import argparse
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xxhash

SHARES = {"u:50%": 0.5, "u:30%": 0.3, "u:10%": 0.1, "u:1%": 0.01, "u:0.1%": 0.001, "u:0.01%": 0.0001, "half": 0.5}
SIDES = {"c:10%": 0.1, "c:1%": 0.01}
NUM_ZIPF = 5_000  # tags of each of the two Zipf families
DRAWS = 5
NUM_TOPICS = 64

PER_CLUSTER = 2_000
RANK, NUM_BASES = 16, 64
CENTER, ALONG, NOISE = 0.7, 0.2, 0.5  # weights; per dimension, `along` has RANK times the variance of its weight
_BLOCK = 100_000


class Mixture:
    """Clusters of about 2,000, each spread mostly along 16 directions of its own. Not uniform noise.

    A cluster is larger than a cell of a usual coarse quantizer, so that neighbours are in several cells: at 100,000
    documents and 1,024 cells, recall@10 is 0.57 in 2 cells, 0.93 in 8 and 0.997 in 16.
    """

    def __init__(self, count: int, dim: int, rng: np.random.Generator, noise: float = NOISE) -> None:
        self.noise = noise
        self.centers = rng.standard_normal((max(count // PER_CLUSTER, 10), dim), dtype=np.float32)
        self.bases = rng.standard_normal((NUM_BASES, RANK, dim), dtype=np.float32)

    def near(self, clusters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A new point of each of the clusters. (n,) int -> (n, dim) float32 unit rows."""
        points = self.noise * rng.standard_normal((len(clusters), self.centers.shape[1]), dtype=np.float32)
        points += CENTER * self.centers[clusters]
        places = rng.standard_normal((len(clusters), RANK), dtype=np.float32)
        for number, basis in enumerate(self.bases):
            members = np.flatnonzero(clusters % NUM_BASES == number)
            points[members] += ALONG * (places[members] @ basis)
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """count points and their clusters: (count, dim) float32 unit rows, (count,) int32."""
        chosen = rng.integers(len(self.centers), size=count).astype(np.int32)
        return self.near(chosen, rng), chosen


@dataclass(frozen=True)
class Data:
    """Documents 0 .. n-1 in a folder: vectors (n, dim) float32, tags of each, and the documents of each tag."""

    folder: Path

    @cached_property
    def vectors(self) -> np.ndarray:
        return np.load(self.folder / "vectors.npy", mmap_mode="r")

    @cached_property
    def names(self) -> list[str]:
        return json.loads((self.folder / "tags.json").read_text())

    @cached_property
    def tags(self) -> tuple[np.ndarray, np.ndarray]:
        """Tags of documents: offsets (n + 1,) int64 and numbers of tags, ascending within a document."""
        return np.load(self.folder / "tag_offsets.npy"), np.load(self.folder / "tag_numbers.npy")

    @cached_property
    def postings(self) -> dict[str, np.ndarray]:
        """Tag -> its documents, ascending int64: what a user keeps who has no engine."""
        offsets, numbers = self.tags
        documents = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
        order = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[order], np.arange(len(self.names) + 1))
        ordered = documents[order]
        return {name: ordered[starts[i] : starts[i + 1]] for i, name in enumerate(self.names)}

    @cached_property
    def clusters(self) -> np.ndarray:
        return np.load(self.folder / "clusters.npy")

    @cached_property
    def mixture(self) -> Mixture:
        """What the documents were drawn from."""
        shape = json.loads((self.folder / "made.json").read_text())
        noise = shape["mixture"][-1]
        return Mixture(shape["documents"], shape["dim"], np.random.default_rng(shape["seed"]), noise)

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def __len__(self) -> int:
        return len(self.vectors)

    def tags_of(self, document: int) -> list[str]:
        offsets, numbers = self.tags
        return [self.names[number] for number in numbers[offsets[document] : offsets[document + 1]]]


def make(cache: Path, documents: int, dim: int, seed: int = 1, shares_only: bool = False, noise: float = NOISE) -> Data:
    """Write a data set into a folder of the cache that is named for all that it depends on, or take the one there.

    shares_only: with the tags of SHARES alone. noise: the less, the more neighbours come from one cluster.
    """
    tags = [SHARES] if shares_only else [SHARES, SIDES, NUM_ZIPF, DRAWS, NUM_TOPICS]
    shape = {"documents": documents, "dim": dim, "seed": seed, "tags": tags}
    shape["mixture"] = [PER_CLUSTER, RANK, NUM_BASES, CENTER, ALONG, noise]
    described = json.dumps(shape)
    folder = cache / f"data-{documents}x{dim}-{xxhash.xxh3_64_hexdigest(described.encode())[:6]}"
    if (folder / "made.json").exists():
        return Data(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mixture = Mixture(documents, dim, np.random.default_rng(seed), noise)
    rng = np.random.default_rng(seed + 1)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(documents, dim))
    clusters = np.empty(documents, dtype=np.int32)
    for start in range(0, documents, _BLOCK):
        block = slice(start, min(start + _BLOCK, documents))
        vectors[block], clusters[block] = mixture.draw(block.stop - block.start, rng)
    vectors.flush()
    np.save(folder / "clusters.npy", clusters)
    names, offsets, numbers = _tags(vectors, rng, shares_only)
    np.save(folder / "tag_offsets.npy", offsets)
    np.save(folder / "tag_numbers.npy", numbers)
    (folder / "tags.json").write_text(json.dumps(names))
    (folder / "made.json").write_text(described)  # last: complete
    return Data(folder)


def _tags(vectors: np.ndarray, rng: np.random.Generator, shares_only: bool) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of all tags, and the tags of each document: offsets (n + 1,) and ascending numbers."""
    names = [*SHARES, *SIDES, *(f"z:{i}" for i in range(NUM_ZIPF)), *(f"t:{i}" for i in range(NUM_ZIPF))]
    count = len(vectors)
    documents: list[np.ndarray] = []
    numbers: list[np.ndarray] = []

    def add(number: int | np.ndarray, those: np.ndarray) -> None:
        documents.append(those.astype(np.int64))
        numbers.append(np.broadcast_to(np.asarray(number, dtype=np.int32), those.shape))

    for number, share in enumerate(SHARES.values()):
        add(number, np.flatnonzero(rng.random(count) < share))
    if shares_only:
        return _of_documents(list(SHARES), documents, numbers, count)
    for number, share in enumerate(SIDES.values(), start=len(SHARES)):
        sides = _along(vectors, rng.standard_normal((1, vectors.shape[1]), dtype=np.float32))[:, 0]
        sides += 0.3 * rng.standard_normal(count, dtype=np.float32)
        add(number, np.flatnonzero(sides >= np.quantile(sides, 1 - share)))
    directions = rng.standard_normal((NUM_TOPICS, vectors.shape[1]), dtype=np.float32)
    favour = 0.7 / np.sqrt(np.arange(1, NUM_TOPICS + 1))  # the first topic is larger than the last
    topics = np.argmax(_along(vectors, directions) + favour, axis=1)
    everyone = np.arange(count)
    first = len(SHARES) + len(SIDES)
    for _ in range(DRAWS):
        add(first + _zipf(count, rng), everyone)
        add(first + NUM_ZIPF + (_zipf(count, rng) + topics * (NUM_ZIPF // NUM_TOPICS)) % NUM_ZIPF, everyone)
    return _of_documents(names, documents, numbers, count)


def _of_documents(
    names: list[str], documents: list[np.ndarray], numbers: list[np.ndarray], count: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    pairs = np.unique(np.concatenate(documents) * len(names) + np.concatenate(numbers))  # no tag twice
    offsets = np.searchsorted(pairs, np.arange(count + 1) * len(names))
    return names, offsets, (pairs % len(names)).astype(np.int32)


def _along(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(n, dim) unit rows, (m, dim) -> (n, m) inner products, of variance about 1."""
    blocks = [vectors[start : start + _BLOCK] @ directions.T for start in range(0, len(vectors), _BLOCK)]
    return np.concatenate(blocks)


def _zipf(count: int, rng: np.random.Generator) -> np.ndarray:
    """Ranks from 0, the share of a rank being proportional to 1 / (rank + 1)."""
    cumulative = np.cumsum(1.0 / np.arange(1, NUM_ZIPF + 1))
    return np.searchsorted(cumulative / cumulative[-1], rng.random(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the cache of the benchmarks")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    arguments = parser.parse_args()
    data = make(arguments.folder, arguments.documents, arguments.dim)
    sizes = np.sort([len(posting) for posting in data.postings.values()])[::-1]
    print(f"{len(data):,} documents, {len(sizes):,} tags; the largest have {sizes[:5].tolist()} documents")


if __name__ == "__main__":
    main()
