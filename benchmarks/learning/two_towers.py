"""Two-towers that others write: plain PyTorch as in tutorials, and sentence-transformers.

Each learns in-batch softmax over the pairs of a pairs/ folder, and returns how fast it read pairs and its recall@10 by
exact search after every epoch. Learning rates: the best recall of two epochs over the people world among 0.01
and 0.05 (Adam), 0.01 and 0.05 (SparseAdam), 0.05 and 0.2 (static embeddings).
"""

import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from alicorn.text import words

BUCKETS, DIM, BATCH, SCALE = 1 << 17, 64, 1024, 20.0
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # as alicorn's own loop chooses


@dataclass(frozen=True)
class Learned:
    """pairs_per_s: over all epochs, validation left out. recalls: recall@10 after each epoch."""

    pairs_per_s: float
    recalls: list[float]


class Texts:
    """What all of them learn from: queries and the names they chose; searches of the valid split and their targets."""

    def __init__(self, pairs: Path) -> None:
        documents = pq.read_table(pairs / "documents.parquet", columns=["doc_id", "name"])
        self.names: list[str] = documents["name"].to_pylist()
        ids = documents["doc_id"].combine_chunks()
        learned = pq.read_table(pairs / "pairs.parquet")
        learned = learned.filter(pc.equal(learned["split"], "train"))
        self.queries: list[str] = learned["query"].to_pylist()
        self.positives = [self.names[row] for row in pc.index_in(learned["doc_id"], ids).to_pylist()]
        searches = pq.read_table(pairs / "searches.parquet")
        searches = searches.filter(pc.equal(searches["split"], "valid")).slice(0, 2000)
        self.searched: list[str] = searches["query"].to_pylist()
        self.targets = [pc.index_in(row.values, ids).to_pylist() for row in searches["targets"]]

    def recall(self, queries: Tensor, documents: Tensor) -> float:
        """recall@10; both (rows, dim), unit length."""
        nearest = (queries @ documents.T).topk(10, dim=1).indices.tolist()
        shares = [np.mean([t in top for t in wanted]) for top, wanted in zip(nearest, self.targets, strict=True)]
        return float(np.mean(shares))


def plain(texts: Texts, epochs: int, seed: int, sparse: bool) -> Learned:
    """As tutorials write it: strings in the data set, tokens in the collate function, nn modules, Adam.

    sparse: sparse gradients and SparseAdam for the embeddings.
    """
    torch.manual_seed(seed)
    model = _TwoTower(sparse).to(DEVICE)
    optimizers: list[torch.optim.Optimizer]
    if sparse:
        dense = [*model.query.parameters(), *model.document.parameters()]
        optimizers = [torch.optim.SparseAdam(model.words.parameters(), lr=0.05), torch.optim.Adam(dense, lr=0.002)]
    else:
        optimizers = [torch.optim.Adam(model.parameters(), lr=0.01)]
    examples = list(zip(texts.queries, texts.positives, strict=True))
    loader: Any = DataLoader(examples, batch_size=BATCH, shuffle=True, collate_fn=_collate)  # type: ignore[arg-type]
    seconds, recalls = 0.0, []
    for _ in range(epochs):
        started = time.perf_counter()
        for queries, documents in loader:
            for optimizer in optimizers:
                optimizer.zero_grad()
            logits = SCALE * model.encode_queries(*queries) @ model.encode_documents(*documents).T
            loss = nn.functional.cross_entropy(logits, torch.arange(len(logits), device=DEVICE))
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        seconds += time.perf_counter() - started
        with torch.no_grad():
            found = model.encode_queries(*_bags(texts.searched)), model.encode_documents(*_bags(texts.names))
            recalls.append(texts.recall(*found))
    return Learned(epochs * len(examples) / seconds, recalls)


def sentence_transformers_static(texts: Texts, epochs: int, seed: int, tokenizer: Path) -> Learned:
    """StaticEmbedding (the mean of word pieces' vectors) with MultipleNegativesRankingLoss, by the library's trainer.

    One table for both sides. tokenizer: its file.
    """
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from transformers import TrainerCallback

    torch.manual_seed(seed)
    pieces = Tokenizer.from_file(str(tokenizer))
    model = SentenceTransformer(modules=[StaticEmbedding(pieces, embedding_dim=DIM)], device=str(DEVICE))
    recalls: list[float] = []
    clock = _Clock()

    class Measure(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            clock.stop()
            found = (
                model.encode(rows, convert_to_tensor=True, normalize_embeddings=True, batch_size=BATCH)
                for rows in (texts.searched, texts.names)
            )
            recalls.append(texts.recall(*found))

    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=0.05,
            lr_scheduler_type="constant",
            seed=seed,
            use_cpu=DEVICE.type == "cpu",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": texts.queries, "positive": texts.positives}),
            loss=MultipleNegativesRankingLoss(model, scale=SCALE),
            callbacks=[Measure()],
        ).train()
    return Learned(epochs * len(texts.queries) / clock.seconds, recalls)


class _Clock:
    """Seconds between start and stop, summed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def start(self) -> None:
        self._started = time.perf_counter()

    def stop(self) -> None:
        self.seconds += time.perf_counter() - self._started


class _TwoTower(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(BUCKETS + 1, DIM, mode="mean", sparse=sparse)
        self.query = nn.Linear(DIM, DIM)
        self.document = nn.Linear(DIM, DIM)

    def encode_queries(self, indices: Tensor, offsets: Tensor) -> Tensor:
        return nn.functional.normalize(self.query(self.words(indices.to(DEVICE), offsets.to(DEVICE))), dim=1)

    def encode_documents(self, indices: Tensor, offsets: Tensor) -> Tensor:
        return nn.functional.normalize(self.document(self.words(indices.to(DEVICE), offsets.to(DEVICE))), dim=1)


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
    return [1 + crc32(gram.encode()) % BUCKETS for gram in grams]
