"""How do channels become one embedding?

encoder.py  one side: what every fusion has        concat.py, attention.py  the fusions of EBR and Que2Search
"""
