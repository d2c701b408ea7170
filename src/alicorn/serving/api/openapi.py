"""The description of the API, OpenAPI 3.1: every operation with its body, its parameters, its answer and its errors."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from alicorn import __version__
from alicorn.serving.api.body import JSON
from alicorn.serving.api.messages import Problem
from alicorn.serving.api.operations import Operation
from alicorn.serving.api.problems import PROBLEM_TYPES, ProblemResponse, by_status

_REFERENCE = "#/components/schemas/{name}"
_ERRORS = {
    HTTPStatus.BAD_REQUEST: "The request has a mistake, which `detail` names",
    HTTPStatus.UNAUTHORIZED: "No key, or none that is valid; only where the server asks for keys",
    HTTPStatus.FORBIDDEN: "The key has not the scope, or not these documents, or is for pages of other origins",
    HTTPStatus.NOT_FOUND: "There is no such document",
    HTTPStatus.REQUEST_TIMEOUT: "The body came too slowly",
    HTTPStatus.CONFLICT: "The collection cannot be written here, or is closed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another media type",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; `Retry-After` says in how many seconds there is room",
    HTTPStatus.SERVICE_UNAVAILABLE: "The time that `timeout_ms` gives is over, or the collection is closed",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server failed; its log says why",
}
_MISTAKE = Problem(
    next(iter(PROBLEM_TYPES)),
    next(iter(PROBLEM_TYPES.values())),
    HTTPStatus.BAD_REQUEST,
    "the body is not what this route takes: Expected `int` - at `$.limit`",
)
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
}
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document, as plain data."""
    messages = [message for one in operations for message in (one.gives, one.takes, *one.query.values())]
    typed = [message for message in messages if message not in (None, bytes) and not isinstance(message, str)]
    _, schemas = msgspec.json.schema_components([*typed, Problem], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(_PARAMETER.sub(r"{\1}", operation.path), {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alicorn",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SECURITY},
    }


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.name,
        "x-idempotent": operation.is_idempotent,
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ] + [
        {"name": name, "in": "query", "required": name in operation.required, "schema": _schema(kind)}
        for name, kind in operation.query.items()
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.takes is not None:
        kinds = operation.media_types if operation.takes is bytes else (operation.takes,)
        content = {name: value for kind in kinds for name, value in _content(kind, operation.example).items()}
        if operation.takes is not bytes:
            content = dict.fromkeys(operation.media_types, content[JSON])
        described["requestBody"] = {"required": True, "content": content}
    answers: dict[str, Any] = {"204": {"description": "Done"}}
    if operation.gives is not None:
        answers = {"200": {"description": "The answer", "content": _content(operation.gives, operation.shows)}}
    answers |= {str(int(status)): _problem(status) for status in operation.errors}
    if operation.scope is not None:  # a server without keys asks for none
        described["security"] = [{name: [operation.scope]} for name in _SECURITY] + [{}]
    return described | {"responses": answers}


def _problem(status: HTTPStatus) -> dict[str, Any]:
    shown = _MISTAKE if status == HTTPStatus.BAD_REQUEST else by_status(status, f"{_ERRORS[status]}.")
    content = {"schema": _schema(Problem), "example": msgspec.to_builtins(shown)}
    described = {"description": _ERRORS[status], "content": {ProblemResponse.media_type: content}}
    return described | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _content(message: Any, example: Any) -> dict[str, Any]:
    """JSON of a type; or text, where a media type is given instead."""
    media_type, schema = (
        (message, {"type": "string"}) if isinstance(message, str) else ("application/json", _schema(message))
    )
    return {media_type: {"schema": schema} | ({} if example is None else {"example": example})}


def _schema(message: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([message], ref_template=_REFERENCE)
    return schema
