"""What may a recipe say of the towers? The section `towers`, typed.

towers.py    the whole section                     tables.py    ids and n-grams as vectors
channels.py  how one channel is read               semantic.py  the fusion `semantic`
"""
