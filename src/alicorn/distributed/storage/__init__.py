"""Versions of collections, shards and models in object storage.

objects.py   a folder at a URL: objects by their checksums, and one small object that says which are current
transfer.py  push and pull: checked, and resumed where they were killed
"""
