"""Why is this the answer? Three explanations, each of another question.

step.py    what did the engine do? A Step for each node: estimated and actual counts, times, plans
reason.py  why is a document in a result, or not? A Reason for each node
match.py   what does a hit have of the query? A Match: the terms, and the cosine to each vector
"""
