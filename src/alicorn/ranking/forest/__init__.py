"""A forest of regression trees that LightGBM learned: its model text, read and scored without LightGBM.

model_text.py  the text -> trees; whatever it cannot read is refused
forest.py      Forest: the trees as arrays, and the scores of rows of features
kernels.py     the compiled loops
"""

from alicorn.ranking.forest.forest import Forest as Forest
