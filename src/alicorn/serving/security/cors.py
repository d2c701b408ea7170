"""Cross-origin requests of pages that have a key: the preflight request is answered, and the answer may be read.

Origins are those of the valid keys. No cookie is involved, so credentials are never allowed.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn.serving.security.access import Access

_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, api-key, content-type",
    "access-control-max-age": "600",
}


class CrossOrigin:
    """Adds the headers for known origins, and for no other."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or not (allowed := of_origin(origin, self.access)):
            return await self.app(scope, receive, send)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return await Response(status_code=204, headers=allowed | _PREFLIGHT)(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(allowed)
            await send(message)

        return await self.app(scope, receive, send_with_headers)


def of_origin(origin: str, access: Access) -> dict[str, str]:
    """The headers of each answer to a page of this origin; none for an unknown one."""
    return {"access-control-allow-origin": origin, "vary": "origin"} if origin in access.origins() else {}
