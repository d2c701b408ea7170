"""What does close mean? Pure functions of unit-length embeddings and a mask: (requests, documents, allowed) -> scalar.

triplet.py  hinge on cosine distance with a margin (EBR)
softmax.py  scaled softmax over in-batch and shared negatives, with logQ correction
rows.py     both on the processor, loss and gradient in one pass over the similarity matrix

All take requests (batch, dim); documents (columns, dim), of which the first `batch` are the positives, row by row; and
`allowed`, bool (batch, columns): which column may be a negative of which request. A masked one has exactly no weight.
"""

from alicorn.losses.softmax import softmax_loss as softmax_loss
from alicorn.losses.triplet import triplet_loss as triplet_loss
