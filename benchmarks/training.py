"""How many examples does training take per second, against a two-tower from public tutorials, and what bounds it?

Data: the people world (simulated), or `--pairs DIR` as `alicorn mine` wrote it; text features only, so that both learn
the same thing: a query's n-grams against a name's, one table of 2^17 x 64 shared by both towers, a linear layer each,
in-batch softmax of equal batch and scale. The plain version tokenises in the collate function of a DataLoader, looks up
with nn.EmbeddingBag and updates with Adam, or with sparse gradients and SparseAdam. Every system trains one epoch
from its own start, in turn, several rounds; recall@10 is by exact search on the same validation searches.
One thread for all.

What bounds ours: matrix products (91 % of an epoch of the default recipe; tables 9 %). On a core of an AMD EPYC shared
with other work: plain Adam 4,300 pairs/s, SparseAdam 14,700, the same model here 48,000, the default recipe 18,600.

    python benchmarks/training.py [--people 5000] [--searches 30000] [--rounds 3] [--pairs DIR]
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from alicorn.logs import mine
from alicorn.text import words
from alicorn.towers.table import EmbeddingTable, RowGradient
from alicorn.training import Recipe, batches, train
from alicorn.training.optimizer import RowAdagrad
from alicorn.vertical import Vertical
from alicorn.worlds.people import VERTICAL, PeopleWorld

_BUCKETS, _DIM, _BATCH, _SCALE = 1 << 17, 64, 1024, 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--searches", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        pairs = arguments.pairs or _world(Path(temporary), arguments.people, arguments.searches)
        vertical = Vertical.load(VERTICAL)
        plain = _Plain(pairs)
        text = {"request": ["text"], "document": ["name"]}
        table = {"text": {"buckets": _BUCKETS, "dim": _DIM}}
        same = {
            "towers": {"dim": _DIM, "hidden": 0, "features": text, "tables": table},
            "negatives": {"random": 0, "in_batch": True},
            "dropout": 0.0,
        }
        systems: dict[str, Callable[[int], tuple[float, float]]] = {
            "plain PyTorch, Adam": lambda seed: plain.epoch(seed, sparse=False),
            "plain PyTorch, SparseAdam": lambda seed: plain.epoch(seed, sparse=True),
            "alicorn, the same model": lambda seed: _ours(pairs, vertical, Recipe(**_typed(same), seed=seed)),
            "alicorn, default recipe (unified, random negatives)": lambda seed: _ours(
                pairs, vertical, Recipe(seed=seed)
            ),
        }
        measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for seed in range(arguments.rounds):
            for name, run in systems.items():
                measured[name].append(run(seed))
        _print(measured, plain)
        _print_shares(pairs, vertical)


def _print(measured: dict[str, list[tuple[float, float]]], plain: "_Plain") -> None:
    print(f"{len(plain.queries):,} pairs, {len(plain.names):,} documents, batch {_BATCH}, dim {_DIM}, one thread;")
    print(f"one epoch each, median of {len(next(iter(measured.values())))} interleaved rounds. Simulated data.\n")
    print("| system | pairs/s | times plain Adam | recall@10 after one epoch |")
    print("|---|--:|--:|--:|")
    base = float(np.median([speed for speed, _ in next(iter(measured.values()))]))
    for name, runs in measured.items():
        speed, recall = (float(np.median(column)) for column in zip(*runs, strict=True))
        print(f"| {name} | {speed:,.0f} | {speed / base:.1f} | {recall:.3f} |")


def _ours(pairs: Path, vertical: Vertical, recipe: Recipe) -> tuple[float, float]:
    recipe = recipe.model_copy(update={"epochs": 1, "patience": 1})
    with tempfile.TemporaryDirectory() as out:
        last = train(pairs, vertical, recipe, Path(out) / "model", progress=False).epochs[-1]
    assert last.pairs_per_s is not None
    return last.pairs_per_s, last.recall["10"]


def _typed(plain: dict[str, Any]) -> dict[str, Any]:
    given = Recipe.model_validate(plain)
    return {name: getattr(given, name) for name in plain}


class _Plain:
    """A two-tower as tutorials write it: strings in the data set, tokens in the collate function, nn modules."""

    def __init__(self, pairs: Path) -> None:
        documents = pq.read_table(pairs / "documents.parquet", columns=["doc_id", "name"])
        self.names: list[str] = documents["name"].to_pylist()
        ids = documents["doc_id"].combine_chunks()
        learned = pq.read_table(pairs / "pairs.parquet")
        learned = learned.filter(pc.equal(learned["split"], "train"))
        self.queries: list[str] = learned["query"].to_pylist()
        self.positives = pc.index_in(learned["doc_id"], ids).to_pylist()
        searches = pq.read_table(pairs / "searches.parquet")
        searches = searches.filter(pc.equal(searches["split"], "valid")).slice(0, 2000)
        self.searched: list[str] = searches["query"].to_pylist()
        self.targets = [pc.index_in(row.values, ids).to_pylist() for row in searches["targets"]]

    def epoch(self, seed: int, sparse: bool) -> tuple[float, float]:
        torch.manual_seed(seed)
        model = _TwoTower(sparse)
        optimizers: list[torch.optim.Optimizer]
        if sparse:
            dense = [*model.query.parameters(), *model.document.parameters()]
            optimizers = [torch.optim.SparseAdam(model.words.parameters(), lr=0.01), torch.optim.Adam(dense, lr=0.002)]
        else:
            optimizers = [torch.optim.Adam(model.parameters(), lr=0.002)]
        examples = [(query, self.names[row]) for query, row in zip(self.queries, self.positives, strict=True)]
        loader: Any = DataLoader(examples, batch_size=_BATCH, shuffle=True, collate_fn=_collate)  # type: ignore[arg-type]
        started = time.perf_counter()
        for queries, documents in loader:
            for optimizer in optimizers:
                optimizer.zero_grad()
            logits = _SCALE * model.encode_queries(*queries) @ model.encode_documents(*documents).T
            loss = nn.functional.cross_entropy(logits, torch.arange(len(logits)))
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
        speed = len(examples) / (time.perf_counter() - started)
        return speed, self._recall(model)

    @torch.no_grad()
    def _recall(self, model: "_TwoTower") -> float:
        found = model.encode_queries(*_bags(self.searched)) @ model.encode_documents(*_bags(self.names)).T
        nearest = found.topk(10, dim=1).indices.tolist()
        shares = [np.mean([t in top for t in wanted]) for top, wanted in zip(nearest, self.targets, strict=True)]
        return float(np.mean(shares))


class _TwoTower(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(_BUCKETS + 1, _DIM, mode="mean", sparse=sparse)
        self.query = nn.Linear(_DIM, _DIM)
        self.document = nn.Linear(_DIM, _DIM)

    def encode_queries(self, indices: Tensor, offsets: Tensor) -> Tensor:
        return nn.functional.normalize(self.query(self.words(indices, offsets)), dim=1)

    def encode_documents(self, indices: Tensor, offsets: Tensor) -> Tensor:
        return nn.functional.normalize(self.document(self.words(indices, offsets)), dim=1)


def _collate(examples: list[tuple[str, str]]) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    queries, names = zip(*examples, strict=True)
    return _bags(list(queries)), _bags(list(names))


def _bags(texts: list[str]) -> tuple[Tensor, Tensor]:
    tokens = [_tokens(text) for text in texts]
    offsets = np.cumsum([0, *map(len, tokens[:-1])])
    return torch.tensor([token for bag in tokens for token in bag]), torch.from_numpy(offsets)


def _tokens(text: str) -> list[int]:
    """The same n-grams as alicorn's, as one would write them: strings, hashed by CRC-32."""
    found = words(text)
    grams = [f"<{word}>"[at : at + 3] for word in found for at in range(len(word))]
    grams += [*found, *(f"{first} {second}" for first, second in pairwise(found))]
    return [1 + crc32(gram.encode()) % _BUCKETS for gram in grams]


def _print_shares(pairs: Path, vertical: Vertical) -> None:
    """Where the time of the default recipe's epoch goes."""
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(owner: Any, name: str, what: str) -> Iterator[None]:
        plain = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = plain(*args, **kwargs)
            spent[what] += time.perf_counter() - started
            return result

        setattr(owner, name, wrapper)
        yield
        setattr(owner, name, plain)

    recipe = Recipe(epochs=1, patience=1)
    with (
        tempfile.TemporaryDirectory() as out,
        timed(EmbeddingTable, "forward", "read"),
        timed(RowGradient, "add", "gradient"),
        timed(RowAdagrad, "step", "update"),
        timed(batches._Batches, "__next__", "input"),
    ):
        trained = train(pairs, vertical, recipe, Path(out) / "model", progress=False)
    speed = trained.epochs[-1].pairs_per_s
    assert speed is not None
    seconds = trained.num_pairs / speed
    print(f"\nOf an epoch of the default recipe ({seconds:.2f} s):")
    read, summed, updated = (spent[what] / seconds for what in ("read", "gradient", "update"))
    print(f"- embedding tables {read + summed + updated:.0%}: reading rows {read:.0%} (validation included), ", end="")
    print(f"summing their gradient {summed:.0%}, updating {updated:.0%}")
    print(f"- arithmetic, the rest: {1 - read - summed - updated:.0%}")
    print(f"- input, in a thread beside it: {spent['input'] / seconds:.0%}")


def _world(folder: Path, people: int, searches: int) -> Path:
    """pairs/ of a small world, whose engine answers with the most popular people that have every word."""
    world = PeopleWorld.generate(people, seed=0)
    documents = world.documents()
    ids = documents["doc_id"].to_pylist()
    popularity = documents["popularity"].to_numpy()
    postings: dict[str, set[int]] = defaultdict(set)
    for number, name in enumerate(documents["name"].to_pylist()):
        for word in words(name):
            postings[word].add(number)

    def engine(queries: list[str]) -> list[list[str]]:
        pages = []
        for query in queries:
            lists = [postings.get(word, set()) for word in words(query)]
            found = set.intersection(*lists) if lists else set()
            pages.append([ids[number] for number in sorted(found, key=lambda n: (-popularity[n], ids[n]))[:10]])
        return pages

    world.write_logs(folder / "logs", searches, engine)
    mine(folder / "logs", Vertical.load(VERTICAL), folder / "pairs")
    return folder / "pairs"


if __name__ == "__main__":
    main()
