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
from alicorn.index.segment.snapshot import CountOf
from alicorn.query import Facet


class Spelled(msgspec.Struct, array_like=True, frozen=True):
    """The terms of all shards to which a prefix or a fuzzy term expands, and the edits of each. left_out: how many
    other terms fit."""

    terms: list[str]
    edits: list[int]
    left_out: int


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
    request: a name of the search, under which a shard may keep what it has done. replies: of all rounds so far.
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
    """Stored columns of documents by their addresses, (n,) int64 each."""

    version: str
    segments: np.ndarray
    numbers: np.ndarray
    columns: list[str]


class AskDocument(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A document by its id."""

    version: str
    doc_id: str


class AskVersion(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Has the shard this version? It opens it if it can."""

    version: str


class NextRound(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The parts of the next round."""

    parts: list[ExchangePart]


class Hits(msgspec.Struct, array_like=True, frozen=True):
    """First documents in their order: ids, addresses (n,) int64, and the keys of the order: scores (n,) of each key
    that is a score, values of each that is a column."""

    ids: list[str]
    segments: np.ndarray
    numbers: np.ndarray
    scores: list[np.ndarray]
    columns: list[pa.Array]


class FacetPart(msgspec.Struct, array_like=True, frozen=True):
    """Counts of the distinct values, or of ranges where there are no values. ends: of a histogram, of all shards."""

    values: pa.Array | None
    counts: np.ndarray
    missing: int | None
    ends: pa.Array | None


class ShardHits(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The answer of a shard. shares: the first hits of each marked operand of a strong-or."""

    total: int
    hits: Hits
    shares: list[Hits]
    facets: dict[str, FacetPart]
    notices: list[str]


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
    """A table as an Arrow stream; of `AskDocument`, one row with `terms`, or none."""

    stream: bytes


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


Message = AskSearch | AskReason | AskFacts | AskRows | AskDocument | AskVersion
Answer = NextRound | ShardHits | Explained | OwnFacts | TableStream | Refused | Ready | NotHere
