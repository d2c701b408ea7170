"""Behaviour read by a query: LSTM against a loop, means by kind, and the zero vector, which training learns to use."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from alicorn.towers.channels.attention import present_of, read
from alicorn.towers.semantic.behaviour import RealTime, ShortTerm, means_by_kind

DIM = 8


def test_real_time_is_two_layers_with_a_residual_and_then_attention() -> None:
    torch.manual_seed(0)
    path = RealTime(DIM, heads=2).eval()
    lengths = torch.tensor([4, 2, 0])
    elements = torch.randn(3, 4, DIM) * present_of(lengths, 4)[:, :, None]
    together = path(elements, lengths)
    assert together.shape == (3, 4, DIM)
    for row, length in enumerate(lengths.tolist()):
        assert together[row, length:].abs().max() == 0 if length < 4 else True
        if length:
            lower = path.first(elements[row : row + 1, :length])[0]
            upper = path.second(lower)[0] + lower
            expected = path.attention(upper, torch.ones(1, length, dtype=torch.bool))[0]
            torch.testing.assert_close(together[row, :length], expected)
    path.train()
    torch.manual_seed(1)
    assert (path(elements, lengths) - together).abs().max() > 1e-3  # dropout


def test_real_time_knows_the_order_and_short_term_does_not() -> None:
    torch.manual_seed(0)
    elements, lengths = torch.randn(1, 3, DIM), torch.tensor([3])
    turned = elements[:, [2, 1, 0]]
    for path, ordered in ((RealTime(DIM, 2).eval(), True), (ShortTerm(DIM, 2), False)):
        with torch.no_grad():
            change = (path(elements, lengths).sum(dim=1) - path(turned, lengths).sum(dim=1)).abs().max()
        assert (change > 1e-3) == ordered


def test_means_by_kind() -> None:
    elements = torch.randn(2, 4, DIM, generator=torch.Generator().manual_seed(0))
    kinds = torch.tensor([[5, 7, 5, 9], [7, 0, 0, 0]])
    means, present = means_by_kind(elements, kinds, torch.tensor([5, 7]))
    torch.testing.assert_close(means[0, 0], elements[0, [0, 2]].mean(dim=0))
    torch.testing.assert_close(means[0, 1], elements[0, 1])
    torch.testing.assert_close(means[1, 1], elements[1, 0])
    assert present.tolist() == [[True, True], [False, True]]
    assert means[1, 0].abs().max() == 0


class Shop(nn.Module):
    """A query tower over one category of `NUM` per query; behaviour is one document of a category and a brand."""

    def __init__(self, zero_vector: bool) -> None:
        super().__init__()
        self.query = nn.Embedding(NUM, 16)
        self.category, self.brand = nn.Embedding(NUM, 16), nn.Embedding(NUM, 16)
        self.short = ShortTerm(16, 2)
        self.zero_vector = zero_vector
        for table in (self.query, self.category, self.brand):
            nn.init.normal_(table.weight, std=0.1)  # as the rows of ids start in the towers

    def forward(self, query, categories, brands):  # type: ignore[no-untyped-def]
        wanted = self.query(query)[:, None, :]
        elements = self.category(categories) + self.brand(brands)
        lengths = torch.full((len(query),), categories.shape[1])
        seen = self.short(elements, lengths)
        found, weights = read(wanted, seen, present_of(lengths, seen.shape[1]), self.zero_vector)
        return (wanted + found)[:, 0], weights


NUM = 8


def searches(count: int, generator: torch.Generator):  # type: ignore[no-untyped-def]
    """Half of the searchers had looked at the category they now ask for, and want that brand again; the others had
    looked at another category, and want any brand."""
    query, brand = (torch.randint(NUM, (count,), generator=generator) for _ in range(2))
    relevant = torch.rand(count, generator=generator) < 0.5
    other = (query + torch.randint(1, NUM, (count,), generator=generator)) % NUM
    target = torch.where(relevant, brand, torch.randint(NUM, (count,), generator=generator))
    return query, torch.where(relevant, query, other), brand, query * NUM + target, relevant


def test_irrelevant_behaviour_is_left_to_the_zero_vector() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    shop, documents = Shop(zero_vector=True), nn.Embedding(NUM * NUM, 16)
    learned = torch.optim.Adam([*shop.parameters(), *documents.parameters()], lr=0.01)
    for _ in range(400):
        query, category, brand, target, _ = searches(256, generator)
        loss = cross_entropy(shop(query, category[:, None], brand[:, None])[0] @ documents.weight.T, target)
        learned.zero_grad()
        loss.backward()
        learned.step()
    query, category, brand, target, relevant = searches(2000, generator)
    with torch.no_grad():
        vectors, weights = shop(query, category[:, None], brand[:, None])
        right = (vectors @ documents.weight.T).argmax(dim=1) == target
    nothing = weights[:, 0, 0]  # of the zero vector
    assert right[relevant].float().mean() > 0.9  # behaviour is read where it matters
    assert nothing[relevant].mean() < 0.2
    assert nothing[~relevant].mean() > 0.8
