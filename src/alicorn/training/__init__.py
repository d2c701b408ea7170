"""How is it learned? From pairs/ and a recipe to a model folder.

ranks.py     the processes of one run that share the rows of every batch
recipe/      Recipe: recipe.yaml, typed, its sections and the shipped recipes it may start from (recipes/)
examples/    pairs/ as featurised rows, seeded batches with their masks
objective/   the loss of a batch; frequent queries as a second task
run/         train(): stages, epochs, optimizers, validation, checkpoints, what is said where training diverges
successive_halving.py  search_recipe(): recipes near a given one, tried within a budget      search_space.py  which
"""

from alicorn.training.recipe.recipe import Recipe as Recipe
from alicorn.training.run.history import Epoch as Epoch
from alicorn.training.run.history import Trained as Trained
from alicorn.training.run.train import train as train
from alicorn.training.successive_halving import search_recipe as search_recipe
from alicorn.training.successive_halving import seconds_of as seconds_of
