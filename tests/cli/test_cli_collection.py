"""embed, publish, verify and tune: what each does to a collection, and what it refuses."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shell import alicorn, files_below, name_of, succeed

from alicorn import Collection, Model
from alicorn.evaluation.orders.block import order_block
from alicorn.evaluation.vertical_block import write_block


def test_a_selection_acts_without_training_again(loop, tmp_path):
    """In another version of the vertical: fewer documents, and no nn for short texts."""
    rules = "documents: [{kind: range, column: popularity, min: 30}], requests: [{kind: short, characters: 3}]"
    vertical, collection = tmp_path / "vertical.yaml", tmp_path / "collection"
    vertical.write_text(loop.vertical.read_text() + f"selection: {{{rules}}}\n")
    popularity = pq.read_table(loop.logs / "documents", columns=["popularity"])["popularity"].to_numpy()
    kept = int((popularity >= 30).sum())
    assert 0 < kept < 300
    model = ("--model", loop.model, "--vertical", vertical)
    done = succeed("publish", loop.logs / "documents", "--into", collection, *model, "--json")
    assert done.json()["documents"] == kept
    assert done.json()["left_out"] == {"popularity min 30": 300 - kept}
    assert f"left out, not popularity min 30: {300 - kept} documents" in done.err
    short = succeed("query", collection, "--text", "jo", *model, "--order-by", "nn=1,bm25=0.1", "--explain", "--json")
    assert short.json()["explanation"]["expression"] == "(and text:jo)"
    assert "answered without nn: the search is fewer than 3 characters" in " ".join(short.err.split())
    longer = succeed("query", collection, "--text", "joe", *model, "--explain", "--json")
    assert "(nn people" in longer.json()["explanation"]["expression"]
    assert "of a model" in alicorn("query", collection, "a:b", "--vertical", vertical).refusal()
    vertical.write_text(loop.vertical.read_text().replace("valid: 0.1", "valid: 0.2"))
    succeed("query", collection, "--text", "joe", *model)
    vertical.write_text(loop.vertical.read_text().replace("dim: 32", "dim: 31"))
    refused = alicorn("query", collection, "--text", "joe", *model).refusal()
    assert "learned from another document.features.social and request.features.social" in refused
    assert "train again" in refused


def test_a_collection_is_made_anew_only_when_the_new_one_is_complete(tmp_path):
    collection = tmp_path / "collection"

    def published(doc_ids, *more):
        pq.write_table(pa.table({"doc_id": doc_ids, "terms": [["a:b"]] * len(doc_ids)}), tmp_path / "documents.parquet")
        return alicorn("publish", tmp_path / "documents.parquet", "--into", collection, *more)

    def found():
        return [hit["doc_id"] for hit in succeed("query", collection, "a:b", "--json").json()["hits"]]

    published(["d1", "d2"])
    with Collection.open(collection):
        assert "is open for writing elsewhere" in published(["d3"], "--overwrite").refusal()
    assert "null" in published([None], "--overwrite").refusal()
    assert sorted(found()) == ["d1", "d2"]
    published(["d3"], "--overwrite")
    assert found() == ["d3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["collection", "documents.parquet"]


def test_an_analysis_acts_without_training_again(loop, tmp_path):
    """In another version of the vertical: stems and a synonym, from publishing to the marks of a hit."""
    vertical, collection = tmp_path / "vertical.yaml", tmp_path / "collection"
    analysis = "analysis: {text: {stem: english, synonyms: synonyms.txt}}"
    vertical.write_text(f"{loop.vertical.read_text()}\n{analysis}\n")
    (tmp_path / "synonyms.txt").write_text("zzz, runners\n")
    one = pq.read_table(loop.logs / "documents").slice(0, 1)
    name = one.column_names.index("name")
    pq.write_table(one.set_column(name, "name", pa.array(["Anna Running"])), tmp_path / "documents.parquet")
    model = ("--model", loop.model, "--vertical", vertical)
    succeed("publish", tmp_path / "documents.parquet", "--into", collection, *model)
    assert "Anna **Running**" in succeed("query", collection, "--text", "runs", *model, "--highlight").out
    widened = succeed("query", collection, "--text", "zzz", *model, "--explain", "--json").json()
    assert "(or text:zzz text:runner)" in widened["explanation"]["expression"]
    refusal = alicorn("query", collection, "--text", "runs", "--model", loop.model).refusal()
    assert "`alicorn update DOCS --into" in refusal


def test_a_table_updates_a_collection_and_a_key_is_dropped(tmp_path):
    with Collection.create(tmp_path / "c", {"x": 2}) as collection:
        collection.upsert(pa.table({"doc_id": ["a"], "terms": [["all"]], "price": [1], "embedding:x": [[1.0, 0.0]]}))
    changes = {"doc_id": ["a", "b"], "price": [2, 3], "embedding:y": [[0.0, 0.0, 1.0]] * 2}
    pq.write_table(pa.table(changes), tmp_path / "changes.parquet")
    done = succeed("update", tmp_path / "changes.parquet", "--into", tmp_path / "c", "--json").json()
    assert (done["updated"], done["unknown"], done["added"]) == (1, 1, {"y": 3})
    succeed("drop", tmp_path / "c", "--key", "x")
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert collection.embeddings == {"y": 3}
        assert collection.get("a") == {"doc_id": "a", "terms": ["all"], "static_rank": 0.0, "price": 2}
    assert "keys must be one of y, got 'x'" in alicorn("drop", tmp_path / "c", "--key", "x").refusal()
    refused = alicorn("publish", tmp_path / "changes.parquet", "--into", tmp_path / "c").refusal()
    assert "leaves out what such documents have: 'terms' (1 row)" in refused


def test_a_model_gives_its_vectors_to_documents_without_them(loop, tmp_path):
    """As a second model beside the first: its key is dropped before, and a table of other columns stays."""
    collection = shutil.copytree(loop.collection, tmp_path / "collection")
    with Collection.open(collection, read_only=True) as opened:
        before = {name: opened.get(name) for name in pq.read_table(loop.logs / "documents")["doc_id"].to_pylist()}
    succeed("drop", collection, "--key", "people")
    ask = ("query", collection, "--text", "jo", "--model", loop.model, "--json")
    assert "--model MODEL --as NAME" in alicorn(*ask).refusal()
    publish = ("publish", loop.logs / "documents", "--into", collection, "--model", loop.model)
    done = succeed(*publish, "--as", "current", "--json").json()
    assert (done["documents"], done["unknown"], done["added"]) == (len(before), 0, {"people": 16})
    with Collection.open(collection, read_only=True) as opened:
        assert {name: opened.get(name) for name in before} == before
    there = succeed("query", loop.collection, "--text", "jo", "--model", loop.model, "--json").json()["hits"]
    assert [hit["doc_id"] for hit in succeed(*ask).json()["hits"]] == [hit["doc_id"] for hit in there]


def test_embed_writes_the_model_s_vectors(loop, tmp_path):
    out = tmp_path / "embeddings.parquet"
    done = succeed("embed", loop.model, "--documents", loop.logs / "documents", "--out", out, "--json")
    assert done.json() == {"documents": 300, "dim": 16, "key": "people", "out": str(out)}
    table, documents = pq.read_table(out), pq.read_table(loop.logs / "documents")
    assert table.column_names == ["doc_id", "embedding:people"]
    assert table["doc_id"].equals(documents["doc_id"])
    vectors = np.array(table["embedding:people"].to_pylist(), dtype=np.float32)
    np.testing.assert_allclose(vectors, Model.load(loop.model).encode_documents(documents), atol=1e-6)
    assert files_below(tmp_path) == ["embeddings.parquet"]


def test_publish_prints_what_it_did(loop):
    done = loop.published.json()
    assert done["documents"] == 300
    assert done["embeddings"] == {"people": 16, "people-text": 16}
    assert done["documents_per_s"] > 0


def test_verify_a_clean_collection(loop):
    found = succeed("verify", loop.collection, "--json").json()
    assert found["files"] > 2
    assert found["bytes"] > 300 * 16 * 4, "the vectors alone"
    assert "files" in succeed("verify", loop.collection).out


def test_tune_measures_recommends_and_applies(loop, tmp_path):
    collection = tmp_path / "collection"
    shutil.copytree(loop.collection, collection)
    tune = ("tune", collection, "--key", "people", "--out", tmp_path / "out", "--sample", "20", "--k", "5")
    found = succeed(*tune, "--grid", "num_clusters=8 codec=sq8,none", "--grid", "nprobe=1,8", "--json").json()
    assert [(point["settings"]["codec"], point["nprobe"]) for point in found["points"]] == [
        *(("sq8", 1), ("sq8", 8), ("none", 1), ("none", 8)),
    ]
    assert [point["recall"] for point in found["points"] if point["nprobe"] == 8] == [1.0, 1.0]
    assert files_below(tmp_path / "out") == ["tuning.json", "tuning.md", "tuning.svg"]
    with Collection.open(collection, read_only=True) as opened:
        assert opened.snapshot().quantizers["people"].version == 0
    shown = succeed(*tune, "--grid", "num_clusters=8 codec=none nprobe=8", "--apply").out
    assert "Recommended: ivf 8 clusters, none at nprobe 8" in shown
    assert "Ask: (nn people :k 5 :recall 0.95)" in shown
    with Collection.open(collection, read_only=True) as opened:
        assert opened.snapshot().quantizers["people"].settings.codec == "none"
        assert opened.snapshot().quantizers["people-text"].version == 0


def test_tune_finds_an_order_and_writes_it_where_it_is_asked_to(loop, tmp_path):
    """The world's searchers look for names: BM25 adds to towers that learned for a moment."""
    vertical = tmp_path / "vertical.yaml"
    unordered = loop.vertical.read_text().partition("order:")[0]
    vertical.write_text(f"# Mine.\n{unordered}order: {{hybrid: {{static_rank: 1}}}}\n")
    tune = ("tune", loop.collection, "--order", "--model", loop.model, "--logs", loop.pairs, "--vertical", vertical)
    told = succeed(*tune, "--out", tmp_path / "tuning", "--json")
    found = told.json()
    assert found["worth_having"], "anything is better than static rank alone"
    assert "put this into" in told.err
    assert files_below(tmp_path / "tuning") == ["order.json", "order.md", "order.svg"]
    assert "static_rank: 1" in vertical.read_text()
    told = succeed(*tune, "--out", tmp_path / "tuning", "--apply", "--parts", "nn,bm25")
    assert "Worth having" in told.out
    assert vertical.read_text().startswith("# Mine.\n")
    assert "# `alicorn tune --order`: NDCG@10" in vertical.read_text()
    query = ("query", loop.collection, "--text", name_of(loop)[1], "--model", loop.model, "--vertical", vertical)
    assert succeed(*query, "--json").json()["hits"]
    assert "with --model and --logs" in alicorn("tune", loop.collection, "--order", "--out", tmp_path / "t").refusal()
    assert "--key, or --order" in alicorn("tune", loop.collection, "--out", tmp_path / "t").refusal()


def test_tune_finds_texts_that_need_no_nn_and_writes_the_rule(loop, tmp_path):
    """What may be lost is all: the rule closes for every text, and is obeyed where it is written."""
    vertical = Path(shutil.copy(loop.vertical, tmp_path))
    tune = ("tune", loop.collection, "--gate", "--model", loop.model, "--logs", loop.pairs, "--vertical", vertical)
    told = succeed(*tune, "--out", tmp_path / "tuning", "--lost", "0.5", "--searches", "100", "--apply")
    assert "Worth having: 100.0% of the searches go without nn" in told.out
    assert files_below(tmp_path / "tuning") == ["gate.json", "gate.md", "gate.svg"]
    assert "# `alicorn tune --gate`:" in vertical.read_text()
    query = ("query", loop.collection, "--text", name_of(loop)[1], "--model", loop.model, "--vertical", vertical)
    assert "answered without nn" in succeed(*query).err


def test_an_order_in_the_model_s_own_vertical_needs_no_training(loop, tmp_path):
    model = Path(shutil.copytree(loop.model, tmp_path / "model"))
    write_block(model / "vertical.yaml", "order", order_block({"static_rank": 1}, None, "why"))
    query = ("query", loop.collection, "--text", name_of(loop)[1], "--limit", "1000", "--json", "--model")
    scores = [hit["score"] for hit in succeed(*query, model).json()["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert max(scores) > 2, "a popularity, and no cosine with a little BM25"
    assert max(hit["score"] for hit in succeed(*query, loop.model).json()["hits"]) < 2


def test_tune_refuses_mistakes_before_it_works(loop, tmp_path):
    tune = ("tune", loop.collection, "--out", tmp_path / "out", "--key")
    assert "no embedding 'persons' (it has: people, people-text)" in alicorn(*tune, "persons").refusal()
    assert "a grid is name=value,value" in alicorn(*tune, "people", "--grid", "codecs=sq8").refusal()
    queries = loop.logs / "documents"
    assert "a column 'embedding:people'" in alicorn(*tune, "people", "--queries", queries).refusal()


def test_embed_refuses_what_it_cannot_embed(loop, tmp_path):
    out = tmp_path / "embeddings.parquet"
    embed = ("embed", loop.model, "--out", out, "--documents")
    assert "column 'doc_id' is missing" in alicorn(*embed, loop.logs / "searchers").refusal()
    assert "cannot be read as Parquet" in alicorn(*embed, loop.vertical).refusal()
    assert "column 'name'" in alicorn(*embed, _only(loop, tmp_path, ["doc_id"])).refusal()
    documents = ("--documents", loop.logs / "documents")
    assert "there is no folder" in alicorn("embed", loop.model, *documents, "--out", tmp_path / "no" / "e").refusal()
    assert files_below(tmp_path) == ["only.parquet"]


def _only(loop, folder: Path, columns: list[str]) -> Path:
    pq.write_table(pq.read_table(loop.logs / "documents", columns=columns), folder / "only.parquet")
    return folder / "only.parquet"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_verify_names_a_damaged_file(loop, tmp_path, damage):
    collection = tmp_path / "collection"
    shutil.copytree(loop.collection, collection)
    victim = max((collection / "segments").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(victim.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif damage == "truncate":
        victim.write_bytes(content[:-1])
    else:
        victim.unlink()
    done = alicorn("verify", collection)
    assert done.code == 2
    assert done.err.startswith("alicorn: ")
    assert victim.name in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert alicorn("query", collection, "text:john").code == 2


def test_reading_a_collection_changes_none_of_its_files(loop):
    def contents():
        files = (path for path in loop.collection.rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in files if not path.name.endswith(("-shm", "-wal"))}

    before = contents()
    succeed("query", loop.collection, "text:john")
    succeed("verify", loop.collection)
    assert contents() == before


def test_a_collection_without_names_has_none_to_print(loop):
    assert succeed("alias", loop.collection).out == ""
