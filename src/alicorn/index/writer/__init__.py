"""The store, which writes to a collection, and its background work: flushing, merging, training.

store.py                        Store: create, open, apply, flush, merge, train, verify, snapshot
checks/                         the checks of arguments and tables, before anything is written
writing.py, updating.py         one write; an update as a write of whole documents
version_set.py                  the current version, and the lock under which they change
maintenance.py, worker.py       when to flush, merge, train; the thread that does it
rewriting.py, training.py       flush, merge, train
"""
