"""Which of these first? Candidates of an expression in the order that people's choices teach.

features/  what is known of a candidate: features.yaml, and the matrix of a request
forest/    the forest of trees that LightGBM learned, read and scored without LightGBM
explanation.py  what each feature gave a hit, and what would lift it
bst.py     a Behavior Sequence Transformer in service
ranker.py  a forest with the features that it was learned on: one folder
stages/    ranking.yaml: the stages that a candidate passes
learning/  `alicorn rank train`: a forest learned from a log
"""
