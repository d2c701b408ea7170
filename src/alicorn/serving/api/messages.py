"""Bodies and answers of the HTTP API: typed, unknown fields refused; JSON is strict (docs/tables.md)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from alicorn.errors import BodyError
from alicorn.query.facets.checking import MAX_EDGES, MAX_FACETS, MAX_TOP
from alicorn.query.facets.facet import BucketWidth
from alicorn.query.search import MAX_OFFSET
from alicorn.retrieval.analysis_steps import PrefixAnalysis
from alicorn.retrieval.reading.reader import Mode
from alicorn.tables import JsonError, parse_json

SEARCH_BYTES = 4 << 20
"""Largest body of a search: an expression of 1,000,000 characters and a few vectors."""
DOCUMENTS_BYTES = 64 << 20
"""Largest body of documents: about 20,000 vectors of 128 dimensions as text."""
MAX_LIMIT = 1000
"""Hits of one answer: each is read with its stored columns. Larger answers are Python's, `Collection.search`."""
MAX_TEXT = 1000
"""Characters of a query text."""
MAX_BATCH = 100
"""Searches of one batch."""
MAX_DOCUMENTS = 10_000
"""Documents of one request."""

EVENTS_BYTES = 1 << 20
"""Largest body of events; a browser's beacon has at most 64 KiB."""
MAX_EVENTS = 1000
"""Events of one request."""

Timeout = Annotated[int, Meta(ge=1, le=600_000)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Id = Annotated[str, Meta(max_length=200)]


class FacetRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """What to count over all documents that match: the values of a stored column, or the terms of a prefix.

    top: how many values, the most frequent first. edges: rising numbers, or times of ISO 8601; the ranges between them
    are counted instead. interval: the width of the buckets of numbers, or day, week, month or year of dates and
    timestamps in UTC.
    """

    column: str | None = None
    prefix: str | None = None
    top: Annotated[int, Meta(ge=1, le=MAX_TOP)] = 10
    edges: Annotated[tuple[float | Text, ...], Meta(max_length=MAX_EDGES)] = ()
    interval: BucketWidth | None = None


class SearchRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """An expression with its vectors, or a text with its searcher, encoded by the model; or an expression and a text.

    searcher: an id of the table of searchers, or an object of its columns. context: of the request, such as the device.
    session_id: the visit that the search belongs to, experiment and arm: what is tried with it, for the log.
    why: say of each hit what it has of the query and of the searcher. highlight: say of each hit where its stored
    columns have the words that matched.
    mode: how a text is searched; embedding finds the nearest documents. key: the embedding to search, by default the
    vertical's.
    order_by: nn, static_rank, bm25, weights of a sum of them and of stored numbers, rrf of them, a stored column with
    asc or desc, or a list of such keys; of a text, the vertical's order unless given.
    offset: hits left out before the first. after: the cursor of the page before. facets: by names of one's own.
    columns: the stored columns that a hit shows; all unless given. timeout_ms: for the whole answer, from arrival.
    partial: where shards of the collection do not answer, answer of the others, as coverage says; else refuse.
    """

    expression: str | None = None
    vectors: dict[str, list[float]] | None = None
    text: Text | None = None
    searcher: str | dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    session_id: Id | None = None
    experiment: Id | None = None
    arm: Id | None = None
    mode: Mode | None = None
    key: str | None = None
    limit: Annotated[int, Meta(ge=0, le=MAX_LIMIT)] = 10
    order_by: str | dict[str, Any] | list[str | dict[str, Any]] | None = None
    offset: Annotated[int, Meta(ge=0, le=MAX_OFFSET)] = 0
    after: str | None = None
    facets: Annotated[dict[str, FacetRequest], Meta(max_length=MAX_FACETS)] = {}
    columns: list[str] | None = None
    explain: bool = False
    why: bool = False
    highlight: bool = False
    timeout_ms: Timeout | None = None
    partial: bool = False


class BatchRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """Searches that are answered over one snapshot. timeout_ms: for all of them; those of the searches do not count."""

    searches: Annotated[list[SearchRequest], Meta(min_length=1, max_length=MAX_BATCH)]
    timeout_ms: Timeout | None = None


class Why(Struct, frozen=True):
    """terms: those of the query that the document has. cosine: to each vector of the query, by its name.

    approximate: whether the query looked for the nearest in some clusters only; null without `nn`.
    in_common: what searcher and document share, by column.
    """

    terms: list[str]
    cosine: dict[str, float]
    approximate: bool | None
    in_common: dict[str, str | list[str]]


class Highlight(Struct, frozen=True):
    """Characters (Unicode code points) from start to before end; of element `item` where the column is a list."""

    start: int
    end: int
    item: int | None


class Hit(Struct, frozen=True):
    """score: of the order; null where the document has none. stored: the stored columns. why: null unless asked for.

    highlights: by stored column, where it has the words that matched; null unless asked for.
    channels: those of the vertical that found it, with its score in each: the cosine, or BM25, or null. Null where the
    text has no channels.
    """

    doc_id: str
    score: float | None
    stored: dict[str, Any]
    why: Why | None = None
    highlights: dict[str, list[Highlight]] | None = None
    channels: dict[str, float | None] | None = None


class FacetBucket(Struct, frozen=True):
    """How many documents have a value; of edges and an interval, [from, below], where null is no end."""

    value: Any
    count: int


class FacetCounts(Struct, frozen=True):
    """num_values: distinct values of the whole result. missing: documents without one; null of terms."""

    buckets: list[FacetBucket]
    num_values: int
    missing: int | None


class CoverageOf(Struct, frozen=True):
    """shards: of the collection, 1 where it is in one piece; answered: of these; documents: of all of them;
    answered_documents: of those that answered."""

    shards: int
    answered: int
    documents: int
    answered_documents: int


class Understood(Struct, frozen=True):
    """A term that the nearest documents must have. words: of the query that name it, or "" where it is learned from
    what was chosen; probability: 1 of what is named."""

    term: str
    words: str
    probability: float


class SearchAnswer(Struct, frozen=True):
    """total: all that match, whatever the limit. took_ms: the whole request; search_ms: the engine's part.

    search_id: under which events on these hits are reported; null where no log is kept. without_nn: the rule of the
    vertical's selection by which the text became the Boolean expression; null where none did. cursor: `after` of the
    next page; null where there is no hit. facets: the counts that were asked for, by name. models: those that encoded
    vectors of the search, embedding key -> fingerprint. intents: what the query is sure to ask for, by the vertical's
    control; candidates: how many documents nn found that have it, null without intents. coverage: of how much of the
    collection the answer is. degraded: what a busy server left out: candidates (a quarter of them is ranked), ranker,
    recall (nn looks at fewer documents).
    """

    hits: list[Hit]
    total: int
    took_ms: float
    search_ms: float
    expression: str
    notices: list[str]
    coverage: CoverageOf
    search_id: str | None = None
    explanation: dict[str, Any] | None = None
    without_nn: str | None = None
    cursor: str | None = None
    facets: dict[str, FacetCounts] = {}
    models: dict[str, str] = {}
    intents: list[Understood] = []
    candidates: int | None = None
    degraded: list[str] = []


class Problem(Struct):
    """A failure as in RFC 9457. type: one of problems.py, or about:blank. detail: what is wrong and what to do.

    offset: of the character of the expression. column, row: of the documents, from 0.
    """

    type: str
    title: str
    status: int
    detail: str
    offset: int | UnsetType = UNSET
    column: str | UnsetType = UNSET
    row: int | UnsetType = UNSET


class AnswerOrProblem(Struct, frozen=True):
    """A search of a batch: its answer, or what is wrong with it."""

    answer: SearchAnswer | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class BatchAnswer(Struct, frozen=True):
    """answers: of each search, in their order."""

    answers: list[AnswerOrProblem]
    took_ms: float


class WhyRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """A search and a document, which may be in its result or not. The page of the search does not count."""

    search: SearchRequest
    doc_id: str


class WhyAnswer(Struct, frozen=True):
    """matches: whether the document is in the result. position: among the first 1,000 hits, from 1; null behind them.

    reason: of each node of the expression: expression, matches, why, children. models: as of a search.
    """

    matches: bool
    position: int | None
    expression: str
    reason: dict[str, Any]
    models: dict[str, str]


class Suggestion(Struct, frozen=True):
    """A term, and how many documents have it."""

    term: str
    count: int


class PopularQuery(Struct, frozen=True):
    """A query, and how many searched for it."""

    query: str
    count: int


class Suggestions(Struct, frozen=True):
    """The most frequent terms, and the queries of most searchers, that begin as asked for. queries: none for a key that
    sees some documents only, and where the server was given none."""

    suggestions: list[Suggestion]
    queries: list[PopularQuery] = []


class AnalyzeRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """A text of a document or of a query."""

    text: Text


class EventBody(Struct, forbid_unknown_fields=True, frozen=True):
    """Something that a searcher did. action: click and seen are of the hits of an answer; others have the names that
    the vertical's `actions` or request.behaviour give them.

    event_id: of one's own; an event that is sent again with it counts once. time: ISO 8601, now unless given.
    search_id: of the answer that led to it. session_id: the visit. value: such as a price. position: of the hit.
    """

    action: Annotated[str, Meta(min_length=1, max_length=100)]
    event_id: Id | None = None
    time: str | None = None
    search_id: Id | None = None
    session_id: Id | None = None
    searcher_id: str | None = None
    doc_id: str | None = None
    value: float | None = None
    position: Annotated[int, Meta(ge=1, lt=1 << 31)] | None = None


class DocumentBody(Struct, forbid_unknown_fields=True, frozen=True):
    """A document with its terms and vectors; or, where the server has models, with the vertical's columns only.

    An update gives any of them, and the document keeps what is left out. An empty list of terms, and null as a vector
    or column, remove what is there.
    """

    doc_id: str
    terms: list[str] | None = None
    static_rank: int | float | None = None
    columns: dict[str, Any] = {}
    embeddings: dict[str, list[float] | None] | None = None


class SearchersAnswer(Struct, frozen=True):
    """searchers: some of the table, each with searcher_id and label. total: of the table; for a key that sees some
    documents only, how many are shown."""

    total: int
    searchers: list[dict[str, str]]


class Upserted(Struct, frozen=True):
    """left_out: documents that the vertical's selection refuses; they are removed where the collection held them."""

    upserted: int
    left_out: int


class Changed(Struct, frozen=True):
    """unknown: ids that were not there."""

    updated: int
    unknown: int


class Deleted(Struct, frozen=True):
    """unknown: ids that were not there."""

    deleted: int
    unknown: int


class RowError(Struct, frozen=True):
    """Why a document of a bulk was not written. row: of the body, from 0. type, detail, column: as of a problem."""

    row: int
    type: str
    detail: str
    doc_id: str | UnsetType = UNSET
    column: str | UnsetType = UNSET


class BulkAnswer(Struct, frozen=True):
    """written: documents added, replaced, changed or deleted. left_out: refused by the vertical's selection. unknown:
    ids that were not there. failed: documents with a mistake; errors: the first 100 of them."""

    written: int
    left_out: int
    unknown: int
    failed: int
    errors: list[RowError]


class Health(Struct, frozen=True):
    """status: always ok; documents: how many are live. A server with keys says no more than the status."""

    status: str
    documents: int | UnsetType = UNSET
    read_only: bool | UnsetType = UNSET


class About(Struct, frozen=True):
    """embeddings: key -> dimension; models: key -> fingerprint; columns: of the search page."""

    version: str
    vertical: str | None
    documents: int
    embeddings: dict[str, int]
    models: dict[str, str]
    columns: list[dict[str, str]]
    searcher_columns: list[str]
    context_columns: list[str]
    logs_events: bool


Analyses = dict[str, PrefixAnalysis]
"""What becomes of a text by the prefix of its terms: the columns, and the terms after each step."""
Stored = dict[str, Any]
"""doc_id, terms, static_rank and the stored columns of a document."""
NumSuggestions = Annotated[int, Meta(ge=1, le=100)]
Beginning = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
NumSearchers = Annotated[int, Meta(ge=1, le=100)]
EventList = Annotated[list[EventBody], Meta(max_length=MAX_EVENTS)]
DocumentList = Annotated[list[DocumentBody], Meta(max_length=MAX_DOCUMENTS)]


def decode(body: bytes, message: Any) -> Any:
    """The message in a body, of the type `message`. Raises BodyError with the place, as `$.limit`."""
    try:
        return msgspec.convert(parse_json(body), message)
    except msgspec.ValidationError as error:
        raise BodyError(f"the body is not what this route takes: {error}") from error
    except JsonError as error:
        raise BodyError(f"the body is no JSON: {error}") from error


def from_query(parameters: Mapping[str, str], name: str, kind: Any, default: Any) -> Any:
    """A parameter of the query string. Raises BodyError."""
    if name not in parameters:
        return default
    try:
        return msgspec.convert(parameters[name], kind, strict=False)
    except msgspec.ValidationError as error:
        raise BodyError(f"query.{name}: {error}") from error
