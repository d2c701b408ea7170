"""A server over the shards of a collection gives the answers of one over the collection, but for their times."""

import datetime
import random
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from asgi_client import Client
from random_trees import Vocabulary, random_tree
from ranked_people import save_ranker
from served_people import SEARCHERS, UNIFIED, VERTICAL, Model

from alicorn.config import parse_config
from alicorn.distributed.processes.opening import open_shards
from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.protocol.messages import Lead
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.distributed.router.transport import LocalShards, Lost
from alicorn.distributed.shard.versions import ShardVersions, Writable
from alicorn.publishing.documents import indexed
from alicorn.publishing.provenance import metadata_of
from alicorn.query import Collection
from alicorn.serving import create_app
from alicorn.vertical import Vertical

PEOPLE = 60
TEXTS = ["john smith", "jane doe oslo", "smyth", "bergen", "nobody", ""]
EXPRESSIONS = [
    "(or text:john (nn people :k 7))",
    "(and (nn people :radius 0.4) (not city:oslo))",
    "(or (fuzzy text:smit) (prefix text:j :terms 1))",
    "(weak-and text:john city:oslo :optional-hits 3)",
    "(extract friends (and text:jane city:bergen))",
    "(nn people :k 5 :scan 20 :filter (range year :min 1985))",
    "(strong-or text:doe (nn people :k 9) :optional-weight 0.5)",
    "(and (or)",
]
WORDS = Vocabulary(
    terms=["text:john", "text:jane", "text:smith", "text:doe", "text:nobody", "city:oslo", "city:bergen"],
    prefixes=["text:j", "text:sm", "city:"],
    columns={"year": (1980, 2000)},
    vectors={"people": (None,)},
    apply_prefixes=["city:", "nothing:"],
    extract_columns=["friends"],
    words={"text": ["john", "smith"]},
)
MAIN = "from alicorn.cli import main; main()"
ORDERS = ["bm25", "static_rank", "year desc", {"nn": 1.0, "bm25": 0.5}, ["city", "year"], {"rrf": ["nn", "bm25"]}]
FACETS = {"city": {"column": "city"}, "year": {"column": "year", "interval": 5}, "terms": {"prefix": "text:", "top": 3}}


def people():
    """Their names have few words, so that many documents tie."""
    rng = random.Random(3)
    ids = [f"p{at}" for at in range(1, PEOPLE + 1)]
    return pa.table(
        {
            "doc_id": ids,
            "name": [f"{rng.choice(['John', 'Jane', 'Jon'])} {rng.choice(['Smith', 'Smyth', 'Doe'])}" for _ in ids],
            "city": [rng.choice(["Oslo", "Bergen", None]) for _ in ids],
            "year": [rng.choice([None, *range(1980, 2000)]) for _ in ids],
            "friends": [rng.sample(ids, rng.randrange(4)) for _ in ids],
            "popularity": [float(rng.randrange(5)) for _ in ids],
        }
    )


def with_channels():
    """The model of served_people, of a vertical with channels and a control."""
    channels = {"words": "(and {terms})", "near": "(nn {key} :k 9)", "friends": "(extract friends (or {terms}))"}
    channels["regions"] = "(or {regions})"
    plain = VERTICAL.model_dump(mode="json") | {
        "expressions": {"hybrid": channels},
        "control": {"intents": ["city"], "filter": "while_searching"},
    }
    model = Model("people", personal=True)
    model.fingerprint, model.vertical = UNIFIED.fingerprint, parse_config(plain, Vertical, where="vertical.yaml")
    return model


def make_folder(made):
    """A collection, whole and in 3 shards, and a ranker."""
    with Collection.create(made / "whole", {"people": 8}, metadata_of([UNIFIED])) as whole:
        whole.upsert(indexed(people(), [UNIFIED], datetime.datetime.now(datetime.UTC)).documents)
        publish_shards(whole, made / "sharded", 3)
    save_ranker(made / "ranker")
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("served"))


def start(stack, collection, **options):
    stack.enter_context(collection)
    regions = pa.table({"searcher_id": ["p3"], "interest_ids": [["p5", "p9"]], "interest_radii": [[0.05, 0.02]]})
    app = create_app(collection, [with_channels()], searchers=SEARCHERS, regions=regions, **options)
    return stack.enter_context(Client(app))


@pytest.fixture(
    scope="module", params=["unranked", "ranked", pytest.param("ranked, in processes", marks=pytest.mark.slow)]
)
def both(folder, request):
    """A server over the collection, and one over its shards."""
    options = {} if request.param == "unranked" else {"ranker": folder / "ranker"}
    with ExitStack() as stack:
        addresses = processes(stack, folder / "sharded") if "processes" in request.param else ()
        yield both_servers(stack, folder, addresses, **options)


def both_servers(stack, folder, addresses=(), **options):
    opened = [Collection.open(folder / "whole"), open_shards(folder / "sharded", addresses)]
    return [start(stack, collection, **options) for collection in opened]


def processes(stack, sharded):
    """Each shard in one of its own -> their addresses, as `--shard` takes them."""
    sockets = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))  # the path of a socket has at most 107 bytes
    for number in range(3):
        listen = ["--listen", f"unix:{sockets}/{number}"]
        process = subprocess.Popen([sys.executable, "-c", MAIN, "shard", str(sharded), str(number), *listen])
        stack.callback(process.wait)
        stack.callback(process.kill)
    until = time.monotonic() + 300  # where nothing is compiled yet
    while not all((sockets / str(number)).exists() for number in range(3)):
        assert time.monotonic() < until, "no shard listens"
        time.sleep(0.05)
    return [f"{number}=unix:{sockets}/{number}" for number in range(3)]


def timeless(answer):
    """An answer without its times, and without how many shards there are."""
    if isinstance(answer, list):
        return [timeless(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    left_out = {"took_ms", "search_ms", "shards", "answered", "version"}
    return {name: timeless(value) for name, value in answer.items() if name not in left_out}


def same(both, method, path, **arguments):
    whole, sharded = (client.request(method, path, **arguments) for client in both)
    assert sharded.status_code == whole.status_code
    assert timeless(sharded.json()) == timeless(whole.json()), arguments
    return whole.json()


def random_search(rng):
    asked = {"limit": rng.choice([0, 1, 5, 10, 50]), "searcher": rng.choice(["p3", {"city": "Oslo"}, None])}
    if rng.random() < 0.5:
        asked["expression"] = rng.choice([*EXPRESSIONS, str(random_tree(rng, WORDS, depth=4))])
        asked["text"] = rng.choice(TEXTS)
    else:
        asked["text"] = rng.choice(TEXTS)
        asked["mode"] = rng.choice(["boolean", "embedding", "hybrid", "hybrid"])
    if rng.random() < 0.4:
        asked["order_by"] = rng.choice(ORDERS)
    if rng.random() < 0.4:
        asked["facets"] = FACETS
    if rng.random() < 0.3:
        asked["offset"] = rng.choice([1, 7])
    if rng.random() < 0.4:
        asked["columns"] = rng.choice([["name"], ["year", "friends"], []])
    return asked | {name: rng.random() < 0.5 for name in ("why", "highlight")}


def check_random(both, count, seed):
    """-> hits that were compared."""
    rng, found = random.Random(seed), 0
    for _ in range(count):
        found += len(same(both, "POST", "/v1/search", json=random_search(rng)).get("hits", ()))
    return found


def test_random_searches(both):
    assert check_random(both, 150, seed=1) > 500


def test_pages_follow_each_other_by_cursor(both):
    asked = {"expression": "(or city:oslo city:bergen)", "order_by": ["year desc", "static_rank"], "limit": 9}
    ids = []
    while hits := (answer := same(both, "POST", "/v1/search", json=asked))["hits"]:
        ids += [hit["doc_id"] for hit in hits]
        asked["after"] = answer["cursor"]
    assert len(ids) == len(set(ids)) == answer["total"] > 30


def test_everything_else_that_can_be_asked(both):
    rng = random.Random(2)
    same(both, "POST", "/v1/search/batch", json={"searches": [random_search(rng) for _ in range(12)]})
    for doc_id in ("p1", "p7", "nobody"):
        search = {"text": "john smith", "searcher": "p3"}
        same(both, "POST", "/v1/search/why", json={"search": search, "doc_id": doc_id})
        same(both, "GET", f"/v1/documents/{doc_id}")
    same(both, "GET", "/v1/suggest", params={"begins": "text:j", "limit": 2})
    same(both, "GET", "/v1/searchers")
    same(both, "POST", "/v1/analyze", json={"text": "John Smith"})
    assert same(both, "GET", "/v1/about")["documents"] == PEOPLE
    items = [{"doc_id": doc_id} for doc_id in ("p9", "p1", "nobody", "p30")]
    same(both, "POST", "/v1/rank", json={"text": "john smith", "items": items})
    assert both[1].request("GET", "/readyz").status_code == 200


def test_each_shard_is_explained(both):
    asked = {"expression": "(and text:john city:oslo)", "explain": True}
    whole, sharded = (client.request("POST", "/v1/search", json=asked).json() for client in both)
    steps = sharded["explanation"]["children"]
    assert [step["expression"] for step in steps] == ["shard 0", "shard 1", "shard 2"]
    assert sum(step["actual"] for step in steps) == whole["total"]


def test_documents_of_a_version_are_not_written(both):
    answer = both[1].request("POST", "/v1/documents", json=[{"doc_id": "p1", "terms": [], "columns": {}}])
    assert answer.status_code == 409
    assert "publish it again with --shards" in answer.json()["detail"]


def test_an_answer_says_how_much_of_the_collection_it_is_of(folder, monkeypatch):
    with ExitStack() as stack:
        collection = open_shards(folder / "sharded")
        client = start(stack, collection)
        asked = {"expression": "(or text:john text:jane)", "limit": 50}
        whole = client.request("POST", "/v1/search", json=asked).json()
        assert whole["coverage"] == {"shards": 3, "answered": 3, "documents": 60, "answered_documents": 60}
        ask = collection._transport.ask

        def without_one(messages, deadline):
            return {shard: Lost("it is away") if shard == 1 else one for shard, one in ask(messages, deadline).items()}

        monkeypatch.setattr(collection._transport, "ask", without_one)
        refused = client.request("POST", "/v1/search", json=asked)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:alicorn:problem:unreachable"
        part = client.request("POST", "/v1/search", json=asked | {"partial": True}).json()
        assert part["coverage"]["answered"] == 2
        assert 0 < len(part["hits"]) == part["total"] < whole["total"]
        assert "answered by 2 of 3 shards" in part["notices"]


def test_documents_are_written_over_shards(folder, tmp_path):
    """The same answers to writes, and to what is asked after each."""
    shards = [ShardVersions(folder / "sharded", at, Writable(tmp_path / str(at))) for at in range(3)]
    for shard in shards:
        shard.answer(Lead(read_manifest(folder / "sharded").version, 1))
    shutil.copytree(folder / "whole", tmp_path / "whole")
    lines = (
        '{"doc_id":"b1","columns":{"name":"Jon Doe"}}\n{"doc_id":""}\n{"doc_id":"b2","columns":{"name":"Jane Doe"}}\n'
    )
    writes = [
        ("POST", "/v1/documents", {"json": [{"doc_id": f"n{at}", "columns": {"name": "John Doe"}} for at in range(7)]}),
        ("POST", "/v1/documents", {"json": [{"doc_id": f"n{at}", "columns": {"name": 7}} for at in range(7)]}),
        ("PATCH", "/v1/documents", {"json": [{"doc_id": "n3", "static_rank": 9.0}, {"doc_id": "nobody"}]}),
        ("DELETE", "/v1/documents/n5", {}),
        ("DELETE", "/v1/documents/nobody", {}),
        ("POST", "/v1/documents/bulk", {"content": lines, "headers": {"content-type": "application/x-ndjson"}}),
    ]
    with ExitStack() as stack:
        sharded = ShardedCollection(folder / "sharded", LocalShards(shards))
        both = [start(stack, one) for one in (Collection.open(tmp_path / "whole"), sharded)]
        for method, path, body in writes:
            same(both, method, path, **body)
            same(both, "POST", "/v1/search", json={"text": "john doe", "limit": 20})
            same(both, "GET", "/v1/documents/n3")
        assert same(both, "GET", "/v1/documents/b2")["name"] == "Jane Doe"
