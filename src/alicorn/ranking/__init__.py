"""Which of these first? Candidates of an expression in the order that people's choices teach.

forest/  the forest of trees that LightGBM learned, read and scored without LightGBM
"""
