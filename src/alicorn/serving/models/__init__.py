"""Which models answer, and how does another one take over while the server answers?

model_check.py    two models beside each other on logged searches
shadow.py         a share of the searches, answered by another model too
served_models.py  load, check, shadow, switch, roll back
told_models.py    the same models in all processes of a server
operations.py     the same over HTTP
"""
