"""The process: it answers on a socket, and a signal ends it with everything written."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from served_people import SEARCHERS, make_collection

from alicorn.errors import CollectionError, TableError
from alicorn.serving import serve

_PROGRAM = """
import json, sys
from served_people import TEXT, UNIFIED
from alicorn.serving import serve
arguments = json.loads(sys.argv[1])
serve(arguments.pop("collection"), [TEXT, UNIFIED], **arguments)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(client, process):
    for _ in range(3_000):  # the first one on a machine compiles before it is up
        try:
            return client.get("/healthz").json()
        except httpx.TransportError:
            assert process.poll() is None, "the server ended"
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_served_collection_answers_and_ends_with_its_log_written(tmp_path, ending):
    make_collection(tmp_path / "collection").close()
    pq.write_table(SEARCHERS, tmp_path / "searchers.parquet")
    arguments = {
        "collection": str(tmp_path / "collection"),
        "searchers": str(tmp_path / "searchers.parquet"),
        "served_log": str(tmp_path / "served"),
        "port": free_port(),
    }
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", _PROGRAM, json.dumps(arguments)]
    with (
        subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{arguments['port']}", trust_env=False) as client,
    ):
        try:
            assert wait_until_up(client, process)["documents"] == 4
            answer = client.post("/v1/search", json={"text": "john smith", "searcher": "p3", "limit": 1}).json()
            assert [hit["doc_id"] for hit in answer["hits"]] == ["p1"]
            process.send_signal(ending)
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert pq.read_table(tmp_path / "served" / "impressions")["doc_id"].to_pylist() == ["p1"]


def test_what_cannot_be_served_is_an_error_before_anything_starts(tmp_path):
    with pytest.raises(CollectionError, match="is not a folder"):
        serve(tmp_path / "nothing")
    make_collection(tmp_path / "collection").close()
    (tmp_path / "searchers.parquet").write_text("no table")
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        serve(tmp_path / "collection", searchers=tmp_path / "searchers.parquet")
