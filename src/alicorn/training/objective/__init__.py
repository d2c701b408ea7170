"""What is minimised? The loss of a batch of embeddings.

objective.py  negatives, the main loss, blending and regularisers        auxiliary.py  which frequent queries?
"""
