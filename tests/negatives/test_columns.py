"""All sources behind one interface: columns, who may take them, what they count for; and never a known positive."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.negatives import (
    KnownPositives,
    OwnNegatives,
    RandomDocuments,
    Shard,
    batch_columns,
    hard_of,
)

DOCUMENTS = 12  # so few that accidental hits are the rule


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(0, 20), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_source_ever_gives_a_known_positive(seed: int, num_pairs: int, count: int, others: bool) -> None:
    rng = np.random.default_rng(seed)
    positives = rng.integers(0, DOCUMENTS, num_pairs)
    _, groups = np.unique(rng.integers(0, 5, num_pairs), return_inverse=True)
    known = KnownPositives.of(groups, positives)
    shard = Shard.drawn(DOCUMENTS, 0.8, (1, DOCUMENTS), rng)
    ranked = rng.random((num_pairs, len(shard.documents))).argsort(axis=1)[:, : shard.last]
    mined = OwnNegatives.of(*hard_of(ranked, shard, rng), num_pairs, per_positive=2)
    shown = OwnNegatives.of(rng.integers(0, num_pairs, 40), rng.integers(0, DOCUMENTS, 40), num_pairs, per_positive=1)
    batch = rng.permutation(num_pairs)[: rng.integers(1, num_pairs + 1)]
    columns = batch_columns(
        batch, positives[batch], others, [RandomDocuments(DOCUMENTS, count), shown, mined], known, rng
    )
    chosen = {(group, document) for group, document in zip(groups.tolist(), positives.tolist(), strict=True)}
    for row, column in np.argwhere(columns.allowed):
        assert (groups[batch[row]], columns.documents[column]) not in chosen
    assert columns.documents[: len(batch)].tolist() == positives[batch].tolist()
    assert columns.allowed.shape == (len(batch), len(columns.documents))
    if not others:
        assert not columns.allowed[:, : len(batch)].any()


def test_own_negatives_are_of_their_request_alone_and_count_as_said() -> None:
    own = OwnNegatives.of(np.array([2, 0, 2]), np.array([7, 5, 9]), num_pairs=3, per_positive=50)
    drawn = own.draw(np.array([2, 1, 0]), np.random.default_rng(0))
    assert drawn.allowed.sum(axis=0).tolist() == [1] * 100
    assert drawn.allowed.sum(axis=1).tolist() == [50, 0, 50]  # pair 1 has none
    assert set(drawn.documents[drawn.allowed[0]]) == {7, 9}
    assert set(drawn.documents[drawn.allowed[2]]) == {5}
    assert (drawn.weights == 1.0).all()


def test_a_source_is_seeded() -> None:
    own = OwnNegatives.of(np.repeat(np.arange(4), 10), np.arange(40), num_pairs=4, per_positive=3)
    for source in (own, RandomDocuments(1000, 20)):
        first, same, other = (source.draw(np.arange(4), np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first.documents.tolist() == same.documents.tolist() != other.documents.tolist()
