"""What a router and its shards say to each other.

routing.py    in which shard is a document?
manifest.py   the files of a version, and what its shards share
exchanges.py  what shards must agree on in the middle of an answer
messages.py   requests and answers; codec.py: the same as bytes
"""
