"""What did people search and choose? Log tables in, training examples out. After worlds/, before features/.

tables/         the log folder: its tables found, checked, and joined; Logs
formats/        logs of other systems, in and out: UBI, Metarank
splits.py       searches, split into train, valid and test
positives.py    clicks, impressions, documents reached after failed searches; documents shown and not chosen
likeness.py     the share of a query's letter trigrams that a document has
context.py      what the log itself says of a search; the searcher as of then
behaviour.py    what each searcher had done before each search; timelines.py: slices of time
leaks.py        features that know what is chosen later
popularity.py   clicks of each document in the training split
related.py      documents that are chosen with a document
propensity.py   how likely a result is looked at, by its rank
mine.py         all of it, into a folder pairs/ that training and evaluation read

Tables are Ibis expressions on DuckDB with a bounded memory: logs may be larger than it.
"""

from alicorn.logs.mine import Teacher as Teacher
from alicorn.logs.mine import mine as mine
from alicorn.logs.tables import Logs as Logs
from alicorn.logs.tables import read_logs as read_logs
