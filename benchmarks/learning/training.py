"""How many examples does training take per second, against what others write, and what bounds it?

Data: the people world (simulated), or `--pairs DIR` as `alicorn mine` wrote it; text features only, so that all learn
the same thing: a query against a name, in-batch softmax of equal batch and scale, dimension 64. Peers (two_towers.py):
a plain PyTorch two-tower that tokenises in the collate function of a DataLoader, looks up with nn.EmbeddingBag, one
table of 2^17 x 64 and a linear layer each, and updates with Adam, or with sparse gradients and SparseAdam; and
sentence-transformers' StaticEmbedding with MultipleNegativesRankingLoss over MiniLM's 30,522 word pieces. Every
system trains a few epochs from its own start, in turn, several rounds; recall@10 is by exact search on the same
validation searches. One thread for all; where a GPU is present, all train there. Featurising, once before the first
epoch, is not in our rate: at 4 million strings a second (featurising.py) it is 10 ms here.

One core of an Intel Xeon shared with other work, 21,319 pairs, median of 3 rounds: plain Adam 5,466 pairs/s,
SparseAdam 17,169, static embeddings 15,877, the same model here 68,333, the unified recipe 22,767. Recall 0.972, which
all reach: 7.8, 2.5, 2.7, 0.3 and 0.9 s. What bounds the unified recipe: arithmetic, 89 % of an epoch.

    python benchmarks/learning/training.py [--people 5000] [--searches 30000] [--epochs 3] [--rounds 3] [--pairs DIR]
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from rank_baselines import ENCODER
from two_towers import BATCH, BUCKETS, DEVICE, DIM, Learned, Texts, plain, sentence_transformers_static

from alicorn.features import EncoderSettings, TextEncoder
from alicorn.logs import mine
from alicorn.text import words
from alicorn.towers.tables.table import EmbeddingTable, RowGradient
from alicorn.training import Recipe, train
from alicorn.training.examples import batches
from alicorn.training.run.optimizer import RowAdagrad
from alicorn.training.run.run import Run
from alicorn.vertical import Vertical
from alicorn.worlds.people.world import VERTICAL, PeopleWorld

_BASE = "plain PyTorch, Adam"
_OPTIMIZER = {"rate": 0.002, "table_rate": 0.05}
UNIFIED: dict[str, Any] = {"towers": {"dim": DIM, "hidden": 128}, "optimizer": _OPTIMIZER, "batch": BATCH}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--searches", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=Path, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        pairs = arguments.pairs or _world(Path(temporary), arguments.people, arguments.searches)
        texts = Texts(pairs)
        measured: dict[str, list[Learned]] = defaultdict(list)
        systems = _systems(pairs, texts, arguments.epochs)
        for seed in range(arguments.rounds):
            for name, run in systems.items():
                measured[name].append(run(seed))
        _print(measured, texts, arguments.epochs)
        if DEVICE.type == "cpu":
            _print_shares(pairs)


def _systems(pairs: Path, texts: Texts, epochs: int) -> dict[str, Callable[[int], Learned]]:
    """Name -> a run with a seed."""
    same = {
        "towers": {
            "dim": DIM,
            "hidden": 0,
            "features": {"request": ["text"], "document": ["name"]},
            "tables": {"text": {"buckets": BUCKETS, "dim": DIM}},
        },
        "negatives": {"random": 0, "in_batch": True},
        "optimizer": _OPTIMIZER,
        "dropout": 0.0,
        "batch": BATCH,
    }
    tokenizer = TextEncoder(EncoderSettings(model=ENCODER, features=("request.text",))).folder / "tokenizer.json"
    return {
        _BASE: lambda seed: plain(texts, epochs, seed, sparse=False),
        "plain PyTorch, SparseAdam": lambda seed: plain(texts, epochs, seed, sparse=True),
        "sentence-transformers, StaticEmbedding": lambda seed: sentence_transformers_static(
            texts, epochs, seed, tokenizer
        ),
        "alicorn, the same model": lambda seed: _ours(pairs, {**same, "seed": seed}, epochs),
        "alicorn, unified, random negatives": lambda seed: _ours(pairs, {**UNIFIED, "seed": seed}, epochs),
    }


def _print(measured: dict[str, list[Learned]], texts: Texts, epochs: int) -> None:
    print(f"{len(texts.queries):,} pairs, {len(texts.names):,} documents, batch {BATCH}, dim {DIM}; {_where()};")
    print(f"{epochs} epochs each, median of {len(measured[_BASE])} interleaved rounds. Simulated data.\n")
    base = float(np.median([run.pairs_per_s for run in measured[_BASE]]))
    recalls = {name: np.median([run.recalls for run in runs], axis=0) for name, runs in measured.items()}
    level = min(row.max() for row in recalls.values())  # the recall that every system reaches
    print(f"| system | pairs/s | times plain Adam | recall@10 by epoch | seconds to recall {level:.3f} |")
    print("|---|--:|--:|---|--:|")
    for name, runs in measured.items():
        speed = float(np.median([run.pairs_per_s for run in runs]))
        needed = int(np.argmax(recalls[name] >= level)) + 1
        by_epoch = ", ".join(f"{recall:.3f}" for recall in recalls[name])
        seconds = needed * len(texts.queries) / speed
        print(f"| {name} | {speed:,.0f} | {speed / base:.1f} | {by_epoch} | {seconds:.1f} ({needed} epochs) |")


def _where() -> str:
    return f"a GPU, {torch.cuda.get_device_name()}" if DEVICE.type == "cuda" else "one thread of a processor"


def _ours(pairs: Path, plain_recipe: dict[str, Any], epochs: int) -> Learned:
    recipe = Recipe.model_validate({**plain_recipe, "epochs": epochs, "patience": epochs})
    with tempfile.TemporaryDirectory() as out:
        learned = train(pairs, Vertical.load(VERTICAL), recipe, Path(out) / "model", progress=False).epochs[1:]
    seconds = [1.0 / epoch.pairs_per_s for epoch in learned if epoch.pairs_per_s]
    return Learned(len(seconds) / sum(seconds), [epoch.recall["10"] for epoch in learned])


def _print_shares(pairs: Path) -> None:
    """Where the time of an epoch of the unified recipe goes; validation is left out."""
    spent: dict[str, float] = defaultdict(float)
    shares: dict[str, float] = {}

    @contextmanager
    def timed(owner: Any, name: str, what: str) -> Iterator[None]:
        plain = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            started, before = time.perf_counter(), dict(spent)
            result = plain(*args, **kwargs)
            spent[what] += time.perf_counter() - started
            if what == "epoch":
                shares.update({key: (spent[key] - before.get(key, 0.0)) / spent["epoch"] for key in spent})
            return result

        setattr(owner, name, wrapper)
        yield
        setattr(owner, name, plain)

    recipe = Recipe.model_validate({**UNIFIED, "epochs": 1, "patience": 1})
    with (
        tempfile.TemporaryDirectory() as out,
        timed(EmbeddingTable, "forward", "read"),
        timed(RowGradient, "add", "gradient"),
        timed(RowAdagrad, "step", "update"),
        timed(batches._Batches, "__next__", "input"),
        timed(Run, "_train_epoch", "epoch"),
    ):
        train(pairs, Vertical.load(VERTICAL), recipe, Path(out) / "model", progress=False)
    print(f"\nOf an epoch of the unified recipe ({spent['epoch']:.2f} s):")
    read, summed, updated = (shares[what] for what in ("read", "gradient", "update"))
    print(f"- embedding tables {read + summed + updated:.0%}: reading rows {read:.0%}, ", end="")
    print(f"summing their gradient {summed:.0%}, updating {updated:.0%}")
    print(f"- arithmetic, the rest: {1 - read - summed - updated:.0%}")
    print(f"- input, in a thread beside it: {shares['input']:.0%}")


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
