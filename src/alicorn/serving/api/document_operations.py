"""Documents one by one and in lists: read, added, changed, deleted."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from alicorn.query.any_collection import AnyCollection
from alicorn.query.restrict import document_of
from alicorn.reporting.json_text import plain_json, to_json
from alicorn.serving.api.body import media_type
from alicorn.serving.api.bulk import ARROW, NDJSON, Bulk, BulkAction
from alicorn.serving.api.documents import updates_table, upserts_table
from alicorn.serving.api.messages import (
    DOCUMENTS_BYTES,
    BulkAnswer,
    Changed,
    Deleted,
    DocumentBody,
    DocumentList,
    Stored,
    Upserted,
    from_query,
)
from alicorn.serving.api.operations import Operation
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.security.access import Access, only_of

_ONE = {"doc_id": "p1", "terms": ["text:john"], "static_rank": 4.0, "columns": {"name": "John Smith"}}


def bulk_operation(endpoint: SearchEndpoint) -> Operation:
    def bulk_documents(request: Request, body: bytes) -> BulkAnswer:
        action: BulkAction = from_query(request.query_params, "action", BulkAction, "upsert")
        bulk = Bulk(endpoint.collection, list(endpoint.retriever.models.values()), action)
        kind = media_type(request)
        return bulk.of_arrow(body) if kind == ARROW else bulk.of_lines(body)

    error = {"row": 7, "type": "urn:alicorn:problem:documents", "detail": "column 'doc_id', row 0: is empty"}
    return Operation(
        *("POST", "/v1/documents/bulk", "Write documents, one JSON a line or an Arrow stream", bulk_documents),
        gives=BulkAnswer,
        shows={"written": 999, "left_out": 0, "unknown": 0, "failed": 1, "errors": [error]},
        takes=bytes,
        example=to_json(_ONE) + "\n",
        media_types=(NDJSON, ARROW),
        max_bytes=DOCUMENTS_BYTES,
        query={"action": BulkAction},
        refused=(HTTPStatus.CONFLICT,),
        scope="write",
    )


def document_operations(endpoint: SearchEndpoint, access: Access) -> list[Operation]:
    return [*_of_lists(endpoint, access), *_of_one(endpoint.collection)]


def _of_lists(endpoint: SearchEndpoint, access: Access) -> list[Operation]:
    collection = endpoint.collection

    def upsert_documents(request: Request, documents: list[DocumentBody]) -> Upserted:
        access.limits_of(request).check("documents", len(documents))
        models = list(endpoint.retriever.models.values())
        chosen = upserts_table(documents, models, collection)
        applied = collection.apply(chosen.documents, chosen.left_out, chosen.given)
        return Upserted(applied.upserted, len(chosen.left_out))

    def update_documents(request: Request, documents: list[DocumentBody]) -> Changed:
        access.limits_of(request).check("documents", len(documents))
        changes = updates_table(documents, collection.snapshot())
        return Changed(*collection.update(changes.documents, changes.given))

    return [
        Operation(
            *("POST", "/v1/documents", "Add or replace documents", upsert_documents),
            gives=Upserted,
            shows={"upserted": 1, "left_out": 0},
            takes=DocumentList,
            example=[_ONE],
            max_bytes=DOCUMENTS_BYTES,
            refused=(HTTPStatus.CONFLICT,),
            scope="write",
        ),
        Operation(
            *("PATCH", "/v1/documents", "Change what is given of documents, and keep the rest", update_documents),
            gives=Changed,
            shows={"updated": 1, "unknown": 0},
            takes=DocumentList,
            example=[{"doc_id": "p1", "columns": {"name": "John M. Smith"}}],
            max_bytes=DOCUMENTS_BYTES,
            refused=(HTTPStatus.CONFLICT,),
            scope="write",
        ),
    ]


def _of_one(collection: AnyCollection) -> list[Operation]:
    def get_document(request: Request, body: None) -> Stored:
        doc_id: str = request.path_params["doc_id"]
        document = document_of(collection.holding([doc_id]), doc_id, only_of(request))
        if document is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no document {doc_id[:200]!r}")
        return {name: plain_json(value) for name, value in document.items()}

    def delete_document(request: Request, body: None) -> Deleted:
        return Deleted(*collection.delete([request.path_params["doc_id"]]))

    return [
        Operation(
            *("GET", "/v1/documents/{doc_id:path}", "A document", get_document),
            gives=Stored,
            shows={"doc_id": "p1", "terms": ["text:john"], "static_rank": 4.0, "name": "John Smith"},
            refused=(HTTPStatus.NOT_FOUND,),
            scope="search",
            sees_part=True,
        ),
        Operation(
            *("DELETE", "/v1/documents/{doc_id:path}", "Delete a document", delete_document),
            gives=Deleted,
            shows={"deleted": 1, "unknown": 0},
            refused=(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT),
            scope="write",
        ),
    ]
