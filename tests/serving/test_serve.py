"""The process: it answers on a socket, and a signal ends it with everything written."""

import signal

import httpx
import pyarrow.parquet as pq
import pytest
from running_server import start, wait_until_up
from served_people import make_collection

from alicorn.errors import CollectionError, TableError
from alicorn.serving import serve


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_served_collection_answers_and_ends_with_its_log_written(tmp_path, ending):
    process, url = start(tmp_path)
    with process, httpx.Client(base_url=url, trust_env=False) as client:
        try:
            assert wait_until_up(url, process)["documents"] == 4
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
