"""No source of negatives gives a known positive, and masking them changes what is learned."""

import numpy as np
import torch

from alicorn.losses import softmax_loss
from alicorn.negatives import KnownPositives, in_batch

GROUPS = np.array([0, 1, 0, 2, 0])  # pairs 0, 2 and 4 are one searcher's clicks for one query
DOCUMENTS = np.array([7, 8, 9, 7, 9])


def oracle(pairs: np.ndarray, columns: np.ndarray) -> np.ndarray:
    chosen = {(g, d) for g, d in zip(GROUPS, DOCUMENTS, strict=True)}
    return np.array([[(GROUPS[p], d) in chosen for d in columns] for p in pairs]).reshape(len(pairs), len(columns))


def test_the_positive_and_every_other_click_of_the_same_query_and_searcher_are_masked() -> None:
    known = KnownPositives.of(GROUPS, DOCUMENTS)
    mask = known.mask(np.array([0, 1, 3]), np.array([9, 8, 7, 3, 7]))
    assert mask.tolist() == [
        [True, False, True, False, True],  # 9 is a click of pairs 2 and 4, outside the batch
        [False, True, False, False, False],
        [False, False, True, False, True],  # 9 is the click of another searcher
    ]


def test_masks_equal_the_oracle() -> None:
    rng = np.random.default_rng(0)
    known = KnownPositives.of(GROUPS, DOCUMENTS)
    for _ in range(50):
        pairs, columns = rng.integers(0, 5, rng.integers(0, 5)), rng.integers(5, 12, rng.integers(0, 9))
        np.testing.assert_array_equal(known.mask(pairs, columns), oracle(pairs, columns))


def test_a_batch_of_the_same_positive_has_no_negative_in_it() -> None:
    known = KnownPositives.of(np.array([0, 1, 2]), np.array([5, 5, 5]))
    assert not (in_batch(3) & ~known.mask(np.arange(3), np.array([5, 5, 5]))).any()


def test_unmasked_accidental_hits_push_the_positive_away() -> None:
    """Two clicks of one searcher for one query: masked, both can end near; unmasked, they cannot."""
    known = KnownPositives.of(np.array([0, 0]), np.array([0, 1]))

    def final_loss(mask: bool) -> float:
        request = torch.tensor([0.0, 1.0, 0.0], requires_grad=True)
        documents = torch.nn.functional.normalize(
            torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]]), dim=1
        )
        columns, allowed = np.array([0, 1, 2]), np.hstack([in_batch(2), np.ones((2, 1), dtype=bool)])
        if mask:
            allowed &= ~known.mask(np.array([0, 1]), columns)
        optimizer = torch.optim.Adam([request], lr=0.1)
        for _ in range(100):
            unit = torch.nn.functional.normalize(request, dim=0)
            loss = softmax_loss(unit.expand(2, 3), documents, torch.from_numpy(allowed), 10.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    assert final_loss(mask=True) < 0.01
    assert final_loss(mask=False) > 0.5
