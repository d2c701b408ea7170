"""What is a request, what is a document? Features in, unit-length embeddings out.

settings/     the `towers` section of a recipe          layout/    what it means for one vertical
tables/       embedding tables, hashed and deep hashed  channels/  each feature as a vector
fusions/      channels as one embedding                 semantic/  the towers of MGDSPR
two_tower.py  TwoTower: both encoders over shared tables    request_tower.py  one request at a time, as arrays
model.py      Model: a trained model in a folder        ensemble.py  Ensemble: several models as one embedding
weights_file.py  tensors as a file of PyTorch
export/       the request tower as ONNX
"""

from alicorn.towers.ensemble import Ensemble as Ensemble
from alicorn.towers.model import Model as Model
from alicorn.towers.settings.tables import BucketTable as BucketTable
from alicorn.towers.settings.towers import FeatureChoice as FeatureChoice
from alicorn.towers.settings.towers import Towers as Towers
from alicorn.towers.two_tower import TwoTower as TwoTower

AnyModel = Model | Ensemble
"""What `Model.load` returns: whatever publishes, serves or is evaluated takes both."""
