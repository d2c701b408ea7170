"""Who changes state? The store, and the background work of flushing, merging and training.

store.py                        Store: create, open, apply, flush, merge, train, verify, snapshot
arguments.py                    keys, metadata, ids to delete
checking.py, checking_vectors.py, checking_positions.py  is a table of documents acceptable?
version_set.py                  the current version, and the lock under which they change
maintenance.py, worker.py       when to flush, merge, train; the thread that does it
rewriting.py, training.py       flush, merge, train
"""
