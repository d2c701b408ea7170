"""What a router sends to a shard, and what the shard answers: plain values, the same in a process and over a wire.

Every message of a router can be sent again, and to another process that has the same shard: what is answered follows
from the version and the message alone. A search goes in rounds. Its message holds the replies of all rounds so far, and
the shard answers with the parts of the next round, or with its hits.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.exchanges import ExchangePart, Reply
from alicorn.index.segment.snapshot import CountOf, Spelled
from alicorn.query import Facet
from alicorn.query.explain.step import Step


class Facts(msgspec.Struct, array_like=True, frozen=True):
    """What is known of all shards that are asked: which these are and how many documents they have; counts, by what is
    counted; the expansions of nodes, by their text."""

    shards: list[int]
    num_docs: int
    counts: dict[CountOf, int]
    expansions: dict[str, Spelled]


class AskSearch(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A search. expression: settled. only: of the documents that may be seen; None: all.

    limit: how many first hits the router may need. shared: how many the answer has, for the shares of a strong-or.
    lineage: say of each hit which operands of the expression have it. explain: say what each node did. request: a name
    of the search, under which a shard may keep what it has done. replies: of all rounds so far.
    """

    version: str
    request: str
    expression: str
    only: str | None
    vectors: dict[str, np.ndarray]
    limit: int
    shared: int
    order_by: Any
    after: str | None
    facets: dict[str, Facet]
    lineage: bool
    explain: bool
    facts: Facts
    replies: list[list[Reply]]


class AskReason(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Why is a document in the result of an expression, or not? It goes in rounds, as a search does."""

    version: str
    request: str
    expression: str
    doc_id: str
    vectors: dict[str, np.ndarray]
    facts: Facts
    replies: list[list[Reply]]


class AskFacts(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The shard's own counts, and all of its terms that fit nodes. facts: those that spellings need. only: the
    documents that are counted; None: all."""

    version: str
    counted: list[CountOf]
    nodes: list[str]
    facts: Facts
    only: str | None


class AskRows(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The stored columns of documents by their addresses, (n,) int64 each; whole: their terms and vectors too."""

    version: str
    segments: np.ndarray
    numbers: np.ndarray
    whole: bool


class AskDocuments(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Whole documents by their ids, those of them that the shard has."""

    version: str
    doc_ids: list[str]


class AskQuantizers(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The quantizers that all shards share."""

    version: str


class AskVersion(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Has the shard this version? It opens it if it can."""

    version: str


class NextRound(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The parts of the next round."""

    parts: list[ExchangePart]


class Hits(msgspec.Struct, array_like=True, frozen=True):
    """First documents in their order: ids, addresses (n,) int64, and the keys of the order: scores (n,) of each key
    that is a score, values of each that is a column. found_by: bool (n, operands), where lineage is asked for."""

    ids: list[str]
    segments: np.ndarray
    numbers: np.ndarray
    scores: list[np.ndarray]
    columns: list[pa.Array]
    found_by: np.ndarray | None


class FacetPart(msgspec.Struct, array_like=True, frozen=True):
    """Counts of the distinct values, or of ranges where there are no values. ends: of a histogram, of all shards."""

    values: pa.Array | None
    counts: np.ndarray
    missing: int | None
    ends: pa.Array | None


class ShardHits(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The answer of a shard. shares: the first hits of each marked operand of a strong-or. num_by_nn: of lineage, how
    many documents the operands with an `nn` have together."""

    total: int
    hits: Hits
    shares: list[Hits]
    facets: dict[str, FacetPart]
    notices: list[str]
    num_by_nn: int
    explanation: Step | None


class Explained(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The reason as Reason.to_dict gives it; None where the shard has no such document."""

    reason: dict[str, Any] | None


class OwnTerms(msgspec.Struct, array_like=True, frozen=True):
    """The terms of a shard that fit a node, their frequencies and their edits: (n,) int64 each."""

    terms: list[str]
    frequencies: np.ndarray
    edits: np.ndarray


class OwnFacts(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Counts and terms in the order in which they were asked for."""

    counts: list[int]
    fitting: list[OwnTerms]


class TableStream(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A table as an Arrow stream; of whole documents, that of the journal (building/documents.py)."""

    stream: bytes


class QuantizerArrays(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Of each embedding key, as KeyQuantizer.to_arrays gives them."""

    of_keys: dict[str, dict[str, np.ndarray]]


class Ready(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The shard has the version that it was asked for."""

    num_docs: int


class NotHere(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A process cannot answer for the version that it is asked for, and why."""

    reason: str


class Refused(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """An error that the request caused, by the name of its class."""

    error: str
    message: str


Message = AskSearch | AskReason | AskFacts | AskRows | AskDocuments | AskQuantizers | AskVersion
Answer = NextRound | ShardHits | Explained | OwnFacts | TableStream | QuantizerArrays | Refused | Ready | NotHere
