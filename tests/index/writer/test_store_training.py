"""When quantizers are trained, by which settings, and that clusters do not depend on the layout."""

from __future__ import annotations

import numpy as np
import pytest
from index_tables import assert_holds, fill

from alicorn.errors import ConfigError
from alicorn.index import Store
from alicorn.quantization import default_num_clusters


def test_training_starts_by_itself_and_again_after_growth(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("alicorn.index.writer.training.should_train", lambda count, last: count >= max(40, 4 * last))
    model = fill(store, 30)
    store.flush()
    assert store.snapshot().quantizers["a"].version == 0
    model |= fill(store, 40, prefix="e")
    store.flush()
    first = store.snapshot().quantizers["a"]
    assert first.version > 0
    assert first.num_clusters > 1
    assert first.codec.name == "sq8"
    model |= fill(store, 40, prefix="f")
    store.flush()
    assert store.snapshot().quantizers["a"].version == first.version
    model |= fill(store, 250, prefix="g")
    store.flush()
    assert store.snapshot().quantizers["a"].version > first.version
    assert_holds(store, model)
    assert len(list((store.path / "quantizers").iterdir())) == 1


def test_train_takes_settings_and_refuses_wrong_ones(store: Store) -> None:
    model = fill(store, 400)
    store.train(num_clusters=7, codec="opq", pq_bytes=2)
    quantizers = store.snapshot().quantizers
    assert {key: (q.num_clusters, q.codec.name, q.codec.code_size) for key, q in quantizers.items()} == {
        "a": (7, "opq", 2),
        "b": (7, "opq", 2),
    }
    for arguments, part in (
        ({"codec": "sq9"}, "none, sq8, pq, opq"),
        ({"num_clusters": 0}, "num_clusters"),
        ({"codec": "opq", "pq_bytes": 3}, "embedding 'a': pq_bytes must divide"),
        ({"key": "c"}, "key must be one of a, b, got 'c'"),
    ):
        with pytest.raises(ConfigError, match=part):
            store.train(**arguments)
    assert_holds(store, model)


def test_chosen_settings_hold_for_one_key_until_others_are_chosen(store: Store) -> None:
    fill(store, 400)
    store.train(num_clusters=7, codec="none", key="b")
    store.train()
    path = store.path
    store.close()
    with Store.open(path) as again:
        again.train()
        quantizers = again.snapshot().quantizers
        assert (quantizers["a"].num_clusters, quantizers["a"].codec.name) == (default_num_clusters(400), "sq8")
        assert (quantizers["b"].num_clusters, quantizers["b"].codec.name) == (7, "none")
        again.train(codec="sq8")
        assert again.snapshot().quantizers["b"].num_clusters == default_num_clusters(400)


def test_training_depends_on_the_vectors_not_on_the_layout(store: Store) -> None:
    fill(store, 400)
    store.train(num_clusters=7)
    first = store.snapshot().quantizers["a"].coarse.centroids
    store.train(num_clusters=3)
    store.train(num_clusters=7)
    np.testing.assert_array_equal(store.snapshot().quantizers["a"].coarse.centroids, first)


def test_the_cluster_of_a_document_survives_every_layout(store: Store) -> None:
    fill(store, 300)
    store.train(num_clusters=8)

    def clusters() -> dict[str, int]:
        found = {}
        for view in store.snapshot().segments:
            block = view.segment.embeddings["a"]
            for row, doc in enumerate(block.docs):
                found[view.segment.doc_ids[int(doc)].as_py()] = (
                    int(np.searchsorted(block.starts, row, side="right")) - 1
                )
        return found

    before = clusters()
    fill(store, 30)  # the same documents' first 30, with the same vectors
    store.flush()
    assert len(store.snapshot().segments) == 2
    assert clusters() == before
    store.merge()
    assert len(store.snapshot().segments) == 1
    assert clusters() == before
