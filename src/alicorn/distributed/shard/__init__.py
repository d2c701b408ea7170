"""The answers of one shard.

execution.py  the evaluation of an expression where the shards have agreed
agreeing.py   what is counted over the whole collection inside a tree
answering.py  a search, round by round
shard.py      OpenShard: a snapshot of some of the documents, and its answer to every message that reads
epochs.py     who led a shard when
written.py    WrittenShard: a copy that leads, or follows the one that does
versions.py   ShardVersions: the versions of a shard in a folder
"""
