"""Logs from the shell.

formats.py    logs of other systems: in and out
related.py    documents that are chosen with a document
"""
