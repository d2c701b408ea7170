"""Segments of the searches that training could not learn by heart: new documents, and words that nobody had typed.

Training has seen what is in the train split of pairs/. Where that is empty, as for a model from elsewhere, there is
nothing to tell apart.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.pairs import PairsFolder
from alicorn.text import words

DOCUMENTS, WORD = "unseen documents", "unseen word"


def unseen(searches: pa.Table, folder: PairsFolder) -> list[list[str]]:
    """The labels of each search, with columns `query` and `targets`.

    DOCUMENTS: no target was the document of a training pair. WORD: a word of the query is in no query of training.
    """
    pairs = folder.read("pairs", ["query", "doc_id", "split"])
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    if len(pairs) == 0:
        return [[] for _ in range(len(searches))]
    documents = set(pc.unique(pairs["doc_id"]).to_pylist())
    typed = {word for query in pc.unique(pairs["query"]).to_pylist() for word in words(query or "")}
    targets, queries = searches["targets"].to_pylist(), searches["query"].to_pylist()
    return [_labels(*row, documents, typed) for row in zip(targets, queries, strict=True)]


def _labels(targets: Sequence[str], query: str | None, documents: set[str], typed: set[str]) -> list[str]:
    labels = [] if documents.intersection(targets) else [DOCUMENTS]
    return labels if typed.issuperset(words(query or "")) else [*labels, WORD]
