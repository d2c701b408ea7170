"""The towers of MGDSPR: a query at several granularities reads behaviour.

towers.py     both towers                           reading.py    the query, behaviour and other channels as vectors
unit.py       the multi-granular semantic unit      behaviour.py  real-time, short and long behaviour
"""
