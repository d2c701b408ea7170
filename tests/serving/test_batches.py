"""Several searches over one snapshot, and suggestions of terms."""

from asgi_client import ids, search

from alicorn.query import Collection


def test_each_search_of_a_batch_is_answered_as_alone_or_with_its_own_problem(client):
    searches = [{"expression": "text:john"}, {"expression": "(and"}, {"text": "jane", "limit": 1}, {"order_by": "x"}]
    answer = client.post("/v1/search/batch", json={"searches": searches}).json()
    first, broken, third, empty = answer["answers"]
    assert ids(first["answer"]) == ids(search(client, expression="text:john"))
    assert ids(third["answer"]) == ids(search(client, text="jane", limit=1))
    assert (broken["problem"]["type"], broken["problem"]["offset"]) == ("urn:alicorn:problem:expression", 0)
    assert empty["problem"]["status"] == 400


def test_a_batch_sees_one_snapshot(client, collection, monkeypatch):
    search_of = Collection.search

    def writing(self, *arguments, **options):
        found = search_of(self, *arguments, **options)
        self.delete(["p1"])
        return found

    monkeypatch.setattr(Collection, "search", writing)
    answer = client.post("/v1/search/batch", json={"searches": [{"expression": "text:john"}] * 3}).json()
    assert [one["answer"]["total"] for one in answer["answers"]] == [3, 3, 3]
    assert collection.get("p1") is None


def test_a_batch_has_at_least_one_search_and_at_most_a_hundred(client):
    for searches in ([], [{"expression": "a"}] * 101):
        assert client.post("/v1/search/batch", json={"searches": searches}).status_code == 400


def test_terms_that_begin_so_come_by_the_number_of_their_documents(client):
    answer = client.get("/v1/suggest", params={"begins": "text:S"}).json()
    assert answer == {
        "suggestions": [{"term": "text:smith", "count": 2}, {"term": "text:smyth", "count": 1}],
        "queries": [],
    }
    assert len(client.get("/v1/suggest", params={"begins": "text:s", "limit": 1}).json()["suggestions"]) == 1
    assert client.get("/v1/suggest", params={"begins": "nothing:"}).json() == {"suggestions": [], "queries": []}
    assert "query.begins is missing" in client.get("/v1/suggest").json()["detail"]
    assert client.get("/v1/suggest?begins=").status_code == 400
