"""Long loops end early where the answer is not wanted, and nothing of a part of an answer is used."""

import ctypes

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import DeadlineError
from alicorn.language.prepared import Words
from alicorn.query import Collection, Facet
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.nearest import k_nearest
from alicorn.query.nn.probe import Probe
from alicorn.query.text.bm25 import first_of_words
from alicorn.query.wanted import as_long_as, check_wanted

COUNT = 20_000


class Patient:
    """Whose flag is set after so many checks."""

    def __init__(self, checks: int) -> None:
        self._left, self._flag = checks, ctypes.c_int64(0)
        self.address = ctypes.addressof(self._flag)

    def check(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise DeadlineError("over")

    def set(self) -> None:
        self._flag.value = 1


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory):
    rng = np.random.default_rng(3)
    with Collection.create(tmp_path_factory.mktemp("wanted") / "c", {"v": 8}) as made:
        vectors = pa.array(rng.normal(size=COUNT * 8).astype(np.float32))
        terms = [["text:all", f"text:w{row % 3}"] for row in range(COUNT)]
        columns = {"doc_id": [f"d{row}" for row in range(COUNT)], "terms": terms, "static_rank": rng.random(COUNT)}
        columns |= {
            "price": rng.integers(0, 50, COUNT),
            "tags": [[f"t{row % 7}", f"t{row % 5}"] for row in range(COUNT)],
        }
        made.upsert(pa.table(columns | {"embedding:v": pa.FixedSizeListArray.from_arrays(vectors, 8)}))
        made.flush()
        made.train(num_clusters=16)
        yield made


def test_the_loops_end_where_the_flag_is_set(collection):
    snapshot, query = collection.snapshot(), np.ones(8, dtype=np.float32) / np.sqrt(np.float32(8))

    def work():
        counters = Counters()
        k_nearest(snapshot, "v", Probe(snapshot.quantizers["v"], query, None), COUNT, None, counters)
        _, _, total = first_of_words(snapshot, 0, Words(False, ("text:all", "text:w1")), 10, 0.0)
        return counters.documents_scanned, total

    assert work() == (COUNT, COUNT)
    patient = Patient(checks=1000)
    with as_long_as(patient):
        assert work() == (COUNT, COUNT)
        patient.set()
        scanned, total = work()
    assert (scanned, total) == (0, 0)


def test_a_search_is_left_at_whatever_stage(collection):
    """With a nearest neighbour, words and facets: it is answered whole or not at all."""
    asked = "(or (and text:all text:w1) (nn v :k 10))"

    def search():
        facets = {"words": Facet(prefix="text:", top=10)}
        return collection.search(asked, {"v": [1.0] * 8}, order_by={"nn": 1, "bm25": 1}, facets=facets).ids

    whole, left = search(), 0
    while True:
        with as_long_as(Patient(checks=left)):
            try:
                assert search() == whole
                break
            except DeadlineError:
                left += 1
    assert left >= 6
    check_wanted()  # nobody waits for anything any more


@pytest.mark.parametrize("expression", ["text:all", "text:w1"])
@pytest.mark.parametrize("facet", [Facet("price"), Facet("tags"), Facet("price", edges=(0.0, 10.0, 50.0))])
def test_counting_a_facet_looks_whether_it_is_wanted_once_a_part(collection, monkeypatch, expression, facet):
    """So it overruns by the time of a part, whatever the machine does besides."""

    def counted():
        return collection.search(expression, limit=0, facets={"f": facet}).facets["f"]

    whole, few, many = counted(), CountingChecks(), CountingChecks()
    monkeypatch.setattr("alicorn.query.facets.count._AT_ONCE", 500)
    with as_long_as(few):
        collection.search(expression, limit=0)
    with as_long_as(many):
        assert counted() == whole
    assert many.checks - few.checks >= (COUNT if expression == "text:all" else COUNT // 3) // 500
    with as_long_as(Patient(checks=many.checks - 3)), pytest.raises(DeadlineError):
        counted()


class CountingChecks(Patient):
    """Who waits for ever, and counts."""

    def __init__(self) -> None:
        super().__init__(checks=0)
        self.checks = 0

    def check(self) -> None:
        self.checks += 1
