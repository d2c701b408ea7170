"""The six representations of a query: each is what its name says, at the shapes of the paper."""

import torch

from alicorn.towers.channels.attention import present_of
from alicorn.towers.semantic.unit import QueryVectors, SemanticUnit
from alicorn.towers.settings.semantic import GRANULARITIES

DIM = 8


def queries() -> QueryVectors:
    torch.manual_seed(0)
    lengths = torch.tensor([3, 0, 2])
    segments = torch.randn(3, 4, DIM) * present_of(lengths, 4)[:, :, None]
    asked = torch.tensor([[True, True], [True, False], [False, False]])
    history = torch.randn(3, 2, DIM) * asked[:, :, None]
    return QueryVectors(torch.randn(3, DIM), torch.randn(3, DIM), segments, lengths, history, asked)


def test_six_tokens_of_which_the_last_is_the_sum() -> None:
    torch.manual_seed(1)
    unit, query = SemanticUnit(GRANULARITIES, DIM, heads=2, layers=1), queries()
    tokens = unit(query)
    assert tokens.shape == (3, 6, DIM)
    unigrams, bigrams, segments, sequence, history, mix = tokens.unbind(dim=1)
    torch.testing.assert_close(unigrams, query.unigrams)
    torch.testing.assert_close(bigrams, query.bigrams)
    torch.testing.assert_close(segments[0], query.segments[0, :3].mean(dim=0))
    weights = torch.softmax(query.history[0] @ segments[0], dim=0)
    torch.testing.assert_close(history[0], weights @ query.history[0])
    torch.testing.assert_close(history[1], query.history[1, 0])  # the only past query
    assert history[2].abs().max() == 0
    torch.testing.assert_close(mix, unigrams + bigrams + segments + sequence + history)
    assert sequence[1].abs().max() == 0  # a query without a word


def test_only_the_sequence_knows_the_order_of_segments() -> None:
    torch.manual_seed(1)
    unit, query = SemanticUnit(GRANULARITIES, DIM, heads=2, layers=1), queries()
    turned = query._replace(segments=query.segments[:, [1, 0, 2, 3]])
    with torch.no_grad():
        before, after = unit(query)[0], unit(turned)[0]
    torch.testing.assert_close(before[2], after[2])
    assert (before[3] - after[3]).abs().max() > 1e-3


def test_a_choice_of_granularities() -> None:
    query = queries()
    one = SemanticUnit(["segments"], DIM, heads=2, layers=1)
    assert one(query).shape == (3, 1, DIM)
    assert not list(one.parameters())
    two = SemanticUnit(["unigrams", "segments"], DIM, heads=2, layers=1)(query)
    assert two.shape == (3, 3, DIM)
    torch.testing.assert_close(two[:, 2], two[:, 0] + two[:, 1])
