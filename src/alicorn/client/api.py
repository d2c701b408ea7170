"""The operations of the server and their messages.

Written by docs/reference/generate.py from the description of the API; do not edit.
"""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict, Unpack
from urllib.parse import quote

from alicorn.client.connection import AsyncConnection, Connection
from alicorn.client.tries import ApiCall


class About(TypedDict):
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


class AnalysisStep(TypedDict):
    """document: its terms after the step. query: the operands of its expression."""

    step: str
    document: list[str]
    query: list[str]


class AnalyzeRequest(TypedDict):
    """A text of a document or of a query."""

    text: str


class Why(TypedDict):
    """terms: those of the query that the document has. cosine: to each vector of the query, by its name.

    approximate: whether the query looked for the nearest in some clusters only; null without `nn`.
    in_common: what searcher and document share, by column.
    """

    terms: list[str]
    cosine: dict[str, float]
    approximate: bool | None
    in_common: dict[str, str | list[str]]


class Highlight(TypedDict):
    """Characters (Unicode code points) from start to before end; of element `item` where the column is a list."""

    start: int
    end: int
    item: int | None


class Hit(TypedDict):
    """score: of the order; null where the document has none. stored: the stored columns. why: null unless asked for.

    highlights: by stored column, where it has the words that matched; null unless asked for.
    channels: those of the vertical that found it, with its score in each: the cosine, or BM25, or null. Null where the
    text has no channels.
    """

    doc_id: str
    score: float | None
    stored: dict[str, Any]
    why: Why | None
    highlights: dict[str, list[Highlight]] | None
    channels: dict[str, float | None] | None


class CoverageOf(TypedDict):
    """shards: of the collection, 1 where it is in one piece; answered: of these; documents: of all of them;
    answered_documents: of those that answered.
    """

    shards: int
    answered: int
    documents: int
    answered_documents: int


class FacetBucket(TypedDict):
    """How many documents have a value; of edges and an interval, [from, below], where null is no end."""

    value: Any
    count: int


class FacetCounts(TypedDict):
    """num_values: distinct values of the whole result. missing: documents without one; null of terms."""

    buckets: list[FacetBucket]
    num_values: int
    missing: int | None


class Understood(TypedDict):
    """A term that the nearest documents must have. words: of the query that name it, or "" where it is learned from
    what was chosen; probability: 1 of what is named.
    """

    term: str
    words: str
    probability: float


class SearchAnswer(TypedDict):
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
    search_id: str | None
    explanation: dict[str, Any] | None
    without_nn: str | None
    cursor: str | None
    facets: dict[str, FacetCounts]
    models: dict[str, str]
    intents: list[Understood]
    candidates: int | None
    degraded: list[str]


class Problem(TypedDict):
    """A failure as in RFC 9457. type: one of problems.py, or about:blank. detail: what is wrong and what to do.

    offset: of the character of the expression. column, row: of the documents, from 0.
    """

    type: str
    title: str
    status: int
    detail: str
    offset: NotRequired[int]
    column: NotRequired[str]
    row: NotRequired[int]


class AnswerOrProblem(TypedDict):
    """A search of a batch: its answer, or what is wrong with it."""

    answer: NotRequired[SearchAnswer]
    problem: NotRequired[Problem]


class BatchAnswer(TypedDict):
    """answers: of each search, in their order."""

    answers: list[AnswerOrProblem]
    took_ms: float


class FacetRequest(TypedDict):
    """What to count over all documents that match: the values of a stored column, or the terms of a prefix.

    top: how many values, the most frequent first. edges: rising numbers, or times of ISO 8601; the ranges between them
    are counted instead. interval: the width of the buckets of numbers, or day, week, month or year of dates and
    timestamps in UTC.
    """

    column: NotRequired[str | None]
    prefix: NotRequired[str | None]
    top: NotRequired[int]
    edges: NotRequired[Sequence[float | str]]
    interval: NotRequired[float | Literal["day", "month", "week", "year"] | None]


class SearchRequest(TypedDict):
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

    expression: NotRequired[str | None]
    vectors: NotRequired[dict[str, Sequence[float]] | None]
    text: NotRequired[str | None]
    searcher: NotRequired[str | dict[str, Any] | None]
    context: NotRequired[dict[str, Any] | None]
    session_id: NotRequired[str | None]
    experiment: NotRequired[str | None]
    arm: NotRequired[str | None]
    mode: NotRequired[Literal["boolean", "embedding", "hybrid"] | None]
    key: NotRequired[str | None]
    limit: NotRequired[int]
    order_by: NotRequired[str | dict[str, Any] | Sequence[str | dict[str, Any]] | None]
    offset: NotRequired[int]
    after: NotRequired[str | None]
    facets: NotRequired[dict[str, FacetRequest]]
    columns: NotRequired[Sequence[str] | None]
    explain: NotRequired[bool]
    why: NotRequired[bool]
    highlight: NotRequired[bool]
    timeout_ms: NotRequired[int | None]
    partial: NotRequired[bool]


class BatchRequest(TypedDict):
    """Searches that are answered over one snapshot. timeout_ms: for all of them; those of the searches do not count."""

    searches: Sequence[SearchRequest]
    timeout_ms: NotRequired[int | None]


class Both(TypedDict):
    """A figure of the present model and of the candidate; null where nothing was measured."""

    current: float | None
    candidate: float | None


class RowError(TypedDict):
    """Why a document of a bulk was not written. row: of the body, from 0. type, detail, column: as of a problem."""

    row: int
    type: str
    detail: str
    doc_id: NotRequired[str]
    column: NotRequired[str]


class BulkAnswer(TypedDict):
    """written: documents added, replaced, changed or deleted. left_out: refused by the vertical's selection. unknown:
    ids that were not there. failed: documents with a mistake; errors: the first 100 of them.
    """

    written: int
    left_out: int
    unknown: int
    failed: int
    errors: list[RowError]


class Changed(TypedDict):
    """unknown: ids that were not there."""

    updated: int
    unknown: int


class CheckLimits(TypedDict):
    """What a candidate may cost. searches: of the log, the newest. recall: least share of the exact nearest that it
    finds. slower: times the present model's median latency. agreement: least share of the present model's first ten
    nearest. clicks_lost: share of clicked documents that it may no longer find among its 100 nearest.
    """

    searches: NotRequired[int]
    recall: NotRequired[float]
    slower: NotRequired[float]
    agreement: NotRequired[float]
    clicks_lost: NotRequired[float]


class CheckRequest(TypedDict):
    """texts: searches of nobody, beside those of the log."""

    limits: NotRequired[CheckLimits]
    texts: NotRequired[Sequence[str]]


class Deleted(TypedDict):
    """unknown: ids that were not there."""

    deleted: int
    unknown: int


class DocumentBody(TypedDict):
    """A document with its terms and vectors; or, where the server has models, with the vertical's columns only.

    An update gives any of them, and the document keeps what is left out. An empty list of terms, and null as a vector
    or column, remove what is there.
    """

    doc_id: str
    terms: NotRequired[Sequence[str] | None]
    static_rank: NotRequired[int | float | None]
    columns: NotRequired[dict[str, Any]]
    embeddings: NotRequired[dict[str, Sequence[float] | None] | None]


class EventBody(TypedDict):
    """Something that a searcher did. action: click and seen are of the hits of an answer; others have the names that
    the vertical's `actions` or request.behaviour give them.

    event_id: of one's own; an event that is sent again with it counts once. time: ISO 8601, now unless given.
    search_id: of the answer that led to it. session_id: the visit. value: such as a price. position: of the hit.
    """

    action: str
    event_id: NotRequired[str | None]
    time: NotRequired[str | None]
    search_id: NotRequired[str | None]
    session_id: NotRequired[str | None]
    searcher_id: NotRequired[str | None]
    doc_id: NotRequired[str | None]
    value: NotRequired[float | None]
    position: NotRequired[int | None]


class FoundItem(TypedDict):
    """score: of the engine that found it; the items come best first, whatever their scores are. channels: of the
    vertical's hybrid expression, those that found it; null where that is not known.
    """

    doc_id: str
    score: NotRequired[float | None]
    channels: NotRequired[Sequence[str] | None]


class Health(TypedDict):
    """status: always ok; documents: how many are live. A server with keys says no more than the status."""

    status: str
    documents: NotRequired[int]
    read_only: NotRequired[bool]


class LoadRequest(TypedDict):
    """name: of a folder in the server's folder of models. key: the embedding, instead of the model's own. add: add it
    where the collection has none of this key; documents get their vectors as they are sent again.
    """

    name: str
    key: NotRequired[str | None]
    add: NotRequired[bool]


class ModelCheck(TypedDict):
    """searches: that both answered. documents: with a vector. recall: of the nearest 100 as they are searched, against
    all. latency_ms: median of a search as it is served. agreement: mean share of the first ten nearest that both have.
    clicks: clicked documents of these searches; found: the share of them among the nearest 100; found_change: 95 %
    interval of the candidate's less the present one's. refused: why the candidate may not take over; empty if it may.
    """

    key: str
    fingerprint: str
    current: str
    searches: int
    documents: Both
    recall: Both
    latency_ms: Both
    agreement: float | None
    clicks: int
    found: Both
    found_change: tuple[float, float] | None
    refused: list[str]


class ShadowReport(TypedDict):
    """share: of the searches by text. searches: that both models answered. failed: that the shadow could not answer.
    agreement: mean share of the hits that both have. latency_ms, current_ms: mean of each model; null before the first.
    """

    share: float
    searches: int
    failed: int
    agreement: float | None
    latency_ms: float | None
    current_ms: float | None


class ServedModel(TypedDict):
    """names: of the key in the collection, such as current. shadow: null where it answers no shadow searches."""

    key: str
    fingerprint: str
    dim: int
    names: list[str]
    is_current: bool
    shadow: ShadowReport | None


class ModelList(TypedDict):
    """In the order in which they were loaded."""

    models: list[ServedModel]


class PopularQuery(TypedDict):
    """A query, and how many searched for it."""

    query: str
    count: int


class PrefixAnalysis(TypedDict):
    """columns: whose words become terms of the prefix."""

    columns: list[str]
    steps: list[AnalysisStep]


class RankedItem(TypedDict):
    """score: of the last stage that scored it; null where the collection has no such document, or a stage left it
    behind. position: that it came with, from 1. features: null where nothing is known.
    """

    doc_id: str
    score: float | None
    position: int
    features: dict[str, float | None]


class RankAnswer(TypedDict):
    """unknown: documents that the collection does not have, which come last. A stage may have taken items away."""

    items: list[RankedItem]
    unknown: list[str]
    notices: list[str]
    took_ms: float


class RankRequest(TypedDict):
    """searcher, context: as of a search."""

    text: str
    items: Sequence[FoundItem]
    searcher: NotRequired[str | dict[str, Any] | None]
    context: NotRequired[dict[str, Any] | None]


class SearchersAnswer(TypedDict):
    """searchers: some of the table, each with searcher_id and label. total: of the table; for a key that sees some
    documents only, how many are shown.
    """

    total: int
    searchers: list[dict[str, str]]


class ShadowRequest(TypedDict):
    """share: of the searches by text that the model answers too, unseen; 0 ends it."""

    share: float


class Suggestion(TypedDict):
    """A term, and how many documents have it."""

    term: str
    count: int


class Suggestions(TypedDict):
    """The most frequent terms, and the queries of most searchers, that begin as asked for. queries: none for a key that
    sees some documents only, and where the server was given none.
    """

    suggestions: list[Suggestion]
    queries: list[PopularQuery]


class Upserted(TypedDict):
    """left_out: documents that the vertical's selection refuses; they are removed where the collection held them."""

    upserted: int
    left_out: int


class WhyAnswer(TypedDict):
    """matches: whether the document is in the result. position: among the first 1,000 hits, from 1; null behind them.

    reason: of each node of the expression: expression, matches, why, children. models: as of a search.
    """

    matches: bool
    position: int | None
    expression: str
    reason: dict[str, Any]
    models: dict[str, str]


class WhyRequest(TypedDict):
    """A search and a document, which may be in its result or not. The page of the search does not count."""

    search: SearchRequest
    doc_id: str


class Client(Connection):
    """The operations of a server; one of each class keeps connections open until it is closed."""

    def search(self, **asked: Unpack[SearchRequest]) -> SearchAnswer:
        """Search."""
        answer: SearchAnswer = self._call(ApiCall("POST", "/v1/search", {}, json=asked, has_deadline=True))
        return answer

    def search_batch(self, **asked: Unpack[BatchRequest]) -> BatchAnswer:
        """Several searches over one snapshot."""
        answer: BatchAnswer = self._call(ApiCall("POST", "/v1/search/batch", {}, json=asked, has_deadline=True))
        return answer

    def why(self, **asked: Unpack[WhyRequest]) -> WhyAnswer:
        """Why a document is found, or is not."""
        answer: WhyAnswer = self._call(ApiCall("POST", "/v1/search/why", {}, json=asked))
        return answer

    def rank(self, **asked: Unpack[RankRequest]) -> RankAnswer:
        """Rank the documents that another engine found."""
        answer: RankAnswer = self._call(ApiCall("POST", "/v1/rank", {}, json=asked))
        return answer

    def analyze(self, **asked: Unpack[AnalyzeRequest]) -> dict[str, PrefixAnalysis]:
        """Show what becomes of a text."""
        answer: dict[str, PrefixAnalysis] = self._call(ApiCall("POST", "/v1/analyze", {}, json=asked))
        return answer

    def searchers(self, *, limit: int | None = None) -> SearchersAnswer:
        """Searchers to choose from."""
        answer: SearchersAnswer = self._call(ApiCall("GET", "/v1/searchers", {"limit": limit}))
        return answer

    def suggest(self, *, begins: str, limit: int | None = None) -> Suggestions:
        """The most frequent terms and queries that begin so."""
        answer: Suggestions = self._call(ApiCall("GET", "/v1/suggest", {"begins": begins, "limit": limit}))
        return answer

    def events(self, items: Sequence[EventBody]) -> None:
        """Report what searchers did."""
        self._call(ApiCall("POST", "/v1/events", {}, json=list(items), repeatable=False))

    def bulk_documents(
        self,
        content: bytes,
        *,
        action: Literal["delete", "update", "upsert"] | None = None,
        media_type: Literal["application/x-ndjson", "application/vnd.apache.arrow.stream"] = "application/x-ndjson",
    ) -> BulkAnswer:
        """Write documents, one JSON a line or an Arrow stream."""
        answer: BulkAnswer = self._call(
            ApiCall("POST", "/v1/documents/bulk", {"action": action}, content=content, media_type=media_type)
        )
        return answer

    def upsert_documents(self, items: Sequence[DocumentBody]) -> Upserted:
        """Add or replace documents."""
        answer: Upserted = self._call(ApiCall("POST", "/v1/documents", {}, json=list(items)))
        return answer

    def update_documents(self, items: Sequence[DocumentBody]) -> Changed:
        """Change what is given of documents, and keep the rest."""
        answer: Changed = self._call(ApiCall("PATCH", "/v1/documents", {}, json=list(items)))
        return answer

    def get_document(self, doc_id: str) -> dict[str, Any]:
        """A document."""
        answer: dict[str, Any] = self._call(ApiCall("GET", f"/v1/documents/{quote(doc_id, safe='')}", {}))
        return answer

    def delete_document(self, doc_id: str) -> Deleted:
        """Delete a document."""
        answer: Deleted = self._call(ApiCall("DELETE", f"/v1/documents/{quote(doc_id, safe='')}", {}))
        return answer

    def compare_model(self, key: str, **asked: Unpack[CheckRequest]) -> ModelCheck:
        """Compare a model with the current one on logged searches."""
        answer: ModelCheck = self._call(ApiCall("POST", f"/v1/models/{quote(key, safe='')}/check", {}, json=asked))
        return answer

    def shadow_model(self, key: str, **asked: Unpack[ShadowRequest]) -> ModelList:
        """Let a model answer a share of the searches, unseen."""
        answer: ModelList = self._call(ApiCall("POST", f"/v1/models/{quote(key, safe='')}/shadow", {}, json=asked))
        return answer

    def switch_model(self, key: str) -> ModelList:
        """Answer by this model from now on, if it passes its check."""
        answer: ModelList = self._call(ApiCall("POST", f"/v1/models/{quote(key, safe='')}/switch", {}))
        return answer

    def roll_back_model(self) -> ModelList:
        """Back to the model before the last switch."""
        answer: ModelList = self._call(ApiCall("POST", "/v1/models/rollback", {}, repeatable=False))
        return answer

    def list_models(self) -> ModelList:
        """The models that are loaded."""
        answer: ModelList = self._call(ApiCall("GET", "/v1/models", {}))
        return answer

    def load_model(self, **asked: Unpack[LoadRequest]) -> ModelList:
        """Load a model beside the others."""
        answer: ModelList = self._call(ApiCall("POST", "/v1/models", {}, json=asked, repeatable=False))
        return answer

    def unload_model(self, key: str) -> None:
        """Let go of a model that is not searched."""
        self._call(ApiCall("DELETE", f"/v1/models/{quote(key, safe='')}", {}))

    def health(self) -> Health:
        """Is it up?."""
        answer: Health = self._call(ApiCall("GET", "/healthz", {}))
        return answer

    def alive(self) -> Health:
        """Does the process answer?."""
        answer: Health = self._call(ApiCall("GET", "/livez", {}))
        return answer

    def ready(self) -> Health:
        """Can it search?."""
        answer: Health = self._call(ApiCall("GET", "/readyz", {}))
        return answer

    def metrics_text(self) -> str:
        """Prometheus metrics."""
        answer: str = self._call(ApiCall("GET", "/metrics", {}))
        return answer

    def about(self) -> About:
        """What is served."""
        answer: About = self._call(ApiCall("GET", "/v1/about", {}))
        return answer


class AsyncClient(AsyncConnection):
    """The operations of a server; one of each class keeps connections open until it is closed."""

    async def search(self, **asked: Unpack[SearchRequest]) -> SearchAnswer:
        """Search."""
        answer: SearchAnswer = await self._call(ApiCall("POST", "/v1/search", {}, json=asked, has_deadline=True))
        return answer

    async def search_batch(self, **asked: Unpack[BatchRequest]) -> BatchAnswer:
        """Several searches over one snapshot."""
        answer: BatchAnswer = await self._call(ApiCall("POST", "/v1/search/batch", {}, json=asked, has_deadline=True))
        return answer

    async def why(self, **asked: Unpack[WhyRequest]) -> WhyAnswer:
        """Why a document is found, or is not."""
        answer: WhyAnswer = await self._call(ApiCall("POST", "/v1/search/why", {}, json=asked))
        return answer

    async def rank(self, **asked: Unpack[RankRequest]) -> RankAnswer:
        """Rank the documents that another engine found."""
        answer: RankAnswer = await self._call(ApiCall("POST", "/v1/rank", {}, json=asked))
        return answer

    async def analyze(self, **asked: Unpack[AnalyzeRequest]) -> dict[str, PrefixAnalysis]:
        """Show what becomes of a text."""
        answer: dict[str, PrefixAnalysis] = await self._call(ApiCall("POST", "/v1/analyze", {}, json=asked))
        return answer

    async def searchers(self, *, limit: int | None = None) -> SearchersAnswer:
        """Searchers to choose from."""
        answer: SearchersAnswer = await self._call(ApiCall("GET", "/v1/searchers", {"limit": limit}))
        return answer

    async def suggest(self, *, begins: str, limit: int | None = None) -> Suggestions:
        """The most frequent terms and queries that begin so."""
        answer: Suggestions = await self._call(ApiCall("GET", "/v1/suggest", {"begins": begins, "limit": limit}))
        return answer

    async def events(self, items: Sequence[EventBody]) -> None:
        """Report what searchers did."""
        await self._call(ApiCall("POST", "/v1/events", {}, json=list(items), repeatable=False))

    async def bulk_documents(
        self,
        content: bytes,
        *,
        action: Literal["delete", "update", "upsert"] | None = None,
        media_type: Literal["application/x-ndjson", "application/vnd.apache.arrow.stream"] = "application/x-ndjson",
    ) -> BulkAnswer:
        """Write documents, one JSON a line or an Arrow stream."""
        answer: BulkAnswer = await self._call(
            ApiCall("POST", "/v1/documents/bulk", {"action": action}, content=content, media_type=media_type)
        )
        return answer

    async def upsert_documents(self, items: Sequence[DocumentBody]) -> Upserted:
        """Add or replace documents."""
        answer: Upserted = await self._call(ApiCall("POST", "/v1/documents", {}, json=list(items)))
        return answer

    async def update_documents(self, items: Sequence[DocumentBody]) -> Changed:
        """Change what is given of documents, and keep the rest."""
        answer: Changed = await self._call(ApiCall("PATCH", "/v1/documents", {}, json=list(items)))
        return answer

    async def get_document(self, doc_id: str) -> dict[str, Any]:
        """A document."""
        answer: dict[str, Any] = await self._call(ApiCall("GET", f"/v1/documents/{quote(doc_id, safe='')}", {}))
        return answer

    async def delete_document(self, doc_id: str) -> Deleted:
        """Delete a document."""
        answer: Deleted = await self._call(ApiCall("DELETE", f"/v1/documents/{quote(doc_id, safe='')}", {}))
        return answer

    async def compare_model(self, key: str, **asked: Unpack[CheckRequest]) -> ModelCheck:
        """Compare a model with the current one on logged searches."""
        answer: ModelCheck = await self._call(
            ApiCall("POST", f"/v1/models/{quote(key, safe='')}/check", {}, json=asked)
        )
        return answer

    async def shadow_model(self, key: str, **asked: Unpack[ShadowRequest]) -> ModelList:
        """Let a model answer a share of the searches, unseen."""
        answer: ModelList = await self._call(
            ApiCall("POST", f"/v1/models/{quote(key, safe='')}/shadow", {}, json=asked)
        )
        return answer

    async def switch_model(self, key: str) -> ModelList:
        """Answer by this model from now on, if it passes its check."""
        answer: ModelList = await self._call(ApiCall("POST", f"/v1/models/{quote(key, safe='')}/switch", {}))
        return answer

    async def roll_back_model(self) -> ModelList:
        """Back to the model before the last switch."""
        answer: ModelList = await self._call(ApiCall("POST", "/v1/models/rollback", {}, repeatable=False))
        return answer

    async def list_models(self) -> ModelList:
        """The models that are loaded."""
        answer: ModelList = await self._call(ApiCall("GET", "/v1/models", {}))
        return answer

    async def load_model(self, **asked: Unpack[LoadRequest]) -> ModelList:
        """Load a model beside the others."""
        answer: ModelList = await self._call(ApiCall("POST", "/v1/models", {}, json=asked, repeatable=False))
        return answer

    async def unload_model(self, key: str) -> None:
        """Let go of a model that is not searched."""
        await self._call(ApiCall("DELETE", f"/v1/models/{quote(key, safe='')}", {}))

    async def health(self) -> Health:
        """Is it up?."""
        answer: Health = await self._call(ApiCall("GET", "/healthz", {}))
        return answer

    async def alive(self) -> Health:
        """Does the process answer?."""
        answer: Health = await self._call(ApiCall("GET", "/livez", {}))
        return answer

    async def ready(self) -> Health:
        """Can it search?."""
        answer: Health = await self._call(ApiCall("GET", "/readyz", {}))
        return answer

    async def metrics_text(self) -> str:
        """Prometheus metrics."""
        answer: str = await self._call(ApiCall("GET", "/metrics", {}))
        return answer

    async def about(self) -> About:
        """What is served."""
        answer: About = await self._call(ApiCall("GET", "/v1/about", {}))
        return answer
