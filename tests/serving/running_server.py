"""A server of the served people in a process of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pyarrow.parquet as pq
from served_people import SEARCHERS, make_collection

_PROGRAM = """
import json, sys
from served_people import TEXT, UNIFIED
from alicorn.serving import serve
arguments = json.loads(sys.argv[1])
serve(arguments.pop("collection"), [TEXT, UNIFIED], **arguments)
"""


def start(folder, **options):
    """The process, and its URL. folder: gets collection, searchers and log. options: of `serve`."""
    make_collection(folder / "collection").close()
    pq.write_table(SEARCHERS, folder / "searchers.parquet")
    port = free_port()
    arguments = {
        "collection": str(folder / "collection"),
        "searchers": str(folder / "searchers.parquet"),
        "served_log": str(folder / "served"),
        "port": port,
        **options,
    }
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", _PROGRAM, json.dumps(arguments)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True)
    return process, f"http://127.0.0.1:{port}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url, process):
    """The answer of /healthz. The first server on a machine compiles before it is up."""
    for _ in range(3_000):
        try:
            return httpx.get(f"{url}/healthz", trust_env=False).json()
        except httpx.TransportError:
            assert process.poll() is None, "the server ended"
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


@contextlib.contextmanager
def running_server(folder, **options):
    """The URL of a server that is up until the block ends."""
    process, url = start(folder, **options)
    with process:
        try:
            wait_until_up(url, process)
            yield url
        finally:
            process.kill()
