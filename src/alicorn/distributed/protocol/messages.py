"""What a router sends to a shard, and what the shard answers: plain values, the same in a process and over a wire.

Every message that reads can be sent again, and to another process that has the same shard: what is answered follows
from the moment that it names and the message alone. A search goes in rounds. Its message holds the replies of all
rounds so far, and the shard answers with the parts of the next round, or with its hits.
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

LastWrite = tuple[int, int]
"""A place in the log of a shard: the epoch of the last write, and the number of its operation; (0, 0) before any."""

Begun = tuple[int, int]
"""An epoch, and the number of its first operation."""


class Moment(msgspec.Struct, array_like=True, frozen=True):
    """What a search is over: a version, and what was written since. writes: of each shard, by its number."""

    version: str
    writes: list[LastWrite]


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

    moment: Moment
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

    moment: Moment
    request: str
    expression: str
    doc_id: str
    vectors: dict[str, np.ndarray]
    facts: Facts
    replies: list[list[Reply]]


class AskFacts(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The shard's own counts, and all of its terms that fit nodes. facts: those that spellings need. only: the
    documents that are counted; None: all."""

    moment: Moment
    counted: list[CountOf]
    nodes: list[str]
    facts: Facts
    only: str | None


class AskDocuments(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Documents by their ids, those of them that the shard has: the stored columns; whole: their terms and vectors
    too."""

    moment: Moment
    doc_ids: list[str]
    whole: bool


class AskQuantizers(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The quantizers that all shards share."""

    moment: Moment


class AskStatus(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Has the shard this version, and what was written to it? It opens it if it can.

    of_copy: what has the copy, whatever it lacks? Else it answers once it has what was written to the version before.
    """

    version: str
    of_copy: bool = False


class AskWrite(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Of the copy that leads: documents to delete and to add, or to change. epoch: in which it leads.

    upserts, updates: an Arrow stream, of as many rows as each mask in `given` has; None: none. checks: say what is
    wrong, and write nothing.
    """

    version: str
    epoch: int
    upserts: bytes | None
    updates: bytes | None
    deletes: list[str]
    given: dict[str, np.ndarray]
    checks: bool


class AskLog(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Of the copy that leads: what was written after `last`, which the copy that asks has on its disk. copy: its name.

    epoch: the highest that it has heard of. wait_s: how long to wait for a write.
    """

    version: str
    epoch: int
    copy: str
    last: LastWrite
    wait_s: float


class Fence(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Another copy is going to lead in this epoch: nobody in an older one any more."""

    version: str
    epoch: int


class Lead(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Lead in this epoch."""

    version: str
    epoch: int


class NextRound(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The parts of the next round."""

    parts: list[ExchangePart]


class Hits(msgspec.Struct, array_like=True, frozen=True):
    """First documents in their order: ids, and the keys of the order: scores (n,) of each key that is a score, values
    of each that is a column. found_by: bool (n, operands), where lineage is asked for."""

    ids: list[str]
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


class Status(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The shard has the version that it was asked for. confirmed: the last write that is on as many copies as are
    asked for, as far as this copy knows; num_docs: after it; last: the last write of this copy.

    epoch: the highest that it has heard of; leads: whether it leads in it; None: it takes no writes. copies: on how
    many disks a write is before it is acknowledged. is_whole: False: it has not yet what was written to the version
    before, of which it tells. is_over: another version takes the writes.
    """

    confirmed: LastWrite
    num_docs: int
    last: LastWrite = (0, 0)
    epoch: int = 0
    leads: bool | None = None
    copies: int = 1
    is_whole: bool = True
    is_over: bool = False


class Written(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A write is on the disks of as many copies as are asked for. num_docs: of the shard after it."""

    last: LastWrite
    num_docs: int
    written: int
    deleted: int


class Unconfirmed(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Too few copies have a write, or could have it. is_written: whether some have it, and it may be kept."""

    reason: str
    is_written: bool


class LogPart(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """What was written, as the journal has it: kinds and Arrow streams. begun: the epochs of the log. confirmed: the
    number of the last operation that is on as many copies as are asked for; carried: of the last that was written to
    the version before."""

    epoch: int
    begun: list[Begun]
    confirmed: int
    carried: int
    operations: list[tuple[str, bytes]]


class Diverged(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """The copy that asks has writes that the one that leads has not: it must begin anew."""


class NotHere(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A process cannot answer for what it is asked for, and why. behind: it has the version, and not the moment.
    is_over: another version takes the writes."""

    reason: str
    behind: bool = False
    is_over: bool = False


class Refused(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """An error that the request caused, by the name of its class. about: what it keeps for programs."""

    error: str
    message: str
    about: dict[str, Any] = {}


ReadMessage = AskSearch | AskReason | AskFacts | AskDocuments | AskQuantizers
ToCopy = AskWrite | AskLog | Fence | Lead
Message = ReadMessage | AskStatus | ToCopy
Answer = (
    NextRound
    | ShardHits
    | Explained
    | OwnFacts
    | TableStream
    | QuantizerArrays
    | Refused
    | Status
    | NotHere
    | Written
    | Unconfirmed
    | LogPart
    | Diverged
)
