"""The body of a request: of the media type and the size that its operation takes."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from alicorn.serving.limits.admission import Admission

JSON = "application/json"
BODY_S = 60.0
"""Seconds for a whole body."""


async def read_body(request: Request, max_bytes: int, media_types: tuple[str, ...], admission: Admission) -> bytes:
    """Its bytes are held by `admission`, to be freed by the caller. Raises HTTPException: 408, 413, 415, 429.

    A media type must be named: browsers send these across sites only after a preflight request.
    """
    _check_media_type(request, media_types)
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                if len(body) + len(chunk) > max_bytes:
                    raise _too_large(max_bytes)
                admission.hold(len(chunk))
                body += chunk
    except BaseException as error:
        admission.free(len(body))
        if isinstance(error, TimeoutError):
            message = f"the body did not come within {BODY_S:g} s"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, message, {"connection": "close"}) from error
        raise
    return bytes(body)


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body here has at most {max_bytes} bytes")


def media_type(request: Request) -> str:
    """Of the body, in lower case, without parameters; empty where none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_media_type(request: Request, media_types: tuple[str, ...]) -> None:
    content_type = media_type(request)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if content_type not in media_types:
        message = f"send content-type: {' or '.join(media_types)}, got {content_type[:100] or 'none'}"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, {"accept": ", ".join(media_types)})
    if coding != "identity":
        message = f"send the body as it is: content-encoding {coding[:100]} is not read here"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, {"accept-encoding": "identity"})
