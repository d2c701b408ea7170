"""Folders in object storage: file://, and S3 by moto's server where it is installed (.ci/engines does)."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs

from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.distributed.storage.objects import ObjectStore
from alicorn.distributed.storage.transfer import pull, push, verify_version
from alicorn.errors import CollectionError, ConfigError, CorruptionError
from alicorn.query import Collection


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("storage")
    with Collection.create(made / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ["a", "b", "c", "d"], "terms": [["x"], ["x", "y"], ["y"], ["x"]]}))
        whole.flush()
        publish_shards(whole, made / "sharded", 3)
    (made / "model").mkdir()
    (made / "model" / "weights").write_bytes(os.urandom(3_000_000))
    (made / "model" / "empty").touch()
    return made


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        pytest.skip("moto's server is not installed: pip install 'moto[server]'")
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "moto.server", "--port", host.rpartition(":")[2]]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://{host}/").close()
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        files = fs.S3FileSystem(endpoint_override=host, scheme="http", allow_bucket_creation=True)
        files.create_dir("bucket")
        yield f"s3://bucket/{{}}?endpoint_override={host}&scheme=http"
    server.terminate()
    server.wait()


def there_and_back(folder: Path, url: str, here: Path) -> None:
    sent = push(folder / "sharded", url)
    assert sent.moved_bytes == sent.all_bytes > 0
    assert push(folder / "sharded", url).moved_bytes == 0
    fetched = pull(url, here)
    assert fetched.moved_bytes == sent.all_bytes
    assert read_manifest(here) == read_manifest(folder / "sharded")
    assert verify_version(here).version == sent.version
    with ShardedCollection.open(here) as sharded:
        assert sharded.search("x").ids == ["a", "b", "d"]
    assert pull(url, here).moved_bytes == 0  # nothing is new, and everything is right


def test_shards_there_and_back_in_files(folder: Path, tmp_path: Path) -> None:
    there_and_back(folder, (tmp_path / "objects").as_uri(), tmp_path / "here")


@pytest.mark.slow
def test_shards_there_and_back_in_s3(folder: Path, s3: str, tmp_path: Path) -> None:
    there_and_back(folder, s3.format("sharded"), tmp_path / "here")
    push(folder / "model", s3.format("model"))
    model = pull(s3.format("model"), tmp_path / "model").folder
    assert (model / "weights").read_bytes() == (folder / "model" / "weights").read_bytes()
    assert (model / "empty").read_bytes() == b""
    with pytest.raises(CollectionError, match="nothing was published"):
        pull(s3.format("other"), tmp_path / "other")
    with pytest.raises(CollectionError, match="s3://"):
        push(folder / "model", s3.format("x").replace("bucket", "no-such-bucket"))


def test_a_collection_and_a_model(folder: Path, tmp_path: Path) -> None:
    for name in ("whole", "model"):
        push(folder / name, (tmp_path / name).as_uri())
    collection = pull((tmp_path / "whole").as_uri(), tmp_path / "collection").folder
    with Collection.open(collection, read_only=True) as opened:
        assert opened.search("y").ids == ["b", "c"]
    model = pull((tmp_path / "model").as_uri(), tmp_path / "m").folder
    assert (model / "weights").read_bytes() == (folder / "model" / "weights").read_bytes()
    with pytest.raises(CollectionError, match="has no shards"):
        ShardedCollection.open(tmp_path / "m")
    with pytest.raises(ConfigError, match="leave --shard out"):
        pull((tmp_path / "model").as_uri(), tmp_path / "m", [0])


def test_a_transfer_that_was_killed_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, calls = (tmp_path / "objects").as_uri(), 0

    def killing(method: str) -> None:
        original = getattr(ObjectStore, method)

        def wrapped(self: ObjectStore, *arguments: object) -> None:
            nonlocal calls
            calls += 1
            if calls % 4 == 0:
                raise KeyboardInterrupt
            original(self, *arguments)

        monkeypatch.setattr(ObjectStore, method, wrapped)

    killing("send")
    with pytest.raises(KeyboardInterrupt):
        push(folder / "sharded", url)
    with pytest.raises(CollectionError, match="nothing was published"):  # not before all of it is there
        pull(url, tmp_path / "here")
    monkeypatch.undo()
    rest = push(folder / "sharded", url)
    assert 0 < rest.moved_bytes < rest.all_bytes
    killing("fetch")
    with pytest.raises(KeyboardInterrupt):
        pull(url, tmp_path / "here")
    assert not (tmp_path / "here" / "version.json").exists()
    monkeypatch.undo()
    rest = pull(url, tmp_path / "here")
    assert 0 < rest.moved_bytes < rest.all_bytes
    assert verify_version(tmp_path / "here").version == rest.version


def test_one_shard_of_a_machine(folder: Path, tmp_path: Path) -> None:
    url = (tmp_path / "objects").as_uri()
    push(folder / "sharded", url)
    part = pull(url, tmp_path / "here", [1])
    assert [path.name for path in part.folder.iterdir()] == ["shard-1"]
    assert verify_version(tmp_path / "here").all_bytes == part.all_bytes
    with pytest.raises(ConfigError, match="no 3"):
        pull(url, tmp_path / "here", [3])


def test_what_changed_on_the_way_is_refused(folder: Path, tmp_path: Path) -> None:
    url = (tmp_path / "objects").as_uri()
    push(folder / "sharded", url)
    pull(url, tmp_path / "here")
    manifest = read_manifest(tmp_path / "here")
    damaged = tmp_path / "here" / "versions" / manifest.version / manifest.files[0].path
    damaged.write_bytes(bytes(manifest.files[0].size))
    with pytest.raises(CorruptionError, match=manifest.files[0].path):
        verify_version(tmp_path / "here")
    assert pull(url, tmp_path / "here").moved_bytes == manifest.files[0].size  # fetched again
    (tmp_path / "objects" / "objects" / manifest.files[0].checksum).write_bytes(bytes(manifest.files[0].size))
    damaged.unlink()
    with pytest.raises(CorruptionError, match="not what was published"):
        pull(url, tmp_path / "here")
    assert not damaged.exists()
    with pytest.raises(CorruptionError, match="has changed"):
        ObjectStore(url).send(folder / "model" / "weights", manifest.files[0])


def test_other_places_and_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no place for objects"):
        push(folder / "sharded", "ftp://host/path")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="no folder with files"):
        push(tmp_path / "nothing", (tmp_path / "objects").as_uri())
