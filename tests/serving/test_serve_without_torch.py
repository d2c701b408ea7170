"""A server of a model, in a process where torch and the log tooling cannot be imported."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from running_server import free_port, wait_until_up

from alicorn.extras import EXTRAS
from alicorn.query import Collection
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.towers import Model

_PROGRAM = """
import json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv.pop(1))))
from alicorn.cli import main
main()
"""


def test_it_answers_as_the_model_by_torch(loop, tmp_path: Path) -> None:
    """And encodes a document that is written to it as it was encoded when it was published."""
    hidden = json.dumps([package for extra, packages in EXTRAS.items() if extra != "serve" for package in packages])
    models = [Model.load(loop.model), Model.load(loop.text_model)]
    port, searchers = free_port(), loop.logs / "searchers"
    someone = pq.read_table(searchers)["searcher_id"][0].as_py()
    asked = {"text": "john smith", "searcher": someone, "mode": "embedding", "limit": 300}
    shutil.copytree(loop.collection, tmp_path / "collection")
    options = ("--searchers", searchers, "--model", loop.model, "--model", loop.text_model, "--port", port)
    command = [sys.executable, "-c", _PROGRAM, hidden, "serve", tmp_path / "collection", *options]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_up(url, process)
            with httpx.Client(base_url=url, trust_env=False) as client:
                found = client.post("/v1/search", json=asked).json()["hits"]
                row = pq.read_table(loop.logs / "documents").filter(pc.field("doc_id") == found[0]["doc_id"])
                read = {column.name for column in models[0].vertical.document_columns()} - {"doc_id"}
                columns = {name: value for name, value in row.to_pylist()[0].items() if name in read}
                again = json.loads(json.dumps([{"doc_id": "again", "columns": columns}], default=str))
                written = client.post("/v1/documents", json=again)
                assert written.json() == {"upserted": 1, "left_out": 0}, written.text
                with_it = client.post("/v1/search", json=asked).json()["hits"]
        finally:
            process.terminate()
    with Collection.open(loop.collection, read_only=True) as opened:
        retriever = Retriever(opened, models, Searchers(models[0].vertical, pq.read_table(searchers)))
        result = retriever.search(retriever.request(**asked))
    assert [hit["doc_id"] for hit in found] == result.ids
    np.testing.assert_allclose([hit["score"] for hit in found], result.scores, atol=1e-5)
    (score,) = (hit["score"] for hit in with_it if hit["doc_id"] == "again")
    assert abs(score - found[0]["score"]) < 1e-5
