"""What does a searcher want, of several things? PinnerSage: interests from a history, over fixed embeddings.

clusters.py  Ward clusters of a history, their medoids and importance; interests drawn by importance
regions.py   how far each interest reaches: Seq2Bubbles
refined.py   vectors of documents refined over the graph of choices: GRCN
histories.py what searchers chose, from the table `activity` and a collection -> a table of interests

Nothing is learned: documents keep the vectors that they were published with. Interests that are learned with the towers
are towers/channels/capsules.py. Source: PinnerSage (KDD 2020, arXiv 2007.03634).
"""

from alicorn.interests.clusters import Interests as Interests
from alicorn.interests.clusters import PinnerSage as PinnerSage
from alicorn.interests.clusters import drawn as drawn
from alicorn.interests.clusters import interests as interests
from alicorn.interests.histories import Region as Region
from alicorn.interests.histories import interest_regions as interest_regions
from alicorn.interests.histories import searcher_interests as searcher_interests
