"""The process: it answers on a socket, and a signal ends it with everything written."""

import datetime
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from running_server import start, wait_until_up
from served_people import make_collection

from alicorn.errors import CollectionError, ConfigError, TableError
from alicorn.serving import serve
from alicorn.serving.process import check_reachable
from alicorn.serving.security.keys import create_key, new_key


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_served_collection_answers_and_ends_with_its_log_written(tmp_path, ending):
    process, url = start(tmp_path)
    with process, httpx.Client(base_url=url, trust_env=False) as client:
        try:
            assert wait_until_up(url, process)["documents"] == 4
            answer = client.post("/v1/search", json={"text": "john smith", "searcher": "p3", "limit": 1}).json()
            assert [hit["doc_id"] for hit in answer["hits"]] == ["p1"]
            process.send_signal(signal.SIGHUP)  # which ends no server
            assert client.get("/healthz").status_code == 200
            process.send_signal(ending)
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "SIGHUP is ignored" in errors
    assert pq.read_table(tmp_path / "served" / "shown")["doc_id"].to_pylist() == ["p1"]


def test_what_cannot_be_served_is_an_error_before_anything_starts(tmp_path):
    with pytest.raises(CollectionError, match="is not a folder"):
        serve(tmp_path / "nothing")
    make_collection(tmp_path / "collection").close()
    (tmp_path / "searchers.parquet").write_text("no table")
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        serve(tmp_path / "collection", searchers=tmp_path / "searchers.parquet")


def test_others_can_reach_the_server_only_with_keys(tmp_path):
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        check_reachable(host, None)
    for host in ("0.0.0.0", "::", "192.168.1.2", "search.example"):
        with pytest.raises(ConfigError, match="alicorn key create"):
            check_reachable(host, None)
    now = datetime.datetime.now(datetime.UTC)
    create_key(tmp_path / "keys.json", new_key("a", ["search"], now), now)
    check_reachable("0.0.0.0", tmp_path / "keys.json")


@pytest.mark.slow
def test_no_loop_is_compiled_after_the_server_is_ready(tmp_path):
    """In a process of its own, whose kernels no other test has read."""
    program = """
import sys
from served_people import SEARCHERS, TEXT, UNIFIED, make_collection
from alicorn.compiled.kernels import KERNELS
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving.ready import make_ready

collection = make_collection(sys.argv[1])
retriever = Retriever(collection, [UNIFIED, TEXT], Searchers(UNIFIED.vertical, SEARCHERS))
make_ready(retriever)
known = {kernel.py_func.__qualname__: len(kernel.overloads) for kernel in KERNELS}
assert sum(known.values()) > 50
for mode in ("boolean", "embedding", "hybrid"):
    for text in ("john smith", "jane"):
        retriever.search(retriever.request(text=text, searcher="p3", mode=mode))
print([name for name, count in known.items() for kernel in KERNELS
       if kernel.py_func.__qualname__ == name and len(kernel.overloads) > count])
"""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", program, str(tmp_path / "c")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
