"""A model in threads, in forked and in pickled copies gives the vectors that it gives alone."""

import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from towers_toy import documents, toy_model

from alicorn.errors import ModelError
from alicorn.towers import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return toy_model({"fusion": {"kind": "attention"}})


def test_threads_may_share_a_model(model: Model) -> None:
    wanted = model.encode_documents(documents())
    found: list[np.ndarray] = []

    def work() -> None:
        found.extend(model.encode_documents(documents()) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    for vectors in found:
        np.testing.assert_allclose(vectors, wanted, atol=1e-6)


def test_a_pickled_model_gives_the_same_vectors(model: Model) -> None:
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(copy.encode_documents(documents()), model.encode_documents(documents()), atol=1e-6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_threads_that_only_the_parent_has(model: Model) -> None:
    many = documents().take(np.arange(4000) % len(documents()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.randn(2000, 2000).sum()  # in parallel, so that there are threads
        wanted = model.encode_documents(many)
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=lambda: queue.put((torch.get_num_threads(), model.encode_documents(many)[:4])))
        child.start()
    finally:
        torch.set_num_threads(before)
    child.join(60)
    alive = child.is_alive()
    child.kill()
    assert not alive
    threads, found = queue.get()
    assert threads == 1
    np.testing.assert_allclose(found, wanted[:4], atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_of_a_data_loader_may_encode(model: Model) -> None:
    rows = [documents().slice(row, 1) for row in range(4)]
    loader = DataLoader(rows, batch_size=None, num_workers=2, collate_fn=model.encode_documents)  # type: ignore[arg-type]
    found = np.concatenate(list(loader))
    np.testing.assert_allclose(found, model.encode_documents(documents()), atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e25])
def test_a_model_whose_vectors_have_no_length_says_so_instead_of_giving_them(value: float) -> None:
    broken = toy_model()
    with torch.no_grad():
        broken.module.document.linear.weight[:] = value
    with pytest.raises(ModelError, match=r"has no vector for row 0 of the documents .* such rows.*: train again"):
        broken.encode_documents(documents())
