"""What is known of a candidate for a request: features.yaml, one definition for training, serving and explanation.

click_history.py  the clicks of a log up to a time
candidates.py     a request with its candidates, segment by segment
feature.py        what every kind of feature has
words.py          BM25, matched terms, whole queries that a document is named by
similarity.py     trigrams that the text and a stored name have in common
document.py       static rank, channel, stored numbers, age
embedding.py      cosine, product and vectors of request and document
searcher.py       distance, what searcher and document have in common, what the searcher did before
sequence.py       what the searcher did before, beside each candidate, for a network
clicks.py         counts of clicks with decay, and popularity without the effect of positions
feature_set.py    features.yaml: FeatureSet, its fingerprint, and the matrix of a request
"""

from alicorn.ranking.features.candidates import Candidates as Candidates
from alicorn.ranking.features.click_history import ClickHistory as ClickHistory
from alicorn.ranking.features.feature_set import FeatureSet as FeatureSet
