"""Nearest neighbours.

nearest.py   complete radius, and the k nearest
kernel.py    the compiled loop; scoring.py: its steps
products.py  many requests at once
"""
