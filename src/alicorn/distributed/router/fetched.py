"""Documents of shards as a snapshot of their own, so that what reads hits reads them as those of one collection.

Counts and expansions of the snapshot are those of all shards (`Whole`), so scores of its documents are too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.numeric import numeric_columns
from alicorn.index.segment.parts.doc_ids import IdIndex, hash_ids
from alicorn.index.segment.segment import Segment
from alicorn.quantization import KeyQuantizer
from alicorn.tables import one_chunk

FetchRows = Callable[[bool], pa.Table]
"""The stored columns of all documents, in any order; or whole documents, as the journal has them."""
Build = Callable[[pa.Table], Segment]


class FetchedSegment(Segment):
    """Documents numbered by doc_id, which are fetched when something of them is first read: the stored columns alone
    where that is enough."""

    def __init__(self, num_docs: int, fetch: FetchRows, build: Build) -> None:
        self.__dict__.update(_num_docs=num_docs, _fetch=fetch, _build=build)

    @property
    def num_docs(self) -> int:
        found: int = self.__dict__["_num_docs"]
        return found

    def __getattr__(self, name: str) -> Any:
        """What is not there yet."""
        if name not in Segment.__dataclass_fields__:
            raise AttributeError(name)
        fetch: FetchRows = self.__dict__["_fetch"]
        if name in ("fields", "ids", "columns"):
            fields = _by_id(fetch(False))
            doc_ids = one_chunk(fields["doc_id"])
            ids = IdIndex.build(doc_ids, hash_ids(doc_ids))
            self.__dict__.update(fields=fields, ids=ids, columns=numeric_columns(fields))
        else:
            self.__dict__.update(vars(self.__dict__["_build"](fetch(True))))
        return self.__dict__[name]


def segment_of(
    documents: pa.Table, embeddings: Mapping[str, int], positions: tuple[str, ...], stored: Mapping[str, str]
) -> Segment:
    """Whole documents, at least one. stored: of each embedding key, how its vectors are kept."""
    quantizers = {key: KeyQuantizer.untrained(dim, stored[key]) for key, dim in embeddings.items()}
    given = Documents.from_table(_by_id(documents), embeddings, positions).kept_by(quantizers)
    return build_segment([given], quantizers, by_cluster=False)


def _by_id(table: pa.Table) -> pa.Table:
    """By the UTF-8 bytes of doc_id, as hits are numbered."""
    return table.take(pc.sort_indices(one_chunk(table["doc_id"]))).combine_chunks()
