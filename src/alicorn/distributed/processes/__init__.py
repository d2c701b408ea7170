"""Shards in other processes, over a Unix socket or TCP.

frames.py     messages on a stream; addresses
secret.py     a secret that routers and shards share
ready.py      its kernels, compiled before it listens
server.py     one shard, answered for until the process ends
telling.py    one message to one process
client.py     ProcessShards: replicas, tries again, hedged second requests, deadlines
following.py  a copy that follows the one that leads
promoting.py  one copy is made to lead
on_ray.py     the same processes, placed and started again by Ray Serve
"""
