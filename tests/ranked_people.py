"""A ranker over the collection of served_people, whose forest says the opposite of the static rank."""

import lightgbm as lgb
import numpy as np
from served_people import UNIFIED, VERTICAL

from alicorn.ranking.features import FeatureSet
from alicorn.ranking.forest import Forest
from alicorn.ranking.ranker import Ranker, header_of

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "cosine": {"kind": "cosine", "key": "people"},
            "matched": {"kind": "matched", "prefix": "text"},
            "rank": {"kind": "static_rank"},
            "same_city": {"kind": "common", "document": "city", "searcher": "city"},
        }
    }
)


def forest_text(features=FEATURES):
    """Learned from rows in which a document is the better, the smaller its static rank from 1 to 4."""
    rng = np.random.default_rng(0)
    rows = rng.random((400, len(features.names)))
    rows[:, features.names.index("rank")] = np.tile([1.0, 2.0, 3.0, 4.0], 100)
    data = lgb.Dataset(rows, np.tile([3, 2, 1, 0], 100), group=[4] * 100, feature_name=list(features.names))
    parameters = {"objective": "lambdarank", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lgb.train(parameters, data, num_boost_round=3).model_to_string()


def save_ranker(folder, features=FEATURES):
    folder.mkdir()
    text = forest_text(features)
    header = header_of(features, VERTICAL, {"people": UNIFIED.fingerprint}, {})
    Ranker(header, features, Forest.read(text), None).save(folder, text)
    return folder
