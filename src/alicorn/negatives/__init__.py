"""What is wrong but tempting? Which documents join the positives of a batch, and which are negatives of which request?

columns.py        the columns of a batch and the mask: what all sources add up to
random.py         documents drawn uniformly, shared by the batch
in_batch.py       the positives of the other requests of the batch
online_hard.py    only the most similar of those (EBR: at most two)
own.py            documents of a request's own: shown and not clicked, or mined (offline hard)
offline_hard.py   which documents a model ranks in a window, on a shard of the corpus; the search is passed in
memory.py         positives of past batches, by the embedding they had then (CBNS)
interpolated.py   made from a request's hardest negatives and its positive (MGDSPR)
frequency.py      logQ: how often a document is drawn, counted or estimated, to be subtracted from its logit
accidental.py     KnownPositives: what must not count as a negative, because the searcher chose it

A batch has columns [positives | random documents | the requests' own | remembered]. A source says which columns, as
bool (batch, columns); the mask of known positives has the last word.
"""

from alicorn.negatives.accidental import KnownPositives as KnownPositives
from alicorn.negatives.columns import Columns as Columns
from alicorn.negatives.columns import Source as Source
from alicorn.negatives.columns import batch_columns as batch_columns
from alicorn.negatives.frequency import StreamingPopularity as StreamingPopularity
from alicorn.negatives.frequency import log_frequency as log_frequency
from alicorn.negatives.frequency import log_mixture as log_mixture
from alicorn.negatives.in_batch import in_batch as in_batch
from alicorn.negatives.interpolated import interpolated as interpolated
from alicorn.negatives.memory import Memory as Memory
from alicorn.negatives.offline_hard import Search as Search
from alicorn.negatives.offline_hard import Shard as Shard
from alicorn.negatives.offline_hard import hard_of as hard_of
from alicorn.negatives.online_hard import online_hard as online_hard
from alicorn.negatives.own import OwnNegatives as OwnNegatives
from alicorn.negatives.random import RandomDocuments as RandomDocuments
