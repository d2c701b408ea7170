"""The body of a request: of the media type and the size that its operation takes."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

JSON = "application/json"


async def read_body(request: Request, max_bytes: int, media_types: tuple[str, ...] = (JSON,)) -> bytes:
    """Raises HTTPException, 415 or 413.

    A media type must be named: browsers send these across sites only after a preflight request.
    """
    check_media_type(request, media_types)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    return bytes(body)


def check_media_type(request: Request, media_types: tuple[str, ...]) -> str:
    """The media type of the body, which is one of those. Raises HTTPException, 415."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if content_type not in media_types:
        message = f"send content-type: {' or '.join(media_types)}, got {content_type[:100] or 'none'}"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, {"accept": ", ".join(media_types)})
    if coding != "identity":
        message = f"send the body as it is: content-encoding {coding[:100]} is not read here"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, {"accept-encoding": "identity"})
    return content_type


def too_large(max_bytes: int) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body here has at most {max_bytes} bytes")
