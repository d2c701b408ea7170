"""Many shards as one collection.

transport.py  how shards are reached
rounds.py     one request to all shards, round after round
facts.py      what follows from a version alone
merging.py    hits and counts of all shards as those of one
result.py     the answer, and how much of the collection it covers
sharded.py    ShardedCollection
"""

from alicorn.distributed.router.result import ShardedResult
from alicorn.distributed.router.sharded import ShardedCollection

__all__ = ["ShardedCollection", "ShardedResult"]
