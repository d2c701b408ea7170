"""What is wrong but tempting? Which documents stand beside the positives of a batch, and which are negatives of whom.

random.py       documents drawn uniformly, shared by the batch
in_batch.py     the positives of the other requests of the batch
online_hard.py  only the most similar of those (EBR: at most two)
accidental.py   KnownPositives: what must not count as a negative, because the searcher chose it

A batch has columns [positives | random documents]. A source says which columns, as bool (batch, columns); the mask of
known positives has the last word.
"""

from alicorn.negatives.accidental import KnownPositives as KnownPositives
from alicorn.negatives.in_batch import in_batch as in_batch
from alicorn.negatives.online_hard import online_hard as online_hard
from alicorn.negatives.random import random_documents as random_documents
