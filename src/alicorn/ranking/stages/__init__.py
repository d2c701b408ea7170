"""ranking.yaml: the stages that a candidate passes, from the expression's order to the page.

slate.py       the hits between two stages
scoring.py     stages that order by a number: a weighted sum, the forest, BST, the user's own function
set_choice.py  stages that look at the hits together: relevance filter, diversity, at most n of a value
pipeline.py    ranking.yaml, and a search with all its stages
explained.py   why a document is where it is in the answer, or not there
"""

from alicorn.ranking.stages.pipeline import Pipeline as Pipeline
