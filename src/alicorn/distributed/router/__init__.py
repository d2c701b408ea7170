"""Many shards as one collection.

transport.py  how shards are reached
reach.py      until when, and whether an answer of some of them will do
rounds.py     one request to all shards, round after round
facts.py      what follows from a moment alone
merging.py    hits and counts of all shards as those of one
fetched.py    the documents of hits as a snapshot of their own
version.py    a version of shards at a moment, as a router knows it
search.py     one search over some shards
writing.py    writes to the copies that lead
sharded.py    ShardedCollection
"""

from alicorn.distributed.router.reach import reaching
from alicorn.distributed.router.sharded import ShardedCollection

__all__ = ["ShardedCollection", "reaching"]
