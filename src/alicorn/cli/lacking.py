"""What a machine lacks for a verb, as one sentence: room on its disk, or a package of an extra."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import Any

from alicorn.errors import AlicornError, ConfigError
from alicorn.extras import belongs_to_extra, how_to_install

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_OUTPUTS = ("out", "into", "served_log", "report", "collection")


def naming_what_is_lacking(verb: Callable[..., None], within: str = "") -> Callable[..., None]:
    """The verb, which raises AlicornError where the system has no room for what it writes, or an extra is missing.

    within: the verb that it is a part of and its name there, such as `logs import`.
    """

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        try:
            verb(**given)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if not belongs_to_extra(package):
                raise
            needed = f"`alicorn {within or verb.__name__}` needs {package}: {how_to_install(package)}"
            raise ConfigError(needed) from error
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            copied_to = error.filename2  # filename is the source of a copy
            place = (
                copied_to or error.filename or next((given[name] for name in _OUTPUTS if given.get(name)), "the output")
            )
            raise AlicornError(
                f"{place}: cannot be written: {os.strerror(error.errno)}; make room there and in the folder for"
                " temporary files (TMPDIR), or choose other folders, and run it again"
            ) from error

    return run
