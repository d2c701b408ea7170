"""What is a request, what is a document? Features in, unit-length embeddings out.

settings.py  the `towers` section of a recipe, and what it means for one vertical
table.py     embedding tables with row-wise gradients;  hashed.py, dhe.py  their other kinds;  table_settings.py
channels.py  a featurised batch as tensors
tuned.py     learned layers of a pretrained text encoder
networks.py  networks of single channels: transformer.py, deep_set.py, numbers.py;  channel_settings.py
channel_vectors.py  each channel as a vector;  fusion.py  all of them as one embedding
semantic.py  the towers of MGDSPR, from semantic_reading.py, semantic_unit.py, behaviour.py; semantic_settings.py
unified.py   the two encoders;  model.py  Model: a trained model in a folder
ensemble.py  Ensemble: several models as one embedding
"""

from alicorn.towers.ensemble import Ensemble as Ensemble
from alicorn.towers.model import Model as Model
from alicorn.towers.settings import FeatureChoice as FeatureChoice
from alicorn.towers.settings import Towers as Towers
from alicorn.towers.table_settings import Table as Table
from alicorn.towers.unified import Unified as Unified

AnyModel = Model | Ensemble
"""What `Model.load` returns: whatever publishes, serves or is evaluated takes both."""
