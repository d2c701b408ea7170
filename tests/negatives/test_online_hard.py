"""The hardest allowed positives of others, and no more than asked."""

import torch

from alicorn.negatives import online_hard


def test_the_most_similar_allowed_columns_are_kept() -> None:
    similarity = torch.tensor([[1.0, 0.9, 0.2, 0.8], [0.1, 1.0, 0.3, 0.2], [0.5, 0.4, 1.0, 0.6], [0.1, 0.2, 0.3, 1.0]])
    allowed = ~torch.eye(4, dtype=torch.bool)
    allowed[0, 1] = False  # a known positive, although the most similar
    kept = online_hard(similarity, allowed, per_positive=2)
    assert kept.tolist() == [
        [False, False, True, True],
        [False, False, True, True],
        [True, False, False, True],
        [False, True, True, False],
    ]


def test_two_by_default_and_fewer_where_fewer_are_allowed() -> None:
    similarity = torch.rand(6, 6, generator=torch.Generator().manual_seed(0))
    allowed = ~torch.eye(6, dtype=torch.bool)
    allowed[0, 1:] = False
    allowed[1, 2:] = False
    assert online_hard(similarity, allowed).sum(dim=1).tolist() == [0, 1, 2, 2, 2, 2]
    assert online_hard(similarity[:1, :1], allowed[:1, :1]).tolist() == [[False]]
