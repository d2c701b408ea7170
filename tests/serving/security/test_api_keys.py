"""The file of keys: no secret in it, rotation with an overlap, and rights that may not go together."""

import datetime
import stat

import pytest

from alicorn.errors import ConfigError, QueryError
from alicorn.serving.security.keys import create_key, holder_of, new_key, read_keys, revoke_key, rotate_key

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def test_a_key_is_kept_as_its_hash_and_found_by_its_secret(path):
    secrets = {name: create_key(path, new_key(name, ["search"], NOW), NOW) for name in ("a", "b")}
    for name, secret in secrets.items():
        assert len(secret.removeprefix("alicorn_")) == 43  # 256 bits as base64
        assert secret not in path.read_text()
        assert holder_of(secret, read_keys(path)).name == name
    assert holder_of("alicorn_" + "A" * 43, read_keys(path)) is None
    assert holder_of("\udcff", read_keys(path)) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="has a valid key 'a'"):
        create_key(path, new_key("a", ["search"], NOW), NOW)


def test_a_rotated_key_is_valid_beside_its_successor_for_a_while(path):
    old = create_key(path, new_key("a", ["search"], NOW, only="tag:x", per_second=2), NOW)
    new = rotate_key(path, "a", HOUR, NOW)
    first, second = (holder_of(secret, read_keys(path)) for secret in (old, new))
    assert (second.only, second.per_second, second.scopes) == ("tag:x", 2, {"search"})
    for time, valid in ((NOW, [True, True]), (NOW + HOUR, [False, True])):
        assert [key.is_valid(time) for key in (first, second)] == valid
    rotate_key(path, "a", 9 * HOUR, NOW + HOUR / 2)  # an overlap never makes a key live longer
    assert holder_of(old, read_keys(path)).expires == NOW + HOUR


def test_a_revoked_key_ends_by_its_name_or_its_id(path):
    create_key(path, new_key("a", ["search"], NOW), NOW)
    rotate_key(path, "a", HOUR, NOW)
    first, second = read_keys(path)
    assert [key.key_id for key in revoke_key(path, first.key_id, NOW)] == [first.key_id]
    assert [key.is_valid(NOW) for key in read_keys(path)] == [False, True]
    assert [key.key_id for key in revoke_key(path, "a", NOW)] == [second.key_id]
    with pytest.raises(ConfigError, match="has no valid key 'a'; it has: none"):
        revoke_key(path, "a", NOW)
    create_key(path, new_key("a", ["admin"], NOW), NOW)  # the name is free again


@pytest.mark.parametrize(
    ("name", "scopes", "rights", "error", "message"),
    [
        ("a b", ["search"], {}, ConfigError, "regex"),
        ("a", [], {}, ConfigError, "no scope"),
        ("a", ["read"], {}, ConfigError, "read"),
        ("a", ["search", "write"], {"only": "tag:x"}, ConfigError, "make another key to write"),
        ("a", ["search"], {"only": "(prefix tag:)"}, QueryError, "may be cut"),
        ("a", ["search"], {"only": "(and"}, QueryError, "offset"),
        ("a", ["search", "admin"], {"origins": ["https://a.example"]}, ConfigError, "users can read it"),
        ("a", ["search"], {"origins": ["a.example"]}, ConfigError, "an origin is like"),
        ("a", ["search"], {"origins": ["https://a.example/"]}, ConfigError, "an origin is like"),
        ("a", ["search"], {"per_second": 0}, ConfigError, "> 0"),
    ],
)
def test_what_a_key_may_not_have_is_refused(path, name, scopes, rights, error, message):
    with pytest.raises(error, match=message):
        new_key(name, scopes, NOW, **rights)


def test_a_broken_file_is_named(path):
    path.write_text('{"keys": [{"name": "a"}]}')
    with pytest.raises(ConfigError, match=r"keys\.json cannot be read as a file of keys"):
        read_keys(path)
