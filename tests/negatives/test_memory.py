"""The memory of past batches is first in, first out, and a restored one goes on alike."""

from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.negatives import Memory


@given(st.integers(1, 12), st.lists(st.integers(1, 15), max_size=8), st.integers(0, 4), st.integers(0, 8))
@settings(max_examples=80, deadline=None)
def test_it_keeps_what_a_queue_keeps(size: int, batches: list[int], warm_up: int, cut: int) -> None:
    memory = Memory(size, 2, warm_up)
    queue: deque[tuple[int, float]] = deque(maxlen=size)
    number = 0
    for pushed, batch in enumerate(batches):
        documents = np.arange(number, number + batch)
        embeddings = torch.stack([torch.from_numpy(documents), -torch.from_numpy(documents)], dim=1).float()
        memory.push(embeddings, documents, torch.from_numpy(documents / 10).float())
        queue.extend((int(document), document / 10) for document in documents)
        number += batch
        if pushed == cut:  # a checkpoint, and a run that goes on from it
            state = memory.state()
            memory = Memory(size, 2, warm_up)
            memory.load_state(state)
    kept = memory.remembered()
    if len(batches) < warm_up:
        assert len(kept.documents) == 0
        return
    assert sorted(kept.documents.tolist()) == sorted(document for document, _ in queue)
    found = zip(kept.documents.tolist(), kept.log_q.tolist(), kept.embeddings.tolist(), strict=True)
    for document, log_q, embedding in found:
        assert log_q == pytest.approx(document / 10)
        assert embedding == [document, -document]


def test_no_gradient_goes_into_it() -> None:
    memory = Memory(4, 2, 0)
    embeddings = torch.ones(3, 2, requires_grad=True)
    memory.push(embeddings * 2.0, np.arange(3), None)
    assert not memory.remembered().embeddings.requires_grad
    assert memory.remembered().log_q.tolist() == [0.0, 0.0, 0.0]
