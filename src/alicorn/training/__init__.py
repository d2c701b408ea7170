"""How is it learned? From pairs/ and a recipe to a model folder.

recipe.py        Recipe: recipe.yaml, typed; its sections in loss_settings.py and negative_settings.py
data.py          pairs/ as featurised rows          batches.py     seeded batches with their masks
objective.py     the loss of a batch                auxiliary.py   frequent queries as a second task
loop.py          train(): epochs, early stop        optimizer.py   Adam or Adagrad; row-wise Adagrad over tables
validation.py    recall by exact search, ROC AUC    mining.py      offline hard negatives between stages
checkpoint.py    resume to the same bits            progress.py    what a person sees
recipes/         by paper; base.py starts from one  people_recipe.yaml, people_text_recipe.yaml   of the demo
"""

from alicorn.training.loop import Epoch as Epoch
from alicorn.training.loop import Trained as Trained
from alicorn.training.loop import train as train
from alicorn.training.recipe import Recipe as Recipe
