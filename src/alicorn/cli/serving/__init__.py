"""The server from the shell.

serve.py    answers over HTTP
feed.py     sends documents to a server
key.py      makes, lists, rotates and revokes API keys
"""
