"""What is a request, what is a document? Features in, unit-length embeddings out.

settings/     the `towers` section of a recipe          layout/    what it means for one vertical
tables/       embedding tables, hashed and deep hashed  channels/  each feature as a vector
fusions/      channels as one embedding                 semantic/  the towers of MGDSPR
two_tower.py  TwoTower: both encoders over shared tables
model.py      Model: a trained model by torch           ensemble.py  Ensemble: several models as one embedding
without_torch.py  the same models as they are served: by arrays (concat_arrays.py, request_tower.py), or exported
model_folder.py, weights_file.py  the folder of a model, and its weights;   model_base.py  what all models are
export/       the request tower as ONNX

The names below load on first use, so that a model is served without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alicorn.towers.ensemble import Ensemble as Ensemble
from alicorn.towers.model_base import ModelBase as ModelBase
from alicorn.towers.settings.tables import BucketTable as BucketTable
from alicorn.towers.settings.towers import FeatureChoice as FeatureChoice
from alicorn.towers.settings.towers import Towers as Towers
from alicorn.towers.without_torch import load_served as load_served

if TYPE_CHECKING:
    from alicorn.towers.model import Model as Model
    from alicorn.towers.two_tower import TwoTower as TwoTower

AnyModel = ModelBase | Ensemble
"""Whatever publishes or serves takes both."""

_BY_TORCH = {"Model": "alicorn.towers.model", "TwoTower": "alicorn.towers.two_tower"}


def __getattr__(name: str) -> Any:
    if name not in _BY_TORCH:
        raise AttributeError(f"module 'alicorn.towers' has no attribute {name!r}")
    return getattr(import_module(_BY_TORCH[name]), name)
