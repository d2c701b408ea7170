"""Beyond one machine, from the shell.

plan.py     says how many machines more documents need
shard.py    answers routers for one shard
promote.py  says which copy of a shard takes its writes
storage.py  sends folders to object storage, and fetches them
"""
