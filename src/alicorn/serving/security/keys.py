"""API keys: who may ask what, kept in a file without their secrets.

A key is 256 random bits, shown once. The file keeps its SHA-256: guessing 256 bits is hopeless, so no slow hash is
needed, which would cost every request. A key that is rotated stays valid beside its successor for a while.
"""

import datetime
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from alicorn.errors import ConfigError, cause
from alicorn.language import tree
from alicorn.language.prepared import prepare
from alicorn.query.restrict import check_only
from alicorn.serving.security.request_limits import NO_LIMITS, RequestLimits

KeyScope = Literal["search", "write", "events", "rate", "admin"]
KEY_SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
_READING: frozenset[KeyScope] = frozenset({"search", "events", "rate"})
_IN_BROWSERS: frozenset[KeyScope] = frozenset({"search", "events"})
_PREFIX = "alicorn_"
_ID_CHARACTERS = 12  # of the hash: 48 bits, to name a key by


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True):
    """sha256: hex, of the secret. only: an expression; the key sees its documents alone. origins: of the pages that may
    use it; empty for programs. per_second: requests, None for any number. limits: of one request. Times are in UTC;
    None: not yet, or never.
    """

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    scopes: frozenset[KeyScope]
    created: datetime.datetime
    expires: datetime.datetime | None = None
    revoked: datetime.datetime | None = None
    only: str | None = None
    origins: tuple[str, ...] = ()
    per_second: Annotated[float, Meta(gt=0)] | None = None
    limits: RequestLimits = NO_LIMITS

    @property
    def key_id(self) -> str:
        """The beginning of the hash: names one of several keys of a name."""
        return self.sha256[:_ID_CHARACTERS]

    @property
    def allowed(self) -> tree.Node | None:
        """The tree of `only`; short texts are parsed once."""
        return None if self.only is None else prepare(self.only).root

    def is_valid(self, now: datetime.datetime) -> bool:
        ended = [time for time in (self.expires, self.revoked) if time is not None]
        return all(now < time for time in ended)


class _KeyFile(Struct, forbid_unknown_fields=True):
    format: Literal[1] = 1
    keys: list[ApiKey] = []


def read_keys(path: Path) -> list[ApiKey]:
    """All keys of a file. Raises ConfigError where it cannot be read, or a key has what it may not have."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_KeyFile).keys
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read as a file of keys: {cause(error)}; `alicorn key create NAME` makes one"
        ) from error
    for key in found:
        _check(key)
    return found


def create_key(path: Path, key: ApiKey, now: datetime.datetime) -> str:
    """Add a key to the file, which is made where it is missing -> its secret, which is kept nowhere.

    key: without its hash (`new_key`). Raises ConfigError where a valid key has the name.
    """
    with _writing(path) as keys:
        if any(other.name == key.name and other.is_valid(now) for other in keys):
            raise ConfigError(f"{path} has a valid key {key.name!r}: rotate it, or revoke it first")
        return _add(keys, key)


def rotate_key(path: Path, name: str, overlap: datetime.timedelta, now: datetime.datetime) -> str:
    """Add a successor with the same rights -> its secret. The keys of the name stay valid for `overlap`."""
    with _writing(path) as keys:
        at = [at for at, key in enumerate(keys) if key.name == name and key.is_valid(now)]
        if not at:
            raise ConfigError(f"{path} has no valid key {name!r}; it has: {_names(keys, now)}")
        newest = max((keys[place] for place in at), key=lambda key: key.created)
        for place in at:
            ends = [time for time in (keys[place].expires, now + overlap) if time is not None]
            keys[place] = replace(keys[place], expires=min(ends))
        return _add(keys, replace(newest, created=now))


def revoke_key(path: Path, name_or_id: str, now: datetime.datetime) -> list[ApiKey]:
    """End all keys of a name, or the one of an id, now; they stay in the file -> those that ended."""
    with _writing(path) as keys:
        ended = [at for at, key in enumerate(keys) if name_or_id in (key.name, key.key_id) and key.is_valid(now)]
        if not ended:
            raise ConfigError(f"{path} has no valid key {name_or_id!r}; it has: {_names(keys, now)}")
        for at in ended:
            keys[at] = replace(keys[at], revoked=now)
        return [keys[at] for at in ended]


def new_key(
    name: str,
    scopes: Sequence[str],
    now: datetime.datetime,
    *,
    expires: datetime.datetime | None = None,
    only: str | None = None,
    origins: Sequence[str] = (),
    per_second: float | None = None,
    limits: RequestLimits = NO_LIMITS,
) -> ApiKey:
    """A key that has no secret yet. Raises ConfigError and QueryError for what it may not have."""
    unknown = sorted(set(scopes) - set(KEY_SCOPES))
    if unknown:
        raise ConfigError(f"key {name!r}: no scope is called {unknown[0]!r}; scopes: {', '.join(KEY_SCOPES)}")
    values = {"name": name, "scopes": list(scopes), "created": now, "expires": expires, "only": only}
    values |= {"origins": list(origins), "per_second": per_second, "sha256": "0" * 64, "limits": limits}
    try:
        key = msgspec.convert(values, ApiKey)
    except msgspec.ValidationError as error:
        raise ConfigError(f"key {name!r}: {error}") from error
    _check(key)
    return key


def holder_of(secret: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """The key with this secret. Every key is compared, each in constant time."""
    digest = _digest(secret)
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def _check(key: ApiKey) -> None:
    if not key.scopes:
        raise ConfigError(f"key {key.name!r} has no scope; scopes: {', '.join(KEY_SCOPES)}")
    if key.only is not None:
        if key.scopes - _READING:
            raise ConfigError(
                f"key {key.name!r} sees some documents only, so it may {', '.join(sorted(_READING))}; make another key"
                f" to {' and '.join(sorted(key.scopes - _READING))}"
            )
        check_only(prepare(key.only).root)
    if key.origins and key.scopes - _IN_BROWSERS:
        raise ConfigError(
            f"key {key.name!r} is for pages, whose users can read it, so it may {', '.join(sorted(_IN_BROWSERS))} only"
        )
    for origin in key.origins:
        if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:
            raise ConfigError(f"key {key.name!r}: an origin is like https://shop.example, got {origin!r}")


def _add(keys: list[ApiKey], key: ApiKey) -> str:
    secret = _PREFIX + secrets.token_urlsafe(32)
    keys.append(replace(key, sha256=_digest(secret)))
    return secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _names(keys: Sequence[ApiKey], now: datetime.datetime) -> str:
    return ", ".join(dict.fromkeys(key.name for key in keys if key.is_valid(now))) or "none"


@contextmanager
def _writing(path: Path) -> Iterator[list[ApiKey]]:
    """The keys of the file, to be changed; written in one step when the block ends, for the owner's eyes only."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {cause(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(path) if path.exists() else []
        yield keys
        scratch = path.with_name(path.name + ".new")
        with open(os.open(scratch, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(_KeyFile(keys=keys)), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        os.close(lock)
