"""The description of the API, OpenAPI 3.1: every operation with its body, its parameters, its answer and its errors."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from alicorn import __version__
from alicorn.serving.messages import ErrorAnswer
from alicorn.serving.operations import Operation

_ERRORS = {
    HTTPStatus.BAD_REQUEST: "The request has a mistake, which the message names",
    HTTPStatus.NOT_FOUND: "There is no such document",
    HTTPStatus.CONFLICT: "The collection cannot be written here, or is closed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body does not call itself application/json",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server failed; its log says why",
}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document, as plain data."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(_PARAMETER.sub(r"{\1}", operation.path), {})[operation.method.lower()] = _described(operation)
    return {"openapi": "3.1.0", "info": {"title": "alicorn", "version": __version__}, "paths": paths}


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": re.sub(r"\W+", "_", f"{operation.method.lower()}{operation.path}").strip("_"),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ] + [{"name": name, "in": "query", "schema": _schema(kind)} for name, kind in operation.query.items()]
    if parameters:
        described["parameters"] = parameters
    if operation.takes is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.takes)}
    answers = {"200": {"description": "The answer", "content": _content(operation.gives)}}
    errors = (*operation.errors, HTTPStatus.INTERNAL_SERVER_ERROR)
    answers |= {
        str(int(status)): {"description": _ERRORS[HTTPStatus(status)], "content": _content(ErrorAnswer)}
        for status in errors
    }
    return described | {"responses": answers}


def _content(message: Any) -> dict[str, Any]:
    """JSON of a type; or text, where a media type is given instead."""
    if isinstance(message, str):
        return {message: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": _schema(message)}}


def _schema(message: Any) -> dict[str, Any]:
    """Its JSON schema, with every definition in its place: these messages are not recursive."""
    (schema,), definitions = msgspec.json.schema_components([message], ref_template="{name}")

    def inlined(node: Any) -> Any:
        if isinstance(node, dict):
            return inlined(definitions[node["$ref"]]) if "$ref" in node else {k: inlined(v) for k, v in node.items()}
        return [inlined(part) for part in node] if isinstance(node, list) else node

    found: dict[str, Any] = inlined(schema)
    return found
