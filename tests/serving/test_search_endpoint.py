"""POST /v1/search: expressions, texts, searchers and orders; each mistake is a 400 that says what to do."""

import collections
import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from asgi_client import ids, refused, search
from served_people import DOCUMENTS, SEARCHERS, TEXT, UNIFIED

from alicorn.publishing.documents import indexed
from alicorn.query import Collection
from alicorn.serving.api.messages import MAX_LIMIT, MAX_TEXT


def test_highlights_are_the_places_of_the_words_that_matched(client):
    answer = search(client, expression="(and text:john (prefix text:smi))", highlight=True, limit=1)
    places = answer["hits"][0]["highlights"]["name"]
    assert answer["hits"][0]["stored"]["name"] == "John Smith"
    assert places == [{"start": 0, "end": 4, "item": None}, {"start": 5, "end": 10, "item": None}]
    assert search(client, expression="text:john", limit=1)["hits"][0]["highlights"] is None


def test_highlights_need_a_vertical(collection, start):
    assert "give a model" in refused(start(collection), expression="text:john", highlight=True)["detail"]


def test_an_expression_is_answered_with_hits_and_why_they_matched(client):
    answer = search(client, expression="(or text:jane (and text:john city:oslo (prefix text:smi)))", limit=5, why=True)
    assert ids(answer) == ["p1", "p3"]
    assert answer["total"] == 2
    assert answer["hits"][0]["why"] == {
        "terms": ["text:john", "text:smith", "city:oslo"],
        "cosine": {},
        "approximate": None,
        "in_common": {},
    }
    stored = {"name": "John Smith", "city": "Oslo", "year": 1990, "friends": ["p2", "p3"], "static_rank": 4.0}
    assert answer["hits"][0]["stored"] == stored
    assert answer["hits"][0]["score"] == 4.0
    assert 0 < answer["search_ms"] <= answer["took_ms"]
    assert answer["search_id"] is None
    assert search(client, expression="text:john")["hits"][0]["why"] is None  # which costs more than the search


def test_an_expression_brings_its_vectors(client):
    vector = UNIFIED.encode_requests(pa.table({"query": ["jane"], "city": ["Oslo"]}))[0].tolist()
    answer = search(client, expression="(nn people :k 1 :vector mine)", vectors={"mine": vector}, why=True)
    assert ids(answer) == ["p3"]
    why = answer["hits"][0]["why"]
    assert why["cosine"]["mine"] == pytest.approx(answer["hits"][0]["score"], abs=1e-6)
    assert why["approximate"] is False


def test_a_limit_cuts_the_hits_and_not_the_total(client):
    assert (len(search(client, expression="text:john", limit=0)["hits"]), MAX_LIMIT) == (0, 1000)
    answer = search(client, expression="text:john", limit=2)
    assert (ids(answer), answer["total"]) == (["p1", "p2"], 3)


@pytest.mark.parametrize(
    ("mode", "expression", "found"),
    [
        ("boolean", "(and text:john text:smyth)", {"p2"}),
        ("embedding", "(nn people :k 100 :recall 0.95)", {"p1", "p2", "p3", "p/4"}),
        ("hybrid", "(or text:john text:smyth (nn people :k 100 :recall 0.95))", {"p1", "p2", "p3", "p/4"}),
        (None, "(or text:john text:smyth (nn people :k 100 :recall 0.95))", {"p1", "p2", "p3", "p/4"}),
    ],
)
def test_a_text_becomes_the_verticals_expression(client, mode, expression, found):
    answer = search(client, text="John SMYTH", mode=mode)
    assert (answer["expression"], set(ids(answer))) == (expression, found)


def test_the_searcher_decides_among_people_of_one_name(client):
    oslo = search(client, text="john smith", searcher="p3", limit=1, why=True)
    assert (ids(oslo), oslo["hits"][0]["why"]["in_common"]) == (["p1"], {"city": "Oslo"})
    bergen = search(client, text="john smith", searcher={"city": "Bergen"}, limit=2, why=True)
    assert set(ids(bergen)) == {"p2", "p/4"}
    assert bergen["hits"][0]["why"]["in_common"] == {"city": "Bergen"}


def test_friends_in_common_are_named_where_the_searcher_is_a_document(collection, start):
    log_free = start(collection, [UNIFIED], searchers=SEARCHERS)
    answer = search(log_free, text="x", searcher="p2", why=True)
    hits = {hit["doc_id"]: hit["why"]["in_common"] for hit in answer["hits"]}
    assert hits["p3"] == {"friends": ["p1"]}
    assert hits["p/4"] == {"city": "Bergen"}


def test_mode_embedding_takes_any_key_that_has_a_model(client):
    by_text = search(client, text="john smith", searcher="p3", mode="embedding", key="people-text", why=True)
    assert by_text["expression"] == "(nn people-text :k 100 :recall 0.95)"
    scores = {hit["doc_id"]: hit["score"] for hit in by_text["hits"]}
    assert scores["p1"] == scores["p2"] == scores["p/4"]  # the text alone cannot tell them apart
    assert by_text["hits"][0]["why"]["approximate"] is False  # without a calibration all clusters are read
    assert "no model encodes 'nothing'" in refused(client, text="x", mode="embedding", key="nothing")["detail"]


def test_an_expression_beside_a_text_gets_its_vectors_from_the_models(client):
    answer = search(client, expression="(and city:oslo (nn people-text :k 4))", text="jane doe", explain=True)
    assert ids(answer) == ["p3", "p1"]
    assert answer["notices"]
    assert answer["explanation"]["expression"].startswith("(and")


def test_a_hit_says_whether_clusters_were_left_out(tmp_path, start):
    with Collection.create(tmp_path / "many", {"clip": 4}) as many:
        vectors = np.random.default_rng(0).normal(size=(20_000, 4)).astype(np.float32)
        doc_ids = [f"d{i}" for i in range(len(vectors))]
        many.upsert(pa.table({"doc_id": doc_ids, "embedding:clip": list(vectors)}))
        many.train()
        num_clusters = many.snapshot().quantizers["clip"].coarse.num_clusters
        assert num_clusters > 1
        client = start(many)
        asked = {":nprobe 1": True, f":nprobe {num_clusters}": False, ":recall 0.9": True, ":scan 5": True}
        for how, approximate in asked.items():
            expression = f"(nn clip :k 1 {how})"
            (hit,) = search(client, expression=expression, vectors={"clip": [1, 0, 0, 0]}, why=True)["hits"]
            assert hit["why"]["approximate"] is approximate


def test_order_by_is_passed_on(client):
    assert ids(search(client, expression="text:john", order_by={"bm25": 1, "static_rank": -1}))[0] == "p/4"
    assert "no stored column 'cost'" in refused(client, expression="text:john", order_by="cost")["detail"]


def test_hits_come_by_stored_columns_page_by_page(client):
    order = ["city desc", {"static_rank": -1}]
    whole = search(client, expression="(prefix text:)", order_by=order, limit=100)
    cities = [hit["stored"]["city"] for hit in whole["hits"]]
    assert cities == sorted(cities, reverse=True)
    assert len(set(cities)) > 1
    page, pages = search(client, expression="(prefix text:)", order_by=order, limit=2), []
    while page["hits"]:
        pages += ids(page)
        page = search(client, expression="(prefix text:)", order_by=order, limit=2, after=page["cursor"])
    assert pages == ids(whole)
    assert page["cursor"] is None
    assert ids(search(client, expression="(prefix text:)", order_by=order, limit=2, offset=1)) == pages[1:3]
    assert "$.offset" in refused(client, expression="text:john", offset=10_001)["detail"]
    assert "after: expected the cursor" in refused(client, expression="text:john", after="?")["detail"]


def test_facets_count_the_whole_result(client):
    facets = {
        "cities": {"column": "city", "top": 1},
        "friends": {"column": "friends"},
        "years": {"column": "year", "edges": [1985, 1990]},
        "places": {"prefix": "city:"},
        "decades": {"column": "year", "interval": 10},
    }
    whole = search(client, expression="(prefix text:)", limit=100)["hits"]
    answer = search(client, expression="(prefix text:)", limit=1, facets=facets)["facets"]
    cities = collections.Counter(hit["stored"]["city"] for hit in whole)
    (most,) = answer["cities"]["buckets"]
    assert most["count"] == max(cities.values()) == cities[most["value"]]
    assert (answer["cities"]["num_values"], answer["cities"]["missing"]) == (len(cities), 0)
    friends = collections.Counter(friend for hit in whole for friend in hit["stored"]["friends"] or ())
    assert {one["value"]: one["count"] for one in answer["friends"]["buckets"]} == friends
    assert [one["value"] for one in answer["years"]["buckets"]] == [[None, 1985], [1985, 1990], [1990, None]]
    assert sum(one["count"] for one in answer["years"]["buckets"]) + answer["years"]["missing"] == len(whole)
    decades = collections.Counter(hit["stored"]["year"] // 10 for hit in whole if hit["stored"]["year"] is not None)
    spans = {decade: [10 * decade, 10 * decade + 10] for decade in range(min(decades), max(decades) + 1)}
    assert answer["decades"]["buckets"] == [{"value": spans[one], "count": decades[one]} for one in spans]
    assert {one["value"]: one["count"] for one in answer["places"]["buckets"]} == {
        city.lower(): count for city, count in cities.items()
    }
    assert answer["places"]["missing"] is None
    assert search(client, text="john smith", facets=facets)["facets"].keys() == facets.keys()
    assert search(client, expression="text:john")["facets"] == {}


@pytest.mark.parametrize(
    ("facet", "message"),
    [
        ({"column": "ctiy"}, "facet 'f': needs a stored column of strings, lists of strings, numbers"),
        ({"column": "ctiy"}, "there is no 'ctiy'; the collection has: city"),
        ({"column": "city", "edges": [1]}, "edges need a column of numbers, booleans or times, but 'city' is string"),
        ({}, "facet 'f': give a column or a prefix of terms, one of them"),
        ({"column": "city", "top": 0}, ">= 1 - at `$.facets[...].top`"),
        ({"column": "year", "interval": "decade"}, "Invalid enum value 'decade' - at `$.facets[...].interval`"),
        ({"column": "year", "interval": 0}, "an interval is a number above 0, or"),
        ({"colum": "city"}, "unknown field `colum` - at `$.facets[...]`"),
    ],
)
def test_what_no_facet_can_be(client, facet, message):
    assert message in refused(client, expression="text:john", facets={"f": facet})["detail"]


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({}, "give an expression, or a text"),
        ({"expression": "(and a", "limit": 3}, "offset 0: this parenthesis is never closed"),
        ({"expression": "(nn people :k 3)"}, "needs the request's vector 'people'"),
        (
            {"expression": "(nn people :k 3)", "vectors": {"people": [1, 2]}},
            "'people' has 8 dimensions, got 2",
        ),
        ({"expression": "(nn people :k 3)", "vectors": {"people": [0] * 8}}, "is zero"),
        ({"expression": "(nn people :k 3)", "vectors": {"people": ["a"]}}, "Expected `float`, got `str`"),
        ({"expression": "a", "mode": "boolean"}, "leave them out beside an expression"),
        ({"expression": "a", "searcher": "p3"}, "a searcher belongs to a text"),
        ({"text": "a", "mode": "magic"}, "Invalid enum value 'magic' - at `$.mode`"),
        ({"text": "a", "mode": "boolean", "key": "people"}, "mode boolean has none: leave it out"),
        ({"text": "a", "searcher": "p99"}, "searcher 'p99' is not in the table of searchers"),
        ({"text": "a", "searcher": {"ctiy": "Oslo"}}, "unknown column 'ctiy'; did you mean 'city'?"),
        ({"text": "a", "searcher": {"city": 7}}, "searcher, column 'city', row 0: '7' is no string"),
        ({"text": "a" * (MAX_TEXT + 1)}, "length <= 1000"),
        ({"text": "a", "limit": MAX_LIMIT + 1}, "<= 1000"),
        ({"text": "a", "limit": -1}, ">= 0"),
        ({"text": "a", "limit": 1.5}, "Expected `int`, got `float` - at `$.limit`"),
        ({"text": "a", "limt": 5}, "unknown field `limt`"),
    ],
)
def test_a_mistake_is_a_400_that_says_what_to_do(client, request_body, message):
    answer = refused(client, **request_body)
    assert message in answer["detail"]
    assert ("offset" in answer) == answer["detail"].startswith("offset")


def test_a_hit_is_shown_as_it_was_when_it_was_scored(client, collection, monkeypatch):
    """A document that comes and goes while a request is answered, and one that is replaced meanwhile."""
    whole = Collection.search

    def jane(doc_id, city):
        row = DOCUMENTS.slice(2, 1).set_column(0, "doc_id", [[doc_id]]).set_column(2, "city", [[city]])
        return indexed(row, (TEXT, UNIFIED), datetime.datetime.now(datetime.UTC)).documents

    def search_while_others_write(self, *arguments, **page):
        self.upsert(jane("fleeting", "Bergen"))
        result = whole(self, *arguments, **page)
        self.delete(["fleeting"])
        self.upsert(jane("p3", "Bergen"))
        return result

    monkeypatch.setattr(Collection, "search", search_while_others_write)
    answer = search(client, expression="(or (and text:jane city:oslo) (and text:jane city:bergen))", why=True)
    shown = {hit["doc_id"]: (hit["stored"]["city"], hit["why"]["terms"]) for hit in answer["hits"]}
    assert shown == {
        "fleeting": ("Bergen", ["text:jane", "city:bergen"]),
        "p3": ("Oslo", ["text:jane", "city:oslo"]),
    }


def test_thousands_of_hostile_bodies_get_an_answer_below_500(client):
    rng = np.random.default_rng(2)
    pieces = [b'{"text":', b'"john"', b'"(nn people :k 3)"', b',"expression":', b"null", b"{", b"}", b"[", b"1e999"]
    pieces += [b',"limit":', b"-1", b'"\xff"', b',"vectors":{"people":[1]}', b',"searcher":', b'"p3"', b"{}"]
    for _ in range(1500):
        body = b"".join(pieces[i] for i in rng.integers(0, len(pieces), rng.integers(1, 8))) + b"}"
        answer = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400)


def test_why_a_document_is_found_or_not(client):
    """Node by node, by the same expression and vector as the search, with its place in the whole order."""

    def why(doc_id, **asked):
        answer = client.post("/v1/search/why", json={"search": asked, "doc_id": doc_id})
        assert answer.status_code == 200, answer.text
        return answer.json()

    asked = {"text": "john", "searcher": "p3"}
    order = ids(search(client, **asked, limit=10))
    for place, doc_id in enumerate(order, start=1):
        found = why(doc_id, **asked, limit=1, offset=3)
        assert (found["matches"], found["position"]) == (True, place)
    assert found["models"] == {"people": "model of people"}
    assert found["expression"] == search(client, **asked)["expression"]
    lacking = why("p3", expression="(and city:oslo text:john)")
    assert (lacking["matches"], lacking["position"]) == (False, None)
    assert [child["matches"] for child in lacking["reason"]["children"]] == [True, False]
    assert client.post("/v1/search/why", json={"search": asked, "doc_id": "gone"}).status_code == 404
