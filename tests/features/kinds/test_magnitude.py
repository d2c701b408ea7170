"""A number too large for the arithmetic of the towers is refused by table, column and row."""

import numpy as np
import pyarrow as pa
import pytest
from channel_names import document

from alicorn.errors import TableError
from alicorn.features import Featurizer, TextSettings
from alicorn.vertical import DenseFeature, IdsFeature, VectorsFeature

FEATURES = {
    "clusters": IdsFeature(kind="ids", column="clusters", weights="shares"),
    "social": DenseFeature(kind="dense", column="social", dim=2),
    "images": VectorsFeature(kind="vectors", column="images", dim=2),
}


def table(share: float = 0.5, social: float = 0.5, image: float = 0.5) -> pa.Table:
    """Row 2 has the values given; in several chunks, as files give them."""
    rows = {
        "clusters": pa.array([["a"], None, ["a", "b"]]),
        "shares": pa.array([[1.0], None, [0.5, share]], pa.list_(pa.float64())),
        "social": pa.array([[0.0, 1.0], None, [social, 1.0]], pa.list_(pa.float64())),
        "images": pa.array(
            [[[1.0, 0.0], [0.0, 1.0]], None, [[0.0, 1.0], [image, 0.0]]], pa.list_(pa.list_(pa.float64()))
        ),
    }
    whole = pa.table(rows)
    return pa.concat_tables([whole.slice(0, 1), whole.slice(1, 2)])


def featurizer() -> Featurizer:
    return Featurizer("document", FEATURES, {document("clusters"): (10,)}, TextSettings(), {})


def test_numbers_that_can_be_computed_with_pass() -> None:
    found = featurizer().transform(table(share=1e12, social=-1e12, image=65_504.0))
    for channel in found.channels.values():
        for array in [channel] if isinstance(channel, np.ndarray) else list(vars(channel).values()):
            assert np.isfinite(array).all()


@pytest.mark.parametrize(
    ("given", "column"),
    [({"share": 1.1e12}, "shares"), ({"social": -1e300}, "social"), ({"image": 65_536.0}, "images")],
)
def test_others_are_refused_by_name(given: dict[str, float], column: str) -> None:
    with pytest.raises(TableError, match=rf"table documents, column '{column}': a number beyond .*first bad row 2 "):
        featurizer().transform(table(**given))
