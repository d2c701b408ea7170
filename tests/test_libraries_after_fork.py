"""Libraries with threads go on in a forked child; what a child must not share with its parent is given up."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import faiss
import numpy as np
import torch
from forked import in_child

from alicorn import Collection, processes
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.index.durability.writer_lock import WriterLock
from alicorn.quantization import KeyQuantizer, Settings

VECTORS = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def faiss_work() -> list[float]:
    found = []
    for codec in ("pq", "opq", "sq8"):
        quantizer = KeyQuantizer.train(VECTORS, 1, Settings(None, 8, codec, 4 if codec != "sq8" else None, None))
        found.append(float(quantizer.coarse.centroids.sum()))
    return [*found, float(exact_top_k(VECTORS[:50], VECTORS, 10)[1].sum())]


def test_faiss_trains_and_searches_in_a_child_of_a_process_that_did_so() -> None:
    assert faiss.omp_get_max_threads() >= 1
    np.testing.assert_allclose(eval(in_child(faiss_work)), faiss_work(), atol=1e-3)


def test_torch_computes_in_a_child_of_a_process_that_did_so() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        matrix = torch.randn(600, 600, generator=torch.Generator().manual_seed(1), requires_grad=True)

        def work() -> float:
            matrix.grad = None
            (matrix @ matrix).tanh().sum().backward()
            assert matrix.grad is not None
            return float(matrix.grad.abs().sum())

        expected = work()
        assert abs(float(in_child(work)) / expected - 1) < 1e-4
    finally:
        torch.set_num_threads(before)
    assert not processes.is_forked_with("torch")
    assert in_child(lambda: processes.is_forked_with("torch")) == "True"


class Holder:
    forgotten = 0

    def forget(self) -> None:
        self.forgotten += 1


def test_a_child_forgets_what_exists_and_the_parent_nothing() -> None:
    kept, dropped = Holder(), Holder()
    processes.forget_in_children(kept)
    processes.forget_in_children(dropped)
    del dropped
    gc.collect()
    assert in_child(lambda: (kept.forgotten, in_child(lambda: kept.forgotten))) == "(1, '2')"
    assert kept.forgotten == 0


def test_what_a_child_gave_up_or_was_closed_before_is_not_closed_again(tmp_path: Path) -> None:
    def num_open(files: list[int]) -> int:
        return sum(os.path.exists(f"/dev/fd/{number}") for number in files)

    def work() -> tuple[int, str]:
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]  # the numbers that were given up among them
        return num_open(files), in_child(lambda: num_open(files))

    released = WriterLock(tmp_path)
    released.release()
    with Collection.create(tmp_path / "open", {"clip": 2}):
        assert in_child(work) == "(20, '20')"
        file = os.open(os.devnull, os.O_RDONLY)
        assert in_child(lambda: num_open([file])) == "1"
        os.close(file)
