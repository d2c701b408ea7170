"""Shards in other processes, over a Unix socket or TCP.

frames.py  messages on a stream; addresses
secret.py  a secret that routers and shards share
server.py  one shard, answered for until the process ends
client.py  ProcessShards: replicas, tries again, hedged second requests, deadlines
"""
