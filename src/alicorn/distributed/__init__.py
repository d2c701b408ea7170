"""What when one machine is not enough? Batch jobs on engines that teams run already; shards that answer as one.

batch/         a job over the row groups of a table, run here, on Ray or on Spark
protocol/      the messages of a router and its shards; what shards agree on; the manifest of a version
shard/         the answers of one shard
router/        ShardedCollection: parse, scatter, agree, gather, merge
processes/     shards in other processes: replicas, second requests, deadlines
storage/       versions of collections, shards and models in object storage
planning/      machines for more documents than there are
publishing.py  a collection as the shards of a new version
"""
