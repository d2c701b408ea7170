"""Who changes state? The store, the mutable layer, and the background work of flushing, merging and training.

store.py                        Store: create, open, upsert, delete, flush, merge, train, verify, snapshot
arguments.py                    keys, metadata, ids to delete
checking.py, checking_vectors.py  is a table of documents acceptable?
live.py, contents.py            what is in memory now
mutable.py                      the mutable layer
maintenance.py, worker.py       when to flush, merge, train; the thread that does it
rewriting.py, training.py       flush, merge, train
loading.py, replay.py           opening: from the manifest and the journal
verify.py, backup.py            is it all there? a copy of it
"""
