"""Does a document share anything with a query? Letter trigrams in common.

A document reached after a failed search may have nothing to do with the search; most likely it has not if it shares no
trigram with the query. A nickname shares few trigrams, so a rule over likeness leaves out some true answers too.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.text import words


def likeness(queries: pa.ChunkedArray, doc_ids: pa.ChunkedArray, texts: pa.Table) -> np.ndarray:
    """float32 (rows,): share of the distinct trigrams of each query that its document's text has; 0 without any.

    queries, doc_ids: strings, row for row. texts: doc_id, and columns of text (string, or list of strings).
    """
    rows = pc.index_in(doc_ids, texts["doc_id"].combine_chunks()).to_numpy()
    wanted, places = np.unique(rows, return_inverse=True)
    taken = texts.drop_columns(["doc_id"]).take(pa.array(wanted))
    have = [set().union(*map(_trigrams, row.values())) for row in taken.to_pylist()]
    found = np.zeros(len(rows), dtype=np.float32)
    for row, (query, place) in enumerate(zip(queries.to_pylist(), places.tolist(), strict=True)):
        asked = _trigrams(query)
        found[row] = len(asked & have[place]) / len(asked) if asked else 0.0
    return found


def _trigrams(text: str | list[str] | None) -> set[str]:
    """Of every word, with its ends marked: `<jo joh ohn hn>`."""
    joined = " ".join(filter(None, text)) if isinstance(text, list) else text or ""
    return {f"<{word}>"[at : at + 3] for word in words(joined) for at in range(len(word))}
