"""How schemathesis writes bodies that are no JSON: generated text as it is."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")
def as_text(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
