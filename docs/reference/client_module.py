"""alicorn/client/api.py from the description of the API: each message as a TypedDict, each operation as a method."""

import keyword
import re
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.serving.api.openapi import openapi
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.serving.app import api_operations
from alicorn.serving.background import Background
from alicorn.serving.metrics import Metrics
from alicorn.serving.models.served_models import ServedModels
from alicorn.serving.security.access import Access

_HEAD = '''"""The operations of the server and their messages.

Written by docs/reference/generate.py from the description of the API; do not edit.
"""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict, Unpack
from urllib.parse import quote

from alicorn.client.connection import AsyncConnection, Connection
from alicorn.client.tries import ApiCall
'''
_KINDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def description() -> dict[str, Any]:
    """Of the API of any server."""
    with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / "c", {}) as collection:
        endpoint = SearchEndpoint(Retriever(collection), None)
        models = ServedModels(endpoint, Background(), None)
        return openapi(api_operations(endpoint, Metrics(collection), Access(None), models, None))


def client_module(document: dict[str, Any]) -> str:
    """The text of the file."""
    schemas = document["components"]["schemas"]
    taken = _reached(document, schemas)
    parts = [_HEAD, *(_message(name, schemas[name], name in taken) for name in _in_order(schemas))]
    paths = document["paths"].items()
    methods = [(method.upper(), path, found) for path, of_path in paths for method, found in of_path.items()]
    for name, base, is_async in (("Client", "Connection", False), ("AsyncClient", "AsyncConnection", True)):
        said = "The operations of a server; one of each class keeps connections open until it is closed."
        head = f'class {name}({base}):\n    """{said}"""\n\n'
        parts.append(head + "\n".join(_method(*one, is_async) for one in methods))
    return "\n\n".join(parts)


def _reached(document: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """The names of messages that are sent: their lists may be any sequence."""
    pending = [found.get("requestBody") for of_path in document["paths"].values() for found in of_path.values()]
    names: set[str] = set()
    for found in pending:
        for name in set(re.findall(r"#/components/schemas/(\w+)", str(found))) - names:
            names.add(name)
            pending.append(schemas[name])
    return names


def _in_order(schemas: dict[str, Any]) -> list[str]:
    """Each message after those that it is made of."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        for inner in re.findall(r"#/components/schemas/(\w+)", str(schemas[name])):
            if inner != name and inner not in ordered:
                visit(inner)
        ordered[name] = None

    for name in schemas:
        visit(name)
    return list(ordered)


def _message(name: str, schema: dict[str, Any], is_sent: bool) -> str:
    required = set(schema.get("required", []))
    said = textwrap.indent(_prose(schema.get("description", "")), "    ").strip()
    said += "\n    " if "\n" in said else ""
    lines = []
    for key, value in schema["properties"].items():
        assert not keyword.iskeyword(key)
        is_there = key in required or (not is_sent and "default" in value)
        kind = _type(value, is_sent)
        lines.append(f"    {key}: {kind if is_there else f'NotRequired[{kind}]'}")
    return f'class {name}(TypedDict):\n    """{said}"""\n\n' + "\n".join(lines)


def _prose(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines()).strip()


def _type(schema: dict[str, Any], is_sent: bool) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return f"Literal[{', '.join(repr(one).replace(chr(39), chr(34)) for one in schema['enum'])}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one, is_sent) for one in schema["anyOf"]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}, is_sent) for one in kind)
    if kind == "array":
        if "prefixItems" in schema:
            return f"tuple[{', '.join(_type(one, is_sent) for one in schema['prefixItems'])}]"
        return f"{'Sequence' if is_sent else 'list'}[{_type(schema.get('items', {}), is_sent)}]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {_type(inner, is_sent) if isinstance(inner, dict) else 'Any'}]"
    return _KINDS.get(kind, "Any")


def _method(method: str, path: str, found: dict[str, Any], is_async: bool) -> str:
    arguments, call = ["self"], [f'"{method}"', "PATH"]
    quoted = re.sub(r"\{(\w+)\}", r"{quote(\1, safe='')}", path)
    call[1] = f'f"{quoted}"' if quoted != path else f'"{path}"'
    query = []
    named: list[str] = []
    for parameter in found.get("parameters", []):
        kind = _type(parameter["schema"], True)
        if parameter["in"] == "path":
            arguments.append(f"{parameter['name']}: {kind}")
        else:
            query.append(parameter["name"])
            named.append(f"{parameter['name']}: {kind}" + ("" if parameter["required"] else " | None = None"))
    call.append("{" + ", ".join(f'"{name}": {name}' for name in query) + "}")
    arguments, further = _body(found, arguments, named)
    call += further
    if not found["x-idempotent"]:
        call.append("repeatable=False")
    ok = found["responses"].get("200")
    gives = "None" if ok is None else _of_content(ok["content"])
    star = "async " if is_async else ""
    waits = "await " if is_async else ""
    result = f"{waits}self._call(ApiCall({', '.join(call)}))"
    body = [f'"""{found["summary"]}."""'] + (
        [result] if gives == "None" else [f"answer: {gives} = {result}", "return answer"]
    )
    lines = [f"    {star}def {found['operationId']}({', '.join(arguments)}) -> {gives}:"]
    return "\n".join([*lines, *(f"        {line}" for line in body), ""])


def _body(found: dict[str, Any], arguments: list[str], named: list[str]) -> tuple[list[str], list[str]]:
    """The arguments with those of the body, and what the call has of it."""
    content = found.get("requestBody", {}).get("content", {})
    if not content:
        return [*arguments, *(["*", *named] if named else [])], []
    if "application/json" not in content:
        kinds = ", ".join(f'"{kind}"' for kind in content)
        media = f'media_type: Literal[{kinds}] = "{next(iter(content))}"'
        return [*arguments, "content: bytes", "*", *named, media], ["content=content", "media_type=media_type"]
    kind = _type(content["application/json"]["schema"], True)
    if kind.startswith("Sequence"):
        return [*arguments, f"items: {kind}", *(["*", *named] if named else [])], ["json=list(items)"]
    deadline = ["has_deadline=True"] if kind in ("SearchRequest", "BatchRequest") else []
    return [*arguments, *(["*", *named] if named else []), f"**asked: Unpack[{kind}]"], ["json=asked", *deadline]


def _of_content(content: dict[str, Any]) -> str:
    return _type(content["application/json"]["schema"], False) if "application/json" in content else "str"
