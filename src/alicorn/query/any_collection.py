"""A collection in one piece, or in shards that answer together (distributed/router/): what those who search it need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from alicorn.index import Snapshot
from alicorn.index.writer.store import Applied, Deletion, Updated
from alicorn.language.order import OrderBy
from alicorn.language.tree import Node
from alicorn.query.explain.reason import Reason
from alicorn.query.facets.facet import Facet
from alicorn.query.result import Result


class AnyCollection(Protocol):
    """Every method is that of a Collection, with the same arguments and errors; one in shards refuses to be written."""

    @property
    def read_only(self) -> bool: ...

    @property
    def is_remote(self) -> bool:
        """Whether an answer waits for other processes."""

    @property
    def embeddings(self) -> dict[str, int]: ...

    @property
    def metadata(self) -> dict[str, Any]: ...

    @property
    def num_rewritings(self) -> int: ...

    def __len__(self) -> int: ...

    def snapshot(self) -> Snapshot:
        """What is searched, as of now. That of shards has no segments: its documents are elsewhere."""

    def part(self, only: Node | None) -> Snapshot:
        """The snapshot of the documents of a tree; None: of all. Raises QueryError."""

    def holding(self, doc_ids: Sequence[str]) -> Snapshot:
        """A snapshot that has these documents, as far as there are such; whether it has others too is not said."""

    def refresh(self) -> bool: ...

    def search(
        self,
        expression: str | Node,
        vectors: Mapping[str, object] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        explain: bool = False,
        offset: int = 0,
        after: str | None = None,
        facets: Mapping[str, Facet] | None = None,
        only: Node | None = None,
        snapshot: Snapshot | None = None,
        lineage: bool = False,
    ) -> Result: ...

    def explain(
        self, expression: str | Node, doc_id: str, vectors: Mapping[str, object] | None = None
    ) -> Reason | None: ...

    def apply(
        self,
        upserts: pa.Table | None = None,
        deletes: Sequence[str] = (),
        given: Mapping[str, Sequence[bool] | np.ndarray] | None = None,
    ) -> Applied: ...

    def update(self, table: pa.Table, given: Mapping[str, Sequence[bool] | np.ndarray] | None = None) -> Updated: ...

    def delete(self, doc_ids: Sequence[str]) -> Deletion: ...

    def add_key(self, key: str, embedding: int | Mapping[str, Any]) -> None: ...

    def set_metadata(self, metadata: Mapping[str, Any]) -> None: ...
