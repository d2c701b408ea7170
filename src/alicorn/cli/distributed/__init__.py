"""Beyond one machine, from the shell.

shard.py    answers routers for one shard
storage.py  sends folders to object storage, and fetches them
"""
