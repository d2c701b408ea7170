"""The server from the shell.

serve.py    answers over HTTP
key.py      makes, lists, rotates and revokes API keys
"""
