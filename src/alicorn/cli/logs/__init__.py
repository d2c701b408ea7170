"""Logs from the shell.

formats.py    logs of other systems: in and out
propensity.py how likely a result is looked at, by its rank
related.py    documents that are chosen with a document
"""
