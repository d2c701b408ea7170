"""How is it learned? From pairs/ and a recipe to a model folder.

recipe.py      Recipe: recipe.yaml, typed          data.py       pairs/ as featurised rows
batches.py     seeded batches with their masks     optimizer.py  Adam, and row-wise Adagrad over tables
loop.py        train(): epochs, early stop         validation.py recall by exact search
checkpoint.py  resume to the same bits             progress.py   what a person sees
people_recipe.yaml, people_text_recipe.yaml        the recipes of the demo
"""

from alicorn.training.loop import Epoch as Epoch
from alicorn.training.loop import Trained as Trained
from alicorn.training.loop import train as train
from alicorn.training.recipe import Recipe as Recipe
