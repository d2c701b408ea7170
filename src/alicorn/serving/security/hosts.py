"""By which names, and how, is the server reached? Only requests to known hosts are answered, and TLS is by files.

A page of another site can give a name of its own the address 127.0.0.1 (DNS rebinding); its requests then come from
this machine and are of the same origin as the page. They name the page's host, which is unknown here.
"""

import ssl
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from alicorn.errors import ConfigError, cause
from alicorn.serving.api.problems import ProblemResponse, by_status

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class KnownHosts:
    """Refuses requests to other hosts with 400. hosts: without ports."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _host(Headers(scope=scope)) in self.hosts:
            await self.app(scope, receive, send)
            return
        message = "this server does not answer to this Host: name it with --allowed-host"
        await ProblemResponse(by_status(HTTPStatus.BAD_REQUEST, message))(scope, receive, send)


class Tls(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


def read_tls(certificate: Path | None, key: Path | None) -> Tls | None:
    """Raises ConfigError where one of them is missing or they do not belong together."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("TLS needs both --tls-certificate and --tls-key")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(f"{certificate} and {key} are no certificate with its key: {cause(error)}") from error
    return Tls(certificate, key)


def _host(headers: Headers) -> str:
    """The name that a request gives, in lower case, without its port."""
    host = headers.get("host", "").lower()
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host
