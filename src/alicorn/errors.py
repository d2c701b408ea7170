"""Every error a user can cause, below AlicornError; a message says what, where, allowed, received, and what to do.

AlicornError
  ConfigError       a vertical, a recipe or a command-line value is wrong
  TableError        a table breaks its contract (table, column, first bad row, count)
  QueryError        an expression is malformed or asks for what is not there (offset)
  VectorError       a vector is NaN, infinite, zero, or of the wrong dimension
  CollectionError   a collection is missing, in use, of a newer format, or does not match the model
    CorruptionError   a file of a collection is truncated, missing or changed
    AbandonedError    a collection was closed while it was flushed, merged or trained
    UnreachableError  a shard of a collection did not answer
  ModelError        a model folder is missing, incomplete or of a newer format, or its vectors have no length
  TrainingError     training went wrong: a loss or weight is no finite number, or all documents became alike
  BodyError         the body of an HTTP request is no JSON, or not what the route takes
  ApiError          a server refused a call of alicorn.client
  DeadlineError     the time that an HTTP request gave is over
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_NUMBERED = re.compile(r".*\[errno \d+\] ", re.IGNORECASE | re.DOTALL)


class AlicornError(Exception):
    """Base of every error that a user of alicorn can cause.

    Pickled and copied by its arguments and attributes, without a call of __init__: so every subclass crosses processes
    unchanged, whatever its __init__ takes.
    """

    def __reduce__(self) -> tuple[Callable[..., AlicornError], tuple[Any, ...], dict[str, Any]]:
        return _rebuilt, (type(self), *self.args), self.__dict__


def _rebuilt(kind: type[AlicornError], *arguments: object) -> AlicornError:
    return kind.__new__(kind, *arguments)  # BaseException.__new__ keeps the arguments


class ConfigError(AlicornError):
    """A vertical, a recipe or a command-line value is wrong."""


class TableError(AlicornError):
    """A table breaks its contract; `table`, `column`, `row` (first bad row, from 0), `count` are kept for programs."""

    def __init__(
        self, message: str, *, table: str, column: str | None = None, row: int | None = None, count: int | None = None
    ) -> None:
        super().__init__(message)
        self.table = table
        self.column = column
        self.row = row
        self.count = count


class QueryError(AlicornError):
    """An expression is malformed, or asks for what the collection does not have. `offset` counts characters from 0."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(f"offset {offset}: {message}")
        self.offset = offset


class VectorError(AlicornError):
    """A vector is NaN, infinite, zero, or of the wrong dimension."""


class CollectionError(AlicornError):
    """A collection is missing, in use by another writer, of a newer format, or does not match the model."""


class CorruptionError(CollectionError):
    """A file of a collection is truncated, missing or changed since it was written."""


class AbandonedError(CollectionError):
    """A collection was closed while it was flushed, merged or trained; nothing acknowledged is lost."""


class UnreachableError(CollectionError):
    """Shards of a collection did not answer, and no partial answer was allowed; `lost` has their numbers.

    outdated: they answer, but not for the moment that was asked for: what is newest may be asked for.
    """

    def __init__(self, message: str, *, lost: Sequence[int], outdated: bool = False) -> None:
        super().__init__(message)
        self.lost = lost
        self.outdated = outdated


class ModelError(AlicornError):
    """A model folder is missing, incomplete, or of a newer format, or the model gives vectors without a length."""


class TrainingError(AlicornError):
    """Training went wrong: a loss, embedding or weight is no finite number, or all documents have one embedding."""


class BodyError(AlicornError):
    """The body of an HTTP request is no JSON, or not of the shape that the route takes."""


class DeadlineError(AlicornError):
    """The time that an HTTP request gave is over, or its client has gone."""


class ApiError(AlicornError):
    """A failure as a server describes it (RFC 9457). status: of HTTP; problem: what it says, among it type, detail, the
    offset of a mistake in an expression, column and row of one in documents."""

    def __init__(self, message: str, *, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem

    @property
    def type(self) -> str:
        return str(self.problem.get("type", "about:blank"))

    @property
    def detail(self) -> str:
        return str(self.problem.get("detail", ""))


def cause(error: BaseException) -> str:
    """What went wrong, for a message that names the file itself: of an error of the system neither its number nor its
    path, which Arrow and Python write in their own ways."""
    if isinstance(error, FileNotFoundError):
        return os.strerror(errno.ENOENT)
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _NUMBERED.sub("", told) or type(error).__name__
