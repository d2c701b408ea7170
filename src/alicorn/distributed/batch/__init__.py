"""How is a large table worked through? docs/beyond-one-machine.md is its page.

job.py       each row group of a table, by itself, becomes a part file: what every engine runs
engines.py   here, on Ray Data, on Spark
run.py       what is left of a job, and its parts put in place when all are there
embed.py     vectors of documents
documents.py documents as a collection takes them: what `publish` writes
shards.py    each shard of a collection
"""

from alicorn.distributed.batch.embed import EmbeddedDocuments as EmbeddedDocuments
from alicorn.distributed.batch.embed import embed as embed
from alicorn.distributed.batch.engines import BatchEngine as BatchEngine
