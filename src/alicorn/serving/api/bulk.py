"""Documents in bulk: lines of JSON or an Arrow stream; a wrong one is named, and the others are written.

A batch that is refused is halved until the wrong documents are alone, so an error of one costs about log2(batch) more
writes. Documents are written in their order: of several with one id, the last stays.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pyarrow as pa

from alicorn.errors import AlicornError, BodyError, CollectionError, TableError, cause
from alicorn.publishing.documents import indexed
from alicorn.query.any_collection import AnyCollection
from alicorn.serving.api.documents import Given, updates_table, upserts_table
from alicorn.serving.api.messages import BulkAnswer, DocumentBody, RowError, decode
from alicorn.serving.api.problems import problem_of

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

BulkAction = Literal["upsert", "update", "delete"]
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
_BATCH = 1000  # documents of one write
_SHOWN_ERRORS = 100


class Bulk:
    """One request's documents. models: of the collection, which derive what documents leave out."""

    def __init__(self, collection: AnyCollection, models: "Sequence[AnyModel]", action: BulkAction) -> None:
        self._collection = collection
        self._models = models
        self._action = action
        self._counts = {"written": 0, "left_out": 0, "unknown": 0, "failed": 0}
        self._errors: list[RowError] = []

    def of_lines(self, body: bytes) -> BulkAnswer:
        """body: a document in JSON on each line; empty lines count and are skipped. Raises CollectionError."""
        rows: list[int] = []
        documents: list[DocumentBody] = []
        for row, line in enumerate(body.split(b"\n")):
            if not line.strip():
                continue
            try:
                document = decode(line, DocumentBody)
            except BodyError as error:
                self._fail(row, None, error)
                continue
            rows.append(row)
            documents.append(document)
        for start in range(0, len(rows), _BATCH):
            part = slice(start, start + _BATCH)
            self._write(rows[part], documents[part], self._write_documents, [one.doc_id for one in documents[part]])
        return self._answer()

    def of_arrow(self, body: bytes) -> BulkAnswer:
        """body: an Arrow stream of tables as `publish` takes them. Raises BodyError and CollectionError."""
        try:
            table = pa.ipc.open_stream(body).read_all()
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BodyError(f"the body is no Arrow stream: {cause(error)}") from error
        if "doc_id" not in table.column_names:
            raise TableError("documents: column 'doc_id' is missing", table="documents", column="doc_id")
        for start in range(0, len(table), _BATCH):
            part = table.slice(start, _BATCH)
            ids = [None if value is None else str(value) for value in part["doc_id"].to_pylist()]
            self._write(range(start, start + len(part)), part, self._write_table, ids)
        return self._answer()

    def _write(self, rows: Sequence[int], part: Any, write: Callable[[Any], None], ids: Sequence[str | None]) -> None:
        """Write a part; where it is refused, each half alone. rows: of the body."""
        try:
            write(part)
        except CollectionError:
            raise  # no document is to blame
        except AlicornError as error:
            if len(rows) == 1:
                self._fail(rows[0], ids[0], error)
                return
            half = len(rows) // 2
            self._write(rows[:half], part[:half], write, ids[:half])
            self._write(rows[half:], part[half:], write, ids[half:])

    def _write_documents(self, documents: Sequence[DocumentBody]) -> None:
        if self._action == "delete":
            self._delete([document.doc_id for document in documents])
        elif self._action == "update":
            self._update(updates_table(documents, self._collection.snapshot()))
        else:
            self._upsert(upserts_table(documents, self._models, self._collection))

    def _write_table(self, table: pa.Table) -> None:
        if self._action == "delete":
            self._delete(table["doc_id"].to_pylist())
        elif self._action == "update":
            self._update(Given(table, {}, []))
        else:
            brings = {"terms"}.intersection(table.column_names)
            chosen = indexed(table, () if brings else self._models, datetime.datetime.now(datetime.UTC))
            self._upsert(Given(chosen.documents, {}, chosen.left_out_ids))

    def _upsert(self, chosen: Given) -> None:
        applied = self._collection.apply(chosen.documents, chosen.left_out, chosen.given)
        self._counts["written"] += applied.upserted
        self._counts["left_out"] += len(chosen.left_out)

    def _update(self, changes: Given) -> None:
        updated, unknown = self._collection.update(changes.documents, changes.given)
        self._counts["written"] += updated
        self._counts["unknown"] += unknown

    def _delete(self, doc_ids: Sequence[str]) -> None:
        deleted, unknown = self._collection.delete(doc_ids)
        self._counts["written"] += deleted
        self._counts["unknown"] += unknown

    def _fail(self, row: int, doc_id: str | None, error: AlicornError) -> None:
        self._counts["failed"] += 1
        if len(self._errors) < _SHOWN_ERRORS:
            problem = problem_of(error)
            shown = msgspec.UNSET if doc_id is None else doc_id[:200]
            self._errors.append(RowError(row, problem.type, problem.detail, shown, problem.column))

    def _answer(self) -> BulkAnswer:
        return BulkAnswer(**self._counts, errors=sorted(self._errors, key=lambda error: error.row))
