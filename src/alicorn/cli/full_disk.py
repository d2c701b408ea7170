"""A disk that is full or may not be written, as one sentence that names the folder."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import Any

from alicorn.errors import AlicornError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_OUTPUTS = ("out", "into", "served_log", "report", "collection")


def naming_its_output(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb, which raises AlicornError where the system has no room for what it writes."""

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        try:
            verb(**given)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            place = error.filename or next((given[name] for name in _OUTPUTS if given.get(name)), "the output")
            raise AlicornError(
                f"{place}: cannot be written: {os.strerror(error.errno)}; make room there and in the folder for"
                " temporary files (TMPDIR), or choose other folders, and run it again"
            ) from error

    return run
