"""What does close mean? Pure functions of unit-length embeddings and a mask: (requests, documents, allowed) -> scalar.

triplet.py    hinge on cosine distance with a margin (EBR; margin rank in Que2Search)
pairwise.py   BPR, the likelihood that the positive ranks before a negative (Que2Search)
softmax.py    scaled softmax over in-batch and shared negatives, with logQ correction; its temperature is 1 / scale
margin_mse.py the margins that a teacher gives, learned by least squares (Hofstätter et al.)
symmetric.py  the mean of that over documents and over requests (Que2Search)
diversity.py how alike the interests of one request are (DRIM): these read no documents
rows.py       triplet, BPR and softmax on the processor, loss and gradient in one pass over the similarity matrix
finite.py     whether all numbers of a tensor are finite

All but diversity.py take requests (batch, dim); documents (columns, dim), of which the first `batch` are the
positives, row by row; and `allowed`, bool (batch, columns): which column may be a negative of which request. A masked
one has exactly no weight. margin_mse.py takes margins instead of `allowed`.
"""

from alicorn.losses.diversity import centre_distance as centre_distance
from alicorn.losses.diversity import max_entropy as max_entropy
from alicorn.losses.diversity import pair_difference as pair_difference
from alicorn.losses.margin_mse import margin_mse_loss as margin_mse_loss
from alicorn.losses.pairwise import bpr_loss as bpr_loss
from alicorn.losses.softmax import softmax_loss as softmax_loss
from alicorn.losses.symmetric import symmetric_softmax_loss as symmetric_softmax_loss
from alicorn.losses.triplet import triplet_loss as triplet_loss
