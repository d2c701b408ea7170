"""The store, which writes to a collection, and its background work: flushing, merging, training.

store.py                        Store: create, open, apply, flush, merge, train, verify, snapshot
arguments.py                    the checks of keys, metadata, ids to delete, queries
checking.py, checking_vectors.py, checking_positions.py  the checks of a table of documents
left_out.py, updating.py        the values that an upsert would drop; an update as an upsert
version_set.py                  the current version, and the lock under which they change
maintenance.py, worker.py       when to flush, merge, train; the thread that does it
rewriting.py, training.py       flush, merge, train
"""
