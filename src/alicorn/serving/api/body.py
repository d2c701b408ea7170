"""The body of a request: of the media type and the size that its operation takes."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

JSON = "application/json"


async def read_body(request: Request, max_bytes: int, media_types: tuple[str, ...] = (JSON,)) -> bytes:
    """Raises HTTPException, 415 or 413.

    A media type must be named: browsers send these across sites only after a preflight request.
    """
    _check_media_type(request, media_types)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            message = f"a body here has at most {max_bytes} bytes"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return bytes(body)


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
