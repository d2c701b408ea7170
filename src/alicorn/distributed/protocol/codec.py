"""Messages as bytes: msgpack, in which an array is its type, shape and bytes, and an Arrow array an Arrow stream."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from alicorn.distributed.protocol.messages import Answer, Message


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, np.ascontiguousarray(value).data
    if isinstance(value, pa.Array):
        return to_stream(pa.table({"": value}))
    raise NotImplementedError(f"no message holds a {type(value).__name__}")


def _decoded(kind: type, value: Any) -> Any:
    if kind is np.ndarray:
        held = np.frombuffer(value[2], dtype=value[0]).reshape(value[1])
        return held.copy()  # compiled loops want arrays that could be written
    return from_stream(value).column(0).combine_chunks()


def to_stream(table: pa.Table) -> bytes:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_stream(stream: bytes) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(stream)).read_all()


encode = msgspec.msgpack.Encoder(enc_hook=_encoded).encode
decode_request = msgspec.msgpack.Decoder(Message, dec_hook=_decoded).decode
decode_answer = msgspec.msgpack.Decoder(Answer, dec_hook=_decoded).decode
