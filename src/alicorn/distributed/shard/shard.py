"""A shard at one moment: a snapshot of some of the documents of a collection, and its answers to messages."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.codec import to_stream
from alicorn.distributed.protocol.exchanges import ExchangePart
from alicorn.distributed.protocol.messages import (
    Answer,
    AskDocuments,
    AskFacts,
    AskQuantizers,
    AskReason,
    AskSearch,
    LastWrite,
    NextRound,
    OwnFacts,
    OwnTerms,
    QuantizerArrays,
    ReadMessage,
    Refused,
    TableStream,
)
from alicorn.distributed.shard.answering import Answering, explaining, searching
from alicorn.errors import AlicornError
from alicorn.index import Snapshot
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.parts.doc_ids import hash_ids
from alicorn.index.segment.snapshot import CountOf, Spelled, Whole
from alicorn.language import tree
from alicorn.language.parse import parse
from alicorn.language.prepared import prepare
from alicorn.query.expansion.expansion import fitting_terms, of_spelled
from alicorn.query.explain.missing import has_term
from alicorn.query.restrict import restricted
from alicorn.query.result import rows_of
from alicorn.query.sets.per_segment import live, size
from alicorn.query.text.fields import holders_of, num_terms
from alicorn.query.text.scored import num_having
from alicorn.query.text.spellings import spelled_holders
from alicorn.tables import concatenated

_KEPT = 256  # searches between two of their rounds
_MOST_PARTS = 16  # sets of shards, and of documents that may be seen
_MOST_FACTS = 125_000  # counts that a shard remembers of each: some 25 MB

_Part = tuple[tuple[int, ...], str | None, tuple[LastWrite, ...]]
"""The shards that are asked, the documents that may be seen, and the last write of every shard: counts are of these."""


_Known = tuple[Snapshot, dict[CountOf, int], dict[str, Spelled]]
"""A snapshot, and its counts and expansions of all shards, which grow."""


class OpenShard:
    """Every method may be called from any thread.

    The searches that it keeps between two rounds are a cache: a message has all that is needed to begin again.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._own = snapshot
        self._knowing: dict[_Part, _Known] = {}
        self._searches: OrderedDict[tuple[str, int], Answering] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def snapshot(self) -> Snapshot:
        return self._own

    def answer(self, asked: ReadMessage) -> Answer:
        """Of an error that the request caused, what it was."""
        try:
            match asked:
                case AskSearch() | AskReason():
                    return self._in_rounds(asked)
                case AskFacts():
                    return self._own_facts(asked)
                case AskDocuments():
                    return TableStream(to_stream(self._documents(asked)))
                case AskQuantizers():
                    return QuantizerArrays({key: one.to_arrays() for key, one in self._own.quantizers.items()})
        except AlicornError as error:
            return refusal(error)

    def _in_rounds(self, asked: AskSearch | AskReason) -> Answer:
        """The next round: of the search that is kept, or of one that begins again and is told all replies."""
        done = len(asked.replies)
        with self._lock:
            rounds = self._searches.pop((asked.request, done - 1), None)
        replies: list[Any] = asked.replies[-1:]
        if rounds is None:
            snapshot = self._snapshot_of(asked, asked.only if isinstance(asked, AskSearch) else None)
            rounds = searching(snapshot, asked) if isinstance(asked, AskSearch) else explaining(snapshot, asked)
            replies = [None, *asked.replies]  # None lets it begin
        parts: list[ExchangePart] = []
        try:
            for reply in replies:
                parts = rounds.send(reply)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        with self._lock:
            self._searches[asked.request, done] = rounds
            if len(self._searches) > _KEPT:
                self._searches.popitem(last=False)
        return NextRound(parts)

    def _snapshot_of(self, asked: AskSearch | AskReason, only: str | None) -> Snapshot:
        """The snapshot of `only` with the counts of all shards that are asked, those of the message among them.

        Statistics are remembered with it, so a partial answer has one of its own.
        """
        facts, visible = asked.facts, self._visible(only)
        part = tuple(facts.shards), only, tuple(asked.moment.writes)
        with self._lock:
            snapshot, counts, expansions = self._knowing.get(part, (None, {}, {}))
            if snapshot is None or len(counts) + len(expansions) > _MOST_FACTS:
                counts, expansions = {}, {}
                snapshot = replace(visible, num_docs=facts.num_docs, whole=Whole(counts, expansions))
                kept = list(self._knowing.items())[1 - _MOST_PARTS :]
                self._knowing = {**dict(kept), part: (snapshot, counts, expansions)}
            counts.update(facts.counts)
            expansions.update(facts.expansions)
            return snapshot

    def _own_facts(self, asked: AskFacts) -> OwnFacts:
        visible = self._visible(asked.only)
        counts = [own_count(visible, counted, asked.facts.expansions) for counted in asked.counted]
        fitting = [fitting_terms(visible, _expanded(node)) for node in asked.nodes]
        return OwnFacts(counts, [OwnTerms(one.terms.to_pylist(), one.frequencies, one.edits) for one in fitting])

    def _visible(self, only: str | None) -> Snapshot:
        return restricted(self._own, None if only is None else prepare(only).root)

    def _documents(self, asked: AskDocuments) -> pa.Table:
        """In the order of their segments; whole ones as the journal has them."""
        doc_ids = pa.array(list(dict.fromkeys(asked.doc_ids)), pa.string())
        found = [(view.segment, view.live(doc_ids, hash_ids(doc_ids))[1]) for view in self._own.segments]
        if asked.whole:
            tables = [Documents.at(segment, numbers).to_table() for segment, numbers in found if len(numbers)]
            return concatenated(tables) if tables else pa.table({"doc_id": pa.nulls(0, pa.string())})
        segments = np.repeat(np.arange(len(found)), [len(numbers) for _, numbers in found])
        numbers = np.concatenate([np.empty(0, dtype=np.int64), *(numbers for _, numbers in found)])
        return rows_of(self._own, segments, numbers, list(self._own.columns))


def refusal(error: AlicornError) -> Refused:
    return Refused(type(error).__name__, str(error), vars(error))


def own_count(snapshot: Snapshot, counted: CountOf, expansions: Mapping[str, Spelled]) -> int:
    """How many of its documents, or terms, a shard has of what is counted; ("known", term): 1 where it has the term."""
    match counted:
        case ("having", term):
            return num_having(snapshot.segments, term)
        case ("having", *terms):
            return size(live(snapshot, holders_of(snapshot.segments, terms)))
        case ("length", "text"):
            return sum(view.num_words for view in snapshot.segments)
        case ("length", prefix):
            return num_terms(snapshot.segments, prefix)
        case ("spelled", node, *fields):
            fuzzy = _expanded(node)
            assert isinstance(fuzzy, tree.Fuzzy)
            holders = spelled_holders(snapshot, fuzzy, of_spelled(snapshot, expansions[node]), fields)
            return size(live(snapshot, holders))
        case ("known", term):
            return int(has_term(snapshot, term))
    raise ValueError(f"nothing is counted as {counted!r}")


def _expanded(text: str) -> tree.Prefix | tree.Fuzzy:
    node: Any = parse(text)
    assert isinstance(node, tree.Prefix | tree.Fuzzy)
    return node
