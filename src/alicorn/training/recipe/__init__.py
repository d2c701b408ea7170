"""How shall it be learned? recipe.yaml, typed, frozen, strict.

recipe.py             Recipe, Stage, Optimizer, Validation
loss_settings.py      loss, auxiliary, blending, diversity        negative_settings.py  negatives
base.py               a recipe that starts from a shipped one
"""

from alicorn.training.recipe.recipe import Recipe as Recipe
